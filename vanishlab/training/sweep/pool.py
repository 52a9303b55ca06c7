"""The workers of this machine: one process per core with one thread each, or none at all.

Both classes have `submit` as executors in `concurrent.futures` have. Processes are spawned, never forked: a fork of a
process that has used torch may hang.
"""

import contextlib
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from vanishlab.training.processes import begin_worker, without_ctrl_c
from vanishlab.training.sweep.worker import stop_when


class InThisProcess:
    """An executor that does the work itself, at once."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> "Future[Any]":
        """Return the finished future of function(*arguments); its exceptions, Ctrl-C above all, pass through."""
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future

    def stop(self) -> None:
        """Do nothing: between two chunks there is nothing to be stopped."""


class Processes:
    """An executor of `count` processes that can be stopped within a step, and started again when one has died."""

    def __init__(self, count: int) -> None:
        """Start the processes. Raises `BrokenProcessPool` where they do not come up."""
        self.count = count
        self._context = multiprocessing.get_context("spawn")
        self._start()
        first = self.submit(os.getpid)
        try:
            first.result()
        except BaseException:
            self.stop()
            raise

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> "Future[Any]":
        """Hand function(*arguments) to a process. Raises `BrokenProcessPool` after one has died."""
        with without_ctrl_c():  # what is started here inherits it
            return self._executor.submit(function, *arguments)

    def restart(self) -> None:
        """Start anew after a process has died; what was under way is lost."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """End every process: chunks at their next step, what has not begun never."""
        self._stop.value = 1
        with contextlib.suppress(BrokenProcessPool):
            self._executor.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> None:
        # Plain shared memory: a lock in it might be held by a process at the moment of its death.
        self._stop = self._context.RawValue("b", 0)
        self._executor = ProcessPoolExecutor(
            self.count, mp_context=self._context, initializer=_begin, initargs=(self._stop,)
        )


def _begin(stop: Any) -> None:
    begin_worker()
    stop_when(lambda: bool(stop.value))
