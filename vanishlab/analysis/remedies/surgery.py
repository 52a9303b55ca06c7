"""Changes to a model's modules: new weights, other activations, normalisation, skip connections.

Each takes a model of its own to change, and raises `NotApplicable` with the reason where there is nothing to change.
Weights are drawn as the activation asks: for a bounded phi orthogonal, with the gain 1 / phi'(0), which keeps every
singular value at 1 (arXiv:1312.6120): 1 for tanh, 4 for sigmoid; for the others normal with the gain that keeps the
second moment (arXiv:1502.01852).
"""

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from vanishlab.activations import ACTIVATIONS
from vanishlab.network.activation_modules import activation_of
from vanishlab.network.mlp import NORMALIZATIONS, Residual
from vanishlab.recording.hooks.find_layers import shown_name


class NotApplicable(Exception):
    """A change that this model has no place for; the message is the reason."""


class Draw(NamedTuple):
    """How a layer's weights are drawn: with this standard deviation, or orthogonal with this gain."""

    layer: str
    orthogonal: bool
    size: float
    assigned: bool
    """Whether the weight is made of other parameters (weight norm), which an assignment sets."""


def by_module(
    model: nn.Module, layers: Iterable[str], phi: Iterable[str], units: Iterable[float]
) -> tuple[dict[str, str], dict[str, float]]:
    """Return each layer's activation and units by the name of its module in `model`, wrappers' parts included."""
    seen = dict(zip(layers, zip(phi, units, strict=True), strict=True))
    names = {path: shown for path, _ in model.named_modules() if (shown := shown_name(path)) in seen}
    return {path: seen[name][0] for path, name in names.items()}, {path: seen[name][1] for path, name in names.items()}


def weight_draws(model: nn.Module, phi: Mapping[str, str]) -> list[Draw]:
    """Return how every linear and convolutional weight is drawn for its activation `phi` (by layer name)."""
    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, kinds)]
    if not found:
        raise NotApplicable("it has no linear or convolutional layer")
    return [_draw_of(name, module, phi.get(name, "")) for name, module in found]


def _draw_of(layer: str, module: nn.Module, phi: str) -> Draw:
    assigned = parametrize.is_parametrized(module, "weight")
    weight = _assigned_shape(layer, module) if assigned else module._parameters.get("weight")
    if weight is None:
        # By its name: torch has deprecated the module that it would have to be imported from.
        if any(type(hook).__name__ == "WeightNorm" for hook in module._forward_pre_hooks.values()):
            raise NotApplicable(
                f"the weight of {layer} is made by torch.nn.utils.weight_norm, which torch gives up: where "
                "torch.nn.utils.parametrizations.weight_norm makes it, it can be drawn"
            )
        raise NotApplicable(f"the weight of {layer} is made of other parameters")
    if is_lazy(weight):
        raise NotApplicable(f"{layer} has no shape before its first batch")
    fan_in = _fan_in(module, weight)
    known = ACTIVATIONS.get(phi)  # None for a readout
    if known is not None and not known.bounded:
        return Draw(layer, False, (known.second_moment_gain or known.gain) / fan_in**0.5, assigned)
    gain = 1.0 / known.at_zero[1] if known else 1.0
    # An orthogonal matrix has entries of variance 1 over the longer side; they are to have that of 1 / fan_in.
    return Draw(layer, True, gain * (max(len(weight), weight[0].numel()) / fan_in) ** 0.5, assigned)


def _fan_in(module: nn.Module, weight: torch.Tensor) -> float:
    if not isinstance(module, nn.modules.conv._ConvTransposeNd):
        return float(weight[0].numel())
    # (in, out / groups, ...): strides set the inputs apart, so that each output meets as many fewer entries.
    return len(weight) / module.groups * weight[0, 0].numel() / math.prod(module.stride)


@torch.no_grad()
def _assigned_shape(layer: str, module: nn.Module) -> torch.Tensor:
    """Return a tensor of the weight's shape, if the weight takes what it is assigned."""
    twin = copy.deepcopy(module)  # spectral norm changes its buffers whenever its weight is looked at
    weight = twin.weight
    assert isinstance(weight, torch.Tensor)
    wanted = torch.linspace(-1.0, 1.0, weight.numel()).reshape(weight.shape).to(weight)
    try:
        twin.weight = wanted
        kept = torch.allclose(twin.weight, wanted, rtol=0.01, atol=0.01)
    except Exception:  # orthogonal weights refuse others, each parametrisation in its own words
        kept = False
    if not kept:
        made_by = twin.get_submodule("parametrizations.weight").children()
        kinds = ", ".join(type(each).__name__.lstrip("_") for each in made_by)
        raise NotApplicable(f"the weight of {layer} does not take any values: its parametrisation is {kinds}")
    return wanted


@torch.no_grad()
def draw_weights(model: nn.Module, phi: Mapping[str, str]) -> None:
    """Draw every linear and convolutional weight anew for its activation `phi` (by layer name), biases 0."""
    for draw in weight_draws(model, phi):
        module = model.get_submodule(draw.layer)
        weight = module.weight if draw.assigned else module.get_parameter("weight")
        assert isinstance(weight, torch.Tensor)
        values = torch.empty(weight.shape, dtype=torch.float32, device=weight.device)
        if draw.orthogonal:
            nn.init.orthogonal_(values, gain=draw.size)
        else:
            nn.init.normal_(values, 0.0, draw.size)
        if draw.assigned:
            module.weight = values.to(weight.dtype)
        else:
            weight.copy_(values)
        if isinstance(bias := getattr(module, "bias", None), torch.Tensor):
            bias.zero_()


