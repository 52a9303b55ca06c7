"""The sources of a report: record files, folders of them, sweeps, or records at hand."""

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vanishlab.errors import InputError
from vanishlab.language.sentences import listed, say
from vanishlab.recording.record import Record, read_record
from vanishlab.training.sweep.cells import varying_axes
from vanishlab.training.sweep.saved import NETWORK_FIELDS, Sweep, load_sweep

Given = str | os.PathLike[str] | Record | Mapping[str, Record] | Iterable[str | os.PathLike[str]]
"""A path, several, a record, or several by name."""


@dataclass(frozen=True, eq=False)
class Source:
    """One record, or the networks of one sweep."""

    name: str
    path: Path | None
    record: Record | None = None
    sweep: Sweep | None = None
    left_out: tuple[str, ...] = ()
    """What is said of a sweep's files that could not be read."""

    @property
    def shown(self) -> str | None:
        """The path as the page shows it, nothing for a record at hand."""
        return None if self.path is None else shown_path(self.path)

    def records(self) -> Iterator[tuple[str, Record]]:
        """Yield title and record of each network; a sweep's are read on the way."""
        if self.record is not None:
            yield self.name, self.record
        elif self.sweep is not None:
            differs = [field for field in varying_axes(self.sweep) if field in NETWORK_FIELDS]
            for record in self.sweep:
                fields = [
                    say("{field} {value}", field=say(field.replace("_", " ")), value=getattr(record.network, field))
                    for field in differs
                ]
                yield listed(fields) or self.name, record


def open_sources(given: Given) -> list[Source]:
    """Return what was given as sources, each with a name of its own.

    Raises `InputError` for a path that is not there, a damaged record, one without a recorded step, and a folder that
    holds neither records nor a sweep.
    """
    if isinstance(given, Record):
        given = {"record": given}
    if isinstance(given, Mapping):
        sources = [Source(str(name), None, record) for name, record in given.items()]
    else:
        paths = [Path(given)] if isinstance(given, (str, os.PathLike)) else [Path(path) for path in given]
        sources = [source for path in paths for source in _open(path)]
    if not sources:
        raise InputError("report needs at least one record file or folder, got none")
    for source in sources:
        if source.record is not None and (len(source.record.step) == 0 or len(source.record.layer) == 0):
            where = str(source.path or source.name)
            raise InputError(f"record must hold at least one recorded step and layer, got none in {where!r}")
    return _named_apart(sources)


def _open(path: Path) -> list[Source]:
    if path.is_dir():
        if next(path.glob("chunk-*.npz"), None) is not None:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                sweep = load_sweep(path)
            left_out = tuple(_without_folder(str(each.message), path) for each in caught)
            return [Source(_name(path), path, sweep=sweep, left_out=left_out)]
        files = sorted(path.glob("*.npz"), key=lambda file: _natural(file.name))
        if not files:
            raise InputError(f"folder must hold record files (.npz) or a sweep's chunks, got {str(path)!r}")
        return [source for file in files for source in _open(file)]
    if not path.exists():
        raise InputError(f"path must be a record file or a folder that exists, got {str(path)!r}")
    return [Source(_name(path), path, record=read_record(path)[0])]


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a path from the current folder on, and of one outside only the last name.

    A report is mailed: it must not tell whose machine it was written on.
    """
    whole, folder = Path(path).resolve(), Path.cwd().resolve()
    return str(whole.relative_to(folder)) if whole.is_relative_to(folder) else whole.name


def _without_folder(message: str, folder: Path) -> str:
    """Return what a warning says of a file in this folder, the folder named as the page names it."""
    for written in (repr(str(folder))[1:-1], str(folder)):  # quoted on Windows, a backslash is two
        message = message.replace(written, shown_path(folder))
    return message


def _name(path: Path) -> str:
    # `vanishlab train` calls every record "record.npz": its folder tells it from others.
    return path.resolve().parent.name if path.name == "record.npz" else path.name.removesuffix(".npz")


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _named_apart(sources: list[Source]) -> list[Source]:
    names: dict[str, int] = {}
    apart = []
    for source in sources:
        names[source.name] = names.get(source.name, 0) + 1
        number = names[source.name]
        name = source.name if number == 1 else f"{source.name} ({number})"
        apart.append(replace(source, name=name))
    return apart
