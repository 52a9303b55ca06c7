"""`Probe`: what only a live model shows: which modules were called, activations that are functions, delta through time.

A record knows activations that are modules; a model may as well call `torch.relu`. A recurrent layer is one layer to a
record, whatever its number of calls; here each call's delta is kept. An LSTM cell's is that of its whole state (h, c).
"""

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from vanishlab.activations import ACTIVATIONS
from vanishlab.analysis.evidence import Absence
from vanishlab.analysis.looks.attention import FUNCTIONS, sharp_share
from vanishlab.recording.norms import slice_norms
from vanishlab.recording.saturation import saturated_fraction
from vanishlab.recording.step_values import LEAST_CALLS

_WITHOUT_VALUES = contextlib.suppress(Exception)
"""Around a look at a tensor that may have no value to be had: within vmap, nested, on the device "meta"."""


class Probe:
    """Hooks on `model` for the length of a `with` block around one forward and backward pass."""

    def __init__(self, model: nn.Module) -> None:
        """Set nothing yet."""
        self._model = model
        self._handles: list[RemovableHandle] = []
        self._called: set[str] = set()
        self._deltas: dict[str, dict[int, float]] = defaultdict(dict)
        self._calls: dict[str, int] = defaultdict(int)
        self._modules: list[str] = []
        self._attention = ""
        self.sharp: dict[tuple[str, ...], float] = {}
        """The layers before a softmax inside the model, and the share of its rows that pass no gradient on."""
        self.saturated: dict[str, tuple[str, float]] = {}
        """Layer to the activation that came after it, and the share of its inputs that it does not pass on."""
        self._functions = _Functions(self._note_activation, self._note_softmax)

    def __enter__(self) -> "Probe":
        """Set the hooks."""
        for name, module in self._model.named_modules():
            if not list(module.parameters(recurse=False)):
                continue
            self._handles.append(module.register_forward_hook(self._leave(name)))
            if isinstance(module, nn.MultiheadAttention):
                self._handles.append(module.register_forward_pre_hook(self._enter(name)))
        self._functions.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove them."""
        self._functions.__exit__(None, None, None)
        while self._handles:
            self._handles.pop().remove()

    @property
    def through_time(self) -> dict[str, np.ndarray]:
        """log10 of delta's norm at each call, for every layer of several calls."""
        found = {name: np.array([deltas.get(call, 0.0) for call in range(self._calls[name])])
                 for name, deltas in self._deltas.items()}  # fmt: skip
        with np.errstate(divide="ignore"):
            return {name: np.log10(norms) for name, norms in found.items() if len(norms) >= LEAST_CALLS}

    def absent(self) -> dict[str, Absence]:
        """Return the modules whose weights have no gradient, and why."""
        found: dict[str, Absence] = {}
        for name, module in self._model.named_modules():
            wide = [parameter for parameter in module.parameters(recurse=False) if parameter.ndim >= 2]
            if not wide or any(parameter.grad is not None for parameter in wide):
                continue
            if not any(parameter.requires_grad for parameter in wide):
                found[name or type(module).__name__] = "frozen"
            else:
                found[name or type(module).__name__] = "detached" if name in self._called else "unused"
        return found

    def _enter(self, name: str) -> Callable[[nn.Module, Any], None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            self._attention = name

        return hook

    def _leave(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            self._called.add(name)
            if any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False)):
                self._modules.append(name or type(module).__name__)
            z = output[0] if isinstance(output, tuple) else output
            if isinstance(module, nn.RNNBase) or not isinstance(z, Tensor) or not z.requires_grad:
                return
            call = self._calls[name]
            self._calls[name] += 1

            def note(delta: Tensor) -> None:
                norm = float(slice_norms(delta, 1))
                self._deltas[name][call] = math.hypot(self._deltas[name].get(call, 0.0), norm)

            z.register_hook(note)
            if isinstance(module, nn.LSTMCell) and output[1].requires_grad:  # the other half of its state
                output[1].register_hook(note)

        return hook

    def _note_activation(self, name: str, u: Tensor) -> None:
        last = self._modules[-1] if self._modules else ""
        if last and last not in self.saturated and u.is_floating_point():
            u = u.detach()
            share = saturated_fraction(u[None] if u.ndim > 1 else u[None, None], ACTIVATIONS[name])
            self.saturated[last] = (name, float(share))

    def _note_softmax(self, function: Callable[..., Any], args: Any, kwargs: Any, made: Any) -> None:
        share = sharp_share(function, args, kwargs, made)
        if share is None or not (self._modules or self._attention):
            return
        if function.__name__.startswith("multi"):  # the projections are its own, and no modules
            layers = (self._attention,)
        else:  # the last layers beside each other: query, key and value
            parent = self._modules[-1].rpartition(".")[0]
            beside = [name for name in self._modules if name.rpartition(".")[0] == parent]
            layers = tuple(dict.fromkeys(beside[-3:]))
        self.sharp[layers] = max(share, self.sharp.get(layers, 0.0))


class _Functions(TorchFunctionMode):
    """Tell of every call of an activation function, before it may work in place, and of a softmax, afterwards."""

    def __init__(self, on_activation: Callable[..., None], on_softmax: Callable[..., None]) -> None:
        super().__init__()
        self._on_activation = on_activation
        self._on_softmax = on_softmax

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", "").rstrip("_"), kwargs or {}
        if name in ACTIVATIONS and name != "linear" and args and isinstance(args[0], Tensor):
            with _WITHOUT_VALUES:
                self._on_activation(name, args[0])
        made = func(*args, **kwargs)
        if name in FUNCTIONS:
            with _WITHOUT_VALUES:
                self._on_softmax(func, args, kwargs, made)
        return made
