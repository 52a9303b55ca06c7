r"""How far apart are the singular values of a deep network's Jacobian, and do orthogonal weights keep them together?

Claim   J = D_L W_L ... D_1 W_1 with D = diag(phi'(z)), wide layers (Pennington, Schoenholz & Ganguli, 2017,
        arXiv:1711.04735). The relative variance of s^2 over J's singular values s is a sum over layers,
            Gaussian weights  sum (1 + v_l),   orthogonal weights  sum v_l,   v_l = E[phi'^4] / E[phi'^2]^2 - 1,
        so L, 2 L and L for linear Gaussian, ReLU Gaussian and ReLU orthogonal layers: ReLU's spread grows with depth
        whatever the weights. For tanh v_l falls with the variance of z: orthogonal weights near criticality keep the
        spread small at any depth (dynamical isometry), Gaussian weights cannot.
        The largest s^2 is (L + 1)^(L + 1) / L^L for linear Gaussian, L^L / (L - 1)^(L - 1) for ReLU orthogonal layers.
Setup   Square networks without biases, float64, one Gaussian input each; sigma_w^2 = 1 for linear, 2 for ReLU, and for
        tanh 1.05, with an input of that network's fixed-point variance q* = 0.025, where v = 0.0041.
Run     python experiments/published/pennington_2017.py           # half a minute on one CPU core
        python experiments/published/pennington_2017.py --quick
Writes  results/published/pennington_2017 (.png, .svg)
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from vanishlab import MLP, NetworkConfig, jacobian_singular_values
from vanishlab.activations import ACTIVATIONS
from vanishlab.config import ActivationName, InitializationName
from vanishlab.language.sentences import say
from vanishlab.plots import save_both
from vanishlab.theory import length_fixed_point
from vanishlab.theory.gaussian.quadrature import expect

SOURCE = "Pennington et al. 2017: the Jacobian's spectrum"
PUBLISHED = {
    "linear gaussian": "L",
    "relu gaussian": "2 L",
    "relu orthogonal": "L",
    "tanh gaussian": "L (1 + v)",
    "tanh orthogonal": "L v",
}


@dataclass(frozen=True)
class Kind:
    """One row of the picture: activation, weights, the input's mean square, and v per layer."""

    activation: ActivationName
    initialization: InitializationName
    sigma_w: float
    v: float
    mean_square: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.activation} {self.initialization}"

    def relative_variance(self, depth: int) -> float:
        return depth * (self.v + (self.initialization == "gaussian"))


def measure(quick: bool, out: Path) -> list[Claim]:
    width, seeds, depths = (100, 8, (2, 4, 8)) if quick else (400, 10, (2, 4, 8, 16))
    kinds = _kinds()
    squares = {kind.name: _squared_singular_values(kind, width, depths, seeds) for kind in kinds}
    print(*save_both(_draw(kinds, squares, depths, seeds), out / "pennington_2017"))
    claims = []
    edge_share = 0.25 if quick else 0.15
    edge = say(
        "±{share:.0%}: at width {width} the largest lies below its limit by about n^(-2/3)",
        share=edge_share,
        width=width,
    )
    for name, limit in (("linear gaussian", 9**9 / 8**8), ("relu orthogonal", 8**8 / 7**7)):
        values = squares[name][depths.index(8)]  # (seed, k)
        largest = float((values.max(1) / values.mean(1)).mean())
        claims.append(
            Claim(
                say("largest s^2 / mean s^2, 8 layers, {name}", name=name),
                "(L+1)^(L+1) / L^L" if name == "linear gaussian" else "L^L / (L-1)^(L-1)",
                limit,
                largest,
                around(limit, share=edge_share),
                edge,
            )
        )
    for kind in kinds:
        depth = depths[-1]
        predicted = kind.relative_variance(depth)
        spread = _spread(squares[kind.name])[-1]  # (seed,)
        error = float(spread.std(ddof=1) / math.sqrt(seeds))
        claims.append(
            Claim(
                say("relative variance of s^2, {depth} layers, {network}", depth=depth, network=kind.name),
                PUBLISHED[kind.name],
                predicted,
                float(spread.mean()),
                around(predicted, share=depth / width, absolute=4 * error),
                say(
                    "4 standard errors of {seeds} networks, and L / n = {share:.0%} for the finite width",
                    seeds=seeds,
                    share=depth / width,
                ),
            )
        )
    return claims


