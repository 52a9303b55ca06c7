r"""The correlation map: how alike two inputs become from layer to layer, its slope, and where it settles.

Two inputs of variance q and correlation c are (u, v), Gaussian, in a layer, and in the next one of correlation

    C(c) = (sigma_w^2 E[phi(u) phi(v)] + sigma_b^2) / V(q)                                                          [1]

whose slope at a fixed point of V is the susceptibility sigma_w^2 E[phi'(u) phi'(v)]; at c = 1 that is chi, by which
E|dloss/dz|^2 is multiplied per layer on the way back [2].

[1] Poole et al., 2016, arXiv:1606.05340.  [2] Schoenholz et al., 2017, arXiv:1611.01232.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from vanishlab.activations import find_activation
from vanishlab.theory.gaussian.expectations import pair_moment, pair_slope_moment, slope_second_moment
from vanishlab.theory.meanfield.length import TINY, above_zero, check_scales, length_fixed_point, length_map
from vanishlab.theory.meanfield.roots import bracketed


def correlation_map(
    activation: str, c: ArrayLike, sigma_w: float, sigma_b: float = 0.0, *, q: float | None = None
) -> np.ndarray:
    """Return C(c), the next layer's correlation of two inputs, of c's shape; c lies in [-1, 1].

    Both have the variance q, by default q* (which drops out of ReLU and its like where sigma_b = 0).

    Raises `InputError` for an unknown name or values outside their ranges, and without q as `length_fixed_point`. The
    map is Poole et al.'s, 2016, arXiv:1606.05340.

    >>> correlation_map("tanh", [0.0, 0.5, 1.0], sigma_w=1.5, sigma_b=0.3).round(4).tolist()
    [0.0937, 0.5228, 1.0]
    """
    sigma_w, sigma_b = check_scales(sigma_w, sigma_b)
    at = above_zero(_settled(activation, sigma_w, sigma_b) if q is None else q)
    shared = sigma_w**2 * pair_moment(activation, at, at, c) + sigma_b**2
    return shared / length_map(activation, at, sigma_w, sigma_b)


def susceptibility(
    activation: str, sigma_w: float, sigma_b: float = 0.0, *, q: ArrayLike | None = None, c: ArrayLike = 1.0
) -> np.ndarray:
    """Return sigma_w^2 E[phi'(u) phi'(v)] at variance q and correlation c, by default chi: at q* and c = 1.

    chi is the factor of E|dloss/dz|^2 per layer on the way back: below 1 gradients vanish, above 1 they explode. At c*
    the same expectation is the factor by which the distance to c* falls. q and c broadcast; sigma_b matters for q*
    alone, and neither does for ReLU and its like, whose chi at c = 1 is sigma_w^2 (1 + leak^2) / 2.

    Raises `InputError` for an unknown name or values outside their ranges, and without q as `length_fixed_point`. The
    source is Schoenholz et al., 2017, arXiv:1611.01232.

    >>> round(float(susceptibility("tanh", sigma_w=1.0, sigma_b=0.3)), 4), float(susceptibility("relu", 2.0))
    (0.7003, 2.0)
    """
    sigma_w, sigma_b = check_scales(sigma_w, sigma_b)
    if q is None:
        q = 1.0 if find_activation(activation).scale_free else length_fixed_point(activation, sigma_w, sigma_b)
    q = above_zero(q)
    if np.all(np.equal(c, 1.0)):
        return sigma_w**2 * slope_second_moment(activation, np.broadcast_arrays(q, c)[0])
    return sigma_w**2 * pair_slope_moment(activation, q, q, c)


def correlation_fixed_point(activation: str, sigma_w: float, sigma_b: float = 0.0, *, q: float | None = None) -> float:
    """Return c*, the stable fixed point of the correlation map on [0, 1] at its variance q, by default q*.

    The map is convex there, and 1 is a fixed point: it is stable for chi <= 1, else there is one more below it.
    NaN where every correlation is kept. Raises `InputError` as `correlation_map`, and where the search does not
    converge, with its last residual.

    >>> correlation_fixed_point("tanh", sigma_w=1.0), round(correlation_fixed_point("tanh", 1.8, 0.3), 4)
    (nan, 0.3877)
    """
    sigma_w, sigma_b = check_scales(sigma_w, sigma_b)
    if find_activation(activation).leak == 1.0:
        return 1.0 if sigma_b > 0 else math.nan
    q = _settled(activation, sigma_w, sigma_b) if q is None else q
    if q <= TINY:
        opposite, same = (float(susceptibility(activation, 1.0, q=TINY, c=c)) for c in (-1.0, 1.0))
        return 1.0 if abs(opposite - same) > 1e-9 else math.nan
    if susceptibility(activation, sigma_w, q=q) <= 1.0 + 1e-12:
        return 1.0

    def residual(c: float) -> float:
        return float(correlation_map(activation, c, sigma_w, sigma_b, q=q)) - c

    if residual(0.0) <= 1e-15:
        return 0.0
    for digits in range(1, 13):
        top = 1.0 - 10.0**-digits
        if residual(top) < 0.0:
            return bracketed(residual, 0.0, top, f"correlation map of {activation!r}")
    return 1.0  # chi exceeds 1 by less than rounding shows


def _settled(activation: str, sigma_w: float, sigma_b: float) -> float:
    # q*, or for ReLU and its like without bias any variance: correlations do not depend on it.
    free = sigma_b == 0.0 and find_activation(activation).scale_free
    return 1.0 if free else length_fixed_point(activation, sigma_w, sigma_b)
