"""Changes to a model's modules: new weights, other activations, normalisation, skip connections.

Each takes a model of its own to change, and raises `NotApplicable` with the reason where there is nothing to change.
Weights are drawn as the activation asks: for a bounded phi orthogonal, with the gain 1 / phi'(0), which keeps every
singular value at 1 (arXiv:1312.6120): 1 for tanh, 4 for sigmoid; for the others normal with the gain that keeps the
second moment (arXiv:1502.01852).
"""

import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from vanishlab.activations import ACTIVATIONS
from vanishlab.network.activation_modules import activation_of
from vanishlab.network.mlp import NORMALIZATIONS, Residual


class NotApplicable(Exception):
    """A change that this model has no place for; the message is the reason."""


class Draw(NamedTuple):
    """How a layer's weights are drawn: with this standard deviation, or orthogonal with this gain."""

    layer: str
    orthogonal: bool
    size: float


def weight_draws(model: nn.Module, phi: Mapping[str, str]) -> list[Draw]:
    """Return how every linear and convolutional weight is drawn for its activation `phi` (by layer name)."""
    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, kinds)]
    if not found:
        raise NotApplicable("it has no linear or convolutional layer")
    return [_draw_of(name, module.weight, phi.get(name, "")) for name, module in found]


def _draw_of(layer: str, weight: torch.Tensor, phi: str) -> Draw:
    if not isinstance(weight, nn.Parameter):
        raise NotApplicable(f"the weight of {layer} is made of other parameters")
    if is_lazy(weight):
        raise NotApplicable(f"{layer} has no shape before its first batch")
    fan_out, fan_in = len(weight), weight[0].numel()
    known = ACTIVATIONS.get(phi)  # None for a readout
    if known is not None and not known.bounded:
        return Draw(layer, False, (known.second_moment_gain or known.gain) / fan_in**0.5)
    gain = 1.0 / known.at_zero[1] if known else 1.0
    # Entries of variance 1 / fan_in also where there are more rows than columns.
    return Draw(layer, True, gain * max(1.0, fan_out / fan_in) ** 0.5)


@torch.no_grad()
def draw_weights(model: nn.Module, phi: Mapping[str, str]) -> None:
    """Draw every linear and convolutional weight anew for its activation `phi` (by layer name), biases 0."""
    for draw in weight_draws(model, phi):
        module = model.get_submodule(draw.layer)
        weight = module.get_parameter("weight")
        values = torch.empty(weight.shape, dtype=torch.float32, device=weight.device)
        if draw.orthogonal:
            nn.init.orthogonal_(values, gain=draw.size)
        else:
            nn.init.normal_(values, 0.0, draw.size)
        weight.copy_(values)
        if isinstance(bias := getattr(module, "bias", None), torch.Tensor):
            bias.zero_()


def swap_activations(model: nn.Module, phi: Mapping[str, str], make: Callable[[], nn.Module]) -> None:
    """Replace every activation module by `make()`, and draw the weights for it."""
    for name in activations_to_swap(model, make()):
        _replace(model, name, make())
    draw_weights(model, phi_after_swap(phi, make()))


def activations_to_swap(model: nn.Module, new: nn.Module) -> list[str]:
    """Return the names of the activation modules that are of another kind than `new`."""
    hits = [(name, module) for name, module in model.named_modules() if (activation_of(module) is not None) and name]
    old = [name for name, module in hits if type(module) is not type(new)]
    if not hits:
        raise NotApplicable("its activations are functions, not modules")
    if not old:
        raise NotApplicable(f"its activations are {type(new).__name__} already")
    return old


def phi_after_swap(phi: Mapping[str, str], new: nn.Module) -> dict[str, str]:
    """Return each layer's activation once `new` has taken the place of all."""
    name_of_new = getattr(activation_of(new), "name", "")
    return {layer: name_of_new if kind else "" for layer, kind in phi.items()}


