"""What `vanishlab.theory` offers, and `Prediction`'s chi and depth scales, against closed forms and plain quadrature.

The quadrature is the trapezoid rule with activations written here anew, the fixed points are found by iteration:
nothing of it is shared with the package.
"""

import inspect
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import vanishlab as vl
from vanishlab import theory
from vanishlab.errors import InputError
from vanishlab.theory.layers.covariances import forward

NODES = np.linspace(-9.0, 9.0, 181)  # beyond 9 lie 2e-19 of a Gaussian
WEIGHTS = np.exp(-(NODES**2) / 2)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
SMOOTH = {
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "sigmoid": (lambda u: 1 / (1 + np.exp(-u)), lambda u: np.exp(-u) / (1 + np.exp(-u)) ** 2),
    "softplus": (lambda u: np.log1p(np.exp(u)), lambda u: 1 / (1 + np.exp(-u))),
}
# The rule's own error is exp(-2 pi d / 0.1) for poles at the distance d >= 1 of the real line: rounding is larger.
QUADRATURE = 1e-11


def single(function: Any, q: float) -> float:
    return float(WEIGHTS @ function(math.sqrt(q) * NODES))


def pair(function: Any, q: float, c: float) -> float:
    """E[f(u) f(v)] for variance q and correlation c."""
    u = math.sqrt(q) * NODES[:, None]
    v = math.sqrt(q) * (c * NODES[:, None] + math.sqrt(1 - c * c) * NODES[None, :])
    return float(WEIGHTS @ (function(u) * function(v)) @ WEIGHTS)


def settled(step: Any, start: float) -> float:
    for _ in range(2000):
        last, start = start, step(start)
        if abs(start - last) < 1e-15:
            return start
    raise AssertionError("it did not settle")


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b"),
    [("tanh", 1.0, 0.3), ("tanh", 1.8, 0.3), ("sigmoid", 1.5, 0.5), ("sigmoid", 0.5773, 0.07), ("softplus", 0.6, 0.2)],
)
def test_the_mean_field_is_what_iterated_quadrature_finds(name: str, sigma_w: float, sigma_b: float) -> None:
    phi, slope = SMOOTH[name]
    w2, b2 = sigma_w**2, sigma_b**2
    q = settled(lambda q: w2 * single(lambda u: phi(u) ** 2, q) + b2, 1.0)
    c = settled(lambda c: min((w2 * pair(phi, q, c) + b2) / q, 1.0), 0.5)
    chi, chi_c = w2 * single(lambda u: slope(u) ** 2, q), w2 * pair(slope, q, c)
    chi_q = w2 * single(lambda u: u * phi(u) * slope(u), q) / q

    found = theory.mean_field(name, sigma_w, sigma_b)
    assert found.q_star == pytest.approx(q, rel=QUADRATURE) and found.chi == pytest.approx(chi, rel=QUADRATURE)
    assert found.c_star == pytest.approx(c, rel=1e-7)  # iterates stop this near where chi_c is close to 1
    assert found.chi_c == pytest.approx(chi_c, rel=1e-7)
    assert found.phase == ("ordered" if chi < 1 else "chaotic") and (found.c_star == 1.0) == (chi < 1)
    assert found.xi_q == pytest.approx(-1 / math.log(chi_q), rel=1e-8)
    assert found.xi_c == pytest.approx(-1 / math.log(chi_c), rel=1e-6)
    assert found.xi_grad == pytest.approx(1 / abs(math.log(chi)), rel=1e-8)
    assert math.sqrt(chi) ** found.xi_delta == pytest.approx(math.exp(-1 if chi < 1 else 1))  # delta's RMS, e-fold

    assert theory.susceptibility(name, sigma_w, sigma_b) == pytest.approx(chi, rel=QUADRATURE)
    assert theory.length_map(name, q, sigma_w, sigma_b) == pytest.approx(q, rel=QUADRATURE)
    assert theory.length_slope(name, q, sigma_w) == pytest.approx(chi_q, rel=QUADRATURE)
    some = np.array([[-0.7, 0.0], [0.3, 0.9]])
    expected = np.array([[(w2 * pair(phi, q, each) + b2) / q for each in row] for row in some])
    np.testing.assert_allclose(theory.correlation_map(name, some, sigma_w, sigma_b), expected, rtol=QUADRATURE)
    expected = np.array([[w2 * pair(slope, q, each) for each in row] for row in some])
    np.testing.assert_allclose(theory.susceptibility(name, sigma_w, sigma_b, c=some), expected, rtol=QUADRATURE)


