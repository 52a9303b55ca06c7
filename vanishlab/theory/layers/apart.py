r"""How far apart examples stay on their way up: the energy that differs between them, to the last decade.

For every pair the gap g = 1 - c of the correlation c of two examples' h, and for every example the log of its size. One
less a correlation of 1 - 1e-20 is 0, so that small gaps have a recursion of their own, which is linear in them:

    z = W h + b     g_z = s_a s_b g + (1 - cos psi),   sin psi = sigma_w sigma_b |r_a - r_b| / sqrt(K_aa K_bb)
    h = phi(u)      g = q E[phi'^2] / E[phi^2] g_u + R / 8 (log q_a - log q_b)^2
                    R = E[(u phi')^2] / E[phi^2] - (E[u phi phi'] / E[phi^2])^2

with r the root mean squares of h and s the weights' share of sqrt(K). Gaps and sizes give, without a difference of
equal numbers,

    d_ab = E[(h_a - h_b)^2] = (r_a - r_b)^2 + 2 r_a r_b g_ab,     distinct share = mean d / (2 mean r^2)

and the centred examples' Gram matrix is -d / 2, less the means of its rows and columns. Where layers are skipped gaps
are 1 - c, and so they are with batch normalisation: shares below some 1e-14 are then rounding.
"""

import math
from typing import NamedTuple

import numpy as np

from vanishlab.activations import ACTIVATIONS, Activation
from vanishlab.config import NetworkConfig
from vanishlab.theory.gaussian.expectations import length_slope_moment, second_moment, slope_second_moment
from vanishlab.theory.gaussian.quadrature import expect
from vanishlab.theory.layers.covariances import Covariance, Forward
from vanishlab.theory.weight_variances import layer_scales

_NEAR, _NEAR_CLOSED = 1e-6, 1e-9  # gaps below go by the linear recursion; in closed form correlations know more digits
_SMALL = 1e-7  # differences of log size, likewise
_RESCALED = 1e-100  # gaps below are carried in another unit


class Apart(NamedTuple):
    """How the examples' h differ in each layer l = 1 .. L + 1, at infinite width; the readout's h are the logits."""

    log_share: np.ndarray  # (layer,): natural log of the distinct share; -inf where all examples are the same
    rank: np.ndarray  # (layer,): effective rank of the first examples; NaN where all are the same
    input_rank: float  # that of the inputs
    carried: np.ndarray  # (L,): dlog d_l / dlog d_{l-1} in the branch, at fixed sizes
    branch: np.ndarray  # (L,): the branch's part of d_l, 1 without skip


class Gaps(NamedTuple):
    """Gaps of all pairs, and sizes."""

    gap: np.ndarray  # (n, n) over exp(log_unit)
    size: np.ndarray  # (n,): log of the square less its mean, over exp(log_unit / 2)
    log_unit: float = 0.0

    @property
    def small(self) -> bool:
        """Whether sizes differ so little that they are known from their own recursion alone."""
        return self.log_unit < 0.0 or float(np.ptp(self.size)) < _SMALL

    @property
    def r(self) -> np.ndarray:
        """Root mean squares over their geometric mean, (n,)."""
        return np.ones_like(self.size) if self.small else np.exp(0.5 * self.size)

    def size_differences(self) -> np.ndarray:
        """Return r_a - r_b, (n, n), in units of exp(log_unit / 2)."""
        place = 0.5 * self.size if self.small else self.r
        return place[:, None] - place[None, :]

    def squared_distances(self) -> np.ndarray:
        """Return d, (n, n), in units of exp(log_unit) times the geometric mean of r^2."""
        distances = self.size_differences()
        distances *= distances
        if self.small:
            distances += 2.0 * self.gap
        else:
            distances += 2.0 * self.gap * np.outer(self.r, self.r)
        return distances


def stay_apart(network: NetworkConfig, way: Forward, sizes: tuple[tuple[int, int], ...], most: int) -> Apart:
    """Return how far apart the examples of `way` stay; the effective rank is that of the first `most`."""
    gaps = gaps_of(way.activation[0])
    input_rank = effective_rank(gaps.squared_distances()[:most, :most])
    found = []
    for place, fans in enumerate(sizes):
        passed_by = gaps
        gaps = _through_weights(gaps, way, place, *layer_scales(network, *fans))
        carried = branch = 1.0
        if place < network.depth:
            before, gaps = gaps, _through_activation(network, way, place, gaps)
            carried = _carried(network, way, place, before, gaps)
            if network.branch_scale is not None and place > 0:
                added = gaps
                if passed_by.squared_distances().any() or added.squared_distances().any():  # else a gap is rounding
                    gaps = gaps_of(way.activation[place + 1])
                branch = _part(network.branch_scale, way, place, added, gaps)
        found.append((log_share(gaps), effective_rank(gaps.squared_distances()[:most, :most]), carried, branch))
    share, rank, carried, branch = np.array(found).T
    return Apart(share, rank, input_rank, carried[:-1], branch[:-1])


def gaps_of(covariance: Covariance) -> Gaps:
    """Return the gaps as the correlations have them."""
    return Gaps(1.0 - covariance.correlation, _centred(covariance.log_diagonal))


def log_share(gaps: Gaps) -> float:
    """Return the log of the distinct share."""
    energy = float(gaps.squared_distances().mean())
    whole = float(np.square(gaps.r).mean())
    return math.log(energy / (2.0 * whole)) + gaps.log_unit if energy > 0 else -math.inf


