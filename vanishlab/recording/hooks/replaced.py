"""What is replaced while a recorder is active: a parameter, a module, a whole branch of the model.

A parameter that is replaced in its module (`load_state_dict(assign=True)`, an assignment, a conversion that makes new
parameters) is looked up again, and the layer's numbers are the new one's. A layer whose module, or a parameter of whose
weight, is no longer where it was is gone: nothing is measured of it while that is so.

A look compares what is there with what was there; only where something differs is a layer looked at more closely.
"""

import torch
from torch import Tensor, nn

from vanishlab.recording.hooks.find_layers import WRAPPERS
from vanishlab.recording.layer import Layer, is_sharded


class Homes:
    """Where the parameters of the layers are at home in the model."""

    def __init__(self, model: nn.Module, layers: list[Layer]) -> None:
        """Note each layer's place in `model`."""
        self._model = model
        self._layers = layers
        self._paths = {
            module: [part for part in path.split(".") if part and part not in WRAPPERS]
            for path, module in model.named_modules()
        }
        self._children: list[tuple[dict[str, nn.Module | None], tuple[nn.Module | None, ...]]] = []
        self._childless: list[dict[str, nn.Module | None]] = []
        self._parameters: list[tuple[dict[str, nn.Parameter | None], str, Tensor | None]] = []
        self._rebuilt = True  # something has to be looked at

    def rebuilt(self) -> bool:
        """Return whether modules have been put in, taken out or replaced since this was last asked."""
        seen = bool(self._children or self._childless)
        if seen and not any(self._childless) and all([(*now.values(),) == before for now, before in self._children]):
            return False
        modules = [each for each in self._model.modules() if not isinstance(each, torch.jit.ScriptModule)]
        self._children = [(each._modules, (*each._modules.values(),)) for each in modules if each._modules]
        self._childless = [each._modules for each in modules if not each._modules]
        self._rebuilt = True
        return True

    def replaced(self, *, in_backward: bool = False) -> tuple[list[Layer], list[Layer]]:
        """Look the parameters up. Return the layers where another weight, or none, stands now, and those with no more
        than another bias.

        In a backward pass (`in_backward`) a parameter may be out for its duration: FSDP puts views in its place.
        """
        self.rebuilt()
        if not self._rebuilt and all([there.get(key) is tensor for there, key, tensor in self._parameters]):
            return [], []
        self._rebuilt = False
        looks = [(layer, *self._look_at(layer, in_backward)) for layer in self._layers]
        homes = [home for layer in self._layers for part in layer.homes for home in part]
        self._parameters = [(module._parameters, key, module._parameters.get(key)) for module, key in homes]
        weights = [layer for layer, of_weight, _ in looks if of_weight]
        return weights, [layer for layer, of_weight, of_bias in looks if of_bias and not of_weight]

    def _look_at(self, layer: Layer, in_backward: bool) -> tuple[bool, bool]:
        """Look the layer's parameters up, and return whether another weight, and another bias, stands there now."""
        weights, biases = ([module._parameters.get(key) for module, key in part] for part in layer.homes)
        if in_backward and any(each is None for each in weights):
            self._rebuilt = True  # to be looked at again
            return False, False
        before = (layer.gone, *layer.weights), tuple(layer.biases)
        found = [_kept(*pair) for pair in zip(layer.weights, weights, strict=True)]
        layer.gone = any(each is None for each in found) or not all(self._stands(home) for home, _ in layer.homes[0])
        if not layer.gone:
            layer.weights = [each for each in found if each is not None]
            olds = layer.biases if len(layer.biases) == len(biases) else [None] * len(biases)
            layer.biases = [new for pair in zip(olds, biases, strict=True) if (new := _kept(*pair)) is not None]
        return _differ(before[0], (layer.gone, *layer.weights)), _differ(before[1], tuple(layer.biases))

    def _stands(self, module: nn.Module) -> bool:
        """Return whether `module` is in the model, where it was."""
        there: nn.Module | None = self._model
        for part in self._paths[module]:
            if (there := _inside(there)._modules.get(part)) is None:
                return False
        return module is there or module is _inside(there)


def _inside(module: nn.Module) -> nn.Module:
    """Return the module inside torch.compile's or activation checkpointing's wrappers."""
    while (inner := next((module._modules[key] for key in WRAPPERS if key in module._modules), None)) is not None:
        module = inner
    return module


def _differ(before: tuple[object, ...], after: tuple[object, ...]) -> bool:
    return len(before) != len(after) or any(old is not new for old, new in zip(before, after, strict=True))


def _kept(old: Tensor | None, new: Tensor | None) -> Tensor | None:
    """Return `new`, or `old` where FSDP has put the whole of it in its place for a forward or backward pass."""
    return old if old is not None and new is not None and is_sharded(old) and not is_sharded(new) else new
