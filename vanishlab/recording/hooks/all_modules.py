"""The hooks on all modules of a model, those among them that hide what they compute too."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from vanishlab.network.mlp import MLP
from vanishlab.recording.hooks.attention import hooks_for_attention
from vanishlab.recording.hooks.find_layers import is_attention
from vanishlab.recording.hooks.module_hooks import ModuleHooks
from vanishlab.recording.hooks.recurrent import hooks_for_recurrent
from vanishlab.recording.layer import Layer
from vanishlab.recording.site import Site


def hooks_for_model(hooks: ModuleHooks, model: nn.Module, layers: list[Layer]) -> Iterator[Any]:
    """Set the hooks on the layers' modules and on the activations."""
    if isinstance(model, MLP):
        yield from hooks.hooks_for_stack(layers)
        yield from hooks_for_activations(hooks, model, layers)
        return
    special: dict[nn.Module, list[Layer]] = {}
    plain: dict[int, Site] = {}
    for layer in layers:
        if layer.site is not None and (is_attention(layer.site.module) or isinstance(layer.site.module, nn.RNNBase)):
            special.setdefault(layer.site.module, []).append(layer)
        elif layer.site is not None:
            plain[id(layer.site)] = layer.site
    yield from hooks.hooks_for_sites(plain.values())
    for module, theirs in special.items():
        set_hooks = hooks_for_recurrent if isinstance(module, nn.RNNBase) else hooks_for_attention
        yield from set_hooks(hooks, module, theirs)  # pyright: ignore[reportArgumentType]
    yield from hooks_for_activations(hooks, model, layers)


def hooks_for_activations(hooks: ModuleHooks, model: nn.Module, layers: list[Layer]) -> Iterator[Any]:
    """Set the hooks on the activations that have none yet."""
    if isinstance(model, MLP):
        yield from hooks.hooks_for_activations_of_stack(layers)
    else:
        yield from hooks.hooks_for_activations(model)
