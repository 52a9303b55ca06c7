"""What the calls of a step show together: the quantities of all layers at once, on the host.

Of several calls of a layer, sizes are those of their entries laid end to end, and shares are weighted by their entries.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vanishlab.recording.call import Call
from vanishlab.recording.measure import Value


def to_host(values: Sequence[Value | None], runs: int) -> np.ndarray:
    """Return what was measured, in one transfer, (value, run); NaN for None."""
    plain = [each if type(each) is float else math.nan for each in values]
    found = np.repeat(np.array(plain)[:, None], runs, 1)
    tensors: dict[int, Tensor] = {
        place: each  # pyright: ignore[reportAssignmentType]
        for place, each in enumerate(values)
        if type(each) is not float and each is not None
    }
    if tensors:
        first = next(iter(tensors.values()))
        rows = torch.stack([each.to(first.device, torch.float64) for each in tensors.values()])
        found[list(tensors)] = rows.cpu().numpy()
    return found


LEAST_CALLS = 4
"""Calls of a layer in one forward pass from which on they are taken for time steps. A model that is asked about two or
three batches, or about the inside and the edge of a domain, is called as often, and no call knows of another."""
_COLUMNS = range(14)
(
    _NORM, _MEAN, _SPREAD, _SATURATED, _DELTA, _DELTA_SPREAD, _RANK, _COHERENCE, _CELL, _FIRST, _LAST,
    _FACTOR, _ENTRIES, _ACTIVATIONS,
) = _COLUMNS  # fmt: skip
COLUMNS = len(_COLUMNS)
_NOTHING = None, None, None


def numbers_of(call: Call) -> list[Value | None]:
    """Return what the call has measured, `COLUMNS` numbers that are to be moved to the host."""
    saturated = 0.0 if call.saturated is None else call.saturated  # without an activation nothing saturates
    delta = call.delta or _NOTHING
    return [
        *(call.output or _NOTHING), saturated, delta[0], delta[2],
        call.effective_rank, call.coherence, call.cell_norm, *(call.ends or _NOTHING[:2]),
        call.factor, float(call.pre_activations), float(call.activations),
    ]  # fmt: skip


class Shown(NamedTuple):
    """What a call shows; of the numbers that go with it, those of what it does not show are NaN."""

    delta: bool
    activation: bool
    delta_apart: bool
    """The delta of several examples."""
    apart: bool
    rank: bool
    coherence: bool
    in_sequence: bool
    ends: bool
    cell: bool
    backward: int
    """Which of the layer's backward passes brought its delta, from 0."""


class Shape(NamedTuple):
    """The calls of a step, as far as it does not stand in their numbers."""

    sizes: tuple[int, ...]
    """The number of calls of each layer."""
    calls: tuple[Shown, ...]
    """Those of the first layer, of the second, ..."""


def shape_of(calls: Sequence[list[Call]]) -> Shape:
    """Return what the calls of each layer show."""
    shown = []
    for theirs in calls:
        passes: dict[int | None, int] = {}
        for call in theirs:
            delta, output = call.delta, call.output
            shown.append(
                Shown(
                    delta is not None,
                    call.activations > 0,
                    delta is not None and delta.spread is not None,
                    output is not None and output.spread is not None,
                    call.effective_rank is not None,
                    call.coherence is not None,
                    call.in_sequence,
                    call.ends is not None,
                    call.cell_norm is not None,
                    passes.setdefault(call.backward, len(passes)),
                )
            )
    return Shape(tuple([len(theirs) for theirs in calls]), tuple(shown))


def values_of_calls(shape: Shape, numbers: np.ndarray) -> dict[str, np.ndarray]:
    """Return what calls show together by name, (layer, run), NaN where a layer shows nothing.

    `numbers` (call, column, run) are what `numbers_of` has for them; runs may be those of several steps of one shape.
    """
    if not shape.calls:
        return {}
    factor, entries, activations = (numbers[:, column] for column in (_FACTOR, _ENTRIES, _ACTIVATIONS))
    delta = numbers[:, _DELTA] * factor
    back, out, back_apart, apart, closely, coherent = _groups(shape)
    with np.errstate(all="ignore"):
        return {
            "delta_rms": back.filled(back.joint(delta) / np.sqrt(back.sum(entries))),
            "time_ratio": _time_ratios(shape, numbers, delta),
            "delta_distinct_share": back_apart.share(numbers[:, _DELTA_SPREAD] * factor, delta),
            "gradient_coherence": coherent.mean(numbers[:, _COHERENCE], np.ones_like(entries)),
            "activation_rms": out.filled(out.joint(numbers[:, _NORM]) / np.sqrt(out.sum(activations))),
            "activation_mean": out.mean(numbers[:, _MEAN], activations),
            "saturated_fraction": out.mean(numbers[:, _SATURATED], activations),
            "distinct_share": apart.share(numbers[:, _SPREAD], numbers[:, _NORM]),
            "effective_rank": closely.mean(numbers[:, _RANK], np.ones_like(entries)),
        }


