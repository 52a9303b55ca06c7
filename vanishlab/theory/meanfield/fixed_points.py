r"""Where a wide random network settles, and how fast: `MeanField` has its fixed points, chi, depth scales and phase.

A network with z_l = W_l phi(z_{l-1}) + b_l, W_ij ~ N(0, sigma_w^2 / fan_in), b_i ~ N(0, sigma_b^2) has Gaussian z_l as
its width grows. The variance q of one input and the correlation c of two then follow

    q_l = V(q_{l-1}) = sigma_w^2 E[phi(u)^2] + sigma_b^2                            length map         [1]
    c_l = (sigma_w^2 E[phi(u) phi(v)] + sigma_b^2) / q*                             correlation map    [1]
    chi = sigma_w^2 E[phi'(u)^2]                                                    slope of the latter at c = 1  [1, 2]

with fixed points q* and c*. Backwards through one layer E|dloss/dz|^2 is multiplied by chi [2]: below 1 gradients
vanish (ordered), above 1 they explode (chaotic). Distances to the fixed points and the gradient shrink as exp(-l / xi):

    xi_q = -1 / log V'(q*),     xi_c = -1 / log(sigma_w^2 E[phi'(u) phi'(v)] at c*),     xi_grad = 1 / |log chi|

[1] Poole et al., 2016, arXiv:1606.05340.  [2] Schoenholz et al., 2017, arXiv:1611.01232.
"""

import math
from dataclasses import dataclass
from typing import Literal

from vanishlab.activations import find_activation
from vanishlab.config import NetworkConfig
from vanishlab.errors import InputError
from vanishlab.theory.meanfield.correlation import correlation_fixed_point, susceptibility
from vanishlab.theory.meanfield.length import check_scales, length_fixed_point, length_fixed_points, length_slope
from vanishlab.theory.weight_variances import layer_scales

_CRITICAL = 1e-6  # |chi - 1| up to which a network counts as critical


Phase = Literal["ordered", "critical", "chaotic"]


@dataclass(frozen=True)
class MeanField:
    """Where a wide network of one activation, sigma_w and sigma_b settles, and how fast."""

    activation: str
    sigma_w: float
    sigma_b: float
    q_star: float
    """Variance of the pre-activations; NaN where every one is kept (ReLU at gain sqrt(2))."""
    c_star: float
    """Correlation of two inputs; NaN where every one is kept (q* = 0 without a kink at 0, or linear)."""
    chi: float
    """Factor of E|dloss/dz|^2 per layer on the way back: the correlation map's slope at c = 1."""
    chi_c: float
    """Factor per layer of the distance to c*: that slope at c*. 1 where correlations are kept, or near c* as a power of
    depth (ReLU without bias)."""
    phase: Phase
    xi_q: float
    """Layers in which the distance to q* falls by e; infinite where it does not fall exponentially."""
    xi_c: float
    """The same for c*."""
    xi_grad: float
    """Layers in which E|delta|^2 changes by e, in either direction."""
    other_q_stars: tuple[float, ...] = ()
    """Where other starts settle: the other stable variances, infinity where those above some start grow without bound.
    """

    @property
    def xi_delta(self) -> float:
        """Layers in which delta's root mean square changes by e, in either direction: twice xi_grad."""
        return 2.0 * self.xi_grad


