r"""Closed forms for hardtanh: its kinks lie at +-1, so the probability of a rectangle under two Gaussians decides.

With x, y standard normal of correlation r = cos(theta), s = sin(theta), h = 1/sqrt(q_u), k = 1/sqrt(q_v), Q the upper
tail, n(x) and n(x, y; r) the densities, and Owen's function T, for which [1]

    L(r) = P(x > h, y > k) = Q(h)/2 + Q(k)/2 - T(h, (k - r h)/(h s)) - T(k, (h - r k)/(k s)),

    E[phi'(u) phi'(v)] = D = P(|x| < h, |y| < k) = 1 - 2 Q(h) - 2 Q(k) + 2 L(r) + 2 L(-r)
    E[phi(u) phi(v)] / sqrt(q_u q_v) = r D + 2 h k (L(r) - L(-r)) + 2 s^2 (n(h, k; r) - n(h, k; -r))
                                       - 2 k n(h) (Q((k - r h)/s) - Q((k + r h)/s)) - the same with h and k exchanged

the second from the moments of a truncated normal; its derivative by r is the first. In k - r h, written as
k - h + 2 h sin^2(theta/2), the digits stay as theta -> 0.

[1] Owen, 1956 (Annals of Mathematical Statistics 27).
"""

import math

import numpy as np
from scipy.special import erf, erfc, ndtr, owens_t

from vanishlab.theory.gaussian.tables import expand, symmetric

_FEW = 63  # inputs whose pairs are not worth an interpolation


def clipped_second_moment(q: np.ndarray) -> np.ndarray:
    """Return E[hardtanh(u)^2] for u ~ N(0, q)."""
    h = 1.0 / np.sqrt(q)
    inside = erf(h / math.sqrt(2)) - math.sqrt(2 / math.pi) * h * np.exp(-0.5 * h * h)
    return q * inside + erfc(h / math.sqrt(2))


def clipped_slope(q: np.ndarray) -> np.ndarray:
    """Return P(|u| < 1) for u ~ N(0, q)."""
    return erf(1.0 / np.sqrt(2.0 * q))


def clipped_pairs(q_u: np.ndarray, q_v: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return E[phi(u) phi(v)] and E[phi'(u) phi'(v)] elementwise for the variances and the angle between u and v."""
    h, k = 1.0 / np.sqrt(q_u), 1.0 / np.sqrt(q_v)
    obtuse = theta > 0.5 * math.pi
    angle = np.maximum(np.where(obtuse, math.pi - theta, theta), 1e-150)
    half = np.sin(0.5 * angle) ** 2  # (1 - r) / 2
    r, s = 1.0 - 2.0 * half, np.sin(angle)
    gap = k - h
    near_h, far_h = (gap + 2.0 * h * half) / s, (gap + 2.0 * h * (1.0 - half)) / s  # (k -+ r h) / s
    near_k, far_k = (2.0 * k * half - gap) / s, (2.0 * k * (1.0 - half) - gap) / s
    near = owens_t(h, near_h / h) + owens_t(k, near_k / k)
    far = owens_t(h, far_h / h) + owens_t(k, far_k / k)
    slope = 1.0 - 2.0 * (near + far)  # the tails cancel
    apart = 0.5 * (gap / s) ** 2
    density = np.exp(-apart - 0.5 * h * k / (1.0 - half)) - np.exp(-apart - 0.5 * h * k / np.maximum(half, 1e-250))
    value = r * slope + 2.0 * h * k * (far - near) + s / math.pi * density
    for one, other, low, high in ((h, k, near_h, far_h), (k, h, near_k, far_k)):
        value -= math.sqrt(2 / math.pi) * np.exp(-0.5 * one * one) * other * (ndtr(-low) - ndtr(-high))
    value *= np.sqrt(q_u) * np.sqrt(q_v)
    return np.where(obtuse, -value, value), slope


def clipped_batch(q: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `clipped_pairs` of all pairs of a batch, (n, n), from variances (n,) and angles (n, n)."""
    if q.max() < 1.0 / 75.0:  # P(|u| > 1) < 1e-17: linear
        return np.sqrt(np.outer(q, q)) * np.cos(theta), np.ones_like(theta)
    if len(q) > _FEW:
        found = expand(lambda u, v, t: clipped_pairs(np.exp(u), np.exp(v), t), np.log(q), theta)
        if found is not None:
            value, slope = found
            np.fill_diagonal(value, clipped_second_moment(q))
            np.fill_diagonal(slope, clipped_slope(q))
            return value, slope
    one, other = np.triu_indices(len(q), 1)
    value, slope = clipped_pairs(q[one], q[other], theta[one, other])
    return symmetric(value, clipped_second_moment(q)), symmetric(slope, clipped_slope(q))
