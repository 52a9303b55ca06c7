"""Five short lessons: a question, a guess to make first, and the answer, measured when the guess is made.

Which choice is right is not written down anywhere: `conclude` reads it off the measurement.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from vanishlab.playground import page
from vanishlab.playground.measuring import Failed, Outdated, Result, measure
from vanishlab.playground.pictures import comparison_picture
from vanishlab.playground.settings import Settings
from vanishlab.playground.words import say
from vanishlab.theory.meanfield import network_mean_field

LEARNED = 0.15  # training accuracy above guessing that counts as having learned something: 10 of 64 examples
_RATES = (0.1, 1.0, 10.0, 100.0)
_ONE_LAYER = "1 layer, 1"


class Outcome(NamedTuple):
    """What a measurement says: the place of the choice that was right, and the numbers of the answer."""

    right: int
    values: dict[str, str]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One lesson; its sentences are in `lesson_words` under its name."""

    name: str
    networks: Mapping[str, Settings]
    """What is measured, by its label in picture and table; the first one is left in the playground."""
    choices: int
    conclude: Callable[[Mapping[str, Result]], Outcome]


def _sigmoid(found: Mapping[str, Result]) -> Outcome:
    sigmoid, linear = found["sigmoid"], found["linear"]
    ratio = sigmoid.first_last
    with_it, without = (one.diagnosis.decay.factor for one in (sigmoid, linear))
    return Outcome(
        0 if ratio > 5e-3 else 1 if ratio > 1e-6 else 2,
        {
            "ratio": page.power(ratio),
            "theory": page.power(sigmoid.predicted_first_last),
            "factor": f"{with_it:.3f}",
            "linear": f"{without:.3f}",
            "slope": f"{with_it / without:.3f}",
        },
    )


def _rates(found: Mapping[str, Result]) -> Outcome:
    deep = [found[f"{rate:g}"] for rate in _RATES]
    best = max(range(len(deep)), key=lambda place: deep[place].accuracy)
    learned = deep[best].accuracy > deep[best].guessing + LEARNED
    return Outcome(
        {0: 0, 1: 1, 2: 1, 3: 2}[best] if learned else 3,
        {
            "best": f"{deep[best].accuracy:.2f}",
            "guessing": f"{deep[best].guessing:.2f}",
            "shallow": f"{found[_ONE_LAYER].accuracy:.2f}",
            "ratio": page.power(deep[0].first_last),
        },
    )


def _initializations(found: Mapping[str, Result]) -> Outcome:
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


def _bypasses(found: Mapping[str, Result]) -> Outcome:
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


def _chaos(found: Mapping[str, Result]) -> Outcome:
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


def _chi(result: Result) -> float:
    return network_mean_field(result.settings.network()).chi


_TWENTY = Settings(depth=20, steps=30)
_RELU = Settings(depth=20, activation="relu", learning_rate=0.05, steps=60)
_BYPASS = Settings(depth=30, activation="relu", initialization="kaiming_normal", learning_rate=0.05, steps=40)
_XAVIER = Settings(depth=10, initialization="xavier_normal", steps=60)
_TANH = Settings(depth=30, activation="tanh", initialization="gaussian", sigma_b=0.05, learning_rate=0.03, steps=60)

LESSONS = (
    Lesson("sigmoid", {"sigmoid": _TWENTY, "linear": replace(_TWENTY, activation="linear")}, 3, _sigmoid),
    Lesson(
        "rates",
        {f"{rate:g}": replace(_XAVIER, learning_rate=rate) for rate in _RATES}
        | {_ONE_LAYER: replace(_XAVIER, depth=1, learning_rate=1.0)},
        4,
        _rates,
    ),
    Lesson(
        "initializations",
        {name: replace(_RELU, initialization=name) for name in ("torch_default", "xavier_normal", "kaiming_normal")},
        3,
        _initializations,
    ),
    Lesson(
        "bypasses",
        {
            "residual": replace(_BYPASS, residual="plain"),
            "residual, scale from 0": replace(_BYPASS, residual="learned"),
            "batch norm": replace(_BYPASS, normalization="batch"),
            "residual + batch norm": replace(_BYPASS, residual="plain", normalization="batch"),
            "none": _BYPASS,
        },
        3,
        _bypasses,
    ),
    Lesson(
        "chaos",
        {f"σ_w = {scale:g}": replace(_TANH, sigma_w=scale) for scale in (0.7, 1.2, 2.5)},
        4,
        _chaos,
    ),
)


def preset(lesson: Lesson | None) -> Settings:
    """Return what the controls begin with: the lesson's first network, or the default."""
    return Settings() if lesson is None else next(iter(lesson.networks.values()))


def answer(
    lesson: Lesson, guess: int, language: str, show: Callable[[str], object], outdated: Callable[[], bool]
) -> None:
    """Measure the lesson's networks, showing how far it is, and show what came out beside the guess."""
    found: dict[str, Result] = {}
    steps = sum(settings.steps + 1 for settings in lesson.networks.values())
    started = time.monotonic()
    try:
        for settings in lesson.networks.values():
            done = sum(one.settings.steps + 1 for one in found.values())
            label = next(label for label in lesson.networks if label not in found)

            def progress(step: int, done: int = done) -> None:
                if step % 5 == 0:
                    show(page.progress(done + step, steps, time.monotonic() - started, language))

            found[label] = measure(settings, progress=progress, outdated=outdated)
        html = conclusion(lesson, found, guess, language)
    except Outdated:
        return
    except Failed as failed:
        html = page.failure(str(failed), language)
    if not outdated():
        show(html)


def conclusion(lesson: Lesson, found: Mapping[str, Result], guess: int, language: str) -> str:
    """Return the answer as HTML: whether the guess was right, the sentence with its numbers, a table, a picture."""
    outcome = lesson.conclude(found)
    right = say(language, f"{lesson.name} choice {outcome.right}")
    verdict = say(language, "right" if guess == outcome.right else "not so", right=right)
    columns = [say(language, name) for name in ("network", "ratio", "theory", "losses", "accuracy", "verdict")]
    rows = [
        [
            label,
            page.power(one.first_last),
            page.power(one.predicted_first_last),
            f"{page.power(one.losses[0])} → {page.power(one.losses[1])}",
            f"{one.accuracy:.2f}",
            ", ".join(say(language, each.name) for each in one.diagnosis.verdicts),
        ]
        for label, one in found.items()
    ]
    return page.lesson(
        verdict,
        guess == outcome.right,
        say(language, f"{lesson.name} answer", **outcome.values),
        page.table(columns, rows) + page.figure(comparison_picture(found, language)),
        say(language, "go on"),
    )
