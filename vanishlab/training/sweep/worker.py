"""The worker's part of a sweep: a chunk is trained, in whichever process and on whichever machine the worker is.

A worker keeps the last data set it was given. One that came from `load_data` the worker loads by itself, once; any
other, or one that turns out different there, it asks for by answering `Outcome(missing_data=True)`, and is sent it
together with the chunk.
"""

import dataclasses
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from vanishlab.data import Dataset, load_data
from vanishlab.errors import InputError, first_line
from vanishlab.recording.record import Record
from vanishlab.training.loop import train_runs
from vanishlab.training.sweep.chunks import Chunk


@dataclass(frozen=True)
class Outcome:
    """A chunk's joint record, or what went wrong, or the wish for its data."""

    record: Record | None = None
    error: str = ""
    traceback: str = ""
    missing_data: bool = False


class _Worker:
    """What a process remembers from chunk to chunk."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # a Dask worker may run several chunks in threads
        self.fingerprint = ""
        self.data: Dataset | None = None
        self.times_given = 0
        self.stopped: Callable[[], bool] = lambda: False

    def data_for(self, chunk: Chunk, loaded_as: tuple[str, int | None, int] | None) -> Dataset | None:
        with self.lock:
            if self.fingerprint != chunk.data and loaded_as is not None:
                name, max_examples, seed = loaded_as
                try:
                    data = load_data(name, max_examples=max_examples, seed=seed)
                except InputError:  # a path, say, that exists elsewhere only
                    return None
                if data.fingerprint == chunk.data:
                    self._take(chunk.data, data)
            return self.data if self.fingerprint == chunk.data else None

    def remember(self, fingerprint: str, data: Dataset) -> None:
        with self.lock:
            if self.fingerprint != fingerprint:
                self._take(fingerprint, data)

    def _take(self, fingerprint: str, data: Dataset) -> None:
        self.fingerprint, self.data = fingerprint, data
        self.times_given += 1


_worker = _Worker()


def remember(fingerprint: str, data: Dataset) -> None:
    """Give this process the data, so that it need not load them."""
    _worker.remember(fingerprint, data)


def stop_when(stopped: Callable[[], bool]) -> None:
    """Let every chunk of this process end at its next step once `stopped()` is true."""
    _worker.stopped = stopped


def train_chunk(chunk: Chunk, loaded_as: tuple[str, int | None, int] | None, data: Dataset | None = None) -> Outcome:
    """Train a chunk; an exception comes back as words, since not every one survives the journey."""
    try:
        if data is not None:
            _worker.remember(chunk.data, data)
        found = data or _worker.data_for(chunk, loaded_as)
        if found is None:
            return Outcome(missing_data=True)
        training = dataclasses.replace(chunk.training, engine=chunk.engine)
        record = train_runs(chunk.runs, training, found, progress=_stop_here)
        return Outcome(dataclasses.replace(record, training=chunk.training))
    except Exception as error:
        name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        return Outcome(error=f"{name}{first_line(error)}", traceback=traceback.format_exc())


class _StoppedError(Exception):
    """The sweep has ended before the chunk has."""


def _stop_here(step: int) -> None:
    if _worker.stopped():
        raise _StoppedError("the sweep was stopped")
