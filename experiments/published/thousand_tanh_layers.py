r"""Do 1,000 plain tanh layers train, with neither skip connections nor normalisation?

Claim   They do with orthogonal weights near the critical point: plain convolutional networks of 10,000 tanh layers were
        trained that way (Xiao et al., 2018, arXiv:1806.05393). Gaussian weights of the same variance keep the size of
        the gradient on the mean, and still fail: of n x n Gaussian factors, the product of L has singular values whose
        logs are L lambda_k, lambda_k = (psi((n - k + 1) / 2) + log(2 sigma_w^2 / n)) / 2 with psi the digamma function
        (Newman, 1986), so that its condition number explodes; that of orthogonal factors stays 1.
Setup   1,000 layers of width 64 in float32, zero biases, sigma_w = 1.02, full-batch descent with rate 0.003 on 256
        handwritten digits times 0.3, seeds 0 and 1. Also the variance of PyTorch's default, sigma_w^2 = 1/3.
Run     python experiments/published/thousand_tanh_layers.py           # three minutes on one CPU core
        python experiments/published/thousand_tanh_layers.py --quick   # 100 layers
Writes  results/published/thousand_tanh_layers (.png, .svg)
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from scipy.special import digamma

from vanishlab import MLP, Dataset, NetworkConfig, Prediction, Record, TrainingConfig, load_data, predict, train
from vanishlab.language.sentences import listed, say
from vanishlab.plots import save_both

SOURCE = "Xiao et al. 2018: a thousand plain tanh layers"
WIDTH = 64


def measure(quick: bool, out: Path) -> list[Claim]:
    depth, steps, rate, examples = (100, 25, 0.01, 64) if quick else (1000, 150, 0.003, 256)
    seeds = (0,) if quick else (0, 1)
    digits = load_data("digits", max_examples=examples)
    data = Dataset(0.3 * digits.x, digits.y)
    orthogonal = NetworkConfig(depth=depth, width=WIDTH, activation="tanh", initialization="orthogonal", sigma_w=1.02)
    gaussian = replace(orthogonal, initialization="gaussian")
    small = replace(gaussian, sigma_w=math.sqrt(1 / 3))
    training = TrainingConfig(learning_rates=(rate,), seeds=seeds, steps=steps, record_every=5, device="cpu")
    trained = {"orthogonal": train(orthogonal, training, data), "Gaussian": train(gaussian, training, data)}
    untrained = train(small, replace(training, steps=0), data)
    prediction = predict(orthogonal, data)
    print(*save_both(_draw(trained, untrained, prediction), out / "thousand_tanh_layers"))

    factors = depth - 1  # the square ones by rule: layers 2 to depth
    conditions = [log10_condition(MLP(network, data.features, 10, seeds)) for network in (orthogonal, gaussian)]
    largest, smallest = digamma([WIDTH / 2, 1 / 2]) / 2
    spread = factors * (largest - smallest) / math.log(10)
    deviation = math.sqrt(factors * math.pi**2 / 8 / len(seeds)) / math.log(10)  # of the smallest: of log |N(0, 1)|
    delta = trained["orthogonal"].delta_rms[:, 0, :-1]  # (run, layer)
    kept = float(prediction.delta_rms[0] / prediction.delta_rms[depth - 1])
    size = say("{depth} layers, {steps} steps", depth=depth, steps=steps)
    return [
        Claim(
            say("orthogonal: accuracy on the training data, {size}", size=size),
            say("trains"),
            None,
            float(trained["orthogonal"].accuracy[:, -1].min()),
            (0.6, 1.0) if quick else (0.95, 1.0),
            say("on its way: chance is 0.1") if quick else say("all but a few examples, in every seed"),
        ),
        Claim(
            say("Gaussian: the same, {size}", size=size),
            "–",
            None,
            float(trained["Gaussian"].accuracy[:, -1].max()),
            (0.0, 0.45) if quick else (0.0, 0.3),
            say("not far from chance, in every seed"),
        ),
        Claim(
            say("orthogonal: RMS delta of layer 1 over the last hidden layer's"),
            "1",
            kept,
            float((delta[:, 0] / delta[:, -1]).mean()),
            (kept / 1.5, kept * 1.5),
            say("factor 1.5: {depth} layers' slopes of tanh, each a mean over {width} units", depth=depth, width=WIDTH),
        ),
        Claim(
            say("orthogonal: log10 of the condition number of the weights' product"),
            "0",
            0.0,
            conditions[0],
            around(0.0, absolute=1e-3),
            say("the rounding of float32, 1e-7 in each of {factors} factors", factors=factors),
        ),
        Claim(
            say("Gaussian: the same"),
            "–",
            spread,
            conditions[1],
            around(spread, absolute=4 * deviation),
            say("four standard deviations of the smallest singular value's log"),
            say("almost nothing but one direction is left of what enters or comes back"),
        ),
        Claim(
            say("Gaussian with σ_w² = 1/3: largest norm of a layer's weight gradient"),
            "–",
            None,
            float(untrained.gradient_norm.max()),
            (0.0, 10 * 3 ** (-depth / 2) if depth < 150 else 0.0),
            say("h and delta lose a factor √3 per layer; 0 where that leaves float32, which ends at 1e-45"),
        ),
    ]


def log10_condition(model: MLP) -> float:
    """Return log10 of the condition number of W_L ... W_2, from the R of repeated QR, as a mean over runs."""
    basis, logs = np.eye(WIDTH), np.zeros((model.runs, WIDTH))
    for run in range(model.runs):
        for layer in model.linear_layers[1:-1]:
            basis, upper = np.linalg.qr(layer.weight[run].detach().double().numpy() @ basis)
            logs[run] += np.log10(np.abs(np.diag(upper)))
    return float((logs.max(1) - logs.min(1)).mean())


def _draw(trained: dict[str, Record], untrained: Record, prediction: Prediction) -> Figure:
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for color, (name, record) in zip(("tab:blue", "tab:red"), trained.items(), strict=True):
        left.plot(record.step, record.accuracy.T, color=color)
        right.plot(record.layer[:-1], record.delta_rms[:, 0, :-1].T, color=color, linewidth=1)
        right.plot([], [], color=color, label=listed([say(name), "σ_w = 1.02"]))
    left.axhline(0.1, color="black", linewidth=1, linestyle=":")
    left.annotate(say("chance"), (0, 0.1), (0, -12), textcoords="offset points")
    left.set(xlabel=say("step"), ylabel=say("accuracy on the training data"), ylim=(0, 1.03))
    left.set_title(say("{layers} plain tanh layers", layers=len(prediction.layer) - 1))
    right.plot(prediction.layer[:-1], prediction.delta_rms[:-1], "k--", linewidth=1, label=say("theory, σ_w = 1.02"))
    small = np.where(untrained.delta_rms[0, 0, :-1] > 0, untrained.delta_rms[0, 0, :-1], np.nan)
    right.plot(
        untrained.layer[:-1], small, color="tab:gray", label=say("Gaussian, σ_w² = 1/3 (ends where float32 does)")
    )
    right.set_yscale("log")
    right.set(xlabel=say("layer l (1 is nearest the input)"), ylabel=say("RMS delta per example at the start"))
    right.set_title(say("What arrives at each layer"))
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
