"""`sweep`: hundreds of networks, chunk by chunk, on whatever executor there is; nothing finished is done again."""

import concurrent.futures
import logging
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.data import Dataset
from vanishlab.errors import first_line
from vanishlab.files import output_folder
from vanishlab.language.sentences import say
from vanishlab.progress import Advance, progress_bar
from vanishlab.recording.record import Record
from vanishlab.training.loop import Run
from vanishlab.training.sweep.chunks import Chunk, records_of
from vanishlab.training.sweep.locks import Claims
from vanishlab.training.sweep.memory import check_chunks
from vanishlab.training.sweep.plan import Plan, plan_sweep
from vanishlab.training.sweep.pool import InThisProcess, Processes
from vanishlab.training.sweep.store import Failure, Store
from vanishlab.training.sweep.worker import Outcome, remember, train_chunk

_log = logging.getLogger("vanishlab")
_log.addHandler(logging.NullHandler())  # else logging itself prints warnings where nobody has asked for them
_PATIENCE = 0.5  # seconds between two looks at what cannot be waited for
_IN_FLIGHT = 1000  # chunks handed at once to an executor whose size is not known


class Executor(Protocol):
    """Anything with `submit` as in `concurrent.futures`: a process pool, Dask's, mpi4py's, submitit's."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Return something with `done()` and `result()`."""
        ...


class SweepFailed(RuntimeError):
    """Some chunks of a sweep failed; all others are finished and kept. `failures` says which and why."""

    def __init__(self, failures: Sequence[Failure], folder: Path) -> None:
        """Keep the failures."""
        self.failures = tuple(failures)
        runs = sum(len(failure.chunk.runs) for failure in failures)
        super().__init__(f"{runs} runs failed, details in {folder / 'failures'}; the first: {failures[0]}")


@dataclass(frozen=True)
class Progress:
    """How far a sweep has come, in runs."""

    runs: int
    done: int = 0
    """Finished, now or before."""
    before: int = 0
    """Of these, finished before this sweep began."""
    diverged: int = 0
    """Of all finished ones."""
    failed: int = 0
    share: float = 0.0
    """Of the arithmetic that was not done before: 0 to 1."""


def sweep(
    networks: Iterable[NetworkConfig],
    training: TrainingConfig,
    data: Dataset,
    *,
    out: str | os.PathLike[str],
    executor: Executor | None = None,
    chunk_runs: int | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], object] | bool | None = None,
) -> Iterator[Record]:
    """Train every network with every learning rate and seed; yield records as they finish, and keep them in `out`.

    Networks of one shape are stacked, whatever their learning rates, seeds and initialisations; each run has the bits
    that `train` gives it. A record holds runs of one network; those of a network may come in several records. Runs that
    a file in `out` holds already are read from there, so an interrupted or extended sweep does what is missing only.

    Main arguments
        networks    a `Grid`, or any iterable of `NetworkConfig`
        training    its learning rates and seeds are the runs of each network
        out         folder of the results, to be opened with `load_sweep`

    Other arguments
        executor    anything with `submit` as in concurrent.futures; None is one process per core where the work is
                    worth it, else this process. A script needs the line `if __name__ == "__main__":` for processes
        chunk_runs  runs to be trained side by side; None is chosen by cache (CPU) or memory (GPU)
        workers     processes of this machine, where no executor is given; 1 is this process
        progress    called with a `Progress` after each chunk; or whether to show a bar, None: where somebody watches

    The logger "vanishlab" is told of each chunk. Raises `InputError` for settings that do not fit each other, the data,
    or the memory, and for a folder that cannot be written to; `SweepFailed` at the end if chunks failed. Nothing runs
    before the first record is asked for.
    """
    plan = plan_sweep(networks, training, data, chunk_runs=chunk_runs, workers=workers)
    if callable(progress):
        return run_plan(plan, Path(out), executor=executor, progress=progress)
    told: list[Advance] = []
    records = run_plan(plan, Path(out), executor=executor, progress=lambda now: told[0](now.share))
    sentence = "sweeping {runs} run" if plan.runs == 1 else "sweeping {runs} runs"
    return _behind_bar(records, say(sentence, runs=plan.runs), progress, told)


