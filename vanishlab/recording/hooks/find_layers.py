"""The layers of a model: which parameters are weights, where their pre-activation comes out, and which are wanted.

By default a layer is

* a module without children (but the observers of quantisation) that owns a weight of two or more axes, under whatever
  name; several weights of one module (a recurrent cell) are layers of their own, at one site;
* the projections of `nn.MultiheadAttention`, and each weight of `nn.RNN`, `nn.LSTM` and `nn.GRU`;
* a module whose weight is parametrised (weight norm, spectral norm): its original parameters stand for the weight.

Everything else with parameters (normalisations, a model's own positional embedding) is named as unmeasured, unless
`layers` chooses it.
"""

import fnmatch
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from vanishlab.errors import InputError, nearest
from vanishlab.network.mlp import MLP, NORMALIZATIONS, Block
from vanishlab.recording import reasons
from vanishlab.recording.layer import Layer
from vanishlab.recording.site import Site

Choice = str | type[nn.Module]
"""A name with the wildcards * ? [], or a type of module."""

WRAPPERS = ("_orig_mod", "_checkpoint_wrapped_module")  # of torch.compile and activation checkpointing
_CONVOLUTIONS = (nn.modules.conv._ConvNd,)


@dataclass
class Found:
    """A layer that may be recorded, its module, and whether it is one by default."""

    layer: Layer
    module: nn.Module
    module_name: str
    default: bool


def find_layers(
    model: nn.Module, layers: Choice | Iterable[Choice] | None = None, batch_axis: int = 0
) -> tuple[list[Layer], dict[str, str]]:
    """Return the wanted layers of `model`, input first, and what was left out with the reason.

    `batch_axis` is where outputs of three or more axes have their examples, unless the module says so itself.

    Raises `InputError` for a model without layers, and for a choice that names none.
    """
    model = unwrapped(model)
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            f"model must be an nn.Module of Python, not TorchScript, which calls no hook of the modules inside it, "
            f"got {getattr(model, 'original_name', type(model).__name__)}: record the one that it was made from"
        )
    found = list(_of_stack(model) if isinstance(model, MLP) else _of_modules(model, batch_axis))
    if layers is None:
        chosen = [each for each in found if each.default]
        if not chosen:
            raise InputError(f"model must have a layer with a weight of two or more axes, got {type(model).__name__}")
        left_out = {each.layer.name: reasons.NOT_A_LAYER for each in found if not each.default}
    else:
        chosen = _chosen(
            found, list(layers) if isinstance(layers, Iterable) and not isinstance(layers, str) else [layers]
        )
        left_out = {}
    left_out |= {
        name: reasons.SCRIPTED for name, each in model.named_modules() if isinstance(each, torch.jit.ScriptModule)
    }
    compiled = {
        inner
        for outer in model.modules()
        if hasattr(outer, "_orig_mod") or getattr(outer, "_compiled_call_impl", None) is not None
        for inner in outer.modules()
    }
    for each in chosen:
        if each.layer.site is not None:
            each.layer.site.compiled = each.module in compiled
    return [each.layer for each in chosen], left_out


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the user's own model inside DistributedDataParallel, DataParallel or torch.compile."""
    for attribute in way_inside(model):
        model = getattr(model, attribute)
    return model


def way_inside(model: nn.Module) -> tuple[str, ...]:
    """Return the attributes that lead to it, one after the other."""
    way: list[str] = []
    while True:
        if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            way.append("module")
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            way.append("_orig_mod")
        else:
            return tuple(way)
        model = getattr(model, way[-1])


def shown_name(path: str) -> str:
    """Return a module's name without its wrappers' part."""
    return ".".join(part for part in path.split(".") if part not in WRAPPERS)


