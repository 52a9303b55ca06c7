"""The depth profile that moves: a Vega-Lite chart for each of the three curves, all steps of training inside.

A chart has one parameter, `frame`; the page's slider sets it. Logarithms are drawn on a linear axis whose labels read
10^n, because theory knows numbers that no float64 holds.
"""

import json
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode
from matplotlib.colors import to_hex

from vanishlab.language.sentences import say
from vanishlab.plots.axes import LAYER_LABEL, MARKS, layer_ticks, own_names
from vanishlab.plots.rates import RateScale, rate_label
from vanishlab.plots.web_font import WEB_FAMILY
from vanishlab.recording.quantities import LAYER_QUANTITIES, PREDICTED
from vanishlab.recording.record import Record
from vanishlab.report.frames import Frames, choose, decades, frames_of
from vanishlab.report.sentences import moving
from vanishlab.theory.prediction import Prediction

_THEORY = "#D55E00"  # as in plots.predictions
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-right")
_MARKS = {"zero": "cross", "underflow": "triangle-down", "infinite": "triangle-up"}
_POINTS = 40  # up to so many layers have a marker each
_TICKS = 7
_HEIGHT = 260


@dataclass(frozen=True)
class Player:
    """What the page needs for one record's player."""

    charts: list[dict[str, Any]]
    """Title, alt text and Vega-Lite specification of each."""
    steps: tuple[int, ...]
    note: str
    marked: bool
    """Whether anything is off the scale."""


def player(record: Record, prediction: Prediction | None, players: int) -> Player | None:
    """Return the player of a record, nothing for a single recorded step."""
    if len(record.step) < 2:
        return None
    chosen = choose(record, players)
    charts, marked = [], False
    for quantity in PREDICTED:
        frames = frames_of(record, quantity, chosen)
        marked = marked or bool(frames.marks)
        theory = None if prediction is None else prediction.log10_typical(quantity)
        title = say(LAYER_QUANTITIES[quantity].label)
        data: dict[str, list[dict[str, Any]]] = {}
        with debug_mode(False):  # altair would check every part of it against its schema, which the tests do
            spec = _chart(record, frames, theory, data).to_dict(validate=False) | {"datasets": data}
        charts.append({"title": title, "alt": moving(title, record, frames, chosen.steps), "spec": spec})
    return Player(charts, chosen.steps, chosen.note, marked)


def _chart(record: Record, frames: Frames, theory: np.ndarray | None, data: dict[str, Any]) -> alt.LayerChart:
    """Return the chart, and put its numbers by name into `data`."""
    low, high = frames.low, frames.high
    known = theory[np.isfinite(theory)] if theory is not None else np.empty(0)
    if len(known):
        low, high = decades(min(low, float(known.min())), max(high, float(known.max())))
    below = any(kind != "infinite" for *_, kind in frames.marks)
    bottom = low - 0.12 * (high - low) if below else float(low)
    y = alt.Y("y:Q", title=None, axis=_decade_axis(low, high, (bottom + low) / 2 if below else None),
              scale=alt.Scale(domain=[bottom, high], nice=False, zero=False))  # fmt: skip
    first, last = int(record.layer[0]), int(record.layer[-1])
    ends = [first, max(last, first + 1)]
    x = alt.X("l:Q", title=say(LAYER_LABEL), axis=alt.Axis(format="d", values=layer_ticks(first, last, 5), grid=False),
              scale=alt.Scale(domain=ends, nice=False, zero=False, padding=8))  # fmt: skip
    labels = [rate_label(rate) for rate in frames.rates]
    scale = RateScale.of([record])
    color = alt.Color("rate:N", title=say("learning rate"), sort=labels,
                      scale=alt.Scale(domain=labels, range=[to_hex(scale.color(rate)) for rate in frames.rates]),
                      legend=alt.Legend(orient="bottom", columns=6, symbolStrokeWidth=2.5))  # fmt: skip
    tooltip = _tooltip()
    data["curves"] = _curves(frames, labels)
    line = _layer_chart(record, color, x, y)
    layers = [line.mark_line(strokeWidth=2, clip=True)]
    if len(record.layer) <= _POINTS:
        shapes = alt.Scale(domain=labels, range=[_SHAPES[place % len(_SHAPES)] for place in range(len(labels))])
        shape = alt.Shape("rate:N", sort=labels, title=say("learning rate"), scale=shapes)
        layers.append(line.mark_point(filled=True, size=36, opacity=1, clip=True).encode(shape=shape, tooltip=tooltip))
    else:
        layers.append(line.mark_point(filled=True, size=40, opacity=0, clip=True).encode(tooltip=tooltip))
    if theory is not None:
        data["theory"] = [{"l": int(at), "y": round(float(value), 3)}
                          for at, value in zip(record.layer, theory, strict=True) if np.isfinite(value)]  # fmt: skip
        layers.append(_named("theory").mark_line(strokeDash=[5, 3], strokeWidth=2, color=_THEORY).encode(x=x, y=y))
    if frames.marks:
        layers += _off_scale(frames, labels, record, (color, x, y), (bottom, low, high), data)
    frame = alt.param(name="frame", value=0)
    return alt.layer(*layers).add_params(frame).properties(width="container", height=_HEIGHT).configure(
        background="transparent", autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        font=f"{WEB_FAMILY}, system-ui, sans-serif", aria=False,
    ).configure_axis(labelFontSize=11, titleFontSize=11, titleFontWeight="normal", gridOpacity=0.6).configure_legend(
        labelFontSize=11, titleFontSize=11, titleFontWeight="normal"
    ).configure_view(stroke="#999999")  # fmt: skip


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("rate:N", title=say("learning rate")),
        alt.Tooltip("layer:N", title=say("layer")),
        alt.Tooltip("value:N", title=say("value")),
    ]


