"""Maps of a sweep: a value over two swept axes as coloured cells, with theory's curves over it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from vanishlab.errors import InputError
from vanishlab.language.sentences import say
from vanishlab.plots.axes import set_decades, set_rate_ticks
from vanishlab.plots.fonts import legible
from vanishlab.plots.history import cell_edges, flat_colors, flat_handle
from vanishlab.plots.ink import ink, outline
from vanishlab.plots.powers import log_scale
from vanishlab.plots.ranges import draw_colorbar, linear_norm, log_norm
from vanishlab.plots.shown import figure_of, given_or_own

_COLORS = ("#D55E00", "#E8E8E8", "#CC79A7", "black")  # all of them stand out from viridis
_DASHES = ("-", "--", ":", "-.")
_TICKS = 8
_MANY = 30  # numbers on a logarithmic axis are labelled themselves up to so many, round ones beyond


class SweepMapArtists(NamedTuple):
    """What `sweep_map` drew: coloured cells, cells off the scale, marks, curves, and handles for the legend."""

    mesh: QuadMesh
    off_scale: QuadMesh
    """Cells without a colour on the scale: 0 zero, 1 infinite, 2 diverged, 3 not measured."""
    some_diverged: Line2D | None
    """Marks on the cells of which some runs diverged."""
    curves: dict[str, Line2D]
    colorbar: Colorbar | None
    handles: list[Any]

    @property
    def figure(self) -> Figure:
        """The figure that it was drawn in."""
        return figure_of(self.mesh)


@legible
def sweep_map(
    ax: Axes | None,
    x: ArrayLike | Sequence[str],
    y: ArrayLike | Sequence[str],
    values: ArrayLike,
    *,
    diverged: ArrayLike | None = None,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    label: str | None = None,
    bounds: tuple[float, float] | None = None,
    x_label: str = "",
    y_label: str = "",
    log_x: bool = False,
    log_y: bool = False,
    log_values: bool = False,
    legend: bool = True,
) -> SweepMapArtists:
    """Draw `values` (y, x) as cells around the grid points `x` (x,) and `y` (y,), and `curves` over them.

    Numbers on an axis must rise; they may lie unevenly, and each cell reaches halfway to its neighbours (on a
    logarithmic axis, halfway in the logarithm). Names are set side by side.

    Main arguments
        diverged   (y, x) bool, or the share of a cell's runs that diverged: a cell is white where all did, and has a
                   cross over its colour where some did
        curves     label to (x, y) points, drawn over the cells; where y is infinite the curve leaves the map

    Other arguments
        label, bounds       of the colour bar; "accuracy" and the range of the values where not given
        x_label, y_label    of the axes
        log_x, log_y, log_values    logarithmic axes, logarithmic colours (cells of 0 are then grey)
        legend              whether to draw the legend below the map; its handles are returned in any case

    Light grey cells are NaN: not measured. Raises `InputError` for shapes that do not match, numbers that do not rise,
    and a logarithmic axis with numbers that are not greater than 0.

    >>> sweep_map(ax, sigma_w, depth, accuracy, bounds=(0, 1), curves={"6 xi_c": (sigma, 6 * xi_c)})  # doctest: +SKIP
    """
    ax = given_or_own(ax)
    places_x, names_x = _places("x", x, log_x)
    places_y, names_y = _places("y", y, log_y)
    shape = len(places_y), len(places_x)
    values = _grid("values", values, shape)
    share = np.zeros(shape) if diverged is None else _grid("diverged", diverged, shape)
    if log_values and (values < 0).any():
        raise InputError(f"log_values needs values of at least 0, got {np.nanmin(values):g}")
    gone = share >= 1.0
    kinds = {
        "zero": (values == 0) & log_values & ~gone,
        "infinite": np.isinf(values) & ~gone,
        "diverged": gone,
        "not measured": np.isnan(values) & ~gone,
    }
    handles: list[Any] = []
    flat = np.ma.array(np.zeros(shape), mask=True)  # not masked_all: what lies below it is normed too
    for number, (kind, where) in enumerate(kinds.items()):
        flat[where] = number
        if where.any():
            handles.append(flat_handle(kind))
    edges = _edges(places_x, log_x), _edges(places_y, log_y)
    off_scale = ax.pcolormesh(*edges, flat, cmap=flat_colors(), vmin=-0.5, vmax=3.5,
                              rasterized=True)  # fmt: skip
    colored = np.ma.masked_where(~flat.mask, values)
    mesh = ax.pcolormesh(*edges, colored, cmap="viridis", norm=_norm(colored, bounds, log_values), rasterized=True)
    some = (share > 0) & ~gone
    crosses = None
    if some.any():
        row, column = np.nonzero(some)
        size = float(np.clip(150.0 / max(shape), 2.5, 7.0))  # points: a cell of a large map is small
        style: dict[str, Any] = {"marker": "x", "linestyle": "none", "color": "white", "markersize": size}
        (crosses,) = ax.plot(places_x[column], places_y[row], markeredgewidth=0.25 * size, label="_some", **style)
        crosses.set_path_effects([Stroke(linewidth=0.25 * size + 1.0, foreground="0.15"), Normal()])
        handles.append(
            Line2D([], [], **style | {"color": ink(0.85), "markersize": 6.0}, label=say("some runs diverged"))
        )
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    for axis, places, names, log in ((ax.xaxis, places_x, names_x, log_x), (ax.yaxis, places_y, names_y, log_y)):
        _set_axis(axis, places, names, log)
    ax.set_xlim(edges[0][0], edges[0][-1])
    ax.set_ylim(edges[1][0], edges[1][-1])
    drawn = {
        name: _draw_curve(ax, number, name, *points) for number, (name, points) in enumerate((curves or {}).items())
    }
    handles = [*drawn.values(), *handles]
    bar = None
    if colored.count():
        bar = draw_colorbar(mesh, ax, say("accuracy") if label is None else label)
        if log_values:
            set_decades(bar.ax.yaxis, *mesh.get_clim())
    if legend and handles:
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=min(len(handles), 3),
                  frameon=False)  # fmt: skip
    return SweepMapArtists(mesh, off_scale, crosses, drawn, bar, handles)


def _places(field: str, given: Any, logarithmic: bool) -> tuple[np.ndarray, list[str] | None]:
    """Return where the cells' centres stand, and their names where they are names."""
    entries = np.asarray(given)
    if entries.ndim != 1 or len(entries) == 0:
        raise InputError(f"{field} must be a list of at least one value, got shape {entries.shape}")
    if entries.dtype.kind not in "buif":
        if logarithmic:
            raise InputError(f"log_{field} needs numbers, got {str(entries[0])!r}")
        return np.arange(float(len(entries))), [str(entry) for entry in entries]
    places = entries.astype(np.float64)
    if not np.isfinite(places).all() or (np.diff(places) <= 0).any():
        raise InputError(f"{field} must be finite numbers that rise, got {given}")
    if logarithmic and places[0] <= 0:
        raise InputError(f"log_{field} needs numbers greater than 0, got {places[0]:g}")
    return places, None


