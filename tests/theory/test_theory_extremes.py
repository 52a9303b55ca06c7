"""Whatever the configuration, `predict` returns documented numbers or says by name what it refuses."""

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

import vanishlab as vl
from vanishlab.config import ActivationName, InitializationName, LossName
from vanishlab.errors import InputError

MAY_VANISH = ("log10_activation_rms", "log10_delta_rms", "log10_gradient_norm", "log10_distinct_share")
FINITE = (
    "activation_log_spread", "delta_log_spread", "gradient_log_spread", "activation_log_shift", "delta_log_shift",
    "gradient_log_shift", "width_log_variance", "sampling_log_error",
)  # fmt: skip


@pytest.fixture(scope="module")
def data():
    names = ("digits", "moons")
    return {name: replace(vl.load_data(name, max_examples=6), x_test=None, y_test=None) for name in names}


def assert_documented(prediction: vl.Prediction) -> None:
    for name in MAY_VANISH:  # -inf stands for exactly 0
        values = getattr(prediction, name)
        assert (values < np.inf).all(), (name, values)  # NaN fails this too
    for name in FINITE:
        assert np.isfinite(getattr(prediction, name)).all(), name
    assert (prediction.log10_distinct_share <= 1e-12).all()
    known = np.isfinite(prediction.log10_distinct_share) & (prediction.network.normalization != "batch")
    for name in ("distinct_log_spread", "distinct_log_shift", "log10_effective_rank"):
        assert np.isfinite(getattr(prediction, name)[known]).all(), name
    assert not (prediction.log10_gradient_coherence > 1e-9).any()  # NaN where there is no gradient
    assert not np.isnan(prediction.log10_largest_learning_rate)
    for name in ("activation_rms", "delta_rms", "gradient_norm"):  # 0 and infinity where float64 ends, no warning
        assert (getattr(prediction, name) >= 0).all()
    assert prediction.largest_learning_rate >= 0


@pytest.mark.parametrize("loss", get_args(LossName))
@pytest.mark.parametrize(
    "settings",
    [
        # sigma_w^2 = 1/3: the logits' variance is 3^-1000.
        {"depth": 1000, "activation": "tanh", "initialization": "gaussian", "sigma_w": 3**-0.5},
        {"depth": 1000, "activation": "linear", "initialization": "gaussian", "sigma_w": 1e-3},
        {"depth": 1000, "activation": "relu", "initialization": "gaussian", "sigma_w": 1e3},  # logits of 1e2800
        {"depth": 400, "activation": "hardtanh", "initialization": "gaussian", "sigma_w": 30.0, "sigma_b": 0.1},
        {"depth": 300, "activation": "leaky_relu", "initialization": "lecun_normal", "residual": "plain"},
        {"depth": 300, "activation": "relu", "initialization": "kaiming_normal", "residual": 10.0},
        {"depth": 30, "activation": "relu", "initialization": "lecun_normal", "normalization": "batch"},
    ],
)
def test_signals_far_out_of_range(data, settings, loss):
    found = vl.predict(vl.NetworkConfig(**settings), data["digits"], loss)
    assert_documented(found)
    assert np.isfinite(found.log10_delta_rms).all()


def test_logits_that_vanish_leave_the_errors_of_even_odds(data):
    # p = 1/C for every class: |e|^2 = (1 - 1/C)^2 + (C - 1) / C^2 = 1 - 1/C, exactly and without spread.
    for sigma_w in (0.5, 1e-3):
        network = vl.NetworkConfig(depth=1000, activation="tanh", initialization="gaussian", sigma_w=sigma_w)
        found = vl.predict(network, data["digits"])
        assert found.delta_rms[-1] == pytest.approx((0.9 / 10) ** 0.5, rel=1e-12)
        assert found.delta_log_spread[-1] == pytest.approx(0.0, abs=1e-9)


def random_case(generator: np.random.Generator) -> tuple[dict[str, Any], str, float, LossName]:
    """Settings of a network, a data set, the factor on its inputs, and a loss."""
    settings: dict[str, Any] = {
        "activation": str(generator.choice(get_args(ActivationName))),
        "initialization": str(generator.choice(get_args(InitializationName))),
        "width": int(generator.choice([1, 2, 64])),
        "normalization": str(generator.choice(["none", "none", "none", "layer", "rms", "batch"])),
        "depth": int(generator.choice([1, 2, 10, 200])),
    }
    if settings["initialization"] in ("gaussian", "orthogonal"):
        settings["sigma_w"] = float(10 ** generator.uniform(-6, 4))
        settings["sigma_b"] = float(generator.choice([0.0, 1e-12, 1.0, 1e6]))
    if generator.random() < 0.25:
        settings["residual"] = ["plain", "learned", 1e-6, -0.5, 10.0][generator.integers(5)]
    if settings["normalization"] == "batch" or "residual" in settings:
        settings["depth"] = min(settings["depth"], 5)
    scale = float(generator.choice([1.0, 1.0, 1.0, 1e-160, 1e-100, 1e-8, 1e8, 1e100, 1e150, 0.0]))
    return settings, str(generator.choice(["digits", "moons"])), scale, str(generator.choice(get_args(LossName)))  # pyright: ignore


def assert_answers(data, count: int, seed: int) -> None:
    generator, answered = np.random.default_rng(seed), 0
    for _ in range(count):
        settings, name, scale, loss = random_case(generator)
        few = int(generator.choice([1, 2, 6]))
        inputs = vl.Dataset(data[name].x[:few] * scale, data[name].y[:few], classes=data[name].num_classes)
        try:
            assert_documented(vl.predict(vl.NetworkConfig(**settings), inputs, loss))
            answered += 1
        except InputError:
            pass
        except Exception as error:
            raise AssertionError(f"{settings} on {few} of {name} times {scale:g}, {loss}: {error!r}") from error
    assert answered > 0.5 * count


def test_any_configuration_is_answered_or_refused(data):
    assert_answers(data, 60, seed=0)


@pytest.mark.slow
def test_many_configurations_are_answered_or_refused(data):
    assert_answers(data, 500, seed=1)


def test_inputs_of_zero_under_uniform_weights_pass_nothing_through_relu():
    # Two features: the first layer's kernel is that of the uniform weights themselves, and relu's slope at 0 is 0.
    data = vl.load_data("moons", max_examples=3)
    found = vl.predict(
        vl.NetworkConfig(depth=3, width=8, activation="relu", initialization="kaiming_uniform"),
        vl.Dataset(data.x * 0.0, data.y, classes=2),
    )
    assert (found.gradient_norm == 0.0).all() and found.delta_rms[0] == 0.0
