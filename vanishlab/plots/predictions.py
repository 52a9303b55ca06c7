"""Profiles of theory over measurement: a quantity against the layer, as predicted and as step 0 showed it.

Theory knows gradients of 1e-800, which no float64 holds: y is log10 of the quantity, with ticks that read 10^n.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vanishlab.errors import InputError
from vanishlab.language.sentences import say
from vanishlab.plots.axes import (
    draw_mark,
    draw_off_scale,
    fit_decade_axis,
    mark_handles,
    on_axis,
    set_layer_axis,
    style_axes,
)
from vanishlab.plots.fonts import legible
from vanishlab.plots.profiles import BACKWARD
from vanishlab.plots.shown import figure_of, given_or_own
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record

if TYPE_CHECKING:
    from vanishlab.theory.prediction import Prediction

BAND = 2.0  # standard deviations on either side

_THEORY, _MEASURED = "#D55E00", "#0072B2"  # Okabe and Ito's vermilion and blue
_LN10 = math.log(10.0)


class PredictionArtists(NamedTuple):
    """What `prediction_profile` drew; y of the line, the band and the dots is log10 of the quantity."""

    line: Line2D
    band: PolyCollection | None
    """Missing where theory knows no spread."""
    dots: Line2D | None
    """Measurement, a dot for each seed and layer; missing without a record."""
    marks: dict[str, list[Line2D]]
    """"zero", "underflow", "infinite", as in `depth_profile`; of the prediction those at which it is exactly zero."""
    handles: list[Artist]
    """Handles for the legend: theory, its band, the measurement."""

    @property
    def figure(self) -> Figure:
        """The figure that it was drawn in."""
        return figure_of(self.line)


@legible
def prediction_profile(
    ax: Axes | None,
    prediction: "Prediction",
    quantity: str = "gradient_norm",
    record: Record | None = None,
    *,
    key: bool = True,
) -> PredictionArtists:
    """Draw the predicted `quantity` against the layer, over what `record` measured of the same data at step 0.

    The line is the typical value, exp of the mean log over seeds, the band two predicted standard deviations of that
    log on either side. Each seed of the record is a row of dots; what has no place among them is drawn on a strip below
    the axes or above them, as in `depth_profile`, and so is a gradient that theory knows to be exactly zero.

    `key` says whether to draw the legend, beside the axes. Raises `InputError` for a quantity that is not predicted, a
    record without step 0, and a record of another network, loss or batch.
    """
    ax = given_or_own(ax)
    center = prediction.log10_typical(quantity)  # (layer,)
    spread = prediction.log_spread(quantity) / _LN10
    on_scale = on_axis(center)
    width = float(np.clip(60.0 / len(center), 1.2, 1.8))  # points: thinner than the dots, which lie under it
    style: dict[str, Any] = {"color": _THEORY, "linewidth": width, "label": say("theory"), "zorder": 3.5}
    known = np.pad(np.isfinite(center), 1)
    alone = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])  # a value between two gaps makes no line
    (line,) = ax.plot(prediction.layer, on_scale, marker="_", markevery=list(alone), **style)
    band = None
    handles: list[Artist] = [line]
    if np.isfinite(spread).any():
        low, high = on_scale - BAND * spread, on_scale + BAND * spread
        label = say("theory's spread over seeds (± {band:g} standard deviations)", band=BAND)
        band = ax.fill_between(prediction.layer, low, high, color=_THEORY, alpha=0.25, linewidth=0, zorder=1.5,
                               label=label)  # fmt: skip
        ax.vlines(prediction.layer[alone], low[alone], high[alone], color=_THEORY, alpha=0.25, linewidth=6.0)
        handles.append(band)
    off_scale = [({"zero": np.isneginf(center)}, _THEORY)]
    dots, marks = None, {}
    if record is not None:
        start = _at_start(record, prediction)
        dots, on_dots, kinds = _draw_dots(ax, prediction.layer, quantity, start)
        handles.append(Line2D([], [], linestyle="none", marker="o", color=_MEASURED, label=str(dots.get_label())))
        marks |= on_dots
        off_scale.append((kinds, _MEASURED))
    for kind, drawn in draw_off_scale(ax, off_scale, prediction.layer).items():
        marks.setdefault(kind, []).extend(drawn)
    set_layer_axis(ax, prediction.layer)
    fit_decade_axis([ax])
    ax.set_ylabel(say(LAYER_QUANTITIES[quantity].label))
    style_axes(ax)
    if key:
        ax.legend(handles=[*handles, *mark_handles(marks)], loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False,
                  borderaxespad=0.0)  # fmt: skip
    return PredictionArtists(line, band, dots, marks, handles)


def _at_start(record: Record, prediction: "Prediction") -> Record:
    """Return step 0 of the record, one run for each seed."""
    _check_match(record, prediction)
    # Before the first update the runs of one seed are the same network, whatever their learning rates.
    first = np.sort(np.unique(record.seed, return_index=True)[1])
    return record.select(run=np.arange(record.runs) if (record.seed < 0).any() else first, step=0)


def _check_match(record: Record, prediction: "Prediction") -> None:
    if len(record.step) == 0 or record.step[0] != 0:
        raise InputError("record must hold step 0 to be compared with a prediction, got none")
    if len(record.layer) != len(prediction.layer):
        raise InputError(f"record must have the prediction's {len(prediction.layer)} layers, got {len(record.layer)}")
    for name in ("width", "activation", "initialization", "sigma_w", "sigma_b", "normalization", "residual"):
        if record.network is not None and getattr(record.network, name) != getattr(prediction.network, name):
            ours, theirs = getattr(prediction.network, name), getattr(record.network, name)
            raise InputError(f"record must be of the network that was predicted ({name} {ours!r}), got {theirs!r}")
    if record.training is not None and record.training.loss != prediction.loss:
        raise InputError(f"record must have the prediction's loss {prediction.loss!r}, got {record.training.loss!r}")
    if record.training is not None and record.training.batch_size not in (None, prediction.examples):
        raise InputError(
            f"record must have the prediction's batch of {prediction.examples}, got {record.training.batch_size}"
        )


def _draw_dots(
    ax: Axes, layer: np.ndarray, quantity: str, start: Record
) -> tuple[Line2D, dict[str, list[Line2D]], dict[str, np.ndarray]]:
    """Draw the dots and the marks on them; return also which layers have what off the scale, bool (layer,)."""
    values, state = start.layer_quantity(quantity)[:, 0], start.gradient_state[:, 0]  # (seed, layer)
    seeds, gone = len(values), int((start.diverged_step == 0).sum())
    logs = np.log10(on_axis(values, logarithmic=True))  # (seed, layer)
    x = np.broadcast_to(layer, values.shape)
    subnormal = (state == "underflow") & (values > 0) & (quantity == "gradient_norm")
    size = float(np.clip(220.0 / len(layer), 2.6, 5.0))  # points: many layers stand close together
    label = say("measured, {seeds} seed" if seeds == 1 else "measured, {seeds} seeds", seeds=seeds)
    if gone:
        label = say("{measured} ({gone} diverged at step 0)", measured=label, gone=gone)
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": 0.0}
    shown = np.where(subnormal, np.nan, logs)
    (dots,) = ax.plot(x.ravel(), shown.ravel(), color=_MEASURED, label=label, zorder=3,
                      alpha=max(0.25, 0.9 / seeds**0.5), **style)  # fmt: skip
    marks = {}
    if subnormal.any():
        ax.update_datalim(np.column_stack([x[subnormal], logs[subnormal]]))
        marks["underflow"] = [draw_mark(ax, "underflow", x[subnormal], logs[subnormal], _MEASURED, markersize=4.5)]
    lost = (values == 0) & (state == "underflow") & (quantity in BACKWARD)
    kinds = {"zero": (values == 0) & ~lost, "underflow": lost, "infinite": np.isinf(values)}
    if np.isnan(values[start.diverged_step != 0]).any():
        marks["gap"] = []
    return dots, marks, {kind: which.any(axis=0) for kind, which in kinds.items()}