def _kinds() -> list[Kind]:
    sigma_w = math.sqrt(1.05)
    q = length_fixed_point("tanh", sigma_w)
    moments = [
        float(expect(lambda z, power=power: ACTIVATIONS["tanh"].slope(z) ** power, np.array(q))) for power in (2, 4)
    ]
    v = moments[1] / moments[0] ** 2 - 1
    return [
        Kind("linear", "gaussian", 1.0, 0.0),
        Kind("relu", "gaussian", math.sqrt(2), 1.0),  # phi'^2 is 0 or 1, half of each: 1/2 over 1/4, less 1
        Kind("relu", "orthogonal", math.sqrt(2), 1.0),
        Kind("tanh", "gaussian", sigma_w, v, q / sigma_w**2),
        Kind("tanh", "orthogonal", sigma_w, v, q / sigma_w**2),
    ]


def _squared_singular_values(kind: Kind, width: int, depths: tuple[int, ...], seeds: int) -> list[np.ndarray]:
    """Of J from the input to each depth, (seed, k) each."""
    network = NetworkConfig(
        depths[-1], width, kind.activation, kind.initialization, sigma_w=kind.sigma_w, dtype="float64"
    )
    found: list[list[np.ndarray]] = [[] for _ in depths]
    for seed in range(seeds):  # one after the other: each one's Jacobian is large
        model = MLP(network, width, 2, (seed,))
        x = np.random.default_rng([seed, 1]).normal(0.0, math.sqrt(kind.mean_square), (1, width))
        for place, depth in enumerate(depths):
            found[place].append(jacobian_singular_values(model, x, last=depth)[0, 0] ** 2)
    return [np.stack(values) for values in found]


def _spread(squares: list[np.ndarray]) -> np.ndarray:
    return np.stack([values.var(1) / values.mean(1) ** 2 for values in squares])  # (depth, seed)


def _draw(kinds: list[Kind], squares: dict[str, list[np.ndarray]], depths: tuple[int, ...], seeds: int) -> Figure:
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    grid = np.geomspace(depths[0] / 1.1, depths[-1] * 1.1, 50)
    for index, kind in enumerate(kinds):
        color, style = f"C{index}", ("-", "-", (0, (6, 6)), (0, (2, 6)), "-")[index]
        spread = _spread(squares[kind.name])
        middle = spread.mean(1)
        bars = np.abs(np.stack([spread.min(1), spread.max(1)]) - middle)
        aside = np.array(depths) * 1.06 ** (-1, 0, 0, 1, 0)[index]  # three of them have the same spread
        left.errorbar(aside, middle, bars, fmt="os^Dv"[index], color=color, markersize=5, capsize=3, label=kind.name)
        left.plot(grid, [kind.relative_variance(depth) for depth in grid], color=color, linestyle=style, linewidth=1)
        values = squares[kind.name][depths.index(8)]
        scaled = np.sqrt(values / values.mean(1, keepdims=True))  # (seed, k)
        right.plot(np.linspace(0, 1, scaled.shape[1]), scaled.mean(0)[::-1], color=color, linestyle=style)
    left.set(xlabel=say("layers L"), ylabel=say("relative variance of s²"), xscale="log", yscale="log")
    left.set_xticks(depths, [str(depth) for depth in depths])
    left.xaxis.set_minor_locator(NullLocator())
    left.set_title(say("Spread of s²: measured (range) and theory (lines)"))
    right.set(
        xlabel=say("rank, smallest to largest"),
        ylabel=say("s / root mean square"),
        title=say("Singular values, 8 layers (mean over {seeds} networks)", seeds=seeds),
    )
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
