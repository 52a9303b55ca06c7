"""`LossWatch`: what a recorder notes of the loss and of the model as a whole, without being told.

It sees `backward()` called on the loss, and the model's own inputs and outputs. What the graph gives away is looked for
once, in the first recorded step.
"""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.amp import GradScaler  # pyright: ignore[reportPrivateImportUsage]
from torch.optim import Optimizer
from torch.utils.weak import WeakTensorKeyDictionary

from vanishlab.recording import remarks
from vanishlab.recording.hooks import grad_scaler, losses
from vanishlab.recording.hooks.constant_answer import ConstantAnswer
from vanishlab.recording.hooks.held_parameters import held_parameters
from vanishlab.recording.hooks.loss_graph import blown_up, normalised_twice
from vanishlab.recording.hooks.module_hooks import Hook, ModuleHooks, tensors_in
from vanishlab.recording.hooks.outside import listed_names, outside_parameters

_SLOPES: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "SigmoidBackward0": ("sigmoid", lambda h: 4 * h * (1 - h)),
    "TanhBackward0": ("tanh", lambda h: 1 - h * h),
}
"""phi's slope over its largest one, from what phi returned."""


class LossWatch:
    """The loss of the step under way, and remarks."""

    def __init__(
        self,
        model: nn.Module,
        optimizers: tuple[Optimizer, ...],
        hooks: ModuleHooks,
        over: Callable[[], bool],
    ) -> None:
        """Look away unless `hooks` are recording, and where the step is `over()` but for its end."""
        self._model = model
        self._optimizers = optimizers
        self._module_hooks = hooks
        self._over = over
        self._touched = False
        self._outputs: list[Tensor] | None = []
        self._looked = False
        self._scales: Any = WeakTensorKeyDictionary()
        self._constant = ConstantAnswer()
        self._remarks: dict[str, str] = {}
        self.loss: Tensor | None = None
        """The sum of the losses of the step whose backward passes reached the model."""

    @property
    def remarks(self) -> dict[str, str]:
        """What was seen so far, for `Record.remarks`."""
        constant = self._constant.loss()
        known = {remarks.CONSTANT: repr(constant)} if constant == constant else {}
        if self._constant.of_classes:
            known[remarks.CLASSES] = "yes"
        return self._remarks | known

    def listen(self) -> Iterator[Any]:
        """Begin; what is handed out has a method `remove`, which ends it."""
        yield self._model.register_forward_hook(Hook(self._called, self._module_hooks), with_kwargs=True)
        for place in (grad_scaler, losses):
            yield _Listening(place, self)
            place.listen(self)

    def clear(self) -> None:
        """Forget the step."""
        self.loss = None
        if self._outputs:
            self._outputs = []

    def note_touched(self) -> None:
        """A gradient has come to a parameter of the model."""
        self._touched = True

    def backward_starts(self, loss: Tensor) -> None:
        """Look at the loss's graph, while it is there."""
        self._touched = False
        if not self._watches(loss):
            return
        if not self._looked:
            self._looked = True
            for key, found in (
                (remarks.TWICE, normalised_twice(loss)),
                (remarks.BROADCAST, blown_up(loss, self._outputs or [])),
            ):
                if found:
                    self._remarks[key] = found
            self._outputs = None
        self._constant.note(loss)

    def backward_ended(self, loss: Tensor) -> None:
        """Take the loss, if its backward pass has reached the model."""
        if self._touched and self._watches(loss):
            value = loss.detach().reshape(1) / self._scales.get(loss, 1.0)
            self.loss = value if self.loss is None else self.loss + value

    def loss_scaled(self, loss: Tensor, scaler: GradScaler) -> None:
        """Remember by what `loss` has been multiplied."""
        self._scales[loss] = scaler.get_scale()

    def step_starts(self, optimizer: Any) -> None:
        """Nothing to note."""

    def step_made(self, optimizer: Any) -> None:
        """Nothing to note."""

    def _watches(self, loss: Tensor) -> bool:
        # Several optimizers have losses of their own, whose sum says nothing.
        return self._module_hooks.recording and loss.numel() == 1 and len(self._optimizers) < 2 and not self._over()

    def _called(self, model: nn.Module, inputs: Any, keywords: Any, output: Any) -> None:
        outputs = self._outputs  # which a backward pass in another thread may take away
        if outputs is None:
            return
        made = [each for each in tensors_in(output) if each.requires_grad]
        if made and not outputs:
            held = held_parameters(self._optimizers)
            names = outside_parameters(model, tensors_in((inputs, keywords)), made, held)
            if names:
                self._remarks[remarks.OUTSIDE] = listed_names(names)
            if isinstance(output, Tensor) and output.grad_fn is not None and output.grad_fn.name() in _SLOPES:
                phi, slope = _SLOPES[output.grad_fn.name()]
                self._remarks[remarks.SLOPE] = f"{phi}, {float(slope(output.detach().double()).mean())!r}"
        outputs += made


class _Listening:
    def __init__(self, place: Any, watch: LossWatch) -> None:
        self._place = place
        self._watch = watch

    def remove(self) -> None:
        self._place.stop_listening(self._watch)
