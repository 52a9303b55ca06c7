r"""The rate at which batch normalisation makes gradients explode: the factor per layer, by batch size and activation.

Each unit's pre-activations over a batch of n examples, z ~ N(0, K), become u = (z - mean) / s, s^2 = mean (z - mean)^2.
In a wide network the covariance over the batch tends to one that treats all examples alike (the fixed point BSB1 of
[1]), whose centred part is K_c = kappa G, G = 1 - 11^T/n. There u is uniform on the sphere of radius sqrt(n) orthogonal
to 1, s^2 = kappa chi^2_{n-1} / n is independent of it, and with d = phi'(u)

    kappa        = sigma_w^2 (E[phi(u_1)^2] - E[phi(u_1) phi(u_2)])
    du/dz        = P / s,    P = G - u u^T / n
    S_{l-1}      = sigma_w^2 E[P D S_l D P] / s^2 averaged:  E[1/s^2] = n / (kappa (n - 3))

S, the covariance of deltas, has rows that sum to 0; of those matrices only G's multiples are alike for all examples, so
they alone carry the trace, and E|delta|^2 is multiplied by

    rate = n / ((n - 1)(n - 3)) * E[sum_ij P_ij G_ij d_i d_j] / (E[phi(u_1)^2] - E[phi(u_1) phi(u_2)])

per layer, whatever sigma_w is (the small constant that is added to s^2 is left out). Linear: (n - 2) / (n - 3). ReLU
tends to pi / (pi - 1) as n grows. Below four examples E[1/s^2] is infinite.

The expectations take u_1 alone or the pair (u_1, u_2), of correlation -1/(n - 1): the pair is R sin(x) (cos(psi +
theta/2), cos(psi - theta/2)) with R = sqrt(n - 1), psi uniform and x of density (n - 3) sin(x) cos(x)^(n - 4).

[1] Yang et al., 2019, arXiv:1902.08129.
"""

import math

import numpy as np

from vanishlab.activations import find_activation
from vanishlab.errors import check_integer
from vanishlab.theory.gaussian.quadrature import legendre

_NODES = 64  # a panel
_BULK = 10.0  # standard deviations


def batch_norm_rate(activation: str, batch_size: int) -> float:
    """Return the factor by which E|delta|^2 grows per layer on the way back, deep in a wide batch-normalised network.

    It is that of the fixed point at which all examples of the batch are alike, exact as the width grows; sigma_w and
    the biases do not matter. Raises `InputError` for an unknown name or fewer than 4 examples, where it is infinite.

    >>> round(batch_norm_rate("linear", 8), 6), round(batch_norm_rate("relu", 100_000), 3)
    (1.2, 1.467)
    """
    known = find_activation(activation)
    n = check_integer("batch_size", batch_size, 4)
    phi, slope, kinks = known.phi, known.slope, known.kinks
    u, weight = _single(n, kinks)
    second, slope2 = weight @ phi(u) ** 2, weight @ slope(u) ** 2
    moment = weight @ (u * slope(u)) ** 2
    a, b, weight = _pairs(n, kinks)
    shared = weight @ (phi(a) * phi(b))
    slopes = slope(a) * slope(b)
    trace = (n - 1) * ((1 - 1 / n) * slope2 - moment / n) + (1 - 1 / n) * (weight @ ((1 + a * b) * slopes))
    return float(n / ((n - 1) * (n - 3)) * trace / (second - shared))


def _single(n: int, kinks: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    # u_1 = R sin(y), y of density cos(y)^(n - 3).
    radius = math.sqrt(n - 1)
    top = min(0.5 * math.pi, _BULK / radius)
    edges = np.array([0.0, *(math.asin(kink / radius) for kink in kinks), 0.5 * top, top])
    y, weight = _panels(np.sort(edges))
    y, weight = np.concatenate([-y, y]), np.concatenate([weight, weight])
    weight = weight * np.cos(y) ** (n - 3)
    return radius * np.sin(y), weight / weight.sum()


def _pairs(n: int, kinks: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    radius, half = math.sqrt(n - 1), 0.5 * math.acos(-1.0 / (n - 1))
    edges = {-0.5 * math.pi + half, 0.5 * math.pi - half, 0.5 * math.pi + half}  # where u_1 or u_2 changes sign
    for kink in kinks:  # where the kink enters the disc, and where it is met by both at once
        reach = math.acos(min(kink / radius, 1.0))
        edges |= {0.0, 0.5 * math.pi}
        for centre in (half, -half):
            edges |= {(centre + reach) % math.pi, (centre - reach) % math.pi}
    lower = -0.5 * math.pi + half
    inside = sorted({lower + (edge - lower) % math.pi for edge in edges} | {lower, lower + math.pi})
    psi, psi_weight = _panels(np.array(inside))
    one, two = np.cos(psi + half), np.cos(psi - half)  # (psi,); the other half of the circle by the signs below
    top = min(0.5 * math.pi, _BULK / radius)
    breaks = [np.zeros_like(psi), np.full_like(psi, 0.5 * top), np.full_like(psi, top)]
    for kink in kinks:
        for side in (one, two):
            sine = np.minimum(kink / (radius * np.maximum(np.abs(side), 1e-300)), 1.0)
            breaks.append(np.minimum(np.arcsin(sine), top))
    edge = np.sort(np.stack(breaks, axis=1), axis=1)  # (psi, break)
    node, node_weight = legendre(_NODES)
    length = np.diff(edge, axis=1)
    x = (edge[:, :-1, None] + length[:, :, None] * node).reshape(len(psi), -1)  # (psi, x)
    weight = (length[:, :, None] * node_weight).reshape(len(psi), -1)
    weight = weight * psi_weight[:, None] * np.sin(x) * np.cos(x) ** (n - 4)
    a, b = (radius * np.sin(x) * side[:, None] for side in (one, two))
    a, b, weight = a.ravel(), b.ravel(), weight.ravel() / (2 * weight.sum())
    return np.concatenate([a, -a]), np.concatenate([b, -b]), np.concatenate([weight, weight])


def _panels(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Nodes crowd at the edges, where a small power of the distance may stand.
    node, weight = legendre(_NODES)
    low, length = edges[:-1, None], np.diff(edges)[:, None]
    x = low + length * 0.5 * (1.0 - np.cos(math.pi * node))
    return x.ravel(), (length * weight * 0.5 * math.pi * np.sin(math.pi * node)).ravel()
