r"""Sigmoid's slope is at most 1/4: does no layer ever pass on more than that times its weights' largest singular value?

Claim   ||delta_l|| <= sigma_max(W_{l+1}) ||delta_{l+1}|| / 4, so that with small weights the gradient vanishes
        exponentially with depth (Hochreiter, 1991; Bengio et al., 1994). With PyTorch's default initialisation, weights
        of variance 1 / (3 n), sigma_max tends to 2 / sqrt(3): a bound of 0.289, a typical factor of 0.144.
Setup   20 networks of 20 hidden sigmoid layers, width 64, float64; 512 handwritten digits. Norms over the batch.
Run     python experiments/published/sigmoid_slope.py           # three seconds on one CPU core
        python experiments/published/sigmoid_slope.py --quick
Writes  results/published/sigmoid_slope (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
import torch
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vanishlab import MLP, NetworkConfig, TrainingConfig, load_data, predict, train
from vanishlab.language.sentences import say
from vanishlab.plots import save_both

SOURCE = "Hochreiter 1991; Bengio et al. 1994: the sigmoid bound"
WIDTH = 64


def measure(quick: bool, out: Path) -> list[Claim]:
    data = load_data("digits", max_examples=128 if quick else 512)
    seeds = tuple(range(5 if quick else 20))
    network = NetworkConfig(depth=20, width=WIDTH, activation="sigmoid", dtype="float64")
    record = train(network, TrainingConfig(seeds=seeds, steps=0, device="cpu"), data)
    hidden = record.delta_rms[:, 0, :-1]  # (run, layer)
    factors = hidden[:, :-1] / hidden[:, 1:]  # (run, layer): layers of one width, so RMS and norm shrink alike
    model = MLP(network, data.features, data.num_classes, seeds)
    inner = model.linear_layers[1:-1]
    sigma_max = torch.stack([torch.linalg.matrix_norm(layer.weight.detach(), 2) for layer in inner], 1).numpy()
    bounds = 0.25 * sigma_max  # (run, layer)

    prediction = predict(network, data)
    levels = prediction.log10_delta_rms[:-1]
    predicted = 10.0 ** float((levels[0] - levels[-1]) / (len(levels) - 1))
    print(*save_both(_draw(factors, bounds, predicted), out / "sigmoid_slope"))
    return [
        Claim(
            say("layers that break the bound"),
            say("none"),
            0.0,
            float((factors > bounds).sum()),
            (0.0, 0.0),
            say("a theorem"),
        ),
        Claim(
            say("sigma_max(W) / 4, mean"),
            "–",
            0.25 * 2 / math.sqrt(3),
            float(bounds.mean()),
            around(0.25 * 2 / math.sqrt(3), share=0.05),
            say("±5 %: sigma_max at width 64 lies below its limit by about n^(-2/3)"),
        ),
        Claim(
            say("factor of ||delta|| per layer, geometric mean"),
            say("at most 0.144"),
            predicted,
            float(np.exp(np.log(factors).mean())),
            around(predicted, share=0.03),
            say("±3 %: width 64"),
            say("the slope is 1/4 at z = 0 only; biases and activations of 1/2 keep z away from it, hence below 0.144"),
        ),
    ]


def _draw(factors: np.ndarray, bounds: np.ndarray, predicted: float) -> Figure:
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    ax = figure.subplots()
    layers = np.arange(1, factors.shape[1] + 1)
    ax.plot(layers, bounds.max(0), "v", color="tab:red", label=say("largest bound σ_max(W) / 4 of the networks"))
    ax.plot(layers, bounds.min(0), "^", color="tab:red", label=say("smallest bound"))
    ax.fill_between(layers, factors.min(0), factors.max(0), alpha=0.3, label=say("measured, lowest to highest"))
    ax.plot(layers, np.median(factors, 0), "o-", markersize=4, label=say("measured, median"))
    ax.axhline(predicted, color="black", linewidth=1, linestyle="--", label=say("theory"))
    ax.set(xlabel=say("layer l (1 is nearest the input)"), ylabel="‖δ_l‖ / ‖δ_{l+1}‖", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(say("Sigmoid: what a layer passes back, and what it can pass back at most"))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
