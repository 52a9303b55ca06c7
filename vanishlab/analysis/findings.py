"""`Verdict`: one thing found, with the layers concerned, the numbers behind it and a plain sentence."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from vanishlab.language import listed, say

VerdictName = Literal[
    "overflow", "diverging", "symmetric", "dead", "saturated", "exploding", "masked vanishing", "vanishing",
    "underflow", "no gradient", "frozen updates", "converged", "healthy", "not enough evidence",
]  # fmt: skip
VERDICTS: tuple[str, ...] = get_args(VerdictName)
"""Every name, causes before what follows from them: the order of `Diagnosis.verdicts`."""
WELL = ("healthy", "converged")
"""The names that call for no remedy."""


@dataclass(frozen=True)
class Verdict:
    """One finding."""

    name: VerdictName
    layers: tuple[str, ...]
    """The layers concerned, input first; empty where it is the run as a whole."""
    sentence: str
    """In the language that held when it was found."""
    evidence: dict[str, float] = field(default_factory=dict)
    """The numbers behind it, by their names."""
    cause: str = ""
    """Of "no gradient": frozen, unused or detached. Of "vanishing" and "exploding": depth or time."""
    runs: tuple[int, ...] = (0,)
    """Places on the run axis of the runs of which it holds."""


def several(names: tuple[str, ...]) -> str:
    """Return a few names, or the first and the last of many, for a sentence or a table.

    >>> several(("a", "b", "c", "d")), several(("a", "b"))
    ('a … d (4 layers)', 'a, b')
    """
    if len(names) > 3:
        return say("{first} … {last} ({layers} layers)", first=names[0], last=names[-1], layers=len(names))
    return listed(names)
