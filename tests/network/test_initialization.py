"""How weights are drawn: torch's own bits, closed-form scales, and every run from its own seed alone."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import vanishlab as vl
from vanishlab.activations import ACTIVATIONS
from vanishlab.network.initialization import draw_layers

FEATURES, CLASSES = 300, 10
WIDTHS = (200, 400)  # one layer narrows and one widens; 80,000 entries


def draw(seeds: tuple[int, ...] = (0,), **fields: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    config = vl.NetworkConfig(**({"depth": 2, "width": WIDTHS} | fields))
    return list(draw_layers(config, FEATURES, CLASSES, seeds))


def test_layer_sizes_go_from_the_features_to_the_classes() -> None:
    config = vl.NetworkConfig(depth=3, width=(7, 8, 9))
    assert config.layer_sizes(5, 2) == ((5, 7), (7, 8), (8, 9), (9, 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_torch_default_has_the_bits_of_manual_seed_and_linear(dtype: str, seed: int) -> None:
    # Small, odd and large layers: torch fills below and above 16 entries by different routines.
    config = vl.NetworkConfig(depth=4, width=(3, 1, 130, 33), dtype=dtype)  # pyright: ignore[reportArgumentType]
    drawn = list(draw_layers(config, 5, 2, (7, seed)))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(a, b, dtype=getattr(torch, dtype)) for a, b in config.layer_sizes(5, 2)]
    for (weight, bias), layer in zip(drawn, layers, strict=True):
        assert torch.equal(weight[1], layer.weight) and torch.equal(bias[1], layer.bias)


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "tanh", "gelu"])
@pytest.mark.parametrize(
    "initialization",
    ["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "lecun_normal", "gaussian"],
)
def test_each_initialization_has_the_scale_and_the_shape_of_its_formula(initialization: str, activation: str) -> None:
    scales: dict[str, Any] = {"sigma_w": 1.7, "sigma_b": 0.3} if initialization == "gaussian" else {}
    layers = draw(initialization=initialization, activation=activation, dtype="float64", **scales)
    sizes = ((FEATURES, WIDTHS[0]), WIDTHS, (WIDTHS[1], CLASSES))
    for (fan_in, fan_out), (weight, bias) in zip(sizes, layers, strict=True):
        gain = ACTIVATIONS[activation].gain
        expected = {
            "xavier": math.sqrt(2 / (fan_in + fan_out)),
            "kaiming": gain / math.sqrt(fan_in),
            "lecun": 1 / math.sqrt(fan_in),
            "gaussian": 1.7 / math.sqrt(fan_in),
        }[initialization.split("_")[0]]
        n = weight.numel()
        assert weight.shape == (1, fan_out, fan_in) and bias.shape == (1, fan_out)
        # Five standard errors: of a mean 1 / sqrt(n), of a normal's deviation 1 / sqrt(2 n), of a uniform's less.
        assert abs(float(weight.mean())) < 5 * expected / math.sqrt(n)
        assert float(weight.square().mean().sqrt()) == pytest.approx(expected, rel=5 / math.sqrt(2 * n))
        kurtosis = float(weight.pow(4).mean()) / expected**4
        if initialization.endswith("uniform"):
            assert float(weight.abs().max()) <= math.sqrt(3) * expected * (1 + 1e-12)
            assert kurtosis == pytest.approx(9 / 5, rel=10 / math.sqrt(n))
        else:
            assert kurtosis == pytest.approx(3, rel=20 / math.sqrt(n))  # the error of x^4's mean is sqrt(96 / n)
        if initialization == "gaussian":
            assert float(bias.square().mean().sqrt()) == pytest.approx(0.3, rel=5 / math.sqrt(2 * fan_out))
        else:
            assert not bias.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal_rows_or_columns_are_orthonormal_times_sigma_w(dtype: str) -> None:
    layers = draw(initialization="orthogonal", sigma_w=1.5, dtype=dtype)
    for weight, bias in layers:
        w = weight[0].double()
        gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        tolerance = {"float32": 1e-5, "float64": 1e-13}[dtype]  # some 40 roundings of 6e-8, of 1e-16
        np.testing.assert_allclose(gram, 2.25 * np.eye(len(gram)), atol=tolerance)
        assert not bias.any()


def test_orthogonal_takes_sigma_b_for_its_biases() -> None:
    for _, bias in draw(initialization="orthogonal", sigma_b=0.3):
        assert float(bias.square().mean().sqrt()) == pytest.approx(0.3, rel=5 / math.sqrt(2 * bias.numel()))


@pytest.mark.parametrize(
    "initialization",
    ["torch_default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "lecun_normal",
     "orthogonal", "gaussian"],
)  # fmt: skip
def test_a_runs_weights_come_from_its_own_seed_whatever_stands_beside_it(initialization: str) -> None:
    together = draw((3, 5, 3, 8), initialization=initialization)
    alone = draw((3,), initialization=initialization)
    for (weight, bias), (weight_alone, bias_alone) in zip(together, alone, strict=True):
        assert torch.equal(weight[0], weight_alone[0]) and torch.equal(weight[2], weight_alone[0])
        assert torch.equal(bias[0], bias_alone[0]) and torch.equal(bias[2], bias_alone[0])
        assert not torch.equal(weight[1], weight_alone[0]) and not torch.equal(weight[3], weight[1])


def test_drawing_leaves_torchs_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    draw((1, 2), initialization="orthogonal")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_nothing_is_drawn_for_a_network_without_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vanishlab.network.initialization._fill", lambda *_: pytest.fail("torch loads its compiler"))
    with torch.device("meta"):
        model = vl.MLP(vl.NetworkConfig(2, 3, "relu", "kaiming_normal"), features=4, classes=2, seeds=(0, 1))
    assert all(parameter.is_meta for parameter in model.parameters())
