"""Rules on a run's course: numbers out of range, a loss that rises, updates that do nothing, the end of learning."""

import math

import numpy as np

from vanishlab.analysis.evidence import Evidence, late
from vanishlab.analysis.verdict import Thresholds, Verdict, several
from vanishlab.language.sentences import say

_HALF = ("float16", "bfloat16")


def find_overflow(e: Evidence, t: Thresholds) -> Verdict | None:
    """Numbers beyond the dtype's range while the loss had not begun to rise."""
    broken = np.flatnonzero(e.broken)
    if e.diverged_step != 0 and (len(broken) == 0 or (broken[0] > 0 and (e.dtype not in _HALF or _rose(e, t)))):
        return None
    lost = e.overflowed | np.isposinf(e.activation)  # (step, layer)
    layers = e.named(np.any(lost[broken], axis=0))
    sentence = "Numbers left the range of {dtype}: an activation, the loss or a gradient is not finite."
    if layers:
        sentence = "Numbers left the range of {dtype} in {layers}: an activation, the loss or a gradient is not finite."
    said = say(sentence, dtype=e.dtype, layers=several(layers))
    if e.forwards is not None:
        at = (
            "Numbers left the range of {dtype}, first in {operation} in or after {layer}, where the largest was "
            "{size:.3g}."
        )
        if not e.forwards.after:
            at = "Numbers left the range of {dtype}, first in {operation}, where the largest was {size:.3g}."
        place = e.forwards
        said = say(at, dtype=place.dtype, operation=place.operation, layer=place.after, size=place.largest)
    elif e.backwards is not None and (place := e.backwards.broken) is not None:
        at = "The gradient left the range of {dtype}, first in {operation} between {layer} and {next}."
        if not place.before:
            at = "The gradient left the range of {dtype}, first in {operation} between {layer} and the loss."
        after = several(place.after) or say("the input")
        said = say(at, dtype=place.dtype, operation=place.operation, layer=after, next=place.before)
    return Verdict("overflow", layers, said, {"first step": float(broken[0]) if len(broken) else 0.0})


def find_divergence(e: Evidence, t: Thresholds) -> Verdict | None:
    """A loss that rises although every update is meant to lower it: the learning rate is above stability."""
    numbers = {"largest update ratio": _largest_update(e)}
    broken = np.flatnonzero(e.broken)
    if e.diverged_step > 0 or (len(broken) and broken[0] > 0 and e.dtype not in _HALF):
        if e.diverged_step > 0:
            sentence = say("The loss or the gradient is not finite after {updates} updates.", updates=e.diverged_step)
        else:
            sentence = say("The loss or the gradient is not finite at recorded step {step}.", step=int(broken[0]))
        return Verdict("diverging", (), sentence, numbers)
    if len(e.loss) < 3 or not math.isfinite(e.loss[0]):
        return None
    wild = _largest_update(e) > t.wild_update and late(e.loss) >= e.loss[0]
    if not wild and not _rose(e, t):
        return _find_thrown(e, t)
    if e.loss[0] > 0:
        with np.errstate(over="ignore"):  # a ratio beyond float64 is infinite
            numbers |= {
                "highest loss / first": np.nanmax(e.loss) / e.loss[0],
                "last loss / first": late(e.loss) / e.loss[0],
            }
    sentence = say(
        "The loss rose above the first one and did not come back below it, by updates of up to {update:.2g} of the "
        "weights: the learning rate is above what is stable.",
        update=_largest_update(e),
    )
    return Verdict("diverging", (), sentence, numbers)


def _find_thrown(e: Evidence, t: Thresholds) -> Verdict | None:
    # Normalised, a net may bear updates many times as large as its weights; its activations show what they did.
    if not late(e.loss) >= t.thrown_loss * e.loss[0]:
        return None
    update = np.nanmax(np.where(np.isfinite(e.update_ratio), e.update_ratio, 0.0), axis=0)
    first, last = e.activation[0], e.typical(e.activation, e.tail)
    with np.errstate(invalid="ignore"):  # infinite before and after
        growth = np.nan_to_num(np.where(update > t.wild_update, last / np.maximum(first, 1.0), 0.0), posinf=math.inf)
    worst = int(np.argmax(growth))
    if not growth[worst] >= t.thrown_activation:
        return None
    sentence = say(
        "One update changed weights by {update:.2g} of their size, and the activations of {layer} went from "
        "{first:.2g} to {last:.2g}: the learning rate is above what is stable, though the loss bears it.",
        update=_largest_update(e),
        layer=e.names[worst],
        first=float(first[worst]),
        last=float(last[worst]),
    )
    numbers = {
        "largest update ratio": _largest_update(e),
        "activation, last / first": float(growth[worst]),
    }
    return Verdict("diverging", (e.names[worst],), sentence, numbers)


