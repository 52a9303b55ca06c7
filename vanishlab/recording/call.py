"""`Call`: one call of a layer in the forward pass and its delta on the way back, and what several calls show together.

Every activation and delta that comes in has axes (run, example, ...); every value that is kept is float64 (run,) and
stays on the tensors' device.
"""

import math

import torch
from torch import Tensor

from vanishlab.activations import Activation
from vanishlab.recording.alike import effective_rank, gradient_coherence, mean_example, spread
from vanishlab.recording.facts import MOST
from vanishlab.recording.norms import count, joint_norm, slice_norms

_FIRST = 8  # examples
_FEW = 16  # of the smallest steps of a dtype: fewer than four bits, an error of 3 % on the average and more
_MANY = 131_072  # entries from which two looks at few are quicker than one at all


class Call:
    """One call of a site in the forward pass, and its delta on the way back."""

    def __init__(self, number: int = 0, *, closely: bool = False) -> None:
        """Know nothing yet but the call's number in the step, and whether examples are compared in pairs."""
        self.number = number
        self.closely = closely
        self.delta_norm: Tensor | None = None
        self.cell_norm: Tensor | None = None  # of dloss/dc, where z is the h of a state (h, c)
        self.activation_norm: Tensor | None = None
        self.activation_mean: Tensor | None = None
        self.delta_spread: Tensor | None = None
        self.activation_spread: Tensor | None = None
        self.effective_rank: Tensor | None = None
        self.coherence: Tensor | None = None
        self.incoming: tuple[Tensor, int] | None = None  # what a linear layer was given, and its version
        self.saturated: Tensor | None = None
        self.examples: int | None = None  # where z's own first axis does not count them
        self.batch = 0  # the number of examples
        self.activation = ""
        self.pre_activations = 0  # entries of z for each run
        self.activations = 0  # entries of h for each run
        self.in_sequence = True  # whether calls of one pass follow each other in time
        self.ends: tuple[Tensor, Tensor] | None = None  # delta's norm at the first and last of its own time steps
        self.dtype = ""  # of delta
        self.coarse: Tensor | None = None  # share of delta's entries with hardly a bit left, in half precision
        self.backward: int | None = None  # the backward pass that brought delta
        self.kept: Tensor | None = None  # delta itself, while another pass over the same graph may add to it

    def note_input(self, u: Tensor, activation: Activation) -> None:
        """Take in what phi is given."""
        self.saturated = saturated_fraction(u.detach(), activation)
        self.activation = activation.name

    def note_output(self, h: Tensor) -> None:
        """Take in what the layer hands on."""
        h = h.detach().flatten(2)  # (run, example, entry)
        mean = mean_example(h)
        self.activation_norm = slice_norms(h, len(h))
        self.activation_mean = mean.mean(1).double()
        self.activations = h.shape[1] * h.shape[2]
        if h.shape[1] > 1:
            self.activation_spread = spread(h, self.activation_norm, mean)
            if self.closely:
                self.effective_rank = effective_rank(h)

    def note_incoming(self, h: Tensor) -> None:
        """Take in what a linear layer is given, (run, example, ..., fan_in), until its delta comes back."""
        if self.closely and h.shape[1] > 1:
            self.incoming = h.detach()[:, :MOST], h._version

    def note_delta(self, delta: Tensor, scale: float = 1.0) -> None:
        """Take in dloss/dz, times `scale`; the number of examples undoes the 1/n of the loss's batch mean."""
        self.batch = self.examples or delta.shape[1]
        norm = slice_norms(delta, len(delta))
        self.delta_norm = norm * (self.batch / scale)
        self.pre_activations = delta.numel() // len(delta)
        self.dtype = str(delta.dtype).removeprefix("torch.")
        if delta.element_size() < 4:
            known = torch.finfo(delta.dtype)
            few, some = delta.abs() < _FEW * known.smallest_normal * known.eps, delta != 0
            self.coarse = (few & some).sum() / some.sum().clamp(min=1)
        if 1 < self.batch == delta.shape[1]:  # else its rows are no examples
            flat = delta.flatten(2)
            self.delta_spread = spread(flat, norm, mean_example(flat)) * (self.batch / scale)
        if self.incoming is not None and self.incoming[0]._version == self.incoming[1]:  # else it is gone
            self.coherence = gradient_coherence(self.incoming[0], delta)
        if self.kept is None:
            self.incoming = None

    def note_cell(self, delta: Tensor, scale: float = 1.0) -> None:
        """Take in dloss/dc, (example, unit), of an LSTM cell: the other path through time."""
        self.cell_norm = slice_norms(delta, 1) * (delta.shape[0] / scale)

    @property
    def state_norm(self) -> Tensor | None:
        """Delta's norm, c's share with it: what a step hands to the one before."""
        if self.cell_norm is None or self.delta_norm is None:
            return self.delta_norm
        return joint_norm([self.delta_norm, self.cell_norm])


def values_of_calls(calls: list[Call]) -> dict[str, Tensor]:
    """Return what calls show together, by name, (run,); what none of them has seen is left out."""
    found: dict[str, Tensor] = {}
    norms = [call.delta_norm for call in calls if call.delta_norm is not None]
    entries = sum(call.pre_activations for call in calls)
    if entries:
        found["delta_rms"] = joint_norm(norms) / entries**0.5
        if (ratio := _time_ratio(calls)) is not None:
            found["time_ratio"] = ratio
        found |= _share("delta_distinct_share", [(call.delta_spread, call.delta_norm) for call in calls])
        found |= _average("gradient_coherence", [call.coherence for call in calls])
    calls = [call for call in calls if call.activations]
    if calls:
        total = sum(call.activations for call in calls)
        norms = [call.activation_norm for call in calls if call.activation_norm is not None]
        found["activation_rms"] = joint_norm(norms) / total**0.5
        found["activation_mean"] = _mean([(call.activation_mean, call.activations) for call in calls], norms[0])
        found["saturated_fraction"] = _mean([(call.saturated, call.activations) for call in calls], norms[0])
        found |= _share("distinct_share", [(call.activation_spread, call.activation_norm) for call in calls])
        found |= _average("effective_rank", [call.effective_rank for call in calls])
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
            ends = [call.state_norm / call.pre_activations**0.5 for call in (sequence[-1], sequence[0])]  # pyright: ignore
            first.append(ends[0])
            last.append(ends[1])
    return joint_norm(first) / joint_norm(last) if first else None


def _share(name: str, parts: list[tuple[Tensor | None, Tensor | None]]) -> dict[str, Tensor]:
    # Examples of different calls are not compared: the calls' squares are added.
    known = [(part, whole) for part, whole in parts if part is not None and whole is not None]
    if not known:
        return {}
    apart, together = (joint_norm(list(norms)) for norms in zip(*known, strict=True))
    return {name: (apart / together).square().clamp(max=1.0)}


def _average(name: str, values: list[Tensor | None]) -> dict[str, Tensor]:
    known = [value for value in values if value is not None]
    return {name: torch.stack(known).mean(0)} if known else {}


def _mean(parts: list[tuple[Tensor | None, int]], like: Tensor) -> Tensor:
    # Of several calls, weighted by their entries; None is a layer without an activation, of which nothing saturates.
    if len(parts) == 1:
        return torch.zeros_like(like) if parts[0][0] is None else parts[0][0]
    total = sum(entries for _, entries in parts)
    shares = [torch.zeros_like(like) if part is None else part * (entries / total) for part, entries in parts]
    return torch.stack(shares).sum(0)
