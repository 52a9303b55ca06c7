"""The depth profile that moves: a Vega-Lite chart for each of the three curves, all steps of training inside.

A chart has one parameter, `frame`; the page's slider sets it. Logarithms are drawn on a linear axis whose labels read
10^n, because theory knows numbers that no float64 holds.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from vanishlab.language.sentences import say
from vanishlab.plots.axes import LAYER_LABEL, MARKS, layer_ticks, own_names
from vanishlab.plots.powers import raised_power
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
_OF_FRAME = {"filter": "datum.f == frame"}
_LETTERS = {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"}
_CONFIG = {
    "background": "transparent",
    "autosize": {"type": "fit", "contains": "padding"},
    "font": f"{WEB_FAMILY}, system-ui, sans-serif",
    "aria": False,
    "axis": _LETTERS | {"gridOpacity": 0.6},
    "legend": _LETTERS,
    "view": {"stroke": "#999999"},
}

Spec = dict[str, Any]
"""A part of a Vega-Lite specification."""


@dataclass(frozen=True)
class Player:
    """What the page needs for one record's player."""

    charts: list[Spec]
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
        spec = _chart(record, frames, theory)
        charts.append({"title": title, "alt": moving(title, record, frames, chosen.steps), "spec": spec})
    return Player(charts, chosen.steps, chosen.note, marked)


def _chart(record: Record, frames: Frames, theory: np.ndarray | None) -> Spec:
    """Return the specification, with the chart's numbers by name."""
    low, high = frames.low, frames.high
    known = theory[np.isfinite(theory)] if theory is not None else np.empty(0)
    if len(known):
        low, high = decades(min(low, float(known.min())), max(high, float(known.max())))
    below = any(kind != "infinite" for *_, kind in frames.marks)
    bottom = low - 0.12 * (high - low) if below else float(low)
    first, last = int(record.layer[0]), int(record.layer[-1])
    labels = [rate_label(rate) for rate in frames.rates]
    shared = {
        "x": _quantitative("l", say(LAYER_LABEL), [first, max(last, first + 1)], padding=8)
        | {"axis": {"format": "d", "values": [int(at) for at in layer_ticks(first, last, 5)], "grid": False}},
        "y": _quantitative("y", None, [bottom, high])
        | {"axis": _decade_axis(low, high, (bottom + low) / 2 if below else None)},
        "color": _by_rate(labels, [to_hex(RateScale.of([record]).color(rate)) for rate in frames.rates])
        | {"legend": {"orient": "bottom", "columns": 6, "symbolStrokeWidth": 2.5}},
    }
    data = {"curves": _curves(frames, labels)}
    line = {"data": {"name": "curves"}, "transform": _by_layer(record)}
    point = {"type": "point", "filled": True, "clip": True}
    hover = {"tooltip": _tooltip()}
    layers = [line | {"mark": {"type": "line", "strokeWidth": 2, "clip": True}}]
    if len(record.layer) <= _POINTS:
        shape = _by_rate(labels, [_SHAPES[place % len(_SHAPES)] for place in range(len(labels))])
        layers.append(line | {"mark": point | {"size": 36, "opacity": 1}, "encoding": hover | {"shape": shape}})
    else:
        layers.append(line | {"mark": point | {"size": 40, "opacity": 0}, "encoding": hover})
    if theory is not None:
        data["theory"] = [{"l": int(at), "y": round(float(value), 3)}
                          for at, value in zip(record.layer, theory, strict=True) if np.isfinite(value)]  # fmt: skip
        dashed = {"type": "line", "strokeDash": [5, 3], "strokeWidth": 2}
        layers.append({"data": {"name": "theory"}, "mark": dashed, "encoding": {"color": {"value": _THEORY}}})
    for kind, rows in _off_scale(frames, labels, (bottom, low, high)).items():
        data[kind] = rows
        mark = {"type": "point", "shape": _MARKS[kind], "size": 30, "strokeWidth": 1.2, "filled": False}
        transform = [_OF_FRAME, {"flatten": ["l"]}, {"calculate": _layer_name(record), "as": "layer"}]
        layers.append({"data": {"name": kind}, "transform": transform, "mark": mark, "encoding": hover})
    return {
        "params": [{"name": "frame", "value": 0}],
        "width": "container",
        "height": _HEIGHT,
        "config": _CONFIG,
        "datasets": data,
        "encoding": shared,
        "layer": layers,
    }


