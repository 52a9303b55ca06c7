"""`GradientRecorder`: a context manager whose hooks fill a `Record`, on any `nn.Module`.

A forward hook sets a tensor hook on a layer's pre-activation z, which is handed delta = dloss/dz on the way back, also
where an activation then works in place. Gradients are looked at when a backward pass has ended, and once more when the
optimizer is about to use them. Only small float64 tensors, one number per run, are kept on the device; they are moved
to the host in one transfer at the end of a recorded step.
"""

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vanishlab.errors import InputError, check_integer
from vanishlab.network.mlp import MLP
from vanishlab.recording import reasons
from vanishlab.recording.hooks.all_modules import hooks_for_activations, hooks_for_model
from vanishlab.recording.hooks.backward_passes import BackwardPasses
from vanishlab.recording.hooks.batched_norms import note_gradients, note_unseen
from vanishlab.recording.hooks.find_layers import Choice, find_layers, unwrapped
from vanishlab.recording.hooks.grad_scaler import listen, stop_listening
from vanishlab.recording.hooks.held_parameters import Optimizers, as_tuple
from vanishlab.recording.hooks.loss_watch import LossWatch
from vanishlab.recording.hooks.module_hooks import ModuleHooks
from vanishlab.recording.hooks.one_thread import NO_PASS, OneThread, current_task
from vanishlab.recording.hooks.optimizer_steps import OptimizerSteps
from vanishlab.recording.hooks.parameter_hooks import ParameterHooks
from vanishlab.recording.hooks.replaced import Homes
from vanishlab.recording.hooks.schedule import Schedule
from vanishlab.recording.layer import Layer
from vanishlab.recording.measure import Measure
from vanishlab.recording.record import Record
from vanishlab.recording.recorded_steps import RecordedSteps