def _behind_bar(records: Iterator[Record], label: str, wanted: bool | None, told: list[Advance]) -> Iterator[Record]:
    with progress_bar(label, wanted) as advance:
        told.append(advance)
        yield from records


def run_plan(
    plan: Plan,
    out: Path,
    *,
    executor: Executor | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Iterator[Record]:
    """Do what `plan_sweep` has planned, as `sweep` does."""
    if executor is None:
        check_chunks(plan.chunks, plan.data, plan.workers)
    Store(out).check()
    return _Sweeper(plan, output_folder(out), executor, progress or (lambda _: None)).run()


class _Sweeper:
    """One sweep: the queue of chunks, those under way, and those that another process has claimed."""

    def __init__(
        self, plan: Plan, folder: Path, executor: Executor | None, progress: Callable[[Progress], object]
    ) -> None:
        self._plan = plan
        self._store = Store(folder)
        self._claims = Claims(folder)
        self._given = executor
        self._executor: Executor = InThisProcess()
        self._report = progress
        self._done = self._before = self._diverged = 0
        self._work = self._work_done = 0.0
        self._queue: deque[Chunk] = deque()
        self._flights: dict[Any, Chunk] = {}
        self._elsewhere: list[Chunk] = []
        self._suspects: set[str] = set()  # under way when a process died: they go alone
        self._failures: list[Failure] = []

    def run(self) -> Iterator[Record]:
        with self._claims:
            self._clear_leftovers()
            yield from self._finished_before()
            _log.info("sweep into %s: %d runs, %d of them finished; %d chunks to do", self._store.folder,
                      self._plan.runs, self._before, len(self._queue))  # fmt: skip
            try:
                self._executor = self._given or self._workers()
                while self._queue or self._flights or self._elsewhere:
                    yield from self._start_some()
                    for chunk, outcome in self._outcomes():
                        yield from self._take_outcome(chunk, outcome)
            finally:
                for future in self._flights:
                    future.cancel()
                if isinstance(self._executor, Processes):
                    self._executor.stop()
        _log.info("sweep into %s: ended with %d of %d runs finished", self._store.folder, self._done, self._plan.runs)
        if self._failures:
            raise SweepFailed(self._failures, self._store.folder)

    def _clear_leftovers(self) -> None:
        """Remove what processes had begun to write when they were killed; the living hold claims on theirs."""
        for name, path in self._store.leftovers():
            if self._claims.take(name):
                path.unlink(missing_ok=True)
                self._claims.give_up(name)

    def _finished_before(self) -> Iterator[Record]:
        """Yield the records of runs that are finished, and queue those that are not."""
        wanted = {key for chunk in self._plan.chunks for key in chunk.keys}
        found: set[str] = set()
        for kept in self._store.finished():
            places = [place for place, key in enumerate(kept.keys) if key in wanted and key not in found]
            record = self._store.read(kept.path) if places else None
            if record is not None:
                found.update(kept.keys[place] for place in places)
                self._before += len(places)
                yield from self._count(record, kept.runs, places)
        self._queue.extend(self._plan.missing(found))
        self._work = sum(self._plan.work(chunk) for chunk in self._queue)

    def _count(self, record: Record, runs: Sequence[Run], places: Sequence[int]) -> Iterator[Record]:
        """Yield one record per network of these places in a finished chunk, and tell how far the sweep has come."""
        self._done += len(places)
        self._diverged += int(record.diverged[list(places)].sum())
        self._report_progress()
        yield from records_of(record, runs, places)

    def _report_progress(self) -> None:
        failed = sum(len(failure.chunk.runs) for failure in self._failures)
        share = self._work_done / self._work if self._work else 0.0
        self._report(Progress(self._plan.runs, self._done, self._before, self._diverged, failed, share))

    def _workers(self) -> Executor:
        """Return the processes of this machine, or this one where others would not help."""
        remember(self._plan.fingerprint, self._plan.data)
        count = min(self._plan.workers, len(self._queue))
        if count < 2:
            return InThisProcess()
        try:
            return Processes(count)
        except BrokenProcessPool:
            warnings.warn(
                "worker processes could not be started (a script that sweeps needs the line "
                "`if __name__ == '__main__':`); the sweep goes on in this process",
                stacklevel=2,
            )
            return InThisProcess()

    def _start_some(self) -> Iterator[Record]:
        """Hand chunks over until enough are under way; yield what another process has finished meanwhile."""
        self._queue.extend(self._elsewhere)
        self._elsewhere.clear()
        while self._queue and len(self._flights) < self._room():
            chunk = self._queue.popleft()
            if not self._claims.take(chunk.name):
                self._elsewhere.append(chunk)
            elif (path := self._store.path(chunk)).exists() and (record := self._store.read(path)) is not None:
                self._claims.give_up(chunk.name)
                self._work_done += self._plan.work(chunk)
                yield from self._count(record, chunk.runs, range(len(chunk.runs)))
            else:
                self._submit(chunk)

    def _room(self) -> int:
        """Return how many chunks may be under way at once."""
        if isinstance(self._executor, InThisProcess) or self._suspects:
            return 1
        return self._executor.count * 2 if isinstance(self._executor, Processes) else _IN_FLIGHT

    def _submit(self, chunk: Chunk, *data: Dataset) -> None:
        arguments = (chunk, self._plan.data.loaded_as, *data)
        try:
            future = self._executor.submit(train_chunk, *arguments)
        except BrokenProcessPool as error:
            if not isinstance(self._executor, Processes):
                raise
            future = concurrent.futures.Future()  # a process has died since the last look: told with the others
            future.set_exception(error)
        self._flights[future] = chunk

    def _outcomes(self) -> list[tuple[Chunk, Outcome]]:
        """Wait until a chunk is done, or until it is time to look after those of other processes."""
        done = self._some_done()
        died = any(isinstance(future.exception(), BrokenProcessPool) for future in done)
        if died and isinstance(self._executor, Processes):
            _log.warning("a worker process died; what was under way is tried again, chunk by chunk")
            self._executor.restart()  # now every future is done
            done, alone = list(self._flights), len(self._flights) == 1
            for future in list(done):
                if isinstance(future.exception(), BrokenProcessPool) and not alone:
                    chunk = self._flights.pop(future)
                    self._suspects.add(chunk.name)
                    self._queue.appendleft(chunk)
                    self._claims.give_up(chunk.name)
                    done.remove(future)
        return [(self._flights.pop(future), _outcome_of(future)) for future in done]

    def _some_done(self) -> list[Any]:
        if not self._flights:
            if self._elsewhere:
                time.sleep(_PATIENCE)
            return []
        known = all(isinstance(future, concurrent.futures.Future) for future in self._flights)
        while True:
            if known:
                patience = _PATIENCE if self._elsewhere else None
                concurrent.futures.wait(self._flights, patience, return_when=concurrent.futures.FIRST_COMPLETED)
            done = [future for future in self._flights if future.done()]
            if done or self._elsewhere:
                return done
            time.sleep(_PATIENCE)  # futures of another kind, submitit's for example

    def _take_outcome(self, chunk: Chunk, outcome: Outcome) -> Iterator[Record]:
        """Keep what came back of a chunk, and yield its records."""
        if outcome.missing_data:
            self._submit(chunk, self._plan.data)
            return
        self._suspects.discard(chunk.name)
        self._work_done += self._plan.work(chunk)
        if outcome.record is not None:
            self._store.keep(chunk, outcome.record)
            diverged = int(outcome.record.diverged.sum())
            _log.info("chunk %s: %d runs trained, %d diverged", chunk.name, len(chunk.runs), diverged)
        else:
            self._failures.append(Failure(chunk, outcome.error, outcome.traceback))
            self._store.keep_failure(self._failures[-1])
            _log.warning("chunk %s failed: %s", chunk.name, self._failures[-1])
            self._report_progress()
        self._claims.give_up(chunk.name)
        if outcome.record is not None:
            yield from self._count(outcome.record, chunk.runs, range(len(chunk.runs)))


def _outcome_of(future: Any) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return Outcome(error="the worker process died (killed, or out of memory)")
    except Exception as error:  # the executor's own, as Dask's for a worker that died again and again
        return Outcome(error=f"{type(error).__name__}: {first_line(error)}")