@pytest.mark.parametrize("q", [0.04, 1.0, 9.0])
def test_erf_is_its_arcsines(q: float) -> None:
    w2, b2, sigma_w, sigma_b = 1.69, 0.09, 1.3, 0.3
    c = np.array([-0.9, 0.0, 0.4, 1.0])
    variance = w2 * 2 / math.pi * math.asin(2 * q / (1 + 2 * q)) + b2
    assert theory.length_map("erf", q, sigma_w, sigma_b) == pytest.approx(variance, rel=1e-12)
    shared = w2 * 2 / math.pi * np.arcsin(2 * q * c / (1 + 2 * q)) + b2
    np.testing.assert_allclose(theory.correlation_map("erf", c, sigma_w, sigma_b, q=q), shared / variance, rtol=1e-12)
    slopes = w2 * 4 / math.pi / np.sqrt((1 + 2 * q) ** 2 - (2 * q * c) ** 2)
    np.testing.assert_allclose(theory.susceptibility("erf", sigma_w, q=q, c=c), slopes, rtol=1e-12)
    assert theory.susceptibility("erf", sigma_w, q=q) == pytest.approx(slopes[-1], rel=1e-12)


@pytest.mark.parametrize("sigma_w", [0.5, math.sqrt(2), 3.0])
@pytest.mark.parametrize("sigma_b", [0.0, 0.2])
def test_relus_chi_is_half_of_sigma_w_squared_whatever_the_bias(sigma_w: float, sigma_b: float) -> None:
    assert theory.susceptibility("relu", sigma_w, sigma_b) == pytest.approx(sigma_w**2 / 2, rel=1e-14)
    q = np.array([0.0, 0.1, 7.0])
    np.testing.assert_allclose(theory.length_map("relu", q, sigma_w, sigma_b), sigma_w**2 * q / 2 + sigma_b**2)
    np.testing.assert_allclose(theory.length_slope("relu", q, sigma_w), [sigma_w**2 / 2] * 3)
    c = np.array([-1.0, 0.0, 0.5, 1.0])  # without bias q drops out: the arc-cosine kernel of degree 1
    expected = (np.sqrt(1 - c * c) + (math.pi - np.arccos(c)) * c) / math.pi
    np.testing.assert_allclose(theory.correlation_map("relu", c, sigma_w), expected, atol=1e-15)


def test_an_array_gives_an_array_of_its_shape_and_a_number_a_number() -> None:
    q, c = np.array([[0.5, 1.0, 2.0]]), np.array([[0.1], [0.6]])
    assert theory.susceptibility("tanh", 1.2, q=q, c=c).shape == (2, 3)
    assert theory.susceptibility("tanh", 1.2, q=q).shape == theory.length_map("tanh", q, 1.2).shape == (1, 3)
    assert theory.length_slope("relu", [1.0, 2.0], 1.2).shape == theory.length_slope("gelu", [1, 2], 1.2).shape == (2,)
    for name in ("relu", "tanh", "erf", "hardtanh"):
        for value in (
            theory.length_map(name, 1.0, 1.0),
            theory.length_slope(name, 1.0, 1.0),
            theory.correlation_map(name, 0.5, 1.0, 0.1),
            theory.susceptibility(name, 1.0, 0.1),
            theory.susceptibility(name, 1.0, 0.1, c=0.3),
        ):
            assert np.ndim(value) == 0 and isinstance(float(value), float)


def test_maps_at_a_variance_of_zero_are_those_of_the_tangent() -> None:
    c = np.array([-0.5, 0.2, 1.0])
    np.testing.assert_allclose(theory.correlation_map("tanh", c, 0.9), c, rtol=1e-12)  # q* = 0: a linear layer
    assert theory.susceptibility("tanh", 0.9) == pytest.approx(0.81, rel=1e-14)
    assert theory.susceptibility("sigmoid", 1.0, q=0.0) == pytest.approx(1 / 16, rel=1e-14)


def test_wrong_values_are_told_in_one_line() -> None:
    for call, said in (
        (lambda: theory.length_map("tanh", -1.0, 1.0), "q must be a variance from 0 to 100000, got -1"),
        (lambda: theory.length_slope("tanh", -1.0, 1.0), "q must be a variance"),
        (lambda: theory.susceptibility("tanh", 1.0, q=-1.0), "q must be a variance"),
        (lambda: theory.susceptibility("tanh", 1.0, c=1.5), "c must be a correlation from -1 to 1, got 1.5"),
        (lambda: theory.correlation_map("tanh", 0.0, 1.0, q=math.nan), "q must be a variance"),
        (lambda: theory.length_map("tanh", 1.0, 0.0), "sigma_w must be greater than 0, got 0"),
        (lambda: theory.susceptibility("tanh", 1.0, -0.1), "sigma_b must be at least 0, got -0.1"),
        (lambda: theory.correlation_map("rleu", 0.0, 1.0), "did you mean 'relu'"),
        (lambda: theory.correlation_map("relu", 0.0, 2.0, 0.1), "grows without bound"),
    ):
        with pytest.raises(InputError, match=said):
            call()


