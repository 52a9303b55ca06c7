"""Profiles over depth: a quantity against the layer, one curve per learning rate."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vanishlab.errors import check_integer
from vanishlab.language.sentences import say
from vanishlab.plots.axes import (
    check_not_empty,
    check_quantity,
    draw_mark,
    draw_off_scale,
    fit_log_axis,
    own_names,
    say_why_empty,
    set_layer_axis,
    style_axes,
)
from vanishlab.plots.fonts import legible
from vanishlab.plots.ink import neutral
from vanishlab.plots.rates import RateScale, draw_curves, draw_key, runs_of
from vanishlab.plots.shown import figure_of, given_or_own
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record

RULE_OF_THUMB = 1e-3
BACKWARD = ("gradient_norm", "bias_gradient_norm", "delta_rms", "update_ratio")  # zero where a gradient is lost


class ProfileArtists(NamedTuple):
    """What `depth_profile` drew: a line per learning rate, bands where there are several seeds, marks by kind."""

    lines: list[Line2D]
    bands: list[PolyCollection]
    marks: dict[str, list[Line2D]]
    """"zero", "underflow" and "infinite", a line of marks for each curve that has any; "gap" stands for NaN."""
    extra: list[Line2D]
    """Further lines with a label for the key."""

    @property
    def figure(self) -> Figure:
        """The figure that it was drawn in."""
        return figure_of(self.lines[0])


@legible
def depth_profile(
    ax: Axes | None,
    record: Record,
    quantity: str = "gradient_norm",
    step: int = -1,
    *,
    scale: RateScale | None = None,
    key: bool = True,
) -> ProfileArtists:
    """Draw `quantity` against the layer at `step` (-1: the end), one curve per learning rate, on a log axis.

    The curve is the median over seeds, the band their range. What has no place on the curve is drawn all the same:
    zeros as marks on a strip below the axes, crosses for zero and triangles for underflow (a triangle on the curve says
    that some entries of a gradient are subnormal), infinities as triangles above. NaN leaves a gap.

    Other arguments
        scale   colours shared with other axes; the record's own learning rates where not given
        key     whether to draw the legend or colour bar beside the axes

    Raises `InputError` for an unknown quantity, a step that is no whole number, and a record without steps.
    """
    ax = given_or_own(ax)
    check_quantity(quantity)
    check_not_empty(record)
    record = record.select(step=int(record.step[record.at_step(check_integer("step", step, -1))]))
    scale = scale or RateScale.of([record])
    values = record.layer_quantity(quantity)[:, 0]  # (run, layer)
    lines, bands = draw_curves(ax, record, record.layer, values, scale, logarithmic=True)
    marks: dict[str, list[Line2D]] = {}
    off_scale = []
    special = kinds_of(record, quantity)
    for rate, line in zip(RateScale.of([record]).rates, lines, strict=True):
        kinds = {kind: which[runs_of(record, rate), 0].any(axis=0) for kind, which in special.items()}  # (layer,)
        subnormal = kinds.pop("subnormal") & np.isfinite(line.get_ydata())
        if subnormal.any():
            on_line = record.layer[subnormal], np.asarray(line.get_ydata())[subnormal]
            marks.setdefault("underflow", []).append(
                draw_mark(ax, "underflow", *on_line, line.get_color(), markersize=4.5)
            )
        if kinds.pop("gap").any():
            marks.setdefault("gap", [])
        off_scale.append((kinds, line.get_color()))
    for kind, drawn in draw_off_scale(ax, off_scale, record.layer).items():
        marks.setdefault(kind, []).extend(drawn)
    set_layer_axis(ax, record.layer, names=own_names(record))
    fit_log_axis([ax])
    ax.set_ylabel(say(LAYER_QUANTITIES[quantity].label))
    style_axes(ax)
    say_why_empty(ax, record, values)
    if key:
        draw_key(ax, scale, record, marks)
    return ProfileArtists(lines, bands, marks, [])


@legible
def update_ratio(
    ax: Axes | None, record: Record, step: int = -1, *, scale: RateScale | None = None, key: bool = True
) -> ProfileArtists:
    """Draw the update-to-weight ratio against the layer, with the rule of thumb that it be about 1e-3.

    Far below, a layer hardly learns; far above, each step overwrites it. Arguments, artists and errors are those of
    `depth_profile`.
    """
    ax = given_or_own(ax)
    scale = scale or RateScale.of([record])
    artists = depth_profile(ax, record, "update_ratio", step, scale=scale, key=False)
    line = ax.axhline(
        RULE_OF_THUMB, color=neutral(), linestyle="--", linewidth=1.2, label=say("rule of thumb, 1e-3"), zorder=2
    )
    artists.extra.append(line)
    fit_log_axis([ax])
    if key:
        draw_key(ax, scale, record, artists.marks, artists.extra)
    return artists


def kinds_of(record: Record, quantity: str) -> dict[str, np.ndarray]:
    """Return where something is special about a quantity, by its kind, each bool (run, step, layer)."""
    values = record.layer_quantity(quantity)
    underflow = record.gradient_state == "underflow"
    lost = (values == 0) & underflow & (quantity in BACKWARD)
    gone = record.diverged[:, None] & (record.diverged_step[:, None] <= record.step)  # (run, step)
    return {
        "zero": (values == 0) & ~lost,
        "underflow": lost,
        "infinite": np.isinf(values),
        "subnormal": underflow & (values > 0) & (quantity == "gradient_norm"),
        "gap": np.isnan(values) & ~gone[:, :, None],
    }
