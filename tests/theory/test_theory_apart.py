"""How far apart examples stay: closed forms, a linear recursion far below rounding, and measured networks."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import vanishlab as vl
from vanishlab.recording.facts import MOST
from vanishlab.recording.quantities import MEANING
from vanishlab.theory import levels, prediction
from vanishlab.theory.layers import apart
from vanishlab.theory.width.apart_spread import apart_effects
from vanishlab.theory.width.spread import Chain


@pytest.fixture(scope="module")
def digits() -> vl.Dataset:
    return replace(vl.load_data("digits", max_examples=32), x_test=None, y_test=None)


def share_of(h: np.ndarray) -> float:
    """Return the distinct share of h (example, unit), by the definition."""
    return float(((h - h.mean(0)) ** 2).sum() / (h**2).sum())


def rank_of(h: np.ndarray) -> float:
    values = np.linalg.svd(h - h.mean(0), compute_uv=False) ** 2
    return float(values.sum() ** 2 / (values**2).sum())


def inputs_of(gram: np.ndarray) -> vl.Dataset:
    """Return inputs whose x_a . x_b / features are these."""
    x = np.linalg.cholesky(gram + 1e-15 * np.eye(len(gram))) * math.sqrt(len(gram))
    return vl.Dataset(x, np.arange(len(x)) % 2)


def test_theory_names_what_recording_does_and_compares_as_many_examples() -> None:
    assert prediction._MEANING == MEANING and levels.COMPARED == MOST


def test_orthogonal_linear_layers_keep_the_inputs_share_and_rank(digits: vl.Dataset) -> None:
    network = vl.NetworkConfig(6, 64, "linear", "orthogonal", dtype="float64")
    found = vl.predict(network, digits)
    np.testing.assert_allclose(found.distinct_share[:-1], share_of(digits.x), rtol=1e-12)
    np.testing.assert_allclose(found.effective_rank[:-1], rank_of(digits.x), rtol=1e-9)
    np.testing.assert_allclose(found.log_spread("distinct_share")[:-1], 0.0, atol=1e-6)  # in every seed the same
    record = vl.train(network, vl.TrainingConfig(seeds=(0, 1), steps=0), digits)
    np.testing.assert_allclose(record.distinct_share[:, 0, :-1], share_of(digits.x), rtol=1e-12)


def test_equally_correlated_inputs_under_relu_follow_the_arc_cosine_kernel() -> None:
    n, c = 12, 0.3
    network = vl.NetworkConfig(60, 50, "relu", "kaiming_normal")
    found = vl.predict(network, inputs_of(np.full((n, n), c) + (1 - c) * np.eye(n)))
    for layer in range(60):
        # Cho & Saul, 2009: the correlation of relu(u) and relu(v).
        theta = math.acos(c)
        c = (math.sin(theta) + (math.pi - theta) * math.cos(theta)) / math.pi
        # Of n vectors of one length: |h_a - h'|^2 / |h_a|^2 = (1 - c) (n - 1) / n, in n - 1 equal directions.
        assert found.distinct_share[layer] == pytest.approx((1 - c) * (n - 1) / n, rel=1e-9)
    assert prediction.predict(replace(network, width=10**6), inputs_of(np.eye(n))).effective_rank[0] == pytest.approx(
        n - 1, rel=1e-4
    )


@pytest.mark.parametrize("activation", ["linear", "relu", "leaky_relu"])
def test_multiples_of_one_input_stay_multiples(activation: Any) -> None:
    sizes = np.array([0.5, 1.0, 1.5, 4.0])
    data = vl.Dataset(sizes[:, None] * np.array([1.0, -2.0, 0.5]), np.array([0, 1, 0, 1]))
    network = vl.NetworkConfig(5, 16, activation, "kaiming_normal", dtype="float64")
    found = vl.predict(network, data)
    np.testing.assert_allclose(found.distinct_share, sizes.var() / (sizes**2).mean(), rtol=1e-7)
    np.testing.assert_allclose(found.effective_rank, 1.0, rtol=1e-6)
    record = vl.train(network, vl.TrainingConfig(steps=0), data)
    np.testing.assert_allclose(record.distinct_share[0, 0], found.distinct_share, rtol=1e-7)


@pytest.mark.parametrize(
    ("settings", "depth"),
    [
        ({"activation": "sigmoid"}, 400),
        ({"activation": "tanh", "initialization": "gaussian", "sigma_w": 0.9, "sigma_b": 0.5}, 600),
        ({"activation": "hardtanh", "initialization": "gaussian", "sigma_w": 0.8, "sigma_b": 0.5}, 500),
    ],
)
def test_far_below_rounding_the_share_falls_by_chi_c_per_layer(
    digits: vl.Dataset, settings: dict[str, Any], depth: int
) -> None:
    network = vl.NetworkConfig(depth, 64, **settings)
    found = vl.predict(network, replace(digits, x=digits.x[:6], y=digits.y[:6]))
    assert found.log10_distinct_share[-2] < -100 and found.chi_c is not None
    np.testing.assert_allclose(np.diff(found.log10_distinct_share[-20:-1]), math.log10(found.chi_c), rtol=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "softplus", "erf", "hardtanh"])
def test_the_linear_recursion_is_what_correlations_give_where_they_still_know(
    digits: vl.Dataset, activation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = vl.NetworkConfig(20, 64, activation, "gaussian", 0.8, 0.5)
    shares = {}
    for near in (0.0, 1e-6):
        monkeypatch.setattr(apart, "_NEAR", near)
        monkeypatch.setattr(apart, "_NEAR_CLOSED", near)
        monkeypatch.setattr(apart, "_SMALL", near)
        shares[near] = vl.predict(network, digits).distinct_share
    known = shares[0.0] > 1e-8
    assert (shares[0.0][known] < 1e-5).any() and 0 < known.sum() <= 21
    # Correlations have 1e-11 of 1, the recursion 1e-6 of itself (a kink the root of that).
    np.testing.assert_allclose(shares[1e-6][known], shares[0.0][known], rtol=5e-3)


@pytest.mark.parametrize("activation", ["tanh", "softplus", "erf", "hardtanh"])
def test_a_few_twins_do_not_make_the_others_near(
    digits: vl.Dataset, activation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = digits.x[:6].copy()
    x[1::2] = x[::2] + 1e-6  # three pairs, each far from the others
    network, shares = vl.NetworkConfig(5, 64, activation, "gaussian", 1.5, 0.1), []
    for near in (apart._NEAR, 0.0):
        monkeypatch.setattr(apart, "_NEAR", near)
        monkeypatch.setattr(apart, "_NEAR_CLOSED", near)
        shares.append(vl.predict(network, replace(digits, x=x, y=digits.y[:6])).distinct_share)
    np.testing.assert_allclose(*shares, rtol=1e-6)


def test_examples_that_are_the_same_differ_by_nothing(digits: vl.Dataset) -> None:
    same = replace(digits, x=np.repeat(digits.x[:1], 4, axis=0), y=digits.y[:4])
    found = vl.predict(vl.NetworkConfig(3, 8), same)
    assert (found.distinct_share == 0).all() and np.isnan(found.effective_rank).all()


@pytest.mark.parametrize("apart_by", [1.0, 1e-6])
def test_biases_add_to_what_all_examples_share(apart_by: float) -> None:
    # Linear: a layer leaves sigma_w^2 of what the examples differ by, and adds sigma_b^2 to the square of each.
    generator = np.random.default_rng(0)
    x = generator.normal(size=8) + apart_by * generator.normal(size=(6, 8))
    found = vl.predict(vl.NetworkConfig(4, 50, "linear", "gaussian", 0.9, 0.5), vl.Dataset(x, np.arange(6) % 2))
    differing, whole = ((x - x.mean(0)) ** 2).sum() / 8, (x**2).sum() / 8
    for layer in range(5):
        differing, whole = 0.81 * differing, 0.81 * whole + 6 * 0.25
        # 1 less a correlation knows the inputs' 1e-12 to 1e-4.
        assert found.distinct_share[layer] == pytest.approx(differing / whole, rel=1e-10 if apart_by == 1 else 1e-4)


@pytest.mark.parametrize("normalization", ["none", "rms"])
def test_the_variance_of_the_share_is_that_of_the_sum_it_stands_for(normalization: Any) -> None:
    """Every fluctuation as a vector over independent layers, as the docstring writes them; ReLU, whose k is 2.

    A_l = kappa A_{l-1} + (1 - kappa + eta) t R_{l-1} + Y, R_l = carry R_{l-1} + X.
    """
    draw, depth = np.random.default_rng(4), 4
    width, branch = draw.integers(20, 60, depth).astype(float), draw.uniform(0.3, 1.0, depth)
    carry, slope, weights = draw.uniform(0.2, 0.9, (3, depth))
    carried, share = draw.uniform(0.4, 0.9, depth), draw.uniform(0.1, 0.9, depth + 1)
    chain = Chain(width, weights, carry, slope, branch, readout=0.8, coherent=np.ones(depth))
    rank = np.array([30.0, 20.0, 15.0, 12.0, 10.0])
    network = vl.NetworkConfig(depth, 8, "relu", normalization=normalization)
    found = apart_effects(
        network, apart.Apart(np.log(share), rank, 40.0, carried, branch), chain, draw.normal(size=depth), 10
    )

    a, r = np.zeros((2, depth + 1, 2))  # coefficients of two unit normals per layer
    rho, before = 1 / 40, 1 / 40
    for layer in range(depth + 1):
        last = layer == depth
        n, b = (10, 1.0) if last else (width[layer], branch[layer])
        k, fourth, mixed = (1.0, 3.0, 1.0) if last else (2.0, 6.0, 2.0)  # of a linear readout, and of ReLU
        kappa = 1.0 if last else 1 - b * (1 - carried[layer])
        along = 0.0 if last else (1 - kappa) * weights[layer] + slope[layer]
        if normalization == "rms" and not last:
            along = -b * carried[layer] if layer else 0.0
        y, x, both = (k * (1 + 2 * rho) - 1) * b**2 / n, (fourth - 1) * b**2 / n, (mixed - 1) * b**2 / n
        y += 4 * b * (1 - b) * rho / n
        a = kappa * a + along * r
        r = (0.8 if last else carry[layer]) * r
        a[layer], r[layer] = np.linalg.cholesky([[x, both], [both, y]])[1], (math.sqrt(x), 0.0)
        rest = 1 - share[layer]
        assert found.variance[layer] == pytest.approx(rest**2 * ((a - r) ** 2).sum(), rel=1e-9)
        assert found.shift[layer] == pytest.approx(0.5 * rest * ((a**2).sum() - (r**2).sum()), rel=1e-9)
        spectrum = (rho + b**2 * (k * (1 + 2 * rho) - rho) / n) / (1 + b**2 * (k * (1 + 2 * rho) - 1) / n)
        rho, before = spectrum / rank[layer] / before, 1 / rank[layer]
        assert found.rank[layer] == pytest.approx(1 / rho, rel=1e-9)


CASES = [
    {"activation": "sigmoid"},
    {"activation": "relu", "initialization": "kaiming_normal"},
    {"activation": "tanh", "initialization": "xavier_uniform"},
    {"activation": "hardtanh", "initialization": "gaussian", "sigma_w": 1.1, "sigma_b": 0.3},
    {"activation": "sigmoid", "initialization": "orthogonal", "sigma_w": 4.0},
    {"activation": "softplus", "initialization": "lecun_normal", "normalization": "rms"},
    {"activation": "relu", "initialization": "kaiming_normal", "normalization": "layer"},
    {"activation": "tanh", "initialization": "lecun_normal", "residual": "plain"},
    {"activation": "relu", "initialization": "kaiming_normal", "normalization": "batch"},
]


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_what_is_predicted_is_measured(digits: vl.Dataset, settings: dict[str, Any]) -> None:
    """Mean logs within five standard errors and the width term, as the three curves are.

    The spread within a factor of two, where it is known: of twelve seeds its own error is 21 %.
    """
    network = vl.NetworkConfig(depth=5, width=256, dtype="float64", **settings)
    found = vl.predict(network, digits)
    record = vl.train(network, vl.TrainingConfig(seeds=tuple(range(12)), steps=0), digits)
    term = 0.5 * found.width_log_variance.max() + 1e-3
    for quantity in ("distinct_share", "gradient_coherence"):
        logs = np.log(record.layer_quantity(quantity)[:, 0])  # (run, layer)
        deviation = logs.std(0, ddof=1)
        off = np.abs(logs.mean(0) - math.log(10) * found.log10_typical(quantity))
        allowed = 5 * np.fmax(deviation, found.log_spread(quantity)) / math.sqrt(12) + term
        if quantity == "gradient_coherence":  # of its mean log theory knows the log of the mean alone
            allowed += 0.5 * deviation**2
        assert (off <= allowed).all(), (quantity, off, allowed)
        if quantity == "distinct_share" and network.normalization != "batch":
            ratio = found.log_spread(quantity) / deviation
            assert (ratio > 0.5).all() and (ratio < 2.2).all(), ratio
    if network.normalization != "batch":
        ranks = np.exp(np.log(record.effective_rank[:, 0]).mean(0))
        np.testing.assert_allclose(found.effective_rank, ranks, rtol=0.25)


def test_a_wrong_share_is_caught(digits: vl.Dataset) -> None:
    network = vl.NetworkConfig(5, 256, "tanh", "gaussian", 1.0, 0.3)
    wrong = vl.predict(replace(network, sigma_b=0.4), digits)
    record = vl.train(network, vl.TrainingConfig(seeds=tuple(range(6)), steps=0), digits)
    logs = np.log10(record.distinct_share[:, 0]).mean(0)
    assert np.abs(logs - wrong.log10_typical("distinct_share"))[4] > 0.1


def test_quantities_that_theory_does_not_predict_are_refused(digits: vl.Dataset) -> None:
    found = vl.predict(vl.NetworkConfig(2, 8), digits)
    for ask in (found.log10_typical, found.log_spread):
        with pytest.raises(vl.InputError, match="quantity must be one of .*distinct_share.*, got 'weight_norm'"):
            ask("weight_norm")
    assert np.isnan(found.log_spread("effective_rank")).all()
