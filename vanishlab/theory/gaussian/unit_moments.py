r"""Variances of one unit's share in a layer's averages over the batch, of which finite width's fluctuations are made.

A layer of n units averages, over its units, four quantities of a whole batch (u: a unit's phi input, N(0, K); g: a
unit of the signal on its way back, N(0, T), independent of u [1]):

    y = sum_a phi_a^2                          activation_rms
    s = sum_ab T_ab phi_a phi_b                the weight gradient of the next layer, by what goes forward
    x = sum_a (phi'_a g_a)^2                   delta_rms
    v = sum_ab Sigma_ab phi'_a phi'_b g_a g_b  this layer's weight gradient, by what goes back (Sigma: its inputs')

The relative variances of a layer's means are those of one unit over n. For a single example y and s have
E phi^4 / E[phi^2]^2 - 1 and x and v 3 E phi'^4 / E[phi'^2]^2 - 1; but examples whose errors point to different classes
have g that do not vary together, and a batch's x varies several times less. The expectations are means over units that
are drawn, the same ones each time, on up to 32 examples of the batch. Orthogonal weights keep the length of what
passes: g counts by its mean there.

[1] Schoenholz et al., 2017, arXiv:1611.01232; Yang, 2019, arXiv:1902.04760.
"""

import math
from typing import NamedTuple

import numpy as np

from vanishlab.activations import ACTIVATIONS

_EXAMPLES = 32
_UNITS = 2048
_SEED = 20181212
_LOW, _HIGH = math.log(1e-30), math.log(9e4)  # of variances


class UnitMoments(NamedTuple):
    """Relative covariances of a unit's shares: forward y, s; back x, v."""

    yy: float
    ys: float
    ss: float
    xx: float
    vv: float
    yx: float
    yv: float


def few_examples(count: int) -> np.ndarray:
    """Return the places of up to 32 of `count` examples, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, _EXAMPLES)).round().astype(np.int64))


def unit_moments(
    activation: str,
    log_q: np.ndarray,
    c: np.ndarray,
    back: np.ndarray,
    inputs: np.ndarray,
    own: bool,
    normalization: str = "none",
) -> UnitMoments:
    """Return the moments from log variances (n,) and correlations (n, n) of phi's inputs, T = `back`, Sigma = `inputs`.

    Both covariances, (n, n), may have any scale. `own` says whether weights add the fluctuation of g. Layer and RMS
    normalisation keep a layer's sum of u_a^2 (and of u_a): what y and s owe to these does not vary.
    """
    phi = ACTIVATIONS[activation]
    generator = np.random.default_rng(_SEED)
    n = len(log_q)
    u, basis = drawn_units(activation, log_q, c, generator, normalization)
    h, d = phi.phi(u), phi.slope(u)
    y, s = (h * h).sum(axis=0), (h * (back @ h)).sum(axis=0)
    if own:
        g = d * (_root(back) @ generator.standard_normal((n, _UNITS)))
        x, v = (g * g).sum(axis=0), (g * (inputs @ g)).sum(axis=0)
    else:
        x, v = np.diag(back) @ (d * d), (d * ((back * inputs) @ d)).sum(axis=0)
    parts = np.stack([_over_mean(part) for part in (y, s, x, v)])  # (4, unit)
    if basis is not None:
        parts[:2] -= parts[:2] @ basis @ basis.T
    y, s, x, v = parts
    return UnitMoments(*(float(np.mean(a * b)) for a, b in ((y, y), (y, s), (s, s), (x, x), (v, v), (y, x), (y, v))))


def drawn_units(
    activation: str, log_q: np.ndarray, c: np.ndarray, generator: np.random.Generator, normalization: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return phi's inputs of drawn units (n, unit), and what a normalised layer's sums over units keep.

    That is an orthonormal basis (unit, kept) of u_a^2 - 1, with layer normalisation of u_a as well; None without one.
    """
    if ACTIVATIONS[activation].scale_free:  # any scale will do
        log_q = log_q - max(float(log_q.max()), -1e300)
    scale = np.exp(0.5 * np.clip(log_q, _LOW, _HIGH))
    half = generator.standard_normal((len(log_q), _UNITS // 2))
    u = scale[:, None] * (_root(c) @ np.concatenate([half, -half], axis=1))
    if normalization not in ("layer", "rms"):
        return u, None
    standard = u / np.maximum(scale, 1e-15)[:, None]
    kept = [standard**2 - 1.0, standard] if normalization == "layer" else [standard**2 - 1.0]
    return u, np.linalg.qr(np.concatenate(kept).T)[0]


def _over_mean(values: np.ndarray) -> np.ndarray:
    mean = float(values.mean())
    return values / mean - 1.0 if mean > 0 else np.zeros_like(values)


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0.0))
