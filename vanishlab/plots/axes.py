"""Log axes that keep what a logarithm cannot show: zeros on a strip below the floor, infinities above the ceiling.

The strip hangs below the axes, between the lowest value and the x axis, and takes no part in the scale: it is there for
data at 5e-324 too, where no smaller number is left to put zeros at.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from vanishlab.errors import InputError, check_choice
from vanishlab.language.sentences import say
from vanishlab.plots.ink import PAPER, ink, neutral, on_dark, printed
from vanishlab.plots.powers import decade_label, log_scale, powers_as_text
from vanishlab.plots.ranges import LARGEST, ROOM, within
from vanishlab.recording.layer_groups import Block, layer_blocks
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record

DRAWN = tuple(name for name, each in LAYER_QUANTITIES.items() if each.label and each.never_negative)
"""What can be drawn against the layer: the quantities that have a label for the axis and fit on a logarithmic one."""
LAYER_LABEL = "layer (1 = nearest the input)"
MARKS: dict[str, tuple[str, dict[str, Any]]] = {
    "zero": ("zero", {"marker": "x"}),
    "underflow": ("underflow", {"marker": "v", "markerfacecolor": PAPER}),
    "infinite": ("infinite", {"marker": "^"}),
    "diverged": ("diverged", {"marker": "X", "markeredgecolor": PAPER, "markeredgewidth": 0.7, "markersize": 9.0}),
    "gap": ("gap: no value", {"marker": ""}),
}
"""Marks for what has no place on an axis: what the key calls them, and how they look."""
_DECADES = 2.4  # a log axis shows at least these, so that a flat curve looks flat
_STRIP, _ROW, _PAD = 42.0, 6.0, 2.5  # points: the tallest rows together, the tallest row, the margin around them
_LOWEST_STRIP = 16.0  # points: leaves room for its label below the axis's lowest
_TICKS = 8
_NAME = 18  # characters of a block's name
_GID = "floor"


def check_quantity(quantity: str) -> str:
    """Return the name of a quantity that can stand on a log axis. Raises `InputError` for any other."""
    return check_choice("quantity", quantity, DRAWN)


def check_not_empty(record: Record) -> None:
    """Raise `InputError` for a record without a recorded step, or without a layer."""
    for axis in ("step", "layer"):
        if len(getattr(record, axis)) == 0:
            raise InputError(f"record must hold at least one {axis}, got none")


def on_axis(values: np.ndarray, logarithmic: bool = False) -> np.ndarray:
    """Return `values` with NaN for what has no place on the axis: infinities and, on a logarithmic one, zeros."""
    return np.where(np.isfinite(values) & ((values > 0) | (not logarithmic)), values, np.nan)


def draw_mark(ax: Axes, kind: str, x: Any, y: Any, color: Any, **style: Any) -> Line2D:
    """Draw marks of one kind on top of everything, also outside the axes' frame; they do not widen the axes."""
    style = {"markersize": 5.0, "markeredgewidth": 0.9, "transform": ax.transData} | printed(MARKS[kind][1]) | style
    line = Line2D(x, y, linestyle="none", color=color, clip_on=False, label=f"_{kind}", zorder=4, **style)
    ax.add_artist(line)
    return line


def mark_handles(kinds: Iterable[str]) -> list[Line2D]:
    """Return a grey handle for the legend for each kind of mark, in a fixed order."""
    kinds = set(kinds)
    plain = {"linestyle": "none", "color": neutral(), "markersize": 6.0}
    chosen = [MARKS[kind] for kind in MARKS if kind in kinds]
    return [Line2D([], [], label=say(name), **plain | printed(style)) for name, style in chosen]


def draw_off_scale(
    ax: Axes, curves: Sequence[tuple[dict[str, np.ndarray], Any]], x: np.ndarray
) -> dict[str, list[Line2D]]:
    """Draw what curves have off the scale, (kind to bool (x,), colour) each, and return the marks by kind.

    Zeros and underflows stand below the axes on a strip labelled 0, one row for each curve that has any; infinities
    stand above.
    """
    rows = sum(any(where.any() for kind, where in kinds.items() if kind != "infinite") for kinds, _ in curves)
    row = min(_ROW, _STRIP / max(rows, 1))
    if rows:
        open_floor(ax, max(rows * row + 2 * _PAD, _LOWEST_STRIP))
    size = max(2.0, min(0.8 * row, 240.0 / len(x) + 2.0))  # points: many layers stand close together
    marks: dict[str, list[Line2D]] = {}
    y = -max(_PAD, (_LOWEST_STRIP - rows * row) / 2) - row / 2
    for kinds, color in curves:
        below = False
        for kind, where in kinds.items():
            if where.any():
                top = kind == "infinite"
                mark = draw_outside(ax, kind, x[where], row if top else y, color, top=top, markersize=size)
                marks.setdefault(kind, []).append(mark)
                below = below or not top
        y -= row if below else 0.0
    return marks


