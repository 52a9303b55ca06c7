"""What the lessons' measurements say: which choice was right, and the numbers that complete the answer."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from vanishlab.playground import page
from vanishlab.playground.measuring import Result
from vanishlab.playground.through_time import Recalled
from vanishlab.theory.meanfield.fixed_points import network_mean_field

LEARNED = 0.15  # training accuracy above guessing that counts as having learned something: 10 of 64 examples
RATES = (0.1, 1.0, 10.0, 100.0)
ONE_LAYER = "1 layer, 1"
FORGET_BIASES = (1.0, 3.0, 5.0)


class Outcome(NamedTuple):
    """What a measurement says: the place of the choice that was right, and the numbers of the answer."""

    right: int
    values: dict[str, str]


def sigmoid(found: Mapping[str, Result]) -> Outcome:
    """Say how much of delta 20 sigmoid layers let through."""
    bent, linear = found["sigmoid"], found["linear"]
    ratio = bent.first_last
    with_it, without = (one.diagnosis.decay.factor for one in (bent, linear))
    return Outcome(
        0 if ratio > 5e-3 else 1 if ratio > 1e-6 else 2,
        {
            "ratio": page.power(ratio),
            "theory": page.power(bent.predicted_first_last),
            "factor": f"{with_it:.3f}",
            "linear": f"{without:.3f}",
            "slope": f"{with_it / without:.3f}",
        },
    )


def rates(found: Mapping[str, Result]) -> Outcome:
    """Say which learning rate teaches anything."""
    deep = [found[f"{rate:g}"] for rate in RATES]
    best = max(range(len(deep)), key=lambda place: deep[place].accuracy)
    learned = deep[best].accuracy > deep[best].guessing + LEARNED
    return Outcome(
        {0: 0, 1: 1, 2: 1, 3: 2}[best] if learned else 3,
        {
            "best": f"{deep[best].accuracy:.2f}",
            "guessing": f"{deep[best].guessing:.2f}",
            "shallow": f"{found[ONE_LAYER].accuracy:.2f}",
            "ratio": page.power(deep[0].first_last),
        },
    )


def initializations(found: Mapping[str, Result]) -> Outcome:
    """Say how much more of delta Kaiming's initialisation lets through."""
    default, kaiming = found["torch_default"], found["kaiming_normal"]
    gain = kaiming.first_last / default.first_last
    return Outcome(
        0 if gain < 10 else 1 if gain < 1e4 else 2,
        {
            "gain": page.power(gain),
            "power": page.power(6.0 ** (default.settings.depth / 2)),
            "default": f"{default.accuracy:.2f}",
            "xavier": f"{found['xavier_normal'].accuracy:.2f}",
            "kaiming": f"{kaiming.accuracy:.2f}",
            "guessing": f"{default.guessing:.2f}",
        },
    )


def bypasses(found: Mapping[str, Result]) -> Outcome:
    """Say what residual connections do to delta."""
    plain, batch, both = found["residual"], found["batch norm"], found["residual + batch norm"]
    learned = found["residual, scale from 0"]
    ratio = plain.first_last
    return Outcome(
        2 if ratio > 10 else 1 if ratio < 0.1 else 0,
        {
            "ratio": page.power(ratio),
            "loss": page.power(plain.losses[0]),
            "end": page.power(plain.losses[1]),
            "learned": page.power(learned.first_last),
            "learned accuracy": f"{learned.accuracy:.2f}",
            "batch": page.power(batch.first_last),
            "batch theory": page.power(batch.predicted_first_last),
            "both": page.power(both.first_last),
            "both accuracy": f"{both.accuracy:.2f}",
            "bare accuracy": f"{found['none'].accuracy:.2f}",
        },
    )


def chaos(found: Mapping[str, Result]) -> Outcome:
    """Say on which side of the edge of chaos a network learns."""
    sides = list(found.values())
    best = max(range(len(sides)), key=lambda place: sides[place].accuracy)
    learned = sides[best].accuracy > sides[best].guessing + LEARNED
    names = ("ordered", "edge", "chaotic")
    return Outcome(
        best if learned else 3,
        {name: page.power(side.first_last) for name, side in zip(names, sides, strict=True)}
        | {f"{name} accuracy": f"{side.accuracy:.2f}" for name, side in zip(names, sides, strict=True)}
        | {f"{name} chi": f"{_chi(side):.2f}" for name, side in zip(names, sides, strict=True)}
        | {"guessing": f"{sides[0].guessing:.2f}"},
    )


def meaning(found: Mapping[str, Result]) -> Outcome:
    """Say who learns where delta arrives."""
    *alike, apart = found.values()
    best = max(alike, key=lambda one: one.accuracy)
    missed = [one.accuracy <= one.guessing + LEARNED for one in (best, apart)]
    loss = min(one.losses[1] for one in alike)
    values = {"guessing": f"{best.guessing:.2f}", "loss": f"{loss:.3f}", "constant": f"{best.constant:.3f}"}
    for name, one in (("alike", best), ("apart", apart)):
        values |= {f"{name} ratio": page.power(one.first_last), f"{name} share": page.power(one.distinct),
                   f"{name} accuracy": f"{one.accuracy:.2f}"}  # fmt: skip
    return Outcome(2 * missed[0] + missed[1], values)


def through_time(found: Mapping[str, Recalled]) -> Outcome:
    """Say how much of delta an LSTM lets through, as PyTorch begins it, and with its forget gate opened."""
    values = {f"open {bias:g}": f"{1.0 / (1.0 + math.exp(-bias)):.2f}" for bias in FORGET_BIASES}
    for name, one in found.items():
        values |= {
            f"first {name}": page.power(one.first_last),
            f"factor {name}": f"{one.factor:.2f}",
            f"accuracy {name}": f"{one.accuracy:.2f}",
        }
    ratio = found["LSTM"].first_last
    return Outcome(0 if ratio > 0.1 else 1 if ratio > 1e-5 else 2, values)


def _chi(result: Result) -> float:
    return network_mean_field(result.settings.network()).chi
