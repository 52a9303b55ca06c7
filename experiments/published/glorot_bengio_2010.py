r"""Does the "normalized" initialisation keep what backpropagation sends through tanh layers, where the old one lost it?

Claim   The mean singular value of a layer's Jacobian dh_l/dh_{l-1} is about 0.5 with the old initialisation, weights
        U(-1/sqrt(n), 1/sqrt(n)), and 0.8 with the normalized one, U(-sqrt(6 / (n + m)), ...); with the old one the
        variance of delta falls by 1/3 per layer, with the new one it hardly falls; the variance of the *weight
        gradient* is flat in both, so it does not show the difference (Glorot & Bengio, 2010, section 4.2.1).
Theory  The mean square of those singular values is chi, the factor of delta's variance; their distribution is nearly
        the quarter circle, whose mean is 8 / (3 pi) of its root mean square: 0.849 sqrt(chi).
Setup   Five hidden tanh layers of width 1000, biases 0; MNIST where the folder VANISHLAB_DATA has it, else digits.
Run     python experiments/published/glorot_bengio_2010.py           # half a minute on one CPU core
        python experiments/published/glorot_bengio_2010.py --quick
Writes  results/published/glorot_bengio_2010 (.png, .svg)
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from claims import Claim, around, run_script
from matplotlib.figure import Figure

from vanishlab import MLP, Dataset, NetworkConfig, TrainingConfig, jacobian_singular_values, load_data, predict, train
from vanishlab.data import ENVIRONMENT_VARIABLE
from vanishlab.language.sentences import listed, say
from vanishlab.plots import save_both

SOURCE = "Glorot & Bengio 2010: normalized initialisation"
DEPTH = 5
QUARTER_CIRCLE = 8 / (3 * math.pi)  # mean over root mean square of its values


@dataclass(frozen=True)
class Measured:
    """One initialisation; layers are hidden, and a factor is that per layer on the way back."""

    singular_values: np.ndarray  # of layers 2 .. L, all in one
    delta: np.ndarray  # variance of delta, (seed, layer)
    gradient: np.ndarray  # variance of the weight gradient's entries, (seed, layer)
    chi: float  # the factor of delta's variance that theory gives


def measure(quick: bool, out: Path) -> list[Claim]:
    data = _data()
    width, seeds = (300, 2) if quick else (1000, 3)
    same_variance = NetworkConfig(DEPTH, width, "tanh", "gaussian", sigma_w=1 / math.sqrt(3))  # and no biases
    old = _measure(NetworkConfig(DEPTH, width, "tanh", "torch_default"), same_variance, data, seeds)
    normalized = NetworkConfig(DEPTH, width, "tanh", "xavier_uniform")
    new = _measure(normalized, normalized, data, seeds)
    print(*save_both(_draw({"U(±1/√n)": old, say("normalized"): new}, data.name), out / "glorot_bengio_2010"))
    claims = []
    for name, here, published, singular, variance in (
        ("old", old, "1/3", say("about 0.5"), around(1 / 3, share=0.06)),
        ("normalized", new, say("near 1"), say("about 0.8"), (0.85, 1.0)),
    ):
        mean = float(here.singular_values.mean())
        claims += [
            Claim(
                say("mean singular value of a layer's Jacobian, {name}", name=say(name)),
                singular,
                QUARTER_CIRCLE * math.sqrt(here.chi),
                mean,
                around(QUARTER_CIRCLE * math.sqrt(here.chi), absolute=0.02),
                say("±0.02: examples and layers differ by that"),
                say("measured on {data}", data=data.name),
            ),
            Claim(
                say("factor of the variance of delta per layer, {name}", name=say(name)),
                published,
                here.chi,
                _factor(here.delta),
                variance,
                say("±6 %: layers differ") if name == "old" else say("tanh saturates a little, so below 1"),
            ),
            Claim(
                say("factor of the weight gradient's variance per layer, {name}", name=say(name)),
                say("flat across layers"),
                1.0,
                _factor(here.gradient),
                around(1.0, share=0.1),
                say("±10 %: 1 % to 5 % in theory, and the spread over seeds"),
                say("what activations lose on the way forward, deltas have not yet lost: the product stays"),
            ),
        ]
    return claims


def _data() -> Dataset:
    """MNIST where it is at hand (nothing is fetched), else digits; 300 examples."""
    at_hand = (Path(os.environ.get(ENVIRONMENT_VARIABLE, "")) / "mnist.npz").is_file()
    return load_data("mnist" if at_hand else "digits", max_examples=300)


def _measure(network: NetworkConfig, in_theory: NetworkConfig, data: Dataset, seeds: int) -> Measured:
    levels = predict(in_theory, data).log10_delta_rms[1:-1]  # from layer 2 on: layer 1 has another fan-in
    chi = 100.0 ** float((levels[0] - levels[-1]) / (len(levels) - 1))
    values, deltas, gradients = [], [], []
    for seed in range(seeds):  # one after the other: Jacobians of width 1000 are large
        model = MLP(network, data.features, data.num_classes, (seed,))
        for layer in model.linear_layers:
            layer.bias.data.zero_()
        record = train(network, TrainingConfig(seeds=(seed,), steps=0, device="cpu"), data, model=model)
        sizes = np.array([layer.weight[0].numel() for layer in model.linear_layers])
        deltas.append(record.delta_rms[0, 0, :-1] ** 2)
        gradients.append((record.gradient_norm[0, 0] ** 2 / sizes)[:-1])
        example = data.x[seed : seed + 1]
        values += [jacobian_singular_values(model, example, first=n, last=n).ravel() for n in range(2, DEPTH + 1)]
    return Measured(np.concatenate(values), np.stack(deltas), np.stack(gradients), chi)


def _factor(variance: np.ndarray) -> float:
    """Per layer, from the last hidden layer back to layer 2, the first of the common fan-in; a geometric mean."""
    return float(np.exp(np.log(variance[:, 1] / variance[:, -1]).mean() / (DEPTH - 2)))


def _draw(results: dict[str, Measured], data: str) -> Figure:
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    layers = np.arange(1, DEPTH + 1)
    for color, (name, here) in zip(("tab:blue", "tab:orange"), results.items(), strict=True):
        left.hist(
            here.singular_values,
            bins=60,
            density=True,
            alpha=0.5,
            color=color,
            label=say("{name}, measured", name=name),
        )
        edge = 2 * math.sqrt(here.chi)
        s = np.linspace(0, edge, 400)
        circle = np.sqrt(np.maximum(edge**2 - s**2, 0)) * 4 / (math.pi * edge**2)
        left.plot(s, circle, color=color, label=say("{name}, quarter circle of theory's χ", name=name))
        left.axvline(here.singular_values.mean(), color=color, linestyle=":", label=say("{name}, mean", name=name))
        for variance, marker, what in (
            (here.delta, "o-", say("delta")),
            (here.gradient, "s--", say("weight gradient")),
        ):
            relative = np.exp(np.log(variance / variance[:, -1:]).mean(0))
            size = 9 if color == "tab:blue" else 5  # the flat curves lie on each other
            right.plot(layers[1:], relative[1:], marker, color=color, markersize=size, label=listed([what, name]))
    left.set(
        xlabel=say("singular value of a layer's Jacobian"),
        ylabel=say("density"),
        title=say("Jacobians of layers 2 to 5"),
    )
    right.set(
        xlabel=say("layer"),
        ylabel=say("variance, relative to layer 5"),
        yscale="log",
        title=say("On the way back ({data})", data=data),
    )
    right.set_xticks(layers[1:])
    for ax in (left, right):
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