def normalise(model: nn.Module, phi: Mapping[str, str], units: Mapping[str, float]) -> None:
    """Put batch normalisation (layer normalisation, where examples have more axes) before each activation."""
    for name, norm in norms_to_add(model, phi, units).items():
        module = model.get_submodule(name)
        _replace(model, name, nn.Sequential(module, norm.to(module.get_parameter("weight"))))


def norms_to_add(model: nn.Module, phi: Mapping[str, str], units: Mapping[str, float]) -> dict[str, nn.Module]:
    """Return the normalisation that each layer with an activation lacks, by the layer's name."""
    if any(isinstance(module, NORMALIZATIONS) for module in model.modules()):
        raise NotApplicable("it is normalised already")
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        if not name or not phi.get(name):
            continue
        if isinstance(module, nn.Linear):
            plain = units.get(name) in (None, float(module.out_features))
            found[name] = nn.BatchNorm1d(module.out_features) if plain else nn.LayerNorm(module.out_features)
        elif isinstance(module, nn.Conv2d):
            found[name] = nn.BatchNorm2d(module.out_channels)
        elif isinstance(module, nn.Conv1d):
            found[name] = nn.BatchNorm1d(module.out_channels)
    if not found:
        raise NotApplicable("no linear or convolutional layer is followed by an activation")
    return found


def add_skips(model: nn.Module, *, learned: bool) -> None:
    """Put a skip connection around each linear (or convolution) and activation that keep the shape, in sequences."""
    for name, starts in skips_to_add(model).items():
        sequence = model.get_submodule(name)
        parts = list(sequence.children())
        made: list[nn.Module] = []
        for place, part in enumerate(parts):
            if place in starts:
                scale = torch.zeros((), dtype=part.get_parameter("weight").dtype) if learned else 1.0
                made.append(Residual(nn.Sequential(part, parts[place + 1]), scale))
            elif place - 1 not in starts:
                made.append(part)
        for key in list(sequence._modules):
            del sequence._modules[key]
        for number, part in enumerate(made):
            sequence.add_module(str(number), part)


def skips_to_add(model: nn.Module) -> dict[str, list[int]]:
    """Return for each nn.Sequential, by name, the places of layers that a skip connection can go around."""
    found: dict[str, list[int]] = {}
    for name, sequence in model.named_modules():
        if type(sequence) is nn.Sequential:
            pairs = enumerate(itertools.pairwise(sequence))
            if starts := [at for at, (here, after) in pairs if _keeps_shape(here) and activation_of(after) is not None]:
                found[name] = starts
    if not found:
        raise NotApplicable("no nn.Sequential holds a layer of equal width followed by its activation")
    return found


def unfreeze(model: nn.Module) -> None:
    """Ask for every parameter's gradient."""
    for name in frozen_parameters(model):
        model.get_parameter(name).requires_grad_(True)


def frozen_parameters(model: nn.Module) -> list[str]:
    """Return the names of the parameters that ask for no gradient."""
    still = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    if not still:
        raise NotApplicable("nothing is frozen")
    return still


def widen(model: nn.Module) -> None:
    """Compute in float32."""
    if not is_half(model):
        raise NotApplicable("it computes in float32 or float64")
    model.float()


def is_half(model: nn.Module) -> bool:
    """Whether a parameter is in half precision."""
    return any(parameter.dtype in (torch.float16, torch.bfloat16) for parameter in model.parameters())


def _keeps_shape(module: nn.Module) -> bool:
    if isinstance(module, nn.Linear):
        return module.in_features == module.out_features
    if isinstance(module, nn.Conv2d):
        same = isinstance(module.padding, tuple) and all(
            2 * pad == size - 1 for pad, size in zip(module.padding, module.kernel_size, strict=True)
        )
        return module.in_channels == module.out_channels and set(module.stride) == {1} and same
    return False


def _replace(model: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, new)
