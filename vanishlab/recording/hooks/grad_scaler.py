"""Listeners to `torch.amp.GradScaler`: to its factor on the loss, and to steps skipped because of an infinity.

A scaler multiplies the loss and later divides the gradients; on the way back nothing says so. While somebody listens,
`GradScaler.scale` and `GradScaler.step` are therefore replaced, for all scalers of the process, by ones that call the
original and tell the listeners. The last listener that leaves puts the originals back.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor
from torch.amp import GradScaler  # pyright: ignore[reportPrivateImportUsage]


class Listener(Protocol):
    """What wants to know."""

    def loss_scaled(self, loss: Tensor, scaler: GradScaler) -> None:
        """`loss` has been multiplied by the scaler's factor."""

    def step_starts(self, optimizer: Any) -> None:
        """The scaler is about to decide whether the optimizer may step."""

    def step_made(self, optimizer: Any) -> None:
        """The scaler has let the optimizer step, or not."""


class _TellingMethod:
    """A method of GradScaler that tells listeners."""

    def __init__(self, original: Callable[..., Any]) -> None:
        self.original = original
        # Weak: of a recorder that Ctrl-C kept from leaving, nothing is left to tell.
        self.listeners: weakref.WeakSet[Listener] = weakref.WeakSet()

    def __get__(self, scaler: GradScaler | None, kind: type) -> Any:
        return self if scaler is None else functools.partial(self, scaler)

    def __call__(self, scaler: GradScaler, *args: Any, **kwargs: Any) -> Any:
        return self.tell(scaler, *args, **kwargs)

    def tell(self, scaler: GradScaler, *args: Any, **kwargs: Any) -> Any:
        return self.original(scaler, *args, **kwargs)


class _TellingScale(_TellingMethod):
    def tell(self, scaler: GradScaler, outputs: Any) -> Any:
        scaled = self.original(scaler, outputs)
        for loss in (scaled,) if isinstance(scaled, Tensor) else scaled:
            for listener in list(self.listeners):
                listener.loss_scaled(loss, scaler)
        return scaled


class _TellingStep(_TellingMethod):
    def tell(self, scaler: GradScaler, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        for listener in list(self.listeners):
            listener.step_starts(optimizer)
        made = self.original(scaler, optimizer, *args, **kwargs)
        for listener in list(self.listeners):
            listener.step_made(optimizer)
        return made


def listen(listener: Listener) -> None:
    """Tell `listener` from now on, until `stop_listening`."""
    for name, kind in (("scale", _TellingScale), ("step", _TellingStep)):
        method = vars(GradScaler)[name]
        if not isinstance(method, _TellingMethod):
            method = kind(method)
            setattr(GradScaler, name, method)
        method.listeners.add(listener)


def stop_listening(listener: Listener) -> None:
    """Tell `listener` no more; one that is not told, or not of everything, is none the worse."""
    for name in ("scale", "step"):
        method = vars(GradScaler)[name]
        if isinstance(method, _TellingMethod):
            method.listeners.discard(listener)
            if not len(method.listeners):
                setattr(GradScaler, name, method.original)
