r"""The rate at which a profile over the layers decays: fitted with its confidence interval, overall and piecewise.

A profile y_l is log10 of delta's norm, from the input to the readout. On its way back delta is multiplied by a random
factor per layer, so y is a random walk with drift; on top of it, layers of different kinds stand a little higher or
lower for reasons of their own, which is noise of the levels. Both together, for the increments d_l = y_{l+1} - y_l:

    d = rate + q-noise + (e_{l+1} - e_l),     cov(d) = q I + r T,     T tridiagonal (-1, 2, -1)

T's eigenvectors are sines and its eigenvalues 2 - 2 cos(pi k / (m + 1)), whatever q and r, so generalised least squares
is a sum over k. The ratio r / q is unknown; rate and variance are averaged over a grid of it, each ratio weighted by
its likelihood. With r = 0 the rate is the mean increment, with q = 0 the ordinary least-squares slope. A textbook
slope's interval takes the walk for noise around a line and is many times too narrow: with 30 layers it misses the true
rate more often than not.

Pieces are those of the increments, cut where a cut lowers the sum of squares by more than its penalty (optimal
partitioning, arXiv:1101.1438), after valleys are filled: a layer that stands low between two higher ones is a side
branch (a query of attention, a gated branch), for what had been lost there could not have come through.

    >>> decay = fit_decay(np.array([-6.0, -5.0, -4.0, -3.0, -2.0]))
    >>> round(decay.rate, 6), round(decay.total, 6), len(decay.segments)
    (1.0, 4.0, 1)
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

_LEVEL = 0.95
_NOISE_RATIOS = (0.0, *np.geomspace(0.01, 100.0, 17), math.inf)  # r / q
_SIDE_BRANCH = 1.0
"""Decades by which a layer stands below what passes by it and is left out of the rate: a walk of usual steps (0.06 to
0.3 decades a layer) does not come back from so far, and queries and keys of attention stand two to nine below."""
_LEAST_NOISE = 0.06
"""Decades by which a layer's factor varies by its finite width alone: half of sqrt(5 / n) / ln 10 at n = 64, the
standard deviation that arXiv:1812.05994 finds for the log of the squared gradient of a ReLU layer."""


class Segment(NamedTuple):
    """A run of neighbouring layers with one rate, by their places in the profile."""

    first: int
    last: int
    rate: float
    """Decades that delta gains per layer from `first` to `last`; positive where it vanishes on its way back."""

    @property
    def total(self) -> float:
        """Decades over the whole segment."""
        return self.rate * (self.last - self.first)


@dataclass(frozen=True)
class Decay:
    """How a profile falls on the way from the readout back to the input, in decades (factors of ten)."""

    rate: float
    """Decades lost per layer: 10^-rate is the factor. Negative where the profile grows on its way back."""
    low: float
    high: float
    """The 95 % confidence interval of the rate; infinite with fewer than three layers."""
    total: float
    """Decades lost between the last layer and the first."""
    layers: int
    segments: tuple[Segment, ...]

    @property
    def factor(self) -> float:
        """What delta is multiplied by per layer on its way back; infinite beyond float64."""
        with np.errstate(over="ignore"):
            return float(np.power(10.0, -self.rate))


def fit_decay(profile: np.ndarray) -> Decay:
    """Fit `profile` (layer,), log10 of a norm from the first layer to the last; all entries must be finite."""
    layers = len(profile)
    if layers < 2:
        return Decay(math.nan, -math.inf, math.inf, 0.0, layers, ())
    passing = fill_valleys(profile)
    rate, error = _drift(np.diff(np.where(passing - profile > _SIDE_BRANCH, passing, profile)))
    # Student's t, one degree of freedom gone for the rate.
    width = error * float(stdtrit(layers - 2, 0.5 + _LEVEL / 2)) if layers > 2 else math.inf
    total = float(profile[-1] - profile[0])
    return Decay(rate, rate - width, rate + width, total, layers, _segments(passing))


def fill_valleys(profile: np.ndarray) -> np.ndarray:
    """Return the profile with every layer raised to what stands higher on both of its sides: (layer,) -> (layer,).

    >>> fill_valleys(np.array([0.0, -3.0, -1.0, 0.0, -2.0])).tolist()
    [0.0, 0.0, 0.0, 0.0, -2.0]
    """
    before = np.maximum.accumulate(profile)
    after = np.maximum.accumulate(profile[::-1])[::-1]
    return np.minimum(before, after)


def _drift(increments: np.ndarray) -> tuple[float, float]:
    """Return the mean of `increments` (m,) by generalised least squares, and its standard error."""
    m = len(increments)
    k = np.arange(1, m + 1)
    sines = np.sqrt(2.0 / (m + 1)) * np.sin(np.pi * np.outer(k, k) / (m + 1))  # (k, increment)
    ones, data = sines.sum(1), sines @ increments
    waves = 2.0 - 2.0 * np.cos(np.pi * k / (m + 1))
    rates, errors, likelihoods = [], [], []
    for ratio in _NOISE_RATIOS:
        variances = waves if math.isinf(ratio) else 1.0 + ratio * waves  # of each sine's share, up to a factor
        weight = (ones**2 / variances).sum()
        rate = float((ones * data / variances).sum() / weight)
        squares = float(((data - rate * ones) ** 2 / variances).sum())
        if squares < 1e-20:  # a straight line, whatever the noise
            return rate, 0.0
        scale = squares / max(m - 1, 1)
        rates.append(rate)
        errors.append(math.sqrt(scale / weight))
        # Restricted likelihood: that of the increments' differences, which a rate does not enter.
        likelihoods.append(-0.5 * ((m - 1) * math.log(scale) + np.log(variances).sum() + math.log(weight)))
    share = np.exp(np.array(likelihoods) - max(likelihoods))
    share[0] *= len(share)  # half of the prior on the pure walk, which a plain network's delta is
    share /= share.sum()
    rate = float(share @ rates)
    return rate, math.sqrt(float(share @ (np.square(errors) + np.square(np.array(rates) - rate))))


def _segments(profile: np.ndarray) -> tuple[Segment, ...]:
    increments = np.diff(profile)
    m = len(increments)
    spread = 1.4826 * float(np.median(np.abs(increments - np.median(increments))))
    # A new piece has a mean and a place, so it must gain what the longest run of pure noise would: 2 x 2 log m.
    penalty = 4.0 * math.log(max(m, 2)) * max(spread, _LEAST_NOISE) ** 2
    sums = np.concatenate([[0.0], np.cumsum(increments)])
    squares = np.concatenate([[0.0], np.cumsum(increments**2)])
    cost = np.zeros(m + 1)
    cut = np.zeros(m + 1, dtype=np.int64)
    for end in range(1, m + 1):
        starts = np.arange(end)
        within = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        totals = cost[starts] + within + penalty
        cut[end] = int(np.argmin(totals))
        cost[end] = totals[cut[end]]
    pieces, end = [], m
    while end > 0:
        start = int(cut[end])
        pieces.append(Segment(start, end, float((sums[end] - sums[start]) / (end - start))))
        end = start
    return tuple(reversed(pieces))
