"""Changes to a model's modules: new weights, other activations, normalisation, skip connections.

Each takes a model of its own to change, and raises `NotApplicable` with the reason where there is nothing to change.
Weights are drawn as the activation asks: for a bounded phi orthogonal, with the gain 1 / phi'(0), which keeps every
singular value at 1 (arXiv:1312.6120): 1 for tanh, 4 for sigmoid; for the others normal with the gain that keeps the
second moment (arXiv:1502.01852).
"""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from vanishlab.activations import ACTIVATIONS
from vanishlab.network.activation_modules import activation_of
from vanishlab.network.mlp import NORMALIZATIONS, Residual


class NotApplicable(Exception):
    """A change that this model has no place for; the message is the reason."""


def draw_weights(model: nn.Module, phi: Mapping[str, str]) -> None:
    """Draw every linear and convolutional weight anew for its activation `phi` (by layer name), biases 0."""
    drawn = 0
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
            _draw(module, phi.get(name, ""))
            drawn += 1
    if not drawn:
        raise NotApplicable("it has no linear or convolutional layer")


@torch.no_grad()
def _draw(module: nn.Module, phi: str) -> None:
    weight = module.get_parameter("weight")
    values = torch.empty(weight.shape, dtype=torch.float32, device=weight.device)
    fan_out, fan_in = len(weight), weight[0].numel()
    known = ACTIVATIONS.get(phi)  # None for a readout
    if known is not None and not known.bounded:
        gain = known.second_moment_gain or known.gain
        nn.init.normal_(values, 0.0, gain / fan_in**0.5)
    else:
        gain = 1.0 / known.at_zero[1] if known else 1.0
        # Entries of variance 1 / fan_in also where there are more rows than columns.
        nn.init.orthogonal_(values, gain=gain * max(1.0, fan_out / fan_in) ** 0.5)
    weight.copy_(values)
    if isinstance(bias := getattr(module, "bias", None), torch.Tensor):
        bias.zero_()


def swap_activations(model: nn.Module, phi: dict[str, str], make: Callable[[], nn.Module]) -> None:
    """Replace every activation module by `make()`, and draw the weights for it."""
    new = make()
    name_of_new = getattr(activation_of(new), "name", "")
    hits = [(name, module) for name, module in model.named_modules() if (activation_of(module) is not None) and name]
    old = [(name, module) for name, module in hits if type(module) is not type(new)]
    if not hits:
        raise NotApplicable("its activations are functions, not modules")
    if not old:
        raise NotApplicable(f"its activations are {type(new).__name__} already")
    for name, _ in old:
        _replace(model, name, make())
    draw_weights(model, {layer: name_of_new if kind else "" for layer, kind in phi.items()})


def normalise(model: nn.Module, phi: Mapping[str, str], units: Mapping[str, float]) -> None:
    """Put batch normalisation (layer normalisation, where examples have more axes) before each activation."""
    if any(isinstance(module, NORMALIZATIONS) for module in model.modules()):
        raise NotApplicable("it is normalised already")
    done = 0
    for name, module in list(model.named_modules()):
        if not name or not phi.get(name):
            continue
        weight = getattr(module, "weight", None)
        if isinstance(module, nn.Linear):
            plain = units.get(name) in (None, float(module.out_features))
            norm: nn.Module = nn.BatchNorm1d(module.out_features) if plain else nn.LayerNorm(module.out_features)
        elif isinstance(module, nn.Conv2d):
            norm = nn.BatchNorm2d(module.out_channels)
        elif isinstance(module, nn.Conv1d):
            norm = nn.BatchNorm1d(module.out_channels)
        else:
            continue
        _replace(model, name, nn.Sequential(module, norm.to(weight)))
        done += 1
    if not done:
        raise NotApplicable("no linear or convolutional layer is followed by an activation")


def add_skips(model: nn.Module, *, learned: bool) -> None:
    """Put a skip connection around each linear (or convolution) and activation that keep the shape, in sequences."""
    done = 0
    for sequence in [module for module in model.modules() if type(module) is nn.Sequential]:
        parts, place = list(sequence), 0
        made: list[nn.Module] = []
        while place < len(parts):
            here, after = parts[place], parts[place + 1] if place + 1 < len(parts) else None
            if after is not None and _keeps_shape(here) and activation_of(after) is not None:
                scale = torch.zeros((), dtype=here.get_parameter("weight").dtype) if learned else 1.0
                made.append(Residual(nn.Sequential(here, after), scale))
                place += 2
                done += 1
            else:
                made.append(here)
                place += 1
        for key in list(sequence._modules):
            del sequence._modules[key]
        for number, part in enumerate(made):
            sequence.add_module(str(number), part)
    if not done:
        raise NotApplicable("no nn.Sequential holds a layer of equal width followed by its activation")


def unfreeze(model: nn.Module) -> None:
    """Ask for every parameter's gradient."""
    still = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    if not still:
        raise NotApplicable("nothing is frozen")
    for parameter in still:
        parameter.requires_grad_(True)


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
