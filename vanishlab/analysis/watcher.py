"""`Watcher`: a verdict while the model trains; it warns, calls back or stops, and says when an illness began.

with vl.GradientRecorder(model, optimizer, every=10) as recorder:
    watcher = vl.Watcher(recorder, stop_on="diverging")
    for x, y in loader:
        ...
print(*watcher.findings, sep="\\n")
"""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vanishlab.analysis.diagnosis import Diagnosis, diagnose
from vanishlab.analysis.onset import Departure, first_departure, first_step_of
from vanishlab.analysis.verdict import VERDICTS, WELL, Thresholds, Verdict
from vanishlab.errors import InputError, check_choice, check_integer
from vanishlab.language.sentences import say
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record
from vanishlab.recording.recorder import GradientRecorder

_RECENT = 200  # recorded steps that a verdict rests on, beside the first one
_ILL = tuple(name for name in VERDICTS if name not in (*WELL, "not enough evidence"))


class IllnessWarning(UserWarning):
    """A network that trains has fallen ill."""


@dataclass(frozen=True)
class Finding:
    """A verdict that holds of a network while it trains, for the first time."""

    verdict: Verdict
    step: int
    """The recorded step at which it was found."""
    began: int
    """The first recorded step up to which it holds."""
    first: Departure | None
    """Which layer's numbers left their course first; None where it began too early to tell, or nothing did."""

    def __str__(self) -> str:
        """Return what was found, when it began, and what moved first."""
        verdict = self.verdict
        told = say("Step {step}: {verdict}, since step {began}. {sentence}", step=self.step, began=self.began,
                   verdict=say(verdict.name), sentence=verdict.sentence)  # fmt: skip
        if self.first is None:
            return told
        sentence = "{told} The first to leave its course was {quantity} of {layer}, at step {step}."
        quantity, layer = self.first.quantity, self.first.layer
        title = say(LAYER_QUANTITIES[quantity].title)
        return say(sentence, told=told, quantity=title, layer=layer, step=self.first.step)

    def warn(self) -> None:
        """Tell it by an `IllnessWarning`."""
        warnings.warn(str(self), IllnessWarning, stacklevel=2)


class IllnessFound(RuntimeError):
    """What a watcher that is told to stop raises, out of the optimizer's step; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        """Say what was found."""
        super().__init__(str(finding))
        self.finding = finding


class Watcher:
    """Look at a recorder's record while it grows, and tell each illness once."""

    def __init__(
        self,
        recorder: GradientRecorder,
        *,
        every: int = 10,
        on: str | Iterable[str] | None = None,
        stop_on: str | Iterable[str] = (),
        call: Callable[[Finding], object] | None = None,
        thresholds: Thresholds | None = None,
    ) -> None:
        """Watch `recorder` from its next step on; a verdict is sought at the first recorded step and every `every`-th.

        A finding whose name is in `on` (None: every one that asks for a remedy) is handed to `call`, or told by an
        `IllnessWarning`; one in `stop_on` raises `IllnessFound` out of the optimizer's step, or `end_step`. The verdict
        rests on the first recorded step and the last 200, so that an illness is seen that begins late, and looking
        takes no longer in a longer run.

        Raises `InputError` for a verdict's name that does not exist, or a recorder of several runs.
        """
        if not isinstance(recorder, GradientRecorder):
            raise InputError(f"recorder must be a GradientRecorder, got {type(recorder).__name__}")
        if (runs := recorder.record.runs) != 1:
            raise InputError(f"recorder must be of one run, got {runs}: diagnose their record afterwards")
        self._recorder = recorder
        self._every = check_integer("every", every, 1)
        self._stop_on = verdict_names("stop_on", stop_on)
        self._on = {*(_ILL if on is None else verdict_names("on", on)), *self._stop_on}
        self._call = call
        self._thresholds = thresholds
        self._recorded = 0
        self._well: dict[str, int] = {}  # the last step at which a verdict did not hold
        self.findings: tuple[Finding, ...] = ()
        """What was found, in the order of its finding."""
        self.diagnosis: Diagnosis | None = None
        """The last one; None before the first recorded step has ended."""
        recorder.step_ended.append(self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._look in self._recorder.step_ended:
            self._recorder.step_ended.remove(self._look)

    def _look(self, step: int) -> None:
        self._recorded += 1
        if (self._recorded - 1) % self._every:
            return
        record = self._recorder.recent(_RECENT)
        self.diagnosis = diagnose(record, thresholds=self._thresholds)
        known = {finding.verdict.name for finding in self.findings}
        found = [self._finding(each, record) for each in self.diagnosis.verdicts
                 if each.name in self._on and each.name not in known]  # fmt: skip
        self._well.update((name, step) for name in self._on if name not in self.diagnosis.names)
        self.findings += tuple(found)
        for finding in found:
            if self._call is not None:
                self._call(finding)
            elif finding.verdict.name not in self._stop_on:
                finding.warn()
        for finding in found:
            if finding.verdict.name in self._stop_on:
                raise IllnessFound(finding)

    def _finding(self, verdict: Verdict, record: Record) -> Finding:
        def holds(so_far: Record) -> bool:
            return verdict.name in diagnose(so_far, thresholds=self._thresholds).names

        began = first_step_of(record, holds, self._well.get(verdict.name, -1))
        return Finding(verdict, int(record.step[-1]), began, first_departure(record, began))


def verdict_names(field: str, names: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of verdicts, one or several, that `field` was given. Raises `InputError` for another."""
    return tuple(check_choice(field, name, VERDICTS) for name in ([names] if isinstance(names, str) else names))
