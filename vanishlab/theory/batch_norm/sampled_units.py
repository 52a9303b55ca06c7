r"""Units of a wide batch-normalised layer, drawn from their own distribution: where no closed form is known.

A unit's pre-activations over the batch of n are z = A g, with A A^T = K_c = G K G, the centred covariance of rank r,
and g standard normal. Split into direction and length, g = rho w, they give

    s^2 = rho^2 |A w|^2 / n + 1e-5,      u = rho A w / s

and every expectation of the layer is a mean over (w, rho). Directions are drawn as orthonormal frames and their
mirror images, which makes all second moments of w exact; rho^2, chi-square of r degrees of freedom, takes its
quantiles.
Up to r = 4, where small rho matter (E[1/s^2] is finite for r = 2 only thanks to the 1e-5), each direction takes a whole
quadrature of rho instead. Uniform weights on few features (up to 16) are treated alike, with w on the surface of the
cube and rho of density r rho^(r - 1): the bias is the same for all examples and drops out.

The draws depend on the layer's number alone: a prediction is the same each time. Its covariances are those of layers of
some thousands of units, 2**18 / n but at least 4096, where infinitely many are meant: beside the chance in it this
leaves an error of the order depth / units in the logarithms.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from vanishlab.config import NORMALIZATION_EPS
from vanishlab.theory.gaussian.quadrature import legendre

_ENTRIES, _FEWEST, _MOST = 2**18, 2**12, 2**14  # of (n, unit) arrays; least and largest number of units
_FEW = 4  # dimensions up to which every direction has its own quadrature of the length
_LENGTHS = 40
_MAX_FEATURES = 16
_MAX_COLUMNS = 512  # of a frame
_SEED = 20190226
_RANK_CUT = 1e-11


class Units(NamedTuple):
    """A sample of units; `weight` sums to 1."""

    u: np.ndarray  # (n, unit): what phi is given
    weight: np.ndarray  # (unit,)
    inverse: np.ndarray  # (unit,): exp(log_scale) / s^2
    log_scale: float
    lengths: int  # units that share a direction, next to each other


def draw_units(matrix: np.ndarray, log_scale: float, layer: int) -> Units:
    """Return units of layer `layer` whose pre-activations have the covariance exp(log_scale) `matrix`, (n, n)."""
    basis = _contrasts(len(matrix))
    factor = basis @ _root(basis.T @ matrix @ basis)  # (n, rank)
    rank = factor.shape[1]
    if rank == 0:
        n = len(matrix)
        inverse = np.array([math.exp(min(log_scale - math.log(NORMALIZATION_EPS), 700.0))])
        return Units(np.zeros((n, 1)), np.ones(1), inverse, log_scale, 1)
    directions = _directions(rank, layer)
    if rank <= _FEW:
        square, weight = _few_lengths(rank)
    else:
        square, weight = _lengths(rank, directions.shape[1], layer), None
    return _normalise((factor @ directions), square, weight, log_scale)


def draw_uniform_units(x: np.ndarray, bound: float, layer: int) -> Units:
    """Return units z = W x, W uniform within `bound`, over the inputs x (n, features), up to 16 of these."""
    features = x.shape[1]
    centred = x - x.mean(axis=0)
    directions = _cube(features)
    if features <= _FEW:
        low = -28.0
        node, step = legendre(_LENGTHS)
        log_t = low * (1.0 - node)
        square, weight = np.exp(2 * log_t), -low * step * features * np.exp(features * log_t)
        weight /= weight.sum()
    else:
        generator = np.random.default_rng([_SEED, layer])
        count = directions.shape[1]
        square, weight = generator.permutation((np.arange(count) + 0.5) / count) ** (2.0 / features), None
    return _normalise(centred @ directions, square, weight, 2 * math.log(bound))


def takes_uniform(features: int) -> bool:
    """Return whether uniform weights on so few features are to be told from normal ones."""
    return features <= _MAX_FEATURES


def _normalise(z: np.ndarray, square: np.ndarray, weight: np.ndarray | None, log_scale: float) -> Units:
    # z (n, direction); lengths' squares one per direction, or a whole quadrature for each.
    n, count = z.shape
    epsilon = math.exp(min(math.log(NORMALIZATION_EPS) - log_scale, 80.0))
    variance = np.einsum("ar,ar->r", z, z) / n  # (direction,)
    if weight is None:
        total = variance * square + epsilon
        return Units(z * np.sqrt(square / total), np.full(count, 1.0 / count), 1.0 / total, log_scale, 1)
    total = variance[:, None] * square + epsilon  # (direction, length)
    u = z[:, :, None] * np.sqrt(square / total)
    weights = np.broadcast_to(weight / count, total.shape).ravel()
    return Units(u.reshape(n, -1), weights, 1.0 / total.ravel(), log_scale, len(weight))


def _root(inner: np.ndarray) -> np.ndarray:
    # A with A A^T = inner, of as many columns as its rank.
    size = float(np.trace(inner)) / max(len(inner), 1)
    if not size > 0:
        return np.zeros((len(inner), 0))
    try:
        lower = np.linalg.cholesky(inner)
        if (np.diag(lower) ** 2).min() > _RANK_CUT * size:
            return lower
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(inner)
    kept = values > _RANK_CUT * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


@functools.lru_cache(maxsize=8)
def _contrasts(n: int) -> np.ndarray:
    # An orthonormal basis (n, n - 1) of the vectors that sum to 0: cosines.
    basis = np.cos(math.pi / n * np.outer(np.arange(n) + 0.5, np.arange(1, n)))
    return basis * math.sqrt(2.0 / n)


def _directions(rank: int, layer: int) -> np.ndarray:
    if rank == 1:
        return np.array([[1.0, -1.0]])
    if rank == 2:
        angle = 2 * math.pi * (np.arange(128) + 0.25) / 128
        return np.stack([np.cos(angle), np.sin(angle)])
    generator = np.random.default_rng([_SEED, layer])
    frames = _frames(rank)[generator.permutation(rank)] * generator.choice([-1.0, 1.0], rank)[:, None]
    return np.concatenate([frames, -frames], axis=1)


@functools.lru_cache(maxsize=8)
def _frames(rank: int) -> np.ndarray:
    # Random orthonormal frames side by side, (rank, unit / 2).
    generator = np.random.default_rng([_SEED, 0, rank])
    columns = min(rank, _MAX_COLUMNS)
    units = min(max(_ENTRIES // (rank + 1), _FEWEST), _MOST) if rank > _FEW else 128
    count = max(1, round(units / (2 * columns)))
    draws = generator.standard_normal((count, rank, columns))
    return np.concatenate([np.linalg.qr(draw)[0] for draw in draws], axis=1)


def _lengths(rank: int, count: int, layer: int) -> np.ndarray:
    return np.random.default_rng([_SEED, layer, 1]).permutation(_quantiles(rank, count))


@functools.lru_cache(maxsize=16)
def _quantiles(rank: int, count: int) -> np.ndarray:
    from scipy.special import gammaincinv

    return 2.0 * gammaincinv(0.5 * rank, (np.arange(count) + 0.5) / count)


@functools.lru_cache(maxsize=8)
def _few_lengths(rank: int) -> tuple[np.ndarray, np.ndarray]:
    # Nodes of rho^2, chi-square of `rank`, and weights: even in its logarithm, far down.
    node, weight = legendre(_LENGTHS)
    low, high = -28.0, math.log(60.0)
    log_square = low + (high - low) * node
    weight = weight * np.exp(0.5 * rank * log_square - 0.5 * np.exp(log_square))
    return np.exp(log_square), weight / weight.sum()


@functools.lru_cache(maxsize=8)
def _cube(features: int) -> np.ndarray:
    # Points on the surface of [-1, 1]^features, each face alike, and their mirror images, (features, direction).
    if features == 1:
        return np.array([[1.0, -1.0]])
    faces = []
    for face in range(features):
        if features == 2:
            rest = ((2 * np.arange(64) + 1.0) / 64 - 1.0)[None, :]
        else:
            import torch  # a second of imports, and only here

            sobol = torch.quasirandom.SobolEngine(features - 1, scramble=True, seed=face)
            count = 2 ** math.ceil(math.log2((_MOST if features > _FEW else 128) / features))
            rest = sobol.draw(count, dtype=torch.float64).numpy().T * 2.0 - 1.0
        faces.append(np.insert(rest, face, 1.0, axis=0))
    points = np.concatenate(faces, axis=1)
    return np.concatenate([points, -points], axis=1)
