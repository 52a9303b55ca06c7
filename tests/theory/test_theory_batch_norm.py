"""Batch normalisation in theory: the rate per layer against closed forms, sampled units and measured networks."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from drawn_networks import Drawn
from scipy.special import digamma, polygamma

import vanishlab as vl
from vanishlab.activations import ACTIVATIONS
from vanishlab.config import ActivationName
from vanishlab.errors import InputError
from vanishlab.theory.batch_norm import explosion_rate
from vanishlab.theory.batch_norm.covariances import BatchForward, batch_forward, pull, push
from vanishlab.theory.batch_norm.explosion_rate import batch_norm_rate
from vanishlab.theory.batch_norm.levels import _heavy, _met, _shares, _unit_moments
from vanishlab.theory.batch_norm.sampled_units import draw_uniform_units, draw_units
from vanishlab.theory.layers.covariances import split
from vanishlab.theory.width.mean_squares import Moments, add_branch, squares_of

NAMES = get_args(ActivationName)


def sampled_rate(name, n, units=50_000):
    """The rate from units drawn at random, with one standard error, by the definition: J = du/dz as a matrix."""
    generator = np.random.default_rng(n)
    z = generator.standard_normal((units, n))
    z -= z.mean(axis=1, keepdims=True)
    u = z * (math.sqrt(n) / np.linalg.norm(z, axis=1, keepdims=True))
    phi, d = ACTIVATIONS[name].phi(u), ACTIVATIONS[name].slope(u)
    centred = phi - phi.mean(axis=1, keepdims=True)
    kappa = (centred**2).sum(axis=1) / (n - 1)
    back = d[:, :, None] * (np.eye(n) - 1.0 / n - u[:, :, None] * u[:, None, :] / n)  # (unit, n, n): D P
    back -= back.mean(axis=1, keepdims=True)
    trace = (back**2).sum(axis=(1, 2))  # tr(P D G D P)
    rate = n / ((n - 1) * (n - 3)) * trace.mean() / kappa.mean()
    # Of a ratio of two means over the same units.
    error = (trace / trace.mean() - kappa / kappa.mean()).std() / math.sqrt(units)
    return rate, rate * error


def test_closed_forms():
    # Yang et al. 2019 (arXiv:1902.08129): linear (n - 2) / (n - 3); ReLU pi / (pi - 1) for large batches, here with the
    # arc-cosine kernels at the correlation -1 / (n - 1), exact because ReLU is homogeneous.
    for n in (4, 7, 32, 5000):
        assert batch_norm_rate("linear", n) == pytest.approx((n - 2) / (n - 3), rel=1e-10)
        theta = math.acos(-1 / (n - 1))
        same = (math.pi - theta) / (2 * math.pi)
        shared = math.sin(theta) / (2 * math.pi) - same / (n - 1)
        trace = (n - 1) * ((1 - 1 / n) / 2 - 0.5 / n) + (1 - 1 / n) * (same + shared)
        expected = n / ((n - 1) * (n - 3)) * trace / (0.5 - shared)
        assert batch_norm_rate("relu", n) == pytest.approx(expected, rel=1e-10)
    assert batch_norm_rate("relu", 10**6) == pytest.approx(math.pi / (math.pi - 1), rel=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_rate_against_sampled_units(name):
    for n in (4, 9):
        expected, error = sampled_rate(name, n)
        assert batch_norm_rate(name, n) == pytest.approx(expected, abs=5 * error + 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_quadrature_has_converged(name, monkeypatch):
    fine = [batch_norm_rate(name, n) for n in (4, 33, 1000)]
    monkeypatch.setattr(explosion_rate, "_NODES", 40)
    assert [batch_norm_rate(name, n) for n in (4, 33, 1000)] == pytest.approx(fine, rel=1e-9)


def test_rate_of_a_measured_network():
    # Width 768: the spectrum of a layer's covariance spreads by n / width, 1 %, and so may the rate; beside it five
    # standard errors of four seeds over 12 layers.
    data = vl.load_data("digits", max_examples=8)
    network = vl.NetworkConfig(
        depth=16, width=768, activation="tanh", initialization="lecun_normal", normalization="batch"
    )
    record = vl.train(network, vl.TrainingConfig(steps=0, seeds=(0, 1, 2, 3)), data)
    logs = 2 * np.log(record.delta_rms[:, 0])
    growth = (logs[:, 1] - logs[:, 13]) / 12
    allowed = 5 * growth.std(ddof=1) / 2 + 0.01
    assert growth.mean() == pytest.approx(math.log(batch_norm_rate("tanh", 8)), abs=allowed)


def test_the_step_back_against_autograd_of_batch_norm():
    # E[J D T D J] over 20,000 units of torch's own batch normalisation and ReLU, at five standard errors.
    generator = np.random.default_rng(5)
    n, units = 6, 20_000
    factor = generator.standard_normal((n, n)) * np.geomspace(1.0, 0.3, n)
    t = generator.standard_normal((n, n))
    t = t @ t.T
    z = torch.tensor(factor @ generator.standard_normal((n, units)), requires_grad=True)
    errors = torch.tensor(np.linalg.cholesky(t) @ generator.standard_normal((n, units)))  # of covariance T
    norm = torch.nn.BatchNorm1d(units, dtype=torch.float64)
    torch.relu(norm(z)).backward(errors)
    assert z.grad is not None
    delta = z.grad.numpy()
    network = vl.NetworkConfig(activation="relu", normalization="batch")
    sampled = draw_units(factor @ factor.T, 0.0, 1)
    found, log_scale = pull(network, sampled, t, 0.0)
    products = delta[:, None, :] * delta[None, :, :]
    error = products.std(axis=2) / math.sqrt(units)
    assert (
        np.abs(products.mean(axis=2) - math.exp(log_scale) * found) < 5 * error + 0.01 * products.mean(2).max()
    ).all()
    h = np.maximum(sampled.u, 0.0)
    expected = float((norm(z).relu() ** 2).sum().detach()) / units
    assert ((h * sampled.weight) @ h.T).trace() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", ["linear", "softplus"])
def test_push_is_the_adjoint_of_pull(name):
    # <E[J D T D J], Theta> = <T, E[D J Theta J D]>, to the rounding of float32 (float64 for linear networks).
    generator = np.random.default_rng(6)
    a, b, k = (m @ m.T for m in generator.standard_normal((3, 7, 7)))
    network = vl.NetworkConfig(activation=name, normalization="batch")
    units = draw_units(k, -3.0, 2)
    (s, log_s), (v, log_v) = pull(network, units, a, 0.0), push(network, units, b, 0.0)
    assert np.vdot(s, b) * math.exp(log_s) == pytest.approx(np.vdot(a, v) * math.exp(log_v), rel=1e-5)
    np.testing.assert_allclose(s.sum(axis=0), 0.0, atol=1e-6)  # a shift of all examples changes nothing


def test_units_have_the_second_moments_that_are_asked_for():
    generator = np.random.default_rng(7)
    for rank in (1, 2, 3, 5, 9):
        factor = generator.standard_normal((10, rank))
        units = draw_units(factor @ factor.T, 1.0, 3)
        assert units.weight.sum() == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(units.u.mean(axis=0), 0.0, atol=1e-12)
        np.testing.assert_allclose((units.u**2).mean(axis=0), 1 - 1e-5 * math.exp(-1.0) * units.inverse, atol=1e-9)
        centred = factor - factor.mean(axis=0)
        z2 = (units.u**2).mean(axis=0) / np.maximum(units.inverse, 1e-300)  # the variance over the batch
        expected = np.trace(centred @ centred.T) / 10
        assert units.weight @ z2 == pytest.approx(expected, rel=0.02)  # few lengths: 40 nodes; else quantiles
        assert np.linalg.matrix_rank(units.u[:, ::37], tol=1e-6) == rank


def test_large_batches_have_thousands_of_units_too():
    assert 2**12 <= draw_units(np.eye(100), 0.0, 1).u.shape[1] <= 2**14


@pytest.mark.parametrize("features", [2, 5, 16])
def test_units_of_uniform_weights_have_their_variance_too(features):
    x = np.random.default_rng(8).standard_normal((10, features))
    units = draw_uniform_units(x, 1.5, 3)
    z2 = (units.u**2).mean(axis=0) / units.inverse  # the variance over the batch, for a bound of 1
    assert units.weight.sum() == pytest.approx(1.0, abs=1e-12) and units.log_scale == pytest.approx(2 * math.log(1.5))
    assert units.weight @ z2 == pytest.approx((x - x.mean(axis=0)).var(axis=0).sum() / 3, rel=0.01)


@pytest.mark.parametrize("n", [9, 20])
def test_what_a_linear_unit_passes_back_varies_as_the_inverse_of_its_variance(n):
    # Uncorrelated examples: s^2 is chi-square of r = n - 1, and J = G - u u^T / n over s a projection of rank n - 2, of
    # which a Gaussian error keeps a chi-square. E[s^-4] / E[s^-2]^2 = (r - 2) / (r - 4), and 1 + 2 / (n - 2) times it.
    network = vl.NetworkConfig(activation="linear", normalization="batch")
    moments = _unit_moments(network, draw_units(np.eye(n), 0.0, 1), np.eye(n) - 1 / n, 10**6)
    assert moments[0] == pytest.approx((n - 3) / (n - 5) * n / (n - 2) - 1, rel=0.02)  # quantiles, not the tail
    np.testing.assert_allclose(moments[1:5], 0.0, atol=1e-4)  # |u|^2 is n in all of them, but for the 1e-5


def test_the_log_of_a_mean_of_heavy_tails_is_that_of_a_gamma_distribution():
    # The mean of four chi-squares of one degree of freedom is Gamma(2, 1/2): 500 draws of its log, at three errors.
    variance, shift = _heavy(np.ones(3), np.full(3, 1 / 3), 2.0, 4)
    expected = polygamma(1, 2)
    assert variance == pytest.approx(4 * expected, rel=0.3)
    assert shift == pytest.approx(-(digamma(2) - math.log(2)) - 0.5 * expected, abs=3 * math.sqrt(expected / 500))


def test_a_layers_share_is_its_branchs_part_of_what_is_handed_on():
    data = vl.load_data("digits", max_examples=8)
    network = vl.NetworkConfig(3, 32, "tanh", "lecun_normal", residual=0.3, normalization="batch")
    shares = _shares(network, batch_forward(network, data))
    # tanh has no mean: traces add up, of equal branches whose scale but for the first one's is 0.09.
    traces = np.array([1.0, 0.09, 0.09])
    for layer in (1, 2, 3):
        np.testing.assert_allclose(shares[layer, :layer], traces[:layer] / traces[:layer].sum(), rtol=0.03)


def test_spread_over_seeds():
    # 100 seeds know a standard deviation to 7 %: three of these.
    data = vl.load_data("digits", max_examples=16)
    network = vl.NetworkConfig(3, 128, "relu", "kaiming_normal", normalization="batch", dtype="float64")
    found, record = vl.predict(network, data, "mse"), Drawn(network, data, "mse", 100)
    for quantity in ("activation_rms", "delta_rms", "gradient_norm"):
        measured = np.log(getattr(record, quantity)[:, 0]).std(0, ddof=1)
        assert (np.abs(np.log(found.log_spread(quantity) / measured)) < math.log(1.22)).all(), quantity


@pytest.mark.parametrize(("activation", "residual"), [("tanh", "plain"), ("relu", "plain"), ("softplus", -0.5)])
def test_spread_over_seeds_where_branches_add_up(activation, residual):
    # 160 seeds know a standard deviation to 6 %: three of these, and first order in 1 / width is known to 5 % here.
    data = vl.load_data("digits", max_examples=32)
    network = vl.NetworkConfig(5, 128, activation, "kaiming_normal", residual=residual, normalization="batch")
    measured = np.log(Drawn(network, data, "cross_entropy", 160).activation_rms[:, 0]).std(0, ddof=1)
    found = vl.predict(network, data).log_spread("activation_rms")
    assert (np.abs(np.log(found / measured)) < math.log(1.25)).all(), found / measured


def phi_values(layer, z):
    """Odd, even and mixed functions, so that every term of the sum counts."""
    return (np.maximum(z, 0.0), np.tanh(2 * z) + 0.4, z**2 - 0.3 * z)[layer]


@pytest.mark.parametrize("scale", [0.6, -1.3])
def test_a_units_square_varies_as_that_of_a_million_drawn_units(scale):
    generator = np.random.default_rng(5)
    roots = [np.tril(generator.normal(size=(3, 3))) for _ in range(3)]
    layers = [phi_values(layer, roots[layer] @ generator.standard_normal((3, 10**6))) for layer in range(3)]
    weight = np.full(10**6, 1e-6)
    h = layers[0]
    found, sigma = squares_of(h, weight, h @ h.T / h.shape[1]), second_moments(h)
    for phi in layers[1:]:
        before = Moments(sigma, h.mean(axis=1) / np.sqrt((h**2).mean(axis=1)), found)
        branch = Moments(
            second_moments(phi),
            phi.mean(axis=1) / np.sqrt((phi**2).mean(axis=1)),
            squares_of(phi, weight, phi @ phi.T / phi.shape[1]),
        )
        h = h + scale * phi
        sigma = second_moments(h)
        found, drawn = add_branch(before, branch, scale, sigma), squares_of(h, weight, h @ h.T / h.shape[1])
        assert found.variance == pytest.approx(drawn.variance, rel=0.03)
        np.testing.assert_allclose(found.third, drawn.third, rtol=0.03, atol=0.03 * np.abs(drawn.third).max())


def test_what_a_branch_meets_of_the_skip_varies_as_in_a_million_drawn_units():
    generator = np.random.default_rng(6)
    h, phi = (np.tril(generator.normal(size=(4, 4))) @ generator.standard_normal((4, 10**6)) for _ in range(2))
    network = vl.NetworkConfig(2, 8, residual=0.6, normalization="batch")
    none = second_moments(np.zeros((4, 1)))
    way = BatchForward([], none, [none, second_moments(h)], [none, second_moments(phi)], [], np.eye(4), 0.0)
    h, phi = h - h.mean(axis=0), phi - phi.mean(axis=0)
    crossed, branch = (2 * 0.6 * h * phi).sum(axis=0), ((0.6 * phi) ** 2).sum(axis=0)
    np.testing.assert_allclose(_met(network, way), [0.0, crossed.var() / branch.mean() ** 2], rtol=0.02)


def second_moments(values):
    return split(values @ values.T / values.shape[1], 0.0)


def test_a_branch_of_scale_zero_changes_no_square():
    data = vl.load_data("digits", max_examples=8)
    network = vl.NetworkConfig(3, 16, "relu", residual=0.0, normalization="batch")
    squares = batch_forward(network, data).squares
    assert squares[0].variance == squares[1].variance == squares[2].variance > 0


def test_a_batch_normalised_prediction_is_the_same_each_time():
    data = vl.load_data("digits", max_examples=16)
    network = vl.NetworkConfig(depth=6, activation="gelu", normalization="batch")
    first, second = vl.predict(network, data), vl.predict(network, data)
    np.testing.assert_array_equal(first.log10_gradient_norm, second.log10_gradient_norm)
    assert 0 < first.sampling_log_error[0] < 0.05


@pytest.mark.parametrize("name", ["linear", "relu", "sigmoid"])
def test_deep_prediction_grows_at_the_rate_of_the_fixed_point(name):
    # 8 examples, layers 15 to 30 from the output, where the covariance has settled: 2 % for 16,384 sampled units.
    data = vl.load_data("digits", max_examples=8)
    network = vl.NetworkConfig(depth=60, activation=name, initialization="lecun_normal", normalization="batch")
    logs = 2 * math.log(10) * vl.predict(network, data).log10_delta_rms
    epsilon = {"sigmoid": 1e-3}.get(name, 1e-4)  # the 1e-5 beside a variance of some 0.03
    growth = float(logs[15] - logs[30]) / 15
    assert growth == pytest.approx(math.log(batch_norm_rate(name, 8)), abs=0.02 / math.sqrt(15) + epsilon)


def test_small_batches_and_wrong_names_are_refused():
    with pytest.raises(InputError, match="batch_size must be at least 4, got 3"):
        batch_norm_rate("relu", 3)
    with pytest.raises(InputError, match="did you mean 'relu'"):
        batch_norm_rate("rleu", 8)
