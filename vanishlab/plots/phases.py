"""The phase diagram: chi over (sigma_w, sigma_b), the critical line, and where networks stand in it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, NullLocator

from vanishlab.errors import InputError
from vanishlab.language.sentences import listed, say, wrapped
from vanishlab.plots.fonts import legible
from vanishlab.plots.ink import ink, on_dark, outline, paper
from vanishlab.plots.shown import figure_of, given_or_own

if TYPE_CHECKING:
    from vanishlab.theory.phases import PhaseDiagram

_CHI = 4.0  # colours reach from 1 / 4 to 4, in every diagram
_TICKS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
_MARKERS = "*osD^vPXhd"
_POINTS = ("#F0E442", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "white")  # Okabe and Ito's that are not the cells'
_LINES, _DOTS = "////", ".."
_NAME = np.array([58.0, 18.0])  # points: half the width and height of a phase's name
_SHARE = 0.65  # of the figure's width and height, about, is left for the axes


class PhaseArtists(NamedTuple):
    """What `phase_map` drew: the cells, critical line, points by label, names of the phases, colour bar, handles."""

    mesh: QuadMesh
    line: Line2D | None
    points: dict[str, Line2D]
    names: dict[str, Text]
    """"ordered", "chaotic" and "unbounded", as far as there is room for them in the diagram."""
    colorbar: Colorbar
    handles: list[Artist]

    @property
    def figure(self) -> Figure:
        """The figure that it was drawn in."""
        return figure_of(self.mesh)


@legible
def phase_map(
    ax: Axes | None,
    diagram: "PhaseDiagram",
    points: Mapping[str, tuple[float, float]] | None = None,
    *,
    depth: int | None = None,
    legend: bool = True,
) -> PhaseArtists:
    """Draw chi at q_star as colour over (sigma_w, sigma_b), the critical line, and `points`, label to such a pair.

    Blue is ordered (chi < 1, gradients vanish), red chaotic (chi > 1, they explode), hatched where the variance grows
    without bound; grey where chi is then not defined. Points at the same place share a mark; one outside the grid is
    drawn at its edge, and its label says so. What holds instead of a critical line is written above. With a `depth`
    what lies outside of `PhaseDiagram.reach` is dotted: there such a network's examples become alike, or delta
    explodes.

    `legend` says whether to draw one below the axes; its handles are returned in any case. Raises `InputError` for a
    diagram of a single row or column.
    """
    ax = given_or_own(ax)
    w, b = diagram.sigma_w, diagram.sigma_b
    if min(len(w), len(b)) < 2:
        raise InputError(f"diagram must have at least two sigma_w and two sigma_b, got {len(w)} and {len(b)}")
    ax.set_facecolor(ink(0.2))
    norm = LogNorm(1.0 / _CHI, _CHI)
    mesh = ax.pcolormesh(w, b, np.ma.masked_invalid(diagram.chi), cmap="RdBu_r", norm=norm, shading="nearest",
                         rasterized=True)  # fmt: skip
    handles: list[Artist] = []
    line = _draw_line(ax, diagram)
    if line is not None:
        handles.append(line)
    if depth is not None:
        handles += _draw_reach(ax, diagram, depth)
    unbounded = np.isposinf(diagram.q_star)
    if unbounded.any():
        hatched = ax.contourf(w, b, unbounded.astype(float), levels=[0.5, 1.5], colors="none", hatches=[_LINES])
        hatch: dict[str, Any] = {"edgecolor": ink(0.65), "linewidth": 0.0}
        hatched.set(**hatch)
        handles.append(Patch(label=say("variance grows without bound"), facecolor="none", hatch=_LINES, **hatch))
    ax.set_xlim(w[0], w[-1])
    ax.set_ylim(b[0], b[-1])
    drawn = _draw_points(ax, points or {})
    names = _name_phases(ax, diagram, unbounded, drawn)
    ax.set_xlabel(say("σ_w, scale of the weights"))
    ax.set_ylabel(say("σ_b, scale of the biases"))
    if diagram.note:
        ax.set_title(wrapped(diagram.note, 75), fontsize="small")
    figure = ax.get_figure()
    assert figure is not None
    extend = _extend(diagram.chi)
    bar = figure.colorbar(mesh, ax=ax, label=say("χ (< 1 ordered, > 1 chaotic)"), pad=0.02, extend=extend)
    bar.ax.yaxis.set_major_locator(FixedLocator(_TICKS))
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bar.ax.yaxis.set_minor_locator(NullLocator())
    handles += drawn.values()
    if legend and handles:
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, -0.2), frameon=False)
    return PhaseArtists(mesh, line, drawn, names, bar, handles)


def _draw_line(ax: Axes, diagram: "PhaseDiagram") -> Line2D | None:
    x, y = diagram.critical_sigma_w, diagram.critical_sigma_b
    if len(x) == 0:
        return None
    alone = np.isfinite(x).sum() == 1  # ReLU and its like are critical at one point
    style: dict[str, Any] = {"marker": "D", "markersize": 13.0, "linestyle": "none"} if alone else {"linewidth": 2.0}
    label = say("critical: χ = 1, only here" if alone else "critical: χ = 1")
    (line,) = ax.plot(x, y, color="black", label=label, clip_on=not alone, zorder=4, **style)
    if on_dark():
        line.set_path_effects(outline(2.0))
    return line


def _draw_reach(ax: Axes, diagram: "PhaseDiagram", depth: int) -> list[Artist]:
    # Contours of the decimal logarithm, in which chi is smooth.
    reach, chi = diagram.reach(depth), np.log10(np.ma.masked_invalid(diagram.chi))
    lines: dict[str, tuple[float, Any]] = {
        say("examples alike to the left, after {depth} layers", depth=depth): (reach.alike, "--"),
        say("delta explodes to the right, over {depth} layers", depth=depth): (reach.exploding, "-."),
    }
    w, b = diagram.sigma_w, diagram.sigma_b
    outside = [(-np.inf, np.log10(reach.alike)), (np.log10(reach.exploding), np.inf)]
    handles: list[Artist] = []
    for (low, high), (label, (level, style)) in zip(outside, lines.items(), strict=True):
        if ((chi > low) & (chi < high)).any():
            ends = [max(low, float(chi.min()) - 1.0), min(high, float(chi.max()) + 1.0)]
            dotted = ax.contourf(w, b, chi, levels=ends, colors="none", hatches=[_DOTS], zorder=2)
            dotted.set(edgecolor=ink(0.45), linewidth=0.0)
        if chi.min() < np.log10(level) < chi.max():
            ax.contour(
                w, b, chi, levels=[np.log10(level)], colors=[ink(0.9)], linestyles=[style], linewidths=1.4, zorder=3
            )
            handles.append(Line2D([], [], color=ink(0.9), linestyle=style, linewidth=1.4, label=label))
    return handles


def _draw_points(ax: Axes, points: Mapping[str, tuple[float, float]]) -> dict[str, Line2D]:
    places: dict[tuple[float, float], list[str]] = {}
    for label, (x, y) in points.items():
        places.setdefault((round(x, 9), round(y, 9)), []).append(label)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    drawn = {}
    for number, ((x, y), labels) in enumerate(places.items()):
        label = wrapped(listed(labels), 50)
        at_x, at_y = float(np.clip(x, left, right)), float(np.clip(y, bottom, top))
        if (at_x, at_y) != (x, y):
            label = say("{points} (outside: σ_w = {x:.3g}, σ_b = {y:.3g})", points=label, x=x, y=y)
        marker = _MARKERS[number % len(_MARKERS)]
        style: dict[str, Any] = {"marker": marker, "markersize": 15.0 if marker == "*" else 9.0, "linestyle": "none"}
        color = _POINTS[number % len(_POINTS)]
        drawn[label] = Line2D([at_x], [at_y], color=color, markeredgecolor=ink(1.0), label=label, clip_on=False,
                              zorder=5, transform=ax.transData, **style)  # fmt: skip
        ax.add_artist(drawn[label])
    return drawn


def _name_phases(
    ax: Axes, diagram: "PhaseDiagram", unbounded: np.ndarray, points: Mapping[str, Line2D]
) -> dict[str, Text]:
    """Write each phase's name where it has the most room, away from the points."""
    from scipy.ndimage import distance_transform_edt

    with np.errstate(invalid="ignore"):
        phases = {
            "ordered": (say("ordered:\ngradients vanish"), ~unbounded & (diagram.chi < 1)),
            "chaotic": (say("chaotic:\ngradients explode"), ~unbounded & (diagram.chi > 1)),
            "unbounded": (say("variance grows\nwithout bound"), unbounded),
        }
    x = (diagram.sigma_w - diagram.sigma_w[0]) / (diagram.sigma_w[-1] - diagram.sigma_w[0])
    y = (diagram.sigma_b - diagram.sigma_b[0]) / (diagram.sigma_b[-1] - diagram.sigma_b[0])
    figure = ax.get_figure(root=True)
    assert figure is not None
    size = 72 * _SHARE * figure.get_size_inches()  # points: what the axes will have
    behind: dict[str, Any] = {"boxstyle": "round", "facecolor": paper(), "alpha": 0.75, "linewidth": 0.0}
    names = {}
    for name, (text, where) in phases.items():
        for rotation, halves in ((0, _NAME), (90, _NAME[::-1])):
            # Distances in units of the name's half width and half height, from borders and points.
            across, up = halves / size
            apart = np.ones(where.shape, dtype=bool)
            for point in points.values():
                at = ax.transAxes.inverted().transform(ax.transData.transform(np.asarray(point.get_xydata())[0]))
                apart &= np.maximum(np.abs(x[None, :] - at[0]) / across, np.abs(y[:, None] - at[1]) / up) > 0.3
            cell = (1.0 / (len(y) - 1) / up, 1.0 / (len(x) - 1) / across)
            room = np.asarray(distance_transform_edt(np.pad(where & apart, 1), sampling=cell))
            row, column = np.unravel_index(int(room.argmax()), room.shape)
            if room.max() > 1.2:  # more than 1, as a name has corners
                at_x, at_y = float(x[column - 1]), float(y[row - 1])
                names[name] = ax.text(at_x, at_y, text, transform=ax.transAxes, ha="center", va="center", zorder=4,
                                      rotation=rotation, bbox=behind)  # fmt: skip
                break
    return names


def _extend(chi: np.ndarray) -> str:
    below, above = bool(np.nanmin(chi) < 1.0 / _CHI), bool(np.nanmax(chi) > _CHI)
    return "both" if below and above else "min" if below else "max" if above else "neither"
