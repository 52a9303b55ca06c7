"""`frames_of(record, quantity)`: a quantity at chosen steps, as logarithms, small enough to stand in a page."""

import math
from dataclasses import dataclass

import numpy as np

from vanishlab.language.sentences import say
from vanishlab.plots.axes import on_axis
from vanishlab.plots.profiles import kinds_of
from vanishlab.plots.rates import RateScale, diverged_rates, runs_of
from vanishlab.recording.record import Record

VALUES = 96_000
"""Values of each quantity in one report, shared by the records that have a player: 2 MB in all."""
_OF_ONE = 48_000
_MOST_FRAMES = 128
_MOST_RATES = 12
_BELOW, _ABOVE = -330, 310  # decades that an axis shows at most: float64's own


@dataclass(frozen=True, eq=False)
class Frames:
    """What the player shows of one quantity, one frame per chosen step."""

    rates: tuple[float, ...]
    values: np.ndarray
    """log10 of the median over seeds, (frame, rate, layer); NaN where there is none, or it is off the scale."""
    marks: list[tuple[int, int, int, str]]
    """Frame, place of the rate, layer number, and "zero", "underflow" or "infinite"."""
    low: int
    """The axis in decades, over all frames and the learning rates that did not diverge, where there are any."""
    high: int


@dataclass(frozen=True)
class Chosen:
    """Which steps and learning rates the player shows."""

    steps: tuple[int, ...]
    rates: tuple[float, ...]
    note: str
    """What was left out, in a sentence; empty where nothing was."""


def choose(record: Record, players: int) -> Chosen:
    """Choose evenly among the record's steps and learning rates so that `players` players fit into the page."""
    rates = RateScale.of([record]).rates
    shown = evenly(len(rates), _MOST_RATES)
    room = min(_OF_ONE, VALUES // max(players, 1)) // max(len(shown) * len(record.layer), 1)
    at = evenly(len(record.step), max(2, min(room, _MOST_FRAMES)))
    note, counts = "", {"steps": len(at), "of steps": len(record.step), "rates": len(shown), "of rates": len(rates)}
    if len(at) < len(record.step) and len(shown) < len(rates):
        sentence = (
            "Thinned to keep this file small: {steps} of {of steps} recorded steps and {rates} of {of rates} learning "
            "rates; the record has them all."
        )
        note = say(sentence, **counts)
    elif len(at) < len(record.step):
        sentence = "Thinned to keep this file small: {steps} of {of steps} recorded steps; the record has them all."
        note = say(sentence, **counts)
    elif len(shown) < len(rates):
        sentence = "Thinned to keep this file small: {rates} of {of rates} learning rates; the record has them all."
        note = say(sentence, **counts)
    return Chosen(tuple(int(record.step[place]) for place in at), tuple(rates[place] for place in shown), note)


def frames_of(record: Record, quantity: str, chosen: Chosen) -> Frames:
    """Return the quantity at the chosen steps and learning rates, zeros and infinities as marks."""
    shown = record.select(step=chosen.steps)
    places = [RateScale.of([record]).place(rate) for rate in chosen.rates]
    medians = shown.over_seeds(shown.layer_quantity(quantity)).median[places]  # (rate, frame, layer)
    stacked = np.log10(on_axis(medians, logarithmic=True)).swapaxes(0, 1)  # (frame, rate, layer)
    special, marks = kinds_of(shown, quantity), []
    for place, rate in enumerate(chosen.rates):
        for kind in ("zero", "underflow", "infinite"):
            for frame, layer in np.argwhere(special[kind][runs_of(shown, rate)].any(axis=0)):
                marks.append((int(frame), place, int(record.layer[layer]), kind))
    gone = diverged_rates(record)
    stayed = [place for place, rate in enumerate(chosen.rates) if rate not in gone]
    scaled = stacked[:, stayed] if stayed else stacked  # what a diverging run reaches would flatten all others
    known = scaled[np.isfinite(scaled)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    return Frames(chosen.rates, stacked, marks, *decades(float(low), float(high)))


def decades(low: float, high: float) -> tuple[int, int]:
    """Return whole decades around two logarithms, at least three of them."""
    bottom, top = max(math.floor(low), _BELOW), min(math.ceil(high), _ABOVE)
    while top - bottom < 3:
        bottom, top = (bottom - 1, top) if (top - bottom) % 2 else (bottom, top + 1)
    return bottom, top


def evenly(of: int, most: int) -> list[int]:
    """Return at most so many places of a row of `of`, the first and the last among them."""
    if of <= most:
        return list(range(of))
    return sorted({round(place * (of - 1) / (most - 1)) for place in range(most)})
