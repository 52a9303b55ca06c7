"""The table of quantities: what is measured of every layer at every recorded step, one entry for each.

An entry is a field of `LayerQuantities`, which `Record` inherits: its docstring says what the quantity is, its
`Quantity` all that files, pictures and sharded training have to know of it. Its value is computed where the layer is
looked at (`Layer.measured`), under the same name. No torch here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_type_hints, overload

import numpy as np


@dataclass(frozen=True)
class Quantity:
    """What is known of a quantity besides its values."""

    title: str
    label: str = ""
    """The axis in pictures, title first; empty for a quantity that none shows."""
    never_negative: bool = True
    """Whether it can stand on a logarithmic axis."""
    over_shards: Literal["norm", "norm of biases", "share", None] = None
    """What each process has where parameters are sharded: the norm of its part, the share of its part's entries, or
    (None) something that belongs to the process, as delta belongs to its examples."""
    unmeasured: str = ""
    """Why it may be NaN where the layer's delta and activation are not."""


class NanUnlessGiven:
    """A field that may be left out: it is then NaN throughout, of the shape that `shape(record)` returns."""

    def __init__(self, shape: Callable[[Any], tuple[int, ...]]) -> None:
        """Say the shape, in terms of fields that stand before this one."""
        self._shape = shape

    def __set_name__(self, owner: type, name: str) -> None:
        """Remember the field's name."""
        self._name = name

    @overload
    def __get__(self, record: None, owner: type) -> None: ...
    @overload
    def __get__(self, record: object, owner: type) -> np.ndarray: ...
    def __get__(self, record: object | None, owner: type) -> np.ndarray | None:
        """Return the record's array; the class's own is the default, None."""
        return None if record is None else vars(record)[self._name]

    def __set__(self, record: object, values: np.ndarray | None) -> None:
        """Keep the array that is given, or make one."""
        vars(record)[self._name] = np.full(self._shape(record), math.nan) if values is None else values


_ALONE = "a single example differs from none, and of numbers that are all zero there is no share"
_NOT_LINEAR = "elsewhere than in nn.Linear an example's gradient is more than one product, or its input is not seen"


