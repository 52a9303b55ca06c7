r"""Hardtanh: its kinks lie at +-1, so the probability of a rectangle under two correlated Gaussians decides.

With h = 1/sqrt(q_u), k = 1/sqrt(q_v) and c = cos(theta), Plackett's identity d Phi_2 / dc = density gives

    E[phi'(u) phi'(v)] = P(|x| < h, |y| < k) = D(c) = D(0) + int_0^c D'(t) dt
    E[phi(u) phi(v)]   = sqrt(q_u q_v) int_0^c D(t) dt = sqrt(q_u q_v) (c D(0) + int_0^c (c - t) D'(t) dt)

and with t = cos(b):

    D'(t) dt = -(1/pi) (exp(-((h-k)^2/2 + h k (1 - t)) / sin^2 b) - exp(-((h-k)^2/2 + h k (1 + t)) / sin^2 b)) db

Where h and k nearly agree, the integrand has a layer of width |h - k| next to b = 0; the substitution
b = w sinh(y), w of the order of |h - k|, resolves it whatever its width.
"""

import math

import numpy as np

from vanishlab.theory.quadrature import legendre

_RANGES = ((2.0, 36), (5.0, 52), (10.0, 76), (math.inf, 110))  # nodes for ranges of y up to
_EQUAL = 1e-11  # relative difference of variances that counts as none


def clipped_second_moment(q: np.ndarray) -> np.ndarray:
    """Return E[hardtanh(u)^2] for u ~ N(0, q)."""
    from scipy.special import erf, erfc

    h = 1.0 / np.sqrt(q)
    inside = erf(h / math.sqrt(2)) - math.sqrt(2 / math.pi) * h * np.exp(-0.5 * h * h)
    return q * inside + erfc(h / math.sqrt(2))


def clipped_slope(q: np.ndarray) -> np.ndarray:
    """Return P(|u| < 1) for u ~ N(0, q)."""
    from scipy.special import erf

    return erf(1.0 / np.sqrt(2.0 * q))


def clipped_pairs(q_u: np.ndarray, q_v: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return E[phi(u) phi(v)] and E[phi'(u) phi'(v)] elementwise for the variances and the angle between u and v."""
    q_u, q_v, theta = np.broadcast_arrays(q_u, q_v, theta)
    h, k = 1.0 / np.sqrt(q_u), 1.0 / np.sqrt(q_v)
    obtuse = theta > 0.5 * math.pi
    angle = np.where(obtuse, math.pi - theta, theta)
    width = np.minimum(np.maximum(np.abs(h - k), 1e-9) / np.sqrt(1.0 + h * k), 1.0)
    start, end = np.arcsinh(angle / width), np.arcsinh(0.5 * math.pi / width)
    slope, area = np.zeros(angle.shape), np.zeros(angle.shape)
    below = -1.0
    for limit, nodes in _RANGES:
        here = (end - start > below) & (end - start <= limit)
        below = limit
        if here.any():
            slope[here], area[here] = _integrate(
                h[here], k[here], angle[here], width[here], start[here], end[here], nodes
            )
    at_zero = clipped_slope(q_u) * clipped_slope(q_v)
    value = np.sqrt(q_u * q_v) * (np.cos(angle) * at_zero + area)
    return np.where(obtuse, -value, value), at_zero + slope


def clipped_batch(q: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `clipped_pairs` of all pairs of a batch, (n, n), from variances (n,) and angles (n, n)."""
    if q.max() < 1.0 / 75.0:  # P(|u| > 1) < 1e-17: linear
        return np.sqrt(np.outer(q, q)) * np.cos(theta), np.ones_like(theta)
    value, slope = np.diag(clipped_second_moment(q)), np.diag(clipped_slope(q))
    upper = np.triu_indices(len(q), 1)
    angle = theta[upper]
    if q.max() - q.min() < _EQUAL * q.max() and len(angle) > 300:
        value[upper], slope[upper] = _curve(float(q.mean()), angle)
    else:
        value[upper], slope[upper] = clipped_pairs(q[upper[0]], q[upper[1]], angle)
    return value + np.triu(value, 1).T, slope + np.triu(slope, 1).T


def _curve(q: float, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Equal variances: one smooth function of the angle, by Chebyshev interpolation over the angles that occur.
    low, high = float(angle.min()), float(angle.max())
    t = (angle - 0.5 * (low + high)) / max(0.5 * (high - low), 1e-300)
    nodes = np.cos(math.pi * (np.arange(160) + 0.5) / 160)
    values = clipped_pairs(np.array(q), np.array(q), 0.5 * (low + high) + 0.5 * (high - low) * nodes)
    return tuple(_interpolate(np.clip(t, -1.0, 1.0), nodes, value) for value in values)  # pyright: ignore


def _interpolate(t: np.ndarray, nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    coefficients = np.polynomial.chebyshev.chebvander(nodes, len(nodes) - 1).T @ values * (2.0 / len(nodes))
    coefficients[0] *= 0.5
    kept = int(np.flatnonzero(np.abs(coefficients) > 1e-13).max(initial=0)) + 1
    return np.polynomial.chebyshev.chebval(t, coefficients[:kept])


def _integrate(
    h: np.ndarray, k: np.ndarray, angle: np.ndarray, width: np.ndarray, start: np.ndarray, end: np.ndarray, nodes: int
) -> tuple[np.ndarray, np.ndarray]:
    # int D' dt and int (c - t) D' dt from c = 0 to cos(angle), over y.
    gap, product = 0.5 * (h - k) ** 2, h * k
    slope, area = np.zeros(angle.shape), np.zeros(angle.shape)
    for node, weight in zip(*legendre(nodes), strict=True):
        y = start + (end - start) * node
        up = np.exp(y)
        b = width * 0.5 * (up - 1.0 / up)
        step = (weight / math.pi) * (end - start) * width * 0.5 * (up + 1.0 / up)
        half = np.sin(0.5 * b) ** 2  # 1 - cos b = 2 half, without cancellation
        sine2 = 4.0 * half * (1.0 - half)
        near = np.exp(-gap / sine2 - 0.5 * product / (1.0 - half))
        far = np.exp(-gap / sine2 - 0.5 * product / half)
        step *= near - far
        slope += step
        area += step * 2.0 * np.sin(0.5 * (b + angle)) * np.sin(0.5 * (b - angle))  # c - cos b
    return slope, area
