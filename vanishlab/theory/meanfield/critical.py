r"""The critical line: where chi = 1 and gradients neither vanish nor explode."""

import math
from typing import NamedTuple

import numpy as np

from vanishlab.activations import find_activation
from vanishlab.errors import InputError, check_number
from vanishlab.theory.gaussian.expectations import second_moment, slope_second_moment
from vanishlab.theory.meanfield.length import HUGE, TINY, length_map, length_slope
from vanishlab.theory.meanfield.roots import bracketed


class CriticalPoint(NamedTuple):
    """Where chi = 1: sigma_w, and q* there (NaN where every variance is kept)."""

    sigma_w: float
    q_star: float


def critical_point(activation: str, sigma_b: float = 0.0) -> CriticalPoint:
    """Return the smallest sigma_w at which chi = 1 for this sigma_b, and q* there: a point of the critical line.

    Both conditions together leave one equation in q:  q - E[phi^2] / E[phi'^2] = sigma_b^2,  sigma_w^2 = 1 / E[phi'^2].

    Raises `InputError`, saying what holds instead, where there is no such point.

    >>> round(critical_point("tanh", 0.05**0.5).sigma_w ** 2, 4)
    1.761
    """
    phi = find_activation(activation)
    sigma_b = check_number("sigma_b", sigma_b, at_least=0.0)
    if phi.scale_free:
        sigma_w = 1.0 / math.sqrt(float(slope_second_moment(activation, 1.0)))
        if sigma_b == 0.0:
            return CriticalPoint(sigma_w, math.nan)
        raise InputError(
            f"{activation!r} has no critical point at sigma_b={sigma_b:g}: chi = (sigma_w / {sigma_w:.6g})^2 at every "
            f"q, so chi < 1 where q_star exists (sigma_w < {sigma_w:.6g}), and from there on the variance grows "
            "without bound"
        )
    if sigma_b == 0.0 and float(second_moment(activation, 0.0)) == 0.0:
        sigma_w = 1.0 / math.sqrt(float(slope_second_moment(activation, TINY)))
        if length_map(activation, 1e-3, sigma_w) <= 1e-3:
            return CriticalPoint(sigma_w, 0.0)
        raise _no_critical_point(activation, sigma_b, sigma_w, 0.0)

    def residual(q: np.ndarray) -> np.ndarray:
        return (second_moment(activation, q) / slope_second_moment(activation, q) + sigma_b**2) / q - 1.0

    grid = np.geomspace(max(1e-12, sigma_b**2 * 0.999), HUGE * 0.999, 500)
    values = np.concatenate([residual(grid[i : i + 50]) for i in range(0, len(grid), 50)])
    change = np.flatnonzero((values[:-1] > 0) & (values[1:] <= 0))
    if len(change) == 0:
        raise _no_critical_point(activation, sigma_b, None, math.nan)
    low, high = float(grid[change[0]]), float(grid[change[0] + 1])
    q = bracketed(lambda q: float(residual(np.array(q))), low, high, f"critical line of {activation!r}")
    sigma_w = 1.0 / math.sqrt(float(slope_second_moment(activation, q)))
    if length_slope(activation, q, sigma_w) > 1.0 + 1e-9:
        raise _no_critical_point(activation, sigma_b, sigma_w, q)
    return CriticalPoint(sigma_w, q)


def _no_critical_point(activation: str, sigma_b: float, sigma_w: float | None, q: float) -> InputError:
    if sigma_w is None:
        rest = "chi stays on one side of 1 at every fixed point of the length map"
    else:
        rest = (
            f"chi = 1 at sigma_w={sigma_w:.6g} needs q_star={q:.6g}, where the length map is unstable: variances "
            "above it grow away from it"
        )
    return InputError(f"{activation!r} has no critical point at sigma_b={sigma_b:g}: {rest}")
