r"""`predict(network, data) -> Prediction`: per-layer norms at step 0, on your data, without building a network.

With n examples, the covariances of `signal` and S_{L+1} the output errors' covariance of `output`:

    activation_rms_l^2 = mean_a Sigma_l,aa              (the readout's: K_{L+1},aa)
    delta_rms_l^2      = mean_a S_l,aa / fan_out_l      (per example: times n, as in `Record`)
    gradient_norm_l^2  = fan_in_l / n^2 sum_ab S_l,ab Sigma_{l-1,ab}

which are means over seeds of the *squares*, exact as the widths go to infinity with depth fixed; finite widths add
about (spread's variance) / 2 to the log of a square. Weights drawn uniformly count by their variance; so do orthogonal
ones, whose finite-width corrections differ (smaller backwards, and none for linear layers). The tangent kernel

    Theta_ab = sum_l (fan_in_l Sigma_{l-1,ab} + 1) B_l,ab,      B as S, but from B_{L+1} = 1

(1 for the bias) bounds the learning rate [1, 2]: gradient descent on `mse` (mean over n and the C classes) is stable to
2 / lambda_max of its Hessian 2 / (n C) Theta, and on `cross_entropy`, whose Hessian in the logits is at most 1/2,
surely up to 4 n / lambda_max(Theta). The learned scales and shifts of normalisation (a
share of 1/width) are left out of Theta.

[1] Jacot et al., 2018, arXiv:1806.07572.  [2] Lee et al., 2019, arXiv:1902.06720.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import digamma, polygamma

from vanishlab.config import LossName, NetworkConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError, check_choice, check_integer
from vanishlab.theory.output import output_errors
from vanishlab.theory.scales import layer_scales, network_sizes
from vanishlab.theory.signal import Covariance, Forward, backward, check_range, forward, log_mean
from vanishlab.theory.spread import Spread, draw_spread, width_spread

_MAX_EXAMPLES = 4096
_LN10 = math.log(10.0)
_QUANTITIES = ("activation_rms", "delta_rms", "gradient_norm")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What theory says of step 0: root mean squares over seeds, layers 1 .. L + 1 (the readout), as `Record` has them.

    The decimal logarithms are what is kept; the properties without `log10_` are their powers, which fall to 0 below
    1e-323. A gradient that is exactly zero (a residual branch that starts at 0) is -inf.
    """

    layer: np.ndarray  # (layer,)
    log10_activation_rms: np.ndarray  # (layer,)
    log10_delta_rms: np.ndarray  # (layer,)
    log10_gradient_norm: np.ndarray  # (layer,)
    activation_log_spread: np.ndarray  # (layer,)
    """Standard deviation over seeds of the natural log of activation_rms, at the network's widths."""
    delta_log_spread: np.ndarray  # (layer,)
    """The same of delta_rms."""
    gradient_log_spread: np.ndarray  # (layer,)
    """The same of gradient_norm."""
    activation_log_shift: np.ndarray  # (layer,)
    """Natural log of the root mean square over seeds less the mean over seeds of the log, for activation_rms."""
    delta_log_shift: np.ndarray  # (layer,)
    """The same of delta_rms."""
    gradient_log_shift: np.ndarray  # (layer,)
    """The same of gradient_norm."""
    width_log_variance: np.ndarray  # (layer,)
    """Finite width's part of the variance of log gradient_norm^2; half of it is the order of the theory's error in the
    log of the square (5 sum 1/n for ReLU)."""
    log10_largest_learning_rate: float
    """mse: gradient descent on the linearised network diverges above it. cross_entropy: it cannot diverge below."""
    loss: str
    network: NetworkConfig
    data_name: str
    examples: int

    @property
    def activation_rms(self) -> np.ndarray:
        """Root mean square of h, (layer,); the logits' for the readout."""
        return 10.0**self.log10_activation_rms

    @property
    def delta_rms(self) -> np.ndarray:
        """Root mean square of the per-example delta, (layer,)."""
        return 10.0**self.log10_delta_rms

    @property
    def gradient_norm(self) -> np.ndarray:
        """Frobenius norm of dloss/dW of the whole batch, (layer,)."""
        return 10.0**self.log10_gradient_norm

    @property
    def largest_learning_rate(self) -> float:
        """The learning rate 10^log10_largest_learning_rate, see there."""
        return 10.0**self.log10_largest_learning_rate

    def log10_typical(self, quantity: str) -> np.ndarray:
        """Return the log10 of the typical value, the exponential of the mean log over seeds, (layer,).

        It lies below the root mean square by the quantity's log shift, see `spread`. Raises `InputError` for a
        quantity other than activation_rms, delta_rms, gradient_norm.
        """
        check_choice("quantity", quantity, _QUANTITIES)
        shift = getattr(self, f"{quantity.split('_')[0]}_log_shift")
        return getattr(self, f"log10_{quantity}") - shift / _LN10


