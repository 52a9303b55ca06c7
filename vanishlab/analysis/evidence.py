"""`Evidence`: what a record (and a look at the live model, if there is one) shows of one run, in scale-free numbers.

Delta is taken as the norm of dloss/dz over the whole batch and all units. That norm, unlike the root mean square per
unit, is what layers keep that keep the size of activations: for any Jacobian J, E|Jx|^2 per unit and E|J^T d|^2 in all
both change by tr(J J^T) / units out. So neither width nor the batch's size nor pooling bends the profile.
"""

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vanishlab.recording import reasons
from vanishlab.recording.facts import LayerFacts
from vanishlab.recording.over_seeds import median
from vanishlab.recording.record import Record

if TYPE_CHECKING:
    from vanishlab.analysis.looks import forwards
    from vanishlab.analysis.looks.answers import Answers
    from vanishlab.analysis.looks.backwards import Backwards
    from vanishlab.analysis.looks.modes import Modes
    from vanishlab.analysis.looks.terms import Term

_RECURRENT = re.compile(r"weight_(?:ih|hh|hr)(?:_(l\d+(?:_reverse)?))?").fullmatch
Absence = Literal["frozen", "unused", "detached"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """One run; layers stand in the order of the forward pass, steps end before the run diverged."""

    names: tuple[str, ...]
    loss: np.ndarray  # (step,)
    accuracy: np.ndarray  # (step,)
    delta: np.ndarray  # (step, layer)
    """log10 of the norm of dloss/dz, batch and units together: NaN unmeasured, -inf exactly zero."""
    gradient: np.ndarray  # (step, layer)
    activation: np.ndarray  # (step, layer)
    saturated: np.ndarray  # (step, layer)
    weight: np.ndarray  # (step, layer)
    update_ratio: np.ndarray  # (step, layer)
    zero: np.ndarray  # (step, layer)
    subnormal: np.ndarray  # (step, layer)
    underflowed: np.ndarray  # (step, layer)
    """Whether the gradient was lost to underflow, in part or whole."""
    overflowed: np.ndarray  # (step, layer)
    """Whether the gradient was lost to overflow."""
    distinct: np.ndarray  # (step, layer)
    """Share of h's energy that differs between examples."""
    rank: np.ndarray  # (step, layer)
    """Number of directions in which they differ, NaN at most steps."""
    units: np.ndarray  # (layer,)
    """Entries of z per example; 0 where they are not known."""
    phi: tuple[str, ...]
    functions: np.ndarray  # (layer,)
    """Whether phi is a function, which `examine` alone sees: what a record has as that layer's activation is then z."""
    twins: np.ndarray  # (layer,)
    absent: dict[str, Absence] = field(default_factory=dict)
    dtype: str = "float32"
    diverged_step: int = -1
    learning_rate: float = math.nan
    exchanged_loss: float | None = None
    """The loss of one batch with its examples' targets exchanged."""
    through_time: dict[str, np.ndarray] = field(default_factory=dict)
    """Recurrent layer to log10 of delta's norm at each of its calls, the first one first."""
    zero_start: str = ""
    """The layer whose weights were all zero, where this is what `examine` saw after its first step."""
    sharp: dict[tuple[str, ...], float] = field(default_factory=dict)
    """What stands before a softmax inside the model to the share of its rows that pass no gradient on; `examine`'s."""
    remarks: dict[str, str] = field(default_factory=dict)
    """Those of the record."""
    held: tuple[str, ...] = ()
    """`LayerFacts.held` of each layer."""
    half: str = ""
    """The dtype of half precision that delta came in, "" for none."""
    coarse: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (layer,)
    """Share of delta's non-zero entries with hardly a bit left in half precision."""
    first_step: int = 0
    """Number of updates before the first recorded step,"""
    updates: int = 0
    """and before the last one."""
    answers: "Answers | None" = None
    """What `examine` saw of the loss,"""
    forwards: "forwards.Place | None" = None
    """of the first number on the way forwards that is not finite,"""
    source: "forwards.Source | None" = None
    """of what was not finite before,"""
    backwards: "Backwards | None" = None
    """of the gradient, operation by operation,"""
    modes: "Modes | None" = None
    """of the same batch again, in both modes,"""
    terms: "tuple[Term, ...]" = ()
    """and of the terms that the loss is the sum of."""

    @property
    def broken(self) -> np.ndarray:
        """Steps at which something is not finite, bool (step,). A loss that was never noted is not."""
        noted = not np.isnan(self.loss).all()
        lost = ~np.isfinite(self.loss) if noted else np.isinf(self.loss)
        return lost | self.overflowed.any(axis=1) | np.isposinf(self.activation).any(axis=1)

    @property
    def sound(self) -> int:
        """Number of steps before the first broken one; all, where that is the first of all."""
        found = np.flatnonzero(self.broken)
        return int(found[0]) if len(found) and found[0] > 0 else len(self.loss)

    @property
    def tail(self) -> slice:
        """The last half of the sound steps: how the net is by now."""
        return slice(self.sound // 2, self.sound)

    def named(self, hit: Any) -> tuple[str, ...]:
        """Return the names of the layers chosen by `hit`, bool (layer,)."""
        return tuple(name for name, chosen in zip(self.names, hit, strict=True) if chosen)

    def typical(self, values: np.ndarray, steps: slice) -> np.ndarray:
        """Return the median over `steps` of `values` (step, layer), (layer,); NaN where nothing was measured."""
        chosen = values[steps]
        if not len(chosen):
            return np.full(values.shape[1], np.nan)
        known = len(chosen) - np.isnan(chosen).sum(axis=0)
        middle = np.maximum(known - 1, 0) // 2  # the lower of two: the mean of two infinities may be NaN
        return np.sort(chosen, axis=0)[middle, np.arange(values.shape[1])]  # NaN comes last


def evidence_of(record: Record, run: int) -> Evidence:
    """Return what `record` shows of the run at place `run`."""
    one = record.select(run=run)
    diverged = int(one.diverged_step[0])
    steps = one.step < diverged if diverged >= 0 else np.ones(len(one.step), dtype=bool)
    unseen = LayerFacts(place=len(one.layer_names), units=0.0, examples=0, activation="", twins=0.0)
    facts = [one.facts.get(name, unseen) for name in one.layer_names]
    order = sorted(range(len(facts)), key=lambda layer: facts[layer].place)
    facts = [facts[layer] for layer in order]
    units = np.array([fact.units for fact in facts])
    examples = np.array([fact.examples for fact in facts])

    def of(values: np.ndarray) -> np.ndarray:
        return values[0, steps][:, order]  # (step, layer)

    with np.errstate(divide="ignore"):
        known = (units > 0) & (examples > 0)
        whole = np.where(known, np.log10(np.where(known, units / np.maximum(examples, 1), 1.0)) / 2, 0.0)
        delta = np.log10(of(one.delta_rms)) + whole
    names = tuple(one.layer_names[layer] for layer in order)
    gradient = of(one.gradient_norm)
    return Evidence(
        names=names,
        loss=one.loss[0, steps],
        accuracy=one.accuracy[0, steps],
        delta=delta,
        gradient=gradient,
        activation=of(one.activation_rms),
        saturated=of(one.saturated_fraction),
        weight=of(one.weight_norm),
        update_ratio=of(one.update_ratio),
        zero=of(one.zero_fraction),
        subnormal=of(one.subnormal_fraction),
        underflowed=of(one.gradient_state == "underflow"),
        overflowed=of(one.gradient_state == "overflow"),
        distinct=of(one.distinct_share),
        rank=of(one.effective_rank),
        units=units,
        phi=tuple(fact.activation for fact in facts),
        functions=np.zeros(len(facts), dtype=bool),
        twins=np.array([fact.twins for fact in facts]),
        absent=_absent(one, names, gradient),
        dtype=one.environment.get("dtype", "float32"),
        diverged_step=diverged,
        learning_rate=float(one.learning_rate[0]),
        remarks=dict(one.remarks),
        held=tuple(fact.held for fact in facts),
        half=next((fact.dtype for fact in facts if fact.dtype in ("float16", "bfloat16")), ""),
        coarse=np.array([fact.coarse for fact in facts]),
        first_step=int(one.step[0]) if len(one.step) else 0,
        updates=int(one.step[-1]) if len(one.step) else 0,
        through_time=_through_time(names, of(one.time_ratio)),
    )


def late(values: np.ndarray) -> float:
    """Return the median of the last fifth of `values` (step,), NaN where nothing is known."""
    known = values[-max(len(values) // 5, 1) :]
    known = known[~np.isnan(known)]
    return float(median(known)) if len(known) else math.nan


def is_recurrent(name: str) -> bool:
    """Return whether `name` is that of a weight of a recurrent layer or cell."""
    return _RECURRENT(name.rpartition(".")[2]) is not None


def _through_time(names: tuple[str, ...], ratio: np.ndarray) -> dict[str, np.ndarray]:
    # The first call and the last, as log10, by the median over the last half of the steps.
    # The weights of one recurrent layer have it in common.
    found = {}
    for name, values in zip(names, ratio[len(ratio) // 2 :].T, strict=True):
        known = values[np.isfinite(values) & (values > 0)]
        if len(known):
            module, _, rest = name.rpartition(".")
            fused = _RECURRENT(rest)
            shared = ".".join(filter(None, (module, fused[1]))) if fused else name
            found.setdefault(shared or name, np.array([np.log10(median(known)), 0.0]))
    return found


def _absent(record: Record, names: tuple[str, ...], gradient: np.ndarray) -> dict[str, Absence]:
    found: dict[str, Absence] = {}
    for layer, name in enumerate(names):
        if name not in record.unmeasured or not len(gradient) or not np.isnan(gradient[:, layer]).all():
            continue
        if record.unmeasured[name] == reasons.FROZEN:
            found[name] = "frozen"
        elif name in record.facts:
            found[name] = "detached"
        elif record.facts:  # a record of an earlier version has none, and then nothing is known
            found[name] = "unused"
    return found
