"""How a copy of the model is trained in a trial: by plain gradient descent or by the user's own optimizer."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from vanishlab.errors import InputError
from vanishlab.recording.norms import slice_norms
from vanishlab.training.descent import descend


@dataclass(frozen=True)
class Setting:
    """How a copy is trained, beside its modules."""

    learning_rate: float
    warm_up: int = 0
    clip_norm: float | None = None
    loss_scale: float = 1.0
    wide: bool = False
    optimizer: Callable[..., torch.optim.Optimizer] | None = None
    """Called with the parameters and `lr`; None is plain gradient descent."""


class Descent(torch.optim.Optimizer):
    """Plain gradient descent in float32 or wider, or the user's own optimizer, with what a `Setting` asks for."""

    def __init__(self, model: nn.Module, setting: Setting) -> None:
        """Hold what of `model` asks for a gradient. Raises `InputError` where the setting makes no optimizer."""
        held = [p for p in model.parameters() if p.requires_grad]
        super().__init__(held, {"lr": setting.learning_rate})
        self._setting = setting
        self._made = 0
        self._own = None if setting.optimizer is None else setting.optimizer(held, lr=setting.learning_rate)
        if setting.optimizer is not None and not isinstance(self._own, torch.optim.Optimizer):
            kind = type(self._own).__name__
            raise InputError(f"optimizer must make a torch.optim.Optimizer from parameters and lr, got {kind}")
        self._rates = [] if self._own is None else [group["lr"] for group in self._own.param_groups]
        self.loss_scale = setting.loss_scale

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update the weights by their gradients."""
        setting = self._setting
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        gradients = [p.grad.float() if p.element_size() < 4 else p.grad for p in held]
        gradients = [gradient.to_dense() / self.loss_scale for gradient in gradients]
        if self.loss_scale > 1.0 and not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
            self.loss_scale /= 2.0
            return
        factor = 1.0
        if setting.clip_norm is not None and gradients:
            norm = math.hypot(*(float(slice_norms(gradient.contiguous(), 1)) for gradient in gradients))
            factor = min(1.0, setting.clip_norm / norm) if norm > 0 else 1.0
        self._made += 1
        warm = min(1.0, self._made / setting.warm_up if setting.warm_up else 1.0)
        if self._own is not None:
            for parameter, gradient in zip(held, gradients, strict=True):
                parameter.grad = (gradient * factor).to(parameter.dtype)
            for group, rate in zip(self._own.param_groups, self._rates, strict=True):
                group["lr"] = rate * warm
            self._own.step()
            return
        rate = self.param_groups[0]["lr"] * warm
        for parameter, gradient in zip(held, gradients, strict=True):
            parameter.copy_(descend(parameter.to(gradient.dtype), gradient * factor, rate))
