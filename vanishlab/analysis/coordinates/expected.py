"""The exponents of theory: how a layer's numbers scale with width, by the layer's place and the parametrisation.

With weights of variance 1 / fan_in everywhere, the standard parametrisation, activations keep their size at the start
and delta falls as width^-1/2 below the readout, whose weights it has passed. At a fixed learning rate its updates then
move activations the more, the wider the layer: a step of Adam moves each of `width` terms by the rate, in the direction
in which they add up, so that a hidden layer's z changes by width^1; one of gradient descent, by width^1/2, and the
logits by width^1.

The maximal-update parametrisation (muP) is the one in which every layer's activations change by width^0 [1, 2]. There
the readout's weights have variance 1 / width^2, so that the logits begin at width^-1/2 and delta at width^-1; the norm
of a hidden layer's update falls against the weights' as width^-1/2, for the update has few directions and W has all.

[1] Yang and Hu, 2021, arXiv:2011.14522.  [2] Yang et al., 2022, arXiv:2203.03466, tables 3 and 8.
"""

from typing import Literal, NamedTuple

import numpy as np

Role = Literal["input", "hidden", "readout", "fixed"]
Moment = Literal["start", "end"]


class Column(NamedTuple):
    """A quantity, at the start or after the updates."""

    quantity: str
    moment: Moment


COLUMNS: tuple[Column, ...] = (
    Column("activation_rms", "start"),
    Column("delta_rms", "start"),
    Column("activation_rms", "end"),
    Column("change_rms", "end"),
    Column("update_ratio", "end"),
)
STANDARD: dict[Role, tuple[float, float]] = {"input": (0.0, -0.5), "hidden": (0.0, -0.5), "readout": (0.0, 0.0)}
"""Of the first two columns; the others depend on the optimizer and the rate."""
MAXIMAL_UPDATE: dict[Role, tuple[float, ...]] = {
    "input": (0.0, -1.0, 0.0, 0.0, 0.0),
    "hidden": (0.0, -1.0, 0.0, 0.0, -0.5),
    "readout": (-0.5, 0.0, 0.0, 0.0, 0.0),
}


def role_of(fans: np.ndarray) -> Role:
    """Return a layer's role from its (size, fan_in and fan_out): which of the two grow with the width."""
    grows_in, grows_out = fans[-1] > fans[0]
    if grows_in and grows_out:
        return "hidden"
    return "input" if grows_out else "readout" if grows_in else "fixed"
