r"""SELU pulls activations to mean 0 and variance 1. What does its gradient do meanwhile?

Claim   With weights of mean 0 and variance 1/n, mean 0 and variance 1 of the activations map onto themselves, and what
        starts nearby comes back: "self-normalising" (Klambauer et al., 2017, arXiv:1706.02515). The same constants make
        ||delta||^2 grow by  E[selu'(z)^2] = lambda^2 (1/2 + alpha^2 e^2 Phi(-2)) = 1.0716  per layer: it explodes
        gently, tenfold in 33 layers.
Setup   80 networks of 32 hidden SELU layers, width 256, weights N(0, 1/n), biases 0; 64 inputs of 256 standard normal
        features. The picture also starts at the variances 0.5 and 2.
Run     python experiments/published/klambauer_2017.py           # six seconds on one CPU core
        python experiments/published/klambauer_2017.py --quick
Writes  results/published/klambauer_2017 (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from scipy import stats

from vanishlab import Dataset, NetworkConfig, TrainingConfig, train
from vanishlab.language.sentences import say
from vanishlab.plots import save_both
from vanishlab.recording.record import Record
from vanishlab.theory import first_moment, fourth_moments, length_slope, second_moment

SOURCE = "Klambauer et al. 2017: SELU's fixed point"
DEPTH, WIDTH, EXAMPLES = 32, 256, 64
CHUNK = 20  # networks side by side
LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543773
FACTOR = LAMBDA**2 * (0.5 + ALPHA**2 * math.exp(2) * float(stats.norm.cdf(-2)))


def measure(quick: bool, out: Path) -> list[Claim]:
    seeds = range(8 if quick else 80)
    records = [_initial(1.0, seeds[i : i + CHUNK]) for i in seeds[::CHUNK]]
    means = np.concatenate([record.activation_mean[:, 0, :-1] for record in records])  # (run, layer)
    variances = np.concatenate([_variances(record) for record in records])
    deltas = np.concatenate([record.delta_rms[:, 0, :-1] for record in records]) ** 2
    factors = deltas[:, :-1] / deltas[:, 1:]  # arithmetic means: those of logs lie lower by about 1/n
    others = {scale: _variances(_initial(scale, seeds[:CHUNK])) for scale in (0.5, 2.0)}
    print(*save_both(_draw({1.0: variances, **others}, deltas), out / "klambauer_2017"))

    # Finite width: each layer's mean square has the relative variance f / n about the map V, of slope s at 1, and each
    # factor of delta b / n about chi (the moments of `theory.spread`).
    fourth, slope_fourth, _ = (float(moment) for moment in fourth_moments("selu", 1.0))
    f, b, s = fourth - 1.0, 3.0 * slope_fourth / FACTOR**2 - 1.0, float(length_slope("selu", 1.0, 1.0))
    error_mean = 1 / math.sqrt(WIDTH * len(seeds))
    error_variance = math.sqrt(f / WIDTH / (1 - s**2) / len(seeds))
    error_factor = FACTOR * math.sqrt(b / WIDTH / factors.size)
    within = say("4 standard errors at this width and number of seeds, were all inputs alike")
    mean = float(first_moment("selu", 1.0))
    return [
        Claim("E selu(z), z ~ N(0, 1)", "0", 0.0, mean, around(0.0, absolute=1e-9), say("quadrature")),
        Claim("E selu(z)²", "1", 1.0, float(second_moment("selu", 1.0)), around(1.0, absolute=1e-9), say("quadrature")),
        Claim(
            say("mean of h after {depth} layers", depth=DEPTH),
            "0",
            0.0,
            float(means[:, -1].mean()),
            around(0.0, absolute=4 * error_mean),
            within,
        ),
        Claim(
            say("variance of h after {depth} layers", depth=DEPTH),
            "1",
            1.0,
            float(variances[:, -1].mean()),
            around(1.0, absolute=4 * error_variance),
            within,
            say("a deviation shrinks by {s:.3f} per layer: that is the pull", s=s),
        ),
        Claim(
            say("factor of ‖delta‖² per layer, mean"),
            "1.0716",
            FACTOR,
            float(factors.mean()),
            around(FACTOR, absolute=max(4 * error_factor, 0.01 * FACTOR)),
            say("±1 %, or 4 standard errors where these are more"),
        ),
    ]


def _initial(variance: float, seeds: range) -> Record:
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((EXAMPLES, WIDTH)) * math.sqrt(variance), draw.integers(0, 10, EXAMPLES)
    network = NetworkConfig(DEPTH, WIDTH, "selu", "lecun_normal")
    training = TrainingConfig(seeds=tuple(seeds), steps=0, device="cpu")
    return train(network, training, Dataset(x, y, classes=10))


def _variances(record: Record) -> np.ndarray:
    return record.activation_rms[:, 0, :-1] ** 2 - record.activation_mean[:, 0, :-1] ** 2  # (run, layer)


def _draw(variances: dict[float, np.ndarray], deltas: np.ndarray) -> Figure:
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    layers = np.arange(1, DEPTH + 1)
    for start, values in variances.items():
        (line,) = left.plot(
            layers, values.mean(0), "o-", markersize=3, label=say("inputs of variance {start:g}", start=start)
        )
        if start == 1.0:
            left.fill_between(
                layers,
                *np.percentile(values, [5, 95], axis=0),
                color=line.get_color(),
                alpha=0.2,
                label=say("90 % of seeds"),
            )
    left.axhline(1.0, color="black", linewidth=1, linestyle="--")
    left.set(xlabel=say("layer (1 = nearest the input)"), ylabel=say("variance of h"), ylim=(0, None))
    left.legend(frameon=False)
    ratios = deltas / deltas[:, -1:]
    right.fill_between(layers, *np.percentile(ratios, [5, 95], axis=0), alpha=0.2, label=say("90 % of seeds"))
    right.plot(layers, ratios.mean(0), "o-", markersize=3, label=say("mean"))
    right.plot(
        layers, FACTOR ** (DEPTH - layers), color="black", linestyle="--", linewidth=1, label=say("1.0716 per layer")
    )
    right.set(xlabel=say("layer (1 = nearest the input)"), ylabel=f"‖δ_l‖² / ‖δ_{DEPTH}‖²", yscale="log")
    right.legend(frameon=False)
    figure.suptitle(say("SELU: activations come back to variance 1, the gradient grows gently on its way back"))
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