class GradientRecorder:
    """Record per-layer gradients, deltas and activations of `model` while it trains.

        with GradientRecorder(model, optimizer, every=10) as recorder:
            for x, y in loader:
                optimizer.zero_grad()
                loss_function(model(x), y).backward()
                optimizer.step()
        recorder.record.delta_rms  # (1, step, layer)

    A step ends when `optimizer` has stepped, or each of several; without an optimizer, call `end_step()` there. What is
    measured is described at `Record`'s fields. Every parameter is either part of a layer or named in
    `Record.unmeasured`, and so is every layer of which something could not be had. What is meant where:

    * A layer's z is the output of its module, the first tensor of a tuple or dict. Delta is multiplied by the number of
      examples, the length of z's first axis, because losses are batch means. Recurrent, attention and Transformer
      modules say themselves (`batch_first`) where their examples are; for other outputs of three or more axes
      `batch_axis` does.
    * The activation h is the output of the activation *module* that takes z, directly or through normalisation and
      dropout. Where none does (a readout, or a function such as `torch.relu`), h is z itself and nothing is saturated.
    * A module called several times, or several backward passes before a step: deltas and activations are those of all
      calls together, the gradient norm is that of the accumulated gradient. Two passes over one graph: delta is that of
      the sum of their losses. What zero_grad has thrown away does not count.
    * A parameter that is replaced by another: the new one's numbers. A layer whose module is replaced or taken out is
      unmeasured from then on.
    * Recurrent layers: z is the state h_t, at all time steps. Closures: the first evaluation, at the weights before the
      step. Several optimizers: of a layer whose optimizer steps more often than others, the first step of each round.
    * Threads: one calls the model, and one backward pass runs at a time; a step with more of them is unmeasured.
    * Distributed training: delta is that of this process's examples, gradients are those of all. With sharded
      parameters (FSDP2) every process must record the same steps.
    * A GradScaler's factor is divided out, and a step that it skips is not recorded.

    `every` is a number of steps, "log" (about 20 steps a decade) or "never". `layers` are names with wildcards or types
    of modules, or several: `layers="encoder.*"`, `layers=(nn.Linear, nn.Conv2d)`. Recording changes no bit of the
    training, and no hook outlives the block. (While it is active, an evaluation takes nn.TransformerEncoder's ordinary
    path instead of its fast one: torch leaves the fast one where hooks are. The results differ by a rounding.)

    `compiled` passes, which numba makes (the extra `fast`), measure a float32 model on the CPU at a fraction of torch's
    cost and to the same six digits. They are taken from the first step on (True), never (False), or, by default, when
    so much is measured that reading them from disk is worth it.

    Raises `InputError` for a model without layers, for a choice that names none, for compiled passes where there can be
    none, and for an attempt to pickle it.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizers = None,
        every: int | str = 1,
        *,
        layers: Choice | Iterable[Choice] | None = None,
        batch_axis: int = 0,
        last_step: int | None = None,
        compiled: bool | None = None,
    ) -> None:
        """Find the layers; `last_step` is recorded whatever `every` says (but "never")."""
        self._schedule = Schedule(every, last_step)
        self._model = unwrapped(model)
        self._runs = self._model.runs if isinstance(self._model, MLP) else 1
        self._layers, unmeasured = find_layers(model, layers, check_integer("batch_axis", batch_axis, 0, 1))
        self._sites = list({id(layer.site): layer.site for layer in self._layers if layer.site is not None}.values())
        self._thread = OneThread()
        self._passes = BackwardPasses(self._thread, self._pass_started, self._pass_ended, self._pass_failed)
        self._measure = Measure(stacked=isinstance(self._model, MLP), compiled=compiled)
        self._module_hooks = ModuleHooks(self._passes, self._measure, self._look_at_modules)
        self._optimizer_steps = OptimizerSteps(
            self._module_hooks,
            self._layers,
            as_tuple(optimizer),
            self.end_step,
            self._step_skipped,
            self._optimizer_looks,
        )
        self._watch = None
        if not isinstance(self._model, MLP):  # whose loop tells all there is to know
            self._watch = LossWatch(self._model, as_tuple(optimizer), self._module_hooks, self._is_done)
        self._homes = Homes(self._model, self._layers)
        self._parameter_hooks = ParameterHooks(
            self._layers, self._thread.alone, self._note_touched, lambda: self._module_hooks.recording
        )
        self.recorded_steps = RecordedSteps(self._layers, self._runs, unmeasured)
        """To be made into a `Record`."""
        self._leave: list[Callable[[], object]] = []
        self._loss: Tensor | None = None
        self._accuracy: Tensor | None = None
        self.step = 0
        """The number of steps that have ended."""
        self.step_ended: list[Callable[[int], object]] = []
        """Called with its number when a recorded step has ended; what one of them raises comes out of the step."""

    def __enter__(self) -> "GradientRecorder":
        """Set the hooks."""
        if self._leave:
            raise InputError("the recorder must not be entered twice, it is active already")
        self._homes.replaced()
        self._parameter_hooks.find_owners()
        try:
            # First: whatever stops `listen` half way, nothing of it stays.
            self._leave.append(functools.partial(stop_listening, self._optimizer_steps))
            listen(self._optimizer_steps)
            modules = hooks_for_model(self._module_hooks, self._model, self._layers)
            watching = self._watch.listen() if self._watch else ()
            for handle in itertools.chain(modules, self._optimizer_steps.hooks(), watching):
                self._leave.append(handle.remove)
            self._begin_step()
        except BaseException:  # Ctrl-C too: a `with` that did not begin does not end either
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove every hook, after an exception too."""
        while self._leave:
            self._leave.pop()()
        self._parameter_hooks.remove()
        self._module_hooks.leave()
        self._forget()

    def __reduce__(self) -> Any:
        """Refuse to be pickled."""
        raise InputError("a recorder must not be pickled or copied, its hooks belong to this process: use its record")

    @property
    def recording(self) -> bool:
        """Whether the step under way is being recorded."""
        return self._module_hooks.recording

    def observe_loss(self, loss: Tensor, accuracy: Tensor | None = None) -> None:
        """Note the step's loss, and its training accuracy, each one number or (run,); they are recorded with it.

        A loss of one number on which `backward()` is called is noted by itself, where there is one optimizer at most;
        what is told here goes before it.
        """
        if self.recording:
            self._loss = loss.detach().reshape(self._runs)
            self._accuracy = None if accuracy is None else accuracy.detach().reshape(self._runs)

    def gradient_norms(self) -> list[Tensor]:
        """Return the weight gradient's norm of each layer in the step under way, float64 (run,); NaN without one."""
        found = [torch.nan if layer.gradient_norm is None else layer.gradient_norm for layer in self._layers]
        device = self._layers[0].weight.device
        return [torch.as_tensor(each, dtype=torch.float64, device=device).expand(self._runs) for each in found]

    def observe_applied(self, norms: list[Tensor]) -> None:
        """Note the norms of each layer's weight gradient, (run,), as an update made by hand is going to use it."""
        if self.recording:
            self._note("applied_gradient_norm", norms)

    def end_step(self, update_norms: list[Tensor] | None = None) -> None:
        """Close the step under way; `update_norms` are those of each layer's weights, (run,)."""
        recorded, step = self.recording, self.step
        self._thread.waiting(self._end_step)(update_norms)
        for call in (*self.step_ended,) if recorded else ():
            call(step)

    def _end_step(self, update_norms: list[Tensor] | None) -> None:
        if self.recording:
            why = reasons.THREADS if self._thread.broken else None
            if not why:
                self._look_again()
                note_unseen(self._layers, self._measure)
            if update_norms is not None:
                self._note("update_norm", update_norms)
            loss = self._watch.loss if self._loss is None and self._watch else self._loss
            self.recorded_steps.add(self.step, loss, self._accuracy, self._passes.with_gradients, why)
            self._forget()
        else:
            self._optimizer_steps.clear()  # of a step that is not recorded nothing else was noted
        self.step += 1
        self._begin_step()

    @property
    def record(self) -> Record:
        """What has been recorded so far."""
        return self.recent(None)

    def recent(self, steps: int | None) -> Record:
        """Return the record of the first recorded step and the last `steps` (1 or more); None is all of them."""
        return self.recorded_steps.to_record(
            last=None if steps is None else check_integer("steps", steps, 1),
            learning_rate=np.full(self._runs, self._optimizer_steps.learning_rate),
            seed=np.full(self._runs, -1, dtype=np.int64),
            diverged_step=np.full(self._runs, -1, dtype=np.int64),
            held=self._optimizer_steps.held(),
            remarks=self._watch.remarks if self._watch else {},
        )

    def _note(self, name: str, values: list[Tensor]) -> None:
        for layer, value in zip(self._layers, values, strict=True):
            layer.step.values[name] = value

    def _begin_step(self) -> None:
        self._thread.clear()
        self._module_hooks.recording = bool(self._leave) and self._schedule.is_recorded(self.step)
        if self._module_hooks.recording:
            self._module_hooks.closely = self._schedule.looks_closely(self.step)
            self._look_again()
            self._parameter_hooks.set()  # of weights that are used where no hook sees the output

    def _note_touched(self, layers: list[Layer]) -> None:
        """Note that these layers have got a gradient."""
        if current_task() != NO_PASS:
            self._passes.with_gradients.add(self._passes.enter())
        if self._watch is not None:
            self._watch.note_touched()
        for layer in layers:
            layer.step.gradient.touched = True

    def _look_at_modules(self) -> None:
        """Watch the activation modules that were put into the model, before they are called."""
        if self._homes.rebuilt():
            hooks = hooks_for_activations(self._module_hooks, self._model, self._layers)
            self._leave.extend(handle.remove for handle in hooks)

    def _look_again(self, *, in_backward: bool = False) -> None:
        """Forget what the step has shown of parameters whose place others have taken."""
        self._look_at_modules()
        changed, with_other_bias = self._homes.replaced(in_backward=in_backward)
        if changed or with_other_bias:
            self._parameter_hooks.find_owners()
            for layer in with_other_bias:
                layer.forget_bias_gradient()
            for layer in changed:
                layer.step.weights_before = None
            replaced = [layer for layer in changed if not layer.step.done]
            self._forget_gradients([layer for layer in self._seen() if layer in replaced])
            for layer in replaced:
                layer.clear()
                layer.step.replaced = True

    def _optimizer_looks(self) -> None:
        """Look again, and drop what passes have shown where zero_grad has left the optimizer nothing of it."""
        self._look_again()
        seen = self._seen()
        if all(layer.was_zeroed() for layer in seen):
            self._forget_gradients(seen)

    def _pass_started(self) -> None:
        """Drop what earlier passes have shown of gradients that zero_grad has thrown away since."""
        self._look_again(in_backward=True)
        self._parameter_hooks.set()
        self._forget_gradients([layer for layer in self._seen() if layer.was_zeroed()])

    def _seen(self) -> list[Layer]:
        return [layer for layer in self._layers if layer.gradient_norm is not None and not layer.step.done]

    def _forget_gradients(self, gone: list[Layer]) -> None:
        """Forget the gradients of some layers, and the deltas that came with them."""
        seen = self._seen()
        if self._watch is not None and gone and len(gone) == len(seen):
            self._watch.clear()
        for layer in gone:
            layer.forget_gradient()
        kept = {id(layer.site) for layer in seen if layer not in gone}
        ended = {id(layer.site) for layer in gone} - kept
        for site in self._sites if gone else ():
            # A site whose weights are frozen goes with all the others.
            if not site.step.closed and (id(site) in ended or len(gone) == len(seen)):
                site.drop(site.step.calls)

    def _pass_failed(self, backward: int) -> None:
        for site in self._sites:
            site.drop([call for call in site.step.calls if call.backward == backward])

    def _pass_ended(self, scale: float) -> None:
        if self._module_hooks.recording:
            touched = [each for each in self._layers if each.step.gradient.touched and not each.step.done]
            note_gradients(touched, self._measure, scale)

    def _step_skipped(self) -> None:
        self.recorded_steps.skipped += 1
        self._loss = self._accuracy = None
        if self._watch is not None:
            self._watch.clear()

    def _forget(self) -> None:
        for each in (*self._layers, *self._sites, self._module_hooks, self._passes, self._optimizer_steps):
            each.clear()
        if self._watch is not None:
            self._watch.clear()
        self._loss = self._accuracy = None

    def _is_done(self) -> bool:
        return all(layer.step.done for layer in self._layers)