def draw_outside(
    ax: Axes, kind: str, x: np.ndarray, points: float, color: Any, *, top: bool = True, **style: Any
) -> Line2D:
    """Draw marks at `x`, so many points above the top (or the bottom) of the axes."""
    transform = blended_transform_factory(ax.transData, ax.transAxes) + _shift(ax, points)
    return draw_mark(ax, kind, x, np.full(len(x), 1.0 if top else 0.0), color, transform=transform, **style)


def open_floor(ax: Axes, points: float) -> None:
    """Hang an empty strip, `points` high and labelled 0, below the axes, in place of one that is there."""
    for artist in ax.get_children():
        if artist.get_gid() == _GID:
            artist.remove()
    transform = ax.transAxes + _shift(ax, -points / 2)
    ax.add_artist(Line2D([0, 1], [0, 0], linewidth=points, solid_capstyle="butt", color=ink(0.08), clip_on=False,
                         transform=transform, zorder=0.5, gid=_GID))  # fmt: skip
    ax.annotate("0", (0, 0), (-7, -points / 2), xycoords="axes fraction", textcoords="offset points", ha="right",
                va="center", annotation_clip=False, gid=_GID)  # fmt: skip
    ax.spines["bottom"].set_position(("outward", points))


def floor_height(ax: Axes) -> float:
    """Return the height of the strip below the axes in points, 0 without one."""
    position = ax.spines["bottom"].get_position()
    return float(position[1]) if isinstance(position, tuple) and position[0] == "outward" else 0.0


def fit_log_axis(axes: Sequence[Axes], highest: float = LARGEST) -> None:
    """Give the axes one logarithmic y axis around all their values up to `highest`; without any, no numbers."""
    lows = [ax.dataLim.minposy for ax in axes if np.isfinite(ax.dataLim.minposy)]
    highs = [ax.dataLim.y1 for ax in axes if np.isfinite(ax.dataLim.y1) and ax.dataLim.y1 > 0]
    for ax in axes:
        ax.set_autoscaley_on(False)
        log_scale(ax.yaxis)
        if lows and highs:
            low, high = _widened(min(lows), min(max(highs), highest))
            ax.set_ylim(low, high)
            set_decades(ax.yaxis, low, high)
        else:
            ax.set_ylim(0.1, 10.0)
            ax.yaxis.set_major_locator(NullLocator())
            ax.yaxis.set_minor_locator(NullLocator())


def set_decades(axis: Axis, low: float, high: float) -> None:
    """Put at most eight ticks on a log axis, at powers of ten whose exponents are multiples of 1, 2 or 5 (x 10^n)."""
    first, last = math.ceil(math.log10(low)), math.floor(math.log10(high))
    if last - first < _TICKS and high < ROOM:
        return  # matplotlib's own choice has every decade, and ticks between
    axis.set_major_locator(FixedLocator([10.0**exponent for exponent in _decades(first, last)]))
    axis.set_minor_locator(NullLocator())


def fit_decade_axis(axes: Sequence[Axes]) -> None:
    """Give axes whose y is a log10 one range around all their values, and ticks that read 10^n.

    It looks like a logarithmic axis, and reaches beyond what a float64 can hold.
    """
    lows = [ax.dataLim.y0 for ax in axes if np.isfinite(ax.dataLim.y0)]
    highs = [ax.dataLim.y1 for ax in axes if np.isfinite(ax.dataLim.y1)]
    bottom, top = (min(lows), max(highs)) if lows and highs else (0.0, 0.0)
    margin = _margin(bottom, top)
    for ax in axes:
        ax.set_autoscaley_on(False)
        ax.set_ylim(bottom - margin, top + margin)
        first, last = math.ceil(bottom - margin), math.floor(top + margin)
        near = last - first < _TICKS
        ax.yaxis.set_major_locator(FixedLocator(list(range(first, last + 1)) if near else _decades(first, last)))
        ax.yaxis.set_major_formatter(lambda exponent, _: decade_label(exponent))
        between = [n + math.log10(digit) for n in range(first - 1, last + 1) for digit in range(2, 10)]
        ax.yaxis.set_minor_locator(FixedLocator(between if near and lows else []))


def set_layer_axis(ax: Axes, layer: np.ndarray, ticks: int = 7, names: Sequence[str] = ()) -> None:
    """Make x the layer number, or where `names` group the layers into blocks, mark and name each block's first."""
    ax.set_xlabel(say(LAYER_LABEL))
    if len(layer) == 0:
        return
    first, last = float(layer[0]), float(layer[-1])
    margin = max(0.02 * (last - first), 0.35 if last - first < 12 else 0.5, 1e-9 * last)
    ax.set_xlim(first - margin, last + margin)
    ax.xaxis.set_major_locator(FixedLocator(layer_ticks(first, last, ticks)))
    ax.xaxis.set_minor_locator(NullLocator())
    if blocks := layer_blocks(names):
        set_block_axis(ax.xaxis, layer, blocks)
        ax.tick_params(axis="x", labelrotation=90, labelsize="small")


def own_names(record: Record) -> tuple[str, ...]:
    """Return the names of the layers of one's own model; the lab's networks are told by their numbers."""
    return record.layer_names if record.network is None else ()


