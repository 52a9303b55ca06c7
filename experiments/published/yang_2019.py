r"""How fast does batch normalisation make gradients explode, and how does that depend on the batch size?

Claim   In deep, wide networks with batch normalisation the squared gradient grows backwards by a factor per layer that
        no choice of sigma_w changes (Yang et al., 2019, arXiv:1902.08129, theorem 8): for a batch of B examples

            linear   (B - 2) / (B - 3)
            ReLU     ((B - 1 + J') / (1 - J) - 1) / (B - 3),   which falls to pi / (pi - 1) = 1.467 as B grows

        with J(c) = (sqrt(1 - c^2) + (pi - arccos c) c) / pi and its slope J'(c) at c = -1 / (B - 1).
Setup   30 hidden layers of width 1,000, 8 seeds, 10 classes, inputs drawn from N(0, 1), so that the batch is near its
        fixed point from layer 1 on. The rate is the slope of the mean log of delta^2 over layers 6 to 25.
Run     python experiments/published/yang_2019.py           # 40 s on one CPU core
        python experiments/published/yang_2019.py --quick
Writes  results/published/yang_2019 (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from vanishlab import Dataset, NetworkConfig, TrainingConfig, train
from vanishlab.config import ActivationName
from vanishlab.language.sentences import say
from vanishlab.plots import save_both
from vanishlab.theory.batch_norm.explosion_rate import batch_norm_rate

SOURCE = "Yang et al. 2019: batch normalisation makes gradients explode"
Curves = dict[tuple[str, int], np.ndarray]  # by activation and batch size
FULL: tuple[tuple[ActivationName, tuple[int, ...]], ...] = (
    ("linear", (6, 8, 16, 32)),
    ("relu", (6, 8, 16, 64, 256)),
    ("tanh", (8, 64)),
)
QUICK: tuple[tuple[ActivationName, tuple[int, ...]], ...] = (("linear", (8,)), ("relu", (16, 64)))
MARGIN = 5  # layers left out at each end: the batch finds its fixed point there


def measure(quick: bool, out: Path) -> list[Claim]:
    width, depth, seeds = (300, 24, 6) if quick else (1000, 30, 8)
    profiles: Curves = {
        (activation, size): delta_squares(activation, size, width, depth, seeds)
        for activation, sizes in (QUICK if quick else FULL)
        for size in sizes
    }
    rates = {key: fitted_rates(logs) for key, logs in profiles.items()}
    print(*save_both(_draw(profiles, rates), out / "yang_2019"))
    # Three parts: the seeds' noise, a heavy-tailed 1 / s^2 at small batches, stands in the table; finite width lowers
    # the mean log by a few times 1 / width; B / width, the spread of the batch's covariance about its fixed point,
    # counts to second order only.
    share = 0.04 if quick else 0.02
    notes = {
        ("linear", 32): say("of all activations the linear one explodes least (theorem 9), and it still does"),
        ("relu", 256): say("the limit of large batches is {limit:.4f}", limit=math.pi / (math.pi - 1)),
    }
    return [
        Claim(
            say("{activation}, batches of {size}: factor of delta² per layer", activation=activation, size=size),
            "–" if activation == "tanh" else f"{published_rate(activation, size):.4f}",
            predicted := batch_norm_rate(activation, size),
            math.exp((logs := np.log(rates[activation, size])).mean()),
            around(predicted, share=share),
            say(
                "±{share:.0f} %: width {width}, standard error {error:.1f} %",
                share=100 * share,
                width=width,
                error=100 * logs.std(ddof=1) / math.sqrt(seeds),
            ),
            notes.get((activation, size), ""),
        )
        for activation, size in profiles
    ]


def published_rate(activation: str, size: int) -> float:
    """Return theorem 8's rate."""
    if activation == "linear":
        return (size - 2) / (size - 3)
    c = -1 / (size - 1)
    slope = (math.pi - math.acos(c)) / math.pi
    value = math.sqrt(1 - c * c) / math.pi + slope * c
    return ((size - 1 + slope) / (1 - value) - 1) / (size - 3)


def delta_squares(activation: ActivationName, size: int, width: int, depth: int, seeds: int) -> np.ndarray:
    """Return log delta^2 of the hidden layers, (seed, layer)."""
    generator = np.random.default_rng(0)
    data = Dataset(generator.standard_normal((size, width)), np.arange(size) % 10, classes=10)
    network = NetworkConfig(
        depth=depth, width=width, activation=activation, initialization="kaiming_normal", normalization="batch"
    )
    return np.concatenate(
        [  # one at a time: 30 layers of width 1,000 and their gradients take 240 MB
            2 * np.log(train(network, TrainingConfig(seeds=(seed,), steps=0, device="cpu"), data).delta_rms[:, 0, :-1])
            for seed in range(seeds)
        ]
    )


def fitted_rates(logs: np.ndarray) -> np.ndarray:
    """Return the factor per layer on the way back of each seed, (seed,)."""
    layers = np.arange(MARGIN, logs.shape[1] - MARGIN)
    return np.exp(-np.polyfit(layers, logs[:, layers].T, 1)[0])


def _draw(profiles: Curves, rates: Curves) -> Figure:
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    colors = {"linear": "tab:blue", "relu": "tab:red", "tanh": "tab:green"}
    sizes = sorted({size for activation, size in profiles if activation == "relu"})
    for place, size in enumerate(sizes):
        logs = profiles["relu", size]
        layers = np.arange(1, logs.shape[1] + 1)
        mean = logs.mean(0) - logs.mean(0)[-1]
        color = f"C{place}"
        left.plot(layers, np.exp(mean), "o", markersize=4, color=color, label=say("batches of {size}", size=size))
        left.plot(layers, batch_norm_rate("relu", size) ** (layers[-1] - layers), color=color, linewidth=1)
    left.set_yscale("log")
    left.set(xlabel=say("layer l (1 is nearest the input)"), ylabel=say("delta² at layer l / at the last hidden layer"))
    left.set_title(say("ReLU: growth on the way back (lines: theory)"))
    left.legend(frameon=False)
    x = np.unique(np.geomspace(6, 300, 60).astype(int))
    for activation, color in colors.items():
        measured = {size: np.log(found) for (name, size), found in rates.items() if name == activation}
        right.plot(x, [batch_norm_rate(activation, int(size)) for size in x], color=color, label=activation)
        if measured:
            right.plot(list(measured), [math.exp(found.mean()) for found in measured.values()], "o", color=color)
    right.axhline(math.pi / (math.pi - 1), color="tab:red", linewidth=1, linestyle="--")
    right.annotate("π / (π − 1)", (300, math.pi / (math.pi - 1)), (0, -12), textcoords="offset points", ha="right")
    right.axhline(1.0, color="black", linewidth=1)
    right.set_xscale("log", base=2)
    right.xaxis.set_major_formatter(ScalarFormatter())
    right.set(xlabel=say("batch size"), ylabel=say("factor of delta² per layer"))
    right.set_title(say("Rate against batch size (dots: measured)"))
    right.legend(frameon=False)
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
