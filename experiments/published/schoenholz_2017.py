r"""How fast does a tanh network's gradient shrink or grow, and how deep can it be and still train?

Claim   ||delta||^2 changes by the factor chi per layer. Inputs become alike (order) or unlike (chaos) within a depth
        scale xi_c, which is infinite on the critical line, and a network trains if it is no deeper than about 6 xi_c
        (Schoenholz et al., 2017, arXiv:1611.01232).
Setup   sigma_b^2 = 0.05, sigma_w^2 = 1 (ordered), 1.76095 (critical), 2.5 (chaotic).
        Factors: 50 hidden tanh layers, width 1,000, six seeds, 32 digits; layers 10 to 49, where q has settled.
        Depth: 5, 10, 20, 40, 80 layers of width 128, two seeds, 300 steps in mini-batches of 64 on 512 digits, at each
        of four learning rates. A network has trained where more than half of the digits are classified rightly at the
        best rate (mean of the seeds); chance is 0.1.
Run     python experiments/published/schoenholz_2017.py           # three minutes on one CPU core
        python experiments/published/schoenholz_2017.py --quick   # factors, and 30 layers of width 64
Writes  results/published/schoenholz_2017 (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from vanishlab import Dataset, NetworkConfig, TrainingConfig, load_data, train
from vanishlab.language.sentences import listed, say
from vanishlab.plots import save_both
from vanishlab.theory import MeanField, critical_point, mean_field

SOURCE = "Schoenholz et al. 2017: chi per layer, and the depth that trains"
SIGMA_B = math.sqrt(0.05)
POINTS = {"ordered": 1.0, "critical": critical_point("tanh", SIGMA_B).sigma_w ** 2, "chaotic": 2.5}  # sigma_w^2
CHI = {"ordered": "0.7590", "chaotic": "1.1335"}
DEPTHS, QUICK_DEPTH = (5, 10, 20, 40, 80), 30
RATES, QUICK_RATES = (0.001, 0.003, 0.01, 0.03), (0.01,)
COLORS = {"ordered": "tab:blue", "critical": "black", "chaotic": "tab:red"}


def measure(quick: bool, out: Path) -> list[Claim]:
    theory = {phase: mean_field("tanh", math.sqrt(sigma_w2), SIGMA_B) for phase, sigma_w2 in POINTS.items()}
    width, depth = (300, 40) if quick else (1000, 50)
    levels = {phase: _levels(POINTS[phase], width, depth) for phase in CHI}
    claims = []
    for phase, published in CHI.items():
        settled = np.log(levels[phase][:, 9:])  # (run, layer): of layers 10 .. depth
        factor = float(np.exp((settled[:, 0] - settled[:, -1]).mean() / (settled.shape[1] - 1)))
        claims.append(
            Claim(
                say("factor of ‖delta‖² per layer, {phase}", phase=say(phase)),
                published,
                theory[phase].chi,
                factor,
                around(theory[phase].chi, share=0.04 if quick else 0.015),
                say("width {width}: ±4 % at 300, ±1.5 % at 1,000", width=width),
            )
        )
    depths = (QUICK_DEPTH,) if quick else DEPTHS
    accuracies = {phase: np.array([_accuracy(POINTS[phase], each, quick) for each in depths]) for phase in POINTS}
    claims += _at_one_depth(accuracies, theory) if quick else _deepest(accuracies, theory)
    print(*save_both(_draw(levels, accuracies, theory, depths), out / "schoenholz_2017"))
    return claims


def _deepest(accuracies: dict[str, np.ndarray], theory: dict[str, MeanField]) -> list[Claim]:
    claims = []
    for phase, accuracy in accuracies.items():
        trained = [depth for depth, best in zip(DEPTHS, accuracy, strict=True) if best > 0.5]
        limit = 6 * theory[phase].xi_c
        bounded = limit < DEPTHS[-1]
        claims.append(
            Claim(
                say("deepest of {depths} that trains, {phase}", depths=", ".join(map(str, DEPTHS)), phase=say(phase)),
                say("about 6 xi_c"),
                limit if bounded else math.inf,
                float(max(trained, default=0)),
                (limit / 2, 2 * limit) if bounded else (DEPTHS[-1], math.inf),
                say("within one doubling") if bounded else say("every depth tried"),
                say(
                    "accuracies at these depths: {accuracies}", accuracies=", ".join(f"{each:.2f}" for each in accuracy)
                ),
            )
        )
    return claims


def _at_one_depth(accuracies: dict[str, np.ndarray], theory: dict[str, MeanField]) -> list[Claim]:
    claims = []
    for phase, (accuracy,) in accuracies.items():
        scales = QUICK_DEPTH / theory[phase].xi_c
        accept = (0.25, 1.0) if scales < 6 else (0.0, 0.25)
        claims.append(
            Claim(
                say(
                    "accuracy of {quick_depth} layers ({scales:.1f} xi_c), {phase}",
                    quick_depth=QUICK_DEPTH,
                    scales=scales,
                    phase=say(phase),
                ),
                say("trains") if scales < 6 else say("does not train"),
                None,
                float(accuracy),
                accept,
                say("chance is 0.1"),
            )
        )
    return claims


def _levels(sigma_w2: float, width: int, depth: int) -> np.ndarray:
    """Return the mean square of delta in each hidden layer, (run, layer), before training."""
    network = NetworkConfig(depth, width, "tanh", "gaussian", math.sqrt(sigma_w2), SIGMA_B)
    training = TrainingConfig(seeds=tuple(range(6)), steps=0, device="cpu")
    return train(network, training, load_data("digits", max_examples=32)).delta_rms[:, 0, :-1] ** 2


def _accuracy(sigma_w2: float, depth: int, quick: bool) -> float:
    """Return the accuracy on the training digits at the best learning rate, mean over two seeds."""
    digits = load_data("digits", max_examples=256 if quick else 512)
    data = Dataset(digits.x, digits.y, digits.x, digits.y)  # tested on what it learns
    network = NetworkConfig(depth, 64 if quick else 128, "tanh", "gaussian", math.sqrt(sigma_w2), SIGMA_B)
    rates, steps, batch = (QUICK_RATES, 80, 32) if quick else (RATES, 300, 64)
    training = TrainingConfig(rates, (0, 1), steps, batch_size=batch, record_every="never", evaluate_every=steps,
                              device="cpu")  # fmt: skip
    return float(train(network, training, data).test_accuracy[:, -1].reshape(len(rates), 2).mean(1).max())


def _draw(
    levels: dict[str, np.ndarray], accuracies: dict[str, np.ndarray], theory: dict[str, MeanField],
    depths: tuple[int, ...],
) -> Figure:  # fmt: skip
    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for phase, level in levels.items():
        layers = np.arange(1, level.shape[1] + 1)
        ratio = level / level[:, -1:]
        left.fill_between(layers, ratio.min(0), ratio.max(0), color=COLORS[phase], alpha=0.2)
        left.plot(layers, np.exp(np.log(ratio).mean(0)), "o", markersize=3, color=COLORS[phase],
                  label=say("{phase}, measured", phase=say(phase)))  # fmt: skip
        left.plot(layers, theory[phase].chi ** (layers[-1] - layers), "--", linewidth=1, color=COLORS[phase],
                  label=f"χ = {theory[phase].chi:.4f}")  # fmt: skip
    left.set(xlabel=say("layer (1 = nearest the input)"), ylabel="‖δ_l‖² / ‖δ_L‖²", yscale="log")
    left.legend(frameon=False)
    for phase, accuracy in accuracies.items():
        right.plot(
            depths, accuracy, "o-", color=COLORS[phase], label=listed([say(phase), f"σ_w² = {POINTS[phase]:.4g}"])
        )
        if (limit := 6 * theory[phase].xi_c) < 200:
            right.axvline(limit, color=COLORS[phase], linestyle="--", linewidth=1)
            right.text(limit * 1.03, 1.03, "6 ξ_c", color=COLORS[phase])
    right.set(
        xlabel=say("hidden layers"),
        ylabel=say("accuracy at the best rate"),
        xscale="log",
        ylim=(0, 1.1),
        xlim=(4.5, 95),
    )
    right.xaxis.set_major_locator(FixedLocator(DEPTHS))
    right.xaxis.set_major_formatter(ScalarFormatter())
    right.xaxis.set_minor_locator(NullLocator())
    right.legend(frameon=False, loc="lower left")
    figure.suptitle(say("tanh, σ_b² = 0.05: the gradient's factor per layer, and the depth that trains"))
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
