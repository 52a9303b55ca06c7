"""Activation functions as torch modules: by name, and `Phi`, in which a value does not depend on its place in a tensor.

torch's CPU kernels treat the last entries of a tensor, those that do not fill a pair of vector registers, by another
routine, and so they do at the border between two threads. For sigmoid, elu, selu, gelu, silu and softplus the last bit
may then differ, and a run's bits would depend on which other runs stand beside it. `Phi` keeps those borders out of the
data: it evaluates torch's own function on a length that all threads can share in whole register pairs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from vanishlab.activations import ACTIVATIONS, Activation

# Two AVX-512 registers of float32; every narrower register, and every float64 one, divides it.
_ENTRIES_PER_STRIDE = 32
_ENTRIES_PER_THREAD = 32_768  # torch's grain: it takes one thread more for each so many entries


class Erf(nn.Module):
    """The error function as a module; torch has only the function."""

    def forward(self, u: Tensor) -> Tensor:
        """Return erf(u), of u's shape."""
        return torch.erf(u)


_OWN: dict[str, type[nn.Module]] = {"Erf": Erf}  # what torch.nn has not
_MODULES: dict[str, type[nn.Module]] = {
    name: _OWN.get(known.module) or getattr(nn, known.module) for name, known in ACTIVATIONS.items()
}
_IN_PLACE = {name: getattr(torch, f"{name}_") for name, known in ACTIVATIONS.items() if known.in_place}
_NAMES: dict[type[nn.Module], str] = {kind: name for name, kind in _MODULES.items() if kind is not nn.Identity}


def activation_module(name: str) -> nn.Module:
    """Return torch's own module for the activation `name`."""
    return _MODULES[name]()


def activation_of(module: nn.Module) -> Activation | None:
    """Return what is known of an activation module, torch's or the lab's own, None for any other module."""
    name = module.name if isinstance(module, Phi) else _NAMES.get(type(module))
    return ACTIVATIONS[name] if name else None


class Phi(nn.Module):
    """The activation `name`, elementwise; each entry's bits are independent of its place in the tensor.

    With `in_place`, and where phi's slope is known from h alone, h takes u's place in memory: it is for those who know
    that nobody keeps u.
    """

    def __init__(self, name: str) -> None:
        """Wrap torch's own module for `name`."""
        super().__init__()
        self.name = name
        self.in_place = False
        self._module = activation_module(name)

    def forward(self, u: Tensor) -> Tensor:
        """Return phi(u), of u's shape."""
        spare = self.in_place and u.requires_grad and not u.is_leaf
        phi = _IN_PLACE.get(self.name, self._module) if spare else self._module
        if u.device.type != "cpu":
            return phi(u)
        entries = _whole_strides(u.numel())
        if entries == u.numel() and u.is_contiguous():
            return phi(u)
        padded = functional.pad(u.reshape(-1), (0, entries - u.numel()))
        return self._module(padded)[: u.numel()].view(u.shape)


def _whole_strides(entries: int) -> int:
    """Return the least length from `entries` on that the threads torch gives it share in whole strides."""
    threads = 0
    while threads != (needed := min(torch.get_num_threads(), max(1, -(-entries // _ENTRIES_PER_THREAD)))):
        threads = needed
        entries += -entries % (_ENTRIES_PER_STRIDE * threads)
    return entries
