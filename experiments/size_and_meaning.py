"""What must a gradient keep, so that a network can be trained: its size, or the difference between examples?

Setup   160 random MLPs: any of the lab's activations and initialisations (sigma_w 0.8 to 3.5 where they have one), 6 to
        40 layers of 32 units, some normalised, some with skip connections. Before training, on 128 handwritten digits:
        delta at the first layer over the last (size kept), and the share of the last hidden layer's energy that differs
        between examples (meaning kept). Then 100 full-batch updates at each of five learning rates; the colour of a
        network's dot is its test accuracy at the best of them.
Expect  a corner: 106 of the 119 networks in which delta keeps its size within three decades either way *and* more than
        1e-4 of the energy differs reach twice the accuracy of chance, and 2 of the 41 others: one just below, with skip
        connections, and a normalised one just to the right. Left of the corner the gradient has vanished, right of it
        it explodes; size goes with meaning on the way down, but at 1e-3 delta still arrives and says nothing.
Run     python experiments/size_and_meaning.py            # six minutes on two CPU cores
        python experiments/size_and_meaning.py --networks 40
Writes  results/size_and_meaning/: a folder of chunks, size_and_meaning (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tyro
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from vanishlab import NetworkConfig, Record, TrainingConfig, load_data
from vanishlab.activations import ACTIVATIONS
from vanishlab.cli.console import run
from vanishlab.cli.sweeps import run_and_report
from vanishlab.cli.tables import print_table
from vanishlab.config import SCALED_INITIALIZATIONS, InitializationName
from vanishlab.language.sentences import say
from vanishlab.plots import save_both
from vanishlab.report import check_extra, write_report
from vanishlab.training.sweep.plan import plan_sweep
from vanishlab.training.sweep.saved import load_sweep

SIZES, SHARES = (1e-12, 1e6), (1e-15, 1.0)
"""Ends of the axes; a network that lies beyond stands at the edge, with a black rim."""
KINDS = {"plain network": "o", "normalised network": "s", "residual network": "D"}
NARROW, APART = 3.0, 1e-4
"""Decades that delta may win or lose, and the share that must differ, for the corner in the table."""
COLUMNS = ("where", "networks", "drawn", "reach twice the accuracy of chance", "median accuracy")


@dataclass(frozen=True)
class Options:
    networks: int = 160
    """Networks to draw."""
    learning_rates: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    """Learning rates that each network may choose from."""
    width: int = 32
    """Units per hidden layer."""
    depths: tuple[int, int] = (6, 40)
    """Fewest and most hidden layers."""
    steps: int = 100
    """Updates of each network."""
    max_examples: int | None = 128
    """Digits to train on; None is all of them."""
    out: Path = Path("results/size_and_meaning")
    """Folder for the runs and the picture."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


@dataclass(frozen=True)
class Dot:
    """One network in the plane."""

    size: float
    """Delta at the first layer over the last, before training."""
    share: float
    """Distinct share of the last hidden layer, before training."""
    accuracy: float
    """On the test set, at the best learning rate."""
    kind: str

    @property
    def in_the_corner(self) -> bool:
        return abs(np.log10(self.size or 1e-300)) < NARROW and self.share > APART


def draw_networks(options: Options) -> list[NetworkConfig]:
    """Return different random networks; a longer list begins with the shorter one."""
    random, drawn = np.random.default_rng(14), {}
    while len(drawn) < options.networks:
        name = str(random.choice(get_args(InitializationName)))
        scale = round(float(random.uniform(0.8, 3.5)), 2)
        low, high = np.log(options.depths)
        choices: dict[str, Any] = {
            "depth": round(float(np.exp(random.uniform(low, high)))),
            "activation": str(random.choice(list(ACTIVATIONS))),
            "normalization": str(random.choice(["none"] * 4 + ["batch", "layer"])),
            "residual": ["none", "none", "none", "none", "plain", "learned"][int(random.integers(6))],
        }
        network = NetworkConfig(width=options.width, initialization=name, **choices,  # pyright: ignore
                                **({"sigma_w": scale} if name in SCALED_INITIALIZATIONS else {}))  # fmt: skip
        drawn[network] = None
    return list(drawn)


