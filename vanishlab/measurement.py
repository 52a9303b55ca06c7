"""What one step shows of one layer: its calls in the forward pass, their deltas, and its parameters' gradients.

Every activation and delta that comes in has axes (run, example, ...); every value that is kept is float64 (run,) and
stays on the tensors' device.
"""

import math

import torch
from torch import Tensor, nn

from vanishlab.activations import Activation
from vanishlab.network import MLP, Block
from vanishlab.norms import count, joint_norm, lost_fractions, slice_norms


class Call:
    """One call of a layer in the forward pass, and its delta on the way back."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.delta_norm: Tensor | None = None
        self.activation_norm: Tensor | None = None
        self.activation_mean: Tensor | None = None
        self.saturated: Tensor | None = None
        self.pre_activations = 0  # entries of z for each run
        self.activations = 0  # entries of h for each run

    def note_input(self, u: Tensor, activation: Activation) -> None:
        """Take in what phi is given."""
        self.saturated = saturated_fraction(u.detach(), activation)

    def note_output(self, h: Tensor) -> None:
        """Take in what the layer hands on."""
        h = h.detach().flatten(1)  # (run, entry)
        self.activation_norm = slice_norms(h, len(h))
        self.activation_mean = h.mean(1, dtype=torch.float32 if h.element_size() < 4 else None).double()
        self.activations = h.shape[1]

    def note_delta(self, delta: Tensor) -> None:
        """Take in dloss/dz; the number of examples undoes the 1/n of the loss's batch mean."""
        self.delta_norm = slice_norms(delta, len(delta)) * delta.shape[1]
        self.pre_activations = delta.numel() // len(delta)


class Layer:
    """A layer, and what the step under way has shown of it so far."""

    def __init__(self, name: str, module: nn.Module, runs: int, block: Block | None = None) -> None:
        """Name the module that owns `weight`; `block` is the hidden layer of an `MLP` around it."""
        self.name = name
        self.module = module
        self.runs = runs
        self.block = block
        self.weight: Tensor = module.get_parameter("weight")
        bias = getattr(module, "bias", None)
        self.bias: Tensor | None = bias if isinstance(bias, Tensor) else None
        self.clear()

    def clear(self) -> None:
        """Forget the step."""
        self.call: Call | None = None  # the call under way, while its forward pass lasts
        self.calls: list[Call] = []  # those whose delta has come back
        self.gradient_norm: Tensor | None = None
        self.bias_gradient_norm: Tensor | None = None
        self.zero_fraction: Tensor | None = None
        self.subnormal_fraction: Tensor | None = None
        self.weight_norm: Tensor | None = None
        self.weight_before: Tensor | None = None

    def note_weight_gradient(self, weight: Tensor) -> None:
        """Take in the weight's accumulated gradient, and the weight itself before its update."""
        gradient = _gradient(weight)
        self.weight_norm = slice_norms(weight, self.runs)
        self.gradient_norm = slice_norms(gradient, self.runs)
        self.zero_fraction, self.subnormal_fraction = lost_fractions(gradient, self.runs)
        left_out = 1 - gradient.numel() / weight.numel()  # the zeros that a sparse gradient does not store
        if left_out:
            self.zero_fraction = left_out + (1 - left_out) * self.zero_fraction
            self.subnormal_fraction = (1 - left_out) * self.subnormal_fraction

    def note_bias_gradient(self, bias: Tensor) -> None:
        """Take in the bias's accumulated gradient."""
        self.bias_gradient_norm = slice_norms(_gradient(bias), self.runs)

    def measured(self) -> dict[str, Tensor | None]:
        """Return the step's quantities by name, (run,); None for one that was not seen."""
        found: dict[str, Tensor | None] = {
            "gradient_norm": self.gradient_norm,
            "bias_gradient_norm": self.bias_gradient_norm,
            "weight_norm": self.weight_norm,
            "zero_fraction": self.zero_fraction,
            "subnormal_fraction": self.subnormal_fraction,
            "delta_rms": None,
            "activation_rms": None,
            "activation_mean": None,
            "saturated_fraction": None,
        }
        entries = sum(call.pre_activations for call in self.calls)
        if entries:
            norms = [call.delta_norm for call in self.calls if call.delta_norm is not None]
            found["delta_rms"] = joint_norm(norms) / entries**0.5
        calls = [call for call in self.calls if call.activations]
        if calls:
            total = sum(call.activations for call in calls)
            norms = [call.activation_norm for call in calls if call.activation_norm is not None]
            found["activation_rms"] = joint_norm(norms) / total**0.5
            found["activation_mean"] = _mean([(call.activation_mean, call.activations) for call in calls], norms[0])
            found["saturated_fraction"] = _mean([(call.saturated, call.activations) for call in calls], norms[0])
        return found


def find_layers(model: nn.Module) -> tuple[list[Layer], dict[str, str]]:
    """Return the layers of `model`, input first, and the modules that cannot be measured with the reason."""
    if isinstance(model, MLP):
        layers = []
        for index, block in enumerate(model.blocks):
            assert isinstance(block, Block)
            layers.append(Layer(f"blocks.{index}.linear", block.linear, model.runs, block))
        return [*layers, Layer("readout", model.readout, model.runs)], {}
    layers, unmeasured = [], {}
    for name, module in model.named_modules():
        parameters = dict(module.named_parameters(recurse=False))
        wide = [key for key, value in parameters.items() if value.ndim >= 2]
        if "weight" in wide:
            layers.append(Layer(name or type(module).__name__, module, runs=1))
        elif wide:
            unmeasured[name] = f"{type(module).__name__} keeps its weights as {', '.join(wide)}, not as 'weight'"
    return layers, unmeasured


def saturated_fraction(u: Tensor, activation: Activation) -> Tensor:
    """Return the share of entries of u (run, example, ...) that pass no gradient on; of units, where those can die."""
    low, high = activation.saturated_below, activation.saturated_above
    if activation.can_die:
        best = u.flatten(2).amax(1) if u.ndim > 2 else u  # (run, unit)
        return count(best <= 0) / best.shape[1]
    u = u.flatten(1)  # (run, entry)
    never = math.isinf(low) and math.isinf(high)
    if never or (u.device.type == "cpu" and bool(u.amin() >= low) and bool(u.amax() <= high)):
        return torch.zeros(len(u), dtype=torch.float64, device=u.device)
    return count(u < low if math.isinf(high) else u.abs() > high) / u.shape[1]  # two bounds are always symmetric


def _mean(parts: list[tuple[Tensor | None, int]], like: Tensor) -> Tensor:
    # Of several calls, weighted by their entries; None is a layer without an activation, of which nothing saturates.
    if len(parts) == 1:
        return torch.zeros_like(like) if parts[0][0] is None else parts[0][0]
    total = sum(entries for _, entries in parts)
    shares = [torch.zeros_like(like) if part is None else part * (entries / total) for part, entries in parts]
    return torch.stack(shares).sum(0)


def _gradient(parameter: Tensor) -> Tensor:
    gradient = parameter.grad
    assert gradient is not None  # asked for right after it was accumulated
    return gradient.coalesce().values() if gradient.is_sparse else gradient
