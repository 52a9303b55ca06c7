"""`BackwardPasses`: which one a hook fires in, when it ends, and by what factor its loss was scaled.

Autograd numbers its passes. A pass that is started inside another one (reentrant checkpointing) belongs to the outer
one. A pass ends after the callbacks that others have queued for its end, because DistributedDataParallel and FSDP
reduce gradients in theirs.
"""

import threading
from collections.abc import Callable

import torch
from torch.autograd import Variable

from vanishlab.recording.hooks.one_thread import NO_PASS, OneThread, current_task


def graph_is_kept() -> bool:
    """Return whether the pass under way keeps its graph, so that another pass may come back to the same tensors."""
    return torch._C._autograd._get_current_graph_task_keep_graph()  # pyright: ignore[reportAttributeAccessIssue]


class BackwardPasses:
    """The backward passes of the step under way."""

    def __init__(
        self,
        thread: OneThread,
        started: Callable[[], None],
        ended: Callable[[float], None],
        failed: Callable[[int], None],
    ) -> None:
        """Call `started` when a pass has begun, `ended` with its loss scale when it, or one inside it, is over.

        `failed` is called with the number of a pass that did not end, because of an exception. Two passes at once, or
        one that goes on when the step is over, break the step for `thread`.
        """
        self.thread = thread
        self._started = started
        self._ended = ended
        self._failed = failed
        self._open: dict[int, int] = {}  # and the thread that each runs in, the outermost pass first
        self._alone: int | None = None  # the pass that is open, if it is one, once it has been entered
        self._left: set[int] = set()  # passes that were still open when they were taken to be over
        self._at_end: list[Callable[[float], None]] = []
        self._scales: dict[int, float] = {}
        self.with_gradients: set[int] = set()
        """The passes that added to a weight's gradient; others are those of torch.autograd.grad."""

    def enter(self) -> int:
        """Return the number of the outermost pass that a hook fires in, and have its end told."""
        task = current_task()
        if task == self._alone:
            return task
        here = threading.get_ident()
        if task not in self._open:
            inside = bool(self._open)
            if task in self._left or (inside and here not in self._open.values()):
                self.thread.broken = True
            self._open[task] = here
            if not inside:
                self._started()
            engine = Variable._execution_engine
            # Queued once more at the end, it comes after what others have queued in the meantime.
            end = self.thread.alone(self._end)
            engine.queue_callback(lambda: engine.queue_callback(lambda: end(task)))
        elif task != next(reversed(self._open)):  # a pass inside of it is not over yet
            self.thread.broken = True
        self._alone = task if len(self._open) == 1 else None
        return next(iter(self._open))

    def at_end(self, finish: Callable[[float], None]) -> None:
        """Call `finish` with the loss scale when the outermost pass is over."""
        self._at_end.append(finish)

    def note_scale(self, scale: float) -> None:
        """Note that the loss of the pass under way was multiplied by `scale`."""
        self._scales[self.enter()] = scale

    @property
    def scale(self) -> float:
        """The factor on the loss of the pass under way."""
        return self._scales.get(next(iter(self._open)), 1.0) if self._open else 1.0

    def drop_failed(self) -> None:
        """Outside of any pass: one that is still open has ended with an exception."""
        if self._open and current_task() == NO_PASS:
            self._failed(next(iter(self._open)))
            self._left.update(self._open)
            self._open.clear()
            self._alone = None
            self._at_end.clear()

    def clear(self) -> None:
        """Forget the step."""
        here = threading.get_ident()
        # A hook may end the step in the middle of its own pass, as an optimizer inside the backward pass does.
        self._left.update(task for task, thread in self._open.items() if thread != here)
        self._open.clear()
        self._alone = None
        self._at_end.clear()
        self._scales.clear()
        self.with_gradients.clear()

    def _end(self, task: int) -> None:
        if task not in self._open:  # the step has ended in the meantime
            self.thread.broken |= task in self._left
            return
        scale = self.scale
        if task == next(iter(self._open)):
            for finish in self._at_end:
                finish(scale)
            self._at_end.clear()
        del self._open[task]
        self._alone = None
        self._ended(scale)