class _Group:
    """Some of the calls, and the layers they are of; every column that comes in has all calls, (call, run)."""

    def __init__(self, sizes: tuple[int, ...], chosen: tuple[bool, ...]) -> None:
        """Take those that are `chosen`; `sizes` are the numbers of the layers' calls."""
        owner = np.repeat(np.arange(len(sizes)), sizes)
        self._rows = np.flatnonzero(chosen)
        self._layers, self._starts, self._sizes = np.unique(owner[self._rows], return_index=True, return_counts=True)
        self._all = len(sizes)

    def sum(self, column: np.ndarray) -> np.ndarray:
        """Return each layer's sum, (layer of the group, run)."""
        return self._reduced(np.add, column[self._rows])

    def joint(self, norms: np.ndarray) -> np.ndarray:
        """Return the norm of each layer's calls laid end to end, (layer of the group, run)."""
        norms = norms[self._rows]
        if len(norms) == len(self._layers):
            return norms
        largest = self._reduced(np.maximum, norms)
        safe = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        return np.sqrt(self._reduced(np.add, (norms / np.repeat(safe, self._sizes, 0)) ** 2)) * safe

    def mean(self, column: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the layers' means, (layer, run)."""
        return self.filled(self.sum(column * weights) / self.sum(weights))

    def share(self, parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
        """Return the share of the parts' squares in those of the wholes, (layer, run)."""
        return self.filled(np.minimum((self.joint(parts) / self.joint(wholes)) ** 2, 1.0))

    def filled(self, values: np.ndarray) -> np.ndarray:
        """Return them for all layers, NaN where the group has no call of one."""
        found = np.full((self._all, values.shape[1]), math.nan)
        found[self._layers] = values
        return found

    def _reduced(self, by: np.ufunc, values: np.ndarray) -> np.ndarray:
        return values if len(values) == len(self._layers) else by.reduceat(values, self._starts)


@functools.lru_cache(64)  # the next step's are likely the same
def _groups(shape: Shape) -> list[_Group]:
    """Return the calls that show each of the first six things of `Shown`."""
    return [_Group(shape.sizes, chosen) for chosen in list(zip(*shape.calls, strict=True))[:6]]


def _time_ratios(shape: Shape, numbers: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Return delta's root mean square at the first time step over that at the last, (layer, run), NaN without time."""
    found = np.full((len(shape.sizes), numbers.shape[2]), math.nan)
    begin = 0
    for place, size in enumerate(shape.sizes):
        rows = [row for row in range(begin, begin + size) if shape.calls[row].in_sequence]
        begin += size
        if len(rows) >= LEAST_CALLS or any(shape.calls[row].ends for row in rows):
            found[place] = _time_ratio({row: shape.calls[row] for row in rows}, numbers, delta)
    return found


def _time_ratio(calls: dict[int, Shown], numbers: np.ndarray, delta: np.ndarray) -> Any:
    # Deltas come back last call first. Each backward pass over several calls is a sequence of its own.
    first, last = [], []
    for backward in dict.fromkeys(call.backward for call in calls.values()):
        rows = [row for row, call in calls.items() if call.backward == backward and call.delta]
        for row in rows:
            if calls[row].ends:
                first.append(numbers[row, _FIRST])
                last.append(numbers[row, _LAST])
        if len(rows) >= LEAST_CALLS and not calls[rows[0]].ends:
            for ends, row in ((first, rows[-1]), (last, rows[0])):
                state = np.hypot(delta[row], numbers[row, _CELL]) if calls[row].cell else delta[row]
                ends.append(state / np.sqrt(numbers[row, _ENTRIES]))
    return np.hypot.reduce(np.stack(first)) / np.hypot.reduce(np.stack(last)) if first else math.nan
