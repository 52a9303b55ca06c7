"""The first layer's kernels where its pre-activations are not Gaussian: few features under uniform weights.

z = w . x + b is a sum of features + 1 uniform numbers. With 64 of them it is Gaussian for every purpose here, with 2 it
is not. Up to 16 features the expectation over w and b is taken as it is, over a scrambled Sobol sequence of 16,384
points, to about 1e-4 of the kernel.
"""

import math

import numpy as np

from vanishlab.activations import ACTIVATIONS
from vanishlab.config import NORMALIZATION_EPS, NetworkConfig
from vanishlab.theory.gaussian.expectations import LayerKernels
from vanishlab.theory.weight_variances import UNIFORM, layer_scales

_MAX_FEATURES = 16
_POINTS = 2**14
_CHUNK = 2**11


def first_layer_kernels(network: NetworkConfig, x: np.ndarray) -> LayerKernels | None:
    """Return the kernels over the inputs x (n, features), None where the Gaussian ones hold."""
    n, features = x.shape
    if network.initialization not in UNIFORM or features > _MAX_FEATURES:
        return None
    import torch  # a second of imports, and only here

    sigma_w2, sigma_b2 = layer_scales(network, features, network.widths[0])
    bound_w, bound_b = math.sqrt(3 * sigma_w2 / features), math.sqrt(3 * sigma_b2)
    sobol = torch.quasirandom.SobolEngine(features + 1, scramble=True, seed=0)
    points = sobol.draw(_POINTS, dtype=torch.float64).numpy() * 2.0 - 1.0  # (point, features + 1)
    inputs = np.hstack([x * bound_w, np.full((n, 1), bound_b)])  # (n, features + 1)
    phi, scale = ACTIVATIONS[network.activation], np.ones(n)
    if network.normalization != "none":
        scale = 1.0 / np.sqrt(sigma_w2 * (x * x).mean(axis=1) + sigma_b2 + NORMALIZATION_EPS)
    second, slope = np.zeros((n, n)), np.zeros((n, n))
    for start in range(0, _POINTS, _CHUNK):
        u = scale[:, None] * (inputs @ points[start : start + _CHUNK].T)  # (n, point)
        for total, function in ((second, phi.phi), (slope, phi.slope)):
            values = function(u)
            total += values @ values.T / _POINTS
    return LayerKernels(*_split(second), *_split(slope))


def _split(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    diagonal = np.diag(matrix).copy()
    with np.errstate(divide="ignore"):
        log_diagonal = np.log(diagonal)
    root = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    return log_diagonal, matrix / np.outer(root, root)