def _grid(field: str, given: ArrayLike, shape: tuple[int, int]) -> np.ndarray:
    grid = np.asarray(given, dtype=np.float64)
    if grid.shape != shape:
        raise InputError(f"{field} must have shape (y, x) = {shape}, got {grid.shape}")
    return grid


def _edges(centers: np.ndarray, logarithmic: bool) -> np.ndarray:
    if not logarithmic:
        return cell_edges(centers)
    if len(centers) == 1:
        return centers[0] * np.array([0.5, 2.0])
    return np.exp(cell_edges(np.log(centers)))


def _norm(values: np.ma.MaskedArray, bounds: tuple[float, float] | None, logarithmic: bool) -> Normalize:
    if bounds is None:
        bounds = (float(values.min()), float(values.max())) if values.count() else (0.1, 1.0)
    return log_norm(*bounds) if logarithmic else linear_norm(*bounds)


def _set_axis(axis: Axis, places: np.ndarray, names: list[str] | None, logarithmic: bool) -> None:
    if names is not None:
        axis.set_ticks(list(places), names)
        if axis is axis.axes.xaxis and sum(map(len, names)) > 40:
            axis.set_tick_params(rotation=30)
        return
    if logarithmic:
        log_scale(axis)
    if logarithmic and len(places) > _MANY:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_locator(NullLocator())
    elif logarithmic and len(places) > 1:
        set_rate_ticks(axis, places.tolist(), _TICKS)
    elif len(places) == 1 or (
        len(places) <= _TICKS and np.diff(places).min() > (places[-1] - places[0]) / (2 * _TICKS)
    ):
        axis.set_major_locator(FixedLocator(places.tolist()))
        axis.set_major_formatter(lambda value, _: f"{value:.3g}")
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(_TICKS, integer=bool((places == places.round()).all())))


def _draw_curve(ax: Axes, number: int, name: str, x: ArrayLike, y: ArrayLike) -> Line2D:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    low, high = ax.get_ylim()
    beyond = high * 1e3 if ax.get_yscale() == "log" else high + 1e3 * (high - low)
    y = np.where(np.isfinite(y), y, np.where(np.isposinf(y), beyond, np.nan))
    left, right = ax.get_xlim()
    inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    name = name if inside.any() else say("{curve} (off the map)", curve=name)
    style: dict[str, Any] = {"color": _COLORS[number % 4], "linestyle": _DASHES[number // 4 % 4], "linewidth": 2.0}
    (line,) = ax.plot(x, np.minimum(y, beyond), label=name, scalex=False, scaley=False, zorder=3, **style)
    line.set_path_effects(outline(2.0))
    return line
