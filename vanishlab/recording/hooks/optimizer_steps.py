"""`OptimizerSteps`: the hooks on optimizers, which see the gradient used and the weights changed, and end the step.

An optimizer that is given a closure evaluates the loss inside its own step, LBFGS several times. The first evaluation
is at the weights that the step starts from, so it is the one that is recorded; the closure is wrapped to see it end.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from torch.amp import GradScaler  # pyright: ignore[reportPrivateImportUsage]
from torch.optim import Optimizer

from vanishlab.recording.hooks.batched_norms import note_applied, note_unseen, note_updates
from vanishlab.recording.hooks.held_parameters import held_parameters
from vanishlab.recording.hooks.module_hooks import ModuleHooks
from vanishlab.recording.layer import Layer


class OptimizerSteps:
    """The optimizers of a step, each of which has to step once until it ends."""

    def __init__(
        self,
        hooks: ModuleHooks,
        layers: list[Layer],
        optimizers: tuple[Optimizer, ...],
        ended: Callable[[], object],
        skipped: Callable[[], object],
        look: Callable[[], object],
    ) -> None:
        """Call `ended` when all have stepped, `skipped` when a GradScaler has kept one from it.

        `look` is called before the weights are looked at: others may have taken their place.
        """
        self._module_hooks = hooks
        self._thread = hooks.passes.thread
        self._layers = layers
        self._optimizers = optimizers
        self._ended = ended
        self._skipped = skipped
        self._look_again = look
        self._stepped: set[int] = set()
        self._versions: dict[int, list[int]] = {}  # of the weights that no optimizer here holds, at first sight
        self._ran = False

    @property
    def learning_rate(self) -> float:
        """The first optimizer's, at present; NaN without one."""
        return float(self._optimizers[0].param_groups[0]["lr"]) if self._optimizers else math.nan

    def hooks(self) -> Iterator[Any]:
        """Set the hooks on the optimizers."""
        for optimizer in self._optimizers:
            yield optimizer.register_step_pre_hook(self._thread.waiting(self._before))
            yield optimizer.register_step_post_hook(self._thread.waiting(self._after))

    def held(self) -> dict[str, str]:
        """Return for each layer's name "yes", "no" or "elsewhere" (`LayerFacts.held`); nothing without an optimizer."""
        if not self._optimizers:
            return {}
        owned = set(map(id, held_parameters(self._optimizers)))
        return {layer.name: self._holder(layer, owned) for layer in self._layers}

    def clear(self) -> None:
        """Forget the step."""
        self._stepped.clear()

    def loss_scaled(self, loss: Tensor, scaler: GradScaler) -> None:
        """Have the pass that starts from `loss` know the scaler's factor."""
        if self._module_hooks.recording and loss.requires_grad:
            hooks, scale = self._module_hooks, scaler.get_scale()
            note = self._thread.alone(hooks.passes.note_scale)
            loss.register_hook(lambda _: note(scale) if hooks.recording else None)

    def step_starts(self, optimizer: Any) -> None:
        """Watch whether the scaler lets the optimizer step."""
        self._ran = optimizer not in self._optimizers

    def step_made(self, optimizer: Any) -> None:
        """Forget what was seen, if the scaler has not."""
        if not self._ran:
            self._skip(optimizer)

    def _before(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        self._ran = True
        if not self._module_hooks.recording or self._thread.broken:
            return None
        self._look_again()
        for layer in self._layers:
            self._versions.setdefault(id(layer), [weight._version for weight in layer.weights])
        layers = [layer for layer in self._of(optimizer) if not layer.step.done]
        for layer in [*layers, *self._of(None)]:
            if layer.step.weights_before is None:
                layer.keep_weights()
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self._look(optimizer, layers)
            return None
        closure = self._looking_once(closure, optimizer, layers)
        if "closure" in kwargs:
            return args, kwargs | {"closure": closure}
        return (args[0], closure, *args[2:]), kwargs

    def _looking_once(self, closure: Callable[[], Any], optimizer: Any, layers: list[Layer]) -> Callable[[], Any]:
        evaluations = 0

        def evaluate() -> Any:
            nonlocal evaluations
            value = closure()
            evaluations += 1
            if evaluations == 1 and self._module_hooks.recording and not self._thread.broken:
                self._look_again()
                self._look(optimizer, layers)
                self._close(layers)
            return value

        return evaluate

    def _look(self, optimizer: Any, layers: list[Layer]) -> None:
        scale = getattr(optimizer, "grad_scale", None)  # a fused optimizer divides by it itself
        note_unseen(layers, self._module_hooks.measure)
        note_applied(layers, self._module_hooks.measure, 1.0 if scale is None else float(scale))

    def _after(self, optimizer: Any, *_: Any) -> None:
        if self._module_hooks.recording:
            found = getattr(optimizer, "found_inf", None)  # a fused optimizer skips the step itself
            if found is not None and float(found) > 0:
                self._skip(optimizer)
                return
            if not self._thread.broken:
                self._look_again()
                layers = self._of(optimizer)
                note_updates(layers, self._module_hooks.measure)
                self._close(layers)
        self._stepped.add(id(optimizer))
        if len(self._stepped) == len(self._optimizers):
            if not self._thread.broken:
                note_updates(self._of(None), self._module_hooks.measure)
            self._ended()

    def _skip(self, optimizer: Any) -> None:
        self._ran = True
        layers = [layer for layer in self._of(optimizer) if not layer.step.done]
        for layer in layers:
            layer.clear()
        for site in {id(layer.site): layer.site for layer in layers if layer.site is not None}.values():
            site.clear()
        self._skipped()

    def _close(self, layers: list[Layer]) -> None:
        for layer in layers:
            layer.step.done = True
        still_open = {id(layer.site) for layer in self._layers if not layer.step.done}
        for layer in layers:
            if layer.site is not None and id(layer.site) not in still_open:
                layer.site.step.closed = True

    def _of(self, optimizer: Any) -> list[Layer]:
        """Return the layers whose weights `optimizer` has; for None those that no optimizer has."""
        if len(self._optimizers) == 1:
            return [] if optimizer is None else self._layers
        owned = set(map(id, held_parameters(self._optimizers if optimizer is None else (optimizer,))))
        return [
            layer
            for layer in self._layers
            if any(id(weight) in owned for weight in layer.weights) is (optimizer is not None)
        ]

    def _holder(self, layer: Layer, owned: set[int]) -> str:
        if any(id(weight) in owned for weight in layer.weights):
            return "yes"
        first = self._versions.get(id(layer))
        changed = first is not None and [weight._version for weight in layer.weights] != first
        return "elsewhere" if changed else "no"