def find_not_held(e: Evidence, t: Thresholds) -> Verdict | None:
    """Layers that get a gradient and that the optimizer does not hold."""
    reached = np.isfinite(e.gradient).any(axis=0) if len(e.gradient) else np.zeros(len(e.names), dtype=bool)
    hit = np.array([held == "no" for held in e.held] or [False] * len(e.names), dtype=bool) & reached
    if not hit.any():
        return None
    layers = e.named(hit)
    sentence = "{layers}: a gradient but no update, because the optimizer does not hold these parameters."
    if not any(held in ("yes", "elsewhere") for held in e.held):
        sentence = (
            "{layers}: a gradient but no update, because the optimizer holds none of these parameters; it was made for "
            "another model, or before they were replaced."
        )
    said = say(sentence, layers=several(layers))
    return Verdict("frozen updates", layers, said, {"layers": float(hit.sum())}, "not held")


def find_frozen_updates(e: Evidence, t: Thresholds) -> Verdict | None:
    """Updates too small to change the weights, or none at all although there is a gradient."""
    ratio = e.typical(e.update_ratio, e.tail)
    wanted = e.typical(e.gradient / np.where(e.weight > 0, e.weight, np.nan), e.tail)
    moved = np.isfinite(ratio) & np.isfinite(wanted) & (wanted > 0)
    if e.held:
        moved &= np.array([held in ("yes", "") for held in e.held])
    if not moved.any():
        return None
    fastest = float(ratio[moved].max())
    slow = not e.learning_rate > t.usual_rate  # also where it is not known
    if slow and _largest_update(e) < t.frozen_update:  # from the start on: a run that has come to rest is another thing
        return Verdict(
            "frozen updates",
            e.named(moved),
            say(
                "The largest update changes its layer's weights by {update:.2g} of their norm: nothing moves.",
                update=_largest_update(e),
            ),
            {"largest update ratio": _largest_update(e)},
        )
    expected = wanted / wanted[moved].max() * fastest
    still = moved & (ratio == 0) & (expected > t.lost_update)
    if not still.any():
        return None
    layers = e.named(still)
    sentence = say(
        "{layers}: a gradient but no update; the optimizer does not hold it, or the update is lost to rounding.",
        layers=several(layers),
    )
    return Verdict("frozen updates", layers, sentence, {"update ratio": 0.0, "expected": float(expected[still].max())})


RULES = (find_frozen_updates,)
"""What may hold of a run beside what its layers show; overflow, divergence and convergence come first (`judge`)."""


def find_convergence(e: Evidence, t: Thresholds) -> Verdict | None:
    """Gradients that are small because there is little left to learn."""
    if e.exchanged_loss is not None and len(e.loss) and e.exchanged_loss > 0:
        share = float(e.loss[-1] / e.exchanged_loss)
        if share > t.done_exchanged:
            return None
        sentence = say(
            "The loss is {share:.2g} of what it is with the targets exchanged: the examples are fitted.", share=share
        )
        return Verdict("converged", (), sentence, {"loss / loss with targets exchanged": share})
    if len(e.loss) < 5:
        return None
    start, end, accuracy = float(e.loss[0]), late(e.loss), late(e.accuracy)
    known = np.flatnonzero(np.isfinite(e.delta[0]))
    with np.errstate(over="ignore"):
        left = float(np.power(10.0, late(e.delta[:, known[-1]]) - e.delta[0, known[-1]])) if len(known) else math.nan
    gradient = np.sqrt(np.nansum(np.square(e.gradient), axis=1))
    fallen = float(late(gradient) / gradient[0]) if gradient[0] > 0 else math.nan
    quarter = late(e.loss[: -max(len(e.loss) // 4, 1)])
    flat = start > end and (quarter - end) <= t.flat_loss * (start - end)
    fitted = start > 0 and end <= t.done_loss * start
    no_loss = np.isnan(e.loss).all()
    # A last delta that has all but gone is a fit only if the loss has gone with it: flat outputs shrink it as well.
    rest = (flat and end <= t.done_rest * start) or no_loss
    done = fitted or accuracy >= t.done_accuracy or (rest and left <= t.done_delta)
    if not done:
        return None
    numbers = {"last loss / first": end / start if start > 0 else math.nan, "accuracy": accuracy,
               "delta of the last layer, last / first step": left, "gradient, last / first step": fallen}  # fmt: skip
    sentence = say("The gradients are small because the examples are fitted and the loss has levelled out.")
    return Verdict("converged", (), sentence, {name: value for name, value in numbers.items() if not math.isnan(value)})


def _rose(e: Evidence, t: Thresholds) -> bool:
    sound = e.loss[: e.sound]
    known = sound[np.isfinite(sound)]
    return len(known) > 1 and known[0] > 0 and known.max() / t.loss_rise > known[0] and late(sound) > known[0]


def _largest_update(e: Evidence) -> float:
    finite = e.update_ratio[np.isfinite(e.update_ratio)]
    return float(finite.max()) if len(finite) else math.nan
