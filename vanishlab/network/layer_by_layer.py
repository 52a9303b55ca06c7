"""The forward pass of an `MLP` layer by layer, past every hook and leaving no trace in the network.

What is computed from it (deltas, Jacobians, curvature) may be asked for at any moment, in the middle of a recorded
step too: no hook is called, no gradient accumulates, and batch norm's running statistics stay where they are.
"""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from vanishlab.errors import InputError, check_array, check_integer
from vanishlab.network.mlp import MLP, Block, StackedNorm


def layer_outputs(model: MLP, h: Tensor, first: int = 1, last: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield z_l and h_l, each (run, example, fan_out), of layers `first` to `last` from h_{first-1}, in h's dtype.

    Layer L + 1 is the readout, where both are the logits.
    """
    last = model_depth(model) + 1 if last is None else last
    for layer in range(first, last + 1):
        if layer > model_depth(model):
            logits = model.readout.forward(h)
            yield logits, logits
            return
        block = model.blocks[layer - 1]
        assert isinstance(block, Block)
        z, h = block.past_hooks(h)
        yield z, h


@contextlib.contextmanager
def statistics_kept(model: MLP) -> Iterator[None]:
    """Put batch norm's running statistics back when the block ends."""
    norms = [norm for norm in model.modules() if isinstance(norm, StackedNorm) and norm.kind == "batch"]
    kept = [norm.statistics for norm in norms]  # a forward pass puts new tensors in their place
    try:
        yield
    finally:
        for norm, (mean, variance) in zip(norms, kept, strict=True):
            norm.running_mean, norm.running_variance = mean, variance


def model_depth(model: MLP) -> int:
    """Return the number of hidden layers."""
    return len(model.blocks)


def model_inputs(model: MLP, x: ArrayLike | Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return x as (run, example, features) on the model's device, in `dtype` or that of its parameters.

    Raises `InputError` for another shape and for entries that are not finite.
    """
    weight = model.readout.weight
    values = x.detach() if isinstance(x, Tensor) else torch.from_numpy(check_array("x", x))
    if (
        values.shape[-1:] != (model.features,)
        or values.ndim not in (2, 3)
        or values.shape[:-2] not in ((), (model.runs,))
    ):
        raise InputError(
            f"x must have shape (example, {model.features}) or ({model.runs}, example, {model.features}), "
            f"got {tuple(values.shape)}"
        )
    if values.shape[-2] == 0:
        raise InputError("x must hold at least one example, got none")
    values = values.to(weight.device, dtype or weight.dtype)
    if not bool(torch.isfinite(values).all()):
        raise InputError("x must be finite, got NaN or infinity")
    return values.expand(model.runs, -1, -1)


def model_labels(model: MLP, x: Tensor, y: ArrayLike | Tensor) -> Tensor:
    """Return labels for x (run, example, features), checked: (example,) or (run, example).

    Raises `InputError` for another shape and for labels that are no class numbers of the model.
    """
    values = y.detach() if isinstance(y, Tensor) else torch.from_numpy(check_array("y", y))
    runs, examples = x.shape[:2]
    if tuple(values.shape) not in ((examples,), (runs, examples)):
        raise InputError(
            f"y must have shape ({examples},) or ({runs}, {examples}) to match x, got {tuple(values.shape)}"
        )
    labels = values.to(x.device, torch.int64)
    classes = model.readout.weight.shape[1]
    if bool((labels != values.to(x.device)).any()) or bool((labels < 0).any()) or bool((labels >= classes).any()):
        raise InputError(f"y must be class numbers from 0 to {classes - 1}, got others")
    return labels


def check_layers(model: MLP, first: int, last: int | None) -> tuple[int, int]:
    """Return layer numbers `first` and `last`, checked: 1 to L + 1, in order; None is L + 1, the readout."""
    layers = model_depth(model) + 1
    last = layers if last is None else check_integer("last", last, 1, layers)
    return check_integer("first", first, 1, last), last


def to_numpy(values: Tensor) -> np.ndarray:
    """Return a float64 array on the host."""
    return values.detach().double().cpu().numpy()
