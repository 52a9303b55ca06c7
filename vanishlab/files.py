"""Reading and writing of files: what is written appears whole or not at all, archives are read whole or not at all."""

import contextlib
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from vanishlab.errors import InputError

_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


def output_folder(path: Path, *names: str) -> Path:
    """Return `path` as a folder that can be written to, made if need be; raise `InputError` before any work is done.

    `names` are files that will be written there: what stands in their place must be a file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"out must be a folder that can be written to, got {str(path)!r} ({error.strerror})") from None
    for name in names:
        output_file(path / name, name)
    return path


def output_file(path: Path, field: str = "file to be written") -> Path:
    """Return the file that is written under the name `path`: where that is a link, what it points at.

    Raises `InputError`, naming `field`, without a folder, and for what is there and no regular file: it stays.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    for folder in (path.parent, target.parent):
        if not folder.is_dir():
            raise InputError(f"folder of a file to be written must exist, got {str(folder)!r}")
    if kind := irregular(target):
        raise InputError(f"{field} must be a regular file, got {str(path)!r} ({kind})")
    return target


def irregular(path: Path) -> str:
    """Return what is at `path` where that is no regular file, "" where it is one or nothing is there."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "something else")


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Call `write(file)` on a temporary file beside `path`, put it in place in one move, and return `path`.

    Whatever stops it, a crash included, `path` is the old file or the new one; a link stays, and its target is written.
    Raises `InputError` as `output_file` does.
    """
    target = output_file(path)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; a result is as readable as any other file of its owner's.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(target)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk is told without it
        raise
    return path


def open_file(path: Path) -> IO[bytes]:
    """Open a regular file to read it. Raises `InputError` for anything else: a named pipe would be waited for."""
    if kind := irregular(path):
        raise InputError(f"it is no regular file ({kind})")
    return path.open("rb")


@contextlib.contextmanager
def open_arrays(
    path: Path, check: Callable[[zipfile.ZipFile], object] | None = None
) -> Iterator[Mapping[str, np.ndarray]]:
    """Open an .npz file to read its arrays, its checksums compared first; nothing is unpickled.

    `check` is called before any of that, and may raise an `InputError` of its own.

    Raises what the damage happens to raise: `InputError`, `OSError`, `ValueError`, `zipfile.BadZipFile` and others.
    """
    with open_file(path) as opened:  # opened here: numpy leaves a file that is no zip open
        # numpy compares a checksum only where it happens to read an entry to its end.
        archive = zipfile.ZipFile(opened)
        if check is not None:
            check(archive)
        if (damaged := archive.testzip()) is not None:
            raise InputError(f"{damaged} is damaged")
        opened.seek(0)
        with np.load(opened, allow_pickle=False) as file:
            yield file
