"""What one step shows: the calls of each watched place and their deltas, and the gradients of each layer's weights.

A *site* is a place in the model whose output is a pre-activation z. A *layer* is a weight (or the parameters that one
is made of); it stands at a site, which several layers may share, as the two weights of a recurrent layer do.

Every value that is kept is float64 (run,) and stays on the tensors' device.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from vanishlab import reasons
from vanishlab.calls import Call, of_calls
from vanishlab.network import Block
from vanishlab.norms import joint_norm, lost_fractions, slice_norms
from vanishlab.record import LayerFacts
from vanishlab.twins import twin_fraction


class Site:
    """A place in the model whose output is z, and what the step under way has shown of it."""

    def __init__(self, module: nn.Module, batch_axis: int = 0, example_axes: int = 1, stacked: bool = False) -> None:
        """Watch `module`'s output: its axis of examples, and the axes that a single example without one has."""
        self.module = module
        self.stacked = stacked
        self.batch_axis = batch_axis
        self.example_axes = example_axes
        self.compiled = False
        self.place = -1  # in the order of first calls
        self.activated: set[int] = set()  # the calls of a step whose z an activation module has taken, last time
        self.calls: list[Call] = []  # those whose delta has come back, in the order of their coming
        self.clear()

    def clear(self) -> None:
        """Forget the step."""
        self.call: Call | None = None  # the call under way, while its forward pass lasts
        self.drop(self.calls)
        self.called = 0  # with autograd
        self.called_without = False  # without it
        self.functional = False  # inside torch.func
        self.closed = False  # the optimizer has stepped: whatever still comes belongs to another step
        self.strange: str | None = None  # what stood in the way of a delta this time

    def drop(self, calls: list[Call]) -> None:
        """Forget the deltas of some calls; where a graph is kept, they may come once more."""
        dropped = set(calls)
        self.calls = [call for call in self.calls if call not in dropped]
        for call in calls:
            call.backward = call.kept = None

    def with_runs(self, tensor: Tensor) -> Tensor:
        """Return `tensor` with axes (run, example, ...), which a stack's has already."""
        tensor = tensor.detach()
        if self.stacked:
            return tensor
        if tensor.ndim <= self.example_axes:
            return tensor.reshape(1, 1, -1)
        # Of outputs with two axes the first counts examples, also in models that put time before them.
        return (tensor.movedim(self.batch_axis, 0) if self.batch_axis and tensor.ndim > 2 else tensor)[None]

    def counted(self, passes: set[int]) -> list[Call]:
        """Return the calls whose delta came with one of `passes`, or where there are none, all."""
        return [call for call in self.calls if call.backward in passes] or self.calls