def predict(
    network: NetworkConfig, data: Dataset, loss: LossName = "cross_entropy", *, max_examples: int | None = None
) -> Prediction:
    """Predict the per-layer norms at step 0 of `network` on the full batch `data`.

    `max_examples` predicts for a batch of the first that many examples instead.

    Raises `InputError` for batch normalisation, for more than 4,096 examples without `max_examples` (the kernels
    hold every pair), and for pre-activation variances above 1e5 where phi is not piecewise linear.

    >>> from vanishlab import NetworkConfig, load_data
    >>> deep = predict(NetworkConfig(depth=50), load_data("digits", max_examples=64))
    >>> round(float(deep.log10_gradient_norm[0]))
    -43
    """
    check_choice("loss", loss, ("cross_entropy", "mse"))
    _refuse(network)
    if max_examples is not None and max_examples < len(data.y):
        check_integer("max_examples", max_examples, 1)
        data = replace(data, x=data.x[:max_examples], y=data.y[:max_examples])
    n, classes = len(data.y), data.num_classes
    if n > _MAX_EXAMPLES:
        raise InputError(f"data must have at most {_MAX_EXAMPLES} examples (or give max_examples), got {n}")
    sizes = network_sizes(network, data.features, classes)
    check_range(network, data)
    way = forward(network, data)
    last = way.logits
    errors = output_errors(last.log_diagonal, last.correlation, data.y, classes, loss)
    width = _width_spread(network, way, sizes)
    logs = np.full((3, len(sizes)), -math.inf)
    logs[0] = [0.5 * covariance.log_mean for covariance in [*way.activation[1:], last]]
    noise = np.zeros((2, 3, len(sizes)))  # variance and shift of the squares' logs, from the draw of the logits
    sampled = _sample(len(sizes))
    tangent, log_tangent = np.zeros((n, n)), -math.inf
    places = reversed(range(len(sizes)))
    for place, (chain, log_chain) in zip(places, backward(network, way, sizes), strict=True):
        fan_in, fan_out = sizes[place]
        log_s = log_chain + 2 * errors.log_scale
        inputs, log_inputs = way.activation[place].scaled()
        log_inputs += math.log(fan_in)
        form = chain * inputs  # (n, n): ||dloss/dW||^2 is its quadratic form in the errors
        per_example = float((np.diag(chain) * np.diag(errors.covariance)).mean())
        if per_example > 0:
            logs[1, place] = 0.5 * (math.log(per_example / fan_out) + log_s)
        total = float(np.vdot(form, errors.covariance))
        if total > 0:
            logs[2, place] = 0.5 * (math.log(total) + log_inputs + log_s) - math.log(n)
        if place in sampled:
            noise[:, 0, place] = draw_spread(errors.draws, np.diag(chain), n * per_example)
            noise[:, 1, place] = draw_spread(errors.draws, form, total)
        top = max(log_tangent, log_chain + max(log_inputs, 0.0))
        tangent *= math.exp(log_tangent - top)
        tangent += form * math.exp(log_chain + log_inputs - top) + chain * math.exp(log_chain - top)
        log_tangent = top
    everywhere = np.arange(len(sizes))
    noise = np.apply_along_axis(lambda row: np.interp(everywhere, sampled, row[sampled]), 2, noise)
    freedom = 0.5 * classes * _effective(last)  # the logits' mean square is like a chi-square's over 2 freedom
    noise[:, 2, -1] = polygamma(1, freedom), math.log(freedom) - float(digamma(freedom))
    by_width = np.stack([width.delta, width.gradient, width.activation])  # (quantity, layer)
    spread = 0.5 * np.sqrt(by_width + noise[0])
    shift = 0.5 * (0.5 * by_width + np.maximum(noise[1], 0.0))
    log_largest = math.log(float(np.linalg.eigvalsh(tangent)[-1])) + log_tangent
    log_rate = math.log(n * (classes if loss == "mse" else 4.0)) - log_largest
    log10 = logs / _LN10
    return Prediction(
        layer=np.arange(1, len(sizes) + 1),
        log10_activation_rms=log10[0],
        log10_delta_rms=log10[1],
        log10_gradient_norm=log10[2],
        activation_log_spread=spread[2],
        delta_log_spread=spread[0],
        gradient_log_spread=spread[1],
        activation_log_shift=shift[2],
        delta_log_shift=shift[0],
        gradient_log_shift=shift[1],
        width_log_variance=width.gradient,
        log10_largest_learning_rate=log_rate / _LN10,
        loss=loss,
        network=network,
        data_name=data.name,
        examples=n,
    )


def _refuse(network: NetworkConfig) -> None:
    if network.normalization == "batch":
        raise InputError(
            "predict does not cover normalization 'batch': each unit is divided by its own batch's standard deviation, "
            "which does not settle as the width grows, so there is no kernel recursion over pairs; use 'none', 'layer' "
            "or 'rms', or measure with train(..., steps=0)"
        )


def _width_spread(network: NetworkConfig, way: Forward, sizes: tuple[tuple[int, int], ...]) -> Spread:
    log_q = np.array([log_mean(pre - norm) for pre, norm in zip(way.log_pre, way.log_norm, strict=True)])  # (L,)
    log_sigma = np.array([sigma.log_mean for sigma in way.activation[1:]])  # (L,)
    log_weight = np.array([math.log(layer_scales(network, *size)[0]) for size in sizes])  # (L + 1,)
    return width_spread(network, log_q, log_sigma, log_weight)


def _effective(logits: Covariance) -> float:
    # Inputs that a mean square over the batch averages over as if they were independent and of one size.
    k = logits.scaled()[0]
    return float(np.trace(k) ** 2 / (k * k).sum())


def _sample(layers: int) -> np.ndarray:
    # The draws' spread changes smoothly with depth: in deep nets it is worked out at some 20 layers.
    ends = np.concatenate([np.arange(layers)[:4], np.arange(layers)[-4:], np.linspace(0, layers - 1, 16).round()])
    return np.unique(ends.astype(np.int64))
