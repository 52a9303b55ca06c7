"""What the scripts of this folder share: a published result as a row, its table, and the frame of a script."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vanishlab.cli.console import run
from vanishlab.cli.tables import print_table
from vanishlab.files import output_folder
from vanishlab.language.sentences import say

COLUMNS = ("result", "published", "predicted", "measured", "accepted", "holds")


@dataclass(frozen=True)
class Claim:
    """One published result beside the lab's own numbers. It holds where `low <= measured <= high`."""

    result: str
    """What is compared, with its unit or formula."""
    published: str
    """As the source states it; "–" where it gives no number."""
    predicted: float | None
    """The number that a formula gives, worked out by the script; None where there is none."""
    measured: float
    accept: tuple[float, float]
    """The range (low, high) in which the measured number may lie, ends included."""
    reason: str
    """Why the range is that wide."""
    note: str = ""
    """What else to know, above all where paper and measurement disagree."""

    @property
    def holds(self) -> bool:
        """Whether the measured number lies in the accepted range; NaN does not."""
        return self.accept[0] <= self.measured <= self.accept[1]


class NotMeasuredError(Exception):
    """What the script needs is not there, such as a data set; the message says what."""


def around(centre: float, *, share: float = 0.0, absolute: float = 0.0) -> tuple[float, float]:
    """Return the range centre ± (share of |centre| + absolute)."""
    margin = share * abs(centre) + absolute
    return centre - margin, centre + margin


def cells(claim: Claim) -> list[str]:
    """Return a claim's row under `COLUMNS`, numbers with four significant digits."""
    return [
        claim.result,
        claim.published,
        "–" if claim.predicted is None else _number(claim.predicted),
        _number(claim.measured),
        say("{range} ({reason})", range=_range(*claim.accept), reason=claim.reason),
        say("yes") if claim.holds else say("NO"),
    ]


def columns() -> list[str]:
    """Return `COLUMNS` in the language that holds."""
    return [say(column) for column in COLUMNS]


def show(title: str, claims: Sequence[Claim]) -> None:
    """Print the table and, below it, the notes."""
    print_table(title, columns(), [cells(claim) for claim in claims])
    for claim in claims:
        if claim.note:
            print(say("{result}: {note}", result=claim.result, note=claim.note))


def run_script(source: str, measure: Callable[[bool, Path], list[Claim]]) -> None:
    """Run `measure` with the flags --quick, --out and --language, and exit with 1 where a claim does not hold."""

    def command(quick: bool = False, out: Path = Path("results/published")) -> None:
        """Measure a published result again, print it beside the lab's own numbers, and draw it.

        Args:
            quick: A smaller version, in seconds.
            out: Folder for the picture.
        """
        try:
            claims = measure(quick, output_folder(out))
        except NotMeasuredError as reason:
            print(say("not measured: {reason}", reason=reason))
            return
        show(say(source), claims)
        if not all(claim.holds for claim in claims):
            sys.exit(1)

    run(command)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _range(low: float, high: float) -> str:
    if high == math.inf:
        return say("at least {number}", number=_number(low))
    if low == -math.inf:
        return say("at most {number}", number=_number(high))
    if low == high:
        return _number(low)
    return say("{low} to {high}", low=_number(low), high=_number(high))
