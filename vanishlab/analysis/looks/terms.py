"""The terms that a loss is the sum of, with the value of each, from autograd's graph.

A residual of a differential equation beside its boundary values, a reconstruction beside a divergence: where one is a
ten-thousandth of the other, nothing makes a net care for it.
"""

import contextlib
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode

from vanishlab.analysis.looks.backwards import operation_of

_SUMS = ("add", "sub")
_PASSING = ("view", "reshape_alias", "alias", "squeeze", "unsqueeze", "to_copy", "mul", "div", "neg", "clone")
"""What leaves a single number one, or multiplies it by another that asks for no gradient."""

_DEEPEST = 40  # operations of single numbers


class Term(NamedTuple):
    """One term, in the order in which they are written."""

    operation: str
    value: float


class Values(TorchFunctionMode):
    """Note the value of every single number that a function returns, by its node of the graph, in a `with` block."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.made: dict[Any, float] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function, and note what it returns."""
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor) and made.numel() == 1 and made.grad_fn is not None and made.is_floating_point():
            with contextlib.suppress(Exception):  # within vmap, or on the device "meta", it has no value to be had
                self.made[made.grad_fn] = float(made.detach())
        return made


def terms_of(loss: Tensor, values: dict[Any, float], outputs: dict[Any, str]) -> tuple[Term, ...]:
    """Return the terms of `loss` that depend on a module's output, by `Values.made` and `Outputs.made`.

    Nothing is returned where the value of one is not known. What depends on weights alone, a penalty, is no term; what
    lies behind more than `_DEEPEST` operations is one, as the rest of a long sum of penalties.
    """
    found = _split(loss.grad_fn, values) if loss.grad_fn is not None else []
    kept = [Term(operation_of(node), value) for node, value in found if _reaches(node, outputs)]
    return tuple(kept) if all(value == value for _, value in found) else ()


def _split(node: Any, values: dict[Any, float], depth: int = 0) -> list[tuple[Any, float]]:
    behind = [before for before, _ in node.next_functions if before is not None and depth < _DEEPEST]
    if node in values and operation_of(node) in _SUMS and len(behind) > 1:
        return [part for before in behind for part in _split(before, values, depth + 1)]
    own = values.get(node, float("nan"))
    if operation_of(node) in (*_SUMS, *_PASSING) and len(behind) == 1:
        parts = _split(behind[0], values, depth + 1)
        whole = values.get(behind[0], 0.0)
        factor = own / whole if node in values and whole else 1.0
        if len(parts) > 1:
            return [(part, factor * value) for part, value in parts]
        return [(parts[0][0], own if node in values else parts[0][1])]
    return [(node, own)]


def _reaches(node: Any, outputs: dict[Any, str]) -> bool:
    waiting, seen = [node], {node}
    while waiting:
        each = waiting.pop()
        if each in outputs:
            return True
        for before, _ in each.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)
    return False
