"""The loss of any model on one batch: how `examine` and `try_remedies` call the user's model and loss."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vanishlab.errors import InputError

_WHOLE = ("model", "net", "network", "module")  # names of a first parameter that wants the model, not its output,
_BATCH = ("batch", "data")  # and of a second one that wants the whole batch, not the targets


class Objective(NamedTuple):
    """A batch's loss, and what it was computed from; outputs and targets are None where the loss takes the model."""

    loss: Tensor
    outputs: Any
    targets: Any


def compute_loss(model: nn.Module, loss_fn: Callable[..., Tensor], batch: Any) -> Objective:
    """Return the loss of `model` on `batch`.

    A batch (inputs, targets) gives loss_fn(model(inputs), targets); inputs in a tuple or a dict are handed on as
    arguments. Any other batch goes to the model whole, and its outputs to loss_fn, with the batch where that takes two
    arguments. A loss_fn whose first parameter is named "model", or its second
    "batch", is called as loss_fn(model, batch).

    Raises `InputError` for a loss that is not one number.
    """
    names = _parameters(loss_fn)
    outputs = targets = None
    if names and (names[0] in _WHOLE or names[1:2] in ([name] for name in _BATCH)):
        loss = loss_fn(model, batch)
    else:
        pair = isinstance(batch, (tuple, list)) and len(batch) >= 2
        inputs = batch if not pair else batch[0] if len(batch) == 2 else tuple(batch)[:-1]
        targets = batch[len(batch) - 1] if pair else batch
        if isinstance(inputs, Mapping):
            outputs = model(**inputs)
        else:
            outputs = model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)
        if not pair and len(names) == 1:
            targets = None
            loss = loss_fn(outputs)
        else:
            loss = loss_fn(outputs, targets)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise InputError(f"loss_fn must return one number as a tensor, got {got}")
    return Objective(loss.reshape(()), outputs, targets)


def exchanged_loss(found: Objective, loss_fn: Callable[..., Tensor], draws: int = 4) -> float | None:
    """Return the loss of the same outputs with the targets exchanged between examples, the mean over `draws`.

    A net that has learned nothing does not notice. None where outputs and targets are not tensors over examples.
    """
    y = found.targets
    if not isinstance(y, Tensor) or not isinstance(found.outputs, Tensor) or y.ndim == 0 or len(y) < 2:
        return None
    outputs = found.outputs.detach()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        orders = [torch.randperm(len(y), generator=generator).to(y.device) for _ in range(draws)]
        return sum(float(loss_fn(outputs, y[order])) for order in orders) / draws


def copied(batch: Any) -> Any:
    """Return the batch with every tensor copied, so that a model that works in place leaves the user's alone."""
    if isinstance(batch, Tensor):
        return batch.detach().clone()
    if isinstance(batch, Mapping):
        return {name: copied(value) for name, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return tuple(copied(value) for value in batch)
    return batch


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-ins have no signature
        return []
    return [each.name for each in found if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
