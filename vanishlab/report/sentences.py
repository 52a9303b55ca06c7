"""The alt texts: what each picture shows, in a sentence with numbers."""

import math

import numpy as np

from vanishlab.language.numbers import power_of_ten
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
    at = record.at_step(step)
    values = record.layer_quantity(quantity)[:, at]  # (run, layer)
    if prediction is not None:
        typical = prediction.log10_typical(quantity)
        middle = record.over_seeds(values).median[0]
        return (
            f"{name} against the layer {when}: measured {number(middle[0])} at layer {record.layer[0]} and "
            f"{number(middle[-1])} at layer {record.layer[-1]}, by theory {power_of_ten(float(typical[0]))} and "
            f"{power_of_ten(float(typical[-1]))}."
        )
    summary = record.over_seeds(values)
    parts = [
        f"learning rate {rate_label(float(rate))}: {number(curve[0])} and {number(curve[-1])}"
        for rate, curve in zip(summary.learning_rate, summary.median, strict=True)
    ]
    ends = f"at layer {record.layer[0]} and at layer {record.layer[-1]}"
    return f"{name} against the layer {when}, {ends}. {_some(parts)}."


def over_steps(record: Record, what: str, steps: np.ndarray, values: np.ndarray) -> str:
    """Say how the loss or an accuracy went: first and last value of each learning rate."""
    summary = record.over_seeds(values)
    parts = []
    for rate, curve in zip(summary.learning_rate, summary.median, strict=True):
        known = curve[~np.isnan(curve)]
        ends = f"{number(known[0])} to {number(known[-1])}" if len(known) else "no value"
        runs = record.learning_rate == rate
        lost = int(record.diverged[runs].sum())
        parts.append(f"learning rate {rate_label(float(rate))}: {ends}" + (f", {lost} diverged" if lost else ""))
    return f"{what} from step {steps[0]} to step {steps[-1]}. {_some(parts)}."


def against_rate(record: Record) -> tuple[str, str]:
    """Say what the loss and the first layer's share of the last are at the end, against the learning rate."""
    loss = record.over_seeds(record.loss[:, -1])
    share = record.over_seeds(record.first_last_ratio("delta_rms")[:, -1])
    losses = [f"{rate:g}: {number(value)}" for rate, value in zip(loss.learning_rate, loss.median, strict=True)]
    shares = [f"{rate:g}: {number(value)}" for rate, value in zip(share.learning_rate, share.median, strict=True)]
    return (
        f"Training loss at the end against the learning rate. {_some(losses)}.",
        f"Delta RMS and gradient norm of the first layer over the last, at the end. Delta: {_some(shares)}.",
    )


def heatmap(record: Record, run: int, quantity: str) -> str:
    """Say what a heatmap spans: its lowest and highest value, with where they stand, and what is zero."""
    values = record.layer_quantity(quantity)[run]  # (step, layer)
    shown = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    text = f"{_plain(quantity)} of {len(record.layer)} layers at {len(record.step)} steps, learning rate "
    text += rate_label(float(record.learning_rate[run]))
    if np.isnan(shown).all():
        return f"{text}: no value greater than zero."
    ends = []
    for word, place in (("lowest", int(np.nanargmin(shown))), ("highest", int(np.nanargmax(shown)))):
        step, layer = np.unravel_index(place, shown.shape)
        ends.append(f"{word} {shown[step, layer]:.3g} in layer {record.layer[layer]} at step {record.step[step]}")
    zeros = int((values == 0).sum())
    return f"{text}: {', '.join(ends)}" + (f"; {zeros} cells are zero." if zeros else ".")


def moving(title: str, record: Record, frames: Frames, steps: tuple[int, ...]) -> str:
    """Say what the player shows of a quantity: first frame and last, at both ends of the network."""
    parts = []
    for place, rate in enumerate(frames.rates):
        ends = [power_of_ten(float(frames.values[frame, place, end])) for end in (0, -1) for frame in (0, -1)]
        ends = ["no value" if value == "unknown" else value for value in ends]
        parts.append(f"learning rate {rate_label(rate)}: {ends[0]} to {ends[1]}, and {ends[2]} to {ends[3]}")
    text = f"{title} against the layer, moving from step {steps[0]} to step {steps[-1]}; "
    text += f"at layer {record.layer[0]}, and at layer {record.layer[-1]}. {_some(parts)}."
    return text + (f" {len(frames.marks)} marks stand for zeros and infinities." if frames.marks else "")


def number(value: float) -> str:
    """Return a number of three digits in words that a listener understands."""
    return "no value" if math.isnan(value) else f"{value:.3g}"


def _plain(quantity: str) -> str:
    label = LAYER_QUANTITIES[quantity].label
    return label[0].upper() + label[1:]


def _some(parts: list[str]) -> str:
    if len(parts) <= _RATES:
        return "; ".join(parts)
    chosen = [parts[round(place * (len(parts) - 1) / (_RATES - 1))] for place in range(_RATES)]
    return f"{'; '.join(chosen)} ({_RATES} of {len(parts)})"
