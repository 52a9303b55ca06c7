r"""Forward and backward covariances of a wide batch-normalised network, over a batch that normalises itself.

A unit's u depends on the whole batch, so a layer is no function of pairs: its means are taken over units that are drawn
(`sampled_units`). With d = phi'(u), D = diag(d), T_l the covariance of dloss/dh_l, J = (G - u u^T / n) / s the
symmetric Jacobian of u by z, and c the branch scale where a skip stands (else 1):

    K_l = sigma_w^2 Sigma_{l-1} + sigma_b^2,   Sigma_l = E[phi(u) phi(u)^T]   (skip: `layers/covariances`)    [1]
    S_l = c^2 E[J D T_l D J],                  T_{l-1} = sigma_w^2 S_l  (+ T_l with skip)
    Theta_{l+1} = sigma_w^2 V_l + fan_in Sigma_l + 1,   V_l = c^2 E[D J Theta_l J D]  (+ V_{l-1} with skip)

S mixes the examples: a delta of one of them moves the mean and variance of all. Theta_l is the tangent kernel of z_l,
by the adjoint of the same step. Expanded, each takes products of an (n, n) by an (n, unit) matrix only:

    E[J D T D J] = G (T o E[w d d^T]) G - E[w (y u^T + u y^T)] / n,    w = 1 / s^2,   y = D T D u - u (u^T D T D u) / 2n

[1] Yang et al., 2019, arXiv:1902.08129.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vanishlab.activations import ACTIVATIONS
from vanishlab.config import NetworkConfig
from vanishlab.data import Dataset
from vanishlab.theory.batch_norm.sampled_units import Units, draw_uniform_units, draw_units, takes_uniform
from vanishlab.theory.layers.covariances import Covariance, add, affine, input_covariance, skip, split
from vanishlab.theory.weight_variances import UNIFORM, layer_scales
from vanishlab.theory.width.mean_squares import Moments, UnitSquares, add_branch, squares_of


class BatchForward(NamedTuple):
    """The way there: lists over layers."""

    pre: list[Covariance]  # K_l, l = 1 .. L
    logits: Covariance  # K_{L+1}
    activation: list[Covariance]  # Sigma_l, l = 0 .. L
    branch: list[Covariance]  # E[phi phi^T], l = 1 .. L
    squares: list[UnitSquares]  # of a unit's h, l = 1 .. L
    tangent: np.ndarray  # (n, n): Theta_{L+1} over exp(log_tangent)
    log_tangent: float


class Back(NamedTuple):
    """The way back at one layer, each (n, n) over exp of its log."""

    s: np.ndarray  # S_l
    log_s: float
    t: np.ndarray  # T_l; for the readout S itself
    log_t: float


def batch_forward(network: NetworkConfig, data: Dataset) -> BatchForward:
    """Return the forward covariances of `network`, of normalization 'batch', and its tangent kernel."""
    sizes = network.layer_sizes(data.features, data.num_classes)
    sigma = input_covariance(data)
    pre: list[Covariance] = []
    activation, branches, squares = [sigma], [], []
    mu = np.zeros(len(data.y))
    v, log_v = np.zeros_like(sigma.correlation), -math.inf
    for layer, (fan_in, fan_out) in enumerate(sizes):
        sigma_w2, sigma_b2 = layer_scales(network, fan_in, fan_out)
        k = affine(sigma, sigma_w2, sigma_b2)
        own, log_own = sigma.scaled()
        theta, log_theta = add(own, log_own + math.log(fan_in), np.ones_like(own), 0.0)
        theta, log_theta = add(theta, log_theta, v, log_v + math.log(sigma_w2))
        if layer == network.depth:
            return BatchForward(pre, k, activation, branches, squares, theta, log_theta)
        pre.append(k)
        units = units_of(network, data, k, layer + 1)
        h = ACTIVATIONS[network.activation].phi(units.u.astype(working_dtype(network))).astype(np.float64)
        means, drawn_values = h @ units.weight, h
        h = h * np.sqrt(units.weight)
        second = h @ h.T
        own_squares = squares_of(drawn_values, units.weight, second)
        branch = split(second, 0.0)
        means /= np.maximum(np.exp(0.5 * branch.log_diagonal), 1e-300)
        scale = network.branch_scale if layer > 0 else None
        if scale is None:
            sigma, mu = branch, means
        else:
            before, drawn = Moments(sigma, mu, squares[-1]), Moments(branch, means, own_squares)
            sigma, mu = skip(sigma, branch, scale, mu, means)
            own_squares = add_branch(before, drawn, scale, sigma)
        squares.append(own_squares)
        v, log_v = carry(network, units, layer + 1, theta, log_theta, v, log_v)
        branches.append(branch)
        activation.append(sigma)
    raise AssertionError("the readout returns")


def batch_backward(network: NetworkConfig, data: Dataset, way: BatchForward, errors: np.ndarray) -> Iterator[Back]:
    """Yield S_l and T_l for l = L + 1 .. 1, from S_{L+1} = `errors`."""
    sizes = network.layer_sizes(data.features, data.num_classes)
    here, log_here = errors, 0.0
    yield Back(here, log_here, here, log_here)
    skipping: tuple[np.ndarray, float] | None = None
    for layer in range(network.depth, 0, -1):
        back, log_back = here, log_here + math.log(layer_scales(network, *sizes[layer])[0])  # T_l
        if skipping is not None:
            back, log_back = add(back, log_back, *skipping)
        scale = network.branch_scale if layer > 1 else None
        skipping = (back, log_back) if network.branch_scale is not None and layer > 1 else None
        if scale == 0.0:
            here, log_here = np.zeros_like(back), log_back
        else:
            here, log_here = pull(network, units_of(network, data, way.pre[layer - 1], layer), back, log_back)
            log_here += 0.0 if scale is None else 2 * math.log(abs(scale))
        yield Back(here, log_here, back, log_back)


def units_of(network: NetworkConfig, data: Dataset, pre: Covariance, layer: int) -> Units:
    """Return the units of layer 1 .. L, those of the first one from the inputs themselves where its weights show."""
    if layer == 1 and network.initialization in UNIFORM and takes_uniform(data.features):
        sigma_w2, _ = layer_scales(network, data.features, network.widths[0])
        return draw_uniform_units(data.x, math.sqrt(3 * sigma_w2 / data.features), layer)
    return draw_units(*pre.scaled(), layer)


def working_dtype(network: NetworkConfig) -> type[np.floating]:
    """Return the dtype of phi and of the way back over (n, unit).

    float32's rounding lies far below the sampling error at half the cost. Only linear networks keep inputs in the few
    dimensions they come in, and there most of S, which lies outside, must not drown the rest.
    """
    return np.float64 if ACTIVATIONS[network.activation].leak == 1.0 else np.float32


def pull(network: NetworkConfig, units: Units, back: np.ndarray, log_back: float) -> tuple[np.ndarray, float]:
    """Return E[J D T D J] for T = exp(log_back) `back`, over a log that is returned too."""
    u, d, root, log_size = _parts(network, units)
    n = len(u)
    weighted = d * root
    direct = (weighted @ weighted.T) * back
    y = d * u
    y = d * (back.astype(u.dtype) @ y)
    y -= u * (np.einsum("ar,ar->r", u, y) / (2 * n))
    cross = (y * root) @ (u * root).T
    return _normal(centre(direct - (cross + cross.T) / n), log_back + log_size)


def push(network: NetworkConfig, units: Units, theta: np.ndarray, log_theta: float) -> tuple[np.ndarray, float]:
    """Return E[D J Theta J D], the adjoint of `pull`."""
    u, d, root, log_size = _parts(network, units)
    n = len(u)
    inner = centre(theta)
    d *= root
    direct = (d @ d.T) * inner
    y = inner.astype(u.dtype) @ u
    y -= u * (np.einsum("ar,ar->r", u, y) / (2 * n))
    cross = (d * y) @ (d * u).T
    return _normal(direct - (cross + cross.T) / n, log_theta + log_size)


def carry(
    network: NetworkConfig, units: Units, layer: int, theta: np.ndarray, log_theta: float, v: np.ndarray, log_v: float
) -> tuple[np.ndarray, float]:
    """Return V_l from Theta_l and V_{l-1}, l = `layer`."""
    scale = network.branch_scale if layer > 1 else None
    if scale == 0.0:
        return v, log_v
    moved, log_moved = push(network, units, theta, log_theta)
    return (moved, log_moved) if scale is None else add(moved, log_moved + 2 * math.log(abs(scale)), v, log_v)


def centre(matrix: np.ndarray) -> np.ndarray:
    """Return G matrix G, G = 1 - 11^T / n."""
    matrix = matrix - matrix.mean(axis=0)
    return matrix - matrix.mean(axis=1, keepdims=True)


def _parts(network: NetworkConfig, units: Units) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    # u and phi'(u), (n, unit), the root of each unit's weight times w over exp(log), (unit,), and that log.
    dtype = working_dtype(network)
    u = units.u.astype(dtype)
    weight = units.weight * units.inverse
    size = float(weight.sum())
    d = ACTIVATIONS[network.activation].slope(u).astype(dtype)
    return u, d, np.sqrt(weight / size).astype(dtype), math.log(size) - units.log_scale


def _normal(matrix: np.ndarray, log_scale: float) -> tuple[np.ndarray, float]:
    matrix = matrix.astype(np.float64)
    size = float(np.diag(matrix).max())
    return (matrix / size, log_scale + math.log(size)) if size > 0 else (matrix, log_scale)
