"""Fixed points against brentq on Monte-Carlo-free integrals of scipy's own, and published numbers."""

import itertools
import math
from typing import get_args

import numpy as np
import pytest
from scipy import integrate, optimize

from vanishlab import NetworkConfig
from vanishlab.activations import ACTIVATIONS
from vanishlab.config import ActivationName, InitializationName
from vanishlab.errors import InputError
from vanishlab.theory import (
    correlation_fixed_point,
    correlation_map,
    critical_point,
    length_fixed_point,
    length_fixed_points,
    length_map,
    length_slope,
    mean_field,
    network_mean_field,
    phase_diagram,
    susceptibility,
)

PHI = {name: known.phi for name, known in ACTIVATIONS.items()}
SLOPE = {name: known.slope for name, known in ACTIVATIONS.items()}


def moment(table, name, q):
    """E[f(u)^2] by scipy's adaptive quadrature."""
    edges = sorted({-9.0, 0.0, 9.0, *(k / math.sqrt(q) for k in (-1.0, 1.0) if q > 1 / 81)})
    value = sum(
        integrate.quad(
            lambda x: float(table[name](np.array(math.sqrt(q) * x))) ** 2 * math.exp(-x * x / 2), a, b, limit=200
        )[0]
        for a, b in itertools.pairwise(edges)
    )
    return value / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "hardtanh", "erf"])
def test_length_fixed_point_against_brentq(name):
    sigma_w, sigma_b = 1.1, 0.4
    expected = optimize.brentq(lambda q: sigma_w**2 * moment(PHI, name, q) + sigma_b**2 - q, 1e-3, 100.0, xtol=1e-13)
    q = length_fixed_point(name, sigma_w, sigma_b)
    assert q == pytest.approx(expected, rel=1e-8)  # quad's own error
    assert susceptibility(name, sigma_w, q=q) == pytest.approx(sigma_w**2 * moment(SLOPE, name, expected), rel=1e-7)
    step = 1e-5
    slope = (length_map(name, q + step, sigma_w) - length_map(name, q - step, sigma_w)) / (2 * step)
    assert length_slope(name, q, sigma_w) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(
    ("variance_b", "variance_w", "q_star"),
    [(0.0, 1.0, 0.0), (0.05, 1.7610, 0.57005), (0.01, 1.42421, None), (0.1, 1.98607, None)],
)
def test_tanh_critical_line(variance_b, variance_w, q_star):
    # Poole et al. 2016; the last printed digit (anchors).
    point = critical_point("tanh", variance_b**0.5)
    assert point.sigma_w**2 == pytest.approx(variance_w, abs=6e-5 if variance_b == 0.05 else 6e-6)
    if q_star is not None:
        assert point.q_star == pytest.approx(q_star, abs=6e-6)


def test_tanh_chi_and_trainable_depth():
    ordered, chaotic = mean_field("tanh", 1.0, 0.05**0.5), mean_field("tanh", 2.5**0.5, 0.05**0.5)
    assert (ordered.phase, chaotic.phase) == ("ordered", "chaotic")
    assert ordered.chi == pytest.approx(0.7590, abs=5e-5)
    assert chaotic.chi == pytest.approx(1.1335, abs=5e-5)
    assert 6 * ordered.xi_c == pytest.approx(22, abs=0.5)
    assert 6 * chaotic.xi_c == pytest.approx(71, abs=0.5)
    critical = mean_field("tanh", critical_point("tanh", 0.05**0.5).sigma_w, 0.05**0.5)
    assert critical.phase == "critical"
    assert critical.xi_c > 1e6


def test_selu_explodes_gently():
    found = mean_field("selu", 1.0)
    assert found.q_star == pytest.approx(1.0, abs=1e-9)
    assert found.chi == pytest.approx(1.0716, abs=5e-5)


def test_chaotic_correlation_is_a_fixed_point_and_attracts():
    found = mean_field("tanh", 1.8, 0.3)
    c = 0.9
    for _ in range(400):
        c = float(correlation_map("tanh", c, 1.8, 0.3, q=found.q_star))
    assert c == pytest.approx(found.c_star, abs=1e-9)
    step = 1e-5
    slope = (
        float(correlation_map("tanh", c + step, 1.8, 0.3)) - float(correlation_map("tanh", c - step, 1.8, 0.3))
    ) / (2 * step)
    assert found.xi_c == pytest.approx(-1 / math.log(slope), rel=1e-6)


def test_iteration_and_search_agree_where_the_map_is_slow():
    q = 1.0
    for _ in range(20_000):
        q = float(length_map("tanh", q, 1.01))
    assert length_fixed_point("tanh", 1.01) == pytest.approx(q, rel=1e-9)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softsign", "erf", "hardtanh", "elu", "selu"])
def test_critical_points_are_fixed_points_with_chi_one(name):
    point = critical_point(name, 0.3)
    assert length_fixed_point(name, point.sigma_w, 0.3, start=point.q_star * 1.3) == pytest.approx(
        point.q_star, rel=1e-6
    )
    assert susceptibility(name, point.sigma_w, q=point.q_star) == pytest.approx(1.0, abs=1e-9)


