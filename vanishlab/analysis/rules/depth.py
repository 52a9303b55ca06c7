"""Rules on depth and time: delta that vanishes, openly or behind flat weight gradients, or explodes on its way back."""

import math

import numpy as np

from vanishlab.analysis.evidence import Evidence
from vanishlab.analysis.rules.decay import Decay, fit_decay
from vanishlab.analysis.rules.meaning import examples_stay_apart
from vanishlab.analysis.verdict import Thresholds, Verdict, several
from vanishlab.language.numbers import PowerOfTen
from vanishlab.language.sentences import say

VANISHING = (
    "Delta shrinks by a factor of {factor:.1e} from the last layer back to the first.",
    "Delta shrinks by a factor of {factor:.1e} from the last layer back to the first, most of it in {layers}.",
)
"""What is said where delta vanishes everywhere, and where most of it is lost in some layers."""
MASKED = (
    "Delta shrinks by a factor of {factor:.1e} from the last layer back to the first, hidden from the weight gradients "
    "by activations that shrink the other way.",
    "Delta shrinks by a factor of {factor:.1e} from the last layer back to the first, most of it in {layers}, hidden "
    "from the weight gradients by activations that shrink the other way.",
)


def find_depth(e: Evidence, t: Thresholds, steps: slice) -> Verdict | None:
    """Delta that vanishes, openly or behind flat weight gradients, or explodes on its way back."""
    place = _measured(e, steps)
    if len(place) < t.least_layers:
        return None
    decay = decay_of(e, steps)
    lead = _leading_zeros(e, steps)
    if len(lead) and decay.total < t.lost_decades:
        layers = tuple(e.names[layer] for layer in lead)
        sentence = say("Delta is exactly zero in {layers}.", layers=several(layers))
        return Verdict("vanishing", layers, sentence, {"decades lost": math.inf}, "depth")
    gained = t.apart_decades if examples_stay_apart(e, t, steps) else t.gained_decades
    shown = _shown_by_gradients(e, steps, place)
    # What activations lose on their way up is lost to the weight gradients as well, as far as delta's fall hides it.
    both = decay.total + min(decay.total, shown[1]) if shown is not None else -math.inf
    if -gained < decay.total < t.lost_decades and both < t.both_decades:
        return None
    vanishes = decay.total > 0
    if vanishes and _only_a_large_input(e, t, steps, place):
        return None
    sign = 1.0 if vanishes else -1.0
    guilty = [
        part for part in decay.segments if sign * part.total >= t.local_share * abs(decay.total)
    ] or decay.segments
    inside = sorted({place[index] for part in guilty for index in range(part.first, part.last + 1)})
    layers = tuple(e.names[layer] for layer in inside)
    numbers = {
        "decades, last to first layer": decay.total,
        "decades per layer": decay.rate,
        "low (95 %)": decay.low,
        "high (95 %)": decay.high,
    }
    somewhere = len(guilty) < len(decay.segments)
    if not vanishes:
        sentence = "Delta grows by a factor of {factor:.1e} from the last layer back to the first."
        if somewhere:
            sentence = (
                "Delta grows by a factor of {factor:.1e} from the last layer back to the first, most of it in {layers}."
            )
        said = say(sentence, factor=PowerOfTen(-decay.total), layers=several(layers))
        rate = _rate_of_wild_updates(e, t, steps)
        if math.isfinite(rate):
            numbers["learning rate of wild updates"] = rate
            told = (
                "{told} If plain gradient descent trains it, then at a learning rate below {rate:.1e}, at which one "
                "update changes a layer by half of its weights."
            )
            said = say(told, told=said, rate=rate)
        return Verdict("exploding", layers, said, numbers, "depth")
    values = dict[str, object](factor=PowerOfTen(decay.total), layers=several(layers))
    if shown is not None:
        numbers["decades that weight gradients show"], numbers["decades that activations lose forward"] = shown[:2]
    # A gradient that is flat because examples cancel in it at the end of training has no such activations behind it.
    if shown is not None and shown[0] < t.masked_share * shown[2] and not shown[1] < 0.5 * shown[2]:
        return Verdict("masked vanishing", layers, say(MASKED[somewhere], **values), numbers, "depth")
    return Verdict("vanishing", layers, say(VANISHING[somewhere], **values), numbers, "depth")


