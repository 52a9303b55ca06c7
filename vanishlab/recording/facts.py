"""`LayerFacts`: what a step shows of a layer besides numbers that change from step to step."""

from typing import NamedTuple

MOST = 128
"""Examples that are compared in pairs, by the effective rank and the coherence: the batch's first."""
MOST_ENTRIES = 2**20
"""Entries of those examples together; beyond, fewer of them are compared."""


class LayerFacts(NamedTuple):
    """What one forward and backward pass shows of a layer besides numbers that change from step to step."""

    place: int
    """Its place in the order in which the layers were first called, from 0; modules may be listed in any order."""
    units: float
    """Entries of z per example, those of all calls together; 0 where no delta came back."""
    examples: int
    """Length of z's first axis, the n that delta was multiplied by."""
    activation: str
    """Name of the activation module that takes z, "" where there is none."""
    twins: float
    """Share of the weight's rows (units) that have a twin: another row of the same weights and the same gradient."""
    dtype: str = ""
    """The dtype that delta came in, "" where it is not known. Within autocast it is not that of the weights."""
    coarse: float = 0.0
    """Share of delta's non-zero entries of which that dtype holds fewer than four bits; of half precision alone."""
    held: str = ""
    """Whether the recorder's optimizers hold the weights: "yes", "no", or "elsewhere" where they do not and the weights
    change all the same; "" without an optimizer."""