def _quantitative(field: str, title: str | None, domain: list[float], **scale: object) -> Spec:
    limits = {"domain": domain, "nice": False, "zero": False} | scale
    return {"field": field, "type": "quantitative", "title": title, "scale": limits}


def _by_rate(labels: list[str], looks: list[str]) -> Spec:
    scale = {"domain": labels, "range": looks}
    return {"field": "rate", "type": "nominal", "title": say("learning rate"), "sort": labels, "scale": scale}


def _tooltip() -> list[Spec]:
    shown = {"rate": say("learning rate"), "layer": say("layer"), "value": say("value")}
    return [{"field": field, "type": "nominal", "title": title} for field, title in shown.items()]


def _curves(frames: Frames, labels: list[str]) -> list[Spec]:
    rows = []
    for frame, curves in enumerate(frames.values):
        for label, curve in zip(labels, curves, strict=True):
            # NaN is a gap in the line.
            rows.append({"f": frame, "rate": label, "y": [round(y, 3) if y == y else None for y in curve.tolist()]})
    return rows


def _by_layer(record: Record) -> list[Spec]:
    """Return the transforms from a curve to its points, with what hovering over them tells."""
    power = "floor(datum.y)"
    none = json.dumps(say("no value"), ensure_ascii=False)
    value = f"isValid(datum.y) ? format(pow(10, datum.y - {power}), '.2f') + 'e' + {power} : {none}"
    return [
        _OF_FRAME,
        {"calculate": json.dumps(record.layer.tolist()), "as": "l"},  # a record may hold a few of them, far apart
        {"flatten": ["y", "l"]},
        {"calculate": _layer_name(record), "as": "layer"},
        {"calculate": value, "as": "value"},
    ]


def _off_scale(frames: Frames, labels: list[str], edges: tuple[float, int, int]) -> dict[str, list[Spec]]:
    """Return marks by kind, on the strip from `bottom` to `low`, a row for each rate, and for infinities at `high`."""
    bottom, low, high = edges
    row = 0.8 * (low - bottom) / len(labels)
    places = [(bottom + low) / 2 + row * ((len(labels) - 1) / 2 - rate) for rate in range(len(labels))]
    found: dict[str, dict[tuple[int, int], list[int]]] = {}
    for frame, rate, layer, kind in frames.marks:
        found.setdefault(kind, {}).setdefault((frame, rate), []).append(layer)
    return {
        kind: [
            {"f": frame, "rate": labels[rate], "l": layers, "value": say(MARKS[kind][0]),
             "y": high if kind == "infinite" else round(places[rate], 3)}
            for (frame, rate), layers in found[kind].items()
        ]
        for kind in sorted(found)
    }  # fmt: skip


def _layer_name(record: Record) -> str:
    """Return the expression of a layer's name: its number, and of one's own model what the module is called."""
    names = own_names(record)
    own = dict(zip(map(str, record.layer.tolist()), names, strict=False))
    return f"{json.dumps(own)}[datum.l]" if own else "'' + datum.l"


def _decade_axis(low: int, high: int, zero: float | None) -> Spec:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200) if (high - low) / step <= _TICKS)
    ticks: list[float] = [decade for decade in range(low, high + 1) if decade % step == 0]
    names = ", ".join(f"'{decade}': '{raised_power(str(decade))}'" for decade in ticks)
    label = f"{{{names}}}[datum.value]"
    if zero is not None:
        ticks = [zero, *ticks]
        label = f"datum.value < {low} ? '0' : {label}"
    return {"values": ticks, "labelExpr": label, "labelOverlap": "greedy"}  # else every other one goes with the first
