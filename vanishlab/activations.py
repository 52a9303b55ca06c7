r"""The table of activation functions phi, one entry each.

An entry says what the rest of the lab asks of phi: its values and slopes, torch's module, the gain, where it stops
passing the gradient on, and what makes its Gaussian expectations easy. To add an activation, write its entry in
`_TABLE` and its name in `ActivationName`, which type checkers and the command line read.

`gain` is what `kaiming_*` initialisation multiplies 1 / sqrt(fan_in) by. It is torch's recommended value
(`torch.nn.init.calculate_gain`) where torch has one, else He's rule of a preserved second moment,
1 / sqrt(E[phi(x)^2]) with x ~ N(0, 1) [1].

*Saturated* means that phi's slope has fallen below 1 % of its largest slope. As phi's input grows (or falls) this
happens once and for good, so it is kept as two bounds on phi's input. Worked out by hand:

    sigmoid   s(1 - s) = 1/400                       |u| > 5.9864        elu, selu   e^u = 1/100     u < -4.6052
    tanh      1 - tanh^2 = 1/100                     |u| > 2.9932        softplus    s(u) = 1/100    u < -4.5951
    erf       e^(-u^2) = 1/100                       |u| > 2.1460        gelu        lower tail      u < -3.0217
    softsign  1 / (1 + |u|)^2 = 1/100                |u| > 9             silu        lower tail      u < -6.1429
    hardtanh  slope 0                                |u| > 1             mish        lower tail      u < -6.1587
                                                                         linear, leaky_relu          never

(the lower tail of gelu, silu and mish: where phi' < 0, past its minimum, |phi'| = max phi' / 100; mish's slope is
largest, 1.0885, at u = 1.4906).

A ReLU passes nothing for half of a healthy net's inputs, so for it a *unit* is counted, as dead, when its input is
not positive for any example of the batch.

    >>> mish = ACTIVATIONS["mish"]
    >>> mish.phi(np.array([-1.0, 0.0, 1.0])).round(4).tolist(), round(mish.gain, 4)
    ([-0.3034, 0.0, 0.8651], 1.4868)

[1] He et al., 2015, arXiv:1502.01852.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vanishlab.errors import check_choice

ActivationName = Literal[
    "linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "softsign",
    "hardtanh", "erf", "mish",
]  # fmt: skip
Function = Callable[[np.ndarray], np.ndarray]
Halves = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""phi(u), phi(-u), phi'(u) and phi'(-u) for u >= 0."""

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
LEAKY_SLOPE = 0.01  # of torch's LeakyReLU


@dataclass(frozen=True)
class Activation:
    """All that the lab knows of one activation function; what has a default here need not be said."""

    name: ActivationName
    module: str
    """torch's module, by its name in `torch.nn` (or in `network.activation_modules`)."""
    phi: Function
    """Values, elementwise; accurate in the relative sense for tiny inputs too, and in float32 where u is."""
    slope: Function
    """phi', likewise; at a kink either side's."""
    gain: float
    second_moment_gain: float | None = None
    """1 / sqrt(E[phi(x)^2]) where phi is unbounded and `gain` is something else."""
    saturated_below: float = -math.inf
    saturated_above: float = math.inf
    can_die: bool = False
    """Whole units go silent, so units are counted instead of entries."""
    in_place: bool = False
    """torch has `<name>_`, and phi' can be told from phi(u) alone, so that h may take u's place in memory."""
    odd: bool = False
    """phi(-u) = -phi(u)."""
    leak: float | None = None
    """phi(u) = u for u > 0 and leak * u below; all its Gaussian expectations are then elementary."""
    kinks: tuple[float, ...] = ()
    """k > 0 where phi' jumps at +-k; at 0 it always may. It then needs a closed form."""
    closed_form: str = ""
    """Theory's name of the closed form of phi's Gaussian expectations; where there is none, quadrature finds them."""
    fast_halves: Callable[[np.ndarray], Halves] | None = None
    """Values and slopes at u and -u from one transcendental function, to rounding of the largest; else one by one."""

    @property
    def bounded(self) -> bool:
        """Whether phi levels out on both sides."""
        return math.isfinite(self.saturated_below) and math.isfinite(self.saturated_above)

    @property
    def scale_free(self) -> bool:
        """Whether phi(a u) = a phi(u) for every a > 0: nothing then depends on the variance of u."""
        return self.leak is not None

    @property
    def at_zero(self) -> tuple[float, float]:
        """phi(0) and phi'(0)."""
        zero = np.zeros(1)
        return float(self.phi(zero)[0]), float(self.slope(zero)[0])

    def halves(self, u: np.ndarray) -> Halves:
        """Return phi(u), phi(-u), phi'(u) and phi'(-u) for u >= 0, each of u's shape."""
        if self.fast_halves is not None:
            return self.fast_halves(u)
        return self.phi(u), self.phi(-u), self.slope(u), self.slope(-u)

    def __reduce__(self) -> tuple[Callable[[str], "Activation"], tuple[str]]:
        """Pickle as a name: the functions of an entry are lambdas."""
        return find_activation, (self.name,)


