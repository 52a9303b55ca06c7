"""`GradientRecorder`: a context manager whose hooks fill a `Record`, on any `nn.Module`.

A forward hook sets a tensor hook on a layer's pre-activation z, which is handed delta = dloss/dz on the way back, also
where an activation then works in place. Gradients are looked at when a backward pass has ended, and once more when the
optimizer is about to use them. Only small float64 tensors, one number per run, are kept on the device; they are moved
to the host in one transfer at the end of a recorded step.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from vanishlab.errors import InputError, check_choice, check_integer
from vanishlab.measurement import Layer, Site
from vanishlab.network import MLP
from vanishlab.record import Record
from vanishlab.recording.attention import hooks_for_attention
from vanishlab.recording.find import Choice, find_layers, is_attention, unwrapped
from vanishlab.recording.passes import NO_PASS, Passes, current_task
from vanishlab.recording.recurrent import hooks_for_recurrent
from vanishlab.recording.rounds import Rounds
from vanishlab.recording.scaling import listen, stop_listening
from vanishlab.recording.together import note_gradients
from vanishlab.recording.watch import Watch
from vanishlab.rows import Rows

_STEPS_PER_DECADE = 20  # of every="log"


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
    * Recurrent layers: z is the state h_t, at all time steps. Closures: the first evaluation, at the weights before the
      step. Several optimizers: of a layer whose optimizer steps more often than others, the first step of each round.
    * Distributed training: delta is that of this process's examples, gradients are those of all. With sharded
      parameters (FSDP2) every process must record the same steps.
    * A GradScaler's factor is divided out, and a step that it skips is not recorded.

    `every` is a number of steps, "log" (about 20 steps a decade) or "never". `layers` are names with wildcards or types
    of modules, or several: `layers="encoder.*"`, `layers=(nn.Linear, nn.Conv2d)`. Recording changes no bit of the
    training, and no hook outlives the block. (While it is active, an evaluation takes nn.TransformerEncoder's ordinary
    path instead of its fast one: torch leaves the fast one where hooks are. The results differ by a rounding.)

    Raises `InputError` for a model without layers, for a choice that names none, and for an attempt to pickle it.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Iterable[Optimizer] | None = None,
        every: int | str = 1,
        *,
        layers: Choice | Iterable[Choice] | None = None,
        batch_axis: int = 0,
        last_step: int | None = None,
    ) -> None:
        """Find the layers; `last_step` is recorded whatever `every` says (but "never")."""
        if isinstance(every, str):
            check_choice("every (or a number of steps)", every, ("log", "never"))
        else:
            every = check_integer("every", every, 1)
        self._model = unwrapped(model)
        self._runs = self._model.runs if isinstance(self._model, MLP) else 1
        self._every = every
        self._last_step = last_step
        self._layers, unmeasured = find_layers(model, layers, check_integer("batch_axis", batch_axis, 0, 1))
        self._sites = list({id(layer.site): layer.site for layer in self._layers if layer.site is not None}.values())
        self._passes = Passes(self._pass_started, self._pass_ended, self._pass_failed)
        self._watch = Watch(self._passes)
        self._rounds = Rounds(self._watch, self._layers, _as_tuple(optimizer), self.end_step, self._step_skipped)
        self.rows = Rows(self._layers, self._runs, unmeasured)
        """The recorded steps, to be made into a `Record`."""
        self._leave: list[Callable[[], object]] = []
        self._owners: dict[Tensor, list[Layer]] = {}  # of the parameters that have a hook
        self._loss: Tensor | None = None
        self._accuracy: Tensor | None = None
        self.step = 0
        """The number of steps that have ended."""

    def __enter__(self) -> "GradientRecorder":
        """Set the hooks."""
        if self._leave:
            raise InputError("the recorder must not be entered twice, it is active already")
        for layer in self._layers:
            layer.resolve()
        try:
            # First: whatever stops `listen` half way, nothing of it stays.
            self._leave.append(functools.partial(stop_listening, self._rounds))
            listen(self._rounds)
            for handle in itertools.chain(self._module_hooks(), self._rounds.hooks()):
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
        self._owners.clear()
        self._watch.on = False
        self._forget()

    def __reduce__(self) -> Any:
        """Refuse to be pickled."""
        raise InputError("a recorder must not be pickled or copied, its hooks belong to this process: use its record")

    @property
    def recording(self) -> bool:
        """Whether the step under way is being recorded."""
        return self._watch.on

    def observe_loss(self, loss: Tensor, accuracy: Tensor | None = None) -> None:
        """Note the step's loss, and its training accuracy, each one number or (run,); they are recorded with it."""
        if self.recording:
            self._loss = loss.detach().reshape(self._runs)
            self._accuracy = None if accuracy is None else accuracy.detach().reshape(self._runs)

    def gradient_norms(self) -> list[Tensor]:
        """Return the weight gradient's norm of each layer in the step under way, float64 (run,); NaN without one."""
        return [self.rows.or_nan(layer.gradient_norm) for layer in self._layers]

    def observe_applied(self, norms: list[Tensor]) -> None:
        """Note the norms of each layer's weight gradient, (run,), as an update made by hand is going to use it."""
        if self.recording:
            for layer, norm in zip(self._layers, norms, strict=True):
                layer.applied_norm = norm

    def end_step(self, update_norms: list[Tensor] | None = None) -> None:
        """Close the step under way; `update_norms` are those of each layer's weights, (run,)."""
        if self.recording:
            self._rounds.look_at_unseen(self._layers)
            self.rows.add(self.step, self._loss, self._accuracy, update_norms, self._passes.with_gradients)
            self._forget()
        else:
            self._rounds.clear()  # of a step that is not recorded nothing else was noted
        self.step += 1
        self._begin_step()

    @property
    def record(self) -> Record:
        """What has been recorded so far."""
        return self.rows.to_record(
            learning_rate=np.full(self._runs, self._rounds.learning_rate),
            seed=np.full(self._runs, -1, dtype=np.int64),
            diverged_step=np.full(self._runs, -1, dtype=np.int64),
        )

    def _is_recorded(self, step: int) -> bool:
        if self._every == "never":
            return False
        if step == self._last_step or (step <= 1 and self._every == "log"):
            return True
        if isinstance(self._every, int):
            return step % self._every == 0
        places = [math.floor(_STEPS_PER_DECADE * math.log10(number)) for number in (step - 1, step)]
        return places[1] > places[0]

    def _module_hooks(self) -> Iterable[Any]:
        if isinstance(self._model, MLP):
            yield from self._watch.hooks_for_stack(self._layers)
            return
        special: dict[nn.Module, list[Layer]] = {}
        plain: dict[int, Site] = {}
        for layer in self._layers:
            if layer.site is not None and (
                is_attention(layer.site.module) or isinstance(layer.site.module, nn.RNNBase)
            ):
                special.setdefault(layer.site.module, []).append(layer)
            elif layer.site is not None:
                plain[id(layer.site)] = layer.site
        yield from self._watch.hooks_for_sites(plain.values())
        for module, layers in special.items():
            hooks = hooks_for_recurrent if isinstance(module, nn.RNNBase) else hooks_for_attention
            yield from hooks(self._watch, module, layers)  # pyright: ignore[reportArgumentType]
        yield from self._watch.hooks_for_activations(self._model)

    def _begin_step(self) -> None:
        self._watch.on = bool(self._leave) and self._is_recorded(self.step)
        if self._watch.on:
            self._hook_parameters()  # of weights that are used where no hook sees the output

    def _hook_parameters(self) -> None:
        # Again in each pass: parameters may have been unfrozen.
        new: dict[Tensor, list[Layer]] = {}
        for layer in self._layers:
            for parameter in (*layer.weights, *layer.biases):
                if parameter.requires_grad and parameter not in self._owners:
                    new.setdefault(parameter, []).append(layer)
        self._owners |= new
        for parameter in new:
            self._leave.append(parameter.register_post_accumulate_grad_hook(self._touching(new[parameter])).remove)

    def _touching(self, layers: list[Layer]) -> Callable[[Tensor], None]:
        def touch(_: Tensor) -> None:
            if not self._watch.on:
                return
            if current_task() != NO_PASS:
                self._passes.with_gradients.add(self._passes.enter())
            for layer in layers:
                layer.touched = True

        return touch

    def _pass_started(self) -> None:
        """Drop what earlier passes have shown of gradients that zero_grad has thrown away since."""
        self._hook_parameters()
        seen = [layer for layer in self._layers if layer.gradient_norm is not None and not layer.done]
        gone = [layer for layer in seen if layer.was_zeroed()]
        for layer in gone:
            layer.forget_gradient()
        kept = {id(layer.site) for layer in seen if layer not in gone}
        ended = {id(layer.site) for layer in gone} - kept
        for site in self._sites if gone else ():
            # A site whose weights are frozen goes with all the others.
            if not site.closed and (id(site) in ended or len(gone) == len(seen)):
                site.drop(site.calls)

    def _pass_failed(self, backward: int) -> None:
        for site in self._sites:
            site.drop([call for call in site.calls if call.backward == backward])

    def _pass_ended(self, scale: float) -> None:
        if self._watch.on:
            note_gradients([layer for layer in self._layers if layer.touched and not layer.done], scale)

    def _step_skipped(self) -> None:
        self.rows.skipped += 1
        self._loss = self._accuracy = None

    def _forget(self) -> None:
        for each in (*self._layers, *self._sites, self._watch, self._passes, self._rounds):
            each.clear()
        self._loss = self._accuracy = None


def _as_tuple(optimizer: Optimizer | Iterable[Optimizer] | None) -> tuple[Optimizer, ...]:
    if optimizer is None:
        return ()
    return (optimizer,) if isinstance(optimizer, Optimizer) else tuple(optimizer)
