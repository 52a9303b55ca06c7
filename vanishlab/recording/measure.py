"""`Measure`: how a tensor is measured, by torch or, from some work on and where they can, by compiled passes.

The two agree to rounding, 1e-6 at the most. A model's own loop calls them once for each layer and direction, and torch
is then busy with being called; the compiled passes, which numba makes (the extra `fast`), are not. They have to be read
from disk, and once on a machine to be compiled, which a short look at a model is not worth.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, _foreach_sub_  # pyright: ignore[reportPrivateImportUsage]

from vanishlab.activations import Activation
from vanishlab.compiling import numba_works, told
from vanishlab.errors import InputError
from vanishlab.language.sentences import say
from vanishlab.recording.alike import mean_example, spread
from vanishlab.recording.many_norms import lost, norms
from vanishlab.recording.norms import slice_norms
from vanishlab.recording.saturation import saturated_fraction

Value = Tensor | float
"""What was measured: float64 (run,) on the tensor's device, or a plain number where there is one run."""

_WORTH = 1e9  # work: about as long as importing numba and reading the passes take
_CALL = 131_072  # the work of calling torch, in entries


class Moments(NamedTuple):
    """Sizes of x (run, example, entry)."""

    norm: Value
    mean: Value | None
    """None where nobody asks for it, as of delta."""
    spread: Value | None
    """The norm of x less its mean over examples; None where there is one example."""


class Measure:
    """The measures of one recorder."""

    def __init__(self, *, stacked: bool, compiled: bool | None = None) -> None:
        """Begin with torch. Tensors have axes (example, ...), those of a stack of runs (run, example, ...).

        The compiled passes are taken from the first tensor on if `compiled`, never if it is False, and when they are
        worth it if it is None; never with a stack, where a run's bits depend on nothing that is recorded. Raises
        `InputError` where they are wanted and cannot be had.
        """
        self._stacked = stacked
        self._passes = None
        if compiled and stacked:
            raise InputError("compiled must not be True for a stack of the lab's own networks, got True")
        if compiled and not numba_works():
            raise InputError("compiled needs numba: pip install 'vanishlab[fast]'")
        self._work = 0.0 if compiled is None and not stacked else -math.inf
        if compiled:
            self.compile()

    def with_runs(self, x: Tensor) -> Tensor:
        """Return x with axes (run, example, ...)."""
        return x.detach() if self._stacked else x.detach()[None]

    def examples(self, x: Tensor) -> int:
        """Return the number of examples of x."""
        return x.shape[1 if self._stacked else 0]

    def entries(self, x: Tensor) -> int:
        """Return the number of x's entries for each run."""
        return x.numel() // x.shape[0] if self._stacked else x.numel()

    def moments(self, x: Tensor, *, with_mean: bool = True) -> Moments:
        """Return the moments of x."""
        if self._passes is not None and (plain := _plain(x)) is not None:
            examples = x.shape[0]
            norm, mean, apart = self._passes.moments(plain.data_ptr(), examples, x.numel() // examples)
            return Moments(norm, mean if with_mean else None, apart if examples > 1 else None)
        self._worked(x)
        x = self.with_runs(x).flatten(2)  # (run, example, entry)
        norm, mean = slice_norms(x, len(x)), mean_example(x)
        apart = spread(x, norm, mean) if x.shape[1] > 1 else None
        return Moments(norm, mean.mean(1).double() if with_mean else None, apart)

    def norm(self, x: Tensor) -> Value:
        """Return the norm of x."""
        if self._passes is not None and (plain := _plain(x)) is not None:
            return self._passes.norm(plain.data_ptr(), x.numel())
        x = self.with_runs(x)
        return slice_norms(x, len(x))

    def saturated_fraction(self, u: Tensor, activation: Activation) -> Value:
        """Return what `saturated_fraction` does."""
        if self._passes is None or (plain := _plain(u)) is None:
            self._worked(u)
            return saturated_fraction(self.with_runs(u), activation)
        if activation.can_die:
            examples = u.shape[0] if u.ndim > 1 else 1
            units = u.numel() // examples
            return self._passes.silent(plain.data_ptr(), examples, units) / units
        low, high = activation.saturated_below, activation.saturated_above
        if math.isinf(low) and math.isinf(high):
            return 0.0
        return self._passes.beyond(plain.data_ptr(), u.numel(), low, high) / u.numel()

    def norms(self, tensors: list[Tensor]) -> list[Value]:
        """Return the norm of each tensor, right over the whole range of its dtype."""
        if self._passes is not None and all(map(_is_plain, tensors)):
            return [*self._norms_of(tensors)]
        return [*norms(tensors)]

    def norms_and_lost(self, tensors: list[Tensor]) -> list[tuple[Value, Value, Value]]:
        """Return of each its norm and its fractions of zeros and of subnormal entries, as `lost_fractions` does."""
        if self._passes is not None and all(map(_is_plain, tensors)):
            shares = np.empty((len(tensors), 2))
            self._passes.lost(_addresses(tensors), _sizes(tensors), shares)
            lost_to_range = shares.tolist()
            return [(norm, zero, low) for norm, (zero, low) in zip(self._norms_of(tensors), lost_to_range, strict=True)]
        return [(norm, *shares) for norm, shares in zip(norms(tensors), lost(tensors), strict=True)]

    def distances(self, before: list[Tensor], after: list[Tensor]) -> list[Value]:
        """Return the norm of each difference; `before` may be overwritten."""
        if self._passes is not None and all(map(_is_plain, before)) and all(map(_is_plain, after)):
            found = np.empty(len(before))
            self._passes.distances(_addresses(before), _addresses(after), _sizes(before), found)
            return found.tolist()
        if before:
            _foreach_sub_(before, [each.detach() for each in after])
        return [*norms(before)]

    def _norms_of(self, tensors: list[Tensor]) -> list[float]:
        found = np.empty(len(tensors))
        assert self._passes is not None
        self._passes.norms(_addresses(tensors), _sizes(tensors), found)
        return found.tolist()

    def compile(self) -> None:
        """Take the compiled passes from now on. Raises ImportError without numba."""
        with told(say("compiling what the recorder measures by, once on this machine ...")):
            from vanishlab.recording.compiled import functions

            self._passes = functions()

    def _worked(self, x: Tensor) -> None:
        self._work += x.numel() + _CALL
        if self._work > _WORTH and self._passes is None:
            if numba_works():  # only now: to ask is to import it
                self.compile()
            else:
                self._work = -math.inf


def _is_plain(x: Tensor) -> bool:
    """Return whether a compiled pass can read x where it lies."""
    return x.dtype is torch.float32 and x.is_cpu and x.is_contiguous() and not x.is_neg()


def _plain(x: Tensor) -> Tensor | None:
    """Return x, or a copy of the same values, that a compiled pass can read; None where there is none."""
    if _is_plain(x):
        return x
    narrow = x.dtype in (torch.float16, torch.bfloat16, torch.float32)
    return x.detach().float().contiguous() if x.is_cpu and narrow else None


def _addresses(tensors: list[Tensor]) -> np.ndarray:
    return np.array([each.data_ptr() for each in tensors], np.int64)


def _sizes(tensors: list[Tensor]) -> np.ndarray:
    return np.array([each.numel() for each in tensors], np.int64)
