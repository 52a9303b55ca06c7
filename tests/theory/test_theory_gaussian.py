"""Gaussian expectations against closed forms (1e-12), adaptive quadrature (1e-8) and what must hold for any phi."""

import itertools
import math
from typing import get_args

import numpy as np
import pytest
import torch
from scipy import integrate

from vanishlab.activations import ACTIVATIONS
from vanishlab.config import ActivationName
from vanishlab.errors import InputError
from vanishlab.network.activation_modules import activation_module
from vanishlab.theory.gaussian.clipped import clipped_batch, clipped_pairs
from vanishlab.theory.gaussian.expectations import (
    first_moment,
    fourth_moments,
    layer_kernels,
    pair_moment,
    pair_slope_moment,
    relative_mean,
    second_moment,
    slope_second_moment,
)

NAMES = get_args(ActivationName)
PHI = {name: known.phi for name, known in ACTIVATIONS.items()}
SLOPE = {name: known.slope for name, known in ACTIVATIONS.items()}
KINKS = {"hardtanh": (-1.0, 1.0)}
POINTS = ((1.0, 1.0, 0.5), (0.3, 2.0, -0.7), (1.5, 1.2, 0.99), (0.8, 0.8, -0.999), (12.0, 5.0, 0.9))


def by_adaptive_quadrature(f, q_u, q_v, c, kinks=(0.0,)):
    """E[f(u) f(v)] by nested adaptive quadrature in Cartesian coordinates, split at the kinks of f."""
    s_u, s_v, rest = math.sqrt(q_u), math.sqrt(q_v), math.sqrt(1 - c * c)

    def at(u):
        return float(f(np.array(u)))

    def inner(x):
        edges = [-9.0, *sorted(k for k in ((kink / s_v - c * x) / rest for kink in kinks) if -9 < k < 9), 9.0]
        parts = [
            integrate.quad(
                lambda y: at(s_v * (c * x + rest * y)) * math.exp(-y * y / 2),
                a,
                b,
                epsabs=1e-11,
                epsrel=1e-11,
                limit=100,
            )[0]
            for a, b in itertools.pairwise(edges)
        ]
        return sum(parts) * at(s_u * x) * math.exp(-x * x / 2)

    edges = [-9.0, *(kink / s_u for kink in kinks), 9.0]
    parts = [
        integrate.quad(inner, a, b, epsabs=1e-10, epsrel=1e-10, limit=100)[0] for a, b in itertools.pairwise(edges)
    ]
    return sum(parts) / (2 * math.pi)


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_those_of_torch(name):
    u = torch.linspace(-8, 8, 1001, dtype=torch.float64, requires_grad=True)
    phi = activation_module(name)(u)
    phi.sum().backward()
    assert u.grad is not None
    x = u.detach().numpy()
    np.testing.assert_allclose(PHI[name](x), phi.detach().numpy(), rtol=1e-12, atol=1e-15)
    inside = np.abs(x) > 1e-9
    np.testing.assert_allclose(SLOPE[name](x)[inside], u.grad.numpy()[inside], rtol=1e-11, atol=1e-14)


def test_relu_and_erf_have_their_closed_forms():
    q_u, q_v, c = 0.7, 2.3, -0.4
    theta = math.acos(c)
    expected = math.sqrt(q_u * q_v) * (math.sin(theta) + (math.pi - theta) * c) / (2 * math.pi)
    assert pair_moment("relu", q_u, q_v, c) == pytest.approx(expected, rel=1e-12)
    assert pair_slope_moment("relu", q_u, q_v, c) == pytest.approx((math.pi - theta) / (2 * math.pi), rel=1e-12)
    k = c * math.sqrt(q_u * q_v)
    both = (1 + 2 * q_u) * (1 + 2 * q_v)
    assert pair_moment("erf", q_u, q_v, c) == pytest.approx(2 / math.pi * math.asin(2 * k / math.sqrt(both)), rel=1e-12)
    assert pair_slope_moment("erf", q_u, q_v, c) == pytest.approx(4 / math.pi / math.sqrt(both - 4 * k * k), rel=1e-12)


