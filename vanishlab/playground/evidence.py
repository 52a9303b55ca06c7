"""The evidence beside a lesson's answer: a table of all its networks, and a picture that compares them."""

from collections.abc import Mapping

from vanishlab.language.sentences import listed, say
from vanishlab.playground import page
from vanishlab.playground.conclusions import ONE_LAYER
from vanishlab.playground.measuring import Result
from vanishlab.playground.pictures import comparison_picture, time_picture
from vanishlab.playground.through_time import LENGTHS, Recalled

NAMED = (ONE_LAYER, "residual", "residual, scale from 0", "batch norm", "residual + batch norm", "none")
"""Labels of networks that are words; the others are names as they are typed, and numbers."""


def by_layer(found: Mapping[str, Result], quantity: str = "delta_rms") -> str:
    """Return the table of the networks, and the picture of `quantity` layer by layer, as HTML."""
    found = {say(label) if label in NAMED else label: one for label, one in found.items()}
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
            listed(say(verdict.name) for verdict in one.diagnosis.verdicts),
        ]
        for label, one in found.items()
    ]
    return page.table(columns, rows) + page.figure(comparison_picture(found, quantity))


def by_time(found: Mapping[str, Recalled]) -> str:
    """Return the table of the recurrent networks, and the picture of delta step by step, as HTML."""
    columns = [
        say("network"),
        say("delta's factor per step"),
        *(say("first / last of {length}", length=length) for length in LENGTHS),
        say("after training"),
        say("accuracy"),
    ]
    rows = [
        [
            one.settings.label,
            f"{one.factor:.2f}",
            *(page.power(one.curves[length][0]) for length in LENGTHS),
            page.power(one.trained),
            f"{one.accuracy:.2f}",
        ]
        for one in found.values()
    ]
    return page.table(columns, rows) + page.figure(time_picture(list(found.values())))
