"""The page's pictures: small ones, one idea each, which stand side by side or below each other.

Every picture is drawn in `_draw`, one at a time: matplotlib's settings and fonts are the process's, and the page's
sessions are threads of one process.
"""

import functools
import io
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from vanishlab import plots
from vanishlab.language.sentences import listed, say, speaking, spoken
from vanishlab.playground.measuring import Result
from vanishlab.playground.through_time import Recalled
from vanishlab.plots.axes import fit_decade_axis, fit_log_axis, floor_height, set_layer_axis
from vanishlab.plots.fonts import make_legible
from vanishlab.plots.through_time import time_key, time_profile
from vanishlab.theory.phases import PhaseDiagram, phase_diagram
from vanishlab.training.recall import LEARNED

CURVES: Mapping[str, str] = {
    "activation_rms": "activation RMS: the signal going forward",
    "delta_rms": "delta RMS: the signal coming back",
    "gradient_norm": "gradient norm: what each layer is told",
    "distinct_share": "distinct share: whether examples are still told apart",
}
"""The quantities that have a curve, and what stands below it."""
COMPARED: Mapping[str, str] = {
    "delta_rms": "delta before training, by layer",
    "distinct_share": "share that differs between examples before training, by layer",
}
"""What results can be compared by, and what stands below it."""
THEORY, START, END = "#D55E00", "#0072B2", "#009E73"  # the first two are those of `plots.prediction_profile`
_SIZE = (4.3, 3.2)  # inches; about a third of a wide window, the whole of a phone
_DPI = 150
_REACH = (3.0, 1.5)  # what the diagram covers in any case, so that its cache is found again
_FURTHEST = 10.0
# Margins that hold for every setting, as shares of the picture; to find them anew each time takes half as long again.
_CURVE: dict[str, float] = {"left": 0.18, "right": 0.97, "bottom": 0.16, "top": 0.95}
_MAP: dict[str, float] = {"left": 0.14, "right": 0.83, "bottom": 0.16, "top": 0.9}
_ROOM = 1.3  # above a share of 1, for the mark on it
_FLOOR = 0.08  # what the strip for zeros below the axes takes
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """One picture as PNG, with what stands below it and what is read out in its place."""

    name: str
    caption: str
    alternative: str
    png: bytes


def pictures_of(result: Result, points: Mapping[str, tuple[float, float]] | None = None) -> list[Picture]:
    """Return the pictures of one result; `points` are those in its phase diagram, its own where not given."""
    drawn = [curve_picture(result, quantity) for quantity in CURVES]
    drawn += [history_picture(result), loss_picture(result)]
    if result.point is not None:
        own = points or {say("this network"): result.point}
        drawn.append(phase_picture(result.settings.activation, tuple(own.items())))
    return drawn


def curve_picture(result: Result, quantity: str) -> Picture:
    """Draw one of the curves: theory with its band, measurement before training, and the end of training."""
    record = result.record
    values = record.layer_quantity(quantity)  # (run, step, layer)
    last = record.at_end(values)[0]  # (layer,)

    def draw(ax: Axes) -> None:
        if result.prediction is not None:
            plots.prediction_profile(ax, result.prediction, quantity, record, key=False)
            with np.errstate(divide="ignore", invalid="ignore"):
                end = np.log10(np.where(last > 0, last, np.nan))
        else:
            (line,) = plots.depth_profile(ax, record, quantity, 0, key=False).lines
            line.set(color=START, marker="o", markersize=3.5, linestyle="none")
            end = np.where(last > 0, last, np.nan)
        if len(record.step) > 1 and np.isfinite(end).any():
            ax.plot(record.layer, end, color=END, linewidth=1.6, zorder=2.5, marker=".", markersize=3.0)
            (fit_decade_axis if result.prediction is not None else fit_log_axis)([ax])
        if quantity == "distinct_share":  # which ends at 1
            low, high = ax.get_ylim()
            ax.set_ylim(low, min(high, _ROOM if result.prediction is None else np.log10(_ROOM)))

    name = say(CURVES[quantity])
    alternative = say(
        "{quantity}. Before training: {first} in layer 1, {last} in the readout. In layer 1 at the end: {end}.",
        quantity=name,
        first=f"{values[0, 0, 0]:.3g}",
        last=f"{values[0, 0, -1]:.3g}",
        end=f"{last[0]:.3g}",
    )
    return Picture(quantity, name, alternative, _draw(draw, margins=_CURVE))


def history_picture(result: Result) -> Picture:
    """Draw delta over layer × step."""
    png = _draw(lambda ax: plots.history(ax, result.record, 0, "delta_rms"), margins=_MAP)
    caption = say("delta, layer × step")
    verdict = result.diagnosis.verdicts[0]
    return Picture("history", caption, f"{caption}: {say(verdict.name)}", png)