@pytest.mark.parametrize("name", [name for name in theory._HOME if name.islower()])
def test_every_function_teaches_by_a_doctest(name: str) -> None:
    assert ">>> " in str(inspect.getdoc(getattr(theory, name)))


# A prediction's chi and depth scales


@pytest.fixture(scope="module")
def data() -> vl.Dataset:
    return replace(vl.load_data("digits", max_examples=12), x_test=None, y_test=None)


@pytest.mark.parametrize(
    ("activation", "sigma_w", "sigma_b"),
    [("tanh", 1.0, 0.3), ("tanh", 1.8, 0.3), ("erf", 0.8, 0.2), ("selu", 0.7, 0.3)],
)
def test_deep_layers_of_a_prediction_go_by_its_chi_and_its_examples_by_its_chi_c(
    data: vl.Dataset, activation: Any, sigma_w: float, sigma_b: float
) -> None:
    network = vl.NetworkConfig(
        depth=60, width=50, activation=activation, initialization="gaussian", sigma_w=sigma_w, sigma_b=sigma_b
    )
    found = vl.predict(network, data)
    assert found.chi and found.xi_grad and found.chi_c and found.xi_c and found.mean_field
    assert found.mean_field == theory.mean_field(activation, sigma_w, sigma_b)
    # Delta's square by layer, far from the input, where variances have settled, and from the readout's errors.
    per_layer = 10 ** (2 * np.diff(found.log10_delta_rms[30:50]))
    np.testing.assert_allclose(1 / per_layer, found.chi, rtol=2e-3)
    assert found.xi_grad == pytest.approx(1 / abs(math.log(found.chi)), rel=1e-12)
    # The examples' correlations: the distance to c* falls by chi_c, and by e within xi_c layers.
    correlation = np.array([each[0, 1:] for each in forward(network, data).pre_correlation])  # (layer, pair)
    distance = np.abs(correlation - found.mean_field.c_star)
    steps = distance[26:36] / distance[25:35]
    np.testing.assert_allclose(steps, found.chi_c, rtol=5e-3)
    fallen = distance[35] / distance[25]
    np.testing.assert_allclose(fallen, math.exp(-10 / found.xi_c), rtol=5e-2)


@pytest.mark.parametrize(
    "fields",
    [{"normalization": "batch"}, {"normalization": "layer"}, {"residual": "plain"}, {"width": (20, 30, 20)}],
)
def test_where_layers_are_no_repeated_map_there_is_no_chi_and_theory_says_why(
    data: vl.Dataset, fields: dict[str, Any]
) -> None:
    network = vl.NetworkConfig(**({"depth": 3, "width": 20, "activation": "tanh"} | fields))
    found = vl.predict(network, data)
    assert [found.mean_field, found.chi, found.xi_grad, found.chi_c, found.xi_c] == [None] * 5
    with pytest.raises(InputError, match="mean field needs"):
        theory.network_mean_field(network)


@pytest.mark.parametrize(("sigma_w", "sigma_b"), [(2.0, 0.0), (2.0, 0.1), (math.sqrt(2), 0.1)])
def test_relu_whose_variance_has_no_bound_still_has_its_chi(data: vl.Dataset, sigma_w: float, sigma_b: float) -> None:
    network = vl.NetworkConfig(3, 20, "relu", "gaussian", sigma_w, sigma_b)
    found = vl.predict(network, data)
    assert found.mean_field is None and found.chi_c is None and found.xi_c is None
    assert found.chi == pytest.approx(sigma_w**2 / 2, rel=1e-14)
    assert found.xi_grad == pytest.approx(1 / math.log(2)) if sigma_w == 2.0 else found.xi_grad == math.inf
    with pytest.raises(InputError, match="grows without bound"):
        theory.network_mean_field(network)
    per_layer = 10 ** (2 * np.diff(found.log10_delta_rms[:-1]))
    np.testing.assert_allclose(1 / per_layer, sigma_w**2 / 2, rtol=1e-12)


def test_an_unbounded_activation_without_a_fixed_point_has_no_chi(data: vl.Dataset) -> None:
    found = vl.predict(vl.NetworkConfig(2, 20, "silu", "gaussian", 2.0), data)
    assert found.mean_field is None and found.chi is None and found.xi_grad is None
