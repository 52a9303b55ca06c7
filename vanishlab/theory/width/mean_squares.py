r"""How the mean square of a normalised layer's activations varies over seeds, where skip connections add layers up.

A unit's h over the batch is the sum of its branches, h_l = h_{l-1} + s phi_l, and to first order each layer's phi is
drawn anew, from a law that its own fluctuations do not move: normalisation takes the size of h away. So phi_l is
independent of h_{l-1}, and what varies are sums over units. With batch normalisation units are independent of each
other; layer and RMS normalisation keep a layer's sum over units of u_a^2 (and of u_a), and what a sum owes to these
does not vary. R_phi is the covariance over units of phi, f = sum_a phi_a^2 and c = Cov[f, phi], each without what is
owed so; with mu and m the means of h_{l-1} and phi, C_h and C_phi their whole covariances over units, and of the sums
over units Y_l of sum_a h_{l,a}^2 and H_l of h_l (n,), per unit, t_l = Cov[Y_l, H_l] and P_l = Cov[H_l, H_l],

    Var Y_l = Var Y_{l-1} + s^4 Var f + 4 s^2 (tr(C_h C_phi) + m . P_{l-1} m + mu . R_phi mu)
              + 4 s m . t_{l-1} + 4 s^3 mu . c
    t_l     = t_{l-1} + 2 s^2 R_phi mu + 2 s P_{l-1} m + s^3 c,        P_l = P_{l-1} + s^2 R_phi

The mean of Y_l over n units has the relative variance Var Y_l / (n E[Y_l]^2). Everything here is kept in units of
E[Y_l], so that no size of h is out of range.
"""

import math
from typing import NamedTuple

import numpy as np

from vanishlab.activations import ACTIVATIONS
from vanishlab.config import NetworkConfig
from vanishlab.theory.gaussian.expectations import relative_mean
from vanishlab.theory.gaussian.unit_moments import drawn_units
from vanishlab.theory.layers.covariances import Covariance, Forward, skip

_SEED = 20181212


class UnitSquares(NamedTuple):
    """Covariances of sums over units, per unit, in units of the mean square's powers."""

    variance: float
    """Of the squares, summed over the batch."""
    third: np.ndarray
    """Of these with the values, (n,)."""
    values: np.ndarray
    """Of the values, (n, n)."""


class Moments(NamedTuple):
    """What is known of h or of a branch."""

    second: Covariance
    mean: np.ndarray
    """Over root mean squares, (n,)."""
    squares: UnitSquares


def squares_of(values: np.ndarray, weight: np.ndarray, second: np.ndarray) -> UnitSquares:
    """Return those of values (n, unit), drawn with these weights (unit,), whose second moments (n, n) are known."""
    square = np.einsum("ar,ar->r", values, values)
    mean = float(weight @ square)
    if not mean > 0:
        return UnitSquares(0.0, np.zeros(len(values)), np.zeros((len(values), len(values))))
    apart, means = weight * (square / mean - 1.0), values @ weight
    variance = float(apart @ square) / mean
    return UnitSquares(variance, values @ apart / math.sqrt(mean), (second - np.outer(means, means)) / mean)


def squares_less_kept(values: np.ndarray, kept: np.ndarray) -> UnitSquares:
    """Return those of values (n, unit), drawn alike often, less what a layer's sums over units owe to `kept`.

    Its columns (unit, k) are orthonormal.
    """
    square = (values**2).sum(axis=0)
    mean = float(square.mean())
    if not mean > 0:
        return UnitSquares(0.0, np.zeros(len(values)), np.zeros((len(values), len(values))))
    apart = np.vstack([square / mean - 1.0, (values - values.mean(axis=1, keepdims=True)) / math.sqrt(mean)])
    apart -= apart @ kept @ kept.T  # (1 + n, unit)
    both = apart @ apart.T / len(square)
    return UnitSquares(float(both[0, 0]), both[0, 1:], both[1:, 1:])


def add_branch(before: Moments, branch: Moments, scale: float, after: Covariance) -> UnitSquares:
    """Return the squares of h + scale * branch, whose second moments are `after`."""
    if scale == 0.0:
        return before.squares
    (own, mean, log_own), (new, mean_new, log_new) = (_over_trace(*each[:2]) for each in (before, branch))
    log_after = _over_trace(after, mean)[2]
    kept = math.exp(min(log_own - log_after, 600.0))
    added = math.exp(min(log_new + 2.0 * math.log(abs(scale)) - log_after, 600.0))
    sign = math.copysign(1.0, scale)
    variance, third, values = before.squares
    variance_new, third_new, values_new = branch.squares
    met = float(np.vdot(own - np.outer(mean, mean), new - np.outer(mean_new, mean_new)))
    met += float(mean_new @ values @ mean_new + mean @ values_new @ mean)
    return UnitSquares(
        kept**2 * variance
        + added**2 * variance_new
        + 4.0 * kept * added * met
        + 4.0 * sign * kept**1.5 * added**0.5 * float(mean_new @ third)
        + 4.0 * sign * kept**0.5 * added**1.5 * float(mean @ third_new),
        kept**1.5 * third
        + 2.0 * kept**0.5 * added * (values_new @ mean)
        + 2.0 * sign * kept * added**0.5 * (values @ mean_new)
        + sign * added**1.5 * third_new,
        kept * values + added * values_new,
    )


def added_squares(network: NetworkConfig, way: Forward, few: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return Var Y_l / E[Y_l]^2 of each hidden layer, (L,), of a network with layer or RMS normalisation.

    The batch is its examples `few`; units are drawn at the layers `places`, the same ones each time.
    """
    name, scale, block = network.activation, network.branch_scale, np.ix_(few, few)
    assert scale is not None
    inputs = [before - norm for before, norm in zip(way.log_pre, way.log_norm, strict=True)]
    drawn = []
    for place in places:
        generator = np.random.default_rng(_SEED)
        units, kept = drawn_units(
            name, inputs[place][few], way.pre_correlation[place][block], generator, network.normalization
        )
        assert kept is not None
        drawn.append(squares_less_kept(ACTIVATIONS[name].phi(units), kept))
    found: list[float] = []
    state: Moments | None = None
    for place, kernels in enumerate(way.kernels):
        second = Covariance(kernels.log_second[few], kernels.correlation[block])
        branch = Moments(second, relative_mean(name, inputs[place][few]), _between(drawn, places, place))
        if state is None:
            state = branch
        else:
            second, mean = skip(state.second, second, scale, state.mean, branch.mean)
            state = Moments(second, mean, add_branch(state, branch, scale, second))
        found.append(max(state.squares.variance, 0.0))
    return np.array(found)


def _between(drawn: list[UnitSquares], places: np.ndarray, place: int) -> UnitSquares:
    """Return the squares at a place between those where units were drawn: they change smoothly with depth."""
    right = int(np.clip(np.searchsorted(places, place), 1, len(places) - 1)) if len(places) > 1 else 0
    left = max(right - 1, 0)
    share = (place - places[left]) / max(places[right] - places[left], 1)
    return UnitSquares(*((1.0 - share) * a + share * b for a, b in zip(drawn[left], drawn[right], strict=True)))


def _over_trace(covariance: Covariance, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return second moments over their trace, means over its root, and its log."""
    matrix, log_scale = covariance.scaled()
    trace = float(np.trace(matrix))
    if not trace > 0:
        return np.zeros_like(matrix), np.zeros_like(mean), -1e300
    return matrix / trace, mean * np.sqrt(np.diag(matrix) / trace), log_scale + math.log(trace)
