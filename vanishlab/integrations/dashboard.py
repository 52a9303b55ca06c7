"""`Dashboard`: the numbers of each step and the one figure that a dashboard is given of a record."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from vanishlab.analysis.diagnosis import diagnose
from vanishlab.errors import InputError
from vanishlab.plots import three_curves
from vanishlab.recording.record import Record


def summarise(record: Record, step: int = -1) -> dict[str, float]:
    """Return the numbers that stand for one recorded step (-1 is the last) of a record of one run; NaN is left out.

    `first_last_delta_ratio` and `first_last_gradient_ratio` do not change when the loss is rescaled;
    `largest_saturated_fraction` and `largest_zero_fraction` are over layers, `smallest_update_ratio` too. Raises
    `InputError` for a record of several runs or without steps.
    """
    if record.runs != 1:
        raise InputError(f"record must hold one run (select it first), got {record.runs}")
    place = record.at_step(step)
    values = {
        "loss": record.loss[0, place],
        "first_last_delta_ratio": record.first_last_ratio("delta_rms")[0, place],
        "first_last_gradient_ratio": record.first_last_ratio("gradient_norm")[0, place],
        "smallest_gradient_norm": _over(np.min, record.gradient_norm[0, place]),
        "largest_gradient_norm": _over(np.max, record.gradient_norm[0, place]),
        "smallest_update_ratio": _over(np.min, record.update_ratio[0, place]),
        "largest_saturated_fraction": _over(np.max, record.saturated_fraction[0, place]),
        "largest_zero_fraction": _over(np.max, record.zero_fraction[0, place]),
    }
    return {name: float(value) for name, value in values.items() if not np.isnan(value)}


class Dashboard(ABC):
    """Writes what is new in a growing record; each subclass knows one dashboard.

    `prefix` stands before every name.
    """

    def __init__(self, prefix: str = "vanishlab") -> None:
        """Start with nothing written."""
        self._prefix = prefix
        self._written = -1  # the last step that was written
        self._names: tuple[str, ...] = ()  # of the verdicts that were written last

    def update(self, record: Record) -> None:
        """Write the numbers of every recorded step that has not been written yet, and the verdict where it is new."""
        for step in record.step[record.step > self._written].tolist():
            values = summarise(record, step)
            self._write_numbers({f"{self._prefix}/{name}": value for name, value in values.items()}, step)
            self._written = step
        if len(record.step):
            diagnosis = diagnose(record)
            if diagnosis.names != self._names:
                self._names = diagnosis.names
                told = "\n\n".join(f"{verdict.name}: {verdict.sentence}" for verdict in diagnosis.verdicts)
                self._write_text(f"{self._prefix}/verdict", told, int(record.step[-1]))

    def finish(self, record: Record) -> None:
        """Write what is new, and the picture of the three curves at the last recorded step."""
        self.update(record)
        if len(record.step):
            self._write_figure(f"{self._prefix}/three_curves", three_curves(record), int(record.step[-1]))

    @abstractmethod
    def _write_numbers(self, values: dict[str, float], step: int) -> None:
        """Write named numbers of one step."""

    @abstractmethod
    def _write_text(self, name: str, text: str, step: int) -> None:
        """Write a named text."""

    @abstractmethod
    def _write_figure(self, name: str, figure: Figure, step: int) -> None:
        """Write a picture."""


def _over(statistic: Callable[[np.ndarray], float], values: np.ndarray) -> float:
    present = values[~np.isnan(values)]
    return float(statistic(present)) if len(present) else float("nan")
