r"""The levels of a batch-normalised network, and how far they vary at finite width.

A layer of n_l units averages, over its units, y = |G phi|^2 on the way there, which sets the scale of K_{l+1} and so of
the next layer's J, and x = tr(J D T D J) on the way back. With B_l and F_l the relative fluctuations of the two means,

    log tr S_l   = ... + sum_{i >= l} t_i (B_i - sum_j p_ij F_j),    log ||dloss/dW_l||^2 = log tr S_l + sum_j p_lj F_j

p_lj being layer j's share of the centred Sigma_{l-1} and t_i, i > l, that of sigma_w^2 S_i in T_{i-1} (t_l = 1; without
skip all t_i = 1 and p_lj = [j = l - 1]). To first order, for normal weights,

    n Var B = (E[x^2] + 2 E[tr (J D T D J)^2]) / E[x]^2 - 1,   n Var F = E[y^2] / E[y]^2 - 1,
    n Cov   = E[x y] / (E[x] E[y]) - 1

and without the trace of the square for orthogonal ones. The same sum with the number of sampled units for n, without
that trace, bounds the sampling error of the prediction itself (orthonormal frames do better than independent units).
Where the width is not large against n^2, linear layers spread the spectrum of K beyond what this first order knows.
"""

import math

import numpy as np

from vanishlab.activations import ACTIVATIONS
from vanishlab.config import LossName, NetworkConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError
from vanishlab.progress import Advance
from vanishlab.theory.batch_norm.covariances import (
    Back,
    BatchForward,
    batch_backward,
    batch_forward,
    carry,
    centre,
    units_of,
    working_dtype,
)
from vanishlab.theory.batch_norm.sampled_units import Units
from vanishlab.theory.layers.covariances import Covariance
from vanishlab.theory.layers.output_errors import OutputErrors, output_errors
from vanishlab.theory.levels import Levels, apart_of_wide, log_coherence, logit_noise
from vanishlab.theory.weight_variances import layer_scales
from vanishlab.theory.width.finite_width import sampled_layers
from vanishlab.theory.width.spread import Spread, draw_spread

_LOST = 1e-10  # share of <S, Sigma> in its bound below which it is rounding
_SQUARES = 48  # units whose whole matrix J D T D J is looked at
_HEAVY, _MEANS = 0.05, 500  # variance of a mean from which it is drawn instead, so often
_DOWN = (0, 1, 3, 7)  # layers below the last hidden one; lower, the draw of the logits changes nothing more


def batch_levels(
    network: NetworkConfig, data: Dataset, loss: LossName, advance: Advance = lambda share: None
) -> Levels:
    """Return the levels of a network of normalization 'batch', the whole of `data` being the batch.

    `advance` is told the share of the layers that is done.

    Raises `InputError` where the gradient is lost in rounding (linear layers far from inputs of two dimensions).
    """
    sizes = network.layer_sizes(data.features, data.num_classes)
    n = len(data.y)
    way = batch_forward(network, data)
    last = way.logits
    errors = output_errors(last.log_diagonal, last.correlation, data.y, data.num_classes, loss)
    activation = np.array([covariance.log_mean for covariance in [*way.activation[1:], last]])
    delta, gradient = np.full(len(sizes), -math.inf), np.full(len(sizes), -math.inf)
    coherence = np.full(len(sizes), math.nan)
    sampled = sampled_layers(network.depth)
    moments = np.zeros((network.depth, 7))
    share = np.zeros(network.depth)  # t_l
    places = reversed(range(len(sizes)))
    for place, back in zip(places, batch_backward(network, data, way, errors.covariance), strict=True):
        advance(1 - place / len(sizes))
        fan_in, fan_out = sizes[place]
        log_s = back.log_s + 2 * errors.log_scale
        trace = float(np.trace(back.s)) / n
        if trace > 0:
            inputs, log_inputs = way.activation[place].scaled()
            total = float(np.vdot(back.s, inputs))
            if not total > _LOST * trace * float(np.trace(inputs)):
                raise InputError(
                    f"predict loses the gradient of layer {place + 1} in rounding: behind {len(sizes) - place} "
                    "layers of normalization 'batch' the deltas hardly overlap with what the inputs span; use fewer"
                )
            delta[place] = math.log(trace / fan_out) + log_s
            coherence[place] = log_coherence(back.s, inputs)
            gradient[place] = math.log(total * fan_in) + log_inputs + log_s - 2 * math.log(n)
        if place < network.depth:
            share[place] = _share(network, sizes, place, back)
            if place in sampled:
                units = units_of(network, data, way.pre[place], place + 1)
                moments[place] = _unit_moments(network, units, back.t, fan_out)
    everywhere = np.arange(network.depth)
    moments = np.stack([np.interp(everywhere, sampled, column[sampled]) for column in moments.T], axis=1)
    width, shift, sampling = _spreads(network, way, share, moments)
    noise = _noise(network, data, way, sizes, errors)
    noise[1] = np.maximum(noise[1], 0.0)
    noise[1, :2] += shift
    noise[:, 2, -1] = logit_noise(last, data.num_classes)
    share, apart = apart_of_wide([*way.activation[1:], last])
    top = float(np.linalg.eigvalsh(way.tangent)[-1])  # 0: no step moves a logit, as in a batch of two
    return Levels(
        activation=activation,
        delta=delta,
        gradient=gradient,
        width=width,
        typical=width,
        single=width.gradient,
        noise=noise,
        log_tangent=math.log(top) + way.log_tangent if top > 0 else -math.inf,
        sampling=sampling,
        share=share,
        apart=apart,
        coherence=coherence,
    )


