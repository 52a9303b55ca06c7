"""Maps of how large entries are: layer × size, a column of octaves for each layer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from vanishlab.errors import InputError
from vanishlab.language.sentences import say
from vanishlab.plots.axes import draw_off_scale, mark_handles, set_decades, set_layer_axis
from vanishlab.plots.fonts import legible
from vanishlab.plots.history import cell_edges
from vanishlab.plots.ink import neutral
from vanishlab.plots.powers import log_scale
from vanishlab.plots.ranges import draw_colorbar, within
from vanishlab.plots.shown import ShownFigure

if TYPE_CHECKING:
    from vanishlab.network.octaves import Octaves

LABELS = {
    "activation": "entries of h",
    "delta": "entries of ∂loss/∂z",
    "gradient": "entries of ∂loss/∂W",
    "weight": "entries of W",
}


@legible
def octave_map(ax: Axes, octaves: "Octaves", label: str, *, most: float | None = None) -> QuadMesh:
    """Draw the share of a layer's entries in each octave as a column of cells, on a logarithmic axis of sizes.

    Colours go from 0 to `most`, the largest share where not given. Layers with entries that are exactly 0 have a cross
    on a strip below, those with entries that are not finite a triangle above.
    """
    layer = np.arange(1, len(octaves.zero) + 1)
    ends = octaves.exponent * np.log10(2.0)
    low, high = (ends[0], ends[-1] + np.log10(2.0)) if len(ends) else (0.0, 1.0)
    low, high = within(min(low, 0.5 * (low + high) - 1.2), max(high, 0.5 * (low + high) + 1.2))
    sizes = np.append(2.0 ** octaves.exponent.astype(float), 2.0 ** (octaves.exponent[-1:] + 1.0))
    share = np.ma.masked_equal(octaves.share.T, 0.0)  # (octave, layer)
    if len(octaves.exponent) == 0:  # all entries are 0 or not finite
        sizes, share = np.array([low, high]), np.ma.masked_all((1, len(layer)))
        share.data[:] = 0.0
    most = most or float(share.max() or 1.0)
    mesh = ax.pcolormesh(cell_edges(layer), sizes, share, cmap="viridis_r", vmin=0.0, vmax=most, rasterized=True)
    log_scale(ax.yaxis)
    ax.set_autoscaley_on(False)
    ax.set_ylim(low, high)
    set_decades(ax.yaxis, low, high)
    draw_off_scale(ax, [(_off_scale(octaves), neutral())], layer)
    set_layer_axis(ax, layer)
    ax.set_xlim(0.5, len(layer) + 0.5)
    ax.set_ylabel(say(label))
    ax.spines[["top", "right"]].set_visible(False)
    return mesh


@legible
def octaves_figure(states: Mapping[str, Mapping[str, "Octaves"]], title: str = "") -> Figure:
    """Return maps of activations, deltas, gradients and weights, a row for each state of the network.

    `states` is title to what `layer_octaves` returns, as of before training and after it; a column has one axis and one
    range of colours. Raises `InputError` for no states.
    """
    if not states:
        raise InputError("states must hold at least one, got none")
    figure = ShownFigure(figsize=(14.0, 3.3 * len(states) + 1.0),
                         layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))  # fmt: skip
    grid = figure.subplots(len(states), len(LABELS), squeeze=False)
    kinds: set[str] = set()
    mesh: Any = None
    shares = [each.share.max() for state in states.values() for each in state.values() if each.share.size]
    most = float(max(shares, default=1.0))
    for column, (name, label) in zip(grid.T, LABELS.items(), strict=True):
        for ax, (when, state) in zip(column, states.items(), strict=True):
            mesh = octave_map(ax, state[name], label, most=most)
            kinds |= {kind for kind, share in _off_scale(state[name]).items() if share.any()}
            if name == "activation":
                ax.set_title(when, loc="left", fontsize="medium")
            if ax is not column[-1]:
                ax.set_xlabel("")
        lows, highs = zip(*(ax.get_ylim() for ax in column), strict=True)
        for ax in column:
            ax.set_ylim(min(lows), max(highs))
            set_decades(ax.yaxis, min(lows), max(highs))
    draw_colorbar(mesh, list(grid.flat), say("share of the layer's entries in an octave"), fraction=0.03, aspect=40)
    if title:
        figure.suptitle(title, fontsize="large")
    if kinds:
        figure.legend(handles=mark_handles(kinds), loc="outside lower center", ncols=2, frameon=False)
    return figure


def _off_scale(octaves: "Octaves") -> dict[str, np.ndarray]:
    return {"zero": octaves.zero > 0, "infinite": octaves.not_finite > 0}
