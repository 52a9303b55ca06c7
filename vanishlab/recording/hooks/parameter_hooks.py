"""The hooks on parameters: they tell which layers have got a gradient, where no hook sees what a weight is used for."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from vanishlab.recording.layer import Layer


class ParameterHooks:
    """One hook on each parameter of the layers, on what stands there now."""

    def __init__(
        self,
        layers: list[Layer],
        alone: Callable[[Callable[..., Any]], Callable[..., Any]],
        got_gradient: Callable[[list[Layer]], None],
        wanted: Callable[[], bool],
    ) -> None:
        """Have `got_gradient` called, guarded by `alone` and where it is `wanted`, with the layers of a parameter that
        has got a gradient.
        """
        self._layers = layers
        self._got_gradient = got_gradient
        guarded = alone(self._call)
        self._hook = lambda parameter: guarded(parameter) if wanted() else None
        self._owners: dict[Tensor, list[Layer]] = {}  # of each parameter
        self._set: list[int] = []  # torch's own tensors that `set` has left with a hook
        self._hooked: dict[Tensor, tuple[int, Any]] = {}  # the parameters that have a hook: torch's own tensor, handle

    def find_owners(self) -> None:
        """Note whose each parameter is, and take the hooks off those that are nobody's."""
        self._owners = {}
        self._set = []
        for layer in self._layers:
            for parameter in () if layer.gone else (*layer.weights, *layer.biases):
                self._owners.setdefault(parameter, []).append(layer)
        for parameter in [each for each in self._hooked if each not in self._owners]:
            self._hooked.pop(parameter)[1].remove()

    def set(self) -> None:
        """Set the hooks that are missing; to be asked in each pass, since parameters may have been unfrozen."""
        if [parameter._cdata for parameter in self._owners if parameter.requires_grad] == self._set:
            return
        for parameter in self._owners:
            if parameter.requires_grad and self._hooked.get(parameter, (0, None))[0] != parameter._cdata:
                if parameter in self._hooked:  # torch.utils.swap_tensors has left the hooks' list, and calls none of it
                    parameter._post_accumulate_grad_hooks = None  # pyright: ignore[reportAttributeAccessIssue]
                handle = parameter.register_post_accumulate_grad_hook(self._hook)
                self._hooked[parameter] = parameter._cdata, handle
        self._set = [parameter._cdata for parameter in self._owners if parameter.requires_grad]

    def remove(self) -> None:
        """Take every hook off."""
        while self._hooked:
            self._hooked.popitem()[1][1].remove()
        self._set = []
        self._owners.clear()

    def _call(self, parameter: Tensor) -> None:
        self._got_gradient(self._owners.get(parameter, []))
