"""Rules on what activations still say: examples that have become one vector on their way up, or are kept apart."""

import math

import numpy as np

from vanishlab.analysis.evidence import Evidence
from vanishlab.analysis.verdict import Thresholds, Verdict
from vanishlab.language.sentences import say

_TINY = 1e-6  # share below which its digits are for the evidence, not for a sentence


def find_collapse(e: Evidence, t: Thresholds) -> Verdict | None:
    """Examples that cannot be told apart any more, from one layer on up to the last hidden one.

    Who is given examples that are alike from the start has not lost them.
    """
    share, rank = e.typical(e.distinct, e.tail)[:-1], e.typical(e.rank, e.tail)[:-1]
    known = np.flatnonzero(~np.isnan(share))
    if not len(known):
        return None
    few = (rank < t.collapsed_rank) & (share < t.collapsed_share)
    apart = [layer for layer in known if not (few[layer] or share[layer] < t.rounded_share)]
    alike = known[known > apart[-1]] if apart else known[:0]
    if not len(alike):
        return None
    layers = tuple(e.names[layer] for layer in alike)
    numbers = {"distinct share": float(share[alike[-1]]), "effective rank": float(rank[alike[-1]])}
    sentence = _collapse(layers, numbers["distinct share"])
    return Verdict("collapsed", layers, sentence, {name: value for name, value in numbers.items() if value == value})


def _collapse(layers: tuple[str, ...], share: float) -> str:
    """Return the sentence on a collapse whose last layer has this distinct share."""
    first, last = layers[0], layers[-1]
    if share == 0.0:
        return say(
            "From {first} on the examples cannot be told apart: what {last} hands on is the same for all of them.",
            first=first,
            last=last,
        )
    if share < _TINY:
        return say(
            "From {first} on the examples can hardly be told apart: less than a millionth of the energy of what {last} "
            "hands on differs between them.",
            first=first,
            last=last,
        )
    return say(
        "From {first} on the examples can hardly be told apart: {share:.1e} of the energy of what {last} hands on "
        "differs between them.",
        first=first,
        last=last,
        share=share,
    )


def examples_stay_apart(e: Evidence, t: Thresholds, steps: slice) -> bool:
    """Return whether the last hidden layer whose share is known keeps the examples apart."""
    return last_share(e, steps) >= t.apart_share


def last_share(e: Evidence, steps: slice) -> float:
    """Return the distinct share of the last hidden layer where it is known, NaN where it is in none."""
    share = e.typical(e.distinct, steps)[:-1]
    known = share[~np.isnan(share)]
    return float(known[-1]) if len(known) else math.nan


RULES = (find_collapse,)
"""What may hold of the examples in a net, beside what its layers and its depth show."""
