"""The folder of a sweep: a file per finished chunk, written whole or not at all, and a note per chunk that failed.

`chunk-NAME.npz` is an ordinary record file of all the chunk's runs; its labels say which network each run is of and
give each run's key. `failures/NAME.json` tells what went wrong with a chunk; it goes away when the chunk succeeds.
"""

import contextlib
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vanishlab.config import NetworkConfig, TrainingConfig, config_from_dict, config_to_dict
from vanishlab.errors import InputError, first_line
from vanishlab.files import irregular, write_whole
from vanishlab.recording.record import Record, read_record, write_record
from vanishlab.recording.record_files import read_labels
from vanishlab.training.loop import Run
from vanishlab.training.sweep.chunks import Chunk


@dataclass(frozen=True)
class Failure:
    """A chunk that could not be trained, and why."""

    chunk: Chunk
    error: str
    """The exception's class and message, one line."""
    traceback: str = ""

    def __str__(self) -> str:
        """Say what failed in one line."""
        runs, first = self.chunk.runs, self.chunk.runs[0]
        more = f" and {len(runs) - 1} more runs" if len(runs) > 1 else ""
        return f"{first.network}, learning rate {first.learning_rate:g}, seed {first.seed}{more}: {self.error}"


@dataclass(frozen=True)
class Kept:
    """What a finished chunk's file says of itself without its numbers being read."""

    path: Path
    runs: tuple[Run, ...]
    keys: tuple[str, ...]
    training: TrainingConfig
    data: str


class Store:
    """The finished and the failed chunks in a folder."""

    def __init__(self, folder: Path) -> None:
        """Look at a folder; it is made if need be when something is written."""
        self.folder = folder
        self._failures = folder / "failures"

    def check(self, *written: str) -> None:
        """Raise `InputError` where something that is no file stands in the place of one; `written` are more names."""
        patterns = ("chunk-*.npz", "chunk-*.npz.damaged", ".chunk-*.npz-*")
        chunks = [path for pattern in patterns for path in sorted(self.folder.glob(pattern))]
        for path in [*chunks, *(self.folder / name for name in (".claims", *written))]:
            if kind := irregular(path):
                raise InputError(
                    f"out must be a folder where {path.name} is a regular file, got {str(path)!r} ({kind})"
                )
        if self._failures.exists() and not self._failures.is_dir():
            raise InputError(f"out must be a folder where failures is a folder, got {str(self._failures)!r} (a file)")

    def path(self, chunk: Chunk) -> Path:
        """Return the file of a finished chunk, there or not."""
        return self.folder / f"chunk-{chunk.name}.npz"

    def finished(self, *, set_aside: bool = True) -> Iterator[Kept]:
        """Yield every finished chunk, sorted by name; a file that cannot be read is set aside, or else warned of."""
        for path in sorted(self.folder.glob("chunk-*.npz")):
            try:
                yield _kept(path)
            except InputError as error:
                if set_aside:
                    self.set_aside(path, error)
                else:
                    warnings.warn(f"{error}; it is left out", stacklevel=3)

    def read(self, path: Path) -> Record | None:
        """Return the joint record of a finished chunk; None for a damaged file, which is set aside."""
        try:
            return read_record(path)[0]
        except InputError as error:
            self.set_aside(path, error)
            return None

    def set_aside(self, path: Path, error: InputError) -> None:
        """Rename a damaged file to NAME.damaged, and warn of it by name."""
        aside = path.with_name(path.name + ".damaged")
        with contextlib.suppress(FileNotFoundError):  # another process has done it
            path.replace(aside)
        warnings.warn(f"{error}; it is set aside as {aside.name}, its runs count as not done", stacklevel=2)

    def keep(self, chunk: Chunk, record: Record) -> None:
        """Write a finished chunk. Raises `InputError` where that is impossible, a full disk for example."""
        networks = chunk.networks
        labels = {
            "networks": [config_to_dict(network) for network in networks],
            "training": config_to_dict(chunk.training),
            "runs": [[networks.index(run.network), run.learning_rate, run.seed] for run in chunk.runs],
            "keys": chunk.keys,
            "data": chunk.data,
        }
        try:
            write_record(self.path(chunk), record, labels)
            self._note_of(chunk).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def keep_failure(self, failure: Failure) -> None:
        """Write down what failed. Raises `InputError` where that is impossible."""
        note = {
            "error": failure.error,
            "runs": [{**config_to_dict(run.network), "learning_rate": run.learning_rate, "seed": run.seed}
                     for run in failure.chunk.runs],
            "training": config_to_dict(failure.chunk.training),
            "traceback": failure.traceback.splitlines(),
        }  # fmt: skip
        try:
            self._failures.mkdir(exist_ok=True)
            write_whole(self._note_of(failure.chunk), lambda file: file.write(json.dumps(note, indent=1).encode()))
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def leftovers(self) -> Iterator[tuple[str, Path]]:
        """Yield the chunk's name and the path of every file that somebody began to write and has not put in place."""
        for path in self.folder.glob(".chunk-*.npz-*"):
            name = path.name.removeprefix(".chunk-").partition(".")[0]
            if re.fullmatch("[0-9a-f]+", name):  # another's name is another's file
                yield name, path

    def _note_of(self, chunk: Chunk) -> Path:
        return self._failures / f"{chunk.name}.json"


def _kept(path: Path) -> Kept:
    labels: dict[str, Any] = read_labels(path)
    try:
        networks = [config_from_dict(NetworkConfig, fields) for fields in labels["networks"]]
        runs = tuple(Run(networks[place], rate, seed) for place, rate, seed in labels["runs"])
        training = config_from_dict(TrainingConfig, labels["training"])
        return Kept(path, runs, tuple(labels["keys"]), training, labels["data"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"record file must be a chunk of a sweep, got {str(path)!r} ({type(error).__name__}: {first_line(error)})"
        ) from error


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"out must be a folder that can be written to, got {str(folder)!r} ({error.strerror}); every chunk that was "
        "finished before is kept there"
    )