def _every_layer(record: Any) -> tuple[int, ...]:
    return record.gradient_norm.shape


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerQuantities:
    """One array for each quantity, all (run, step, layer). What was added later, older files lack: NaN."""

    gradient_norm: Annotated[np.ndarray, Quantity("gradient norm", "gradient norm ‖∂loss/∂W‖", over_shards="norm")]
    """Frobenius norm of dloss/dW as accumulated, before clipping or normalising; without the factor of a GradScaler."""
    bias_gradient_norm: Annotated[
        np.ndarray, Quantity("bias gradient norm", "bias gradient norm ‖∂loss/∂b‖", over_shards="norm of biases")
    ]
    """Euclidean norm of dloss/db."""
    delta_rms: Annotated[np.ndarray, Quantity("delta RMS", "delta RMS, ∂loss/∂z")]
    """Root mean square, over examples and units, of the *per-example* delta: n dloss/dz, where the factor n, the number
    of examples in the batch, undoes the 1/n of the loss's batch mean."""
    activation_mean: Annotated[np.ndarray, Quantity("activation mean", never_negative=False)]
    """Mean of h over examples and units; h is what the layer hands on (skip connection included), the readout's h are
    the logits."""
    activation_rms: Annotated[np.ndarray, Quantity("activation RMS", "activation RMS, h")]
    """Root mean square of the same h."""
    saturated_fraction: Annotated[np.ndarray, Quantity("saturated fraction")]
    """Share of phi's inputs where its slope is below 1 % of its largest; for ReLU the share of *units* that are dead,
    that is, not positive for any example of the batch. Bounds per activation: `vanishlab.activations`. Of
    recurrent layers the share of what the sigmoids and tanhs of their gates are given; NaN where that is a ReLU."""
    weight_norm: Annotated[np.ndarray, Quantity("weight norm", "weight norm ‖W‖", over_shards="norm")]
    """Frobenius norm of W."""
    update_ratio: Annotated[np.ndarray, Quantity("update ratio", "update ratio ‖ΔW‖ / ‖W‖")]
    """Norm of the update of W over the norm of W, for the update that follows the step. `train` takes the update that
    the rule asks for, before rounding; `GradientRecorder` the difference that the optimizer left in the weights."""
    zero_fraction: Annotated[np.ndarray, Quantity("zero fraction", over_shards="share")]
    """Share of the entries of dloss/dW that are exactly zero."""
    subnormal_fraction: Annotated[np.ndarray, Quantity("subnormal fraction", over_shards="share")]
    """Share of the entries of dloss/dW that are subnormal: underflow has begun."""
    applied_gradient_norm: Annotated[NanUnlessGiven, Quantity("applied gradient norm", over_shards="norm")] = (
        NanUnlessGiven(_every_layer)
    )
    """Frobenius norm of the gradient that the optimizer was handed: after clipping."""
    time_ratio: Annotated[NanUnlessGiven, Quantity("time ratio")] = NanUnlessGiven(_every_layer)
    """For a layer called four times or more in one forward pass (a recurrent one: once per time step), delta's root
    mean square at the first call over that at the last; NaN for a layer called less often."""
    distinct_share: Annotated[NanUnlessGiven, Quantity("distinct share", "distinct share of h", unmeasured=_ALONE)] = (
        NanUnlessGiven(_every_layer)
    )
    """Share of h's energy that differs between the batch's examples, mean |h_a - h'|^2 / mean |h_a|^2 with h' the mean
    over examples, an example being its whole tensor, flattened. 0: all the same; 1: nothing in common. From centred
    sums, right down to one rounding. NaN for a single example and where h is 0. Several calls: each by itself."""
    delta_distinct_share: Annotated[
        NanUnlessGiven, Quantity("delta distinct share", "delta distinct share, ∂loss/∂z", unmeasured=_ALONE)
    ] = NanUnlessGiven(_every_layer)
    """The same of delta."""
    effective_rank: Annotated[NanUnlessGiven, Quantity("effective rank", "effective rank of h", unmeasured=_ALONE)] = (
        NanUnlessGiven(_every_layer)
    )
    """Number of directions in which the examples differ, (sum lambda)^2 / sum lambda^2 of the eigenvalues of h's
    covariance over the batch's first 128 examples (fewer, where they have more than 2^20 entries): from 1 to the number
    of examples less 1, or of units. It says nothing of size: examples that differ by rounding have a rank too. NaN
    at most steps: it is taken at about five recorded steps a decade (`recording/hooks/schedule.py`), as it costs
    more. Several calls: their mean."""
    gradient_coherence: Annotated[
        NanUnlessGiven, Quantity("gradient coherence", "gradient coherence", unmeasured=_NOT_LINEAR)
    ] = NanUnlessGiven(_every_layer)
    """How far the examples' gradients g_a of W agree, |mean g_a|^2 / mean |g_a|^2, over the same examples at the same
    steps: 1 where all say the same, 1 / examples where they are strangers, less where they cancel. Of linear layers
    alone: of others, NaN. The bias has no part in it. Several calls: their mean."""


LAYER_QUANTITIES: dict[str, Quantity] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(LayerQuantities, include_extras=True).items()
}
"""The table by name, in the order of files' columns and data frames."""
PREDICTED = ("activation_rms", "delta_rms", "gradient_norm")
"""What theory predicts at step 0, in the order in which they are shown side by side: forwards, backwards, both.

`theory` may not import what is measured, so it names them itself, and a test holds the two equal. (On the ground, where
both could import it, the table would bring axis labels and sharding among the configs.)
"""
MEANING = ("distinct_share", "effective_rank", "gradient_coherence")
"""What says whether a gradient still means anything, in the order in which it is shown: forwards twice, then both."""
