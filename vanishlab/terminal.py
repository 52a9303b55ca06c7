"""`terminal()`: rich's console. Where what it prints is not read, or has no room, the work goes on."""

import contextlib
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def terminal(*, stderr: bool = False, width: int | None = None) -> "Console":
    """Return a console on stdout, or on stderr, where bars are; `width` None is the terminal's own."""
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            silence(self.file)  # rich itself would end the process, before pictures are drawn

    return Terminal(file=_Heedless(sys.stderr)) if stderr else Terminal(width=width)  # pyright: ignore[reportArgumentType]


def silence(stream: IO[str]) -> None:
    """Let the stream's remainder go nowhere, the flush at exit included."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


class _Heedless:
    """A stream that what cannot be written is lost to: no bar is worth the work that it tells of."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