def find_time(e: Evidence, t: Thresholds) -> list[Verdict]:
    """Delta that vanishes or explodes through time, in recurrent layers."""
    found = []
    for name, profile in e.through_time.items():
        reached = profile[np.isfinite(profile)]  # where the graph through time is cut, earlier calls are told nothing
        lost = float(reached[-1] - reached[0]) if len(reached) > 1 else 0.0
        if -t.time_gained_decades < lost < t.time_decades:
            continue
        numbers = {"decades, last to first call": lost}
        if len(profile) > 2:  # a record keeps the first and the last call alone
            numbers["calls"] = float(len(profile))
        sentence = "Delta grows by a factor of {factor:.1e} from the last call of {layer} back to the first."
        if lost > 0:
            sentence = "Delta shrinks by a factor of {factor:.1e} from the last call of {layer} back to the first."
        said = say(sentence, factor=PowerOfTen(abs(lost)), layer=name)
        found.append(Verdict("vanishing" if lost > 0 else "exploding", (name,), said, numbers, "time"))
    return found


def blocked_by_zero_weights(e: Evidence, steps: slice) -> str | None:
    """Return the name of a layer whose zero weights alone stop delta for now, None where there is none."""
    lead = _leading_zeros(e, steps)
    if not len(lead) or lead[-1] + 1 >= len(e.names):
        return None
    after = lead[-1] + 1
    return e.names[after] if e.typical(e.weight, steps)[after] == 0 else None


def profile_of(e: Evidence, steps: slice) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the layers with a finite delta and log10 of its typical norm, (layer,)."""
    place = _measured(e, steps)
    return tuple(e.names[layer] for layer in place), e.typical(e.delta, steps)[place]


def decay_of(e: Evidence, steps: slice, skip: int = 0) -> Decay:
    """Return the decay of delta over all layers but the first `skip`."""
    return fit_decay(profile_of(e, steps)[1][skip:])


def _measured(e: Evidence, steps: slice) -> np.ndarray:
    return np.flatnonzero(np.isfinite(e.typical(e.delta, steps)))


def _leading_zeros(e: Evidence, steps: slice) -> np.ndarray:
    # The layers nearest the input whose delta is exactly zero; one with a live layer before it is a gated branch.
    typical = e.typical(e.delta, steps)
    alive = np.flatnonzero(np.isfinite(typical))
    return np.flatnonzero(np.isneginf(typical[: alive[0] if len(alive) else len(typical)]))


def _rate_of_wild_updates(e: Evidence, t: Thresholds, steps: slice) -> float:
    # The learning rate at which the fastest layer's update is wild; infinite where no gradient asks for one.
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = e.typical(e.gradient, steps) / e.typical(e.weight, steps)
    speed = speed[np.isfinite(speed) & (speed > 0)]
    return t.wild_update / float(speed.max()) if len(speed) else math.inf


def _shown_by_gradients(e: Evidence, steps: slice, place: np.ndarray) -> tuple[float, float, float] | None:
    # Decades of the weight gradient, of the activations that enter it, and of delta, in the same layers: all but the
    # first, whose gradient has the input's scale. None where one of them is not a number.
    gradient, delta = e.typical(e.gradient, steps), e.typical(e.delta, steps)
    known = [layer for layer in place[1:] if np.isfinite(gradient[layer]) and gradient[layer] > 0]
    if len(known) < 2:
        return None
    first, last = known[0], known[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        activation = np.log10(e.typical(e.activation, steps))
        found = (
            float(np.log10(gradient[last]) - np.log10(gradient[first])),
            float(activation[first - 1] - activation[last - 1]),
            float(delta[last] - delta[first]),
        )
    return None if np.isnan(found).any() else found


def _only_a_large_input(e: Evidence, t: Thresholds, steps: slice, place: np.ndarray) -> bool:
    # Whether the first layer alone stands low, by delta and not by its weight gradient.
    if len(place) < 3 or abs(decay_of(e, steps, skip=1).total) >= t.lost_decades:
        return False
    with np.errstate(divide="ignore", invalid="ignore"):
        gradient = np.log10(e.typical(e.gradient, steps)[place])
    delta = e.typical(e.delta, steps)[place]
    alone = 2 * (delta[1] - delta[0]) > delta[-1] - delta[0]
    return bool(alone and gradient[0] > np.nanmedian(gradient) - t.input_decades)
