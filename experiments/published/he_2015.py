r"""ReLU halves the signal in every layer. What does doubling the weights' variance change?

Claim   With Var W = 2 / n (He) a ReLU layer keeps the variance of the signal, on the way there and on the way back;
        with 1 / n (Xavier, layers of one width) it keeps half of it. So 30 layers train with He's initialisation and
        stall with Xavier's (He et al., 2015, arXiv:1502.01852).
Setup   Factors: 40 networks of 30 hidden ReLU layers, width 256, untrained, 64 digits. Arithmetic means over layers
        and seeds: the factor of one layer has the mean 1 (1/2), its log lies lower by 5 / 2n.
        Training: 30 hidden layers, width 128, three seeds, 600 steps on all digits in mini-batches of 64; accuracy on
        the training digits, medians over seeds. He at rate 0.01, Xavier at the best of 0.003, 0.01, 0.03, 0.1.
Run     python experiments/published/he_2015.py           # a minute on one CPU core
        python experiments/published/he_2015.py --quick
Writes  results/published/he_2015 (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
from claims import Claim, around, run_script
from matplotlib.figure import Figure

from vanishlab import Dataset, NetworkConfig, TrainingConfig, load_data, train
from vanishlab.config import InitializationName
from vanishlab.language.sentences import say
from vanishlab.plots import save_both

SOURCE = "He et al. 2015: ReLU needs twice the variance"
NAMES: dict[InitializationName, str] = {"kaiming_normal": "He", "xavier_normal": "Xavier"}
PUBLISHED = {"He": ("1", 1.0), "Xavier": ("1/2", 0.5)}
CHUNK = 20  # networks side by side
RATES = {"He": (0.01,), "Xavier": (0.003, 0.01, 0.03, 0.1)}


def measure(quick: bool, out: Path) -> list[Claim]:
    depth, width, seeds = (20, 128, range(12)) if quick else (30, 256, range(40))
    levels, accuracies = {}, {}
    claims = []
    for initialization, name in NAMES.items():
        levels[name] = _levels(NetworkConfig(depth, width, "relu", initialization), seeds)
        accuracies[name] = _train(initialization, depth, (0.01,) if quick else RATES[name], quick)  # (step, rate)
        published, factor = PUBLISHED[name]
        # The factor of one layer has a relative variance of 5 / n, and those of different layers and seeds do not
        # correlate.
        error = math.sqrt(5 / width / ((depth - 1) * len(seeds)))
        for way, level in levels[name].items():
            ratios = level[:, 1:] / level[:, :-1] if way == "forward" else level[:, :-1] / level[:, 1:]
            claims.append(
                Claim(
                    say("{name}: factor per layer, {way}", name=name, way=say(way)),
                    published,
                    factor,
                    float(ratios.mean()),
                    around(factor, share=max(4 * error, 0.02)),
                    say("±2 %, or 4 standard errors where these are more"),
                )
            )
    claims += [
        Claim(
            say("He: accuracy, {depth} layers", depth=depth),
            say("converges"),
            None,
            float(accuracies["He"][-1].max()),
            (0.4 if quick else 0.95, 1.0),
            say("well on its way after a third of the steps; chance is 0.1") if quick else say("has learnt its digits"),
        ),
        Claim(
            say("Xavier: accuracy, {depth} layers, best rate", depth=depth),
            say("stalls"),
            None,
            float(accuracies["Xavier"][-1].max()),
            (0.0, 0.3),
            say("chance is 0.1"),
        ),
    ]
    print(*save_both(_draw(levels, accuracies, quick), out / "he_2015"))
    return claims


def _levels(network: NetworkConfig, seeds: range) -> dict[str, np.ndarray]:
    """Return the mean squares of activation and delta in each hidden layer, (run, layer), before training."""
    data = load_data("digits", max_examples=64)
    parts = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    records = [train(network, TrainingConfig(seeds=tuple(part), steps=0, device="cpu"), data) for part in parts]
    return {
        "forward": np.concatenate([record.activation_rms[:, 0, :-1] ** 2 for record in records]),
        "backward": np.concatenate([record.delta_rms[:, 0, :-1] ** 2 for record in records]),
    }


def _train(initialization: InitializationName, depth: int, rates: tuple[float, ...], quick: bool) -> np.ndarray:
    """Return the accuracy on all training digits, medians over seeds, (evaluation, rate)."""
    digits = load_data("digits", max_examples=128 if quick else None)
    data = Dataset(digits.x, digits.y, digits.x, digits.y)  # tested on what it learns
    steps, seeds = 200 if quick else 600, (0, 1, 2)
    network = NetworkConfig(depth, 64 if quick else 128, "relu", initialization)
    training = TrainingConfig(
        rates,
        seeds,
        steps,
        batch_size=32 if quick else 64,
        record_every="never",
        evaluate_every=steps // 10,
        device="cpu",
    )
    record = train(network, training, data)
    return np.median(record.test_accuracy.reshape(len(rates), len(seeds), -1), 1).T


def _draw(levels: dict[str, dict[str, np.ndarray]], accuracies: dict[str, np.ndarray], quick: bool) -> Figure:
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    there, back, learning = figure.subplots(1, 3)
    for color, (name, ways) in zip(("tab:blue", "tab:red"), levels.items(), strict=True):
        layers = np.arange(1, ways["forward"].shape[1] + 1)
        factor = PUBLISHED[name][1]
        for ax, level, towards in ((there, ways["forward"], layers - 1), (back, ways["backward"], layers[::-1] - 1)):
            level = level / (level[:, :1] if ax is there else level[:, -1:])
            ax.fill_between(layers, *np.percentile(level, [5, 95], axis=0), color=color, alpha=0.2)
            ax.plot(
                layers, level.mean(0), "o", markersize=3, color=color, label=say("{name}, mean of seeds", name=name)
            )
            ax.plot(layers, factor**towards, color="black", linewidth=1, linestyle="--")
        rates = (0.01,) if quick else RATES[name]
        steps = np.linspace(0, 200 if quick else 600, len(accuracies[name]))
        for rate, curve, style in zip(rates, accuracies[name].T, ("-", "--", "-.", ":"), strict=False):
            learning.plot(steps, curve, style, color=color, label=say("{name}, rate {rate:g}", name=name, rate=rate))
    there.set(ylabel=say("activation², layer l / layer 1"), title=say("forward"))
    back.set(ylabel=say("delta², layer l / last hidden layer"), title=say("backward"))
    for ax in (there, back):
        ax.set(yscale="log", xlabel=say("layer (1 = nearest the input)"))
        ax.legend(frameon=False, loc="lower left" if ax is there else "lower right")
    learning.set(
        xlabel=say("step"), ylabel=say("accuracy on the training digits"), ylim=(0, 1.02), title=say("training")
    )
    learning.legend(frameon=False, fontsize="small", loc="best")
    figure.suptitle(
        say("ReLU, He's and Xavier's weights: factors 1 and 1/2 per layer (dashed), bands of 90 % of the seeds")
    )
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
