r"""`predict(network, data) -> Prediction`: per-layer norms at step 0, on your data, without building a network.

With n examples, the covariances of `layers/covariances` and S_{L+1} that of the output errors (`layers/output_errors`):

    activation_rms_l^2 = mean_a Sigma_l,aa              (the readout's: K_{L+1},aa)
    delta_rms_l^2      = mean_a S_l,aa / fan_out_l      (per example: times n, as in `Record`)
    gradient_norm_l^2  = fan_in_l / n^2 sum_ab S_l,ab Sigma_{l-1,ab}

which are means over seeds of the *squares*, exact as the widths go to infinity with depth fixed; finite widths add
about (spread's variance) / 2 to the log of a square. Weights drawn uniformly count by their variance; so do orthogonal
ones, whose finite-width corrections differ (smaller backwards, and none for linear layers). The tangent kernel

    Theta_ab = sum_l (fan_in_l Sigma_{l-1,ab} + 1) B_l,ab,      B as S, but from B_{L+1} = 1

(1 for the bias) bounds the learning rate [1, 2]: gradient descent on `mse` (mean over n and the C classes) is stable to
2 / lambda_max of its Hessian 2 / (n C) Theta, and on `cross_entropy`, whose Hessian in the logits is at most 1/2,
surely up to 4 n / lambda_max(Theta). The learned scales and shifts of normalisation (a share of 1/width) are left out
of Theta. With batch normalisation `data` is the batch that normalises itself: S_l and Theta then come from sampled
units (`batch_norm/covariances`), the same ones each time, and `sampling_log_error` says how far that may be off.

[1] Jacot et al., 2018, arXiv:1806.07572.  [2] Lee et al., 2019, arXiv:1902.06720.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vanishlab.config import LossName, NetworkConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError, check_choice, check_integer
from vanishlab.faces import shown_as
from vanishlab.language.sentences import say
from vanishlab.progress import progress_bar
from vanishlab.theory.batch_norm.levels import batch_levels
from vanishlab.theory.layers.covariances import check_range
from vanishlab.theory.levels import pair_levels
from vanishlab.theory.meanfield.correlation import susceptibility
from vanishlab.theory.meanfield.fixed_points import MeanField, depth_scale, network_mean_field, network_point

_MAX_EXAMPLES = 4096
_LN10 = math.log(10.0)
_QUANTITIES = ("activation_rms", "delta_rms", "gradient_norm")
_MEANING = ("distinct_share", "effective_rank", "gradient_coherence")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What theory says of step 0: root mean squares over seeds, layers 1 .. L + 1 (the readout), as `Record` has them.

    The decimal logarithms are what is kept; the properties without `log10_` are their powers, which fall to 0 below
    1e-323 and rise to infinity above 1e308. A gradient that is exactly zero (a residual branch that starts at 0) is
    -inf.
    """

    layer: np.ndarray  # (layer,)
    log10_activation_rms: np.ndarray  # (layer,)
    log10_delta_rms: np.ndarray  # (layer,)
    log10_gradient_norm: np.ndarray  # (layer,)
    log10_distinct_share: np.ndarray  # (layer,)
    """Share of h's energy that differs between the examples, to the last decade: 1e-85 is said so."""
    log10_effective_rank: np.ndarray  # (layer,)
    """Number of directions in which the first 128 examples differ, at the network's widths: chance takes some away in
    every layer. NaN with batch normalisation, where that is not worked out, and where all examples are the same."""
    log10_gradient_coherence: np.ndarray  # (layer,)
    """|mean g_a|^2 / mean |g_a|^2 of the same examples' gradients of W; NaN where there is no gradient."""
    activation_log_spread: np.ndarray  # (layer,)
    """Standard deviation over seeds of the natural log of activation_rms, at the network's widths."""
    delta_log_spread: np.ndarray  # (layer,)
    """The same of delta_rms."""
    gradient_log_spread: np.ndarray  # (layer,)
    """The same of gradient_norm."""
    distinct_log_spread: np.ndarray  # (layer,)
    """The same of distinct_share; NaN with batch normalisation."""
    activation_log_shift: np.ndarray  # (layer,)
    """Natural log of activation_rms (as here, of infinite width) less the mean of the log over seeds, at the network's
    widths. For delta and the gradient it may be negative: weights that meet their own signal on its way back add to it
    (`feedback`)."""
    delta_log_shift: np.ndarray  # (layer,)
    """The same of delta_rms."""
    gradient_log_shift: np.ndarray  # (layer,)
    """The same of gradient_norm."""
    distinct_log_shift: np.ndarray  # (layer,)
    """The same of distinct_share; 0 with batch normalisation."""
    width_log_variance: np.ndarray  # (layer,)
    """Finite width's part of the variance of log gradient_norm^2; half of it is the order of the theory's error in the
    log of the square (5 sum 1/n for ReLU)."""
    sampling_log_error: np.ndarray  # (layer,)
    """Standard error of the natural log of gradient_norm from the theory's own sample of units; 0 without batch
    normalisation. A bias that grows with depth over the number of sampled units is not in it."""
    log10_largest_learning_rate: float
    """mse: gradient descent on the linearised network diverges above it. cross_entropy: it cannot diverge below."""
    loss: str
    network: NetworkConfig
    data_name: str
    examples: int

    def __repr__(self) -> str:
        """Return what was predicted, in two lines."""
        lost = self.log10_delta_rms[0] - self.log10_delta_rms[-1]
        return (
            f"Prediction for {self.network} on {self.examples} examples of {self.data_name} ({self.loss})\n"
            f"  {len(self.layer)} layers; delta, first / last: 10^{lost:.2f}"
        )

    _repr_html_ = shown_as("of_prediction")

    @property
    def activation_rms(self) -> np.ndarray:
        """Root mean square of h, (layer,); the logits' for the readout."""
        return _power(self.log10_activation_rms)

    @property
    def delta_rms(self) -> np.ndarray:
        """Root mean square of the per-example delta, (layer,)."""
        return _power(self.log10_delta_rms)

    @property
    def gradient_norm(self) -> np.ndarray:
        """Frobenius norm of dloss/dW of the whole batch, (layer,)."""
        return _power(self.log10_gradient_norm)

    @property
    def distinct_share(self) -> np.ndarray:
        """Share of h's energy that differs between the examples, (layer,)."""
        return _power(self.log10_distinct_share)

    @property
    def effective_rank(self) -> np.ndarray:
        """Number of directions in which they differ, (layer,)."""
        return _power(self.log10_effective_rank)

    @property
    def gradient_coherence(self) -> np.ndarray:
        """How far their gradients of W agree, (layer,)."""
        return _power(self.log10_gradient_coherence)

    @property
    def largest_learning_rate(self) -> float:
        """The learning rate 10^log10_largest_learning_rate, see there."""
        return float(_power(np.array(self.log10_largest_learning_rate)))

    @cached_property
    def mean_field(self) -> MeanField | None:
        """Where the hidden layers settle if they go on for ever: fixed points, chi, depth scales (in layers), phase.

        It belongs to the activation and the initialisation, at infinite width and depth: the data do not enter, but for
        their reaching the fixed point that variance 1 comes to (`MeanField.other_q_stars` are those from elsewhere).
        None where layers are no repeated map of variances, or one without a fixed point; `theory.network_mean_field`
        then raises with the reason:

        - residual branches add to the variance in every layer, so that its factor, and delta's, change with depth;
        - batch normalisation makes a unit a function of the whole batch (`theory.batch_norm_rate` is its factor of
          delta's square), and of layer and RMS normalisation the mean field is not worked out here;
        - hidden layers of several widths may each have a map of their own;
        - the variance may grow without bound (ReLU at a gain above sqrt(2), or at sqrt(2) with a bias).
        """
        try:
            return network_mean_field(self.network)
        except InputError:
            return None

    @cached_property
    def chi(self) -> float | None:
        """Factor of E|dloss/dz|^2 per layer on the way back, once variances have settled; None as `mean_field`.

        ReLU and its like, whose chi does not depend on the variance, have it even where variances grow without bound.
        Between two layers of this very prediction the factor is that of `delta_rms`^2 times the layers' units.
        """
        try:
            return float(susceptibility(self.network.activation, *network_point(self.network)))
        except InputError:
            return None

    @property
    def xi_grad(self) -> float | None:
        """Layers in which E|dloss/dz|^2 changes by e, delta's root mean square by sqrt(e): 1 / |log chi|; None as chi.

        Infinite at chi = 1.
        """
        return None if self.chi is None else abs(depth_scale(self.chi))

    @property
    def chi_c(self) -> float | None:
        """Factor per layer by which the correlation of two examples comes closer to its fixed point c*.

        1 where correlations are kept or approach c* as a power of depth; None as `mean_field`.
        """
        return None if self.mean_field is None else self.mean_field.chi_c

    @property
    def xi_c(self) -> float | None:
        """Layers in which that distance falls by e; where `mean_field.c_star` is 1, examples become alike within them.

        Infinite at chi_c = 1; None as `mean_field`. Networks train to about 6 xi_c layers (Schoenholz et al., 2017,
        arXiv:1611.01232).
        """
        return None if self.mean_field is None else self.mean_field.xi_c

    def log10_typical(self, quantity: str) -> np.ndarray:
        """Return the log10 of the typical value, the exponential of the mean log over seeds, (layer,).

        It lies below the root mean square by the quantity's log shift, see `spread`; of effective_rank and
        gradient_coherence no shift is known. Raises `InputError` for a quantity that is not predicted.
        """
        check_choice("quantity", quantity, (*_QUANTITIES, *_MEANING))
        return getattr(self, f"log10_{quantity}") - self._known("shift", quantity, 0.0) / _LN10

    def log_spread(self, quantity: str) -> np.ndarray:
        """Return the standard deviation over seeds of the quantity's natural log, (layer,); NaN where it is not known.

        Raises `InputError` for a quantity that is not predicted.
        """
        check_choice("quantity", quantity, (*_QUANTITIES, *_MEANING))
        return self._known("spread", quantity, math.nan)

    def _known(self, what: str, quantity: str, otherwise: float) -> np.ndarray:
        known = quantity in (*_QUANTITIES, "distinct_share")
        name = f"{quantity.split('_')[0]}_log_{what}"
        return getattr(self, name) if known else np.full(len(self.layer), otherwise)