def test_rectifiers_say_what_holds_instead():
    assert critical_point("relu").sigma_w == pytest.approx(math.sqrt(2), rel=1e-14)
    kept = mean_field("relu", math.sqrt(2))
    assert kept.phase == "critical" and math.isnan(kept.q_star) and kept.c_star == 1.0 and kept.xi_grad > 1e10
    with pytest.raises(InputError, match=r"no critical point at sigma_b=0\.1: chi = "):
        critical_point("relu", 0.1)
    with pytest.raises(InputError, match="grows without bound, by the factor 2"):
        mean_field("relu", 2.0)
    with pytest.raises(InputError, match="every variance is a fixed point"):
        length_fixed_point("linear", 1.0)
    assert length_fixed_point("relu", 1.0, 0.5) == pytest.approx(0.5, rel=1e-12)


def test_other_activations_without_a_critical_point_say_why():
    with pytest.raises(InputError, match="length map is unstable"):
        critical_point("gelu")
    with pytest.raises(InputError, match="stays on one side of 1"):
        critical_point("softplus")
    with pytest.raises(InputError, match="grows without bound"):
        length_fixed_point("silu", 2.0)
    # Sigmoid without bias does have one, at an uncommonly large weight scale.
    assert critical_point("sigmoid").sigma_w == pytest.approx(10.149, abs=1e-3)


def test_a_search_that_does_not_converge_raises_with_its_residual(monkeypatch):
    class Stuck:
        converged, iterations = False, 200

    monkeypatch.setattr(optimize, "brentq", lambda *a, **k: (0.5, Stuck()))
    with pytest.raises(InputError, match=r"did not converge in 200 iterations: last residual"):
        length_fixed_point("tanh", 1.3, 0.2)


@pytest.mark.parametrize("initialization", get_args(InitializationName))
def test_named_initialisations(initialization):
    network = NetworkConfig(activation="tanh", width=100, initialization=initialization)
    found = network_mean_field(network)
    variance_w = {"torch_default": 1 / 3, "kaiming_uniform": 25 / 9, "kaiming_normal": 25 / 9}.get(initialization, 1.0)
    variance_b = 1 / 300 if initialization == "torch_default" else 0.0
    assert found == mean_field("tanh", variance_w**0.5, variance_b**0.5)


@pytest.mark.parametrize("name", get_args(ActivationName))
def test_every_activation_has_a_mean_field(name):
    found = mean_field(name, 0.6, 0.3)
    assert found.phase == "ordered" and found.c_star == 1.0 and 0 < found.q_star < 1
    assert found.xi_c == pytest.approx(found.xi_grad)


def test_refusals():
    for call, said in (
        (lambda: mean_field("tahn", 1.0), "did you mean 'tanh'"),
        (lambda: mean_field("tanh", 0.0), "sigma_w must be greater than 0"),
        (lambda: mean_field("tanh", 1.0, -1.0), "sigma_b must be at least 0"),
        (lambda: network_mean_field(NetworkConfig(depth=2, width=(3, 4))), "one width"),
        (lambda: network_mean_field(NetworkConfig(residual="plain")), "plain layers"),
    ):
        with pytest.raises(InputError, match=said):
            call()


def test_kept_correlations_are_nan():
    assert math.isnan(correlation_fixed_point("tanh", 0.5))
    assert mean_field("selu", 0.5).c_star == 1.0


def test_an_unstable_fixed_point_is_left_for_the_stable_one():
    # GELU at Kaiming's gain has V(1) = 1 with V'(1) > 1: networks leave it, downwards to 0 or upwards without bound.
    found = network_mean_field(NetworkConfig(activation="gelu", initialization="kaiming_normal"))
    assert found.q_star == 0.0 and found.phase == "ordered" and found.other_q_stars == (math.inf,)
    assert found.chi == pytest.approx(found.sigma_w**2 / 4, rel=1e-9)  # the slope at 0 is 1/2
    points = length_fixed_points("gelu", found.sigma_w)
    assert [point.stable for point in points] == [True, False, True]
    assert points[1].q == pytest.approx(1.0, abs=1e-6)
    assert length_slope("gelu", 1.0, found.sigma_w) > 1.0
    for start, end in ((0.5, 0.0), (0.99, 0.0)):
        assert length_fixed_point("gelu", found.sigma_w, start=start) == end
    with pytest.raises(InputError, match="grows without bound"):
        length_fixed_point("gelu", found.sigma_w, start=1.01)
    assert phase_diagram("gelu", [found.sigma_w], [0.0]).q_star[0, 0] == 0.0


@pytest.mark.parametrize("name", get_args(ActivationName))
def test_all_fixed_points_and_their_stability_by_iteration(name):
    for sigma_w, sigma_b in ((0.8, 0.3), (1.3, 0.1), (2.5, 0.0), (6.0, 0.05)):
        try:
            points = length_fixed_points(name, sigma_w, sigma_b)
        except InputError:
            continue
        assert points and all(low.stable != high.stable for low, high in itertools.pairwise(points))
        for point in points:
            if not 0.0 < point.q < math.inf:
                continue
            assert length_map(name, point.q, sigma_w, sigma_b) == pytest.approx(point.q, rel=1e-9)
            assert (length_slope(name, point.q, sigma_w) < 1.0) == point.stable
            for nudge in (0.99, 1.01):
                away = abs(length_map(name, point.q * nudge, sigma_w, sigma_b) / point.q - 1.0)
                assert (away < 0.01 * (1 + 1e-9)) == point.stable
