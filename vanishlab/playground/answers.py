"""The answer to a lesson: its networks measured once a guess is made, and what came out beside the guess."""

import time
from collections.abc import Callable, Mapping

from vanishlab.language.sentences import say, speaking
from vanishlab.playground import page
from vanishlab.playground.lessons import Lesson
from vanishlab.playground.measuring import Failed, Outdated, Result, measure
from vanishlab.playground.pictures import comparison_picture


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
            html = page.failure(str(failed))
    if not outdated():
        show(html)


def _measured(lesson: Lesson, show: Callable[[str], object], outdated: Callable[[], bool]) -> dict[str, Result]:
    """Return the results of the lesson's networks by their labels; how far it is is shown meanwhile."""
    found: dict[str, Result] = {}
    steps = sum(settings.steps + 1 for settings in lesson.networks.values())
    started = time.monotonic()
    for label, settings in lesson.networks.items():
        done = sum(one.settings.steps + 1 for one in found.values())

        def progress(step: int, done: int = done) -> None:
            if step % 5 == 0:
                show(page.progress(done + step, steps, time.monotonic() - started))

        found[label] = measure(settings, progress=progress, outdated=outdated)
    return found


def conclusion(lesson: Lesson, found: Mapping[str, Result], guess: int) -> str:
    """Return the answer as HTML: whether the guess was right, the sentence with its numbers, a table, a picture."""
    outcome = lesson.conclude(found)
    right = say(lesson.choices[outcome.right])
    told = say("Right: {right}." if guess == outcome.right else "Not so. Measured: {right}.", right=right)
    columns = [
        say("network"),
        say("delta, layer 1 / readout"),
        say("theory (infinite width)"),
        say("loss, start → end"),
        say("training accuracy"),
        say("verdict"),
    ]
    rows = [
        [
            label,
            page.power(one.first_last),
            page.power(one.predicted_first_last),
            f"{page.power(one.losses[0])} → {page.power(one.losses[1])}",
            f"{one.accuracy:.2f}",
            ", ".join(say(verdict.name) for verdict in one.diagnosis.verdicts),
        ]
        for label, one in found.items()
    ]
    return page.lesson(
        told,
        guess == outcome.right,
        say(lesson.answer, **outcome.values),
        page.table(columns, rows) + page.figure(comparison_picture(found, lesson.compared)),
        say("The network of this lesson now stands in the playground below. Change it."),
    )