def _named(name: str) -> alt.Chart:
    return alt.Chart(alt.NamedData(name=name))


def _curves(frames: Frames, labels: list[str]) -> list[dict[str, Any]]:
    rows = []
    for frame, curves in enumerate(frames.values):
        for label, curve in zip(labels, curves, strict=True):
            # NaN is a gap in the line.
            rows.append({"f": frame, "rate": label, "y": [round(y, 3) if y == y else None for y in curve.tolist()]})
    return rows


def _layer_chart(record: Record, color: Any, x: Any, y: Any) -> alt.Chart:
    layers = json.dumps(record.layer.tolist())  # a record may hold a few of them, far apart
    chart = _named("curves").transform_filter("datum.f == frame").transform_calculate(l=layers)
    chart = chart.transform_flatten(["y", "l"])
    power = "floor(datum.y)"
    none = json.dumps(say("no value"), ensure_ascii=False)
    value = f"isValid(datum.y) ? format(pow(10, datum.y - {power}), '.2f') + 'e' + {power} : {none}"
    return chart.transform_calculate(layer=_layer_name(record), value=value).encode(x=x, y=y, color=color)


def _off_scale(
    frames: Frames,
    labels: list[str],
    record: Record,
    channels: tuple[Any, Any, Any],
    edges: tuple[float, int, int],
    data: dict[str, Any],
) -> list[alt.Chart]:
    """Return marks on the strip from `bottom` to `low`, a row for each learning rate, and for infinities at `high`."""
    color, x, y = channels
    bottom, low, high = edges
    row = 0.8 * (low - bottom) / len(labels)
    places = [(bottom + low) / 2 + row * ((len(labels) - 1) / 2 - rate) for rate in range(len(labels))]
    layers = []
    for kind in sorted({kind for *_, kind in frames.marks}):
        found: dict[tuple[int, int], list[int]] = {}
        for frame, rate, layer, each in frames.marks:
            if each == kind:
                found.setdefault((frame, rate), []).append(layer)
        data[kind] = [
            {"f": frame, "rate": labels[rate], "l": layers_of, "value": say(MARKS[kind][0]),
             "y": high if kind == "infinite" else round(places[rate], 3)}
            for (frame, rate), layers_of in found.items()
        ]  # fmt: skip
        marks = _named(kind).transform_filter("datum.f == frame").transform_flatten(["l"])
        marks = marks.transform_calculate(layer=_layer_name(record))
        layers.append(
            marks.mark_point(shape=_MARKS[kind], size=30, strokeWidth=1.2, filled=False).encode(
                x=x, y=y, color=color, tooltip=_tooltip()
            )
        )
    return layers


def _layer_name(record: Record) -> str:
    """Return the expression of a layer's name: its number, and of one's own model what the module is called."""
    names = own_names(record)
    own = dict(zip(map(str, record.layer.tolist()), names, strict=False))
    return f"{json.dumps(own)}[datum.l]" if own else "'' + datum.l"


def _decade_axis(low: int, high: int, zero: float | None) -> alt.Axis:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200) if (high - low) / step <= _TICKS)
    ticks: list[float] = [decade for decade in range(low, high + 1) if decade % step == 0]
    names = ", ".join(f"'{decade}': '10{str(decade).translate(_RAISED)}'" for decade in ticks)
    label = f"{{{names}}}[datum.value]"
    if zero is not None:
        ticks = [zero, *ticks]
        label = f"datum.value < {low} ? '0' : {label}"
    return alt.Axis(values=ticks, labelExpr=label)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
