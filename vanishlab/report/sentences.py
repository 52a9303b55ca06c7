"""The alt texts: what each picture shows, in a sentence with numbers."""

import math

import numpy as np

from vanishlab.language.numbers import power_of_ten
from vanishlab.language.sentences import listed, say
from vanishlab.plots.captions import describe_step
from vanishlab.plots.rates import rate_label
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record
from vanishlab.report.frames import Frames
from vanishlab.theory.prediction import Prediction

_RATES = 6  # learning rates that a sentence goes through


def profile(record: Record, quantity: str, step: int, prediction: Prediction | None = None) -> str:
    """Say what a depth profile shows: the first layer and the last, learning rate by learning rate."""
    name, when = _plain(quantity), describe_step([record], step)
    layers = {"first layer": record.layer[0], "last layer": record.layer[-1]}
    at = record.at_step(step)
    values = record.layer_quantity(quantity)[:, at]  # (run, layer)
    if prediction is not None:
        typical = prediction.log10_typical(quantity)
        middle = record.over_seeds(values).median[0]
        return say(
            "{name} against the layer {when}: measured {first} at layer {first layer} and {last} at layer "
            "{last layer}, by theory {first by theory} and {last by theory}.",
            name=name,
            when=when,
            first=number(middle[0]),
            last=number(middle[-1]),
            **layers,
            **{"first by theory": power_of_ten(float(typical[0])), "last by theory": power_of_ten(float(typical[-1]))},
        )
    summary = record.over_seeds(values)
    parts = [
        say(
            "learning rate {rate}: {first} and {last}",
            rate=rate_label(float(rate)),
            first=number(curve[0]),
            last=number(curve[-1]),
        )
        for rate, curve in zip(summary.learning_rate, summary.median, strict=True)
    ]
    return say(
        "{name} against the layer {when}, at layer {first layer} and at layer {last layer}. {some}.",
        name=name,
        when=when,
        some=_some(parts),
        **layers,
    )


def over_steps(record: Record, what: str, steps: np.ndarray, values: np.ndarray) -> str:
    """Say how the loss or an accuracy went: first and last value of each learning rate."""
    summary = record.over_seeds(values)
    parts = []
    for rate, curve in zip(summary.learning_rate, summary.median, strict=True):
        known = curve[~np.isnan(curve)]
        sentence = "learning rate {rate}: {first} to {last}" if len(known) else "learning rate {rate}: no value"
        ends = {"first": number(known[0]), "last": number(known[-1])} if len(known) else {}
        runs = record.learning_rate == rate
        lost = int(record.diverged[runs].sum())
        gone = say("{lost} diverged", lost=lost) if lost else ""
        parts.append(listed([say(sentence, rate=rate_label(float(rate)), **ends), gone]))
    return say(
        "{what} from step {first} to step {last}. {some}.", what=what, first=steps[0], last=steps[-1], some=_some(parts)
    )


def against_rate(record: Record) -> tuple[str, str]:
    """Say what the loss and the first layer's share of the last are at the end, against the learning rate."""
    loss = record.over_seeds(record.loss[:, -1])
    share = record.over_seeds(record.first_last_ratio("delta_rms")[:, -1])
    losses, shares = (
        [
            say("{rate:g}: {value}", rate=rate, value=number(value))
            for rate, value in zip(each.learning_rate, each.median, strict=True)
        ]
        for each in (loss, share)
    )
    return (
        say("Training loss at the end against the learning rate. {some}.", some=_some(losses)),
        say(
            "Delta RMS and gradient norm of the first layer over the last, at the end. Delta: {some}.",
            some=_some(shares),
        ),
    )


def heatmap(record: Record, run: int, quantity: str) -> str:
    """Say what a heatmap spans: its lowest and highest value, with where they stand, and what is zero."""
    values = record.layer_quantity(quantity)[run]  # (step, layer)
    shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    text = say(
        "{name} of {layers} layers at {steps} steps, learning rate {rate}",
        name=_plain(quantity),
        layers=len(record.layer),
        steps=len(record.step),
        rate=rate_label(float(record.learning_rate[run])),
    )
    if np.isnan(shown).all():
        return say("{picture}: no value greater than zero.", picture=text)
    ends = []
    for place in (int(np.nanargmin(shown)), int(np.nanargmax(shown))):
        step, layer = np.unravel_index(place, shown.shape)
        ends.append({"value": shown[step, layer], "layer": record.layer[layer], "step": record.step[step]})
    lowest = say("lowest {value:.3g} in layer {layer} at step {step}", **ends[0])
    highest = say("highest {value:.3g} in layer {layer} at step {step}", **ends[1])
    zeros = int((values == 0).sum())
    none = say("{zeros} cells are zero", zeros=zeros) if zeros else ""
    found = listed([listed([lowest, highest]), none], ";")
    return say("{picture}: {found}.", picture=text, found=found)


def moving(title: str, record: Record, frames: Frames, steps: tuple[int, ...]) -> str:
    """Say what the player shows of a quantity: first frame and last, at both ends of the network."""
    parts = []
    for place, rate in enumerate(frames.rates):
        ends = [power_of_ten(float(frames.values[frame, place, end])) for end in (0, -1) for frame in (0, -1)]
        ends = [say("no value") if value == "unknown" else value for value in ends]
        parts.append(
            say(
                "learning rate {rate}: {first} to {last}, and {readout first} to {readout last}",
                rate=rate_label(rate),
                first=ends[0],
                last=ends[1],
                **{"readout first": ends[2], "readout last": ends[3]},
            )
        )
    sentence = (
        "{title} against the layer, moving from step {first} to step {last}; at layer {first layer}, and at layer "
        "{last layer}. {some}. {marks} marks stand for zeros and infinities."
    )
    if not frames.marks:
        sentence = (
            "{title} against the layer, moving from step {first} to step {last}; at layer {first layer}, and at layer "
            "{last layer}. {some}."
        )
    return say(
        sentence,
        title=title,
        first=steps[0],
        last=steps[-1],
        some=_some(parts),
        marks=len(frames.marks),
        **{"first layer": record.layer[0], "last layer": record.layer[-1]},
    )


def number(value: float) -> str:
    """Return a number of three digits in words that a listener understands."""
    return say("no value") if math.isnan(value) else f"{value:.3g}"


def _plain(quantity: str) -> str:
    label = say(LAYER_QUANTITIES[quantity].label)
    return label[0].upper() + label[1:]


def _some(parts: list[str]) -> str:
    if len(parts) <= _RATES:
        return listed(parts, ";")
    chosen = [parts[round(place * (len(parts) - 1) / (_RATES - 1))] for place in range(_RATES)]
    return say("{some} ({shown} of {all})", some=listed(chosen, ";"), shown=_RATES, all=len(parts))
