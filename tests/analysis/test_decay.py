"""The fitted rate and its interval against closed forms and simulation; pieces against profiles with known cuts."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from vanishlab.analysis.rules import decay as decay_module
from vanishlab.analysis.rules.decay import fill_valleys, fit_decay


def test_a_straight_line_is_fitted_exactly() -> None:
    decay = fit_decay(np.linspace(-9.0, 0.0, 10))
    assert decay.rate == pytest.approx(1.0, abs=1e-12) and decay.total == 9.0
    assert decay.low == pytest.approx(decay.high, abs=1e-9)
    assert [(segment.first, segment.last) for segment in decay.segments] == [(0, 9)]
    assert decay.factor == pytest.approx(0.1)


def test_fewer_than_three_layers_have_no_interval() -> None:
    two = fit_decay(np.array([-4.0, 0.0]))
    assert two.rate == two.total == 4.0 and two.low == -np.inf and two.high == np.inf
    assert np.isnan(fit_decay(np.array([1.0])).rate)
    three = fit_decay(np.array([-4.0, -1.9, 0.0]))
    assert -np.inf < three.low < three.rate < three.high < np.inf


def test_a_walk_gives_its_mean_increment_and_noisy_levels_their_slope() -> None:
    generator = np.random.default_rng(0)
    walk = np.cumsum(generator.normal(0.03, 0.1, 400))
    line = 0.03 * np.arange(400) + generator.normal(0.0, 0.2, 400)
    # The grid's ratio is 0 and infinite at best, or near it: then these two are the estimators, up to a few per cent
    # of their standard errors (0.005, and 0.2 / sqrt(400^3 / 12)).
    assert fit_decay(walk).rate == pytest.approx(np.diff(walk).mean(), abs=0.002)
    assert fit_decay(line).rate == pytest.approx(np.polyfit(np.arange(400), line, 1)[0], abs=1e-4)


@pytest.mark.parametrize(("walk", "noise"), [(1.0, 0.0), (0.0, 1.0), (0.3, 1.0)])
@pytest.mark.parametrize("layers", [8, 30])
def test_the_interval_covers_the_rate_as_often_as_it_says(walk: float, noise: float, layers: int) -> None:
    generator = np.random.default_rng(1)
    inside = textbook = 0
    draws = 150
    for _ in range(draws):
        # In tenths of a decade, so that no layer stands low enough to be taken for a side branch.
        profile = np.cumsum(generator.normal(0.5, walk, layers)) + generator.normal(0.0, noise, layers)
        decay = fit_decay(profile / 10)
        inside += decay.low <= 0.05 <= decay.high
        line: Any = stats.linregress(np.arange(layers), profile)
        textbook += abs(line.slope - 0.5) <= line.stderr * stats.t.ppf(0.975, layers - 2)
    # 95 %, five standard errors of 150 draws (1.8 % each) below, and three more: the ratio of the noises is not known.
    assert inside / draws >= 0.83
    if walk == 1.0 and layers == 30:
        assert textbook / draws < 0.5  # what the docstring says of the textbook interval


def test_a_bad_block_is_found_inside_a_level_profile() -> None:
    generator = np.random.default_rng(2)
    steps = generator.normal(0.0, 0.03, 40)
    steps[17:20] += 1.5  # layers 18 to 21 lose 4.5 decades
    profile = np.concatenate([[0.0], np.cumsum(steps)])
    found = [segment for segment in fit_decay(profile).segments if segment.total > 1.0]
    assert [(segment.first, segment.last) for segment in found] == [(17, 20)]
    assert found[0].total == pytest.approx(4.5, abs=0.3)


def test_pure_noise_and_a_pure_rate_have_one_piece() -> None:
    generator = np.random.default_rng(3)
    whole = 0
    for _ in range(100):
        whole += len(fit_decay(np.cumsum(generator.normal(0.2, 0.2, 50))).segments) == 1
    assert whole >= 95


@pytest.mark.parametrize(("apart", "pieces"), [(0.85, 1), (0.95, 2)])
def test_a_new_piece_must_gain_what_pure_noise_would(apart: float, pieces: int) -> None:
    # Increments of 1 and -1 by turns, and two halves whose means differ by 2 apart: the squares fall by 40 apart^2, and
    # a piece costs 4 log 40 times the square of 1.4826, the standard deviation by the median of 1.
    increments = 10.0 + np.tile([1.0, -1.0], 20) + np.repeat([apart, -apart], 20)  # no valleys
    assert len(fit_decay(np.append(0.0, np.cumsum(increments))).segments) == pieces


def test_valleys_are_filled_and_slopes_left() -> None:
    generator = np.random.default_rng(4)
    level = generator.normal(0.0, 0.05, 48)
    dips = level.copy()
    dips[1::4] -= 2.0  # every fourth layer a side branch
    decay = fit_decay(dips)
    assert max(abs(segment.total) for segment in decay.segments) < 0.5
    assert decay.high - decay.low < 0.02
    for slope in (np.linspace(-5, 0, 20), np.linspace(0, -5, 20)):
        assert np.array_equal(fill_valleys(slope), slope)


@pytest.mark.parametrize("ratio", [0.0, 0.25, 4.0, np.inf])
def test_rate_and_error_are_those_of_generalised_least_squares(monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    # The increments of a random walk plus white noise `ratio` times as strong: covariance 1 + ratio (2, -1) in bands.
    monkeypatch.setattr(decay_module, "_NOISE_RATIOS", (ratio,))
    increments = np.random.default_rng(2).normal(0.3, 1.0, 9)
    bands = 2.0 * np.eye(9) - np.eye(9, k=1) - np.eye(9, k=-1)
    weights = np.linalg.inv(bands if np.isinf(ratio) else np.eye(9) + ratio * bands)
    rate = weights.sum(0) @ increments / weights.sum()
    error = np.sqrt((increments - rate) @ weights @ (increments - rate) / 8 / weights.sum())
    assert decay_module._drift(increments) == pytest.approx((rate, error), rel=1e-9)


def test_ratios_count_by_their_restricted_likelihood(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = (0.0, 0.5, 2.0)
    monkeypatch.setattr(decay_module, "_NOISE_RATIOS", ratios)
    increments = np.random.default_rng(3).normal(0.3, 1.0, 7)
    bands = 2.0 * np.eye(7) - np.eye(7, k=1) - np.eye(7, k=-1)
    differences = np.eye(7)[1:] - np.eye(7)[:-1]  # what no rate enters
    rates, errors, likelihoods = [], [], []
    for ratio in ratios:
        covariance = np.eye(7) + ratio * bands
        weights = np.linalg.inv(covariance)
        rates.append(weights.sum(0) @ increments / weights.sum())
        errors.append((increments - rates[-1]) @ weights @ (increments - rates[-1]) / 6 / weights.sum())
        own, seen = differences @ covariance @ differences.T, differences @ increments
        scale = seen @ np.linalg.solve(own, seen) / 6  # at its own maximum
        likelihoods.append(scale**-3 / np.sqrt(np.linalg.det(own)))
    shares = np.array(likelihoods) * [3.0, 1.0, 1.0]  # half of the prior stands on the walk
    shares /= shares.sum()
    rate = shares @ rates
    expected = np.sqrt(shares @ (np.array(errors) + (np.array(rates) - rate) ** 2))
    assert decay_module._drift(increments) == pytest.approx((rate, expected), rel=1e-9)
