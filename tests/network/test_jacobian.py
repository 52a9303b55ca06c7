"""Jacobians against torch's own on ordinary modules, against products written out, and against closed forms."""

from typing import Any

import numpy as np
import pytest
import reference
import torch
from comparison import ACTIVATIONS, NORMALIZATIONS, RESIDUALS, assert_same_bits, linear_layers, state_of, to_array
from torch.autograd.functional import jacobian as one_jacobian

import vanishlab as vl
from vanishlab.network.jacobian import jacobian, jacobian_singular_values


def mlp_of(features: int = 5, classes: int = 3, seeds: tuple[int, ...] = (0, 1), **fields: Any) -> vl.MLP:
    settings: dict[str, Any] = {"depth": 3, "width": 6} | fields
    return vl.MLP(vl.NetworkConfig(**settings), features, classes, seeds)


def inputs(examples: int = 4, features: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(examples, features))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("residual", RESIDUALS)
def test_it_is_torchs_own_jacobian_of_each_run_as_ordinary_modules(normalization: str, residual: Any) -> None:
    mlp = mlp_of(activation="selu", normalization=normalization, residual=residual, sigma_w=1.3, sigma_b=0.2,
                 initialization="gaussian")  # fmt: skip
    if residual == "learned":
        for block in mlp.blocks:
            if isinstance(block.scale, torch.Tensor):
                block.scale.data.fill_(0.7)
    mlp.eval()
    ours = jacobian(mlp, inputs())
    assert ours.dtype == torch.float64 and ours.shape == (2, 4, 3, 5)
    for run in range(2):
        single = mlp.single(run).double()
        theirs = torch.stack([torch.as_tensor(one_jacobian(single, x)) for x in torch.from_numpy(inputs())[:, None]])
        # Two float64 differentiations of four layers.
        torch.testing.assert_close(ours[run], theirs[:, 0, :, 0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_plain_network_has_the_product_of_slopes_and_weights(activation: str) -> None:
    mlp = mlp_of(activation=activation, width=(7, 4, 6), dtype="float64", seeds=(3,))
    x = inputs()
    layers = [(to_array(layer.weight[0]), to_array(layer.bias[0])) for layer in linear_layers(mlp)]
    for first, last in ((1, 4), (1, 3), (2, 3), (3, 3), (4, 4), (2, 4)):
        ours = to_array(jacobian(mlp, x, first=first, last=last)[0])
        for example in range(len(x)):
            h, product = x[example], np.eye(layers[first - 1][0].shape[1])
            for number, (weight, bias) in enumerate(layers, start=1):
                z = weight @ h + bias
                h, slope = (z, np.ones_like(z)) if number == 4 else reference.ACTIVATIONS[activation](z)
                if first <= number <= last:
                    product = slope[:, None] * (weight @ product)
            np.testing.assert_allclose(ours[example], product, rtol=1e-10, atol=1e-14)


def test_layers_multiply_to_the_whole() -> None:
    mlp = mlp_of(activation="tanh", normalization="rms", residual="plain")
    parts = [jacobian(mlp, inputs(), first=layer, last=layer) for layer in range(1, 5)]
    whole = parts[3] @ parts[2] @ parts[1] @ parts[0]
    torch.testing.assert_close(jacobian(mlp, inputs()), whole, rtol=1e-10, atol=1e-12)


def test_many_examples_are_taken_in_parts_and_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    mlp = mlp_of(activation="tanh")
    whole = jacobian(mlp, inputs(7))
    # two examples at a time, of two runs and three classes
    monkeypatch.setattr("vanishlab.network.jacobian._ROWS", 2 * 3 * 2)
    torch.testing.assert_close(jacobian(mlp, inputs(7)), whole, rtol=1e-12, atol=1e-15)


def test_each_run_may_have_inputs_of_its_own() -> None:
    mlp = mlp_of(activation="tanh")
    x = np.stack([inputs(), 2 * inputs()])
    ours = jacobian(mlp, x)
    for run in range(2):
        torch.testing.assert_close(ours[run], jacobian(mlp, x[run])[run], rtol=1e-12, atol=1e-15)


def test_singular_values_are_largest_first_and_those_of_the_matrix() -> None:
    mlp = mlp_of(activation="erf")
    values = jacobian_singular_values(mlp, inputs())
    assert values.shape == (2, 4, 3) and values.dtype == np.float64 and (np.diff(values) <= 0).all()
    np.testing.assert_allclose((values**2).sum(2), to_array(jacobian(mlp, inputs()).square().sum((2, 3))), rtol=1e-12)


def test_an_orthogonal_linear_network_of_any_depth_is_an_isometry() -> None:
    mlp = mlp_of(8, 8, depth=50, width=8, activation="linear", initialization="orthogonal", dtype="float64")
    # 51 products of float64 matrices, each orthogonal to 1e-15.
    np.testing.assert_allclose(jacobian_singular_values(mlp, inputs(2, 8)), 1.0, rtol=1e-12)
    mlp = mlp_of(8, 8, depth=3, width=8, activation="linear", initialization="orthogonal", sigma_w=0.5, dtype="float64")
    np.testing.assert_allclose(jacobian_singular_values(mlp, inputs(2, 8)), 0.5**4, rtol=1e-12)


def test_a_float32_network_keeps_what_float32_could_not_hold() -> None:
    mlp = mlp_of(depth=100, width=16, activation="sigmoid", seeds=(0,))
    values = jacobian_singular_values(mlp, inputs(1))
    assert 1e-110 < values[0, 0, 0] < 1e-80  # at most 0.144 a layer, and less where weights are few


def test_what_is_not_finite_is_nan_and_disturbs_no_neighbour() -> None:
    mlp = mlp_of(activation="relu")
    alone = jacobian_singular_values(mlp, inputs())
    mlp.readout.weight.data[1] = np.inf
    values = jacobian_singular_values(mlp, inputs())
    assert np.isnan(values[1]).all()
    np.testing.assert_allclose(values[0], alone[0], rtol=1e-12)


def test_nothing_in_the_network_changes_and_no_recorder_notices(data: vl.Dataset) -> None:
    mlp = mlp_of(normalization="batch", depth=2)
    mlp.eval()
    before = state_of(mlp)
    with vl.GradientRecorder(mlp) as recorder:
        mlp(torch.from_numpy(data.x).float()).sum().backward()
        gradient = mlp.readout.weight.grad
        jacobian(mlp, data.x)
        recorder.end_step()
    assert_same_bits(state_of(mlp), before)
    assert mlp.readout.weight.grad is gradient and not mlp.training
    with vl.GradientRecorder(mlp_of(normalization="batch", depth=2).eval()) as other:
        other._model(torch.from_numpy(data.x).float()).sum().backward()
        other.end_step()
    np.testing.assert_array_equal(recorder.record.delta_rms, other.record.delta_rms)


def test_batch_normalisation_in_training_mode_is_refused_by_name() -> None:
    with pytest.raises(vl.InputError, match=r"^model must not be in training mode with normalization 'batch'"):
        jacobian(mlp_of(normalization="batch"), inputs())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": 0}, "first must be at least 1, got 0"),
        ({"first": 3, "last": 2}, "first must be at most 2, got 3"),
        ({"last": 5}, "last must be at most 4, got 5"),
        ({"last": 1.5}, "last must be a whole number, got 1.5"),
    ],
)
def test_layers_that_are_not_there_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(vl.InputError, match=f"^{message}$"):
        jacobian(mlp_of(), inputs(), **arguments)


@pytest.mark.parametrize("shape", [(4, 6), (5,), (3, 4, 5), (1, 2, 4, 5), (0, 5)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(vl.InputError, match="^x must h"):
        jacobian(mlp_of(), np.ones(shape))


def test_inputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(vl.InputError, match="^x must be finite, got NaN or infinity$"):
        jacobian(mlp_of(), [[1.0, 2.0, 3.0, np.nan, 5.0]])
