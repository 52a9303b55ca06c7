"""What numba compiles, the extra `fast`: whether it is there, compiled functions that are kept, a word while it takes.

Importing this imports no numba.
"""

import contextlib
import functools
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

_SOON = 1.0  # seconds within which what was compiled before has been read


@functools.cache
def numba_works() -> bool:
    """Return whether numba can be imported."""
    try:
        importlib.import_module("numba")
    except ImportError:  # absent, or too old for this Python or NumPy, which it says by an ImportError
        return False
    return True


def compiled(signature: Any, function: Callable[..., Any]) -> Any:
    """Return `function` compiled for these types: what was compiled before, or new and kept where that is possible.

    What numba keeps on disk it holds valid while the file of the function is as it was: after a change in another file
    that it takes functions from, delete `__pycache__`.
    """
    from numba import njit

    try:
        return njit(signature, error_model="numpy", nogil=True, cache=True)(function)
    except RuntimeError:  # neither beside its file nor in the user's folder can anything be written
        return njit(signature, error_model="numpy", nogil=True)(function)


@contextlib.contextmanager
def told(sentence: str) -> Iterator[None]:
    """Say what takes so long, on stderr, where the block takes longer than reading what was compiled before."""
    timer = threading.Timer(_SOON, lambda: print(sentence, file=sys.stderr))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
