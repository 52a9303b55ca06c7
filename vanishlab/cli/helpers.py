"""Helper processes, which train whole networks and draw whole pictures beside this one.

A helper's start costs seconds, torch's import above all. It begins before this process imports the same, so that both
do it at once; therefore nothing here imports torch or matplotlib before it is needed.
"""

import contextlib
import itertools
import math
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.training.processes import begin_worker, cpu_cores, without_ctrl_c

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vanishlab.data import Dataset
    from vanishlab.recording.record import Record

Task = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments, all of which can be sent to another process."""

# Floating-point operations, two to five seconds on one core: a helper wins back what it takes to start.
_WORTH_HELP = 2e11
_EXAMPLES = 1000  # where their number is not known yet
_ENDS = (64, 10)  # as many inputs and classes as the digits have: the work need be known roughly only
CHAPTERS = range(4, 9)
"""So many records, each with a chapter, are worth a helper; of more, only a few have one (`report.gathered.CLOSE`)."""
_AHEAD = 2  # tasks handed to a helper at once: it need not wait until this process has time for it
_PATIENCE = 0.1  # seconds between two looks at what the helpers have done


class Helpers:
    """`count` processes beside this one, within a `with` block; its end ends them, a training at its next step."""

    def __init__(self, count: int, counters: int = 0) -> None:
        """Name how many there are, and how many whole numbers their work can set for this process to read."""
        self.count = count
        context = multiprocessing.get_context("spawn")  # a fork of a process that has used torch may hang
        # Plain shared memory: a lock in it might be held by a process at the moment of its death.
        self.counters = context.RawArray("q", counters)
        self._stop = context.RawValue("b", 0)
        self.executor = ProcessPoolExecutor(
            count, mp_context=context, initializer=_begin, initargs=(self._stop, self.counters)
        )
        self._tasks: Mapping[str, Task] = {}
        self._queue: deque[str] = deque()
        self._flights: dict[Future[Any], str] = {}

    def __enter__(self) -> "Helpers":
        """Start them; nobody waits until they have."""
        before = {*multiprocessing.active_children()}
        with without_ctrl_c():  # what is started here inherits it
            self.executor.submit(os.getpid)
        self._children = {*multiprocessing.active_children()} - before
        return self

    def __exit__(self, *exception: object) -> None:
        """End them: those that are at nothing in the middle of an import."""
        if not self._flights:
            for child in self._children:
                child.terminate()
        self.stop()

    def stop(self) -> dict[str, Any]:
        """End them, and return by its name what each task under way has come to."""
        self._stop.value = 1
        with contextlib.suppress(BrokenProcessPool):
            self.executor.shutdown(wait=True, cancel_futures=True)
        ended = {name: flight for flight, name in self._flights.items() if flight.done() and not flight.cancelled()}
        self._flights.clear()
        return {name: flight.result() for name, flight in ended.items() if flight.exception() is None}

    def share(
        self, tasks: Mapping[str, Task], here: Callable[[str], Any], look: Callable[[], object] = lambda: None
    ) -> dict[str, Any]:
        """Do the tasks, the first of them first, by `here(name)` or in a helper; return the results in the same order.

        `look` is called while this process waits. A task whose helper has died is done here. Raises what a task raises.
        """
        self._tasks, self._queue = tasks, deque(list(tasks)[1:])
        self.hand_over()
        results = {name: here(name) for name in list(tasks)[:1]}
        while len(results) < len(tasks):
            if self._queue:
                name = self._queue.popleft()
                results[name] = here(name)
            else:
                wait(self._flights, _PATIENCE, return_when=FIRST_COMPLETED)
                look()
            for flight in [flight for flight in self._flights if flight.done()]:
                if isinstance(flight.exception(), BrokenProcessPool):
                    self._queue.append(self._flights.pop(flight))
                else:
                    results[self._flights[flight]] = flight.result()  # an error leaves it among what is under way
                    del self._flights[flight]
            self.hand_over()
        return {name: results[name] for name in tasks}

    def hand_over(self) -> None:
        """Give the helpers what they have room for; to be called now and then in the middle of a long task."""
        while self._queue and sum(not flight.done() for flight in self._flights) < self.count * _AHEAD:
            function, arguments = self._tasks[self._queue[0]]
            try:
                flight = self.executor.submit(function, *arguments)
            except BrokenProcessPool:
                return  # all that is left is done here
            self._flights[flight] = self._queue.popleft()


class _Helper:
    """What a helper knows: whether it is to stop, and the numbers that it can set."""

    def __init__(self) -> None:
        self.stopped: Callable[[], bool] = lambda: False
        self.counters: Any = ()


_helper = _Helper()


def helpers_for(
    variants: Mapping[str, tuple[NetworkConfig, TrainingConfig]], examples: int | None = None
) -> "contextlib.AbstractContextManager[Helpers | None]":
    """Return helpers for training these on so many examples, one per further core; None where they would not help."""
    work = [_work(network, training, examples or _EXAMPLES) for network, training in variants.values()]
    devices = {training.device for _, training in variants.values()}
    # The dearest network is trained by one process, so more than this many would wait for it.
    count = min(cpu_cores(), math.ceil(sum(work) / max(work, default=1.0)))
    if sum(work) < _WORTH_HELP or count < 2 or not devices <= {"auto", "cpu"}:
        return contextlib.nullcontext()
    return Helpers(count - 1, len(variants))


def helper_to_draw(paths: Sequence[Path]) -> "contextlib.AbstractContextManager[Helpers | None]":
    """Return a helper for the report of these record files and folders; None where it would not help."""
    records = [found for path in paths for found in (path.glob("*.npz") if path.is_dir() else [path])]
    return Helpers(1) if len(records) in CHAPTERS and cpu_cores() > 1 else contextlib.nullcontext()


def dearest_first(variants: Mapping[str, tuple[NetworkConfig, TrainingConfig]]) -> list[str]:
    """Return the names in the order in which processes that share them should begin."""
    return sorted(variants, key=lambda name: -_work(*variants[name], _EXAMPLES))


def train_there(
    network: NetworkConfig, training: TrainingConfig, data: "Dataset", path: Path, place: int
) -> "tuple[Record, bool] | None":
    """Train in a helper and save the record; counter `place` tells of each step.

    Returns the record and whether it is whole (and saved), None where it was stopped before it began.
    """
    from vanishlab.training.loop import TrainingInterrupted, train

    def tell(step: int) -> None:
        if _helper.stopped():
            raise KeyboardInterrupt
        _helper.counters[place] = step + 1

    if _helper.stopped():
        return None
    try:
        record = train(network, training, data, progress=tell)
    except TrainingInterrupted as interrupt:
        return interrupt.record, False
    record.save(path)
    return record, True


def draw_there(draw: "Callable[[], Figure]", path: Path, language: str) -> tuple[Path, Path] | None:
    """Draw in a helper, in this language, and save the picture; None where it was stopped before it began."""
    from vanishlab import plots

    if _helper.stopped():
        return None
    with plots.language(language):
        return plots.save_both(draw(), path)


def _begin(stop: Any, counters: Any) -> None:
    _helper.stopped, _helper.counters = lambda: bool(stop.value), counters
    begin_worker()


def _work(network: NetworkConfig, training: TrainingConfig, examples: int) -> float:
    """Return about how many floating-point operations training takes."""
    weights = sum(a * b for a, b in itertools.pairwise((_ENDS[0], *network.widths, _ENDS[1])))
    return 6.0 * (training.batch_size or examples) * weights * (training.steps + 1) * len(training.runs)