def effective_rank(distances: np.ndarray) -> float:
    """Return (sum lambda)^2 / sum lambda^2 of the centred Gram matrix, from squared distances (n, n) of any unit."""
    gram = distances / (float(distances.max()) or 1.0)
    gram = gram - gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    squares = float((gram * gram).sum())
    return float(np.trace(gram)) ** 2 / squares if squares > 0 else math.nan


def _through_weights(gaps: Gaps, way: Forward, place: int, sigma_w2: float, sigma_b2: float) -> Gaps:
    log_sigma = np.maximum(way.activation[place].log_diagonal, -1e300)
    log_pre = np.maximum((way.log_pre[place] if place < len(way.log_pre) else way.logits.log_diagonal), -1e300)
    share = np.exp(np.minimum(0.5 * (math.log(sigma_w2) + log_sigma - log_pre), 0.0))  # (n,): s
    gap = gaps.gap * np.outer(share, share)
    if sigma_b2 > 0.0:
        bias = np.exp(0.5 * (math.log(sigma_b2) - log_pre))  # (n,): the bias's share of sqrt(K)
        sine2 = (gaps.size_differences() * np.outer(bias, share / gaps.r)) ** 2
        absolute = np.minimum(sine2, 1.0) if gaps.log_unit == 0.0 else 0.0
        gap += sine2 / (1.0 + np.sqrt(1.0 - absolute))
    size = gaps.size * float((share**2).mean()) if gaps.small else _centred(log_pre)
    return Gaps(gap, size, gaps.log_unit)


def _through_activation(network: NetworkConfig, way: Forward, place: int, gaps: Gaps) -> Gaps:
    phi, kernels, log_norm = ACTIVATIONS[network.activation], way.kernels[place], way.log_norm[place]
    log_pre = way.log_pre[place]
    log_q = log_pre - log_norm
    if network.normalization == "none":
        size = gaps.size
    else:  # what eps leaves of a difference in size
        size = gaps.size * float(-np.expm1(log_q).mean()) if gaps.small else _centred(log_q)
    unit = math.exp(gaps.log_unit)
    closed = phi.leak is not None or bool(phi.closed_form)
    near = gaps.gap * unit < (_NEAR_CLOSED if closed else _NEAR)
    apart = (size[:, None] - size[None, :]) ** 2
    if not phi.scale_free:
        near &= apart * unit < 4 * _NEAR
    q = in_range(log_q)
    second = second_moment(network.activation, q)
    length = length_slope_moment(network.activation, q) / second  # dlog E[phi^2] / dlog q
    gap = 1.0 - kernels.correlation
    if gaps.log_unit < 0.0 or np.count_nonzero(near) > len(near):  # all are near themselves
        ratio = q * slope_second_moment(network.activation, q) / second
        linear = 0.5 * (ratio[:, None] + ratio[None, :]) * gaps.gap + 0.125 * _radial(phi, q, second, length) * apart
        gap = linear if gaps.log_unit < 0.0 else np.where(near, linear, gap)
    np.fill_diagonal(gap, 0.0)
    size = float(length.mean()) * size if gaps.small else _centred(kernels.log_second)
    top = max(float(gap.max()), float(np.square(size).max()))
    if top > 0.0 and math.log(top) + gaps.log_unit < math.log(_RESCALED):
        return Gaps(gap / top, size / math.sqrt(top), gaps.log_unit + math.log(top))
    return Gaps(gap, size, gaps.log_unit)


def _radial(phi: Activation, q: np.ndarray, second: np.ndarray, length: np.ndarray) -> float:
    # R, of a typical input: only those near each other in size are asked for.
    typical, own = float(length.mean()), float(second.mean())
    if phi.closed_form == "clipped":  # phi is u wherever its slope is not 0
        return typical - typical**2
    squared = expect(lambda u: (u * phi.slope(u)) ** 2, np.array([q.mean()]))
    return max(float(squared[0]) / own - typical**2, 0.0)


def _carried(network: NetworkConfig, way: Forward, place: int, before: Gaps, after: Gaps) -> float:
    # dE[phi_a phi_b] = sqrt(q_a q_b) E[phi'_a phi'_b] dc, over half of d
    kernels = way.kernels[place]
    log_q, typical = _floored(way.log_pre[place] - way.log_norm[place]), float(_floored(kernels.log_second).mean())
    root = np.exp(np.minimum(0.5 * (log_q + kernels.log_slope - typical), 300.0))
    moved = float((before.gap * kernels.slope_correlation * np.outer(root, root)).sum())
    total = 0.5 * float(after.squared_distances().sum())
    return min(moved / total * math.exp(before.log_unit - after.log_unit), 1.0) if total > 0 else 1.0


def _part(scale: float, way: Forward, place: int, added: Gaps, both: Gaps) -> float:
    own, whole = (float(gaps.squared_distances().sum()) for gaps in (added, both))
    logs = way.kernels[place].log_second, way.activation[place + 1].log_diagonal
    log_ratio = float(_floored(logs[0]).mean() - _floored(logs[1]).mean()) + added.log_unit
    return min(scale**2 * own / whole * math.exp(min(log_ratio, 300.0)), 1.0) if whole > 0 else 0.0


def in_range(log_q: np.ndarray) -> np.ndarray:
    """Return variances that the expectations hold for: below, phi is its tangent at 0."""
    return np.exp(np.clip(log_q, math.log(1e-30), math.log(9e4)))


def _centred(log: np.ndarray) -> np.ndarray:
    log = _floored(log)
    return log - log.mean()


def _floored(log: np.ndarray) -> np.ndarray:
    # An input of 0 is one that is e^300 times smaller than the largest.
    return np.maximum(log, log.max() - 600.0) if log.max() > -math.inf else np.zeros_like(log)
