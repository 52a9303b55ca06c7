"""What each operation of the loss's graph makes of the gradient: where it turns into NaN, or into nothing.

Modules are too coarse for that: `torch.round` between two layers, or a square root inside the loss, belong to none.
Autograd's graph has a node for each operation. A hook on every node sees the gradient that comes and those that go.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

_LEAF = "AccumulateGrad"


class Place(NamedTuple):
    """An operation, by its name, and the modules around it."""

    operation: str
    after: tuple[str, ...]
    """The modules whose outputs it is computed from, the nearest ones."""
    before: str
    """The module that is given its result, "" where that is the loss's."""
    dtype: str
    largest: float
    """The largest finite entry, by its absolute value, of the gradient that came to it."""
    infinite: bool
    """Whether what it made of that holds an infinity (or else NaN alone)."""


@dataclass(frozen=True)
class Backwards:
    """What came of one backward pass."""

    broken: Place | None = None
    """The first operation on the way back that was given a finite gradient and returned another one."""
    cuts: tuple[Place, ...] = ()
    """Operations that were given a gradient and returned exactly zero everywhere."""


class Outputs:
    """Hooks on the modules of a forward pass, to know later whose output a node of the graph made."""

    def __init__(self, model: nn.Module) -> None:
        """Set the hooks on modules that hold no others."""
        self.made: dict[Any, str] = {}
        """Node to the name of its module."""
        self._handles: list[RemovableHandle] = [
            module.register_forward_hook(self._note(name))
            for name, module in model.named_modules()
            if name and next(module.children(), None) is None
        ]

    def remove(self) -> None:
        """Remove the hooks."""
        while self._handles:
            self._handles.pop().remove()

    def _note(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            for tensor in output if isinstance(output, (tuple, list)) else (output,):
                if isinstance(tensor, Tensor) and tensor.grad_fn is not None:
                    self.made.setdefault(tensor.grad_fn, name)

        return hook


class Follow:
    """Hooks on every node behind `loss`, for the length of a `with` block around its backward pass."""

    def __init__(self, loss: Tensor, made: dict[Any, str]) -> None:
        """Set nothing yet; `made` is `Outputs.made`."""
        self._made = made
        self._before = dict(_behind(loss.grad_fn, made))
        self._handles: list[RemovableHandle] = []
        self._broken: Place | None = None
        self._cuts: list[Place] = []

    def __enter__(self) -> "Follow":
        """Set the hooks."""
        self._handles = [node.register_hook(self._look(node)) for node in self._before if _LEAF not in node.name()]
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove them: a hook holds its node, which holds the hook where no garbage collection sees it."""
        while self._handles:
            self._handles.pop().remove()
        self._before, self._made = {}, {}

    def found(self, harmed: bool) -> Backwards:
        """Return what was seen, once the backward pass is over; `harmed`: whether a weight's gradient is not finite."""
        return Backwards(self._broken if harmed else None, tuple(self._cuts))

    def _look(self, node: Any) -> Any:
        def hook(gone: tuple[Tensor | None, ...], came: tuple[Tensor | None, ...]) -> None:
            given = [_entries(each) for each in came if each is not None]
            made = [_entries(each) for each in gone if each is not None]
            if not given or not made or not all(bool(each.isfinite().all()) for each in given):
                return
            if not all(bool(each.isfinite().all()) for each in made):
                if self._broken is None:
                    self._broken = self._place(node, given, made)
            elif not any(bool(each.any()) for each in made) and any(bool(each.any()) for each in given):
                self._cuts.append(self._place(node, given, made))

        return hook

    def _place(self, node: Any, given: list[Tensor], made: list[Tensor]) -> Place:
        largest = max(float(each.abs().max()) for each in given if each.numel())
        infinite = any(bool(each.isinf().any()) for each in made)
        dtype = str(made[0].dtype).removeprefix("torch.")
        return Place(operation_of(node), self._after(node), self._before[node], dtype, largest, infinite)

    def _after(self, node: Any) -> tuple[str, ...]:
        if node in self._made:
            return (self._made[node],)
        found: dict[str, None] = {}
        waiting, seen = [node], {node}
        while waiting:
            for before, _ in waiting.pop(0).next_functions:
                if before in self._made:
                    found[self._made[before]] = None
                elif before is not None and before not in seen:
                    seen.add(before)
                    waiting.append(before)
        return tuple(found)


def _behind(root: Any, made: dict[Any, str]) -> Iterator[tuple[Any, str]]:
    """Return every node from `root` on, each with the module that its result is given to."""
    waiting, seen = [(root, "")] if root is not None else [], {root}
    while waiting:
        node, taker = waiting.pop()
        yield node, taker
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append((before, made.get(node, taker)))


def operation_of(node: Any) -> str:
    """Return the name of the operation that a node of the graph is of."""
    # "LinalgVectorNormBackward0" is linalg_vector_norm; a function of the user's own keeps its name.
    name = node.name().split("::")[-1]
    stem, _, number = name.rpartition("Backward")
    if not stem or not number.isdigit():
        return stem or name
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in stem).lstrip("_")


def _entries(gradient: Tensor) -> Tensor:
    gradient = gradient.detach()
    if gradient.layout != torch.strided:
        gradient = gradient.coalesce().values()
    return torch.view_as_real(gradient) if gradient.is_complex() else gradient
