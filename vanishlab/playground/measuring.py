"""The measurement of one setting: trained, judged and predicted. It stops when asked, and keeps what there is."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vanishlab.analysis.diagnosis import Diagnosis, diagnose
from vanishlab.data import Dataset, load_data
from vanishlab.errors import InputError, first_line
from vanishlab.playground.settings import Settings
from vanishlab.recording.record import Record
from vanishlab.theory.meanfield.fixed_points import network_point
from vanishlab.theory.prediction import Prediction, predict
from vanishlab.training.processes import one_blas_thread

SESSION_BYTES = 1e9
"""What one session may hold while a network is trained, and while it is predicted."""
_PAIR_BYTES = 28.0  # of theory, for each layer and pair of examples: measured at 100 layers and 1,000 examples


class Outdated(Exception):
    """The controls have moved on: nobody waits for this result."""


class Failed(Exception):
    """What went wrong, as one sentence for the page."""


@dataclass(frozen=True, eq=False)
class Result:
    """What one setting showed."""

    settings: Settings
    record: Record
    diagnosis: Diagnosis
    prediction: Prediction | None
    unpredicted: str
    """Why there is no prediction, empty where there is one."""
    point: tuple[float, float] | None
    """(sigma_w, sigma_b) of the network in the phase diagram."""
    pointless: str
    """Why there is no such point, empty where there is one."""
    stopped: bool
    """Whether it was stopped before its last step."""
    guessing: float
    """Accuracy of always naming the most frequent class of the training examples."""
    constant: float
    """Cross-entropy of the best answer that is the same for all of them: the entropy of their classes."""
    seconds: float

    @property
    def first_last(self) -> float:
        """Delta at the first layer over that at the readout, before training."""
        return float(self.record.first_last_ratio()[0, 0])

    @property
    def predicted_first_last(self) -> float:
        """The same as theory has it, NaN where it has not."""
        if self.prediction is None:
            return float("nan")
        logs = self.prediction.log10_typical("delta_rms")
        with np.errstate(over="ignore"):
            return float(np.power(10.0, logs[0] - logs[-1]))

    @property
    def distinct(self) -> float:
        """Share of the last hidden layer's energy that differs between examples, before training."""
        return float(self.record.distinct_share[0, 0, -2])

    @property
    def losses(self) -> tuple[float, float]:
        """Training loss before the first step, and the last one that is finite."""
        return float(self.record.loss[0, 0]), float(self.record.at_end(self.record.loss)[0])

    @property
    def accuracy(self) -> float:
        """Share of the training examples classified correctly at the end."""
        return float(self.record.at_end(self.record.accuracy)[0])


def measure(
    settings: Settings,
    *,
    progress: Callable[[int], object] | None = None,
    stop: Callable[[], bool] = lambda: False,
    outdated: Callable[[], bool] = lambda: False,
) -> Result:
    """Train, judge and predict what `settings` say.

    Other arguments
        progress   called with each step's number when it has ended
        stop       asked after each step; what was measured until then is the result
        outdated   the same, but nothing is wanted any more

    Raises `Failed` with a sentence for whatever goes wrong, `Outdated`.
    """
    try:
        return _measure(settings, progress, stop, outdated)
    except (Failed, Outdated):
        raise
    except InputError as error:
        raise Failed(str(error)) from error
    except MemoryError as error:
        raise Failed("this machine has not enough memory for that") from error
    except Exception as error:  # on a page a traceback helps nobody; the lines to copy give it to whoever wants it
        raise Failed(f"{type(error).__name__}: {first_line(error)}") from error


def _measure(
    settings: Settings,
    progress: Callable[[int], object] | None,
    stop: Callable[[], bool],
    outdated: Callable[[], bool],
) -> Result:
    import torch

    from vanishlab.training.loop import TrainingInterrupted, train

    # One run is computed by one thread in any case (`train`). Said here, in each of the page's threads, no two of them
    # hand each other a number of threads that the other one has borrowed.
    torch.set_num_threads(1)
    started = time.perf_counter()
    network, training = settings.network(), settings.training()
    data = load_data(settings.data, max_examples=settings.examples)
    _check_memory(settings, data)
    if outdated():
        raise Outdated

    def after(step: int) -> None:
        if progress is not None:
            progress(step)
        if outdated():
            raise Outdated
        if stop():
            raise KeyboardInterrupt  # `train` answers it with what was recorded

    stopped = False
    try:
        record = train(network, training, data, progress=after)
    except TrainingInterrupted as interrupt:
        record, stopped = interrupt.record, int(interrupt.record.step[-1]) < settings.steps
    if outdated():
        raise Outdated
    prediction, unpredicted = _predict(settings, data)
    frequency = np.unique(data.y, return_counts=True)[1] / len(data.y)
    point, pointless = None, ""
    try:
        point = network_point(network)
    except InputError as error:
        pointless = str(error)
    return Result(
        settings=settings,
        record=record,
        diagnosis=diagnose(record),
        prediction=prediction,
        unpredicted=unpredicted,
        point=point,
        pointless=pointless,
        stopped=stopped,
        guessing=float(frequency.max()),
        constant=float(-(frequency * np.log(frequency)).sum()),
        seconds=time.perf_counter() - started,
    )


def _check_memory(settings: Settings, data: Dataset) -> None:
    """Raise `InputError` where training would hold more than a session may, before anything is built."""
    from vanishlab.training.memory import run_bytes

    need = run_bytes(settings.network(), settings.training(), data)
    if need > SESSION_BYTES:
        raise InputError(
            f"depth, width and examples must need at most {SESSION_BYTES / 1e9:.2g} GB of memory in one session, "
            f"got {settings.depth}, {settings.width} and {settings.examples}, about {need / 1e9:.2g} GB"
        )


def _predict(settings: Settings, data: Dataset) -> tuple[Prediction | None, str]:
    need = _PAIR_BYTES * settings.depth * len(data.y) ** 2
    if need > SESSION_BYTES:
        return None, (
            f"depth and examples must need at most {SESSION_BYTES / 1e9:.2g} GB of memory in one session, got "
            f"{settings.depth} and {len(data.y)}, about {need / 1e9:.2g} GB"
        )
    try:
        with one_blas_thread():
            return predict(settings.network(), data, progress=False), ""
    except InputError as error:
        return None, str(error)
