r"""Correlations E[f(u) f(v)] / sqrt(E[f(u)^2] E[f(v)^2]) over all pairs of a batch, by Chebyshev tables.

As a function of (log q_u, log q_v, theta), theta the angle between u and v, the correlation is analytic up to and
including theta = 0 and pi for every phi that is analytic apart from a kink at 0: in log q within |Im| < pi (there the
poles of tanh lie), and by theta also for kinks, whose (1 - c)^(3/2) is theta^3. So

1. a table of Chebyshev coefficients is computed once per cell of log q (quadrature at its nodes, to about 1e-11; 1e-9
   for q > 7) and kept: the variances of a deep net settle, and one cell then serves all layers;
2. for each layer the table is expanded anew on the box that its pairs occupy. In a deep net this box is small, a
   handful of coefficients remains, and a layer costs a few passes over (n, n).
"""

import cmath
import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from vanishlab.activations import ACTIVATIONS
from vanishlab.errors import InputError
from vanishlab.theory.gaussian.quadrature import expect, expect_both

_TOLERANCE, _LOOSE = 1e-11, 1e-9  # loose: above log q = _LARGE
_LARGE = 2.0
_SMALL = -6.0  # of log q: below, phi's poles lie far off at larger log q as well, and fewer nodes do
_STEPS = ((-16.0, 8.0), (_SMALL, 4.0), (0.0, 2.0), (_LARGE, 0.5), (math.inf, 1.0))  # of a cell's top, up to log q
_CUT = 1e-13  # of coefficients of the small box
_BLOCK = 48  # rows
_COUNTS = ((1e-11, 1), (1e-3, 4), (1e-2, 6), (0.05, 8), (0.25, 12), (0.5, 16), (1.0, 22))  # ranges of log q, and nodes
_ANGLES = (28, 56, 112, 224)  # of a box
_INTERVALS = (12, 24, 48, 96, 192, 384)  # of a table: each one's points are among the next one's


PairFunctions = Callable[[np.ndarray, np.ndarray, np.ndarray], Sequence[np.ndarray]]


class Table(NamedTuple):
    """Chebyshev coefficients of the correlation on [low, high] x [low, high] x [0, angle]."""

    low: float
    high: float
    angle: float
    coefficients: np.ndarray  # (theta, log q_u, log q_v)