def find_activation(name: str) -> Activation:
    """Return the entry of `name`; raise `InputError`, with the nearest name, where there is none."""
    return ACTIVATIONS[check_choice("activation", name, ACTIVATIONS)]


def _sigmoid(u: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.maximum(u, -700.0)))  # three times as quick as scipy's, and as accurate


def _sigmoid_halves(u: np.ndarray) -> Halves:
    s = _sigmoid(u)
    slope = s * (1.0 - s)
    return s, 1.0 - s, slope, slope


def _sech2(u: np.ndarray) -> np.ndarray:
    return 1.0 / np.cosh(np.clip(u, -350.0, 350.0)) ** 2


def _tanh_halves(u: np.ndarray) -> Halves:
    t = np.tanh(u)
    slope = 1.0 - t * t
    return t, -t, slope, slope


def _softsign_halves(u: np.ndarray) -> Halves:
    inverse = 1.0 / (1.0 + u)
    t = u * inverse
    slope = inverse * inverse
    return t, -t, slope, slope


def _elu(u: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(u > 0, u, alpha * np.expm1(np.minimum(u, 0.0)))


def _elu_slope(u: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(u > 0, 1.0, alpha * np.exp(np.minimum(u, 0.0)))


def _elu_halves(u: np.ndarray, alpha: float, scale: float) -> Halves:
    below = np.expm1(-u)
    return scale * u, scale * alpha * below, np.full_like(u, scale), scale * alpha * (1.0 + below)


def _mirrored(u: np.ndarray, value: np.ndarray, slope: np.ndarray) -> Halves:
    return value, value - u, slope, 1.0 - slope  # phi(-u) = phi(u) - u


def _normal_cdf(u: np.ndarray) -> np.ndarray:
    from scipy import special  # a tenth of a second of imports, and only where gelu or erf is asked for

    return special.ndtr(u)


def _erf(u: np.ndarray) -> np.ndarray:
    from scipy import special

    return special.erf(u)


def _density(u: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi)


def _gelu_halves(u: np.ndarray) -> Halves:
    below = _normal_cdf(u)
    return _mirrored(u, u * below, below + u * _density(u))


def _silu_slope(u: np.ndarray) -> np.ndarray:
    s = _sigmoid(u)
    return s * (1.0 + u * (1.0 - s))


def _silu_halves(u: np.ndarray) -> Halves:
    s = _sigmoid(u)
    value = u * s
    return _mirrored(u, value, s + value * (1.0 - s))


def _softplus_halves(u: np.ndarray) -> Halves:
    below = np.exp(-u)
    return _mirrored(u, u + np.log1p(below), 1.0 / (1.0 + below))


def _tanh_of_softplus(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # tanh(log(1 + e)) = n / (n + 2) with e = exp(u), n = e (e + 2), and its derivative by u; 1 and 0 from u = 40 on.
    e = np.exp(np.minimum(u, 40.0))
    n = e * (e + 2.0)
    return n / (n + 2.0), 4.0 * (e * (e + 1.0) / (n + 2.0)) / (n + 2.0)


def _mish_slope(u: np.ndarray) -> np.ndarray:
    t, slope = _tanh_of_softplus(u)
    return t + u * slope


_TABLE = (
    Activation(
        "linear", "Identity",
        phi=lambda u: u,
        slope=np.ones_like,
        gain=1.0,
        odd=True,
        leak=1.0,
    ),
    Activation(
        "sigmoid", "Sigmoid",
        phi=_sigmoid,
        slope=lambda u: _sigmoid(u) * _sigmoid(-u),
        gain=1.0,
        saturated_below=-5.986445692252762,
        saturated_above=5.986445692252762,
        in_place=True,
        fast_halves=_sigmoid_halves,
    ),
    Activation(
        "tanh", "Tanh",
        phi=np.tanh,
        slope=_sech2,
        gain=5.0 / 3.0,
        saturated_below=-2.993222846126381,
        saturated_above=2.993222846126381,
        in_place=True,
        odd=True,
        fast_halves=_tanh_halves,
    ),
    Activation(
        "relu", "ReLU",
        phi=lambda u: np.maximum(u, 0.0),
        slope=lambda u: np.where(u > 0, 1.0, 0.0),
        gain=math.sqrt(2.0),
        can_die=True,
        in_place=True,
        leak=0.0,
    ),
    Activation(
        "leaky_relu", "LeakyReLU",
        phi=lambda u: np.where(u > 0, u, LEAKY_SLOPE * u),
        slope=lambda u: np.where(u > 0, 1.0, LEAKY_SLOPE),
        gain=math.sqrt(2.0 / (1.0 + 0.01**2)),
        leak=LEAKY_SLOPE,
    ),
    Activation(
        "elu", "ELU",
        phi=lambda u: _elu(u, 1.0),
        slope=lambda u: _elu_slope(u, 1.0),
        gain=1.2451983007007066,
        saturated_below=math.log(0.01),
        fast_halves=lambda u: _elu_halves(u, 1.0, 1.0),
    ),
    Activation(
        "selu", "SELU",
        phi=lambda u: SELU_SCALE * _elu(u, SELU_ALPHA),
        slope=lambda u: SELU_SCALE * _elu_slope(u, SELU_ALPHA),
        gain=0.75,
        second_moment_gain=1.0,
        saturated_below=math.log(0.01),
        fast_halves=lambda u: _elu_halves(u, SELU_ALPHA, SELU_SCALE),
    ),
    Activation(
        "gelu", "GELU",
        phi=lambda u: u * _normal_cdf(u),
        slope=lambda u: _normal_cdf(u) + u * _density(u),
        gain=1.5335304411955348,
        saturated_below=-3.021662634098404,
        fast_halves=_gelu_halves,
    ),
    Activation(
        "silu", "SiLU",
        phi=lambda u: u * _sigmoid(u),
        slope=_silu_slope,
        gain=1.6765324703310913,
        saturated_below=-6.142915700195623,
        fast_halves=_silu_halves,
    ),
    Activation(
        "softplus", "Softplus",
        phi=lambda u: np.logaddexp(0.0, u),
        slope=_sigmoid,
        gain=1.0418668355353016,
        saturated_below=-math.log(99.0),
        fast_halves=_softplus_halves,
    ),
    Activation(
        "softsign", "Softsign",
        phi=lambda u: u / (1.0 + np.abs(u)),
        slope=lambda u: 1.0 / (1.0 + np.abs(u)) ** 2,
        gain=2.3375333631085393,
        saturated_below=-9.0,
        saturated_above=9.0,
        odd=True,
        fast_halves=_softsign_halves,
    ),
    Activation(
        "hardtanh", "Hardtanh",
        phi=lambda u: np.clip(u, -1.0, 1.0),
        slope=lambda u: np.where(np.abs(u) < 1.0, 1.0, 0.0),
        gain=1.3920361404483095,
        saturated_below=-1.0,
        saturated_above=1.0,
        odd=True,
        kinks=(1.0,),
        closed_form="clipped",
    ),
    Activation(
        "erf", "Erf",
        phi=_erf,
        slope=lambda u: np.exp(-u * u) * (2.0 / math.sqrt(math.pi)),
        gain=1.4671669504891385,
        saturated_below=-math.sqrt(math.log(100.0)),
        saturated_above=math.sqrt(math.log(100.0)),
        odd=True,
        closed_form="erf",
    ),
    Activation(
        "mish", "Mish",
        phi=lambda u: u * _tanh_of_softplus(u)[0],
        slope=_mish_slope,
        gain=1.486847581273208,
        saturated_below=-6.15874130963221,
    ),
)  # fmt: skip
ACTIVATIONS: dict[str, Activation] = {activation.name: activation for activation in _TABLE}
