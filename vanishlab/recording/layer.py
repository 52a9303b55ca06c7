"""`Layer`: a weight (or the parameters that one is made of), and what the step under way has shown of it.

It stands at a site (`site`), which several layers may share, as the two weights of a recurrent layer do.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vanishlab.network.mlp import Block
from vanishlab.recording import reasons
from vanishlab.recording.call import Call
from vanishlab.recording.facts import LayerFacts
from vanishlab.recording.measure import Value
from vanishlab.recording.norms import joint_norm, lost_fractions, slice_norms
from vanishlab.recording.site import Site
from vanishlab.recording.twins import twin_fraction


@dataclass(eq=False)
class GradientSeen:
    """What one step shows of the gradient that a layer's weights have accumulated; zero_grad may throw it away."""

    values: dict[str, Value] = field(default_factory=dict)
    """Quantities by name."""
    touched: bool = False
    """It was added to since it was last looked at."""
    taken: bool = False
    """It was gone again when it was to be looked at."""
    stamp: list[tuple[int, int]] = field(default_factory=list)
    """Identity and version of the tensors that were looked at."""


@dataclass(eq=False)
class LayerStep:
    """What one step shows of a layer's weights."""

    gradient: GradientSeen = field(default_factory=GradientSeen)
    values: dict[str, Value] = field(default_factory=dict)
    """Other quantities by name, and "update_norm", of which `update_ratio` is made."""
    weight_versions: list[int] = field(default_factory=list)
    """Of the weights whose norm was taken; one that is written to has another."""
    weights_before: list[Tensor] | None = None
    """The weights before the update, while it is made."""
    done: bool = False
    """The optimizer has stepped."""
    replaced: bool = False
    """A parameter of the layer was replaced by another."""


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
        self.homes = list(weights), list(biases)
        """The module and the name there of each weight and bias."""
        self.weights: list[Tensor] = [module.get_parameter(key) for module, key in self.homes[0]]
        self.biases: list[Tensor] = [module.get_parameter(key) for module, key in self.homes[1]]
        self.gone = False
        """It is no longer in the model."""
        self.step = LayerStep()

    def clear(self) -> None:
        """Forget the step."""
        self.step = LayerStep()

    def forget_gradient(self) -> None:
        """Forget the gradient alone."""
        self.step.gradient = GradientSeen()

    def forget_bias_gradient(self) -> None:
        """Forget the bias's gradient alone, since another bias stands there now."""
        self.step.gradient.values.pop("bias_gradient_norm", None)

    @property
    def gradient_norm(self) -> Value | None:
        """The norm of the gradient, None where none was seen."""
        return self.step.gradient.values.get("gradient_norm")

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
        seen, gradients = self.step.gradient, _gradients(self.weights)
        seen.taken = seen.touched and not gradients
        seen.touched = False
        if gradients:
            norms = self.norm_of(self.weights), _unscaled(self.norm_of(gradients), scale)
            self.take_gradient(*norms, *self._lost(gradients))
        if biases := _gradients(self.biases):
            seen.values["bias_gradient_norm"] = _unscaled(self.norm_of(biases), scale)

    def take_gradient(self, weight_norm: Value, norm: Value, zero: Value, subnormal: Value) -> None:
        """Take in what was found of the gradients as they are now, and of the weight."""
        seen = self.step.gradient
        seen.touched = seen.taken = False
        seen.stamp = self._stamp()
        seen.values |= {"gradient_norm": norm, "zero_fraction": zero, "subnormal_fraction": subnormal}
        self.step.values["weight_norm"] = weight_norm
        self.step.weight_versions = [weight._version for weight in self.weights]
        if self.twins is None:  # once: units of equal weights and equal gradients stay equal
            self.twins = self._twins()

    def note_applied(self, scale: float = 1.0) -> None:
        """Take in the gradient that the optimizer is about to use."""
        if gradients := _gradients(self.weights):
            self.step.values["applied_gradient_norm"] = _unscaled(self.norm_of(gradients), scale)

    def keep_weights(self) -> None:
        """Keep the weights as they are before the update."""
        self.step.weights_before = [local(weight).clone() for weight in self.weights]
        versions = [weight._version for weight in self.weights]
        if (
            self.step.weight_versions and self.step.weight_versions != versions
        ):  # written to since, by load_state_dict say
            self.step.values["weight_norm"] = self.norm_of(self.weights)
            self.step.weight_versions = versions

    def note_update(self) -> None:
        """Take in what the update has changed."""
        if self.step.weights_before is not None:
            pairs = zip(self.weights, self.step.weights_before, strict=True)
            self.step.values["update_norm"] = self.norm_of([local(weight) - before for weight, before in pairs])
            self.step.weights_before = None

    def was_zeroed(self) -> bool:
        """Whether the gradient that was looked at has been thrown away since, by zero_grad."""
        if not self.has_gradient:
            return True
        if self.step.gradient.stamp == self._stamp():
            return False
        return not any(bool(part.any()) for part in _gradients(self.weights))

    def facts(self, passes: set[int]) -> LayerFacts | None:
        """Return what the step has shown besides numbers, None for a layer that no step has called yet."""
        if self.site is None or self.site.place < 0:
            return None
        calls = self.calls(passes)
        examples = max((call.batch for call in calls), default=0)
        entries = sum(call.pre_activations for call in calls)
        activation = next((call.activation for call in calls if call.activation), "")
        dtype = next((str(call.dtype).removeprefix("torch.") for call in calls if call.dtype), "")
        coarse = max((float(call.coarse) for call in calls if call.coarse is not None), default=0.0)
        units = entries / max(examples, 1)
        return LayerFacts(self.site.place, units, examples, activation, self.twins or 0.0, dtype, coarse)

    def calls(self, passes: set[int]) -> list[Call]:
        """Return the calls whose delta came with `passes`, the backward passes that brought gradients."""
        return self.site.counted(passes) if self.site else []

    def measured(self) -> dict[str, Value]:
        """Return the step's quantities of the weight by name, (run,), those that were seen, and "update_norm"."""
        values = self.step.values | self.step.gradient.values
        if "weight_norm" not in values:  # no gradient, so no update either
            values["weight_norm"] = self.norm_of(self.weights)
        return values

    def why_unmeasured(self, passes: set[int]) -> str | None:
        """Return why something of the step was not measured, None where all was."""
        site = self.site
        if self.gone:
            return reasons.REPLACED
        if self.gradient_norm is None:
            if not self.trainable:
                return reasons.FROZEN
            if self.step.replaced:
                return reasons.REPLACED
            if self.step.gradient.taken or (site and site.step.calls):
                return reasons.NOT_ACCUMULATED
            if site is None:
                return reasons.UNUSED
            if site.step.functional:
                return reasons.FUNCTIONAL
            if site.step.called:
                return reasons.DETACHED
            return reasons.NO_AUTOGRAD if site.step.called_without_autograd else reasons.UNUSED
        if site is None:
            return reasons.OWN_PARAMETER
        calls = site.counted(passes)
        if calls:
            return None if any(call.activations for call in calls) else reasons.NO_ACTIVATION
        if site.step.functional:
            return reasons.IN_TORCH_FUNC
        if site.step.obstacle:
            return site.step.obstacle
        if site.step.called:
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
    return type(tensor) not in (Tensor, nn.Parameter) and hasattr(tensor, "to_local")


def as_real(tensor: Tensor) -> Tensor:
    """Return a complex tensor as a real one of twice as many entries, any other as it is."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    found = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in found]
