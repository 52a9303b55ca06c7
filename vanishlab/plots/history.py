"""Heatmaps of a quantity over the whole of one run: layer × step."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from vanishlab.errors import check_integer
from vanishlab.language.sentences import say
from vanishlab.plots.axes import (
    LAYER_LABEL,
    check_not_empty,
    check_quantity,
    layer_ticks,
    own_names,
    set_block_axis,
    set_decades,
    set_step_axis,
)
from vanishlab.plots.fonts import legible
from vanishlab.plots.ink import ink, neutral
from vanishlab.plots.profiles import BACKWARD
from vanishlab.plots.ranges import draw_colorbar, log_norm
from vanishlab.plots.shown import figure_of, given_or_own
from vanishlab.recording.layer_groups import layer_blocks
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record

FLAT: dict[str, float | str] = {"zero": 0.4, "infinite": "#D55E00", "diverged": 0.0, "not measured": 0.2}
"""Colours of cells off the scale, or how much ink is in them; none is a colour of viridis, which has no greys."""


class HistoryArtists(NamedTuple):
    """What `history` drew: the coloured cells, the cells off the scale, the colour bar, and handles for the legend."""

    mesh: QuadMesh
    off_scale: QuadMesh
    """Cells without a colour on the scale: 0 zero, 1 infinite, 2 diverged, 3 not measured; underflow shows through."""
    colorbar: Colorbar | None
    handles: list[Patch]

    @property
    def figure(self) -> Figure:
        """The figure that it was drawn in."""
        return figure_of(self.mesh)


@legible
def history(
    ax: Axes | None, record: Record, run: int = 0, quantity: str = "gradient_norm", *, legend: bool = True
) -> HistoryArtists:
    """Draw `quantity` of one run as a heatmap, layer × step, in logarithmic colours.

    Cells that are zero are grey, those that underflowed to zero hatched, infinite ones vermilion, those after the run
    diverged white; light grey is where nothing was measured. Recorded steps may lie unevenly: each cell reaches halfway
    to its neighbours.

    `legend` says whether to draw one for those, above the axes. Raises `InputError` for an unknown quantity, a run that
    is not there, and a record without steps.
    """
    ax = given_or_own(ax)
    check_quantity(quantity)
    check_not_empty(record)
    record = record.select(run=check_integer("run", run, 0, record.runs - 1))
    values = record.layer_quantity(quantity)[0].T  # (layer, step)
    underflow = (record.gradient_state[0].T == "underflow") & (values == 0) & (quantity in BACKWARD)
    gone = record.diverged[0] & (record.step >= record.diverged_step[0])  # (step,)
    kinds = {
        "zero": (values == 0) & ~underflow,
        "infinite": np.isinf(values),
        "diverged": np.isnan(values) & gone,
        "not measured": np.isnan(values) & ~gone,
    }
    handles: list[Patch] = []
    if underflow.any():
        hatch: dict[str, Any] = {"facecolor": ink(0.07), "edgecolor": ink(0.45), "hatch": "//////", "linewidth": 0.0}
        ax.add_patch(Rectangle((0, 0), 1, 1, transform=ax.transAxes, zorder=0, **hatch))
        handles.append(Patch(label=say("underflow"), **hatch))
    edges = cell_edges(record.step), cell_edges(record.layer)
    flat = np.ma.array(np.zeros(values.shape), mask=True)  # not masked_all: what lies below it is normed too
    for number, (kind, where) in enumerate(kinds.items()):
        flat[where] = number
        if where.any():
            handles.append(flat_handle(kind))
    off_scale = ax.pcolormesh(*edges, flat, cmap=flat_colors(), vmin=-0.5, vmax=3.5,
                              rasterized=True)  # fmt: skip
    colored = np.ma.masked_where(~np.isfinite(values) | (values == 0), values)
    mesh = ax.pcolormesh(*edges, colored, cmap="viridis", norm=_norm(colored), rasterized=True)
    set_step_axis(ax, record.step)
    ax.set_xlim(edges[0][0], edges[0][-1])
    ax.set_ylim(edges[1][0], edges[1][-1])
    ax.set_yticks(layer_ticks(float(record.layer[0]), float(record.layer[-1])))
    ax.set_ylabel(say(LAYER_LABEL))
    if blocks := layer_blocks(own_names(record)):
        set_block_axis(ax.yaxis, record.layer, blocks)
        ax.tick_params(axis="y", labelsize="small")
    bar = None
    if colored.count():
        bar = draw_colorbar(mesh, ax, say(LAYER_QUANTITIES[quantity].label))
        set_decades(bar.ax.yaxis, *mesh.get_clim())
    if legend and handles:
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(handles), frameon=False)
    return HistoryArtists(mesh, off_scale, bar, handles)


def flat_colors() -> ListedColormap:
    """Return the colours of cells off the scale, in the order of `FLAT`."""
    return ListedColormap([_printed(each) for each in FLAT.values()])


def flat_handle(kind: str) -> Patch:
    """Return the handle for the legend of cells off the scale."""
    return Patch(facecolor=_printed(FLAT[kind]), edgecolor=neutral(), linewidth=0.6, label=say(kind))


def _printed(color: float | str) -> str | tuple[float, float, float]:
    return color if isinstance(color, str) else ink(color)


def cell_edges(centers: np.ndarray) -> np.ndarray:
    """Return the edges of cells around rising `centers`: halfway between neighbours, and as far out at both ends."""
    centers = centers.astype(np.float64)  # the sum of two step numbers may be beyond int64
    if len(centers) == 1:
        return np.array([centers[0] - 0.5, centers[0] + 0.5])
    between = (centers[:-1] + centers[1:]) / 2
    return np.concatenate([[2 * centers[0] - between[0]], between, [2 * centers[-1] - between[-1]]])


def _norm(values: np.ma.MaskedArray) -> LogNorm:
    if not values.count():
        return log_norm(0.1, 10.0)
    return log_norm(float(values.min()), float(values.max()))