def correlate(name: str, kind: str, log_q: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return the correlation of f(u_a) and f(u_b), (n, n), from log variances (n,) and angles (n, n).

    `kind` is "phi" or "slope"; the angles' diagonal must be 0. Error about 1e-11 of the unit diagonal, 1e-9 for q > 7.
    """
    if len(log_q) == 1:
        return np.ones((1, 1))
    low, high = float(log_q.min()), float(log_q.max())
    angle_low, angle_high = angle_range(theta)
    small = _restrict(_find_table(name, low, high, angle_high)[kind], low, high, angle_low, angle_high)
    result = _evaluate(small, log_q, theta, _CUT)
    np.clip(result, -1.0, 1.0, out=result)
    np.fill_diagonal(result, 1.0)
    return result


def expand(function: PairFunctions, log_q: np.ndarray, theta: np.ndarray) -> list[np.ndarray] | None:
    """Return functions of (log q_u, log q_v, theta) over all pairs, (n, n), from few evaluations on their box.

    There are two, which must not change when u and v change places; the diagonal is left to the caller. None where
    Chebyshev series of a cheap size do not reach 1e-11 of the largest value.
    """
    low, high = float(log_q.min()), float(log_q.max())
    angle_low, angle_high = angle_range(theta)
    count = next((count for limit, count in _COUNTS if high - low < limit), None)
    if count is None:
        return None
    for angle_count in _ANGLES if count == 1 else _ANGLES[:2]:
        at_theta = _stretch(_points(angle_count), angle_low, angle_high)[:, None]
        at = _stretch(_points(count), low, high)
        one, other = np.triu_indices(count)
        values = [np.empty((angle_count, count, count)) for _ in range(2)]
        for value, half in zip(values, function(at[one], at[other], at_theta), strict=True):  # each (theta, pair)
            value[:, one, other] = half
            value[:, other, one] = half
        series = [_transform(value) for value in values]
        cuts = [1e-11 * float(np.abs(value).max()) for value in values]
        if any(count > 1 and np.abs(c[:, -2:]).max() > cut for c, cut in zip(series, cuts, strict=True)):
            return None
        if all(np.abs(c[-2:]).max() < cut for c, cut in zip(series, cuts, strict=True)):
            return [
                _evaluate(_trim(c, 0.03 * cut), log_q, theta, 0.03 * cut) for c, cut in zip(series, cuts, strict=True)
            ]
    return None


def symmetric(pairs: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Return the symmetric (n, n) of the values at a < b, (pair,), and of the diagonal (n,)."""
    n = len(diagonal)
    result = np.zeros(n * n)
    result[upper_pairs(n)] = pairs
    result = result.reshape(n, n)
    result += result.T
    np.fill_diagonal(result, diagonal)
    return result


@functools.lru_cache(maxsize=4)
def upper_pairs(n: int) -> np.ndarray:
    """Return the places of the pairs a < b in a flattened (n, n)."""
    return np.flatnonzero(np.triu(np.ones((n, n), dtype=bool), 1))


def correlation_curve(name: str, kind: str, q: float, theta: np.ndarray) -> np.ndarray:
    """Return the correlation at equal variances q and any angles, of theta's shape."""
    log_q = math.log(q)
    low, high = float(theta.min()), float(theta.max())
    small = _restrict(_find_table(name, log_q, log_q, high)[kind], log_q, log_q, low, high)
    return _clenshaw(list(small[:, 0, 0]), _to_unit(theta, low, high))


def _find_table(name: str, low: float, high: float, angle: float) -> dict[str, Table]:
    """Return kept tables, of "phi" and "slope", whose cell holds [low, high]; its top sets its cost, and lies close."""
    step = next(step for limit, step in _STEPS if high <= limit)
    while high <= 0.0 and high - low > 1.5 * step:  # far below 0 a wide cell costs little, and serves more layers
        step *= 2.0
    top = math.ceil(high / step) * step
    width = 2.0 * step
    while top - width > low:
        width *= 1.5
    return _make_tables(name, top - width, width, 0.5 * math.pi if angle <= 0.5 * math.pi else math.pi)


@functools.lru_cache(maxsize=256)
def _make_tables(name: str, low: float, width: float, angle: float) -> dict[str, Table]:
    phi = ACTIVATIONS[name]
    kinds = {"phi": phi.phi, "slope": phi.slope}
    last, tolerance = math.inf, _TOLERANCE if low + width <= _LARGE else _LOOSE
    for count in (_nodes_for(width, low + width), _nodes_for(width)):
        q = np.exp(low + 0.5 * width * (1.0 + _points(count)))  # (k,)
        norm = np.stack([np.sqrt(expect(lambda u, f=f: f(u) ** 2, q)) for f in kinds.values()])  # (kind, k)
        values = np.zeros((0, 2, count, count))
        in_q, coefficients = _analysis(count), np.zeros(0)
        for intervals in _INTERVALS[low + width > _SMALL :]:
            new = _lobatto(intervals) if len(values) == 0 else _lobatto(intervals)[1::2]
            new = expect_both(phi.halves, q, 0.5 * angle * (1.0 + new)) / (norm[:, :, None] * norm[:, None, :])
            values = new if len(values) == 0 else _interleave(values, new)  # (theta, kind, k, k)
            coefficients = in_q @ np.tensordot(_lobatto_analysis(intervals), values, 1) @ in_q.T
            last = float(np.abs(coefficients[-2:]).max())
            if last < tolerance:
                break
        if last < tolerance and np.abs(coefficients[:, :, -2:]).max() < 10 * tolerance:
            return {kind: Table(low, low + width, angle, coefficients[:, i]) for i, kind in enumerate(kinds)}
    raise InputError(
        f"kernel of {name!r} did not converge at log q from {low:g} to {low + width:g}: "
        f"{_INTERVALS[-1] + 1} Chebyshev terms in theta leave {last:.1e}"
    )


def _restrict(table: Table, low: float, high: float, angle_low: float, angle_high: float) -> np.ndarray:
    """Return the coefficients on a smaller box, (theta, k, k), as few as it needs."""
    theta = _stretch(_points(len(table.coefficients)), angle_low, angle_high)
    log_q = _stretch(_points(min(_nodes_for(high - low), table.coefficients.shape[1])), low, high)
    in_theta = _chebyshev(theta, 0.0, table.angle, len(table.coefficients))
    in_q = _chebyshev(log_q, table.low, table.high, table.coefficients.shape[1])
    values = np.tensordot(in_theta, table.coefficients, 1)  # (theta, k, k)
    return _trim(_transform(in_q @ values @ in_q.T), _CUT)


def _trim(coefficients: np.ndarray, cut: float) -> np.ndarray:
    large = np.abs(coefficients) > cut
    keep = [int(np.flatnonzero(large.any(axis=axes)).max(initial=0)) + 1 for axes in ((1, 2), (0, 2), (0, 1))]
    return coefficients[: keep[0], : max(keep[1:]), : max(keep[1:])]


def _evaluate(series: np.ndarray, log_q: np.ndarray, theta: np.ndarray, cut: float) -> np.ndarray:
    # The series of a box, (theta, k, k), over the pairs that fill it, (n, n), block by block: they stay in the cache.
    n, count = len(log_q), series.shape[1]
    low, high = angle_range(theta)
    if count == 1:
        basis, parts = np.ones((n, 1)), [(1, part) for part in series]
    else:
        basis = _chebyshev(log_q, float(log_q.min()), float(log_q.max()), count)  # (n, k)
        large = np.abs(series) > cut
        sizes = [1 + max(np.flatnonzero(here.any(axis=axis)).max(initial=0) for axis in (0, 1)) for here in large]
        parts = [
            (int(k), part) for k, part in zip(sizes, series, strict=True)
        ]  # the higher in theta, the fewer in log q
    left = [basis[:, :k] @ part[:k, :k] if k > 1 else None for k, part in parts]
    result, room = np.empty((n, n)), np.empty((len(parts), _BLOCK * n if count > 1 else 0))
    for start in range(0, n, _BLOCK):
        rows, columns = slice(start, start + _BLOCK), slice(start, None)
        t = _to_unit(theta[rows, columns], low, high)
        terms: list = [part[0, 0] for _, part in parts]
        for place, (here, (k, _)) in enumerate(zip(left, parts, strict=True)):
            if here is not None:  # into memory that is there: giving it back and taking it anew costs as much again
                terms[place] = room[place, : t.size].reshape(t.shape)
                np.matmul(here[rows], basis[columns, :k].T, out=terms[place])
        block = _clenshaw(terms, t)
        result[rows, columns] = block
        result[columns, rows] = block.T
    return result


def angle_range(theta: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest of the angles (n, n), n > 1, between different inputs."""
    n = len(theta)
    apart = theta.reshape(-1)[:-1].reshape(n - 1, n + 1)[:, 1:]  # a view of all but the diagonal
    return float(apart.min()), float(apart.max())


def _nodes_for(width: float, high: float = math.inf) -> int:
    # The singularities lie at |Im log q| >= pi and, for any weight in the Gaussian's bulk, at Re log q > -4. The error
    # falls as rho^-k, with rho the size of the ellipse through the nearest one.
    if width < 1e-13:
        return 1
    nearest = complex(max(0.0, -4.0 - high + 0.5 * width) if high < -4.0 else 0.0, math.pi) / (0.5 * width)
    rho = abs(nearest + cmath.sqrt(nearest**2 - 1.0))
    return 2 + math.ceil(math.log(1.0 / _TOLERANCE) / math.log(max(rho, 1.0 / rho)))


@functools.lru_cache(maxsize=512)
def _points(count: int) -> np.ndarray:
    return np.cos(math.pi * (np.arange(count) + 0.5) / count)  # Chebyshev points of the first kind


@functools.lru_cache(maxsize=16)
def _lobatto(intervals: int) -> np.ndarray:
    return np.cos(math.pi * np.arange(intervals + 1) / intervals)  # Chebyshev points with both ends


@functools.lru_cache(maxsize=16)
def _lobatto_analysis(intervals: int) -> np.ndarray:
    k = np.arange(intervals + 1)
    matrix = np.cos(math.pi / intervals * np.outer(k, k)) * (2.0 / intervals)
    for end in (0, -1):
        matrix[end] *= 0.5
        matrix[:, end] *= 0.5
    return matrix


def _interleave(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    both = np.empty((len(old) + len(new), *old.shape[1:]))
    both[::2], both[1::2] = old, new
    return both


@functools.lru_cache(maxsize=512)
def _analysis(count: int) -> np.ndarray:
    # The points' values to coefficients, (k, points).
    matrix = np.cos(np.arange(count)[:, None] * math.pi * (np.arange(count) + 0.5) / count) * (2.0 / count)
    matrix[0] *= 0.5
    return matrix


def _transform(values: np.ndarray) -> np.ndarray:
    in_theta, in_q = _analysis(len(values)), _analysis(values.shape[1])
    return in_q @ np.tensordot(in_theta, values, 1) @ in_q.T


def _stretch(t: np.ndarray, low: float, high: float) -> np.ndarray:
    return 0.5 * (low + high) + 0.5 * (high - low) * t


def _to_unit(x: np.ndarray, low: float, high: float) -> np.ndarray:
    half = 0.5 * (high - low)
    if half <= 0.0:
        return np.zeros_like(x)
    t = x - 0.5 * (low + high)
    t *= 1.0 / half
    return np.clip(t, -1.0, 1.0, out=t)  # the diagonal lies outside and is filled in afterwards


def _chebyshev(x: np.ndarray, low: float, high: float, count: int) -> np.ndarray:
    t = _to_unit(x, low, high)
    return np.cos(np.arange(count) * np.arccos(t)[:, None])  # (n, k)


def _clenshaw(parts: list, t: np.ndarray) -> np.ndarray:
    # sum_k parts_k T_k(t) with each part a number or of t's shape.
    if len(parts) == 1:
        return np.full_like(t, parts[0]) if np.ndim(parts[0]) == 0 else parts[0]
    twice = 2.0 * t
    newer, older, product = np.zeros_like(t), np.zeros_like(t), np.empty_like(t)
    newer += parts[-1]
    for part in reversed(parts[1:-1]):
        np.multiply(twice, newer, out=product)
        product -= older
        product += part
        newer, older, product = product, newer, older
    newer *= t
    newer -= older
    newer += parts[0]
    return newer
