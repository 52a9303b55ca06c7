r"""The activations whose Gaussian expectations have a closed form: erf, and the clipped identity hardtanh.

    erf                  E[phi phi] = 2/pi atan2(2 c sqrt(q_u q_v), r)                   E[phi' phi'] = 4 / (pi r)
                         with r^2 = 1 + 2 q_u + 2 q_v + 4 q_u q_v sin^2(theta)                               [1]
    hardtanh             by tail probabilities of the truncated Gaussian (`clipped`)

An activation names its form in its entry (`closed_form`); every other goes by quadrature.

[1] Williams, 1996 (NeurIPS).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vanishlab.activations import Activation
from vanishlab.theory.gaussian.clipped import clipped_batch, clipped_pairs, clipped_second_moment, clipped_slope

FLOOR = 1e-30  # variances below it scale as phi's tangent at 0


class ClosedForm(NamedTuple):
    """Expectations of phi and phi' in closed form; what is None, quadrature does as well."""

    second_moment: Callable[[np.ndarray], np.ndarray]
    """E[phi(u)^2] for u ~ N(0, q), of q's shape."""
    slope_second_moment: Callable[[np.ndarray], np.ndarray]
    """E[phi'(u)^2] likewise."""
    pairs: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """E[phi(u) phi(v)] and E[phi'(u) phi'(v)] elementwise, for two variances and the angle between u and v."""
    batch: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    """`pairs` of all pairs of a batch, (n, n), from variances (n,) and angles (n, n)."""
    fourth_moments: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None
    """E[phi^4], E[phi'^4] and E[phi^2 phi'^2], each of q's shape."""
    length_slope: Callable[[np.ndarray], np.ndarray] | None = None
    """E[u phi(u) phi'(u)]."""


def closed_form(activation: Activation) -> ClosedForm | None:
    """Return the closed form of an activation's expectations, None where it goes by quadrature."""
    return _FORMS[activation.closed_form] if activation.closed_form else None


def _erf_pairs(q_u: np.ndarray, q_v: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    root = np.sqrt(1 + 2 * q_u + 2 * q_v + 4 * q_u * q_v * np.sin(theta) ** 2)
    value = (2 / math.pi) * np.arctan2(2 * np.sqrt(q_u * q_v) * np.cos(theta), root)
    return value, (4 / math.pi) / root


def _clipped_second_moment(q: np.ndarray) -> np.ndarray:
    return np.where(q > 0, clipped_second_moment(np.maximum(q, FLOOR)) * np.minimum(q / FLOOR, 1.0), 0.0)


def _clipped_pairs(q_u: np.ndarray, q_v: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, slope = clipped_pairs(np.maximum(q_u, FLOOR), np.maximum(q_v, FLOOR), theta)
    return np.where(np.minimum(q_u, q_v) < FLOOR, 0.0, value), slope


def _clipped_fourth_moments(q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    h = 1.0 / np.sqrt(np.maximum(q, FLOOR))
    density, inside = np.exp(-0.5 * h * h) * math.sqrt(2 / math.pi), clipped_slope(np.maximum(q, FLOOR))
    second = q * (inside - h * density)
    fourth = q * q * (3 * inside - (h**3 + 3 * h) * density)
    return fourth + 1 - inside, inside, second


_FORMS = {
    "erf": ClosedForm(
        second_moment=lambda q: (2 / math.pi) * np.arctan2(2 * q, np.sqrt(1 + 4 * q)),
        slope_second_moment=lambda q: (4 / math.pi) / np.sqrt(1 + 4 * q),
        pairs=_erf_pairs,
        batch=lambda q, theta: _erf_pairs(q[:, None], q[None, :], theta),
    ),
    "clipped": ClosedForm(
        second_moment=_clipped_second_moment,
        slope_second_moment=lambda q: clipped_slope(np.maximum(q, FLOOR)),
        pairs=_clipped_pairs,
        batch=clipped_batch,
        fourth_moments=_clipped_fourth_moments,
        length_slope=lambda q: _clipped_fourth_moments(q)[2],  # phi is u where its slope is 1
    ),
}
