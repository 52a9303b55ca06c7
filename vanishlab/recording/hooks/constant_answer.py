"""The loss of the best answer that is the same for every example, from the targets that torch's own losses keep.

A mean cross-entropy, squared error or binary cross-entropy, where `backward()` is called on it itself, holds its
targets in the graph. Of their frequencies (their mean and variance) the best constant's loss is known in closed form:
the entropy of the frequencies, or the variance. Any other loss, one that is weighted or summed too, has none here.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

_MEAN = 1  # of torch's reductions: none, mean, sum
_SAME = ("ViewBackward0", "ReshapeAliasBackward0", "AliasBackward0", "SqueezeBackward0", "ToCopyBackward0")
_CROSS_ENTROPY = ("NllLossBackward0", "NllLoss2DBackward0")
_SQUARED = ("MseLossBackward0",)
_BINARY = ("BinaryCrossEntropyBackward0", "BinaryCrossEntropyWithLogitsBackward0")


class ConstantAnswer:
    """The targets of the recorded steps, as sums."""

    def __init__(self) -> None:
        """Start without any."""
        self._kind = ""
        self._sums: list[Tensor] = []
        self._entries: list[Tensor] = []
        self._lost = False

    def note(self, loss: Tensor) -> None:
        """Take in the targets of `loss`, before its backward pass frees them."""
        if self._lost:
            return
        kind, sums, entries = _sums(loss.grad_fn)
        if not kind or (
            self._kind and (kind != self._kind or [each.shape for each in sums] != [each.shape for each in self._sums])
        ):
            self._lost = True
            return
        self._sums = [a + b for a, b in zip(self._sums, sums, strict=True)] if self._kind else sums
        self._entries = [self._entries[0] + entries] if self._kind else [entries]
        self._kind = kind

    @property
    def of_classes(self) -> bool:
        """Whether the targets are classes."""
        return self._kind == "cross entropy"

    def loss(self) -> float:
        """Return the best constant's loss over all targets so far, NaN where it is not known."""
        if self._lost or not self._kind:
            return math.nan
        shares = [each / self._entries[0] for each in self._sums]
        if self._kind == "cross entropy":
            return float(torch.special.entr(shares[0]).sum())
        if self._kind == "squared error":
            return float((shares[1] - shares[0].square()).clamp(min=0.0).mean())
        return float((torch.special.entr(shares[0]) + torch.special.entr(1 - shares[0])).mean())


def _sums(node: Any) -> tuple[str, list[Tensor], Tensor]:
    nothing = "", [], torch.zeros(())
    while node is not None and node.name() in _SAME:
        node = node.next_functions[0][0]
    if node is None:
        return nothing
    name = node.name()
    if name not in (*_CROSS_ENTROPY, *_SQUARED, *_BINARY) or node._saved_reduction != _MEAN:
        return nothing
    if getattr(node, "_saved_weight", None) is not None or getattr(node, "_saved_pos_weight", None) is not None:
        return nothing
    target: Tensor = node._saved_target.detach()
    if name in _CROSS_ENTROPY:
        if node._saved_target.requires_grad or not node.next_functions or node.next_functions[0][0] is None:
            return nothing
        classes = node._saved_self.shape[1 if node._saved_self.ndim > 1 else 0]
        if target.is_cpu:  # torch is called six times below, and takes longer than to count
            counts = np.bincount(target[target != node._saved_ignore_index].numpy(), minlength=classes)
            return "cross entropy", [torch.from_numpy(counts.astype(np.float64))], torch.tensor(float(counts.sum()))
        # What is ignored is counted as one more class: to pick the others out would make a GPU wait.
        counted = torch.where(target == node._saved_ignore_index, classes, target).flatten()
        ones = torch.ones_like(counted, dtype=torch.float64)
        counts = ones.new_zeros(classes + 1).scatter_add_(0, counted, ones)[:classes]
        return "cross entropy", [counts], counts.sum()
    target = target.double()
    if 0 in target.stride() or target.ndim < 2:
        target = target.reshape(-1, 1)
    target = target.reshape(-1, target.shape[-1])
    entries = torch.tensor(float(len(target)), dtype=torch.float64, device=target.device)
    if name in _SQUARED:
        return "squared error", [target.sum(0), target.square().sum(0)], entries
    return "binary cross entropy", [target.sum(0)], entries
