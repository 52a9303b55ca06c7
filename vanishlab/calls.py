"""A call of a watched place in the forward pass, its delta on the way back, and what several calls show together.

Every activation and delta that comes in has axes (run, example, ...); every value that is kept is float64 (run,) and
stays on the tensors' device.
"""

import math

import torch
from torch import Tensor

from vanishlab.activations import Activation
from vanishlab.norms import count, joint_norm, slice_norms

_FIRST = 8  # examples
_MANY = 131_072  # entries from which two looks at few are quicker than one at all


class Call:
    """One call of a site in the forward pass, and its delta on the way back."""

    def __init__(self, number: int = 0) -> None:
        """Know nothing yet but the call's number in the step."""
        self.number = number
        self.delta_norm: Tensor | None = None
        self.activation_norm: Tensor | None = None
        self.activation_mean: Tensor | None = None
        self.saturated: Tensor | None = None
        self.examples: int | None = None  # where z's own first axis does not count them
        self.batch = 0  # the number of examples
        self.activation = ""
        self.pre_activations = 0  # entries of z for each run
        self.activations = 0  # entries of h for each run
        self.in_sequence = True  # whether calls of one pass follow each other in time
        self.ends: tuple[Tensor, Tensor] | None = None  # delta's norm at the first and last of its own time steps
        self.backward: int | None = None  # the backward pass that brought delta
        self.kept: Tensor | None = None  # delta itself, while another pass over the same graph may add to it

    def note_input(self, u: Tensor, activation: Activation) -> None:
        """Take in what phi is given."""
        self.saturated = saturated_fraction(u.detach(), activation)
        self.activation = activation.name

    def note_output(self, h: Tensor) -> None:
        """Take in what the layer hands on."""
        h = h.detach().flatten(1)  # (run, entry)
        self.activation_norm = slice_norms(h, len(h))
        self.activation_mean = h.mean(1, dtype=torch.float32 if h.element_size() < 4 else None).double()
        self.activations = h.shape[1]

    def note_delta(self, delta: Tensor, scale: float = 1.0) -> None:
        """Take in dloss/dz, times `scale`; the number of examples undoes the 1/n of the loss's batch mean."""
        self.batch = self.examples or delta.shape[1]
        self.delta_norm = slice_norms(delta, len(delta)) * (self.batch / scale)
        self.pre_activations = delta.numel() // len(delta)


def of_calls(calls: list[Call]) -> dict[str, Tensor | None]:
    """Return what calls show together, by name, (run,)."""
    found: dict[str, Tensor | None] = dict.fromkeys(
        ("delta_rms", "time_ratio", "activation_rms", "activation_mean", "saturated_fraction")
    )
    norms = [call.delta_norm for call in calls if call.delta_norm is not None]
    entries = sum(call.pre_activations for call in calls)
    if entries:
        found["delta_rms"] = joint_norm(norms) / entries**0.5
        found["time_ratio"] = _time_ratio(calls)
    calls = [call for call in calls if call.activations]
    if calls:
        total = sum(call.activations for call in calls)
        norms = [call.activation_norm for call in calls if call.activation_norm is not None]
        found["activation_rms"] = joint_norm(norms) / total**0.5
        found["activation_mean"] = _mean([(call.activation_mean, call.activations) for call in calls], norms[0])
        found["saturated_fraction"] = _mean([(call.saturated, call.activations) for call in calls], norms[0])
    return found


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
    below = math.isinf(high)
    return (count(torch.lt, u, low) if below else count(torch.gt, u.abs(), high)) / u.shape[
        1
    ]  # two bounds are always symmetric


def _silent(u: Tensor) -> Tensor:
    """Return how many units of u (run, example, unit) are positive for no example, float64 (run,)."""
    if len(u) > 1 or u.shape[1] < 4 * _FIRST or u.numel() < _MANY or u.device.type != "cpu":
        return count(torch.le, u.amax(1), 0.0)
    # The first examples show of nearly every unit that it is alive; all of them are asked about the others alone.
    unseen = (u[0, :_FIRST].amax(0) <= 0).nonzero()[:, 0]
    if 4 * len(unseen) > u.shape[2]:
        return count(torch.le, u.amax(1), 0.0)
    return count(torch.le, u[0, _FIRST:].index_select(1, unseen).amax(0)[None], 0.0)


def _time_ratio(calls: list[Call]) -> Tensor | None:
    # Deltas come back last call first. Each backward pass over several calls is a sequence of its own.
    calls = [call for call in calls if call.in_sequence]
    if len(calls) <= 1 and not any(call.ends for call in calls):
        return None
    first, last = [], []
    for backward in dict.fromkeys(call.backward for call in calls):
        sequence = [call for call in calls if call.backward == backward and call.delta_norm is not None]
        for call in sequence:
            if call.ends is not None:
                first.append(call.ends[0])
                last.append(call.ends[1])
        if len(sequence) > 1 and sequence[0].ends is None:
            ends = [call.delta_norm / call.pre_activations**0.5 for call in (sequence[-1], sequence[0])]  # pyright: ignore
            first.append(ends[0])
            last.append(ends[1])
    return joint_norm(first) / joint_norm(last) if first else None


def _mean(parts: list[tuple[Tensor | None, int]], like: Tensor) -> Tensor:
    # Of several calls, weighted by their entries; None is a layer without an activation, of which nothing saturates.
    if len(parts) == 1:
        return torch.zeros_like(like) if parts[0][0] is None else parts[0][0]
    total = sum(entries for _, entries in parts)
    shares = [torch.zeros_like(like) if part is None else part * (entries / total) for part, entries in parts]
    return torch.stack(shares).sum(0)