def _chosen(found: list[Found], choices: list[Choice]) -> list[Found]:
    wanted: set[int] = set()
    for choice in choices:
        if isinstance(choice, str):
            places = [
                place
                for place, each in enumerate(found)
                if any(fnmatch.fnmatchcase(name, choice) for name in (each.layer.name, each.module_name))
            ]
            names = [each.layer.name for each in found]
            if not places:
                raise InputError(
                    f"layers must match the name of a layer, such as {', '.join(map(repr, names[:3]))}, got {choice!r}"
                    f"{nearest(choice, names)}"
                )
        elif isinstance(choice, type):
            places = [place for place, each in enumerate(found) if isinstance(each.module, choice)]
            if not places:
                raise InputError(f"layers must be types of modules with parameters in the model, got {choice.__name__}")
        else:
            raise InputError(f"layers must be names, types of modules or several of them, got {choice!r}")
        wanted.update(places)
    if not wanted:
        raise InputError("layers must name at least one layer, got none")
    return [found[place] for place in sorted(wanted)]


def _of_stack(model: MLP) -> Iterator[Found]:
    names = [f"blocks.{index}.linear" for index in range(len(model.blocks))]
    for name, block in zip(names, model.blocks, strict=True):
        assert isinstance(block, Block)
        yield _stacked(name, block.linear, model.runs, block)
    yield _stacked("readout", model.readout, model.runs, None)


def _stacked(name: str, module: nn.Module, runs: int, block: Block | None) -> Found:
    layer = Layer(name, Site(module, stacked=True), [(module, "weight")], [(module, "bias")], runs, block)
    return Found(layer, module, name, default=True)


def _of_modules(model: nn.Module, batch_axis: int) -> Iterator[Found]:
    axes = dict.fromkeys(model.modules(), batch_axis)
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
            inner = 0 if module.self_attn.batch_first else 1
            axes.update(dict.fromkeys(module.modules(), inner))
    handled: set[nn.Module] = set()
    for path, module in model.named_modules():
        name = shown_name(path)
        if isinstance(module, torch.jit.ScriptModule):
            handled.update(module.modules())
        if module in handled:
            continue
        for key, parameter in module.named_parameters(recurse=False):
            if isinstance(parameter, UninitializedParameter):
                raise InputError(
                    f"model must have been called once before it is recorded, "
                    f"{f'{name}.{key}' if name else key} is not initialised yet"
                )
        if is_attention(module):
            if not parametrize.is_parametrized(module.out_proj):  # pyright: ignore
                handled.add(module.out_proj)  # pyright: ignore
            yield from _of_attention(name, module)  # pyright: ignore[reportArgumentType]
        elif isinstance(module, nn.RNNBase):
            yield from _of_recurrent(name, module)
        elif isinstance(module, parametrize.ParametrizationList):  # of a module that is dealt with above
            shown = ".".join(part for part in name.split(".") if part != "parametrizations")
            originals = [(module, key) for key, _ in module.named_parameters(recurse=False)]
            yield Found(Layer(shown, None, originals), module, name, default=True)
        elif parametrize.is_parametrized(module):
            handled.update(module.parametrizations.modules())  # pyright: ignore
            yield from _of_parametrized(name, module, axes[module])
        else:
            yield from _of_plain(name, module, axes[module])


def _of_plain(name: str, module: nn.Module, batch_axis: int) -> Iterator[Found]:
    own = dict(module.named_parameters(recurse=False))
    wide = [key for key, value in own.items() if value.ndim >= 2]
    leaf = all(map(_only_observes, module.children()))
    site = _site(module, batch_axis) if leaf else None  # what stands beside other layers has no output of its own
    groups = [(key,) for key in wide]
    default = leaf and not isinstance(module, NORMALIZATIONS)
    if isinstance(module, NORMALIZATIONS):
        groups = [("weight",)] if "weight" in own else []
    elif set(wide) == {"weight_g", "weight_v"}:  # torch's older weight norm
        groups = [tuple(wide)]
    used: set[str] = set()
    for group in groups:
        alone = leaf and len(groups) == 1
        rest = [key for key in own if key not in wide]
        bias = "bias" if alone else group[0].replace("weight", "bias")
        if alone and "bias" not in own and len(rest) == 1:
            bias = rest[0]
        biases = [(module, bias)] if bias in own and bias not in group else []
        used.update(group, [bias])
        shown = (name or type(module).__name__) if alone else _joined(name, group[0])
        yield Found(Layer(shown, site, [(module, key) for key in group], biases), module, name, default)
    for key in own:
        if key not in used:
            yield Found(Layer(_joined(name, key), site, [(module, key)]), module, name, default=False)


