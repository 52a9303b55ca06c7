"""`diagnose(record) -> Diagnosis`: which layers get no gradient, and why, with the numbers behind it.

    diagnosis = vl.diagnose(record)
    print(diagnosis)
    [verdict.name for verdict in diagnosis.verdicts]

The verdict rests on the decay of delta per layer, on the three curves together, and on what a record knows of each
layer and of the run. It does not change when the loss is multiplied by a constant, when width or batch size changes,
or when the modules are listed in another order. Several verdicts may hold.
"""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from vanishlab.analysis.evidence import Evidence, evidence_of
from vanishlab.analysis.remedies.advice import Remedy, remedies_for
from vanishlab.analysis.rules import depth, graph, layers, loss, meaning, modes, notes
from vanishlab.analysis.rules import run as course
from vanishlab.analysis.rules.decay import Decay, fit_decay
from vanishlab.analysis.verdict import VERDICTS, WELL, Thresholds, Verdict, named, several
from vanishlab.errors import InputError
from vanishlab.faces import shown_as
from vanishlab.language.numbers import PowerOfTen, power_of_ten
from vanishlab.language.sentences import listed, say
from vanishlab.recording.record import Record

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vanishlab.recording.recorder import GradientRecorder

COLUMNS = ("verdict", "layers", "why", "numbers")
Rule = Callable[[Evidence, Thresholds], Verdict | None]


@dataclass(frozen=True)
class Diagnosis:
    """What was concluded, as verdicts in the order of causes before consequences."""

    verdicts: tuple[Verdict, ...]
    decay: Decay
    """Of delta, over the layers of the first run judged; a positive rate is a loss on the way back."""
    layer_names: tuple[str, ...]
    """The layers of `decay`, in the order of the forward pass; its segments count them from 0."""
    runs: int
    """Number of runs judged."""
    phi: tuple[str, ...] = ()
    """The activations seen."""
    notes: tuple[str, ...] = ()
    """What is worth a look and makes no net ill: layers frozen on purpose, a second optimizer, a single layer."""

    code: Mapping[str, str] = field(default_factory=dict, compare=False)  # in the order in which modules are listed
    """Remedy to the lines that make its change to this model, to be pasted where `model`, `optimizer` and `loss` are
    known, after `import torch` and `from torch import nn`. Empty where a record was judged, which holds no model."""

    @property
    def names(self) -> tuple[str, ...]:
        """The verdicts' names, the gravest first."""
        return tuple(verdict.name for verdict in self.verdicts)

    @property
    def healthy(self) -> bool:
        """Whether nothing was found that asks for a remedy, in any run."""
        return all(verdict.name in WELL for verdict in self.verdicts)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What to change, the most promising first; nothing for a healthy network."""
        return remedies_for(self.verdicts, self.phi)

    def __repr__(self) -> str:
        """Return the verdicts and the decay in two lines; `print` has the table."""
        return f"Diagnosis: {', '.join(self.names)}\n  {self.headline}"

    _repr_html_ = shown_as("of_diagnosis")

    def __str__(self) -> str:
        """Return the table as plain text."""
        from rich.console import Console

        text = io.StringIO()
        Console(file=text, width=120, color_system=None).print(self)
        return text.getvalue().rstrip()

    def __rich__(self) -> "RenderableType":
        """Return the table for `rich.print`."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.headline), title_justify="left")
        for column in COLUMNS:
            table.add_column(say(column), overflow="fold")
        for row in self.rows():
            table.add_row(*map(Text, row))
        below: list[Text | Padding] = []
        for told, code in self.advice():
            below.append(Text(told))
            if code:
                below.append(Padding(Text(code), (0, 0, 0, 4)))
        return Group(table, *below)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return the table's rows, an entry for each of `COLUMNS`."""
        rows = []
        for verdict in self.verdicts:
            name = named(verdict)
            if self.runs > 1:
                name += "\n" + say("runs {runs}", runs=listed(map(str, verdict.runs)))
            numbers = "\n".join(
                say("{name}: {value:.3g}", name=say(evidence), value=value)
                for evidence, value in verdict.evidence.items()
            )
            rows.append((name, several(verdict.layers) or say("all"), verdict.sentence, numbers))
        return rows

    def advice(self) -> list[tuple[str, str]]:
        """Return what stands below the table: sentences on what to change, with the lines to paste, and notes."""
        lines = [
            (
                say("{place}. {remedy}: {change}", place=place, remedy=say(remedy.name), change=say(remedy.change)),
                self.code.get(remedy.name, ""),
            )
            for place, remedy in enumerate(self.remedies, 1)
        ]
        cures = [(say("What to change, the most promising first:"), ""), *lines] if lines else []
        return [*cures, *((say("Note: {note}", note=note), "") for note in self.notes)]

    @property
    def headline(self) -> str:
        """The decay of delta in one line: its factor per layer, and over all of them."""
        if self.decay.layers < 2:
            return say("no decay of delta: it was measured in fewer than two layers")
        sentence = "delta is multiplied by {factor:.3g} per layer on its way back, by {total} over {layers} layers"
        if math.isfinite(self.decay.low):
            sentence = (
                "delta is multiplied by {factor:.3g} per layer on its way back (95 %: {low} to {high}), by {total} "
                "over {layers} layers"
            )
        low, high, total = (power_of_ten(-decades) for decades in (self.decay.high, self.decay.low, self.decay.total))
        return say(sentence, factor=self.decay.factor, low=low, high=high, total=total, layers=self.decay.layers)


