"""`ModuleHooks`: the hooks on modules, for each call of a layer, its delta on the way back, and its activation."""

import dataclasses
import functools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vanishlab.activations import Activation
from vanishlab.network.activation_modules import activation_of
from vanishlab.network.mlp import NORMALIZATIONS, StackedLinear
from vanishlab.recording import reasons
from vanishlab.recording.call import Call
from vanishlab.recording.hooks.backward_passes import BackwardPasses, graph_is_kept
from vanishlab.recording.hooks.gates import MODES, note_gates
from vanishlab.recording.layer import Layer
from vanishlab.recording.measure import Measure
from vanishlab.recording.site import Site

# Modules between a layer and its activation that keep the units where they are.
_TRANSPARENT = (*NORMALIZATIONS, nn.Dropout)

# What computes z = W h + b, whatever has been made of the weight.
_LINEAR = (nn.Linear.forward, StackedLinear.forward)


class Hook:
    """A hook that stays out of torch.compile's graphs, and that copies of the model do not take along."""

    def __init__(self, function: Callable[..., Any], owner: Any) -> None:
        """Wrap `function`, which is called only while `owner.recording`."""
        self._function = function
        self._owner = owner

    def __call__(self, *arguments: Any) -> Any:
        """Call the function, but not while a graph is being traced."""
        if torch.compiler.is_compiling() or not self._owner.recording:
            return None
        return self._function(*arguments)

    def __reduce__(self) -> Any:
        """Become a hook that does nothing, in a copied or pickled model."""
        return _no_hook, ()


def _no_hook() -> Callable[..., None]:
    return _do_nothing


def _do_nothing(*_: Any) -> None:
    return None


