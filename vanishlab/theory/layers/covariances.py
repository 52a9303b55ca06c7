r"""Forward and backward covariances of a wide network over a batch, layer by layer, on a logarithmic scale.

Forward, for every pair (a, b) of inputs, with Sigma_0 = x_a . x_b / features and u = z / sqrt(K_aa + 1e-5) where layer
or RMS normalisation stands, else u = z:

    K_l = sigma_w^2 Sigma_{l-1} + sigma_b^2,        Sigma_l = E[phi(u_a) phi(u_b)]                          [1]
    with skip:  Sigma_l = Sigma_{l-1} + s (mu_{l-1,a} m_b + m_a mu_{l-1,b}) + s^2 E[phi phi],
                mu_l = mu_{l-1} + s m,  m = E[phi(u)]

Backward, S_l the covariance of deltas dloss/dz_l summed over units, T_l that of dloss/dh_l (its seed: the readout's
errors), with weights on the way back taken as independent of those on the way there [2]:

    T_L = sigma_w^2 S_{L+1},     S_l = s^2 T_l o E[phi'(u_a) phi'(u_b)] / normalisation,
    T_{l-1} = sigma_w^2 S_l  (+ T_l with skip)

Covariances are kept as a log of the diagonal and a matrix of correlations (forward) or as a matrix of size 1 and one
log scale (backward), so that a delta of 1e-800 keeps its digits.

[1] Lee et al., 2018, arXiv:1711.00165.  [2] Schoenholz et al., 2017, arXiv:1611.01232; Yang, 2019, arXiv:1902.04760.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vanishlab.activations import ACTIVATIONS
from vanishlab.config import NORMALIZATION_EPS, NetworkConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError
from vanishlab.theory.gaussian.expectations import (
    LayerKernels,
    check_variance,
    first_moment,
    layer_kernels,
    relative_mean,
    second_moment,
)
from vanishlab.theory.layers.first_layer import first_layer_kernels
from vanishlab.theory.weight_variances import layer_scales

_SMALLEST_INPUT = 1e-120


class Covariance(NamedTuple):
    """cov_ab = exp((log_diagonal_a + log_diagonal_b) / 2) correlation_ab."""

    log_diagonal: np.ndarray  # (n,)
    correlation: np.ndarray  # (n, n)

    @property
    def log_mean(self) -> float:
        """Log of the mean of the diagonal."""
        return log_mean(self.log_diagonal)

    def scaled(self) -> tuple[np.ndarray, float]:
        """Return the covariance over exp(log), (n, n), and that log."""
        top = float(self.log_diagonal.max())
        if top == -math.inf:
            return np.zeros_like(self.correlation), 0.0
        root = np.exp(0.5 * (self.log_diagonal - top))
        return self.correlation * np.outer(root, root), top


class Forward(NamedTuple):
    """The way there: lists over layers; kernels of hidden layers only."""

    log_pre: list[np.ndarray]  # log diagonal of K_l, (n,), l = 1 .. L
    pre_correlation: list[np.ndarray]  # of K_l, (n, n), l = 1 .. L
    logits: Covariance  # K_{L+1}
    activation: list[Covariance]  # Sigma_l, l = 0 .. L
    kernels: list[LayerKernels]  # l = 1 .. L
    log_norm: list[np.ndarray]  # log of (K_aa + eps) where normalised, else 0, (n,), l = 1 .. L


def forward(network: NetworkConfig, data: Dataset) -> Forward:
    """Return the forward covariances of `network` on the inputs of `data`."""
    sizes = network.layer_sizes(data.features, data.num_classes)
    sigma = input_covariance(data)
    log_pre: list[np.ndarray] = []
    correlations: list[np.ndarray] = []
    activation, hidden, log_norms = [sigma], [], []
    mu = np.zeros(len(data.y))  # (n,): mean of h over its root mean square
    for layer, (fan_in, fan_out) in enumerate(sizes):
        sigma_w2, sigma_b2 = layer_scales(network, fan_in, fan_out)
        pre = affine(sigma, sigma_w2, sigma_b2)
        if layer == network.depth:
            return Forward(log_pre, correlations, pre, activation, hidden, log_norms)
        log_pre.append(pre.log_diagonal)
        correlations.append(pre.correlation)
        log_q, log_norm = pre.log_diagonal, np.zeros(len(data.y))
        if network.normalization != "none":
            log_norm = np.logaddexp(log_q, math.log(NORMALIZATION_EPS))
            log_q = log_q - log_norm
        kernels = first_layer_kernels(network, data.x) if layer == 0 else None
        if kernels is None:
            kernels = layer_kernels(network.activation, log_q, pre.correlation)
        branch = Covariance(kernels.log_second, kernels.correlation)
        scale = network.branch_scale if layer > 0 else None
        if network.branch_scale is not None:
            means = relative_mean(network.activation, log_q)
            sigma, mu = (branch, means) if scale is None else skip(sigma, branch, scale, mu, means)
        else:
            sigma = branch
        hidden.append(kernels)
        log_norms.append(log_norm)
        activation.append(sigma)
    raise AssertionError("the readout returns")


def check_range(network: NetworkConfig, data: Dataset) -> None:
    """Raise `InputError` if the largest input's variance leaves the kernels' range, before any kernel is worked out."""
    if ACTIVATIONS[network.activation].scale_free or network.normalization != "none":
        return
    sigma, mu = float((data.x**2).mean(axis=1).max()), 0.0
    for layer, (fan_in, fan_out) in enumerate(network.layer_sizes(data.features, data.num_classes)[:-1]):
        sigma_w2, sigma_b2 = layer_scales(network, fan_in, fan_out)
        q = sigma_w2 * sigma + sigma_b2
        check_variance(network.activation, q)
        branch, means = float(second_moment(network.activation, q)), float(first_moment(network.activation, q))
        scale = network.branch_scale if layer > 0 else None
        sigma = branch if scale is None else sigma + 2 * scale * mu * means + scale**2 * branch
        mu = means if scale is None else mu + scale * means


def backward(
    network: NetworkConfig, way: Forward, sizes: tuple[tuple[int, int], ...]
) -> Iterator[tuple[np.ndarray, float]]:
    """Yield B_l over exp(log), (n, n), and that log for l = L + 1 .. 1: S_l = B_l o S_{L+1}, so B_{L+1} = 1."""
    here, log_here = np.ones_like(way.logits.correlation), 0.0
    yield here, log_here
    skipping: tuple[np.ndarray, float] | None = None
    for layer in range(network.depth, 0, -1):
        back, log_back = here, log_here + math.log(layer_scales(network, *sizes[layer])[0])  # T_l
        if skipping is not None:
            back, log_back = add(back, log_back, *skipping)
        scale = network.branch_scale if layer > 1 else None
        skipping = (back, log_back) if network.branch_scale is not None and layer > 1 else None
        kernels = way.kernels[layer - 1]
        root = 0.5 * (kernels.log_slope - way.log_norm[layer - 1])  # (n,)
        top = max(float(root.max()), -1e300)  # of inputs that are 0, where the slope may be
        factor = np.exp(root - top)
        here, log_here = back * kernels.slope_correlation, log_back + 2 * top
        if (factor != 1.0).any():
            here *= factor[:, None]
            here *= factor
        if scale is not None:
            here, log_here = (here, log_here + 2 * math.log(abs(scale))) if scale else (np.zeros_like(here), log_back)
        size = float(np.diag(here).max())
        if size > 0:
            here *= 1.0 / size
            log_here += math.log(size)
        yield here, log_here


def input_covariance(data: Dataset) -> Covariance:
    """Return Sigma_0 = x_a . x_b / features.

    Raises `InputError` for inputs whose squares float64 does not hold.
    """
    largest = float(np.abs(data.x).max())
    if largest > 0 and not _SMALLEST_INPUT <= largest <= 1.0 / _SMALLEST_INPUT:
        raise InputError(
            f"data.x must be zero or of a largest size from {_SMALLEST_INPUT:g} to {1.0 / _SMALLEST_INPUT:g}, "
            f"got {largest:.3g}"
        )
    return split(data.x @ data.x.T / data.features, 0.0)


def affine(sigma: Covariance, sigma_w2: float, sigma_b2: float) -> Covariance:
    """Return sigma_w^2 sigma + sigma_b^2."""
    log_diagonal = sigma.log_diagonal + math.log(sigma_w2)
    if sigma_b2 == 0.0:
        return Covariance(log_diagonal, sigma.correlation)
    log_b = math.log(sigma_b2)
    new = np.logaddexp(log_diagonal, log_b)
    root, bias = np.exp(0.5 * (log_diagonal - new)), np.exp(0.5 * (log_b - new))
    correlation = sigma.correlation * np.outer(root, root) + np.outer(bias, bias)
    return Covariance(new, _unit_diagonal(correlation))


def split(matrix: np.ndarray, log_scale: float) -> Covariance:
    """Return exp(log_scale) `matrix` (n, n) as a covariance; an all-zero input has correlation 0 with others."""
    diagonal = np.diag(matrix)
    with np.errstate(divide="ignore"):
        log_diagonal = np.log(diagonal) + log_scale
    root = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    return Covariance(log_diagonal, _unit_diagonal(matrix / np.outer(root, root)))


def log_mean(logs: np.ndarray) -> float:
    """Return the log of the mean of exp(logs)."""
    top = float(logs.max())
    return top if math.isinf(top) else top + math.log(float(np.exp(logs - top).mean()))


def skip(
    sigma: Covariance, branch: Covariance, scale: float, mu: np.ndarray, means: np.ndarray
) -> tuple[Covariance, np.ndarray]:
    """Return Sigma and mu of h + scale * branch, from those of h and of the branch.

    Means, mu and `means`, (n,), are given over the root mean square, so that no size of h is out of range.
    """
    if scale == 0.0:
        return sigma, mu
    log_new = branch.log_diagonal + 2 * math.log(abs(scale))
    base = np.maximum(np.maximum(sigma.log_diagonal, log_new), -1e300)  # (n,): each input in units of its own
    old, new = np.exp(0.5 * (sigma.log_diagonal - base)), np.exp(0.5 * (log_new - base))  # (n,)
    mean_old, mean_new = mu * old, math.copysign(1.0, scale) * means * new
    cross = np.outer(mean_old, mean_new)
    total = sigma.correlation * np.outer(old, old) + branch.correlation * np.outer(new, new) + cross + cross.T
    added = split(total, 0.0)
    root = np.sqrt(np.where(np.diag(total) > 0, np.diag(total), 1.0))
    return Covariance(added.log_diagonal + base, added.correlation), (mean_old + mean_new) / root


def add(a: np.ndarray, log_a: float, b: np.ndarray, log_b: float) -> tuple[np.ndarray, float]:
    """Return exp(log_a) a + exp(log_b) b over a log that is returned too."""
    top = max(log_a, log_b)
    return a * math.exp(log_a - top) + b * math.exp(log_b - top), top


def _unit_diagonal(correlation: np.ndarray) -> np.ndarray:
    np.fill_diagonal(correlation, 1.0)
    return np.clip(correlation, -1.0, 1.0, out=correlation)
