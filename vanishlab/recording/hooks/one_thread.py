"""One thread at a time in the recorder, and whether a step was one thread's alone.

What the hooks note of a step belongs together only if one thread calls the model and one backward pass runs at a time.
Two threads may do otherwise; their training is none of the recorder's business, so it neither raises nor makes it wait
inside a backward pass, where waiting for another one could be for ever. It notes that the step is broken instead.
"""

import functools
import threading
from collections.abc import Callable
from threading import get_ident
from typing import Any

import torch

NO_PASS = -1


current_task: Callable[[], int] = torch._C._current_graph_task_id
"""Return autograd's number for the backward pass under way in this thread, `NO_PASS` outside of any."""


class OneThread:
    """The lock of a recorder."""

    def __init__(self) -> None:
        """Start unlocked."""
        self._lock = threading.RLock()
        self._task = NO_PASS  # of the thread that has the lock
        self._caller: int | None = None  # the thread that calls the model in this step
        self.broken = False
        """Whether the step under way was more than one thread's."""

    def clear(self) -> None:
        """Forget the step."""
        self._caller = None
        self.broken = False

    def alone(self, hook: Callable[..., Any], *, forward: bool = False) -> Callable[..., Any]:
        """Return a hook that is called by one thread at a time, and no more in a step that is broken.

        `forward` hooks are those of modules, which one thread calls.
        """

        acquire, release = self._lock.acquire, self._lock.release

        @functools.wraps(hook)
        def guarded(*arguments: Any) -> Any:
            if self.broken:
                return None
            task = current_task()
            if not acquire(False):
                if task not in (NO_PASS, self._task):
                    self.broken = True
                    return None
                acquire()  # of the same pass on another device, or outside of any
            self._task = task
            try:
                if forward and task == NO_PASS:  # else a checkpoint's forward pass, in autograd's own thread
                    here = get_ident()
                    if self._caller is None:
                        self._caller = here
                    elif self._caller != here:
                        self.broken = True
                        return None
                return hook(*arguments)
            finally:
                release()

        return guarded

    def waiting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that waits for its turn, called in broken steps too; not for backward passes."""

        @functools.wraps(function)
        def guarded(*arguments: Any, **keywords: Any) -> Any:
            with self._lock:
                self._task = current_task()
                return function(*arguments, **keywords)

        return guarded
