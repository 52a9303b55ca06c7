r"""The length map: how the variance q of an input's pre-activations goes from layer to layer, and where it settles.

    V(q) = sigma_w^2 E[phi(u)^2] + sigma_b^2,    u ~ N(0, q)                                                        [1]

    >>> q = length_fixed_point("tanh", sigma_w=1.5, sigma_b=0.1)
    >>> abs(float(length_map("tanh", q, 1.5, 0.1)) - q) < 1e-12
    True

[1] Poole et al., 2016, arXiv:1606.05340.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vanishlab.activations import find_activation
from vanishlab.errors import InputError, check_number
from vanishlab.theory.gaussian.closed_forms import FLOOR
from vanishlab.theory.gaussian.expectations import CEILING, length_slope_moment, second_moment
from vanishlab.theory.meanfield.roots import bracketed

TINY, HUGE = FLOOR, CEILING  # variances that stand for 0 and for no bound
ON_FIXED_POINT = 1e-9  # |V(q) / q - 1| below which q may be an unstable fixed point that rounding has moved off


class LengthFixedPoint(NamedTuple):
    """A fixed point of the length map."""

    q: float
    stable: bool
    """Whether variances near it come to it."""


def check_scales(sigma_w: float, sigma_b: float) -> tuple[float, float]:
    """Return the weights' and the biases' scale as floats; raise `InputError` where they are none."""
    return check_number("sigma_w", sigma_w, above=0.0), check_number("sigma_b", sigma_b, at_least=0.0)


def above_zero(q: ArrayLike) -> np.ndarray:
    """Return variances with `TINY` in the place of what is smaller, where phi is its tangent; wrong ones stay."""
    q = np.asarray(q, dtype=np.float64)
    return np.where((q >= 0.0) & (q < TINY), TINY, q)


def length_map(activation: str, q: ArrayLike, sigma_w: float, sigma_b: float = 0.0) -> np.ndarray:
    """Return V(q) = sigma_w^2 E[phi(u)^2] + sigma_b^2 for u ~ N(0, q): the next layer's variance, of q's shape.

    Raises `InputError` for an unknown name or values outside their ranges; q reaches to 1e5 where phi is not piecewise
    linear. The map is Poole et al.'s, 2016, arXiv:1606.05340.

    >>> length_map("relu", [0.5, 2.0], sigma_w=2**0.5, sigma_b=1.0).round(12).tolist()
    [1.5, 3.0]
    """
    sigma_w, sigma_b = check_scales(sigma_w, sigma_b)
    return sigma_w**2 * second_moment(activation, q) + sigma_b**2


def length_slope(activation: str, q: ArrayLike, sigma_w: float) -> np.ndarray:
    """Return V'(q) = sigma_w^2 E[u phi(u) phi'(u)] / q, of q's shape. Raises `InputError` as `length_map`.

    At q* it is the factor by which the distance to q* falls per layer; q* is stable where it is below 1.

    >>> float(length_slope("relu", 3.0, sigma_w=1.0))
    0.5
    """
    sigma_w, _ = check_scales(sigma_w, 0.0)
    leak = find_activation(activation).leak
    if leak is not None:
        return np.full_like(q, sigma_w**2 * 0.5 * (1.0 + leak**2), dtype=np.float64)
    q = above_zero(q)
    return sigma_w**2 * length_slope_moment(activation, q) / q


def length_fixed_point(activation: str, sigma_w: float, sigma_b: float = 0.0, *, start: float = 1.0) -> float:
    """Return q*, the fixed point that the length map reaches from `start`.

    V grows with q, so its iterates move one way, up to the first fixed point on that side; it is bracketed there and
    found by Brent's method. A start that is a fixed point itself, but an unstable one (GELU at Kaiming's gain: q = 1),
    is left downwards, where the logarithm of a finite network's variance drifts on average.

    Raises `InputError` where there is none: the variance grows without bound, or ReLU and its like keep every one; and
    where the search does not converge, with its last residual.

    >>> round(length_fixed_point("tanh", sigma_w=1.0, sigma_b=0.3), 4)
    0.2763
    """
    phi = find_activation(activation)
    sigma_w, sigma_b = check_scales(sigma_w, sigma_b)
    if phi.scale_free:
        return _rectifier_fixed_point(activation, sigma_w, sigma_b)

    def residual(q: float) -> float:
        return float(length_map(activation, q, sigma_w, sigma_b)) / q - 1.0

    q, value = start, residual(start)
    if abs(value) < ON_FIXED_POINT:
        if length_slope(activation, q, sigma_w) <= 1.0 and abs(value) < 1e-15:
            return q
        if length_slope(activation, q, sigma_w) > 1.0:
            q *= 0.999
            value = residual(q)
    factor = 1.25 if value > 0 else 0.8
    while True:
        last, q = q, q * factor
        if q < 1e-14 and sigma_b == 0.0:
            return 0.0
        if q > HUGE:
            raise InputError(
                f"length map of {activation!r} at sigma_w={sigma_w:g}, sigma_b={sigma_b:g} has no fixed point above "
                f"q = {start:g}: the variance grows without bound (at q = {last:.3g} by the factor "
                f"{1 + residual(last):.6g} a layer)"
            )
        here = residual(q)
        if here == 0.0 or (here > 0) != (value > 0):
            return bracketed(residual, min(last, q), max(last, q), f"length map of {activation!r}")


def length_fixed_points(activation: str, sigma_w: float, sigma_b: float = 0.0) -> tuple[LengthFixedPoint, ...]:
    """Return all fixed points of the length map up to q = 1e5, rising, each with whether it is stable.

    Infinity counts as a stable one where the variance grows without bound. Looked for between neighbours of a grid of
    ratio 1.05: two that lie closer may be missed.

    Raises `InputError` for wrong values, and for ReLU and its like where they keep every variance.

    >>> [(round(point.q, 6), point.stable) for point in length_fixed_points("gelu", 1.5335304426)]
    [(0.0, True), (1.0, False), (inf, True)]
    """
    phi = find_activation(activation)
    sigma_w, sigma_b = check_scales(sigma_w, sigma_b)
    if phi.scale_free:
        gain = float(length_slope(activation, 1.0, sigma_w))
        if gain < 1.0 - 1e-12:
            return (LengthFixedPoint(_rectifier_fixed_point(activation, sigma_w, sigma_b), True),)
        if sigma_b > 0.0:
            return (LengthFixedPoint(math.inf, True),)
        if gain <= 1.0 + 1e-12:
            _rectifier_fixed_point(activation, sigma_w, sigma_b)  # every variance is one: raises
        return LengthFixedPoint(0.0, False), LengthFixedPoint(math.inf, True)

    def residual(q: float) -> float:
        return float(length_map(activation, q, sigma_w, sigma_b)) / q - 1.0

    grid = np.geomspace(1e-14, HUGE, 900)
    values = np.concatenate([sigma_w**2 * second_moment(activation, part) for part in np.array_split(grid, 30)])
    values = (values + sigma_b**2) / grid - 1.0
    found = [LengthFixedPoint(0.0, bool(values[0] < 0))] if length_map(activation, 0.0, sigma_w, sigma_b) == 0 else []
    for place in np.flatnonzero((values[:-1] > 0) != (values[1:] > 0)):
        low, high = float(grid[place]), float(grid[place + 1])
        q = bracketed(residual, low, high, f"length map of {activation!r}")
        found.append(LengthFixedPoint(q, bool(values[place] > 0)))
    if values[-1] > 0:
        found.append(LengthFixedPoint(math.inf, True))
    return tuple(found)


def _rectifier_fixed_point(activation: str, sigma_w: float, sigma_b: float) -> float:
    gain = float(length_slope(activation, 1.0, sigma_w))
    if gain < 1.0 - 1e-12:
        return sigma_b**2 / (1.0 - gain)
    if gain <= 1.0 + 1e-12 and sigma_b == 0.0:
        raise InputError(f"every variance is a fixed point of {activation!r} at sigma_w={sigma_w:g}, sigma_b=0")
    raise InputError(
        f"length map of {activation!r} at sigma_w={sigma_w:g}, sigma_b={sigma_b:g} has no fixed point: the variance "
        f"grows without bound, by the factor {gain:.6g} a layer (plus sigma_b^2)"
    )
