"""`Update`: the next update of every run of a stack, and for one that diverges the way back to a finite state."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from vanishlab.config import TrainingConfig
from vanishlab.network.mlp import MLP, StackedNorm
from vanishlab.recording.norms import joint_norm, slice_norms
from vanishlab.recording.recorder import GradientRecorder
from vanishlab.training.descent import (
    Moments,
    accumulate,
    adam_direction,
    adam_moments,
    clip_factor,
    descend,
    rate_factor,
)


class Update:
    """The runs' next update: the learning rates, what the strategy keeps between steps, and the last finite state.

        with update.step(step, recorder):
            loss = ...                           # (run,), from the forward pass
            update.freeze_diverged(step, loss)
            loss.sum().backward()

    A state consists of the parameters and of batch norm's running statistics, which move in the forward pass.
    """

    def __init__(self, model: MLP, training: TrainingConfig, rates: list[float]) -> None:
        """Take `model`'s parameters, and a learning rate for each of its runs."""
        self._training = training
        self._rates = torch.tensor(rates, dtype=torch.float64, device=model.readout.weight.device)  # (run,)
        self._blocks = [list(block.parameters()) for block in [*model.blocks, model.readout]]
        self._weights: list[Tensor] = [layer.weight for layer in model.linear_layers]
        self._norms = [norm for norm in model.modules() if isinstance(norm, StackedNorm) and norm.kind == "batch"]
        self._velocities: dict[Tensor, Tensor] = {}
        self._moments: dict[Tensor, Moments] = {}
        self._frozen = torch.zeros(len(rates), dtype=torch.bool)  # (run,)
        self.diverged_step = np.full(len(rates), -1, dtype=np.int64)
        """The step in which each run's loss was no longer finite, (run,), -1 of those whose always was."""
        self._statistics: list[tuple[Tensor, Tensor]] = []  # before the forward pass
        self._before: dict[Tensor, Tensor] = {}  # the state before the last update
        self._statistics_before: list[tuple[Tensor, Tensor]] = []

    @contextlib.contextmanager
    def step(self, step: int, recorder: GradientRecorder) -> Iterator[None]:
        """Update the runs by the gradients that the `with` block has computed, and end the recorder's step.

        After the last step, that of number `steps`, the runs stay where they are: its update is only recorded.
        """
        last = step == self._training.steps
        self._statistics = [norm.statistics for norm in self._norms]
        self._statistics_before = self._statistics_before or self._statistics
        self._forget_gradients()
        yield
        self._hold_statistics(everything=last)
        recorder.end_step(self._make(step, recorder, apply=not last))

    def freeze_diverged(self, step: int, loss: Tensor) -> None:
        """Put runs whose loss (run,) is not finite back to the state before the last update, for good."""
        finite = torch.isfinite(loss.detach())
        if finite.all():
            return
        gone = ~finite.cpu().numpy() & (self.diverged_step < 0)  # (run,)
        self.diverged_step[gone] = step
        chosen = torch.from_numpy(gone)
        self._frozen = self._frozen | chosen
        for parameter, before in self._before.items():
            parameter.data[chosen] = before[chosen]
        for kept, before in zip(self._statistics, self._statistics_before, strict=True):
            for tensor, earlier in zip(kept, before, strict=True):
                tensor[chosen] = earlier[chosen]

    def _forget_gradients(self) -> None:
        """Forget the gradients, as the model's `zero_grad` does, without a search through its modules."""
        for block in self._blocks:
            for parameter in block:
                parameter.grad = None

    def _hold_statistics(self, *, everything: bool) -> None:
        """Take the forward pass's effect on the statistics back: of frozen runs, or of all."""
        chosen = torch.ones_like(self._frozen) if everything else self._frozen
        if chosen.any():
            for norm, statistics in zip(self._norms, self._statistics, strict=True):
                norm.restore(statistics, chosen)

    @torch.no_grad()
    def _make(self, step: int, recorder: GradientRecorder, *, apply: bool) -> list[Tensor] | None:
        """Apply the update to every parameter; return its norm in each layer's weights, (run,), if it is recorded."""
        training = self._training
        rates = self._rates * rate_factor(training.schedule, step, training.steps, training.warmup_steps)
        adam = training.optimizer == "adam"
        plain = not (adam or training.momentum or training.clip_norm or training.normalize_gradients)
        norms = dict(zip(self._weights, recorder.gradient_norms(), strict=True)) if recorder.recording else {}
        applied = dict(norms)
        frozen = bool(self._frozen.any())
        scales = [rates.view(-1, *(1 for _ in range(axes))).to(self._blocks[0][0].dtype) for axes in range(3)]
        for parameter, gradient in self._scaled_gradients():
            if parameter in applied and (training.clip_norm or training.normalize_gradients):
                applied[parameter] = slice_norms(gradient, len(rates))
            if training.momentum > 0:
                gradient = accumulate(self._velocities.get(parameter), gradient, training.momentum)
            moments = adam_moments(self._moments.get(parameter), gradient) if adam else None
            if moments is not None:
                gradient = adam_direction(moments, step + 1)
            if parameter in norms and not plain:
                norms[parameter] = slice_norms(gradient, len(rates))
            if not apply:
                continue
            if training.momentum > 0:
                self._velocities[parameter] = gradient
            if moments is not None:
                self._moments[parameter] = moments
            now = parameter.data
            new = descend(now, gradient, scales[gradient.ndim - 1])
            if frozen:
                new[self._frozen] = now[self._frozen]
            self._before[parameter] = now
            parameter.data = new
        self._statistics_before = self._statistics
        recorder.observe_applied(list(applied.values()))
        return list((rates * torch.stack(list(norms.values()))).unbind()) if recorder.recording else None

    def _scaled_gradients(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each parameter that has a gradient, and the gradient, clipped or normalised."""
        clip = self._training.clip_norm
        total = joint_norm([self._norm(block) for block in self._blocks]) if clip else None
        for block in self._blocks:
            norm = self._norm(block) if self._training.normalize_gradients else None
            for parameter in block:
                gradient = parameter.grad
                if gradient is None:  # a frozen parameter
                    continue
                if clip and total is not None:
                    gradient = (gradient.double() * _over(clip_factor(total, clip), gradient)).to(gradient.dtype)
                elif norm is not None:
                    # Divided in float64: one over a norm of 1e-40 is more than float32 can hold.
                    divisor = _over(torch.where(norm > 0, norm, 1.0), gradient)
                    gradient = (gradient.double() / divisor).to(gradient.dtype)
                yield parameter, gradient

    def _norm(self, block: list[Tensor]) -> Tensor:
        norms = [slice_norms(parameter.grad, len(self._rates)) for parameter in block if parameter.grad is not None]
        return joint_norm(norms) if norms else torch.zeros_like(self._rates)


def _over(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *(1 for _ in range(like.ndim - 1)))  # (run,) -> (run, 1, ...)
