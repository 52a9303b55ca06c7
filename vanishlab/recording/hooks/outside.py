"""Tensors that the forward pass uses, that ask for gradients, and that are no parameters of the model.

Weights in a plain list, or made in `forward`, are such: no optimizer that was given `model.parameters()` holds them.
They are found as leaves of the graph between a model's inputs and its outputs.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_NAMED = 3  # of many
_LEAF = "AccumulateGrad"


def outside_parameters(
    model: nn.Module, inputs: Iterable[Tensor], outputs: Iterable[Tensor], known: Iterable[Tensor]
) -> list[str]:
    """Return the names, or the shapes, of what `outputs` were computed with besides parameters.

    `known` are tensors that somebody looks after, an optimizer say. A leaf that holds nothing but values of the inputs
    is a copy of them, made to differentiate by.
    """
    given = list(inputs)
    ours = {id(each) for each in (*model.parameters(), *known, *given)}
    stop = {each.grad_fn for each in given if each.grad_fn is not None}
    found = [leaf for leaf in _leaves(outputs, stop) if id(leaf) not in ours and not _is_copy(leaf, given)]
    names = dict(_names(model)) if found else {}
    return [names.get(id(leaf), str(tuple(leaf.shape))) for leaf in found]


def listed_names(names: list[str]) -> str:
    """Return a few names, and how many more there are."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown}, … ({len(names)})"


def _leaves(outputs: Iterable[Tensor], stop: set[Any]) -> Iterator[Tensor]:
    waiting: list[Any] = [each.grad_fn for each in outputs if each.grad_fn is not None]
    seen = set(waiting) | stop
    while waiting:
        node = waiting.pop()
        if node in stop:
            continue
        if _LEAF in node.name():
            yield node.variable
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)


def _is_copy(leaf: Tensor, inputs: list[Tensor]) -> bool:
    if isinstance(leaf, nn.Parameter):
        return False
    with torch.no_grad():
        for each in inputs:
            same = each.device == leaf.device and each.is_floating_point() and leaf.is_floating_point()
            if not same or not each.layout == leaf.layout == torch.strided:
                continue
            if leaf.shape == each.shape or bool(torch.isin(leaf, each.to(leaf.dtype)).all()):
                return True
    return False


def _names(model: nn.Module) -> Iterator[tuple[int, str]]:
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if not key.startswith("_") and not isinstance(value, nn.Module):
                yield from _inside(value, f"{name}.{key}".lstrip("."))


def _inside(value: Any, name: str, depth: int = 3) -> Iterator[tuple[int, str]]:
    if isinstance(value, Tensor):
        yield id(value), name
    elif isinstance(value, nn.Module):
        yield from ((id(parameter), f"{name}.{key}") for key, parameter in value.named_parameters())
    elif depth and isinstance(value, Mapping):
        for key, each in value.items():
            yield from _inside(each, f"{name}[{key!r}]", depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for place, each in enumerate(value):
            yield from _inside(each, f"{name}[{place}]", depth - 1)
