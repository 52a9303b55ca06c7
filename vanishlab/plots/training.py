"""Curves of training: loss and accuracy against the step, and all learning rates side by side."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vanishlab.errors import InputError, check_integer
from vanishlab.language.sentences import say
from vanishlab.plots.axes import (
    check_not_empty,
    draw_mark,
    draw_off_scale,
    draw_outside,
    fit_log_axis,
    mark_handles,
    on_axis,
    say_why_empty,
    set_rate_axis,
    set_step_axis,
    style_axes,
)
from vanishlab.plots.fonts import legible
from vanishlab.plots.ink import ink, neutral
from vanishlab.plots.ranges import ROOM, fit_linear_axis
from vanishlab.plots.rates import RateScale, diverged_by, diverged_rates, draw_curves, draw_key, runs_of
from vanishlab.plots.shown import figure_of, given_or_own, two_given_or_own
from vanishlab.recording.record import Record

_LOG_ABOVE = 20.0  # losses further apart than this factor stand on a log axis
RATIOS = {  # Okabe and Ito's blue and vermilion
    "delta_rms": {"label": "delta RMS", "color": "#0072B2", "marker": "o", "linestyle": "-"},
    "gradient_norm": {"label": "gradient norm", "color": "#D55E00", "marker": "s", "linestyle": "--"},
}


class CurveArtists(NamedTuple):
    """What was drawn: a line per learning rate, bands where there are several seeds, marks by kind, other lines."""

    lines: list[Line2D]
    bands: list[PolyCollection]
    marks: dict[str, list[Line2D]]
    """"diverged": a mark for each run; "zero": losses of zero on a log axis, a line for each curve that has any."""
    extra: list[Line2D]
    """Further lines with a label for the key."""

    @property
    def figure(self) -> Figure:
        """The figure that it was drawn in."""
        return figure_of(self.lines[0])


class PanelArtists(NamedTuple):
    """What `learning_rate_panel` drew: the loss, the ratios by quantity, marks by kind."""

    loss: Line2D
    ratios: dict[str, Line2D]
    marks: dict[str, list[Line2D]]

    @property
    def figure(self) -> Figure:
        """The figure that it was drawn in."""
        return figure_of(self.loss)


@legible
def loss_curves(ax: Axes | None, record: Record, *, scale: RateScale | None = None, key: bool = True) -> CurveArtists:
    """Draw the training loss against the step, one curve per learning rate: median and range over seeds.

    A run that diverged has an X at the step where it did, at the height of its last finite loss, or above the axes if
    that is off them: they fit the losses of the runs that did not. The axis is logarithmic where those are far apart.
    `scale` and `key` are those of `depth_profile`.
    Raises `InputError` for a record without steps.
    """
    ax = given_or_own(ax)
    check_not_empty(record)
    scale = scale or RateScale.of([record])
    stayed = record.loss[~record.diverged] if not record.diverged.all() else record.loss
    stayed = stayed[np.isfinite(stayed)]
    logarithmic = _far_apart(stayed)
    artists = _draw_curves(ax, record, record.step, record.loss, scale, logarithmic)
    if logarithmic:
        off_scale = [
            ({"zero": (record.loss[runs_of(record, rate)] == 0).any(axis=0)}, line.get_color())
            for rate, line in zip(RateScale.of([record]).rates, artists.lines, strict=True)
        ]
        artists.marks.update(draw_off_scale(ax, off_scale, record.step))
        fit_log_axis([ax], highest=stayed.max())
    elif len(stayed):
        fit_linear_axis(ax, float(stayed.min()), float(stayed.max()))
    _draw_divergence(ax, record, record.step, record.loss, scale, artists)
    ax.set_ylabel(say("training loss"))
    if key:
        draw_key(ax, scale, record, artists.marks)
    return artists


@legible
def accuracy_curves(
    ax: Axes | None, record: Record, *, chance: float | None = None, scale: RateScale | None = None, key: bool = True
) -> CurveArtists:
    """Draw the test accuracy against the step, one curve per learning rate: median and range over seeds.

    Without test data it is the training accuracy, and the axis says so. The curve of a run that diverged
    ends there, in an X. `chance` is where to draw a line for guessing; `scale` and `key` are
    those of `depth_profile`. Raises `InputError` for a record that holds no accuracy of either kind.
    """
    ax = given_or_own(ax)
    scale = scale or RateScale.of([record])
    tested = len(record.test_step) > 0
    if not tested:
        check_not_empty(record)
    step, accuracy = (record.test_step, record.test_accuracy) if tested else (record.step, record.accuracy)
    # What a run that has diverged still shows on the test examples is no longer training.
    gone = record.diverged[:, None] & (step >= record.diverged_step[:, None])  # (run, step)
    accuracy = np.where(gone, np.nan, accuracy)
    artists = _draw_curves(ax, record, step, accuracy, scale)
    _draw_divergence(ax, record, step, accuracy, scale, artists)
    ax.set_ylabel(say("test accuracy" if tested else "training accuracy"))
    ax.set_ylim(-0.03, 1.03)
    if chance is not None:
        artists.extra.append(ax.axhline(chance, color=neutral(), linestyle=":", linewidth=1.2, label=say("guessing")))
    if key:
        draw_key(ax, scale, record, artists.marks, artists.extra)
    return artists


@legible
def learning_rate_panel(
    ax_loss: Axes | None, ax_ratio: Axes | None, record: Record, step: int = -1, *, key: bool = True
) -> PanelArtists:
    """Draw the training loss and the first layer's share of the last layer, both at `step`, against the learning rate.

    The share is that of delta RMS and of the gradient norm. Curves are medians over seeds, bands their range. Learning
    rates with a run that had diverged by then have an X above the axes. `key` says whether to draw the legend.
    Raises `InputError` for a record without steps and for learning rates that are unknown or 0.
    """
    ax_loss, ax_ratio = two_given_or_own(ax_loss, ax_ratio)
    check_not_empty(record)
    at = record.at_step(check_integer("step", step, -1))
    known = np.isfinite(record.learning_rate) & (record.learning_rate > 0)
    if not known.all():
        raise InputError(f"learning rates must be known and greater than 0, got {record.learning_rate[~known][0]:g}")
    rates = np.array(RateScale.of([record]).rates)
    marks: dict[str, list[Line2D]] = {}
    logarithmic = _far_apart(record.loss[:, at])
    style = {"label": say("loss"), "color": ink(0.85), "marker": "o"}
    loss = _draw_against_rate(ax_loss, record, record.loss[:, at], logarithmic, **style)
    if logarithmic:
        zero = {"zero": _any_run(record, record.loss[:, at] == 0)}
        marks.update(draw_off_scale(ax_loss, [(zero, ink(0.85))], rates))
        fit_log_axis([ax_loss])
    elif len(finite := record.loss[np.isfinite(record.loss[:, at]), at]):
        fit_linear_axis(ax_loss, float(finite.min()), float(finite.max()))
    ax_loss.set_ylabel(say("training loss"))
    gone = diverged_by(record, record.step[at])  # (run,)
    state = record.select(step=int(record.step[at])).gradient_state  # (run, 1, layer)
    ratios: dict[str, Line2D] = {}
    off_scale = []
    for quantity, style in RATIOS.items():
        ratio = record.first_last_ratio(quantity)[:, at]
        ratios[quantity] = _draw_against_rate(ax_ratio, record, ratio, True, **style | {"label": say(style["label"])})
        lost = (ratio == 0) & (state[:, 0, 0] == "underflow")
        kinds = {
            "zero": _any_run(record, (ratio == 0) & ~lost),
            "underflow": _any_run(record, lost),
            "infinite": _any_run(record, np.isinf(ratio)),
        }
        if (np.isnan(ratio) & ~gone).any():  # 0 / 0
            marks["gap"] = []
        off_scale.append((kinds, style["color"]))
    for kind, lines in draw_off_scale(ax_ratio, off_scale, rates).items():
        marks.setdefault(kind, []).extend(lines)
    fit_log_axis([ax_ratio])
    ax_ratio.set_ylabel(say("first layer / last layer"))
    for ax in (ax_loss, ax_ratio):
        if gone.any():
            where = rates[_any_run(record, gone)]
            marks.setdefault("diverged", []).append(draw_outside(ax, "diverged", where, 5.0, ink(0.85)))
        set_rate_axis(ax, rates)
        style_axes(ax)
    if key:
        handles = [*ratios.values(), *mark_handles(marks)]
        ax_ratio.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, borderaxespad=0.0)
    return PanelArtists(loss, ratios, marks)


def _draw_curves(
    ax: Axes, record: Record, step: np.ndarray, values: np.ndarray, scale: RateScale, logarithmic: bool = False
) -> CurveArtists:
    lines, bands = draw_curves(
        ax, record, step, values, scale, logarithmic=logarithmic, without_band=diverged_rates(record)
    )
    say_why_empty(ax, record, values)
    set_step_axis(ax, step)
    style_axes(ax)
    return CurveArtists(lines, bands, {}, [])


def _draw_divergence(
    ax: Axes, record: Record, step: np.ndarray, values: np.ndarray, scale: RateScale, artists: CurveArtists
) -> None:
    for run in np.flatnonzero(record.diverged):
        where, color = np.array([record.diverged_step[run]]), scale.color(record.learning_rate[run])
        before = np.flatnonzero(np.isfinite(values[run]))
        last = values[run, before[-1]] if len(before) else np.inf  # a run may be gone from the very start
        if last > ax.get_ylim()[1]:
            mark = draw_outside(ax, "diverged", where, 5.0, color)
        else:
            mark = draw_mark(ax, "diverged", where, [last], color)
        artists.marks.setdefault("diverged", []).append(mark)


def _draw_against_rate(ax: Axes, record: Record, values: np.ndarray, logarithmic: bool, **style: Any) -> Line2D:
    ax.autoscale(False)  # both axes are fitted afterwards, and margins may overflow here
    summary = record.over_seeds(values)  # (rate,)
    median = on_axis(summary.median, logarithmic)
    (line,) = ax.plot(summary.learning_rate, median, linewidth=1.6, markersize=5.5, zorder=3, **style)
    if record.runs > len(summary.learning_rate):
        low, high = on_axis(summary.low), on_axis(summary.high)
        ax.fill_between(summary.learning_rate, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    return line


def _any_run(record: Record, which: np.ndarray) -> np.ndarray:
    """Return for each learning rate whether any of its runs is in `which`, bool (run,)."""
    return np.array([bool(which[runs_of(record, rate)].any()) for rate in RateScale.of([record]).rates])


def _far_apart(loss: np.ndarray) -> bool:
    finite = loss[np.isfinite(loss)]
    if len(finite) == 0 or finite.min() < 0:
        return False
    return bool(finite.max() / _LOG_ABOVE > finite.min()) or bool(finite.max() > ROOM)
