"""A layer whose weights start at zero, as heads often do, stops delta before the first step: a look after one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vanishlab.analysis.copies import copy_inside
from vanishlab.analysis.objective import compute_loss, copied
from vanishlab.recording.hooks.find_layers import find_layers


def after_a_step(model: nn.Module, loss_fn: Callable[..., Tensor], batch: Any, name: str) -> nn.Module | None:
    """Return a copy of `model` in which the layer `name` has made one step against its gradient; None without one.

    The step is as large as weights usually are, a root mean square of 1 / sqrt(fan_in), so that delta behind it is
    neither small nor large for the step's sake. Raises `InputError` for a model that cannot be copied.
    """
    twin = copy_inside(model)
    with torch.enable_grad():
        compute_loss(twin, loss_fn, copied(batch)).loss.backward()
    weights = [weight for layer in find_layers(twin)[0] if layer.name == name for weight in layer.weights]
    for weight in weights:
        size = 0.0 if weight.grad is None else float(weight.grad.double().square().mean().sqrt())
        if weight.grad is None or not 0.0 < size < torch.inf:
            return None
        with torch.no_grad():
            weight -= (weight.grad.double() * (weight[0].numel() ** -0.5 / size)).to(weight.dtype)
    twin.zero_grad(set_to_none=True)
    return twin