class Layer:
    """A layer, and what the step under way has shown of its weight so far."""

    def __init__(
        self,
        name: str,
        site: Site | None,
        weights: Iterable[tuple[nn.Module, str]],
        biases: Iterable[tuple[nn.Module, str]] = (),
        runs: int = 1,
        block: Block | None = None,
    ) -> None:
        """Name the parameters, each by its module and its name there; `block` is the hidden layer of an `MLP`."""
        self.name = name
        self.site = site
        self.runs = runs
        self.block = block
        self.twins: float | None = None
        self._homes = list(weights), list(biases)
        self.resolve()
        self.clear()

    def resolve(self) -> None:
        """Look the parameters up; they may have been replaced by others."""
        self.weights: list[Tensor] = [module.get_parameter(key) for module, key in self._homes[0]]
        self.biases: list[Tensor] = [module.get_parameter(key) for module, key in self._homes[1]]

    def clear(self) -> None:
        """Forget the step."""
        self.done = False  # the optimizer has stepped
        self.applied_norm: Tensor | None = None
        self.weight_norm: Tensor | None = None
        self.update_norm: Tensor | None = None
        self.weights_before: list[Tensor] | None = None
        self.forget_gradient()

    def forget_gradient(self) -> None:
        """Forget the gradient alone."""
        self.touched = False  # a gradient was added to since it was last looked at
        self.taken = False  # it was gone again when it was to be looked at
        self.stamp: list[tuple[int, int]] = []
        self.gradient_norm: Tensor | None = None
        self.bias_gradient_norm: Tensor | None = None
        self.zero_fraction: Tensor | None = None
        self.subnormal_fraction: Tensor | None = None

    @property
    def weight(self) -> Tensor:
        """The weight, or the first of the parameters that it is made of."""
        return self.weights[0]

    @property
    def stacked(self) -> bool:
        """Whether its tensors have a run axis."""
        return self.site is not None and self.site.stacked

    @property
    def trainable(self) -> bool:
        """Whether autograd gives the weight a gradient."""
        return any(weight.requires_grad for weight in self.weights)

    @property
    def has_gradient(self) -> bool:
        """Whether there is a gradient at the moment."""
        return any(weight.grad is not None for weight in self.weights)

    def note_gradient(self, scale: float = 1.0) -> None:
        """Take in the gradients as they have been accumulated, and the weight itself before its update."""
        gradients = _gradients(self.weights)
        self.taken = self.touched and not gradients
        self.touched = False
        if gradients:
            norms = self.norm_of(self.weights), _unscaled(self.norm_of(gradients), scale)
            self.take_gradient(*norms, *self._lost(gradients))
        if biases := _gradients(self.biases):
            self.bias_gradient_norm = _unscaled(self.norm_of(biases), scale)

    def take_gradient(self, weight_norm: Tensor, norm: Tensor, zero: Tensor, subnormal: Tensor) -> None:
        """Take in what was found of the gradients as they are now, and of the weight."""
        self.touched = self.taken = False
        self.stamp = self._stamp()
        self.weight_norm, self.gradient_norm = weight_norm, norm
        self.zero_fraction, self.subnormal_fraction = zero, subnormal
        if self.twins is None:  # once: units that start alike and are told alike stay alike
            self.twins = self._twins()

    def note_applied(self, scale: float = 1.0) -> None:
        """Take in the gradient that the optimizer is about to use."""
        if gradients := _gradients(self.weights):
            self.applied_norm = _unscaled(self.norm_of(gradients), scale)

    def keep_weights(self) -> None:
        """Keep the weights as they are before the update."""
        self.weights_before = [local(weight).clone() for weight in self.weights]

    def note_update(self) -> None:
        """Take in what the update has changed."""
        if self.weights_before is not None:
            pairs = zip(self.weights, self.weights_before, strict=True)
            self.update_norm = self.norm_of([local(weight) - before for weight, before in pairs])
            self.weights_before = None

    def was_zeroed(self) -> bool:
        """Whether the gradient that was looked at has been thrown away since, by zero_grad."""
        if not self.has_gradient:
            return True
        return self.stamp != self._stamp() and not any(bool(part.any()) for part in _gradients(self.weights))

    def facts(self, passes: set[int]) -> LayerFacts | None:
        """Return what the step has shown besides numbers, None for a layer that no step has called yet."""
        if self.site is None or self.site.place < 0:
            return None
        calls = self.site.counted(passes)
        examples = max((call.batch for call in calls), default=0)
        entries = sum(call.pre_activations for call in calls)
        activation = next((call.activation for call in calls if call.activation), "")
        return LayerFacts(self.site.place, entries / max(examples, 1), examples, activation, self.twins or 0.0)

    def measured(self, passes: set[int]) -> dict[str, Tensor | None]:
        """Return the step's quantities by name, (run,); None for one that was not seen. `passes` brought gradients."""
        found: dict[str, Tensor | None] = {
            "gradient_norm": self.gradient_norm,
            "bias_gradient_norm": self.bias_gradient_norm,
            "weight_norm": self.weight_norm,
            "zero_fraction": self.zero_fraction,
            "subnormal_fraction": self.subnormal_fraction,
            "applied_gradient_norm": self.applied_norm,
        }
        return found | of_calls(self.site.counted(passes) if self.site else [])

    def why_unmeasured(self, passes: set[int]) -> str | None:
        """Return why something of the step was not measured, None where all was."""
        site = self.site
        if self.gradient_norm is None:
            if not self.trainable:
                return reasons.FROZEN
            if self.taken or (site and site.calls):
                return reasons.NOT_ACCUMULATED
            if site is None:
                return reasons.UNUSED
            if site.functional:
                return reasons.FUNCTIONAL
            if site.called:
                return reasons.DETACHED
            return reasons.NO_AUTOGRAD if site.called_without else reasons.UNUSED
        if site is None:
            return reasons.OWN_PARAMETER
        calls = site.counted(passes)
        if calls:
            return None if any(call.activations for call in calls) else reasons.NO_ACTIVATION
        if site.functional:
            return reasons.IN_TORCH_FUNC
        if site.strange:
            return site.strange
        if site.called:
            return reasons.NOT_REACHED
        return reasons.COMPILED if site.compiled else reasons.NOT_CALLED

    def norm_of(self, parts: list[Tensor]) -> Tensor:
        """Return the norm of all `parts` of this layer together, (run,); of a sharded one, this process's share."""
        if len(parts) == 1:
            return slice_norms(as_real(local(parts[0])), self.runs)
        return joint_norm([slice_norms(as_real(local(part)), self.runs) for part in parts])

    def _lost(self, gradients: list[Tensor]) -> tuple[Tensor, Tensor]:
        if len(gradients) == 1 and gradients[0].shape == self.weights[0].shape:
            return lost_fractions(as_real(local(gradients[0])), self.runs)
        zeros, subnormals, entries = [], [], 0
        for weight, gradient in zip((w for w in self.weights if w.grad is not None), gradients, strict=True):
            gradient, size = local(gradient), local(weight).numel()
            zero, subnormal = lost_fractions(as_real(gradient), self.runs)
            stored = gradient.numel() / size if size else 1.0
            # A sparse gradient does not store the rest; they are zeros.
            zeros.append((zero * stored + (1 - stored)) * size)
            subnormals.append(subnormal * stored * size)
            entries += size
        return sum(zeros[1:], zeros[0]) / max(entries, 1), sum(subnormals[1:], subnormals[0]) / max(entries, 1)

    def _twins(self) -> float:
        if self.site is not None and isinstance(self.site.module, nn.Embedding):
            return 0.0  # its rows are no units: each sees examples of its own
        weight = max(self.weights, key=lambda each: each.numel())
        gradient = weight.grad
        if gradient is None or gradient.is_sparse or gradient.ndim < 2 or gradient.is_complex() or is_sharded(weight):
            return 0.0
        return twin_fraction(weight.detach(), gradient, stacked=self.stacked)

    def _stamp(self) -> list[tuple[int, int]]:
        return [(id(weight.grad), weight.grad._version) for weight in self.weights if weight.grad is not None]


def _unscaled(norm: Tensor, scale: float) -> Tensor:
    return norm if scale == 1.0 else norm / scale


def local(tensor: Tensor) -> Tensor:
    """Return the part of `tensor` that this process holds, detached: of an ordinary one, all of it."""
    tensor = tensor.detach()
    return tensor.to_local() if is_sharded(tensor) else tensor  # pyright: ignore[reportAttributeAccessIssue]


def is_sharded(tensor: Tensor) -> bool:
    """Return whether `tensor` is spread over processes (a DTensor)."""
    return hasattr(tensor, "to_local")


def as_real(tensor: Tensor) -> Tensor:
    """Return a complex tensor as a real one of twice as many entries, any other as it is."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    found = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in found]