def dot(record: Record) -> Dot:
    network = record.network
    assert network is not None
    # A run that diverged has lost what it had learned by then.
    accuracy = np.where(record.diverged, 0.0, record.test_accuracy[:, -1]).max()
    plain, normalised, residual = KINDS
    kind = residual if network.residual != "none" else plain if network.normalization == "none" else normalised
    ratio, share = record.first_last_ratio("delta_rms")[0, 0], record.distinct_share[0, 0, -2]
    return Dot(float(ratio), float(share), float(accuracy), kind)


def draw(dots: list[Dot], chance: float) -> Figure:
    figure = Figure(figsize=(8.8, 6.2), layout="constrained")
    ax = figure.subplots()
    ax.set(xscale="log", yscale="log", xlim=SIZES, ylim=(SHARES[0], 3.0))
    corner = Rectangle((10**-NARROW, APART), 10**NARROW - 10**-NARROW, 2.0, facecolor="0.93", zorder=0)
    ax.add_patch(corner)
    colors: Any = None
    for kind, marker in KINDS.items():
        for pointed in (False, True):
            chosen = [each for each in dots if each.kind == kind and is_beyond(each) == pointed]
            x, y = (np.clip([getattr(each, name) for each in chosen], *ends)
                    for name, ends in (("size", SIZES), ("share", SHARES)))  # fmt: skip
            colors = ax.scatter(x, y, c=[each.accuracy for each in chosen], marker=marker, vmin=chance, vmax=1.0,
                                s=46, edgecolors="0.1" if pointed else "white", linewidths=1.4 if pointed else 0.6,
                                clip_on=False, zorder=3)  # fmt: skip
    figure.colorbar(colors, ax=ax, label=say("test accuracy"), pad=0.02)
    ax.set_xlabel(say("delta at the first layer / at the last"))
    ax.set_ylabel(say("share of the last hidden layer that differs between examples"))
    ax.grid(color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    style: dict[str, Any] = {"linestyle": "none", "color": "0.4", "markersize": 7}
    handles = [Line2D([], [], marker=marker, label=say(kind), **style) for kind, marker in KINDS.items()]
    handles.append(Line2D([], [], marker="o", markerfacecolor="white", markeredgecolor="0.1", linestyle="none",
                          label=say("lies beyond the edge")))  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(say("{networks} networks: what their gradient keeps, and what they learn", networks=len(dots)))
    return figure


def is_beyond(each: Dot) -> bool:
    return not (SIZES[0] <= each.size <= SIZES[1] and SHARES[0] <= each.share)


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    data = load_data("digits", max_examples=options.max_examples)
    last = max(options.steps, 1)
    training = TrainingConfig(options.learning_rates, steps=options.steps, record_every=last, evaluate_every=last)
    plan = plan_sweep(draw_networks(options), training, data)
    run_and_report(plan, options.out)
    keys = {key for chunk in plan.chunks for key in chunk.keys}
    dots = [dot(record) for record in load_sweep(options.out).only(keys)]
    chance = 1 / data.num_classes
    rows = []
    for name, inside in ((say("in the corner"), True), (say("outside"), False)):
        for kind in KINDS:
            chosen = [each for each in dots if each.in_the_corner == inside and each.kind == kind]
            trained = sum(each.accuracy >= 2 * chance for each in chosen)
            middle = float(np.median([each.accuracy for each in chosen] or [np.nan]))
            rows.append([name, say(kind), len(chosen), trained, middle])
    title = say("{networks} networks, {steps} steps", networks=len(dots), steps=options.steps)
    print_table(title, [say(column) for column in COLUMNS], rows)
    print(*save_both(draw(dots, chance), options.out / "size_and_meaning"))
    if options.report:
        print(write_report(options.out, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