def _share(network: NetworkConfig, sizes: tuple[tuple[int, int], ...], place: int, back: Back) -> float:
    if network.branch_scale is None or place == 0:
        return 1.0
    log_branch = back.log_s + math.log(layer_scales(network, *sizes[place])[0] * max(float(np.trace(back.s)), 1e-300))
    return 1.0 / (1.0 + math.exp(min(back.log_t + math.log(float(np.trace(back.t))) - log_branch, 700.0)))


def _unit_moments(network: NetworkConfig, units: Units, back: np.ndarray, width: int) -> np.ndarray:
    """Return n Var B, its shift, n Var F, n Cov, and the first three of the sampling, (7,)."""
    dtype = working_dtype(network)
    u, n = units.u.astype(dtype), len(units.u)
    weight = units.weight
    phi = ACTIVATIONS[network.activation]
    d, h = phi.slope(u).astype(dtype), phi.phi(u)
    t = back.astype(dtype)
    du = d * u
    quadratic = np.einsum("ar,ar->r", du, t @ du) / n
    x = np.einsum("ar,ar,a->r", d, d, np.diag(t)) - np.einsum("ar,ar->r", d, t @ d) / n
    x = units.inverse * np.maximum(x - quadratic * (2.0 - np.einsum("ar,ar->r", u, u) / n), 0.0)
    y = np.square(h - h.mean(axis=0, dtype=np.float64)).sum(axis=0)  # not by a difference of squares: it may be tiny
    count = max(4, min(_SQUARES, 2**22 // n**2))
    some = np.unique(np.linspace(0, len(weight) - 1, count).astype(np.int64))
    c = np.einsum("ar,ab,br->rab", d[:, some], t, d[:, some])  # (unit, n, n)
    mixed = np.einsum("rab,br->ra", c, u[:, some])
    mixed -= 0.5 * u[:, some].T * (np.einsum("ra,ar->r", mixed, u[:, some]) / n)[:, None]
    c -= (mixed[:, :, None] * u[:, some].T[:, None, :] + u[:, some].T[:, :, None] * mixed[:, None, :]) / n
    c -= c.mean(axis=1, keepdims=True)
    c -= c.mean(axis=2, keepdims=True)
    squares = units.inverse[some] ** 2 * np.einsum("rab,rab->r", c, c)
    below = float(weight[some] @ x[some] ** 2)
    trace = float(weight[some] @ squares) / below if below > 0 else 1.0  # tr C^2 / x^2
    mean_x, mean_y = max(float(weight @ x), 1e-300), max(float(weight @ y), 1e-300)
    x, y = x / mean_x, y / mean_y
    own = 0.0 if network.initialization == "orthogonal" else 2.0 * trace
    variance, shift = float(weight @ x**2) * (1.0 + own) - 1.0, 0.0
    if units.lengths > 1 and variance > _HEAVY * width:
        variance, shift = _heavy(x, weight, own, width)
    # What the sampling leaves: directions are counted, their lengths are a quadrature.
    direction = weight.reshape(-1, units.lengths).sum(axis=1)
    x_of, y_of = ((weight * values).reshape(-1, units.lengths).sum(axis=1) / direction for values in (x, y))
    error, x_off, y_off = direction**2, x_of - 1.0, y_of - 1.0
    return np.array([
        variance, shift, float(weight @ y**2) - 1.0, float(weight @ (x * y)) - 1.0,
        float(error @ x_off**2), float(error @ y_off**2), float(error @ (x_off * y_off)),
    ])  # fmt: skip


def _heavy(x: np.ndarray, weight: np.ndarray, own: float, width: int) -> tuple[float, float]:
    # x of a heavy tail (1 / s^2 in two dimensions): the log of its mean over `width` units, by drawing such means.
    # Returned are width times its variance, and by how much log E exceeds E log beyond half the variance.
    generator = np.random.default_rng(0)
    draws = generator.choice(x, size=(_MEANS, width), p=weight)
    if own > 0:
        draws *= generator.gamma(1.0 / own, own, size=draws.shape)
    means = draws.mean(axis=1)
    logs = np.log(means[means > 0])  # a few units may all pass nothing on; such a draw has no log
    if len(logs) == 0:
        return 0.0, 0.0
    variance = float(logs.var())
    return variance * width, -float(logs.mean()) - 0.5 * variance


def _spreads(
    network: NetworkConfig, way: BatchForward, share: np.ndarray, moments: np.ndarray
) -> tuple[Spread, np.ndarray, np.ndarray]:
    depth, n = network.depth, np.array(network.widths, dtype=np.float64)  # (L,)
    back, shift, forward, both, *sampling = moments.T
    centred = _shares(network, way)
    forward = forward + _met(network, way)
    to_b = np.tril(np.ones((depth, depth)), -1).T * share + np.eye(depth)  # rows l = 1 .. L: t_i for i > l
    delta_f = np.vstack([-to_b @ centred[:-1], np.zeros(depth)])  # and the readout
    to_b = np.vstack([to_b, np.zeros(depth)])
    gradient_f = delta_f + centred
    squares = np.array([each.variance for each in way.squares]) / n

    def total(f: np.ndarray, back: np.ndarray, forward: np.ndarray, both: np.ndarray) -> np.ndarray:
        return np.maximum((to_b**2 * back + f**2 * forward + 2.0 * to_b * f * both).sum(axis=1), 0.0)

    width = Spread(
        activation=np.append(squares, squares[-1]),  # and the logits
        delta=total(delta_f, back / n, forward / n, both / n),
        gradient=total(gradient_f, back / n, forward / n, both / n),
    )
    return width, to_b @ shift, total(gradient_f, *sampling)


def _met(network: NetworkConfig, way: BatchForward) -> np.ndarray:
    """Return what is added to n Var F_j, (L,), by what a branch meets of the skip by chance, over the branch's share.

    Of the centred |h + s phi|^2 that is 2 s h . phi, of the relative variance 4 s^2 tr(Sigma_{j-1} Phi_j) over n.
    """
    met = np.zeros(network.depth)
    if not network.branch_scale:
        return met
    for place in range(1, network.depth):
        (own, log_own), (new, log_new) = (each.scaled() for each in (way.activation[place], way.branch[place]))
        own, new = centre(own), centre(new)
        trace = float(np.trace(new))
        if trace > 0:
            log_ratio = log_own - log_new - 2.0 * math.log(abs(network.branch_scale))
            met[place] = 4.0 * float(np.vdot(own, new)) / trace**2 * math.exp(min(log_ratio, 600.0))
    return met


def _shares(network: NetworkConfig, way: BatchForward) -> np.ndarray:
    """Return p_lj, layer j's share in the centred trace of Sigma_{l-1}, rows l = 1 .. L + 1, columns j = 1 .. L."""
    shares = np.zeros((network.depth + 1, network.depth))

    def log_size(covariance: Covariance) -> float:
        matrix, log_scale = covariance.scaled()
        return log_scale + math.log(max(float(np.trace(centre(matrix))), 1e-300))

    branch = np.array([log_size(covariance) for covariance in way.branch])
    if network.branch_scale is not None:
        branch[1:] += 2 * math.log(max(abs(network.branch_scale), 1e-150))
    for layer in range(1, network.depth + 1):
        if network.branch_scale is None:
            shares[layer, layer - 1] = 1.0
        else:
            shares[layer, :layer] = np.exp(np.minimum(branch[:layer] - log_size(way.activation[layer]), 0.0))
    return shares


def _noise(
    network: NetworkConfig,
    data: Dataset,
    way: BatchForward,
    sizes: tuple[tuple[int, int], ...],
    errors: OutputErrors,
) -> np.ndarray:
    # Delta's and the gradient's squares are quadratic forms in the output errors: those of a few layers, by `carry`.
    n, depth = len(data.y), network.depth
    noise = np.zeros((2, 3, depth + 1))
    noise[:, 0, -1] = draw_spread(errors.draws, np.ones(n), float(np.trace(errors.covariance)))[:2]
    form = way.activation[depth].scaled()[0]
    noise[:, 1, -1] = draw_spread(errors.draws, form, float(np.vdot(form, errors.covariance)))[:2]
    starts = sorted({max(depth - down, 1) for down in _DOWN})
    forms: dict[tuple[int, int], tuple[np.ndarray, float]] = {}
    nothing = (np.zeros((n, n)), -math.inf)
    for layer in range(starts[0], depth + 1):
        units = units_of(network, data, way.pre[layer - 1], layer)
        for key, (v, log_v) in list(forms.items()):
            log_theta = log_v + math.log(layer_scales(network, *sizes[layer - 1])[0])
            forms[key] = carry(network, units, layer, v, log_theta, v, log_v)
        if layer in starts and (network.branch_scale != 0.0 or layer == 1):
            seeds = (np.eye(n), way.activation[layer - 1].scaled()[0])
            for kind, seed in enumerate(seeds):
                forms[layer, kind] = carry(network, units, layer, seed, 0.0, *nothing)
    known = sorted({layer for layer, _ in forms})
    for layer, kind in forms:
        matrix = forms[layer, kind][0]
        noise[:, kind, layer - 1] = draw_spread(errors.draws, matrix, float(np.vdot(matrix, errors.covariance)))[:2]
    if known:
        places = np.array([*known, depth + 1])
        for row in (noise[0, 0], noise[0, 1], noise[1, 0], noise[1, 1]):
            row[:] = np.interp(np.arange(1, depth + 2), places, row[places - 1])
    return noise
