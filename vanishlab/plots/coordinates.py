"""The coordinate check as a picture: a panel for each quantity, against the network's width or depth, on log axes."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from vanishlab.language.sentences import say, wrapped
from vanishlab.plots.axes import (
    draw_off_scale,
    fit_log_axis,
    floor_height,
    mark_handles,
    on_axis,
    open_floor,
    style_axes,
)
from vanishlab.plots.fonts import legible
from vanishlab.plots.ink import neutral
from vanishlab.plots.powers import log_scale
from vanishlab.plots.shown import ShownFigure
from vanishlab.recording.quantities import LAYER_QUANTITIES

PANELS = {
    "activation_rms": LAYER_QUANTITIES["activation_rms"].label,
    "change_rms": "change of z since step 0, RMS",
    "delta_rms": LAYER_QUANTITIES["delta_rms"].label,
    "update_ratio": LAYER_QUANTITIES["update_ratio"].label,
}
_AT_START = ("activation_rms", "delta_rms")  # of which there is something before the first update
_NAMED = 8  # layers in the key; of more, these are spread evenly
_COLORS = colormaps["viridis"].resampled(256)
_MARKERS = "osDvP^*X"
_COLUMNS = 120


class Coordinates(Protocol):
    """What is drawn of a `CoordinateCheck`."""

    @property
    def axis(self) -> str:
        """The network's size that was varied, "width" or "depth"."""
        ...

    @property
    def sizes(self) -> np.ndarray:  # (size,)
        """Its values."""
        ...

    @property
    def steps(self) -> int:
        """The number of updates."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the layers compared."""
        ...

    @property
    def values(self) -> dict[str, np.ndarray]:
        """Quantity to (seed, size, step, layer)."""
        ...

    @property
    def sentence(self) -> str:
        """The verdict."""
        ...


@legible
def coordinate_figure(check: Coordinates) -> Figure:
    """Return each layer's activations, change, delta and updates against the size, medians over seeds and their range.

    Solid after the last update, dashed before the first. Zeros and infinities stand outside the axes.
    """
    figure = ShownFigure(figsize=(15.0, 4.8), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    panels: list[Axes] = list(figure.subplots(1, len(PANELS), squeeze=False).flat)
    kinds: set[str] = set()
    for ax, (quantity, label) in zip(panels, PANELS.items(), strict=True):
        kinds |= _draw(ax, check, quantity)
        ax.set_ylabel(say(label))
    points = max(map(floor_height, panels))
    for ax in panels:
        if points > 0:
            open_floor(ax, points)
    figure.suptitle(wrapped(check.sentence, _COLUMNS), fontsize="large")
    shown = np.unique(np.linspace(0, len(check.labels) - 1, _NAMED).round().astype(int))
    lines = [Line2D([], [], label=check.labels[at], **_look(at, len(check.labels))) for at in shown]
    figure.legend(handles=lines, loc="outside right center", title=say("layer"), frameon=False, alignment="left")
    after = say("after {steps} step" if check.steps == 1 else "after {steps} steps", steps=check.steps)
    times = [
        Line2D([], [], color=neutral(), linestyle="-", label=after),
        Line2D([], [], color=neutral(), linestyle="--", label=say("before training")),
    ]
    handles = [*times, *mark_handles(kinds)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


def _draw(ax: Axes, check: Coordinates, quantity: str) -> set[str]:
    """Draw one quantity of every layer, and return the kinds of marks that it took."""
    ax.autoscale(False)
    outside: list[tuple[dict[str, np.ndarray], Any]] = []
    times: Sequence[tuple[Literal["-", "--"], int]] = [("-", check.steps)]
    if quantity in _AT_START:
        times = [("--", 0), *times]
    for layer in range(len(check.labels)):
        look = _look(layer, len(check.labels))
        for linestyle, step in times:
            values = check.values[quantity][:, :, step, layer]  # (seed, size)
            median = np.median(values, axis=0)
            ax.plot(check.sizes, on_axis(median, True), **{**look, "linestyle": linestyle}, zorder=3)
            if linestyle == "-":
                ends = on_axis(values.min(axis=0), True), on_axis(values.max(axis=0), True)
                ax.fill_between(check.sizes, *ends, color=look["color"], alpha=0.15, linewidth=0)
                outside.append(({"zero": median == 0, "infinite": np.isinf(median)}, look["color"]))
    _set_size_axis(ax, check)
    fit_log_axis([ax])
    style_axes(ax)
    return set(draw_off_scale(ax, outside, check.sizes))


def _set_size_axis(ax: Axes, check: Coordinates) -> None:
    log_scale(ax.xaxis)
    low, high = float(check.sizes[0]), float(check.sizes[-1])
    room = (high / low) ** 0.05
    ax.set_xlim(low / room, high * room)
    ax.set_xlabel(say(check.axis))
    every = -(-len(check.sizes) // 6)  # six labels at most
    ticks = check.sizes[::every].tolist()
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(FixedFormatter([str(tick) for tick in ticks]))
    ax.xaxis.set_minor_locator(NullLocator())


def _look(layer: int, layers: int) -> dict[str, Any]:
    place = layer / max(layers - 1, 1)
    look: dict[str, Any] = {"color": _COLORS(0.88 * place), "linewidth": 1.6}
    if layers <= _NAMED:
        look |= {"marker": _MARKERS[layer], "markersize": 4.5}
    return look