def set_block_axis(axis: Axis, layer: np.ndarray, blocks: Sequence[Block]) -> None:
    """Put a tick at the first layer of each block, and names at as many of them as have room."""
    axis.set_label_text(say("layer, by block"))
    # A name every so often: at least a fifteenth of the axis between two of them.
    gap, labelled = len(layer) / 15, [blocks[0]]
    for block in blocks[1:]:
        if block.first - labelled[-1].first >= gap:
            labelled.append(block)
    axis.set_major_locator(FixedLocator([float(layer[block.first]) for block in labelled]))
    axis.set_major_formatter(FixedFormatter([_shortened(block.name) for block in labelled]))
    axis.set_minor_locator(FixedLocator([float(layer[block.first]) for block in blocks if block not in labelled]))
    axis.set_minor_formatter(NullFormatter())


def layer_ticks(first: float, last: float, ticks: int = 7) -> list[float]:
    """Return about `ticks` round layer numbers from `first` to `last`, `first` among them."""
    if last - first <= 8:
        return [first + place for place in range(int(last - first) + 1)]
    round_numbers = MaxNLocator(nbins=ticks, integer=True, steps=[1, 2, 5, 10]).tick_values(first, last)
    gap = 0.6 * (last - first) / ticks
    return [first, *(float(number) for number in round_numbers if first + gap < number <= last)]


def set_step_axis(ax: Axes, step: np.ndarray) -> None:
    """Make x the step: logarithmic from 1 on, linear below, where the steps lie like that."""
    ax.set_xlabel(say("step (updates made)"))
    gaps = np.diff(step)
    if len(gaps) > 2 and gaps.max() > 2 * np.median(gaps):  # record_every="log"; else only the last gap is another
        ax.set_xscale("symlog", linthresh=1.0, linscale=0.4)
        powers_as_text(ax.xaxis)
        ax.set_xlim(-0.15, 1.15 * step[-1])
    else:
        first, last = float(step[0]), float(step[-1])
        margin = 0.03 * (last - first) or max(0.5, 1e-3 * last)
        ax.set_xlim(first - margin, last + margin)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def set_rate_axis(ax: Axes, rates: np.ndarray) -> None:
    """Make x the learning rate, on a log axis with room on both sides."""
    ax.set_xlabel(say("learning rate"))
    log_scale(ax.xaxis)
    low, high = np.log10([rates[0], rates[-1]])
    room = max(0.05 * (high - low), 0.0043)  # decades; a factor of 1.01
    ax.set_xlim(*within(low - room, high + room))
    set_rate_ticks(ax.xaxis, rates.tolist(), 5)


def set_rate_ticks(axis: Axis, rates: Sequence[float], at_most: int) -> None:
    """Put a tick at every learning rate of a log axis, and labels that keep their distance: powers of ten first."""
    gap = (math.log10(rates[-1]) - math.log10(rates[0])) / at_most
    labelled: list[float] = []
    for rate in sorted(rates, key=lambda rate: abs(math.log10(rate) % 1.0 - 0.5) < 0.5 - 1e-9):
        if all(abs(math.log10(rate) - math.log10(other)) >= gap for other in labelled):
            labelled.append(rate)
    axis.set_major_locator(FixedLocator(labelled))
    axis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axis.set_minor_locator(FixedLocator(rates))
    axis.set_minor_formatter(NullFormatter())


def say_why_empty(ax: Axes, record: Record, values: np.ndarray) -> None:
    """Write into the axes why there is nothing in them, if all `values` are NaN."""
    if np.isnan(values).all():
        why = say("every run has diverged" if bool(record.diverged.all()) else "not measured")
        ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=neutral())


def style_axes(ax: Axes) -> None:
    """Take away the frame's upper right half and lay a faint grid, where the style has none of its own."""
    ax.spines[["top", "right"]].set_visible(False)
    if rcParams["axes.grid"]:  # the style's own grid
        ax.grid(True)
    else:
        ax.grid(True, which="major", color=ink(0.2 if on_dark() else 0.1), linewidth=0.6)
    ax.set_axisbelow(True)


def _decades(first: int, last: int) -> list[int]:
    strides = (factor * 10**power for power in range(9) for factor in (1, 2, 5))
    stride = next(stride for stride in strides if (last - first) // stride < _TICKS)
    return list(range(math.ceil(first / stride) * stride, last + 1, stride))


def _margin(bottom: float, top: float) -> float:
    return max(0.04 * (top - bottom), (_DECADES - (top - bottom)) / 2)


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"  # names differ at their end


def _widened(low: float, high: float) -> tuple[float, float]:
    bottom, top = math.log10(low), math.log10(high)
    margin = _margin(bottom, top)
    bottom, top = within(bottom - margin, top + margin)
    return bottom, max(top, high)


def _shift(ax: Axes, points: float) -> ScaledTranslation:
    figure = ax.get_figure()
    assert figure is not None  # an ax that is drawn on belongs to a figure
    return ScaledTranslation(0.0, points / 72, figure.dpi_scale_trans)
