"""`copy_inside(model)`: a copy of the user's own model, out of its wrappers, that nobody watches."""

import copy
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from vanishlab.errors import InputError, first_line
from vanishlab.recording.hooks.find_layers import unwrapped


def copy_inside(model: nn.Module) -> nn.Module:
    """Return a copy of the model inside DataParallel, DistributedDataParallel or torch.compile, which is left alone.

    What is compiled within it is plain again in the copy, so that every module can be seen and changed. A tensor that
    a forward pass has left in an attribute is copied as a number without a graph. Gradients are not copied, and no
    recorder of this lab that is at work on the model sees the copy's passes.

    Raises `InputError` for a model that `copy.deepcopy` cannot copy.
    """
    inside = unwrapped(model)
    memo = {id(tensor): tensor.detach().clone() for tensor in _in_graphs(inside)}
    try:
        twin = unwrapped(copy.deepcopy(inside, memo))
    except Exception as error:  # a model may hold anything: a lock, a generator, an open file
        kind = type(inside).__name__
        raise InputError(
            f"model must be one that copy.deepcopy can copy, got a {kind} that it cannot ({first_line(error)})"
        ) from error
    for name, module in list(twin.named_modules(remove_duplicate=False)):
        if isinstance(plain := getattr(module, "_orig_mod", None), nn.Module):
            parent, _, child = name.rpartition(".")
            setattr(twin.get_submodule(parent), child, plain)
    for module in twin.modules():
        for hooks in (module._forward_hooks, module._forward_pre_hooks):
            for key in [key for key, hook in hooks.items() if str(hook.__module__).startswith("vanishlab.")]:
                del hooks[key]
    for parameter in twin.parameters():
        parameter.grad = None
    return twin


def _in_graphs(model: nn.Module) -> Iterator[Tensor]:
    """Yield the tensors of a graph that attributes hold, which `copy.deepcopy` refuses."""
    for module in model.modules():
        waiting: list[Any] = list(vars(module).values())
        while waiting:
            value = waiting.pop()
            if isinstance(value, Tensor):
                if value.grad_fn is not None:
                    yield value
            elif type(value) in (list, tuple):
                waiting += value
            elif type(value) is dict:
                waiting += value.values()
