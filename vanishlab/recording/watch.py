"""The hooks on modules: each call of a site, its delta on the way back, and the activation that takes z."""

import dataclasses
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vanishlab import reasons
from vanishlab.calls import Call
from vanishlab.elementwise import activation_of
from vanishlab.measurement import Layer, Site
from vanishlab.recording.passes import Passes, graph_is_kept

# Modules between a layer and its activation that keep the units where they are.
_TRANSPARENT = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.InstanceNorm1d,
    nn.InstanceNorm2d, nn.InstanceNorm3d, nn.Dropout,
)  # fmt: skip


class Hook:
    """A hook that stays out of torch.compile's graphs, and that copies of the model do not take along."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Wrap `function`."""
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        """Call the function, but not while a graph is being traced."""
        if torch.compiler.is_compiling():
            return None
        return self._function(*arguments)

    def __reduce__(self) -> Any:
        """Become a hook that does nothing, in a copied or pickled model."""
        return _no_hook, ()


def _no_hook() -> Callable[..., None]:
    return _do_nothing


def _do_nothing(*_: Any) -> None:
    return None


class Watch:
    """What hooks see of the step under way; they look away while `on` is false."""

    def __init__(self, passes: Passes) -> None:
        """Start looking away."""
        self.passes = passes
        self.on = False
        self._places_taken = 0
        self._followed: dict[int, tuple[weakref.ref[Tensor], Site, Call]] = {}  # by id: tensors on their way to a phi
        self._owed: tuple[Site, Call, Tensor, int] | None = None  # a z that an activation is expected to take, as it is

    def clear(self) -> None:
        """Forget the step."""
        self._followed.clear()
        self._owed = None

    def hooks_for_stack(self, layers: list[Layer]) -> Iterator[Any]:
        """Set the hooks on a stack of the lab's own networks, which say themselves which module is what."""
        for layer in layers:
            site, block = layer.site, layer.block
            assert site is not None
            yield site.module.register_forward_hook(Hook(self._start(site)))
            if block is not None:
                yield block.activation.register_forward_pre_hook(Hook(_note_input(site)))
            yield (block or site.module).register_forward_hook(Hook(_note_output(site)))

    def hooks_for_sites(self, sites: Iterable[Site]) -> Iterator[Any]:
        """Set the hooks on modules whose output is z."""
        for site in sites:
            yield site.module.register_forward_hook(Hook(self._start(site, follow=True)))

    def hooks_for_activations(self, model: nn.Module) -> Iterator[Any]:
        """Set the hooks that find a layer's activation: the module that is handed the layer's very output."""
        for module in model.modules():
            if activation_of(module) is not None:
                yield module.register_forward_pre_hook(Hook(self._enter_activation))
                yield module.register_forward_hook(Hook(self._leave_activation))
            elif isinstance(module, _TRANSPARENT):
                yield module.register_forward_hook(Hook(self._pass_through))

    def call_of(self, site: Site, output: Any) -> tuple[Call, Tensor] | None:
        """Return a new call of `site` and its z, the first tensor in a module's output; None if it is no use."""
        site.call = None
        if not self.on:
            return None
        self._settle()
        self.passes.abandon()
        if site.place < 0:
            site.place = self._places_taken
            self._places_taken += 1
        z = output if type(output) is Tensor else first_tensor(output)
        if z is None:
            site.strange = reasons.NO_OUTPUT
        elif torch._C._functorch.is_functorch_wrapped_tensor(z):  # pyright: ignore[reportAttributeAccessIssue]
            site.functional = True
        elif type(z) not in (Tensor, nn.Parameter) or z.is_nested or z.layout != torch.strided or z.is_complex():
            kind = "nested tensor" if z.is_nested else f"{z.dtype} {type(z).__name__}".removeprefix("torch.")
            site.strange = reasons.strange_output(kind)
        elif not z.requires_grad:
            site.called_without = True
        elif z.numel():
            site.called += 1
            site.call = Call(site.called)
            return site.call, z
        return None

    def bring(self, site: Site, call: Call, delta: Tensor) -> None:
        """Take in the delta of `call`; of several passes over the same graph, the sum of their deltas."""
        if not self.on or site.closed:  # the block was left in the meantime, or the step is over
            return
        self._settle()
        backward = self.passes.enter()
        delta = delta.detach()
        if call.backward is None:
            site.calls.append(call)
        elif call.kept is not None and call.backward != backward and call.backward in self.passes.with_gradients:
            delta = call.kept + delta
        call.kept = delta if graph_is_kept() else None
        call.backward = backward
        call.note_delta(site.with_runs(delta) if call.examples is None else delta[None], self.passes.scale)

    def _start(self, site: Site, follow: bool = False) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if started := self.call_of(site, output):
                call, z = started
                z.register_hook(lambda delta: self.bring(site, call, delta))
                if follow:
                    self._owed = site, call, z, z._version
                    if call.number not in site.activated:
                        self._settle()  # z's own values stand if no activation module follows
                    self._follow(z, site, call)

        return hook

    def _settle(self) -> None:
        """Take in the values of a z that no activation has taken, against expectation."""
        if self._owed is not None:
            site, call, z, version = self._owed
            self._owed = None
            site.activated.discard(call.number)
            if z._version == version:  # else they are gone, and nobody's
                call.note_output(site.with_runs(z))

    def _follow(self, tensor: Tensor, site: Site, call: Call) -> None:
        self._followed[id(tensor)] = (weakref.ref(tensor), site, call)

    def _behind(self, inputs: Any) -> tuple[Site, Call] | None:
        if not inputs or not self._followed:
            return None
        reference, site, call = self._followed.get(id(inputs[0]), (None, None, None))
        # An id is used again once its tensor is gone, so the tensor itself must still be there.
        if reference is None or site is None or call is None or reference() is not inputs[0]:
            return None
        return site, call

    def _enter_activation(self, module: nn.Module, inputs: Any) -> None:
        activation = activation_of(module)
        if (behind := self._behind(inputs)) and activation is not None:
            site, call = behind
            if self._owed is not None and self._owed[1] is call:
                self._owed = None
            call.note_input(site.with_runs(inputs[0]), activation)

    def _leave_activation(self, module: nn.Module, inputs: Any, h: Any) -> None:
        if (behind := self._behind(inputs)) and isinstance(h, Tensor):
            site, call = behind
            call.note_output(site.with_runs(h))
            site.activated.add(call.number)

    def _pass_through(self, module: nn.Module, inputs: Any, u: Any) -> None:
        if (behind := self._behind(inputs)) and isinstance(u, Tensor):
            self._follow(u, *behind)


def first_tensor(output: Any) -> Tensor | None:
    """Return the first tensor with a gradient in what a module returned, else the first tensor; None without any."""
    tensors = list(_tensors(output))
    return next((tensor for tensor in tensors if tensor.requires_grad), tensors[0] if tensors else None)


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _tensors(value)
    elif dataclasses.is_dataclass(output):
        for field in dataclasses.fields(output):
            yield from _tensors(getattr(output, field.name))


def _note_input(site: Site) -> Callable[..., None]:
    def hook(phi: nn.Module, inputs: Any) -> None:
        activation = activation_of(phi)
        if site.call is not None and activation is not None:
            site.call.note_input(inputs[0], activation)

    return hook


def _note_output(site: Site) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: Any, h: Tensor) -> None:
        if site.call is not None:
            site.call.note_output(h)

    return hook