def loss_picture(result: Result) -> Picture:
    """Draw the training loss against the step."""
    png = _draw(lambda ax: plots.loss_curves(ax, result.record, key=False), margins=_CURVE)
    start, end = result.losses
    caption = say("training loss")
    return Picture("loss", caption, f"{caption}: {start:.3g} → {end:.3g}", png)


def phase_picture(activation: str, points: tuple[tuple[str, tuple[float, float]], ...]) -> Picture:
    """Draw the phase diagram of an activation with these points, label and (sigma_w, sigma_b) each, in it."""
    caption = say("phase diagram: the edge of chaos")
    where = "; ".join(f"{label}: σ_w = {w:.3g}, σ_b = {b:.3g}" for label, (w, b) in points)
    return Picture("phase", caption, f"{caption}: {where}", _phase_png(activation, points, spoken()))


def comparison_picture(results: Mapping[str, Result], quantity: str = "delta_rms") -> Picture:
    """Draw a quantity before training against the layer, for several results on one axis."""
    colors = (START, THEORY, END, "#CC79A7", "#E69F00", "#56B4E9", "0.3")
    # Networks that differ in their training alone begin alike: one curve, which has all their names.
    alike: dict[bytes, list[str]] = {}
    for label, result in results.items():
        alike.setdefault(result.record.delta_rms[0, 0].tobytes(), []).append(label)

    def draw(ax: Axes) -> None:
        for labels, color in zip(alike.values(), colors, strict=False):
            artists = plots.depth_profile(ax, results[labels[0]].record, quantity, 0, key=False)
            (line,) = artists.lines
            line.set(color=color, label=listed(labels), marker="o", markersize=3.0)
            for mark in itertools.chain(*artists.marks.values()):
                mark.set_color(color)
        set_layer_axis(ax, max((result.record.layer for result in results.values()), key=len))
        fit_log_axis([ax])
        ax.legend(fontsize="small", frameon=False, loc="best")

    caption = say(COMPARED[quantity])
    numbers = {label: one.first_last if quantity == "delta_rms" else one.distinct for label, one in results.items()}
    readout = "; ".join(f"{label}: {number:.3g}" for label, number in numbers.items())
    return Picture("compared", caption, f"{caption}: {readout}", _draw(draw, (6.4, 3.6)))


def time_picture(found: Sequence[Recalled]) -> Picture:
    """Draw delta before training against the time step, over as many steps as the networks were trained on."""
    curves = {one.settings.label: one.curves[one.settings.length] for one in found}
    learned = [one.settings.label for one in found if one.accuracy >= LEARNED]

    def draw(ax: Axes) -> None:
        artists = time_profile(ax, curves, learned)
        ax.set_ylabel(say("delta / delta at the last time step"))
        fit_log_axis([ax])
        below = (0.5, -0.17)
        ax.legend(handles=time_key(artists), loc="upper center", bbox_to_anchor=below, ncols=2, frameon=False)

    caption = say("what reaches each time step before training")
    readout = "; ".join(f"{label}: {curve[0]:.3g}" for label, curve in curves.items())
    return Picture("compared", caption, f"{caption}: {readout}", _draw(draw, (6.4, 4.8)))


@functools.lru_cache(maxsize=64)
def _phase_png(activation: str, points: tuple[tuple[str, tuple[float, float]], ...], language: str) -> bytes:
    furthest = max(w for _, (w, _) in points), max(b for _, (_, b) in points)
    outside = furthest[0] > _REACH[0] or furthest[1] > _REACH[1]
    # A point that is further out still is drawn at the edge: a diagram around it would show nothing else.
    diagram = _diagram(activation, furthest if outside and max(furthest) <= _FURTHEST else None)
    with speaking(language):  # named, so that a picture is kept for each language
        return _draw(lambda ax: plots.phase_map(ax, diagram, dict(points), legend=False))


@functools.lru_cache(maxsize=32)
def _diagram(activation: str, around: tuple[float, float] | None) -> PhaseDiagram:
    return phase_diagram(activation, around=around)


def _draw(
    draw: Callable[[Axes], object],
    size: tuple[float, float] = _SIZE,
    margins: Mapping[str, float] | None = None,
) -> bytes:
    """Return the PNG of what `draw` puts on one axes: the only place where the page draws."""
    with _LOCK, plots.language(spoken()):
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06) if margins is None else None
        figure = Figure(figsize=size, layout=layout)
        if margins is not None:
            figure.subplots_adjust(**margins)
        ax = figure.subplots()
        draw(ax)
        make_legible(figure)
        if margins is not None and floor_height(ax) > 0:
            figure.subplots_adjust(bottom=margins["bottom"] + _FLOOR)
        file = io.BytesIO()
        # Little compression: it is quick, and the picture travels no further than this machine.
        figure.savefig(file, format="png", dpi=_DPI, pil_kwargs={"compress_level": 1})
        return file.getvalue()
