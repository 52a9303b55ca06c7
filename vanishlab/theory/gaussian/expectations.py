r"""Expectations of phi and its slope under Gaussians, for all activations of the lab.

With (u, v) Gaussian of mean 0, variances q_u, q_v and correlation c = cos(theta):

    linear               E[phi phi] = sqrt(q_u q_v) c                                     E[phi' phi'] = 1
    relu, leaky_relu     sqrt(q_u q_v) (a c + (1-a)^2 J),                                a + (1-a)^2 (pi - theta) / 2 pi
                         with J = (sin(theta) + (pi - theta) c) / 2 pi
    erf, hardtanh        `closed_forms`
    the others           polar quadrature (`quadrature`), kept as Chebyshev tables for whole batches (`tables`)

where a is the slope below zero, the entry's `leak` [1: arc-cosine kernels]. Variances below 1e-30 scale as phi's
tangents at 0, which is exact to 1e-15; variances above 1e5 are refused for phi that are not (piecewise) linear.

[1] Cho & Saul, 2009 (NeurIPS).  Their use in deep networks: Lee et al., 2018, arXiv:1711.00165.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vanishlab.activations import Activation, find_activation
from vanishlab.errors import InputError
from vanishlab.theory.gaussian.closed_forms import FLOOR, closed_form
from vanishlab.theory.gaussian.quadrature import expect, expect_pairs
from vanishlab.theory.gaussian.tables import correlate

CEILING = 1e5  # of variances
_SPREAD = 40.0  # of log q in a batch: an input that is e^20 times smaller has its correlations at that ratio's


class LayerKernels(NamedTuple):
    """E[phi_a phi_b] = exp((log_second_a + log_second_b) / 2) correlation_ab over a batch, and the same of phi'."""

    log_second: np.ndarray  # (n,)
    correlation: np.ndarray  # (n, n)
    log_slope: np.ndarray  # (n,)
    slope_correlation: np.ndarray  # (n, n)


def first_moment(activation: str, q: ArrayLike) -> np.ndarray:
    """Return E[phi(u)] for u ~ N(0, q), of q's shape. Raises `InputError` for an unknown name or a wrong q.

    >>> round(float(first_moment("relu", 2.0 * math.pi)), 12)
    1.0
    """
    phi, q = _checked(activation, q)
    if phi.odd:
        return np.zeros_like(q)
    if phi.leak is not None:
        return np.sqrt(q / (2 * math.pi)) * (1.0 - phi.leak)
    return expect(phi.phi, q)


def relative_mean(activation: str, log_q: np.ndarray) -> np.ndarray:
    """Return E[phi(u)] / sqrt(E[phi(u)^2]) for u ~ N(0, exp(log_q)), of log_q's shape and any size of it."""
    if find_activation(activation).scale_free:
        return np.full_like(log_q, float(first_moment(activation, 1.0) / np.sqrt(second_moment(activation, 1.0))))
    q = np.exp(np.maximum(log_q, math.log(FLOOR)))
    return first_moment(activation, q) / np.sqrt(second_moment(activation, q))


def second_moment(activation: str, q: ArrayLike) -> np.ndarray:
    """Return E[phi(u)^2] for u ~ N(0, q), of q's shape. Raises `InputError` as `first_moment`.

    >>> float(second_moment("relu", 3.0))
    1.5
    """
    phi, q = _checked(activation, q)
    if phi.leak is not None:
        return 0.5 * (1.0 + phi.leak**2) * q
    if form := closed_form(phi):
        return form.second_moment(q)
    return expect(lambda u: phi.phi(u) ** 2, q)


def slope_second_moment(activation: str, q: ArrayLike) -> np.ndarray:
    """Return E[phi'(u)^2] for u ~ N(0, q), of q's shape. Raises `InputError` as `first_moment`.

    >>> slope_second_moment("sigmoid", [0.0, 1.0]).round(6).tolist()
    [0.0625, 0.044836]
    """
    phi, q = _checked(activation, q)
    if phi.leak is not None:
        return np.full_like(q, 0.5 * (1.0 + phi.leak**2))
    if form := closed_form(phi):
        return form.slope_second_moment(q)
    return expect(lambda u: phi.slope(u) ** 2, q)


