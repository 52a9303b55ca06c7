"""When an illness began, and which layer's numbers left their course first."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vanishlab.recording.record import Record

QUANTITIES = ("update_ratio", "gradient_norm", "delta_rms", "activation_rms", "weight_norm")
_LEAST = 5  # recorded steps that make a course
_DECADES = 0.5  # a factor of three: what mini-batches do to a norm from one step to the next
_DEVIATIONS = 6.0  # robust standard deviations (of a normal distribution: one in 10^9)
_ROBUST = 1.4826  # a normal distribution's standard deviation over its median absolute deviation


class Departure(NamedTuple):
    """A number of a layer that left the course it had kept, and did not come back."""

    layer: str
    quantity: str
    step: int
    """The first recorded step at which it was outside."""
    decades: float
    """log10 of its value there over the median of its course; minus infinity where it fell to 0."""


def first_step_of(record: Record, holds: Callable[[Record], bool], known_well: int) -> int:
    """Return the first recorded step up to which `holds` is true of the record, which is true of all of it.

    `known_well` is the last step up to which it was not; -1 where there is none. In between it is searched by halves,
    so that some log2 of the steps are judged.
    """
    steps = record.step[record.step > known_well].tolist()
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        if holds(record.select(step=record.step[record.step <= steps[middle]])):
            high = middle
        else:
            low = middle + 1
    return steps[low]


def first_departure(record: Record, before: int) -> Departure | None:
    """Return the earliest departure of any layer, of run 0; of several at one step that which went furthest.

    A course is the first half of the recorded steps before `before`, where the illness began. None where these are too
    few, or where nothing has left its course.
    """
    place = int(np.searchsorted(record.step, before))
    course = place // 2 if place >= 2 * _LEAST else place
    if course < _LEAST:
        return None
    found: list[Departure] = []
    for quantity in QUANTITIES:
        values = record.layer_quantity(quantity)[0]  # (step, layer)
        with np.errstate(divide="ignore"):
            logs = np.log10(values)
        for layer in np.flatnonzero(np.isfinite(logs[:course]).all(0)):
            departure = _departure(logs[:, layer], course)
            if departure is not None:
                step, decades = departure
                found.append(Departure(record.layer_names[layer], quantity, int(record.step[step]), decades))
    # Stable: of equals the first in the list of quantities, updates before gradients, and the layer nearest the input.
    return min(found, key=lambda each: (each.step, -abs(each.decades)), default=None)


def _departure(logs: np.ndarray, course: int) -> tuple[int, float] | None:
    middle = float(np.median(logs[:course]))
    spread = _ROBUST * float(np.median(np.abs(logs[:course] - middle)))
    with np.errstate(invalid="ignore"):
        inside = np.abs(logs - middle) <= max(_DECADES, _DEVIATIONS * spread)  # NaN is outside
    last = np.flatnonzero(inside)[-1]
    if last == len(logs) - 1:
        return None
    return int(last + 1), float(logs[last + 1] - middle)
