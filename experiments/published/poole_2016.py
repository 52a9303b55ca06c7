r"""Where in the plane of weight and bias variance does a tanh network neither forget its input nor scramble it?

Claim   In a wide random network the variance q of the pre-activations and the correlation c of two inputs follow maps
        with fixed points q* and c*. Where chi = sigma_w^2 E[tanh'(z)^2] passes 1, c* = 1 loses its stability: below
        that line all inputs become alike (order), above it alike inputs come apart (chaos) (Poole et al., 2016,
        arXiv:1606.05340; Schoenholz et al., 2017, arXiv:1611.01232).
Setup   The line: `theory.critical_point` against a trapezoid rule and a bracketed root, written here anew (on |z| <= 12
        standard deviations with step 0.01 the rule is good to 1e-13). The fixed points: 10 networks of 60 hidden tanh
        layers, width 1,000, two independent inputs; means over layers 46 to 60, four depth scales down in the chaotic
        case.
Run     python experiments/published/poole_2016.py           # ten seconds on one CPU core
        python experiments/published/poole_2016.py --quick
Writes  results/published/poole_2016 (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
import torch
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from scipy import optimize

from vanishlab import MLP, NetworkConfig
from vanishlab.language.sentences import say
from vanishlab.network.mlp import Block
from vanishlab.plots import save_both
from vanishlab.theory import critical_point, mean_field

SOURCE = "Poole et al. 2016; Schoenholz et al. 2017: order, chaos, and the line between"
LINE = {0.0: "1", 0.01: "1.42421", 0.05: "1.7610", 0.1: "1.98607"}  # sigma_b^2: sigma_w^2 where chi = 1
CRITICAL_Q = {0.05: "0.57005"}
SIGMA_B2 = 0.05
DEPTH, SETTLED = 60, 45
POINTS = {"ordered": 1.0, "chaotic": 2.5}  # sigma_w^2


def measure(quick: bool, out: Path) -> list[Claim]:
    claims = []
    for sigma_b2, published in LINE.items():
        point, (sigma_w2, q) = critical_point("tanh", math.sqrt(sigma_b2)), _critical(sigma_b2)
        what = say("at sigma_b² = {sigma_b2:g}", sigma_b2=sigma_b2)
        claims.append(
            _on_the_line(say("sigma_w² where chi = 1, {what}", what=what), published, sigma_w2, point.sigma_w**2)
        )
        if sigma_b2 in CRITICAL_Q:
            claims.append(_on_the_line(say("q* there, {what}", what=what), CRITICAL_Q[sigma_b2], q, point.q_star))
    width, seeds = (300, range(4)) if quick else (1000, range(10))
    measured = {phase: _propagate(sigma_w2, width, seeds) for phase, sigma_w2 in POINTS.items()}
    for phase, sigma_w2 in POINTS.items():
        theory = mean_field("tanh", math.sqrt(sigma_w2), math.sqrt(SIGMA_B2))
        # A layer draws q with the relative error sqrt(2 / n) at the most, and c with (1 - c^2) / sqrt(n). What is drawn
        # lives for xi layers, which adds up to the variance of an autoregression. No mean over layers is counted on.
        scatter = theory.q_star * math.sqrt(2), 1 - theory.c_star**2
        for name, value, fixed, one, xi in zip(
            "qc", measured[phase], (theory.q_star, theory.c_star), scatter, (theory.xi_q, theory.xi_c), strict=True
        ):
            error = one / math.sqrt(width * len(seeds) * (1 - math.exp(-2 / xi)))
            claims.append(
                Claim(
                    say(
                        "{name}*, {phase} (sigma_w² = {sigma_w2:g}), networks of width {width}",
                        name=name,
                        phase=say(phase),
                        sigma_w2=sigma_w2,
                        width=width,
                    ),
                    "–",
                    fixed,
                    float(value[:, SETTLED:].mean()),
                    around(fixed, absolute=4 * error + 0.01),
                    say("4 standard errors at this width, and 0.01 for the way still to go"),
                )
            )
    print(*save_both(_draw(measured), out / "poole_2016"))
    return claims


def _on_the_line(result: str, published: str, predicted: float, measured: float) -> Claim:
    digits = len(published.partition(".")[2])
    margin = 1e-5 + (0.5 * 10.0**-digits if digits else 0.0)
    return Claim(
        result,
        published,
        predicted,
        measured,
        around(float(published), absolute=margin),
        say("1e-5, and half of the last digit; predicted: this script's quadrature, measured: `theory.critical_point`"),
    )


def _critical(sigma_b2: float) -> tuple[float, float]:
    """Return sigma_w^2 and q with q = sigma_w^2 E[tanh^2] + sigma_b^2 and sigma_w^2 E[tanh'^2] = 1."""
    if sigma_b2 == 0.0:
        return 1.0, 0.0
    z = np.arange(-12, 12.005, 0.01)
    weight = np.exp(-(z**2) / 2) * 0.01 / math.sqrt(2 * math.pi)

    def slope(q: float) -> float:
        return float(weight @ np.cosh(math.sqrt(q) * z) ** -4)

    def residual(q: float) -> float:
        return q - sigma_b2 - float(weight @ np.tanh(math.sqrt(q) * z) ** 2) / slope(q)

    q, result = optimize.brentq(residual, sigma_b2, 10.0, xtol=1e-14, full_output=True)
    assert result.converged
    return 1 / slope(q), q


@torch.no_grad()
def _propagate(sigma_w2: float, width: int, seeds: range) -> tuple[np.ndarray, np.ndarray]:
    """Return q, the mean over two inputs, and their correlation c in each hidden layer, both (run, layer)."""
    config = NetworkConfig(DEPTH, width, "tanh", "gaussian", math.sqrt(sigma_w2), math.sqrt(SIGMA_B2))
    rows: list[tuple[torch.Tensor, torch.Tensor]] = []
    for seed in seeds:
        model = MLP(config, width, 2, (seed,))
        h = torch.randn(1, 2, width, generator=torch.Generator().manual_seed(1000 + seed))  # not W's numbers
        columns = []
        for block in model.blocks:
            assert isinstance(block, Block)
            z = block.linear(h)
            h = block.activation(z)
            square = z.square().mean(2)  # (run, input)
            columns.append((square.mean(1), (z[:, 0] * z[:, 1]).mean(1) / square.prod(1).sqrt()))
        rows.append((torch.stack([q for q, _ in columns], 1), torch.stack([c for _, c in columns], 1)))
    return torch.cat([q for q, _ in rows]).numpy(), torch.cat([c for _, c in rows]).numpy()


def _draw(measured: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    plane, variances, correlations = figure.subplots(1, 3)
    biases = np.linspace(0.0, 0.4, 41) ** 2
    line = [critical_point("tanh", math.sqrt(sigma_b2)).sigma_w ** 2 for sigma_b2 in biases]
    plane.plot(line, biases, color="black", label="χ = 1")
    plane.text(0.97, 0.12, say("order"), color="tab:blue")
    plane.text(2.45, 0.02, say("chaos"), color="tab:red")
    plane.plot([float(value) for value in LINE.values()], list(LINE), "o", color="black", label=say("published"))
    plane.set(xlabel="σ_w²", ylabel="σ_b²", xlim=(0.9, 2.8), ylim=(-0.004, 0.16))
    layers = np.arange(1, DEPTH + 1)
    for color, (phase, values) in zip(("tab:blue", "tab:red"), measured.items(), strict=True):
        theory = mean_field("tanh", math.sqrt(POINTS[phase]), math.sqrt(SIGMA_B2))
        plane.plot(POINTS[phase], SIGMA_B2, "s", color=color)
        for ax, value, fixed in zip((variances, correlations), values, (theory.q_star, theory.c_star), strict=True):
            ax.fill_between(layers, value.min(0), value.max(0), color=color, alpha=0.2)
            ax.plot(layers, value.mean(0), "o", markersize=3, color=color, label=f"σ_w² = {POINTS[phase]:g}")
            ax.axhline(fixed, color=color, linestyle="--", linewidth=1)
    variances.set(
        ylabel=say("q: variance of the pre-activations"), xlabel=say("layer (1 = nearest the input)"), ylim=(0, None)
    )
    correlations.set(
        ylabel=say("c: correlation of two inputs"), xlabel=say("layer (1 = nearest the input)"), ylim=(-0.1, 1.05)
    )
    for ax in (plane, variances, correlations):
        ax.legend(frameon=False)
    figure.suptitle(
        say("tanh: the line between order and chaos, and networks that settle at theory's fixed points (dashed)")
    )
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
