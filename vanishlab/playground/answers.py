"""The answer to a lesson: its networks measured once a guess is made, and what came out beside the guess."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from vanishlab.language.sentences import say, speaking
from vanishlab.playground import frame, page
from vanishlab.playground.lessons import Lesson
from vanishlab.playground.measuring import Failed, Outdated


def answer(
    lesson: Lesson, guess: int, language: str, show: Callable[[str], object], outdated: Callable[[], bool]
) -> None:
    """Measure the lesson's networks, showing how far it is, and show what came out beside the guess, in `language`."""
    with speaking(language):
        try:
            html = conclusion(lesson, _measured(lesson, show, outdated), guess)
        except Outdated:
            return
        except Failed as failed:
            html = frame.failure(str(failed))
    if not outdated():
        show(html)


def _measured(lesson: Lesson, show: Callable[[str], object], outdated: Callable[[], bool]) -> dict[str, Any]:
    """Return the results of the lesson's networks by their labels; how far it is is shown meanwhile."""
    found: dict[str, Any] = {}
    steps = sum(settings.steps + 1 for settings in lesson.networks.values())
    started = time.monotonic()
    for label, settings in lesson.networks.items():
        done = sum(one.settings.steps + 1 for one in found.values())

        def progress(step: int, done: int = done) -> None:
            if step % 5 == 0:
                show(frame.progress(done + step, steps, time.monotonic() - started))

        found[label] = lesson.measure(settings, progress=progress, outdated=outdated)
    return found


def conclusion(lesson: Lesson, found: Mapping[str, Any], guess: int) -> str:
    """Return the answer as HTML: whether the guess was right, the sentence with its numbers, a table, a picture."""
    outcome = lesson.conclude(found)
    right = say(lesson.choices[outcome.right])
    told = say("Right: {right}." if guess == outcome.right else "Not so. Measured: {right}.", right=right)
    return page.lesson(
        told,
        guess == outcome.right,
        say(lesson.answer, **outcome.values),
        lesson.evidence(found),
        say(lesson.afterwards),
    )