def diagnose(record: "Record | GradientRecorder", *, thresholds: Thresholds | None = None) -> Diagnosis:
    """Return the verdicts on every run of `record`, with evidence and remedies.

    Depth is judged by the last half of the recorded steps, in a run that diverges by the first one. A recorder at work
    stands for what it has recorded so far. Raises `InputError` for anything else.
    """
    measured = record if isinstance(record, Record) else getattr(record, "record", None)
    if not isinstance(measured, Record):
        raise InputError(f"record must be a Record or a GradientRecorder, got {type(record).__name__}")
    return conclude([evidence_of(measured, run) for run in range(measured.runs)], thresholds)


def conclude(evidence: list[Evidence], thresholds: Thresholds | None = None) -> Diagnosis:
    """Return the diagnosis of several runs' evidence; what holds in several is said once."""
    thresholds = thresholds or Thresholds()
    found: dict[tuple[str, str], Verdict] = {}
    for run, one in enumerate(evidence):
        for verdict in judge(one, thresholds):
            known = found.setdefault((verdict.name, verdict.cause), replace(verdict, runs=()))
            joined = known.layers + tuple(name for name in verdict.layers if name not in known.layers)
            found[verdict.name, verdict.cause] = replace(known, layers=joined, runs=(*known.runs, run))
    ordered = sorted(found.values(), key=lambda verdict: VERDICTS.index(verdict.name))
    names, profile = (
        depth.profile_of(evidence[0], depth_steps(evidence[0], thresholds)) if evidence else ((), np.empty(0))
    )
    phi = tuple(sorted({name for one in evidence for name in one.phi if name}))
    said = dict.fromkeys(note for one in evidence for note in notes.notes_on(one, thresholds))
    return Diagnosis(tuple(ordered), fit_decay(profile), names, len(evidence), phi, tuple(said))


