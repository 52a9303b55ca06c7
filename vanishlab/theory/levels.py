"""The levels of a network's layers, logarithms of squared norms: what the recursions over pairs of inputs give."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from vanishlab.config import LossName, NetworkConfig
from vanishlab.data import Dataset
from vanishlab.progress import Advance
from vanishlab.theory.layers.apart import gaps_of, log_share, stay_apart
from vanishlab.theory.layers.covariances import Covariance, backward, forward
from vanishlab.theory.layers.output_errors import output_errors
from vanishlab.theory.width.apart_spread import ApartEffects, apart_effects
from vanishlab.theory.width.finite_width import FiniteWidth, sampled_layers
from vanishlab.theory.width.spread import Spread, draw_spread

COMPARED = 128
"""Examples of the effective rank and of the coherence: as many are compared where they are measured."""


class Levels(NamedTuple):
    """Per layer l = 1 .. L + 1; -inf where a square is exactly 0."""

    activation: np.ndarray  # (layer,): log of activation_rms^2
    delta: np.ndarray  # (layer,): log of delta_rms^2
    gradient: np.ndarray  # (layer,): log of gradient_norm^2
    width: Spread
    typical: Spread  # whose halves the typical logs lie below those of the mean squares, but for the noise's part
    single: np.ndarray  # (layer,): what width.gradient would be if all inputs were alike
    noise: np.ndarray  # (2, 3, layer): variance of the logs of delta, gradient, activation by the logits' draw, shift
    log_tangent: float  # log of the tangent kernel's largest eigenvalue
    sampling: np.ndarray  # (layer,): variance of log gradient_norm^2 that the theory's own sampling leaves
    share: np.ndarray  # (layer,): log of the distinct share; -inf where all examples are the same
    apart: ApartEffects  # what finite width does to it; NaN with batch normalisation
    coherence: np.ndarray  # (layer,): log of the gradients' coherence; NaN where there is no gradient


def pair_levels(network: NetworkConfig, data: Dataset, loss: LossName, advance: Advance = lambda share: None) -> Levels:
    """Return the levels of a network whose layers are functions of pairs: any but batch-normalised ones.

    `advance` is told the share of the layers that is done.
    """
    sizes = network.layer_sizes(data.features, data.num_classes)
    n, classes = len(data.y), data.num_classes
    way = forward(network, data)
    last = way.logits
    errors = output_errors(last.log_diagonal, last.correlation, data.y, classes, loss)
    activation = np.array([covariance.log_mean for covariance in [*way.activation[1:], last]])
    delta, gradient = np.full(len(sizes), -math.inf), np.full(len(sizes), -math.inf)
    noise = np.zeros((2, 3, len(sizes)))
    sampled = sampled_layers(len(sizes))
    coherence = np.full(len(sizes), math.nan)
    finite = FiniteWidth(network, way, sizes, errors, loss)
    tangent, log_tangent = np.zeros((n, n)), -math.inf
    places = reversed(range(len(sizes)))
    for place, (chain, log_chain) in zip(places, backward(network, way, sizes), strict=True):
        advance(1 - place / len(sizes))
        fan_in, fan_out = sizes[place]
        log_s = log_chain + 2 * errors.log_scale
        inputs, log_inputs = way.activation[place].scaled()
        log_inputs += math.log(fan_in)
        form = chain * inputs  # (n, n): ||dloss/dW||^2 is its quadratic form in the errors
        per_example = float((np.diag(chain) * np.diag(errors.covariance)).mean())
        if per_example > 0:
            delta[place] = math.log(per_example / fan_out) + log_s
        total = float(np.vdot(form, errors.covariance))
        if total > 0:
            gradient[place] = math.log(total) + log_inputs + log_s - 2 * math.log(n)
        coherence[place] = log_coherence(form, errors.covariance)
        if place in sampled:
            for kind, (matrix, size) in enumerate(((np.diag(chain), n * per_example), (form, total))):
                *noise[:, kind, place], finite.rho[kind, place] = draw_spread(errors.draws, matrix, size, errors.slopes)
        log_total = math.log(total) + log_chain + log_inputs - math.log(fan_in) if total > 0 else math.inf
        finite.visit(place, chain, log_chain, log_total, place in sampled)
        top = max(log_tangent, log_chain + max(log_inputs, 0.0))
        tangent *= math.exp(log_tangent - top)
        tangent += form * math.exp(log_chain + log_inputs - top) + chain * math.exp(log_chain - top)
        log_tangent = top
    everywhere = np.arange(len(sizes))
    noise = np.apply_along_axis(lambda row: np.interp(everywhere, sampled, row[sampled]), 2, noise)
    noise[1] = np.maximum(noise[1], 0.0)
    noise[:, 2, -1] = logit_noise(last, classes)
    found = finite.spreads(sampled)
    noise[0, :2] *= found.amplified**2
    noise[1, :2] -= np.log1p(found.added)
    noise[1, 1] -= np.log1p(found.contrast)
    apart = stay_apart(network, way, sizes, COMPARED)
    return Levels(
        activation=activation,
        delta=delta,
        gradient=gradient,
        width=found.width,
        typical=found.typical,
        single=found.typical.gradient,
        noise=noise,
        log_tangent=math.log(float(np.linalg.eigvalsh(tangent)[-1])) + log_tangent,
        sampling=np.zeros(len(sizes)),
        share=apart.log_share,
        apart=apart_effects(network, apart, finite.chain, finite.log_q, classes),
        coherence=coherence,
    )


def log_coherence(form: np.ndarray, errors: np.ndarray) -> float:
    """Return the log of |mean_a g_a|^2 / mean_a |g_a|^2, g_a . g_b = form_ab e_a . e_b, over the first examples."""
    products = form[:COMPARED, :COMPARED] * errors[:COMPARED, :COMPARED]
    own, together = float(np.trace(products)), float(products.sum())
    return math.log(together / (len(products) * own)) if own > 0 and together > 0 else math.nan


def apart_of_wide(covariances: Sequence[Covariance]) -> tuple[np.ndarray, ApartEffects]:
    """Return the logs of shares as covariances alone have them; what finite width does to them is not known."""
    unknown = np.full(len(covariances), math.nan)
    shares = np.array([log_share(gaps_of(covariance)) for covariance in covariances])
    return shares, ApartEffects(unknown, np.zeros(len(covariances)), unknown)


def logit_noise(logits: Covariance, classes: int) -> tuple[float, float]:
    """Return variance and shift of the log of the logits' mean square over draws of them."""
    k = logits.scaled()[0]
    if not k.any():  # logits that are exactly 0 do not vary
        return 0.0, 0.0
    # Inputs that a mean square over the batch averages over as if they were independent and of one size.
    effective = float(np.trace(k) ** 2 / (k * k).sum())
    freedom = 0.5 * classes * effective  # the mean square is like a chi-square's over 2 freedom
    return float(polygamma(1, freedom)), math.log(freedom) - float(digamma(freedom))
