"""The parameters that optimizers hold."""

from collections.abc import Iterable

from torch import Tensor
from torch.optim import Optimizer

Optimizers = Optimizer | Iterable[Optimizer] | None


def as_tuple(optimizer: Optimizers) -> tuple[Optimizer, ...]:
    """Return none, one or several optimizers as a tuple."""
    if optimizer is None:
        return ()
    return (optimizer,) if isinstance(optimizer, Optimizer) else tuple(optimizer)


def held_parameters(optimizers: Iterable[Optimizer]) -> list[Tensor]:
    """Return what the optimizers change, of every group."""
    return [parameter for each in optimizers for group in each.param_groups for parameter in group["params"]]
