"""`RateScale`: one colour per learning rate, the same in every picture that shares the scale, and its key.

Learning rates are ordered, so their colours are too: viridis without its palest end (on dark paper, without its
darkest), which reads in every kind of colour blindness and in grey. Up to six rates have a marker each and a legend;
more have a logarithmic colour bar.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from vanishlab.errors import InputError
from vanishlab.language.sentences import say
from vanishlab.plots.axes import check_not_empty, draw_mark, mark_handles, on_axis, set_rate_ticks
from vanishlab.plots.captions import describe_divergence
from vanishlab.plots.ink import ink, on_dark, paper
from vanishlab.plots.ranges import draw_colorbar, log_norm
from vanishlab.recording.record import Record

MANY = 6  # more learning rates than these have a colour bar in place of a legend

_VIRIDIS = colormaps["viridis"].resampled(256)
_COLORS = _VIRIDIS(np.linspace(0.0, 0.88, 256))
_ON_DARK = _VIRIDIS(np.linspace(0.3, 1.0, 256))
_MARKERS = "osDpP*"
_TICKS = 11  # at most so many labels on a colour bar


@dataclass(frozen=True)
class RateScale:
    """Colours and markers for these learning rates, in rising order."""

    rates: tuple[float, ...]

    @staticmethod
    def of(records: Iterable[Record]) -> "RateScale":
        """Return the scale for every learning rate of the records."""
        return RateScale(tuple(float(rate) for rate in np.unique(np.concatenate([r.learning_rate for r in records]))))

    @property
    def many(self) -> bool:
        """Whether there are too many for a legend."""
        return len(self.rates) > MANY

    @property
    def on_log_axis(self) -> tuple[float, ...]:
        """Those that have a place on a logarithmic axis."""
        return tuple(rate for rate in self.rates if 0 < rate < math.inf)

    @property
    def comparable(self) -> bool:
        """Whether there are several, all of which can stand on one axis."""
        return len(self.rates) > 1 and len(self.on_log_axis) == len(self.rates)

    def place(self, rate: float) -> int:
        """Return the place of `rate` in the rising order."""
        places = np.flatnonzero(_equal(np.array(self.rates), rate))
        if len(places) == 0:
            known = ", ".join(map(rate_label, self.rates))
            raise InputError(f"learning rate must be one of the scale's {known}, got {rate:g}")
        return int(places[0])

    def color(self, rate: float) -> Any:
        """Return the colour of `rate`, RGBA."""
        if len(self.rates) == 1:
            return tuple(_colors()[70])
        if self.many:
            known = self.on_log_axis
            low, high = math.log(known[0]), math.log(known[-1])
            # 0, and what is unknown, are coloured as the lowest, an infinite one as the highest.
            on_scale = min(max(known[0], self.rates[self.place(rate)]), known[-1])
            share = (math.log(on_scale) - low) / (high - low)
        else:
            share = self.place(rate) / (len(self.rates) - 1)
        return tuple(_colors()[round(share * 255)])

    def line_style(self, rate: float, values: np.ndarray) -> dict[str, Any]:
        """Return how to draw the curve of `rate` through `values`, NaN being gaps.

        The first curves are the broadest and each has its markers elsewhere: where all coincide, as before training,
        each is still to be seen. A value between two gaps always has a marker.
        """
        known = np.pad(np.isfinite(values), 1)
        alone = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])
        place, last = self.place(rate), len(self.rates) - 1
        if self.many:
            style = {"color": self.color(rate), "linewidth": 1.4, "marker": "o", "markersize": 3.0}
            return style | {"markevery": list(alone)}
        stride = max(1, round(len(values) / 10))
        if len(values) >= 3 * len(self.rates):
            stride = max(stride, len(self.rates))
        regular = np.arange(place * stride // len(self.rates), len(values), stride)
        return {
            "color": self.color(rate),
            "linewidth": 1.5 + 0.5 * (last - place),
            "marker": _MARKERS[place],
            "markersize": 5.0 + 0.8 * (last - place),
            "markeredgecolor": paper(),
            "markeredgewidth": 0.5,
            "markevery": list(np.union1d(regular, alone)),
        }

    def handles(self, labels: dict[float, str]) -> list[Line2D]:
        """Return one handle for the legend per learning rate; `labels` has those that say more than the number.

        A single rate that is unknown has none: a key would say nothing of the only curve.
        """
        if len(self.rates) == 1 and math.isnan(self.rates[0]):
            return []
        handles = []
        for rate in self.rates:
            style = self.line_style(rate, np.zeros(1)) | {"markevery": None, "linewidth": 1.8, "markersize": 6.0}
            handles.append(Line2D([], [], label=labels.get(rate, rate_label(rate)), **style))
        return handles

    def draw_colorbar(self, axes: Sequence[Axes], diverged: Iterable[float] = ()) -> Colorbar:
        """Draw the colour bar to the right of `axes`, with a mark at each learning rate that diverged."""
        figure = axes[0].get_figure()
        assert figure is not None
        known = self.on_log_axis
        colors = ScalarMappable(log_norm(known[0], known[-1]), ListedColormap(_colors()))
        bar = draw_colorbar(colors, axes, say("learning rate"), fraction=0.05, aspect=30)
        set_rate_ticks(bar.ax.yaxis, known, _TICKS)
        gone = [rate for rate in diverged if rate in known]
        if gone:
            draw_mark(bar.ax, "diverged", [0.5] * len(gone), gone, ink(0.9),
                      transform=bar.ax.get_yaxis_transform(), markersize=7.0)  # fmt: skip
        return bar


def _colors() -> np.ndarray:
    return _ON_DARK if on_dark() else _COLORS


def draw_curves(
    ax: Axes,
    record: Record,
    x: np.ndarray,
    values: np.ndarray,
    scale: RateScale,
    *,
    logarithmic: bool,
    without_band: Iterable[float] = (),
) -> tuple[list[Line2D], list[PolyCollection]]:
    """Draw the median over seeds of `values` (run, x) for each learning rate, and the range where there are several.

    What has no place on the axis is a gap in the line: NaN, infinities and, on a logarithmic one, zeros.
    """
    ax.autoscale(False)  # both axes are fitted afterwards, and margins may overflow here
    summary = record.over_seeds(values)  # (rate, x)
    lines, bands = [], []
    for rate, median, low, high in zip(*summary, strict=True):
        median = on_axis(median, logarithmic)
        style = scale.line_style(rate, median)
        lines.extend(ax.plot(x, median, label=rate_label(rate), zorder=3, **style))
        if runs_of(record, rate).sum() > 1 and rate not in without_band:
            faint = max(0.08, 0.25 / len(scale.rates) ** 0.5)  # as many bands as there are rates may lie on another
            bands.append(
                ax.fill_between(x, on_axis(low), on_axis(high), color=style["color"], alpha=faint, linewidth=0)
            )
    return lines, bands


def rate_label(rate: float) -> str:
    """Return the learning rate as text; one that the recorder could not see is unknown."""
    return say("unknown") if math.isnan(rate) else f"{rate:g}"


def diverged_rates(record: Record) -> list[float]:
    """Return the learning rates whose runs all diverged."""
    rates = RateScale.of([record]).rates
    return [rate for rate in rates if bool(record.diverged[runs_of(record, rate)].all())]


def diverged_by(record: Record, step: int) -> np.ndarray:
    """Return which runs had diverged by `step`, bool (run,)."""
    return record.diverged & (record.diverged_step <= step)


def apart_at(records: Iterable[Record], step: int, quantities: Sequence[str]) -> tuple[list[Record], list[str]]:
    """Return what of the records has curves of its own at `step`, and words for what has not.

    Before training no learning rate has had an effect: of curves that coincide the first rate's is drawn.
    """
    records = list(records)
    for each in records:
        check_not_empty(each)
    many = any(len(RateScale.of([each]).rates) > 1 for each in records)
    if not many or not all(_same_at_every_rate(each, step, quantities) for each in records):
        return records, []
    first = [each.select(run=np.flatnonzero(runs_of(each, RateScale.of([each]).rates[0]))) for each in records]
    return first, [say("the same at every learning rate")]


def _same_at_every_rate(record: Record, step: int, quantities: Iterable[str]) -> bool:
    """Return whether the learning rate makes no difference to these quantities at `step`, as before training."""
    values = np.stack([record.layer_quantity(name)[:, record.at_step(step)] for name in quantities])  # (, run, layer)
    first, *others = (np.flatnonzero(runs_of(record, rate)) for rate in RateScale.of([record]).rates)
    first, *others = (runs[np.argsort(record.seed[runs], kind="stable")] for runs in (first, *others))
    return all(
        np.array_equal(record.seed[runs], record.seed[first])
        and np.array_equal(values[:, runs], values[:, first], equal_nan=True)
        for runs in others
    )


def runs_of(record: Record, rate: float) -> np.ndarray:
    """Return which runs have this learning rate, bool (run,)."""
    return _equal(record.learning_rate, rate)


def _equal(rates: np.ndarray, rate: float) -> np.ndarray:
    return np.isnan(rates) if math.isnan(rate) else rates == rate


def draw_key(
    ax: Axes, scale: RateScale, record: Record, kinds: Iterable[str], extra: Sequence[Line2D] = ()
) -> Legend | None:
    """Draw the key beside a single `ax`: outside its frame, to the right; return the legend if there is one."""
    others = [*extra, *mark_handles(kinds)]
    if scale.many:
        scale.draw_colorbar([ax], diverged_rates(record))
        others += mark_handles(["diverged"] if diverged_rates(record) else [])
        if not others:
            return None
        return ax.legend(handles=others, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(others), frameon=False)
    rates = scale.handles(describe_divergence(record))
    if not (rates or others):
        return None
    return ax.legend(handles=[*rates, *others], loc="upper left", bbox_to_anchor=(1.02, 1.0),
                     title=say("learning rate") if rates else None,
                     frameon=False, alignment="left", borderaxespad=0.0)  # fmt: skip
