"""The layout of a picture: margins that follow from the labels, and ticks drawn with few artists.

Most of a picture's time went into matplotlib's ticks, each four artists, into labels that are formulas, and into the
search for margins. Where all labels are level, ticks are drawn here, and the margins follow from the labels.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.textpath import TextToPath
from matplotlib.transforms import ScaledTranslation, Transform, blended_transform_factory

from vanishlab.plots.axes import floor_height
from vanishlab.plots.fonts import families
from vanishlab.plots.powers import plain_powers

_SETTINGS: Any = rcParams
_PAD, _ROOM_ABOVE = 4.5, 6.5  # points: around everything; above the axes for marks that stand there
_LINE = 1.17  # height of a line over the size of its letters
_BAR, _GAP = 8.5, 7.0  # points: width of a colour bar, and from the axes to it


def lay_out(figure: Figure) -> None:
    """Place the axes for good and leave the figure without a layout engine, with which it would be drawn twice."""
    if figure.get_layout_engine() is None:
        return
    FigureCanvasSVG(figure)  # letters are measured as they will be drawn
    sides = [[_Side.of(axis) for axis in (ax.xaxis, ax.yaxis)] for ax in figure.axes]
    if len(sides) in (1, 2) and all(side is not None for both in sides for side in both):
        figure.set_layout_engine(None)
        known: list[Any] = sides
        _place(figure, known)
        for ax, both in zip(figure.axes, known, strict=True):
            for side in both:
                side.draw(figure, ax)
    else:
        engine = figure.get_layout_engine()
        assert engine is not None
        engine.execute(figure)
        figure.set_layout_engine(None)


@dataclass(frozen=True)
class _Side:
    """An axis as it is to be drawn: where its ticks are, what they read, and how far labels reach out in points."""

    axis: Any
    major: np.ndarray
    minor: np.ndarray
    labels: list[tuple[float, str]]
    size: float
    """Of the ticks' labels, in points."""
    widest: float

    @staticmethod
    def of(axis: Any) -> "_Side | None":
        """Return the axis, nothing where it has what only matplotlib can place: slanted labels, or a common factor."""
        style = axis.get_tick_params()
        (major, names), (minor, others) = _ticks_of(axis, "major"), _ticks_of(axis, "minor")
        if style.get("labelrotation", 0) or axis.get_major_formatter().get_offset():
            return None
        size = FontProperties(size=style.get("labelsize", _SETTINGS[f"{axis.axis_name}tick.labelsize"]))
        points = size.get_size_in_points()
        labels = [(place, plain) for place, name in [*names, *others] if (plain := plain_powers(name))]
        widest = max((_width(label, points) for _, label in labels), default=0.0)
        return _Side(axis, major, minor, labels, points, widest)

    @property
    def across(self) -> bool:
        """Whether this is x."""
        return self.axis.axis_name == "x"

    @property
    def right(self) -> bool:
        """Whether ticks stand to the right, as those of a colour bar do."""
        return self.axis.get_ticks_position() == "right"

    @property
    def out(self) -> float:
        """Points from the axes to the ticks' labels."""
        return self._tick("major", "size") + self._tick("major", "pad")

    @property
    def to_label(self) -> float:
        """Points from the axes to the axis's own label."""
        reach = (self.size * _LINE if self.across else self.widest) if self.labels else 0.0
        return self.out + reach + self.axis.labelpad

    @property
    def reach(self) -> float:
        """Points from the axes to the far end of everything."""
        if self.axis.label.get_text():
            return self.to_label + _LINE * self.axis.label.get_fontsize()
        return self.to_label - self.axis.labelpad if self.labels else 0.0

    def overhang(self, length: float) -> tuple[float, float]:
        """Return how far the labels of an axis of this length in points reach beyond its two ends."""
        ends = [0.0, 0.0]
        scale = self.axis.get_transform()
        low, high = scale.transform(self.axis.get_view_interval())
        for place, label in self.labels:
            share = (float(scale.transform(np.array([place]))[0]) - low) / (high - low)
            half = (_width(label, self.size) if self.across else self.size) / 2
            ends = [max(ends[0], half - share * length), max(ends[1], half - (1 - share) * length)]
        return ends[0], ends[1]

    def draw(self, figure: Figure, ax: Axes) -> None:
        """Draw what the axis would: its grid beneath the curves, ticks, their labels, and its own."""
        self.axis.set_visible(False)
        edge, sign = (1.0, 1.0) if self.right else (0.0, -1.0)
        below = floor_height(ax) if self.across else 0.0
        prefix, style = self.axis.axis_name, self.axis.get_tick_params()
        if style.get("gridOn"):
            ends = np.tile([0.0, 1.0, np.nan], len(self.major))
            look = {name: style.get(f"grid_{name}", _SETTINGS[f"grid.{name}"]) for name in ("color", "linewidth")}
            grid = Line2D(*self._ordered(np.repeat(self.major, 3), ends), zorder=0.5, **look)
            grid.set_transform(self._from_edge(figure, ax, 0.0))
            ax.add_artist(grid)
            grid.set_clip_on(False)
        for which, places in (("major", self.major), ("minor", self.minor)):
            if len(places):
                length, width = self._tick(which, "size"), self._tick(which, "width")
                look = {"marker": "|" if self.across else "_", "markersize": length, "markeredgewidth": width}
                ticks = Line2D(*self._ordered(places, np.full(len(places), edge)), linestyle="none", **look)
                ticks.set(color=_SETTINGS[f"{prefix}tick.color"])
                ticks.set_transform(self._from_edge(figure, ax, sign * (below + length / 2)))
                figure.add_artist(ticks)
        level: dict[str, Any] = {"ha": "center", "va": "top"}
        if not self.across:
            level = {"ha": "left" if self.right else "right", "va": "center_baseline"}
        level |= {"size": self.size, "transform": self._from_edge(figure, ax, sign * (below + self.out))}
        for place, label in self.labels:
            figure.add_artist(Text(*self._ordered(place, edge), label, **level))
        if name := self.axis.label.get_text():
            look = {"ha": "center", "va": "top", "size": self.axis.label.get_fontsize()}
            if not self.across:
                look |= {"rotation": 90, "rotation_mode": "anchor", "va": "top" if self.right else "bottom"}
            away = self._ordered(0.0, sign * (below + self.to_label) / 72)
            look["transform"] = ax.transAxes + ScaledTranslation(*away, figure.dpi_scale_trans)
            figure.add_artist(Text(*self._ordered(0.5, edge), name, color=self.axis.label.get_color(), **look))

    def _from_edge(self, figure: Figure, ax: Axes, points: float) -> Transform:
        """Return the transform of places along the axis, and of 0 to 1 across it, so many points further."""
        shift = ScaledTranslation(*self._ordered(0.0, points / 72), figure.dpi_scale_trans)
        return blended_transform_factory(*self._ordered(ax.transData, ax.transAxes)) + shift

    def _ordered(self, along: Any, across: Any) -> tuple[Any, Any]:
        return (along, across) if self.across else (across, along)

    def _tick(self, which: str, what: str) -> float:
        return float(_SETTINGS[f"{self.axis.axis_name}tick.{which}.{what}"])