def _of_attention(name: str, module: nn.MultiheadAttention) -> Iterator[Found]:
    axis = 0 if module.batch_first else 1
    own = dict(module.named_parameters(recurse=False))
    inner = [key for key in own if key.endswith("proj_weight")]
    for key in inner:
        biases = [(module, "in_proj_bias")] if len(inner) == 1 and "in_proj_bias" in own else []
        site = Site(module, axis, example_axes=2)
        yield Found(Layer(_joined(name, key), site, [(module, key)], biases), module, name, default=True)
    out = module.out_proj
    if not parametrize.is_parametrized(out):
        biases = [(out, "bias")] if isinstance(out.bias, Tensor) else []
        site = Site(module, axis, example_axes=2)
        yield Found(Layer(_joined(name, "out_proj"), site, [(out, "weight")], biases), module, name, default=True)
    for key in ("bias_k", "bias_v"):
        if key in own:
            yield Found(Layer(_joined(name, key), None, [(module, key)]), module, name, default=False)


def _of_recurrent(name: str, module: nn.RNNBase) -> Iterator[Found]:
    own = dict(module.named_parameters(recurse=False))
    sites: dict[str, Site] = {}
    for key in own:
        if not key.startswith("weight_"):
            continue
        _, part, place = key.split("_", 2)  # weight_ih_l0, weight_hh_l0_reverse
        site = sites.setdefault(place, Site(module, 0 if module.batch_first else 1, example_axes=2))
        bias = f"bias_{part}_{place}"
        biases = [(module, bias)] if bias in own else []
        yield Found(Layer(_joined(name, key), site, [(module, key)], biases), module, name, default=True)


def _of_parametrized(name: str, module: nn.Module, batch_axis: int) -> Iterator[Found]:
    own = dict(module.named_parameters(recurse=False))
    parametrizations = module.parametrizations
    assert isinstance(parametrizations, nn.ModuleDict)
    for key, parametrization in parametrizations.items():
        originals = [(parametrization, each) for each, _ in parametrization.named_parameters(recurse=False)]
        if not originals:
            continue
        biases = [(module, "bias")] if "bias" in own and key == "weight" else []
        shown = (name or type(module).__name__) if key == "weight" else _joined(name, key)
        wide = any(home.get_parameter(each).ndim >= 2 for home, each in originals)
        yield Found(Layer(shown, _site(module, batch_axis), originals, biases), module, name, default=wide)
    for key, value in own.items():
        if key != "bias":
            layer = Layer(_joined(name, key), _site(module, batch_axis), [(module, key)])
            yield Found(layer, module, name, default=value.ndim >= 2)


def is_attention(module: nn.Module) -> bool:
    """Return whether `module` is torch's own attention, which uses its output projection's weight directly."""
    return isinstance(module, nn.MultiheadAttention) and type(module).forward is nn.MultiheadAttention.forward


def _only_observes(module: nn.Module) -> bool:
    """Return whether `module` hangs on another for quantisation, which sees its weights and outputs."""
    return type(module).__module__.startswith(("torch.ao.quantization.", "torchao.quantization."))


def _site(module: nn.Module, batch_axis: int) -> Site:
    if isinstance(module, _CONVOLUTIONS):
        return Site(module, 0, example_axes=module.weight.ndim - 1)
    return Site(module, batch_axis)


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
