r"""Gaussian integrals in one and two dimensions by panels of Gauss-Legendre nodes, exact to rounding at any variance.

In polar coordinates a pair u = sqrt(q_u) r cos(psi + theta/2), v = sqrt(q_v) r cos(psi - theta/2) has variances q_u and
q_v and correlation cos(theta), with r of density r exp(-r^2/2) and psi uniform:

    E[f(u) f(v)] = 1/(2 pi) int dpsi int dr r exp(-r^2/2) f(u) f(v)

The signs of u and v split the circle into four sectors with edges where u = 0 or v = 0, so that a kink of f at zero
never lies inside a panel and no cancellation occurs as theta -> 0. Panels shrink by halves towards r = 0 and towards
the edges, down to the scale 1/sqrt(q) on which f(sqrt(q) x) bends; the number of panels grows with log q only.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from vanishlab.activations import Function

# Nodes per panel, radial and angular; where there are many panels fewer do. Errors below 1e-11 for every phi, and below
# 1e-9 for the fewer, against 32 nodes a panel.
_NODES, _FEWER_NODES, _MANY = (14, 16), (12, 12), 3
_CHUNK = 15_000  # entries at a time: they stay in the cache
HalvesOf = Callable[[np.ndarray], tuple[np.ndarray, ...]]

_RADIUS = 9.0  # exp(-81/2) = 3e-18


@functools.lru_cache(maxsize=256)
def legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss-Legendre nodes and weights on [0, 1], each (nodes,)."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    return 0.5 * (x + 1.0), 0.5 * w


def halvings(q: float) -> int:
    """Return how often panels must be halved to reach the scale 1 / sqrt(q)."""
    return max(0, math.ceil(0.5 * math.log2(max(q, 1e-300))))


@functools.lru_cache(maxsize=64)
def graded(count: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights on [0, 1] in count + 1 panels that shrink by halves towards 0."""
    x, w = legendre(nodes)
    edges = [0.0, *(2.0**-j for j in range(count, -1, -1))]
    low, length = np.array(edges[:-1])[:, None], np.diff(edges)[:, None]
    return (low + length * x).ravel(), (length * w).ravel()


@functools.lru_cache(maxsize=64)
def radial(count: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes r in [0, 9] and weights for int dr f(r), (r,)."""
    x, w = graded(count + 2, nodes)
    return _RADIUS * x, _RADIUS * w


def expect(f: Function, q: np.ndarray) -> np.ndarray:
    """Return E[f(sqrt(q) x)], x ~ N(0, 1), of q's shape; f may have a kink at 0."""
    q = np.asarray(q, dtype=np.float64)
    r, w = radial(halvings(float(q.max(initial=0.0))), 20)
    weight = w * np.exp(-0.5 * r * r) / math.sqrt(2 * math.pi)  # (r,)
    u = np.sqrt(q)[..., None] * r  # (..., r)
    return (f(u) + f(-u)) @ weight


def expect_pairs(f: Function, q: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return E[f(u) f(v)] for all variances and angles, (theta, q, q): correlation cos(theta), theta in [0, pi]."""
    return expect_both(lambda u: (f(u), f(-u)), q, theta)[:, 0]


def expect_both(halves: HalvesOf, q: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return `expect_pairs` of several functions at once, (theta, function, q, q).

    `halves` gives f(u) and f(-u) of each one in turn, at u >= 0.
    """
    count = halvings(float(q.max()))
    return np.stack([_expect_angle(halves, np.sqrt(q), float(angle), count) for angle in theta])


def _expect_angle(halves: HalvesOf, scale: np.ndarray, theta: float, count: int) -> np.ndarray:
    radial_nodes, angular_nodes = _NODES if count < _MANY else _FEWER_NODES
    r, radial_weight = radial(count, radial_nodes)
    radial_weight = radial_weight * r * np.exp(-0.5 * r * r) / (2 * math.pi)
    x, w = graded(count, angular_nodes)  # on half a sector, from the edge where u = 0 to its middle
    total: list[np.ndarray] = []
    chunk = max(1, _CHUNK // (len(scale) * len(r)))
    for half, same_sign in ((0.5 * (math.pi - theta), True), (0.5 * theta, False)):
        if half <= 0:
            continue
        for start in range(0, len(x), chunk):
            part = slice(start, start + chunk)
            weight = half * w[part, None] * radial_weight  # (angle, r)
            # Where u stands at one distance from its edge, v stands at the mirrored one from its own.
            near = scale[:, None, None] * (np.sin(half * x[part])[:, None] * r)  # (q, angle, r)
            far = scale[:, None, None] * (np.sin(half * (2.0 - x[part]))[:, None] * r)
            at_near, at_far = halves(near), halves(far)
            parts = [
                _contract(up * weight, at_far[i if same_sign else i + 1])
                + _contract(down * weight, at_far[i + 1 if same_sign else i])
                for i, up, down in zip(range(0, len(at_near), 2), at_near[::2], at_near[1::2], strict=True)
            ]
            total = [old + new for old, new in zip(total, parts, strict=True)] if total else parts
    return np.stack([part + part.T for part in total])


def _contract(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a.reshape(len(a), -1) @ b.reshape(len(b), -1).T
