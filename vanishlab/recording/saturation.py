"""The share of phi's inputs that pass no gradient on, and of ReLU's units that are dead."""

import math

import torch
from torch import Tensor

from vanishlab.activations import Activation
from vanishlab.recording.norms import count

_FIRST = 8  # examples
_MANY = 131_072  # entries from which two looks at few are quicker than one at all


def saturated_fraction(u: Tensor, activation: Activation) -> Tensor:
    """Return the share of entries of u (run, example, ...) that pass no gradient on; of units, where those can die."""
    low, high = activation.saturated_below, activation.saturated_above
    if activation.can_die:
        u = u.flatten(2) if u.ndim > 2 else u[:, None]  # (run, example, unit)
        return _silent(u) / u.shape[2]
    u = u.flatten(1)  # (run, entry)
    never = math.isinf(low) and math.isinf(high)
    if never or (u.device.type == "cpu" and bool(u.amin() >= low) and bool(u.amax() <= high)):
        return torch.zeros(len(u), dtype=torch.float64, device=u.device)
    if math.isinf(high):
        return count(torch.lt, u, low) / u.shape[1]
    return count(torch.gt, u if math.isinf(low) else u.abs(), high) / u.shape[1]  # two bounds are always symmetric


def _silent(u: Tensor) -> Tensor:
    """Return how many units of u (run, example, unit) are positive for no example, float64 (run,)."""
    if len(u) > 1 or u.shape[1] < 4 * _FIRST or u.numel() < _MANY or u.device.type != "cpu":
        return count(torch.le, u.amax(1), 0.0)
    # The first examples show of nearly every unit that it is alive; only the other units are looked at in all of them.
    unseen = (u[0, :_FIRST].amax(0) <= 0).nonzero()[:, 0]
    if 4 * len(unseen) > u.shape[2]:
        return count(torch.le, u.amax(1), 0.0)
    return count(torch.le, u[0, _FIRST:].index_select(1, unseen).amax(0)[None], 0.0)