def mean_field(activation: str, sigma_w: float, sigma_b: float = 0.0) -> MeanField:
    """Return fixed points, chi, depth scales (in layers) and phase of an activation at (sigma_w, sigma_b).

    Where there are several fixed points, it is the one that inputs of variance 1 come to. The source is Schoenholz et
    al., 2017, arXiv:1611.01232.

    Raises `InputError` for an unknown name or values outside their ranges, where the variance grows without bound, or a
    search does not converge.

    >>> field = mean_field("tanh", sigma_w=1.0, sigma_b=0.05**0.5)
    >>> field.phase, round(field.chi, 4), round(field.xi_grad, 2), round(field.xi_c, 2)
    ('ordered', 0.759, 3.63, 3.63)
    """
    scale_free = find_activation(activation).scale_free
    sigma_w, sigma_b = check_scales(sigma_w, sigma_b)
    keeps_all = scale_free and sigma_b == 0.0 and abs(float(length_slope(activation, 1.0, sigma_w)) - 1.0) < 1e-12
    q = math.nan if keeps_all else length_fixed_point(activation, sigma_w, sigma_b)
    others = () if keeps_all else _other_fixed_points(activation, sigma_w, sigma_b, q)
    at = 1.0 if keeps_all or (q == 0.0 and scale_free) else q
    c = correlation_fixed_point(activation, sigma_w, sigma_b, q=at)
    chi = float(susceptibility(activation, sigma_w, q=at))
    chi_c = chi if math.isnan(c) or c == 1.0 else float(susceptibility(activation, sigma_w, q=at, c=c))
    if math.isnan(c) or q == 0.0 or (scale_free and sigma_b == 0.0):
        chi_c = 1.0  # kept, or approached as a power of depth: correlations are relative to q, which scales alike
    return MeanField(
        activation=activation,
        sigma_w=sigma_w,
        sigma_b=sigma_b,
        q_star=q,
        c_star=c,
        chi=chi,
        chi_c=chi_c,
        phase="critical" if abs(chi - 1.0) <= _CRITICAL else "ordered" if chi < 1.0 else "chaotic",
        xi_q=depth_scale(1.0 if keeps_all else float(length_slope(activation, at, sigma_w))),
        xi_c=depth_scale(chi_c),
        xi_grad=abs(depth_scale(chi)),
        other_q_stars=others,
    )


def _other_fixed_points(activation: str, sigma_w: float, sigma_b: float, q: float) -> tuple[float, ...]:
    points = length_fixed_points(activation, sigma_w, sigma_b)
    return tuple(point.q for point in points if point.stable and not abs(point.q - q) <= 1e-6 * max(q, 1e-9))


def network_point(network: NetworkConfig) -> tuple[float, float]:
    """Return (sigma_w, sigma_b) of a network's hidden layers, its point in the phase diagram.

    Raises `InputError` for unequal widths, normalisation or residual branches.

    >>> network_point(NetworkConfig(activation="relu", initialization="kaiming_normal"))
    (1.4142135623730951, 0.0)
    """
    if len(set(network.widths)) > 1:
        raise InputError(f"mean field needs hidden layers of one width, got width={network.widths}")
    if network.normalization != "none" or network.residual != "none":
        raise InputError(
            "mean field needs plain layers (normalization 'none', residual 'none'), got "
            f"{network.normalization!r} and {network.residual!r}; predict(network, data) covers more"
        )
    sigma_w2, sigma_b2 = layer_scales(network, network.widths[0], network.widths[0])
    return math.sqrt(sigma_w2), math.sqrt(sigma_b2)


def network_mean_field(network: NetworkConfig) -> MeanField:
    """Return the mean field of a network's hidden layers, its named initialisation read as (sigma_w, sigma_b).

    Raises `InputError` as `network_point` and as `mean_field`.

    >>> round(network_mean_field(NetworkConfig(activation="tanh", initialization="kaiming_normal")).chi, 4)
    1.2098
    """
    return mean_field(network.activation, *network_point(network))


def depth_scale(factor: float) -> float:
    """Return the layers in which a quantity that is multiplied by `factor` per layer falls by e.

    It is infinite where the factor is 1, and negative for one above 1: the layers in which it grows by e.

    >>> depth_scale(math.exp(-0.5)), depth_scale(1.0)
    (2.0, inf)
    """
    if abs(factor - 1.0) < 1e-12:
        return math.inf
    return 0.0 if factor <= 0.0 else -1.0 / math.log(factor)
