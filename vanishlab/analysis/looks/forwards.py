"""The first function of a forward pass that makes something that is not finite of something that is."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

_ON_PURPOSE = {
    "masked_fill", "full", "full_like", "new_full", "fill", "where", "tensor", "triu", "tril", "finfo", "empty",
    "empty_like", "new_empty", "expand", "to", "as_tensor",
}  # fmt: skip
"""Functions by which somebody writes -inf, as masks do, or whose numbers nobody has written yet."""
_OPERATORS = ("add", "sub", "mul", "div", "truediv", "pow", "matmul", "mod", "floordiv")


class Place(NamedTuple):
    """A function by its name, and the module that was called last before it returned."""

    operation: str
    after: str
    dtype: str
    nan: bool
    """Whether it made NaN, and no infinity alone."""
    largest: float
    """The largest entry that it was given, by its absolute value."""
    then: str = ""
    """The function that made NaN or +inf of its -inf, where that is all that it made."""


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
        in_place = name.startswith("__i") or (name.endswith("_") and name[0] != "_")
        early = [_size(each) for each in _floats((args, kwargs))] if in_place else None
        made = func(*args, **(kwargs or {}))
        name = _plain(name)
        if self.first is None and name and name not in _ON_PURPOSE:
            for each in _floats(made):
                if not bool(each.isfinite().all()):
                    given = [_size(each) for each in _floats((args, kwargs))] if early is None else early
                    if all(largest < torch.inf for largest, _ in given):
                        largest = max((largest for largest, _ in given), default=0.0)
                        self._found(name, each, largest, any(below for _, below in given))
                    break
        return made

    def _found(self, name: str, made: Tensor, largest: float, below: bool) -> None:
        if below and self.minus is not None:  # a -inf that nobody wrote on purpose
            bad = bool(made.isnan().any()) or bool(made.isposinf().any())
            self.first = self.minus._replace(then=name) if bad else None
            return
        place = Place(name, self._last, str(made.dtype).removeprefix("torch."), bool(made.isnan().any()), largest)
        if place.nan or bool(made.isposinf().any()):
            self.first = place
        elif self.minus is None and not below:
            self.minus = place

    def _note(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any) -> None:
            self._last = name

        return hook


def _plain(name: str) -> str:
    """Return an operator's name as that of its function: "div" for "__rdiv__" and "__itruediv__"."""
    stem = name.strip("_")
    if name.startswith("__"):
        stem = stem[1:] if stem[:1] in ("r", "i") and stem[1:] in _OPERATORS else stem
    return stem.replace("truediv", "div")


def _floats(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        plain = value.layout == torch.strided and not value.is_nested and value.is_floating_point() and value.numel()
        return [value.detach()] if plain and not value.is_meta else []
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return [found for each in value for found in _floats(each)] if isinstance(value, (tuple, list)) else []


def _size(value: Tensor) -> tuple[float, bool]:
    """Return the largest absolute value but -inf, which is as good as any number in a mask, and whether that is there.

    NaN must not pass for finite: it counts as infinite.
    """
    below = value.isneginf()
    largest = float(torch.where(below, 0.0, value.abs()).max())
    return (largest if largest == largest else torch.inf), bool(below.any())


class Source(NamedTuple):
    """What was not finite before the pass began."""

    what: Literal["weights", "inputs", "targets"]
    names: tuple[str, ...]
    """The modules whose weights they are."""
    share: float
    """Of its entries."""


def not_finite_before(model: nn.Module, batch: Any) -> Source | None:
    """Return what of weights, inputs or targets holds NaN or infinity already; -inf in inputs may be a mask."""
    own = {
        name: [each for each in (*module.parameters(recurse=False), *module.buffers(recurse=False)) if _floats(each)]
        for name, module in model.named_modules()
    }
    if names := tuple(name or type(model).__name__ for name, held in own.items() if _share(held) > 0):
        return Source("weights", names, _share([each for held in own.values() for each in held]))
    inputs, targets = batch, None
    if isinstance(batch, (tuple, list)) and len(batch) >= 2:
        inputs, targets = batch[:-1], batch[len(batch) - 1]
    if share := _share(_floats(inputs)):
        return Source("inputs", (), share)
    return Source("targets", (), share) if (share := _share(_floats(targets))) else None


def _share(values: list[Tensor]) -> float:
    broken = sum(int((each.isnan() | each.isposinf()).sum()) for each in values)
    return broken / max(sum(each.numel() for each in values), 1)
