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
from typing import NamedTuple

import numpy as np

from vanishlab.errors import InputError
from vanishlab.theory.functions import PHI, SLOPE, parity
from vanishlab.theory.quadrature import expect, expect_pairs

_TOLERANCE, _LOOSE = 1e-11, 1e-9  # loose: above log q = _LARGE
_LARGE = 2.0
_SMALL = -6.0  # of log q: below, phi's poles lie far off at larger log q as well, and fewer nodes do
_CUT = 1e-14  # of coefficients of the small box
_ANGLES = (16, 24, 40, 72, 136, 264)


class Table(NamedTuple):
    """Chebyshev coefficients of the correlation on [low, high] x [low, high] x [0, pi]."""

    low: float
    high: float
    coefficients: np.ndarray  # (theta, log q_u, log q_v)


def correlate(name: str, kind: str, log_q: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return the correlation of f(u_a) and f(u_b), (n, n), from log variances (n,) and angles (n, n).

    `kind` is "phi" or "slope"; the angles' diagonal must be 0. Error about 1e-11 of the unit diagonal, 1e-9 for q > 7.
    """
    if len(log_q) == 1:
        return np.ones((1, 1))
    low, high = float(log_q.min()), float(log_q.max())
    outside = theta[~np.eye(len(log_q), dtype=bool)]
    small = _restrict(_find_table(name, kind, low, high), low, high, float(outside.min()), float(outside.max()))
    basis = _chebyshev(log_q, low, high, small.shape[1])  # (n, k)
    t = _to_unit(theta, float(outside.min()), float(outside.max()))  # (n, n)
    parts = [basis @ part @ basis.T if small.shape[1] > 1 else part[0, 0] for part in small]
    result = _clenshaw(parts, t)
    np.fill_diagonal(result, 1.0)
    return np.clip(result, -1.0, 1.0, out=result)


def correlation_curve(name: str, kind: str, q: float, theta: np.ndarray) -> np.ndarray:
    """Return the correlation at equal variances q and any angles, of theta's shape."""
    log_q = math.log(q)
    low, high = float(theta.min()), float(theta.max())
    small = _restrict(_find_table(name, kind, log_q, log_q), log_q, log_q, low, high)
    return _clenshaw([part[0, 0] for part in small], _to_unit(theta, low, high))


def _find_table(name: str, kind: str, low: float, high: float) -> Table:
    """Return a kept table whose cell holds [low, high]: its top, which sets its cost, lies close above `high`."""
    step = 4.0 if high <= _SMALL else 0.5 if high <= _LARGE else 1.0
    top = math.ceil(high / step) * step
    width = 2.0 * step
    while top - width > low:
        width *= 1.5
    return _make_table(name, kind, top - width, width)


@functools.lru_cache(maxsize=256)
def _make_table(name: str, kind: str, low: float, width: float) -> Table:
    function = {"phi": PHI, "slope": SLOPE}[kind][name]
    last, tolerance = math.inf, _TOLERANCE if low + width <= _LARGE else _LOOSE
    for count in (_nodes_for(width, low + width), _nodes_for(width)):
        q = np.exp(low + 0.5 * width * (1.0 + _points(count)))  # (k,)
        norm = np.sqrt(expect(lambda u: function(u) ** 2, q))  # (k,)
        for angles in _ANGLES[low + width > _SMALL :]:
            theta = 0.5 * math.pi * (1.0 + _points(angles))
            values = expect_pairs(function, q, theta, parity(name, kind)) / np.outer(norm, norm)  # (theta, k, k)
            coefficients = _transform(values)
            last = float(np.abs(coefficients[-2:]).max())
            if last < tolerance:
                break
        if last < tolerance and np.abs(coefficients[:, -2:]).max() < 10 * tolerance:  # pyright: ignore
            return Table(low, low + width, coefficients)  # pyright: ignore
    raise InputError(
        f"kernel of {name!r} ({kind}) did not converge at log q from {low:g} to {low + width:g}: "
        f"{_ANGLES[-1]} Chebyshev terms in theta leave {last:.1e}"
    )


def _restrict(table: Table, low: float, high: float, angle_low: float, angle_high: float) -> np.ndarray:
    """Return the coefficients on a smaller box, (theta, k, k), as few as it needs."""
    theta = _stretch(_points(len(table.coefficients)), angle_low, angle_high)
    log_q = _stretch(_points(min(_nodes_for(high - low), table.coefficients.shape[1])), low, high)
    in_theta = _chebyshev(theta, 0.0, math.pi, len(table.coefficients))
    in_q = _chebyshev(log_q, table.low, table.high, table.coefficients.shape[1])
    values = np.tensordot(in_theta, table.coefficients, 1)  # (theta, k, k)
    small = _transform(in_q @ values @ in_q.T)
    large = np.abs(small) > _CUT
    keep = [int(np.flatnonzero(large.any(axis=axes)).max(initial=0)) + 1 for axes in ((1, 2), (0, 2), (0, 1))]
    return small[: keep[0], : max(keep[1:]), : max(keep[1:])]


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
    # sum_k parts_k T_k(t) with each part a number or (n, n).
    twice = 2.0 * t
    newer, older = np.zeros_like(t), np.zeros_like(t)
    for part in reversed(parts[1:]):
        np.subtract(twice * newer, older, out=older)
        older += part
        newer, older = older, newer
    return t * newer - older + parts[0]
