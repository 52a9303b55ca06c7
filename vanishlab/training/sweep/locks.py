"""`Claims`: locks on chunks, so that two sweeps into one folder share the work instead of doing it twice.

A claim is a lock on one byte of the folder's file `.claims`, at a place that the chunk's name decides. The operating
system lets go of it when the process ends, however it ends, so nobody ever waits for the dead; and a lock leaves no
file behind. Where the file system knows no locks every claim is granted: files are written whole, so the worst that can
happen is that a chunk is computed twice.

Such locks belong to a process, and all of its locks on a file go when it closes that file once. So the sweeps of one
process share a file, and a list of who has what. A sweep that another thread runs is waited for; one of the same thread
(a generator that was left alone half way) could never go on while it is waited for, so its claims do not count.
"""

import contextlib
import errno
import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_PLACES = 2**31 - 1  # as far as a lock can lie on every system


@dataclass
class _Shared:
    """A folder's file, and what the sweeps of this process have claimed there."""

    file: int
    users: int = 0
    held: dict[int, list["Claims"]] = field(default_factory=dict)  # by place; one sweep may hold it several times


_shared: dict[str, _Shared] = {}  # by folder: as process-wide as the locks are
_guard = threading.Lock()


class Claims:
    """The chunks that a sweep has claimed in a folder, within a `with` block; its end gives up all of them."""

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self._path = os.path.realpath(folder / ".claims")
        self._thread = threading.current_thread()

    def __enter__(self) -> "Claims":
        """Open the folder's claims."""
        self._thread = threading.current_thread()
        with _guard:
            if self._path not in _shared:
                _shared[self._path] = _Shared(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666))
            self._folder = _shared[self._path]
            self._folder.users += 1
        return self

    def __exit__(self, *exception: object) -> None:
        """Give up every claim."""
        with _guard:
            for place in [place for place, holders in self._folder.held.items() if self in holders]:
                while self in self._folder.held.get(place, ()):
                    self._let_go(place)
            self._folder.users -= 1
            if not self._folder.users:
                os.close(self._folder.file)
                del _shared[self._path]

    def take(self, name: str) -> bool:
        """Claim the chunk `name`; return False if another process has it, or another thread of this one."""
        place = int(name[:16], 16) % _PLACES
        with _guard:
            holders = self._folder.held.get(place, [])
            if any(each is not self and each.is_at_work for each in holders):
                return False
            if not holders:
                try:
                    _lock(self._folder.file, place)
                except OSError as error:
                    if error.errno in _BUSY:
                        return False
            self._folder.held[place] = [*holders, self]
        return True

    def give_up(self, name: str) -> None:
        """Give the chunk `name` up."""
        with _guard:
            self._let_go(int(name[:16], 16) % _PLACES)

    @property
    def is_at_work(self) -> bool:
        """Whether the sweep may go on while the thread that asks waits for it."""
        return self._thread is not threading.current_thread() and self._thread.is_alive()

    def _let_go(self, place: int) -> None:
        self._folder.held[place].remove(self)
        if not self._folder.held[place]:
            del self._folder.held[place]
            with contextlib.suppress(OSError):  # a file system without locks
                _unlock(self._folder.file, place)


if sys.platform == "win32":
    import msvcrt

    # A lock on Windows lies where the file's position is, and keeps others from reading the byte; nobody reads it.
    def _lock(file: int, place: int) -> None:
        os.lseek(file, place, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _unlock(file: int, place: int) -> None:
        os.lseek(file, place, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: int, place: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)

    def _unlock(file: int, place: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, place)