class ModuleHooks:
    """The hooks on a model's modules, and what they know of the step under way; they look away unless `recording`."""

    def __init__(self, passes: BackwardPasses, measure: Measure, look: Callable[[], None]) -> None:
        """Start looking away; `look` is called in a forward pass, where other modules may stand than in the last."""
        self.passes = passes
        self.note_delta = passes.thread.alone(self._note_delta)
        """Take in the delta of a call of a site; of several passes over the same graph, the sum of their deltas."""
        self.recording = False
        self.closely = False
        """Whether the examples of the step under way are compared in pairs."""
        self.measure = measure
        self._look = look
        self._hooked: weakref.WeakSet[nn.Module] = weakref.WeakSet()  # activations, and modules on the way to one
        self._places_taken = 0
        self._last_place = 0  # of the last call, in the order of first calls
        self._followed: dict[int, tuple[weakref.ref[Tensor], Site, Call]] = {}  # by id: tensors on their way to a phi
        self._awaiting_activation: tuple[Site, Call, Tensor, int] | None = None  # a z, and its version

    def hook(self, function: Callable[..., Any]) -> Hook:
        """Return a hook for a module, which one thread at a time calls."""
        return Hook(self.passes.thread.alone(function, forward=True), self)

    def leave(self) -> None:
        """Look away: the hooks have been removed."""
        self.recording = False
        self._hooked.clear()

    def clear(self) -> None:
        """Forget the step."""
        self._followed.clear()
        self._awaiting_activation = None
        self._last_place = self._places_taken

    def hooks_for_stack(self, layers: list[Layer]) -> Iterator[Any]:
        """Set the hooks on a stack of the lab's own networks, which say themselves which module is what."""
        for layer in layers:
            site, block = layer.site, layer.block
            assert site is not None
            yield site.module.register_forward_hook(self.hook(self._start(site)))
            yield (block or site.module).register_forward_hook(self.hook(_note_output(site)))

    def hooks_for_activations_of_stack(self, layers: list[Layer]) -> Iterator[Any]:
        """Set the hooks on the activations of such a stack that have none yet."""
        for layer in layers:
            if layer.block is not None and layer.site is not None and layer.block.activation not in self._hooked:
                self._hooked.add(layer.block.activation)
                yield layer.block.activation.register_forward_pre_hook(self.hook(_note_input(layer.site)))

    def hooks_for_sites(self, sites: Iterable[Site]) -> Iterator[Any]:
        """Set the hooks on modules whose output is z."""
        for site in sites:
            yield site.module.register_forward_hook(self.hook(self._start(site, follow=True)))
            if type(site.module).forward in MODES:
                yield site.module.register_forward_hook(self.hook(self._note_gates(site)), with_kwargs=True)

    def hooks_for_activations(self, model: nn.Module) -> Iterator[Any]:
        """Set the hooks that find a layer's activation, the module that is handed the layer's very output.

        Modules that have them already are left as they are.
        """
        for module in model.modules():
            if module in self._hooked:
                continue
            self._hooked.add(module)
            if (activation := activation_of(module)) is not None:
                note_output = functools.partial(self._note_activation_output, activation)
                if getattr(module, "inplace", False):  # its input is gone afterwards
                    yield module.register_forward_pre_hook(self.hook(functools.partial(self._note_input, activation)))
                    note_output = functools.partial(self._note_activation_output, None)
                yield module.register_forward_hook(self.hook(note_output))
            elif isinstance(module, _TRANSPARENT):
                yield module.register_forward_hook(self.hook(self._follow_through))

    def start_call(self, site: Site, output: Any) -> tuple[Call, Tensor] | None:
        """Return a new call of `site` and its z, the first tensor in a module's output; None if it is no use."""
        site.step.call = None
        if not self.recording:
            return None
        self._stop_awaiting()
        self.passes.drop_failed()
        if site.place <= self._last_place:  # the first of a forward pass: another one was later
            self._look()
        if site.place < 0:
            site.place = self._places_taken
            self._places_taken += 1
        self._last_place = site.place
        z = output if type(output) is Tensor else first_tensor(output)
        if z is None:
            site.step.obstacle = reasons.NO_OUTPUT
        elif torch._C._functorch.is_functorch_wrapped_tensor(z):  # pyright: ignore[reportAttributeAccessIssue]
            site.step.functional = True
        elif type(z) not in (Tensor, nn.Parameter) or z.is_nested or z.layout != torch.strided or z.is_complex():
            kind = "nested tensor" if z.is_nested else f"{z.dtype} {type(z).__name__}".removeprefix("torch.")
            site.step.obstacle = reasons.strange_output(kind)
        elif not z.requires_grad:
            site.step.called_without_autograd = True
        elif not z.numel():
            site.step.obstacle = reasons.EMPTY
        else:
            site.step.called += 1
            site.step.call = Call(self.measure, site.step.called, closely=self.closely)
            return site.step.call, z
        return None

    def _note_delta(self, site: Site, call: Call, delta: Tensor) -> None:
        # The block was left in the meantime, the step is over, or these are many gradients at once, by vmap.
        if not self.recording or site.step.closed or torch._C._functorch.is_legacy_batchedtensor(delta):  # pyright: ignore
            return
        self._stop_awaiting()
        backward = self.passes.enter()
        delta = delta.detach()
        if call.backward is None:
            site.step.calls.append(call)
        elif call.kept is not None and call.backward != backward and call.backward in self.passes.with_gradients:
            delta = call.kept + delta
        call.kept = delta if graph_is_kept() else None
        call.backward = backward
        call.note_delta(site.examples_first(delta) if call.examples is None else delta, self.passes.scale)

    def _note_cell(self, site: Site, call: Call, delta: Tensor) -> None:
        if self.recording and not site.step.closed:
            self.passes.enter()
            call.note_cell(delta.detach(), self.passes.scale)

    def _start(self, site: Site, follow: bool = False) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if started := self.start_call(site, output):
                call, z = started
                z.register_hook(lambda delta: self.note_delta(site, call, delta))
                if isinstance(module, nn.LSTMCell) and output[1].requires_grad:
                    note = self.passes.thread.alone(self._note_cell)
                    output[1].register_hook(lambda delta: note(site, call, delta))
                if call.closely and type(module).forward in _LINEAR and inputs and isinstance(inputs[0], Tensor):
                    call.note_incoming(site.examples_first(inputs[0]))
                if follow:
                    self._awaiting_activation = site, call, z, z._version
                    if call.number not in site.activated:
                        self._stop_awaiting()  # z's own values stand if no activation module follows
                    self._follow(z, site, call)

        return hook

    def _note_gates(self, site: Site) -> Callable[..., None]:
        def hook(cell: nn.RNNCellBase, inputs: Any, keywords: Any, output: Any) -> None:
            if self.recording and site.step.call is not None:
                note_gates(site.step.call, self.measure, cell, inputs, keywords)

        return hook

    def _stop_awaiting(self) -> None:
        """Take z's own values for the layer's output: against expectation no activation module was given it."""
        if self._awaiting_activation is not None:
            site, call, z, version = self._awaiting_activation
            self._awaiting_activation = None
            site.activated.discard(call.number)
            if z._version == version:  # else they are gone, and nobody's
                call.note_output(site.examples_first(z))

    def _follow(self, tensor: Tensor, site: Site, call: Call) -> None:
        self._followed[id(tensor)] = (weakref.ref(tensor), site, call)

    def _layer_behind(self, inputs: Any) -> tuple[Site, Call] | None:
        if not inputs or not self._followed:
            return None
        reference, site, call = self._followed.get(id(inputs[0]), (None, None, None))
        # An id is used again once its tensor is gone, so the tensor itself must still be there.
        if reference is None or site is None or call is None or reference() is not inputs[0]:
            return None
        return site, call

    def _note_input(self, activation: Activation, module: nn.Module, inputs: Any) -> None:
        if behind := self._layer_behind(inputs):
            site, call = behind
            if self._awaiting_activation is not None and self._awaiting_activation[1] is call:
                self._awaiting_activation = None
            call.note_input(site.examples_first(inputs[0]), activation)

    def _note_activation_output(self, activation: Activation | None, module: nn.Module, inputs: Any, h: Any) -> None:
        if behind := self._layer_behind(inputs):
            site, call = behind
            if activation is not None:
                self._note_input(activation, module, inputs)
            if isinstance(h, Tensor):
                call.note_output(site.examples_first(h))
                site.activated.add(call.number)

    def _follow_through(self, module: nn.Module, inputs: Any, u: Any) -> None:
        if (behind := self._layer_behind(inputs)) and isinstance(u, Tensor):
            self._follow(u, *behind)


def first_tensor(output: Any) -> Tensor | None:
    """Return the first tensor with a gradient in what a module returned, else the first tensor; None without any."""
    tensors = list(tensors_in(output))
    return next((tensor for tensor in tensors if tensor.requires_grad), tensors[0] if tensors else None)


def tensors_in(output: Any) -> Iterator[Tensor]:
    """Return every tensor in what a module was given or has returned."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from tensors_in(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from tensors_in(value)
    elif dataclasses.is_dataclass(output):
        for field in dataclasses.fields(output):
            yield from tensors_in(getattr(output, field.name))


def _note_input(site: Site) -> Callable[..., None]:
    def hook(phi: nn.Module, inputs: Any) -> None:
        activation = activation_of(phi)
        if site.step.call is not None and activation is not None:
            site.step.call.note_input(inputs[0], activation)

    return hook


def _note_output(site: Site) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: Any, h: Tensor) -> None:
        if site.step.call is not None:
            site.step.call.note_output(h)

    return hook
