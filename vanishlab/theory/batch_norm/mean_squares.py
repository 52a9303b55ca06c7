r"""How the mean square of a layer's activations varies over seeds, where skip connections add layers up.

A unit's h over the batch is the sum of its branches, h_l = h_{l-1} + s phi_l, and to first order each layer's phi is
drawn anew, from a law that its own fluctuations do not move: batch normalisation takes the size of h away. So units
are independent of each other, and phi_l of h_{l-1}. With Y_l = sum_a h_{l,a}^2 of a unit, t_l = Cov[Y_l, h_l] (n,),
f = sum_a phi_a^2, mu and m the means of h_{l-1} and phi, and C_h and C_phi their covariances over units,

    Var Y_l = Var Y_{l-1} + s^4 Var f + 4 s^2 (tr(E[h h^T] E[phi phi^T]) - (mu . m)^2)
              + 4 s m . t_{l-1} + 4 s^3 mu . Cov[f, phi]
    t_l     = t_{l-1} + 2 s^2 C_phi mu + 2 s C_h m + s^3 Cov[f, phi]

The mean of Y_l over n units has the relative variance Var Y_l / (n E[Y_l]^2). Everything here is kept in units of
E[Y_l], so that no size of h is out of range.
"""

import math
from typing import NamedTuple

import numpy as np

from vanishlab.theory.layers.covariances import Covariance


class UnitSquares(NamedTuple):
    """Of one unit's sum of squares over the batch, in units of its mean."""

    variance: float
    third: np.ndarray
    """Covariance with the unit's own values, in units of the mean to the power of 1.5, (n,)."""


def squares_of(values: np.ndarray, weight: np.ndarray) -> UnitSquares:
    """Return those of values (n, unit), which are drawn with these weights (unit,)."""
    square = np.einsum("ar,ar->r", values, values)
    mean = float(weight @ square)
    if not mean > 0:
        return UnitSquares(0.0, np.zeros(len(values)))
    apart = square / mean - 1.0
    return UnitSquares(float(weight @ apart**2), values @ (weight * apart) / math.sqrt(mean))


def add_branch(
    before: tuple[Covariance, np.ndarray, UnitSquares],
    branch: tuple[Covariance, np.ndarray, UnitSquares],
    scale: float,
    after: Covariance,
) -> UnitSquares:
    """Return the squares of h + scale * branch, whose second moments are `after`.

    Both are given as second moments, means over root mean squares (n,), and squares.
    """
    if scale == 0.0:
        return before[2]
    (own, mean, log_own), (new, mean_new, log_new) = (_over_trace(*each[:2]) for each in (before, branch))
    log_after = _over_trace(after, mean)[2]
    kept = math.exp(min(log_own - log_after, 600.0))
    added = math.exp(min(log_new + 2.0 * math.log(abs(scale)) - log_after, 600.0))
    sign = math.copysign(1.0, scale)
    variance, third = before[2]
    variance_new, third_new = branch[2]
    met = float(np.vdot(own, new)) - float(mean @ mean_new) ** 2
    return UnitSquares(
        kept**2 * variance
        + added**2 * variance_new
        + 4.0 * kept * added * met
        + 4.0 * sign * kept**1.5 * added**0.5 * float(mean_new @ third)
        + 4.0 * sign * kept**0.5 * added**1.5 * float(mean @ third_new),
        kept**1.5 * third
        + 2.0 * kept**0.5 * added * (new @ mean - mean_new * float(mean_new @ mean))
        + 2.0 * sign * kept * added**0.5 * (own @ mean_new - mean * float(mean @ mean_new))
        + sign * added**1.5 * third_new,
    )


def _over_trace(covariance: Covariance, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return second moments over their trace, means over its root, and its log."""
    matrix, log_scale = covariance.scaled()
    trace = float(np.trace(matrix))
    if not trace > 0:
        return np.zeros_like(matrix), np.zeros_like(mean), -1e300
    return matrix / trace, mean * np.sqrt(np.diag(matrix) / trace), log_scale + math.log(trace)
