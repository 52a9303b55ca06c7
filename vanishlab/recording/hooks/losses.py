"""The loss, where `backward()` is called on it: noted with its step, without a word from whoever trains.

While somebody listens, `Tensor.backward` is replaced, for the whole process, by one that calls the original and tells
the listeners before and after. The last listener that leaves puts the original back.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor


class Listener(Protocol):
    """What wants to know."""

    def backward_starts(self, loss: Tensor) -> None:
        """`loss.backward()` was called."""

    def backward_ended(self, loss: Tensor) -> None:
        """It has returned."""


class _TellingBackward:
    """The method, which tells listeners."""

    def __init__(self, original: Callable[..., None]) -> None:
        functools.update_wrapper(self, original)
        self.original = original
        self.listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
        self._told: set[int] = set()  # torch calls the method again inside itself while a function mode is on

    def __get__(self, loss: Tensor | None, kind: type) -> Any:
        return self if loss is None else functools.partial(self, loss)

    def __call__(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        if id(loss) in self._told:
            self.original(loss, *args, **kwargs)
            return
        self._told.add(id(loss))
        try:
            for listener in list(self.listeners):
                listener.backward_starts(loss)
            self.original(loss, *args, **kwargs)
            for listener in list(self.listeners):
                listener.backward_ended(loss)
        finally:
            self._told.discard(id(loss))


def listen(listener: Listener) -> None:
    """Tell `listener` from now on, until `stop_listening`."""
    method = vars(Tensor)["backward"]
    if not isinstance(method, _TellingBackward):
        method = _TellingBackward(method)
        Tensor.backward = method  # pyright: ignore[reportAttributeAccessIssue]
    method.listeners.add(listener)


def stop_listening(listener: Listener) -> None:
    """Tell `listener` no more; one that is not told is none the worse."""
    method = vars(Tensor)["backward"]
    if isinstance(method, _TellingBackward):
        method.listeners.discard(listener)
        if not len(method.listeners):
            Tensor.backward = method.original  # pyright: ignore[reportAttributeAccessIssue]