def predict(
    network: NetworkConfig,
    data: Dataset,
    loss: LossName = "cross_entropy",
    *,
    max_examples: int | None = None,
    progress: bool | None = None,
) -> Prediction:
    """Predict the per-layer norms at step 0 of `network` on the full batch `data`.

    `max_examples` predicts for a batch of the first that many examples instead. `progress` says whether to show a bar;
    None is where somebody watches, at a terminal or in a notebook.

    Raises `InputError` for more than 4,096 examples without `max_examples` (the kernels hold every pair), for
    pre-activation variances above 1e5 where phi is not piecewise linear, and with batch normalisation for one or two
    examples or a gradient that is lost in rounding (some dozens of linear layers behind inputs of two features).

    >>> from vanishlab import NetworkConfig, load_data
    >>> deep = predict(NetworkConfig(depth=50), load_data("digits", max_examples=64))
    >>> round(float(deep.log10_gradient_norm[0]))
    -43
    >>> f"chi = {deep.chi:.4f}, xi_grad = {deep.xi_grad:.3f}, xi_c = {deep.xi_c:.3f}"
    'chi = 0.0200, xi_grad = 0.255, xi_c = 0.255'
    """
    check_choice("loss", loss, ("cross_entropy", "mse"))
    if max_examples is not None and max_examples < len(data.y):
        check_integer("max_examples", max_examples, 1)
        data = replace(data, x=data.x[:max_examples], y=data.y[:max_examples])
    n, classes = len(data.y), data.num_classes
    if n > _MAX_EXAMPLES:
        raise InputError(f"data must have at most {_MAX_EXAMPLES} examples (or give max_examples), got {n}")
    if network.normalization == "batch":
        if n < 3:
            raise InputError(
                f"data must have at least 3 examples with normalization 'batch', got {n}: two become +1 and -1 in "
                "every unit, and only the few whose two pre-activations differ by some 1e-3 pass a gradient on"
            )
        try:
            floats = np.errstate(over="raise", divide="raise", invalid="raise")
            with floats, progress_bar(say("predicting"), progress) as advance:
                levels = batch_levels(network, data, loss, advance)
        except InputError:
            raise
        except (ArithmeticError, ValueError) as error:  # a width of 1 or 2, or scales far from any network in use
            raise InputError(
                f"predict cannot follow normalization 'batch' through this network, its numbers leave float64 ({error})"
            ) from error
    else:
        check_range(network, data)
        with progress_bar(say("predicting"), progress) as advance:
            levels = pair_levels(network, data, loss, advance)
    width = levels.width
    by_width = np.stack([width.delta, width.gradient, width.activation])  # (quantity, layer)
    spread = 0.5 * np.sqrt(np.maximum(by_width + levels.noise[0], 0.0))  # sampled covariances may leave less than 0
    typical = np.stack([levels.typical.delta, levels.typical.gradient, levels.typical.activation])
    shift = 0.5 * (0.5 * typical + levels.noise[1])
    log_rate = math.log(n * (classes if loss == "mse" else 4.0)) - levels.log_tangent
    return Prediction(
        layer=np.arange(1, network.depth + 2),
        log10_activation_rms=levels.activation * (0.5 / _LN10),
        log10_delta_rms=levels.delta * (0.5 / _LN10),
        log10_gradient_norm=levels.gradient * (0.5 / _LN10),
        log10_distinct_share=levels.share / _LN10,
        log10_effective_rank=np.log10(levels.apart.rank),
        log10_gradient_coherence=levels.coherence / _LN10,
        activation_log_spread=spread[2],
        delta_log_spread=spread[0],
        gradient_log_spread=spread[1],
        distinct_log_spread=np.sqrt(levels.apart.variance),
        activation_log_shift=shift[2],
        delta_log_shift=shift[0],
        gradient_log_shift=shift[1],
        distinct_log_shift=levels.apart.shift,
        width_log_variance=levels.single,
        sampling_log_error=0.5 * np.sqrt(np.maximum(levels.sampling, 0.0)),
        log10_largest_learning_rate=log_rate / _LN10,
        loss=loss,
        network=network,
        data_name=data.name,
        examples=n,
    )


def _power(log10: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 10.0**log10