def fourth_moments(activation: str, q: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return E[phi^4], E[phi'^4] and E[phi^2 phi'^2] for u ~ N(0, q), each of q's shape.

    What a finite width adds to the theory is made of them. Raises `InputError` as `first_moment`.

    >>> [float(moment) for moment in fourth_moments("relu", 2.0)]
    [6.0, 0.5, 1.0]
    """
    phi, q = _checked(activation, q)
    if phi.leak is not None:
        half = 0.5 * (1.0 + phi.leak**4)
        return 3 * half * q * q, np.full_like(q, half), half * q
    if (form := closed_form(phi)) and form.fourth_moments:
        return form.fourth_moments(q)
    return (
        expect(lambda u: phi.phi(u) ** 4, q),
        expect(lambda u: phi.slope(u) ** 4, q),
        expect(lambda u: (phi.phi(u) * phi.slope(u)) ** 2, q),
    )


def length_slope_moment(activation: str, q: ArrayLike) -> np.ndarray:
    """Return E[u phi(u) phi'(u)] for u ~ N(0, q), of q's shape: q times the slope of E[phi^2] by q.

    Raises `InputError` as `first_moment`.
    """
    phi, q = _checked(activation, q)
    if (form := closed_form(phi)) and form.length_slope:
        return form.length_slope(q)
    return expect(lambda u: u * phi.phi(u) * phi.slope(u), q)


def pair_moment(activation: str, q_u: ArrayLike, q_v: ArrayLike, c: ArrayLike) -> np.ndarray:
    """Return E[phi(u) phi(v)] elementwise (arguments broadcast): variances q_u, q_v, correlation c in [-1, 1].

    Raises `InputError` for an unknown name, or a value outside its range.

    >>> round(float(pair_moment("erf", 1.0, 1.0, 0.5)), 6)
    0.216347
    """
    return _pair("phi", activation, q_u, q_v, c)


def pair_slope_moment(activation: str, q_u: ArrayLike, q_v: ArrayLike, c: ArrayLike) -> np.ndarray:
    """Return E[phi'(u) phi'(v)] elementwise, arguments as `pair_moment`.

    >>> float(pair_slope_moment("relu", 1.0, 4.0, 0.0))
    0.25
    """
    return _pair("slope", activation, q_u, q_v, c)


def layer_kernels(activation: str, log_q: np.ndarray, c: np.ndarray) -> LayerKernels:
    """Return the kernels of one layer over a batch, from log variances (n,) and correlations (n, n) with unit diagonal.

    Error about 1e-11 relative to the diagonal (1e-9 for variances above 7). Raises `InputError` for an unknown name or
    a variance above 1e5 where phi is not piecewise linear.
    """
    phi = find_activation(activation)
    if phi.leak is not None:
        a = phi.leak
        second = 0.5 * (1.0 + a * a)
        log_second, log_slope = log_q + math.log(second), np.full_like(log_q, math.log(second))
        if a == 1.0:
            return LayerKernels(log_second, c, log_slope, np.ones_like(c))
        value, slope = _rectified(a, angle_of(c), c)
        return LayerKernels(log_second, value / second, log_slope, slope / second)
    check_variance(activation, math.exp(min(float(log_q.max()), 700.0)))
    low = math.log(FLOOR)
    inside = np.maximum(log_q, low)
    q = np.exp(inside)
    second, slope2 = second_moment(activation, q), slope_second_moment(activation, q)  # (n,)
    # Below the floor phi is its tangent: E[phi^2] follows q, unless phi(0) is not 0 and it stays.
    shrink = log_q - inside if phi.at_zero[0] == 0.0 else 0.0
    log_second, log_slope = np.log(second) + shrink, np.log(slope2)
    theta = angle_of(c)
    if form := closed_form(phi):
        value, slope = form.batch(q, theta)
        value, slope = value / np.sqrt(np.outer(second, second)), slope / np.sqrt(np.outer(slope2, slope2))
        np.fill_diagonal(value, 1.0)
        np.fill_diagonal(slope, 1.0)
        return LayerKernels(log_second, value, log_slope, slope)
    near = np.maximum(inside, inside.max() - _SPREAD)
    return LayerKernels(
        log_second, correlate(activation, "phi", near, theta), log_slope, correlate(activation, "slope", near, theta)
    )


def check_variance(activation: str, q: float) -> None:
    """Raise `InputError` where q lies beyond the range of a phi that is not piecewise linear."""
    if not find_activation(activation).scale_free and q > CEILING:
        raise InputError(
            f"variance of {activation!r}'s input must be at most {CEILING:g}, got {q:.3g}: the pre-activations grow "
            "out of the range of its kernels"
        )


def angle_of(c: np.ndarray) -> np.ndarray:
    """Return arccos(c), without loss near c = +-1 and with rounding beyond it cut off."""
    return np.arccos(np.clip(c, -1.0, 1.0))


def _pair(kind: str, activation: str, q_u: ArrayLike, q_v: ArrayLike, c: ArrayLike) -> np.ndarray:
    (phi, q_u), (_, q_v) = _checked(activation, q_u), _checked(activation, q_v)
    c = np.asarray(c, dtype=np.float64)
    if not (np.abs(c) <= 1.0 + 1e-12).all():
        raise InputError(f"c must be a correlation from -1 to 1, got {c.ravel()[np.argmax(np.abs(c))]:g}")
    q_u, q_v, c = np.broadcast_arrays(q_u, q_v, c)
    theta = angle_of(c)
    place = 0 if kind == "phi" else 1
    if phi.leak is not None:
        scale = np.sqrt(q_u) * np.sqrt(q_v) if kind == "phi" else 1.0
        return scale * _rectified(phi.leak, theta, c)[place]
    if form := closed_form(phi):
        return form.pairs(q_u, q_v, theta)[place]
    function = phi.phi if kind == "phi" else phi.slope
    points = zip(q_u.ravel(), q_v.ravel(), theta.ravel(), strict=True)
    found = [expect_pairs(function, np.array([u, v]), np.array([t]))[0, 0, 1] for u, v, t in points]
    return np.array(found).reshape(c.shape)


def _rectified(a: float, theta: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rest = (math.pi - theta) / (2 * math.pi)
    return a * c + (1 - a) ** 2 * (np.sin(theta) / (2 * math.pi) + rest * c), a + (1 - a) ** 2 * rest


def _checked(activation: str, q: ArrayLike) -> tuple[Activation, np.ndarray]:
    phi = find_activation(activation)
    q = np.asarray(q, dtype=np.float64)
    limit = math.inf if phi.scale_free else CEILING
    if not ((q >= 0) & (q <= limit) & np.isfinite(q)).all():
        raise InputError(
            f"q must be a variance from 0 to {limit:g}, got {q.ravel()[np.argmin((q >= 0) & (q <= limit))]:g}"
        )
    return phi, q
