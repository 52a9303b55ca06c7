"""Cores, threads and worker processes. Nothing here imports torch at once."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any


def begin_worker() -> None:
    """Make a fresh process a worker: of one thread, deaf to Ctrl-C, and gone when its parent is."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; one of them decides
    import torch

    torch.set_num_threads(1)


@contextlib.contextmanager
def without_ctrl_c() -> Iterator[None]:
    """Hold Ctrl-C back from this thread; a process started meanwhile never gets it, not even while it imports torch."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows: `begin_worker` is a little later
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cpu_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let matrix products take one thread: on a busy machine several wait for each other over kernels so small.

    The limit holds for the process. Of blocks in several threads the first sets it and the last lifts it.
    """
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    with _limit.lock:
        _limit.blocks += 1
        if _limit.blocks == 1:
            _limit.set = threadpool_limits(1, user_api="blas")
    try:
        yield
    finally:
        with _limit.lock:
            _limit.blocks -= 1
            if _limit.blocks == 0 and _limit.set is not None:
                _limit.set.restore_original_limits()


class _Limit:
    """The limit on BLAS threads, and how many blocks ask for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.blocks = 0
        self.set: Any = None


_limit = _Limit()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # nobody is left to take the result
