r"""Covariances of output errors, where the backward pass starts: E[e_a . e_b] with e = n dloss/dlogits.

The logits of a wide network are Gaussian, independent across classes, with covariance K (n, n) over inputs.

    mse             e = 2 (z - y) / C:  E[e_a . e_b] = 4 / C^2 (C K_ab + [y_a = y_b])                     exact
    cross-entropy   e = p - y:  E[e_a . e_b] = E[p_a . p_b] - 2 / C + [y_a = y_b]

since E[p_a . y_b] = 1/C by the symmetry of the classes. E[p_a . p_b], p = softmax(z), is a seeded Monte Carlo mean
whose draws come in pairs +-z and whose class-centred sample covariance is made to equal the true one exactly, so that
only terms of fourth order in z are left to chance. Its error, of the largest E[e_a . e_a]: 5e-5 at K = 0.1, 0.13 % at
K = 1, 0.6 % at K = 4, 0.7 % at K = 20 (measured, ten classes). Two classes need no chance: p is the sigmoid of the
logits' difference, and E[p_a . p_b] = 2 E[sigmoid(u) sigmoid(v)] with covariance 2 K.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from vanishlab.theory.gaussian.expectations import layer_kernels

_SEED = 20160701
_DRAWS = 512  # each counted with its mirror image
_KEPT = 1024  # draws times classes that carry the spread over seeds; twice that for few classes
_RANK_CUT = 1e-13
_LOG_LARGE = math.log(100.0)  # of K: above, the Monte Carlo mean is taken for two classes too, at 1 %


class OutputErrors(NamedTuple):
    """Errors of the batch at the output, in units of exp(log_scale) (their mean square is of order 1)."""

    covariance: np.ndarray  # (n, n): E[e_a . e_b] / exp(2 log_scale)
    draws: np.ndarray  # (n, draw, class): e of single networks, in units of exp(log_scale)
    slopes: np.ndarray  # (n, draw, class): de / dlog sqrt(K) of the same, in the same units
    response: np.ndarray  # (n, n): E[tr de_a/dz_a tr de_b/dz_b + tr (de_a/dz_a de_b/dz_b)]
    log_scale: float


def output_errors(log_k: np.ndarray, c: np.ndarray, y: np.ndarray, classes: int, loss: str) -> OutputErrors:
    """Return the output errors for logits of log variances (n,) and correlations (n, n), labels (n,)."""
    kept_draws = max((_KEPT if classes > 4 else 2 * _KEPT) // classes, 16)
    same = (y[:, None] == y[None, :]).astype(np.float64)
    one_hot = np.eye(classes)[y]  # (n, class)
    log_scale = max(0.0, 0.5 * float(log_k.max())) if loss == "mse" else 0.0
    log_root = np.minimum(0.5 * log_k - log_scale, 300.0)  # (n,): beyond, softmax has long been one-hot
    root, top = np.exp(log_root), float(log_root.max())
    # Logits may be far below what float64 squares: their factor is found in units of the largest, and may then be 0.
    unit_root = np.exp(log_root - top) if top > -math.inf else np.zeros_like(root)
    values, vectors = np.linalg.eigh(c * np.outer(unit_root, unit_root))
    kept = values > _RANK_CUT * max(values[-1], _RANK_CUT)
    factor = vectors[:, kept] * np.sqrt(values[kept]) * math.exp(top)  # (n, rank)
    if loss == "mse":
        unit = 2.0 / classes
        covariance = unit**2 * (classes * c * np.outer(root, root) + same * math.exp(-2 * log_scale))
        z = np.tensordot(
            factor, np.random.default_rng(_SEED).standard_normal((factor.shape[1], kept_draws, classes)), 1
        )
        draws = unit * (z - math.exp(-log_scale) * one_hot[:, None, :])
        response = np.full_like(c, 4.0 * (1.0 + 1.0 / classes))
        return OutputErrors(covariance, draws, unit * z, response, log_scale)
    z = _matched_draws(factor, classes)  # (n, draw, class)
    products = np.zeros((len(y), len(y)))
    p = np.zeros((0,))
    for sign in (-1.0, 1.0):
        p = _softmax(sign * z)
        flat = p.reshape(len(y), -1)
        products += flat @ flat.T
    covariance = products / (2 * z.shape[1]) - 2.0 / classes + same
    if classes == 2 and log_k.max() < _LOG_LARGE:
        sigmoids = layer_kernels("sigmoid", log_k + math.log(2.0), c)
        scale = np.exp(0.5 * sigmoids.log_second)
        covariance = 2.0 * sigmoids.correlation * np.outer(scale, scale) - 1.0 + same
    p, z = p[:, :kept_draws], z[:, :kept_draws]  # those of the sign 1
    slopes = p * (z - (p * z).sum(axis=2, keepdims=True))
    trace = 1.0 - (p * p).sum(axis=2)  # (n, draw)
    # de/dz = diag(p) - p p^T acts on the C - 1 directions that sum to 0, about alike.
    response = trace @ trace.T / kept_draws * (1.0 + 1.0 / (classes - 1))
    return OutputErrors(covariance, p - one_hot[:, None, :], slopes, response, 0.0)


def _matched_draws(factor: np.ndarray, classes: int) -> np.ndarray:
    # factor (n, rank) times normals (rank, draw, class) that are centred over classes and have, as a sample, the very
    # second moments that centred normals have.
    rank = factor.shape[1]
    draws = max(_DRAWS, 4 * rank // classes, 4096 // classes)
    if rank == 0:  # all logits are 0
        return np.zeros((len(factor), draws, classes))
    flat, lower = _centred(rank, draws, classes)
    return (np.linalg.solve(lower.T, factor.T).T @ flat).reshape(len(factor), draws, classes)


@functools.lru_cache(maxsize=1)  # the same of one network as of the next, with as many examples
def _centred(rank: int, draws: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    # Normals (rank, draw and class) that are centred over classes, and the Cholesky factor of their second moments.
    x = np.random.default_rng(_SEED).standard_normal((rank, draws, classes))
    x -= x.mean(axis=2, keepdims=True)
    flat = x.reshape(rank, -1)
    return flat, np.linalg.cholesky(flat @ flat.T / (draws * (classes - 1)))


def _softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(axis=2, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=2, keepdims=True)
    return z