def test_the_general_route_agrees_with_the_closed_forms():
    # The quadrature knows nothing of erf's arcsine or the arc-cosine kernel: 1e-11, its own error.
    from vanishlab.theory.gaussian.quadrature import expect, expect_pairs

    q, theta = np.array([0.2, 1.0, 30.0]), np.array([0.0, 1e-4, 1.0, 3.0])
    for name in ("erf", "relu", "leaky_relu"):
        for table, pair in ((PHI, pair_moment), (SLOPE, pair_slope_moment)):
            found = expect_pairs(table[name], q, theta)
            np.testing.assert_allclose(
                found, pair(name, q[:, None], q[None, :], np.cos(theta)[:, None, None]), rtol=1e-9, atol=1e-11
            )
        np.testing.assert_allclose(expect(lambda u, n=name: PHI[n](u) ** 2, q), second_moment(name, q), rtol=1e-11)
        np.testing.assert_allclose(expect(PHI[name], q), first_moment(name, q), rtol=1e-11, atol=1e-15)


def test_selu_keeps_zero_mean_and_unit_variance():
    # Klambauer et al. 2017 (arXiv:1706.02515), and lambda^2 (1/2 + alpha^2 e^2 Phi(-2)) for its slope.
    assert float(first_moment("selu", 1.0)) == pytest.approx(0.0, abs=1e-12)
    assert float(second_moment("selu", 1.0)) == pytest.approx(1.0, abs=1e-12)
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    slope = scale**2 * (0.5 + alpha**2 * math.exp(2) * 0.5 * math.erfc(math.sqrt(2)))
    assert float(slope_second_moment("selu", 1.0)) == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_second_moments_against_adaptive_quadrature(name):
    kinks = KINKS.get(name, (0.0,))
    for q in (1e-3, 1.0, 40.0):
        for power, table, found in (
            (1, PHI, first_moment), (2, PHI, second_moment), (2, SLOPE, slope_second_moment),
            (4, PHI, lambda n, q: fourth_moments(n, q)[0]), (4, SLOPE, lambda n, q: fourth_moments(n, q)[1]),
        ):  # fmt: skip
            edges = [-9.0, *(k / math.sqrt(q) for k in kinks if abs(k) < 9 * math.sqrt(q)), 9.0]
            expected = sum(
                integrate.quad(
                    lambda x, t=table, p=power, q=q: float(t[name](np.array(q**0.5 * x))) ** p * math.exp(-x * x / 2),
                    a, b, epsabs=1e-13, epsrel=1e-12, limit=200,
                )[0]
                for a, b in itertools.pairwise(edges)
            ) / math.sqrt(2 * math.pi)  # fmt: skip
            assert float(found(name, q)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_pair_moments_against_adaptive_quadrature(name):
    for q_u, q_v, c in POINTS[:2]:
        for table, pair in ((PHI, pair_moment), (SLOPE, pair_slope_moment)):
            expected = by_adaptive_quadrature(table[name], q_u, q_v, c, KINKS.get(name, (0.0,)))
            assert abs(float(pair(name, q_u, q_v, c)) - expected) < 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_pair_moments_against_adaptive_quadrature_at_all_points(name):
    for q_u, q_v, c in POINTS:
        for table, pair in ((PHI, pair_moment), (SLOPE, pair_slope_moment)):
            expected = by_adaptive_quadrature(table[name], q_u, q_v, c, KINKS.get(name, (0.0,)))
            assert abs(float(pair(name, q_u, q_v, c)) - expected) < 1e-8


def batch(n, seed, gap=0.0):
    """Correlations of random vectors, two of them `gap` apart, one opposite another."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 4)) + 0.5
    x[1] = x[0] + gap * generator.normal(size=4)
    x[3] = -x[2]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    c = np.clip(x @ x.T, -1.0, 1.0)
    np.fill_diagonal(c, 1.0)
    return c


@pytest.mark.parametrize("name", NAMES)
def test_kernels_of_a_batch_agree_with_single_pairs(name):
    generator = np.random.default_rng(0)
    for low, high in ((-3.0, 1.0), (0.2, 0.2), (2.0, 2.5)):
        log_q, c = generator.uniform(low, high, 12), batch(12, 1, gap=1e-5)
        kernels = layer_kernels(name, log_q, c)
        q = np.exp(log_q)
        for log, correlation, pair in (
            (kernels.log_second, kernels.correlation, pair_moment),
            (kernels.log_slope, kernels.slope_correlation, pair_slope_moment),
        ):
            for a, b in ((0, 1), (2, 3), (4, 7), (5, 6), (0, 9)):
                scale = math.exp(0.5 * (log[a] + log[b]))
                assert abs(float(pair(name, q[a], q[b], c[a, b])) - scale * correlation[a, b]) < 1e-9 * scale + 1e-10
            assert (np.diag(correlation) == 1.0).all()
            assert np.linalg.eigvalsh(correlation).min() > -1e-9


def test_a_mean_over_its_root_mean_square():
    q = np.array([1e-3, 1.0, 40.0])
    # E sigmoid(u) is 1/2 by symmetry, E relu(u) sqrt(q / 2 pi), an odd function has none.
    np.testing.assert_allclose(
        relative_mean("sigmoid", np.log(q)), 0.5 / np.sqrt(second_moment("sigmoid", q)), rtol=1e-9
    )
    np.testing.assert_allclose(
        relative_mean("relu", np.array([-900.0, 0.0, 900.0])), 1 / math.sqrt(math.pi), rtol=1e-12
    )
    np.testing.assert_array_equal(relative_mean("tanh", np.log(q)), 0.0)


@pytest.mark.parametrize(("low", "high"), [(0.7, 0.7), (0.5, 0.9), (-1.0, 2.5)])
def test_many_clipped_inputs_have_the_moments_of_single_pairs(low, high):
    # Of more than 63 inputs a series over their box is taken, where one converges.
    log_q, c = np.random.default_rng(4).uniform(low, high, 70), batch(70, 5)
    theta, q = np.arccos(c), np.exp(log_q)
    value, slope = clipped_batch(q, theta)
    one, other = np.triu_indices(70, 1)
    for found, expected in zip((value, slope), clipped_pairs(q[one], q[other], theta[one, other]), strict=True):
        np.testing.assert_allclose(found[one, other], expected, atol=1e-10)
        np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(np.diag(value), second_moment("hardtanh", q), rtol=1e-12)
    np.testing.assert_allclose(np.diag(slope), slope_second_moment("hardtanh", q), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_correlation_near_one_is_stable(name):
    # E[phi(u)^2] - E[phi(u) phi(v)] = E[(phi(u) - phi(v))^2] / 2 is about q chi (1 - c): seen down to 1 - c = 1e-9.
    for gap in (1e-6, 1e-9):
        c = np.array([[1.0, 1.0 - gap], [1.0 - gap, 1.0]])
        kernels = layer_kernels(name, np.zeros(2), c)
        lost = (1.0 - kernels.correlation[0, 1]) * math.exp(kernels.log_second[0])
        assert lost == pytest.approx(gap * math.exp(kernels.log_slope[0]), rel=2e-2)


@pytest.mark.parametrize("name", NAMES)
def test_tiny_variances_follow_the_tangent(name):
    c = batch(5, 2)
    far, near = layer_kernels(name, np.full(5, -900.0), c), layer_kernels(name, np.full(5, -65.0), c)
    np.testing.assert_allclose(far.correlation, near.correlation, atol=1e-11)
    offset = float(PHI[name](np.zeros(1))[0])
    assert far.log_second[0] - near.log_second[0] == pytest.approx(0.0 if offset else -835.0, abs=1e-9)


def test_kernels_against_monte_carlo_of_a_wide_layer():
    # One layer of 200,000 units: relative error 5 / sqrt(200,000) = 1 %, at five standard errors.
    generator = np.random.default_rng(3)
    q, c = np.array([0.5, 2.0]), 0.6
    u = generator.normal(size=(2, 200_000))
    z = np.sqrt(q)[:, None] * np.stack([u[0], c * u[0] + math.sqrt(1 - c * c) * u[1]])
    for name in NAMES:
        for table, pair in ((PHI, pair_moment), (SLOPE, pair_slope_moment)):
            product = table[name](z[0]) * table[name](z[1])
            assert float(pair(name, q[0], q[1], c)) == pytest.approx(
                product.mean(), abs=5 * product.std() / 200_000**0.5 + 1e-12
            )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: second_moment("rleu", 1.0), "did you mean 'relu'"),
        (lambda: second_moment("tanh", -1.0), "variance from 0"),
        (lambda: second_moment("tanh", math.nan), "variance from 0"),
        (lambda: second_moment("tanh", 1e9), "from 0 to 100000"),
        (lambda: pair_moment("tanh", 1.0, 1.0, 1.5), "correlation from -1 to 1"),
        (lambda: layer_kernels("gelu", np.full(2, 30.0), np.eye(2)), "at most 100000"),
    ],
)
def test_values_outside_their_range_are_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