def judge(e: Evidence, t: Thresholds) -> list[Verdict]:
    """Return every verdict that holds of one run."""
    broken = graph.find_broken_gradient(e, t) or graph.find_broken_forward(e, t)
    overflow, diverging = None if broken else course.find_overflow(e, t), course.find_divergence(e, t)
    twins, absent = layers.find_twins(e, t), layers.find_absent(e)
    outside = (
        graph.find_unregistered, loss.find_targets_ignored, loss.find_softmax_twice, course.find_not_held,
        modes.find_stale_statistics,
    )  # fmt: skip
    found = [*_found(outside, e, t), *_present(broken, overflow, diverging, twins, *absent)]
    if overflow is None and broken is None:
        converged = None if diverging is not None else course.find_convergence(e, t)
        found += [converged] if converged is not None else _of_layers(e, t, depth_steps(e, t), twins is not None)
        if converged is None:
            explained = not set(EXPLAINING).isdisjoint(verdict.name for verdict in found)
            found += _found((loss.find_wild_data,) if explained else (loss.find_wild_data, loss.find_wild_start), e, t)[
                :1
            ]
    names = {verdict.name for verdict in found}
    if names <= {*WELL, "collapsed"} and "converged" not in names:  # who is collapsed answers alike, and stalls
        found += _found((loss.find_level,), e, t)
    if found:
        return found
    blocked = depth.blocked_by_zero_weights(e, e.tail)
    if blocked is not None:
        sentence = "The weights of {layer} are all zero, so no gradient passes yet; look again after a step."
        return [_unsure(say(sentence, layer=blocked))]
    names, profile = depth.profile_of(e, e.tail)
    if not len(profile):
        return [_unsure(say("Delta was measured in no layer."))]
    if len(profile) < t.least_layers:
        sentence = (
            "{layer} is the only layer with a measured delta: it gets a gradient, and there is no depth to judge."
        )
        return [Verdict("healthy", (), say(sentence, layer=names[0]), {})]
    decay = fit_decay(profile)
    numbers = {"decades, last to first layer": decay.total, "decades per layer": decay.rate}
    factor, measured = PowerOfTen(abs(decay.total)), len(names)
    if abs(decay.total) < 1:
        kept = say("Delta keeps its size over {layers} layers to within a factor of {factor:.3g}.", layers=measured,
                   factor=factor)  # fmt: skip
    elif decay.total > 0:
        sentence = (
            "Delta is {factor:.3g} times smaller in the first of {layers} layers than in the last; from {line:.3g} "
            "times on it counts as vanishing."
        )
        kept = say(sentence, layers=measured, factor=factor, line=10**t.lost_decades)
    else:
        sentence = (
            "Delta is {factor:.3g} times larger in the first of {layers} layers than in the last; from {line:.3g} "
            "times on it counts as exploding."
        )
        kept = say(sentence, layers=measured, factor=factor, line=10**t.gained_decades)
    return [Verdict("healthy", (), kept, numbers)]


def depth_steps(e: Evidence, t: Thresholds) -> slice:
    """Return the steps by which depth is judged: what a diverging run does later is the learning rate's doing."""
    return slice(0, 1) if course.find_divergence(e, t) is not None else e.tail


EXPLAINING = ("exploding", "diverging", "saturated", "symmetric", "dead", "underflow", "vanishing", "masked vanishing")
"""What a wild scale follows from, or is seen by."""


def _present(*verdicts: Verdict | None) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict is not None]


def _of_layers(e: Evidence, t: Thresholds, steps: slice, alike: bool) -> list[Verdict]:
    sick = _found(layers.RULES, e, t)
    decay = depth.find_depth(e, t, steps)
    explained = sick or alike or depth.blocked_by_zero_weights(e, steps) is not None
    cut = None
    if decay is None or math.isinf(decay.evidence.get("decades lost", 0.0)):
        decay = None  # a delta that is exactly zero has not shrunk
        cut = None if explained else graph.find_cut(e, t)
    deep = [*_present(decay, cut), *depth.find_time(e, t)]
    return [*sick, *deep, *_found((*meaning.RULES, *course.RULES), e, t)]


def _found(rules: tuple[Rule, ...], e: Evidence, t: Thresholds) -> list[Verdict]:
    return [verdict for rule in rules if (verdict := rule(e, t)) is not None]


def _unsure(sentence: str) -> Verdict:
    return Verdict("not enough evidence", (), sentence)
