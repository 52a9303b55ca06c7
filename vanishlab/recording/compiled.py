"""What is measured of a tensor, compiled by numba: one pass, and one call, where torch takes a dozen of each.

For tensors of float32 that lie on the CPU without gaps. They come as addresses, because handing a tensor's memory on in
any other way costs as much as looking at it. Sums are in float64, which holds the square of whatever float32 holds, so
nothing under- or overflows, and one less a ratio says what differs down to a share of 1e-12. Loops count, because what
is drawn from an array one by one does not become vector instructions.
"""

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]
from numba.extending import intrinsic

from vanishlab.compiling import compiled

_FAIR = 1e-4  # part of a sum of squares that is left of it when the mean's share is taken out, unharmed by rounding
_BLOCK = 8  # examples, after which most units have been seen to be alive
_SIZE = np.int32(0x7FFFFFFF)  # the bits of a float32 that are not its sign: as whole numbers in order of size
_NORMAL = np.int32(0x00800000)  # those of the smallest normal number
_ROW = 2**20  # entries that are counted in one number of 32 bits

# A sum's order is the compiler's to choose; NaN and infinity keep their meaning.
_sums = njit(error_model="numpy", fastmath={"reassoc", "nsz", "contract"})


def _pointer_to(entry: Any) -> Any:
    @intrinsic  # its first argument is numba's own
    def at(typing_context: Any, address: Any = None) -> Any:
        pointer = types.CPointer(entry)

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(pointer))

        return pointer(types.int64), build

    return at


_at, _bits_at = _pointer_to(types.float32), _pointer_to(types.int32)


@_sums
def _squares_and_columns(x: Any, column: Any) -> float:
    """Return the sum of the squares of x (example, entry), and leave its sums over examples in `column`."""
    examples, entries = x.shape
    square = 0.0
    whole = examples - examples % 4
    for i in range(0, whole, 4):
        for j in range(entries):
            a, b = np.float64(x[i, j]), np.float64(x[i + 1, j])
            c, d = np.float64(x[i + 2, j]), np.float64(x[i + 3, j])
            column[j] += (a + b) + (c + d)
            square += (a * a + b * b) + (c * c + d * d)
    for i in range(whole, examples):
        for j in range(entries):
            a = np.float64(x[i, j])
            column[j] += a
            square += a * a
    return square


@_sums
def _apart_from_first(x: Any, column: Any) -> float:
    """The same of each example less the first, which is exact where they are close."""
    examples, entries = x.shape
    square = 0.0
    for i in range(1, examples):
        for j in range(entries):
            a = np.float64(x[i, j]) - np.float64(x[0, j])
            column[j] += a
            square += a * a
    return square


@_sums
def _sum_and_squares(column: Any) -> tuple[float, float]:
    total, square = 0.0, 0.0
    for j in range(len(column)):
        total += column[j]
        square += column[j] * column[j]
    return total, square


def _moments(address: int, examples: int, entries: int) -> tuple[float, float, float]:
    """Return of x (example, entry) its norm, its mean, and the norm of x less its mean over examples."""
    x = carray(_at(address), (examples, entries))
    column = np.zeros(entries)
    square = _squares_and_columns(x, column)
    total, of_mean = _sum_and_squares(column)
    apart = square - of_mean / examples
    if not apart > _FAIR * square:
        column[:] = 0.0
        near = _apart_from_first(x, column)  # of which one example's part is left at least, for the first one is 0
        apart = near - _sum_and_squares(column)[1] / examples
    return np.sqrt(square), total / (examples * entries), np.sqrt(apart)


def _silent(address: int, examples: int, units: int) -> int:
    """Return how many units of u (example, unit) are positive for no example; a NaN is not silent."""
    u = carray(_at(address), (examples, units))
    alive = np.zeros(units, np.int32)
    i = 0
    silent = units
    while i < examples and 4 * silent > units:
        end = min(i + _BLOCK, examples)
        for row in range(i, end):
            for j in range(units):
                alive[j] |= np.int32(not u[row, j] <= np.float32(0.0))
        i = end
        silent = units - alive.sum()
    if silent == 0 or i == examples:
        return silent
    for j in range(units):
        if not alive[j]:
            for row in range(i, examples):
                if not u[row, j] <= np.float32(0.0):
                    silent -= 1
                    break
    return silent


def _beyond(address: int, entries: int, low: float, high: float) -> int:
    """Return how many of u's entries are below `low` or above `high`."""
    u = carray(_at(address), entries)
    found = 0
    below, above = np.float32(low), np.float32(high)
    for i in range(entries):
        found += np.int32(u[i] < below) | np.int32(u[i] > above)
    return found


@_sums
def _square(x: Any) -> float:
    square = 0.0
    for i in range(len(x)):
        a = np.float64(x[i])
        square += a * a
    return square


@_sums
def _least(bits: Any) -> Any:
    least = _SIZE
    for i in range(len(bits)):
        least = min(least, bits[i] & _SIZE)
    return least


@_sums
def _count_below(bits: Any, bound: Any) -> Any:
    found = np.int32(0)
    for i in range(len(bits)):
        found += np.int32(np.int32(bits[i] & _SIZE) < bound)
    return found


def _norm(address: int, entries: int) -> float:
    """Return the norm of one tensor."""
    return np.sqrt(_square(carray(_at(address), entries)))


def _norms(addresses: Any, sizes: Any, found: Any) -> None:
    """Leave the norm of each tensor in `found` (tensor,)."""
    for place in range(len(sizes)):
        found[place] = np.sqrt(_square(carray(_at(addresses[place]), sizes[place])))


def _lost(addresses: Any, sizes: Any, found: Any) -> None:
    """Leave each tensor's shares of zeros and of subnormal entries in `found` (tensor, 2)."""
    for place in range(len(sizes)):
        entries = sizes[place]
        found[place] = 0.0
        bits = carray(_bits_at(addresses[place]), entries)
        if entries and _least(bits) < _NORMAL:
            zeros, small = 0, 0
            for start in range(0, entries, _ROW):
                row = bits[start : start + _ROW]
                zeros += _count_below(row, np.int32(1))
                small += _count_below(row, _NORMAL)
            found[place, 0] = zeros / entries
            found[place, 1] = (small - zeros) / entries


@_sums
def _distance(x: Any, y: Any) -> float:
    square = 0.0
    for i in range(len(x)):
        a = np.float64(x[i]) - np.float64(y[i])
        square += a * a
    return square


def _distances(addresses: Any, others: Any, sizes: Any, found: Any) -> None:
    """Leave the norm of each tensor less the other of its size in `found` (tensor,)."""
    for place in range(len(sizes)):
        x = carray(_at(addresses[place]), sizes[place])
        found[place] = np.sqrt(_distance(x, carray(_at(others[place]), sizes[place])))


@functools.cache
def functions() -> SimpleNamespace:
    """Return the passes by name, compiled or read from where they were kept."""
    whole, real = types.int64, types.float64
    row, reals = types.Array(whole, 1, "C"), types.Array(real, 1, "C")
    return SimpleNamespace(
        moments=compiled(types.UniTuple(real, 3)(whole, whole, whole), _moments),
        silent=compiled(whole(whole, whole, whole), _silent),
        beyond=compiled(whole(whole, whole, real, real), _beyond),
        norm=compiled(real(whole, whole), _norm),
        norms=compiled(types.void(row, row, reals), _norms),
        lost=compiled(types.void(row, row, types.Array(real, 2, "C")), _lost),
        distances=compiled(types.void(row, row, row, reals), _distances),
    )
