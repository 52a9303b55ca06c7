r"""How many ReLU networks are born dead, a constant function before training begins?

Claim   A deep and narrow ReLU network often starts as a constant: some layer's units are 0 for every input, and then no
        gradient comes back, ever. Of networks of 10 layers less than 1 % are born dead at width 10, more than 10 % at
        width 5, and about 60 % at width 3 (Lu et al., 2019, arXiv:1903.06733).
Setup   One input feature, He's initialisation, biases 0; the last of the 10 layers is the linear readout, so 9 are
        hidden. Without biases the network is linear on x > 0 and on x < 0: it is a constant where it is 0 at x = 1 and
        at x = -1. 40,000 networks per width, side by side.
Theory  On one half-line every layer dies with chance 2^-n, hence 1 - (1 - 2^-n)^9 (exact). For both, let theta be the
        angle between h(1) and h(-1), 90 degrees after layer 1: a layer then kills both with chance
        ((pi - theta) / 2 pi)^n. The next angle is that of n pairs of rectified Gaussians, drawn here without a network.
Run     python experiments/published/lu_2019.py           # 12 seconds on one CPU core
        python experiments/published/lu_2019.py --quick
Writes  results/published/lu_2019 (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
import torch
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vanishlab import MLP, NetworkConfig
from vanishlab.language.sentences import say
from vanishlab.plots import save_both

SOURCE = "Lu et al. 2019: networks born dead"
LAYERS = 10  # the readout among them
PUBLISHED = {10: ("< 1 %", (0, 1)), 5: ("> 10 %", (10, 100)), 3: ("≈ 60 %", (0, 100))}  # width: share of networks
CHUNK = 4000


def measure(quick: bool, out: Path) -> list[Claim]:
    networks = 2000 if quick else 40_000
    both, half, chances = {}, {}, {}
    claims = []
    for width, (published, bounds) in PUBLISHED.items():
        dead = _dead(width, networks)  # (network, half-line)
        both[width] = 100 * float(dead.all(1).double().mean())
        half[width] = 100 * float(dead.double().mean())
        chances[width] = 100 * _chain(width, LAYERS + 5, 20_000 if quick else 100_000)
        expected = float(chances[width][LAYERS - 2])  # after 9 hidden layers
        low, high = around(expected, absolute=max(1.0, 4 * _error(expected / 100, networks)))
        share = 1 - (1 - 0.5**width) ** (LAYERS - 1)
        claims += [
            Claim(
                say("networks born dead at width {width}, %", width=width),
                published,
                expected,
                both[width],
                (max(low, bounds[0]), min(high, bounds[1])),
                say("what is published, and ±1 point, or 4 standard errors where these are more"),
            ),
            Claim(
                say("dead on x > 0 or on x < 0 at width {width}, mean of the two, %", width=width),
                "–",
                100 * share,
                half[width],
                around(100 * share, absolute=4 * _error(share, networks)),
                say("4 standard errors of {networks} networks", networks=networks),
            ),
        ]
    print(*save_both(_draw(both, half, chances), out / "lu_2019"))
    return claims


def _dead(width: int, networks: int) -> torch.Tensor:
    """Return which networks are 0 at x = 1, and which at x = -1, bool (network, 2)."""
    config = NetworkConfig(LAYERS - 1, width, "relu", "kaiming_normal", dtype="float64")
    x = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    parts = [range(start, min(start + CHUNK, networks)) for start in range(0, networks, CHUNK)]
    with torch.no_grad():
        return torch.cat([MLP(config, 1, 1, tuple(seeds))(x)[..., 0] == 0 for seeds in parts])


def _chain(width: int, depth: int, samples: int) -> np.ndarray:
    """Return the chance that both half-lines are dead after 1 .. depth hidden layers, (depth,), over drawn angles."""
    draw = np.random.default_rng(width)
    one = 0.5**width  # the chance that a layer kills a half-line
    # After layer 1, h(1) = relu(w) and h(-1) = relu(-w) are orthogonal; one of them is 0 where all of w has one sign.
    two_alive, one_alive, cosine = 1 - 2 * one, 2 * one, np.zeros(samples)
    dead = [0.0]
    for _ in range(depth - 1):
        kill_both = float((((math.pi - np.arccos(cosine)) / (2 * math.pi)) ** width).mean())
        one_alive = one_alive * (1 - one) + two_alive * 2 * (one - kill_both)
        two_alive *= 1 - 2 * one + kill_both
        dead.append(1 - one_alive - two_alive)
        u, v = draw.standard_normal((2, samples, width))
        h, k = np.maximum(u, 0), np.maximum(cosine[:, None] * u + np.sqrt(1 - cosine**2)[:, None] * v, 0)
        norms = np.linalg.norm(h, axis=1) * np.linalg.norm(k, axis=1)
        alive = norms > 0
        cosine = draw.choice(np.minimum((h * k).sum(1)[alive] / norms[alive], 1.0), samples)
    return np.array(dead)


def _error(share: float, count: int) -> float:
    return 100 * math.sqrt(share * (1 - share) / count)


def _draw(both: dict[int, float], half: dict[int, float], chances: dict[int, np.ndarray]) -> Figure:
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    ax = figure.subplots()
    for color, (width, chance) in zip(("tab:blue", "tab:orange", "tab:red"), chances.items(), strict=True):
        layers = np.arange(2, len(chance) + 2)  # with the readout
        ax.plot(layers[1:], chance[1:], color=color, label=say("width {width}: dead everywhere", width=width))
        ax.plot(layers, 100 * (1 - (1 - 0.5**width) ** (layers - 1)), "--", color=color, linewidth=1,
                label=say("width {width}: dead on a half-line", width=width))  # fmt: skip
        ax.plot(LAYERS, both[width], "o", color=color)
        ax.plot(LAYERS, half[width], "s", color=color, markerfacecolor="white")
    ax.set(xlabel=say("layers (the readout is one of them)"), ylabel=say("networks born dead, %"), yscale="log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside right center", frameon=False, title=say("lines: theory; marks: measured"))
    ax.set_title(say("ReLU networks of one input that start as a constant"))
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
