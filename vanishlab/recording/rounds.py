"""When a step ends: each optimizer has stepped. What is looked at just before and just after an optimizer does.

An optimizer that is given a closure evaluates the loss inside its own step, LBFGS several times. The first evaluation
is at the weights that the step starts from, so it is the one that is recorded; the closure is wrapped to see it end.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler  # pyright: ignore[reportPrivateImportUsage]
from torch.optim import Optimizer

from vanishlab.measurement import Layer
from vanishlab.recording.together import note_applied, note_gradients, note_updates
from vanishlab.recording.watch import Watch


class Rounds:
    """The optimizers of a step, each of which has to step once until it ends."""

    def __init__(
        self,
        watch: Watch,
        layers: list[Layer],
        optimizers: tuple[Optimizer, ...],
        ended: Callable[[], object],
        skipped: Callable[[], object],
    ) -> None:
        """Call `ended` when all have stepped, `skipped` when a GradScaler has kept one from it."""
        self._watch = watch
        self._layers = layers
        self._optimizers = optimizers
        self._ended = ended
        self._skipped = skipped
        self._stepped: set[int] = set()
        self._ran = False

    @property
    def learning_rate(self) -> float:
        """The first optimizer's, at present; NaN without one."""
        return float(self._optimizers[0].param_groups[0]["lr"]) if self._optimizers else math.nan

    def hooks(self) -> Iterator[Any]:
        """Set the hooks on the optimizers."""
        for optimizer in self._optimizers:
            yield optimizer.register_step_pre_hook(self._before)
            yield optimizer.register_step_post_hook(self._after)

    def clear(self) -> None:
        """Forget the step."""
        self._stepped.clear()

    def look_at_unseen(self, layers: list[Layer]) -> None:
        """Take in gradients that no backward pass has brought in this step: put there by hand, or left from before.

        All zeros are none: they are what zero_grad(set_to_none=False) leaves to a layer that was not used.
        """
        # What was touched and not taken in yet was so outside of autograd's own passes.
        note_gradients([layer for layer in layers if layer.touched and not layer.done])
        unseen = [layer for layer in layers if layer.gradient_norm is None and not layer.done and layer.has_gradient]
        note_gradients(unseen)
        norms = [layer.gradient_norm.sum() for layer in unseen if layer.gradient_norm is not None]
        if norms:
            for layer, norm in zip(unseen, torch.stack(norms).tolist(), strict=True):
                if norm == 0:
                    layer.forget_gradient()

    def loss_scaled(self, loss: Tensor, scaler: GradScaler) -> None:
        """Have the pass that starts from `loss` know the scaler's factor."""
        if self._watch.on and loss.requires_grad:
            scale = scaler.get_scale()
            loss.register_hook(lambda _: self._watch.passes.scaled_by(scale) if self._watch.on else None)

    def step_starts(self, optimizer: Any) -> None:
        """Watch whether the scaler lets the optimizer step."""
        self._ran = optimizer not in self._optimizers

    def step_made(self, optimizer: Any) -> None:
        """Forget what was seen, if the scaler has not."""
        if not self._ran:
            self._skip(optimizer)

    def _before(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        self._ran = True
        if not self._watch.on:
            return None
        layers = [layer for layer in self._of(optimizer) if not layer.done]
        for layer in [*layers, *self._of(None)]:
            if layer.weights_before is None:
                layer.keep_weights()
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self._look(optimizer, layers)
            return None
        closure = self._first_only(closure, optimizer, layers)
        if "closure" in kwargs:
            return args, kwargs | {"closure": closure}
        return (args[0], closure, *args[2:]), kwargs

    def _first_only(self, closure: Callable[[], Any], optimizer: Any, layers: list[Layer]) -> Callable[[], Any]:
        evaluations = 0

        def evaluate() -> Any:
            nonlocal evaluations
            value = closure()
            evaluations += 1
            if evaluations == 1 and self._watch.on:
                self._look(optimizer, layers)
                self._close(layers)
            return value

        return evaluate

    def _look(self, optimizer: Any, layers: list[Layer]) -> None:
        scale = getattr(optimizer, "grad_scale", None)  # a fused optimizer divides by it itself
        self.look_at_unseen(layers)
        note_applied(layers, 1.0 if scale is None else float(scale))

    def _after(self, optimizer: Any, *_: Any) -> None:
        if self._watch.on:
            found = getattr(optimizer, "found_inf", None)  # a fused optimizer skips the step itself
            if found is not None and float(found) > 0:
                self._skip(optimizer)
                return
            layers = self._of(optimizer)
            note_updates(layers)
            self._close(layers)
        self._stepped.add(id(optimizer))
        if len(self._stepped) == len(self._optimizers):
            note_updates(self._of(None))
            self._ended()

    def _skip(self, optimizer: Any) -> None:
        self._ran = True
        layers = [layer for layer in self._of(optimizer) if not layer.done]
        for layer in layers:
            layer.clear()
        for site in {id(layer.site): layer.site for layer in layers if layer.site is not None}.values():
            site.clear()
        self._skipped()

    def _close(self, layers: list[Layer]) -> None:
        for layer in layers:
            layer.done = True
        still_open = {id(layer.site) for layer in self._layers if not layer.done}
        for layer in layers:
            if layer.site is not None and id(layer.site) not in still_open:
                layer.site.closed = True

    def _of(self, optimizer: Any) -> list[Layer]:
        """Return the layers whose weights `optimizer` has; for None those that no optimizer has."""
        if len(self._optimizers) == 1:
            return [] if optimizer is None else self._layers
        owners = self._optimizers if optimizer is None else (optimizer,)
        owned = {id(parameter) for owner in owners for group in owner.param_groups for parameter in group["params"]}
        return [
            layer
            for layer in self._layers
            if any(id(weight) in owned for weight in layer.weights) is (optimizer is not None)
        ]