def swap_activations(model: nn.Module, phi: Mapping[str, str], make: Callable[[], nn.Module]) -> None:
    """Replace every activation module by `make()`, and draw the weights for it."""
    for name in activations_to_swap(model, make()):
        _put(model, name, make().train(model.training))
    draw_weights(model, phi_after_swap(phi, make()))


def activations_to_swap(model: nn.Module, new: nn.Module) -> list[str]:
    """Return the names of the activation modules that are of another kind than `new`, of one in two places both."""
    every = model.named_modules(remove_duplicate=False)
    hits = [(name, module) for name, module in every if activation_of(module) is not None and name]
    old = [name for name, module in hits if type(module) is not type(new)]
    if not hits:
        raise NotApplicable("its activations are functions, not modules")
    if not old:
        raise NotApplicable(f"its activations are {type(new).__name__} already")
    _check_replaceable(model, [module for name, module in hits if name in old])
    return old


def phi_after_swap(phi: Mapping[str, str], new: nn.Module) -> dict[str, str]:
    """Return each layer's activation once `new` has taken the place of all."""
    name_of_new = getattr(activation_of(new), "name", "")
    return {layer: name_of_new if kind else "" for layer, kind in phi.items()}


def normalise(model: nn.Module, phi: Mapping[str, str], units: Mapping[str, float]) -> None:
    """Put batch normalisation (layer normalisation, where examples have more axes) before each activation."""
    for name, norm in norms_to_add(model, phi, units).items():
        module = model.get_submodule(name)
        places = places_of(model, name)
        normed = nn.Sequential(module, norm.to(next(module.parameters()))).train(model.training)
        for place in places:
            _put(model, place, normed)


def norms_to_add(model: nn.Module, phi: Mapping[str, str], units: Mapping[str, float]) -> dict[str, nn.Module]:
    """Return the normalisation that each layer with an activation lacks, by the layer's name."""
    if any(isinstance(module, NORMALIZATIONS) for module in model.modules()):
        raise NotApplicable("it is normalised already")
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        if not name or not phi.get(name):
            continue
        if isinstance(module, nn.Linear):
            # Of a layer that is called more than once the calls have statistics of their own.
            once = len(places_of(model, name)) == 1
            plain = once and units.get(name) in (None, float(module.out_features))
            found[name] = nn.BatchNorm1d(module.out_features) if plain else nn.LayerNorm(module.out_features)
        elif isinstance(module, nn.Conv2d):
            found[name] = nn.BatchNorm2d(module.out_channels)
        elif isinstance(module, nn.Conv1d):
            found[name] = nn.BatchNorm1d(module.out_channels)
    if not found:
        raise NotApplicable("no linear or convolutional layer is followed by an activation")
    _check_replaceable(model, map(model.get_submodule, found))
    return found


def add_skips(model: nn.Module, *, learned: bool) -> None:
    """Put a skip connection around each linear (or convolution) and activation that keep the shape, in sequences."""
    for name, starts in skips_to_add(model).items():
        sequence = model.get_submodule(name)
        assert isinstance(sequence, nn.Sequential)
        parts = list(sequence)  # `children()` would name a module in two places once
        made: list[nn.Module] = []
        for place, part in enumerate(parts):
            if place in starts:
                weight = next(part.parameters())
                scale = torch.zeros((), dtype=weight.dtype, device=weight.device) if learned else 1.0
                made.append(Residual(nn.Sequential(part, parts[place + 1]), scale).train(model.training))
            elif place - 1 not in starts:
                made.append(part)
        del sequence[:]
        sequence.extend(made)


def skips_to_add(model: nn.Module) -> dict[str, list[int]]:
    """Return for each nn.Sequential, by name, the places of layers that a skip connection can go around."""
    found: dict[str, list[int]] = {}
    wrapped: list[nn.Module] = []
    for name, sequence in model.named_modules():
        if type(sequence) is nn.Sequential:
            pairs = enumerate(itertools.pairwise(sequence))
            if starts := [at for at, (here, after) in pairs if _keeps_shape(here) and activation_of(after) is not None]:
                found[name] = starts
                wrapped += [sequence[at] for at in starts]
    if not found:
        raise NotApplicable("no nn.Sequential holds a layer of equal width followed by its activation")
    _check_replaceable(model, wrapped)
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


def places_of(model: nn.Module, name: str) -> list[str]:
    """Return every name that the module of this name has in the model."""
    wanted = model.get_submodule(name)
    return [place for place, module in model.named_modules(remove_duplicate=False) if module is wanted]


def _put(model: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, new)


def _check_replaceable(model: nn.Module, modules: Iterable[nn.Module]) -> None:
    """Raise where an attribute that is no module holds one of these: what `forward` calls may be that one."""
    names = {id(module): name for name, module in model.named_modules()}
    wanted = {id(module) for module in modules}
    for owner, module in model.named_modules():
        for attribute, value in vars(module).items():
            if attribute not in _REGISTERED and (held := _holds(value, wanted)) is not None:
                where = f"{owner}.{attribute}" if owner else attribute
                raise NotApplicable(f"{where} holds {names[held]} too, and forward may call that one")


_REGISTERED = frozenset(vars(nn.Module()))
"""What every module has of its own: its parts, its parameters, its hooks."""
_MOST = 10_000  # objects of an attribute that are looked at


def _holds(value: Any, wanted: set[int]) -> int | None:
    waiting, looked_at = [value], 0
    while waiting and looked_at < _MOST:
        each = waiting.pop()
        looked_at += 1
        if id(each) in wanted:
            return id(each)
        if isinstance(each, Mapping):
            waiting += each.values()
        elif isinstance(each, list | tuple | set | frozenset):
            waiting += each
        elif each is value and type(each).__module__ != "builtins" and not isinstance(each, nn.Module | torch.Tensor):
            waiting += getattr(each, "__dict__", {}).values()
    return None
