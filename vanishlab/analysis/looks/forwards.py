"""The first function of a forward pass that makes something that is not finite of something that is."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

_ON_PURPOSE = {
    "masked_fill", "full", "full_like", "new_full", "fill", "where", "tensor", "triu", "tril", "finfo", "empty",
    "empty_like", "new_empty", "expand", "to", "as_tensor",
}  # fmt: skip
"""Functions by which somebody writes -inf, as masks do, or whose numbers nobody has written yet."""


class Place(NamedTuple):
    """A function by its name, and the module that was called last before it returned."""

    operation: str
    after: str
    dtype: str
    nan: bool
    """Whether it made NaN, and no infinity alone."""
    largest: float
    """The largest entry that it was given, by its absolute value."""


class Forwards(TorchFunctionMode):
    """Watch the functions that a forward pass calls, inside a `with` block."""

    def __init__(self, model: nn.Module) -> None:
        """Set nothing yet."""
        super().__init__()
        self._model = model
        self._handles: list[RemovableHandle] = []
        self._last = ""
        self.first: Place | None = None
        """The first function that was given finite numbers and made NaN or an infinity; -inf alone does not count."""
        self.minus: Place | None = None
        """The first that made -inf alone, as log does of 0."""

    def __enter__(self) -> "Forwards":
        """Set the hooks on modules that hold no others."""
        for name, module in self._model.named_modules():
            if name and next(module.children(), None) is None:
                self._handles.append(module.register_forward_pre_hook(self._note(name)))
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        """Remove them."""
        super().__exit__(*exception)
        while self._handles:
            self._handles.pop().remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function, and look at what it returns until something was found."""
        name = getattr(func, "__name__", "")
        early = [_largest(each) for each in _floats((args, kwargs))] if name.endswith("_") and name[0] != "_" else None
        made = func(*args, **(kwargs or {}))
        name = name.rstrip("_")
        if self.first is None and name and name not in _ON_PURPOSE:
            for each in _floats(made):
                if not bool(each.isfinite().all()):
                    given = [_largest(each) for each in _floats((args, kwargs))] if early is None else early
                    if all(each < torch.inf for each in given):
                        self._found(name, each, max(given, default=0.0))
                    break
        return made

    def _found(self, name: str, made: Tensor, largest: float) -> None:
        place = Place(name, self._last, str(made.dtype).removeprefix("torch."), bool(made.isnan().any()), largest)
        if place.nan or bool(made.isposinf().any()):
            self.first = place
        elif self.minus is None:
            self.minus = place

    def _note(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any) -> None:
            self._last = name

        return hook


def _floats(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        plain = value.layout == torch.strided and not value.is_nested and value.is_floating_point() and value.numel()
        return [value.detach()] if plain and not value.is_meta else []
    if isinstance(value, dict):
        value = tuple(value.values())
    return [found for each in value for found in _floats(each)] if isinstance(value, (tuple, list)) else []


def _largest(value: Tensor) -> float:
    # NaN must not pass for finite; a mask's -inf is as good as any number.
    kept = torch.where(value.isneginf(), 0.0, value.abs())
    largest = float(kept.max())
    return largest if largest == largest else torch.inf