def _ticks_of(axis: Any, which: str) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Return where the ticks in view are, and what they read."""
    major = which == "major"
    places = np.asarray(axis.get_majorticklocs() if major else axis.get_minorticklocs(), dtype=np.float64)
    formatter = axis.get_major_formatter() if major else axis.get_minor_formatter()
    names = formatter.format_ticks(places.tolist()) if len(places) else []
    scale = axis.get_transform()
    low, high = np.sort(scale.transform(np.sort(axis.get_view_interval())))
    at, near = scale.transform(places), 1e-9 * (high - low)
    seen = (at >= low - near) & (at <= high + near)
    return places[seen], [(float(place), name) for place, name, shown in zip(places, names, seen, strict=True) if shown]


def _place(figure: Figure, sides: list[list[_Side]]) -> None:
    """Put the axes, and a colour bar to their right, where all that stands around them has just enough room."""
    width, height = (float(size) * 72 for size in figure.get_size_inches())
    x, y = sides[0]
    ax, *bars = figure.axes
    left, right = _PAD + y.reach, _PAD
    if bars:
        right += sides[1][1].reach + _BAR + _GAP
    before, after = x.overhang(width - left - right)
    left, right = max(left, _PAD + before), max(right, _PAD + after)
    bottom = _PAD + floor_height(ax) + x.reach
    top = _PAD + max(side.overhang(height - bottom)[1] for _, side in sides)
    if any(line.get_label() in ("_diverged", "_infinite") for line in ax.get_children()):
        top = max(top, _PAD + _ROOM_ABOVE)
    ax.set_position((left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height))
    for bar in bars:
        start = width - right + _GAP
        bar.set_box_aspect(None)
        bar.set_position((start / width, bottom / height, _BAR / width, (height - bottom - top) / height))


@functools.lru_cache(maxsize=4096)
def _width(label: str, size: float) -> float:
    font = FontProperties(size=size, family=families(label))
    return TextToPath().get_text_width_height_descent(label, font, "$" in label)[0]
