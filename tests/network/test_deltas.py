"""Per-example deltas against the hand-written oracle, the recorder, and the bias gradient they average to."""

from typing import Any

import numpy as np
import pytest
import torch
from comparison import NORMALIZATIONS, RESIDUALS, assert_same_bits, linear_layers, state_of, to_array
from torch import Tensor
from torch.nn import functional

import vanishlab as vl
from vanishlab.network.deltas import per_example_deltas


def mlp_of(data: vl.Dataset, **fields: Any) -> vl.MLP:
    settings: dict[str, Any] = {"depth": 3, "width": 6, "activation": "tanh", "dtype": "float64"} | fields
    return vl.MLP(vl.NetworkConfig(**settings), data.features, data.num_classes, (0, 5))


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_they_are_what_the_recorder_sees_and_average_to_the_bias_gradient(
    normalization: Any, residual: Any, loss: Any, data: vl.Dataset
) -> None:
    mlp = mlp_of(data, normalization=normalization, residual=residual)
    before = state_of(mlp)
    deltas = per_example_deltas(mlp, data.x, data.y, loss)
    assert_same_bits(state_of(mlp), before)
    assert [tuple(delta.shape) for delta in deltas] == [(2, 37, 6)] * 3 + [(2, 37, 3)]
    training = vl.TrainingConfig(seeds=(0, 5), steps=0, loss=loss, device="cpu")
    record = vl.train(mlp.config, training, data)
    rms = np.stack([to_array(delta.square().mean((1, 2)).sqrt()) for delta in deltas], axis=1)
    # The same float64 numbers, summed in another order; 0 behind a branch that starts at scale 0.
    np.testing.assert_allclose(rms, record.delta_rms[:, 0], rtol=1e-10, atol=1e-16)
    norms = np.stack([np.linalg.norm(to_array(delta.mean(1)), axis=1) for delta in deltas], axis=1)
    np.testing.assert_allclose(norms, record.bias_gradient_norm[:, 0], rtol=1e-9, atol=1e-15)


def test_without_batch_norm_an_examples_delta_is_that_of_the_example_alone(data: vl.Dataset) -> None:
    mlp = mlp_of(data, normalization="layer")
    together = per_example_deltas(mlp, data.x, data.y)
    alone = per_example_deltas(mlp, data.x[4:5], data.y[4:5])
    for one, all_of_them in zip(alone, together, strict=True):
        torch.testing.assert_close(one[:, 0], all_of_them[:, 4], rtol=1e-12, atol=1e-15)


def test_a_loss_of_ones_own_may_be_given(data: vl.Dataset) -> None:
    def nielsen(logits: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy of sigmoid outputs, summed over classes: its delta at the output is a - y."""
        target = functional.one_hot(y, 3).to(logits).expand_as(logits)
        return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(2).mean(1)

    mlp = mlp_of(data)
    delta = per_example_deltas(mlp, data.x, data.y, nielsen)[-1]
    output = torch.sigmoid(mlp(torch.from_numpy(data.x)).detach())
    torch.testing.assert_close(delta, output - functional.one_hot(torch.from_numpy(data.y), 3), rtol=1e-10, atol=1e-14)


def test_runs_may_have_examples_of_their_own_and_frozen_weights_have_deltas_too(data: vl.Dataset) -> None:
    mlp = mlp_of(data).requires_grad_(False)
    x, y = np.stack([data.x, data.x[::-1]]), np.stack([data.y, data.y[::-1]])
    for one, other in zip(per_example_deltas(mlp, x, y), per_example_deltas(mlp, data.x, data.y), strict=True):
        torch.testing.assert_close(one[1].flip(0), other[1], rtol=1e-12, atol=1e-15)
    assert all(layer.weight.grad is None for layer in linear_layers(mlp))


@pytest.mark.parametrize("y", [[0, 1], [[0] * 37] * 3, [3] * 37, [-1] * 37, [0.5] * 37])
def test_labels_that_do_not_fit_are_refused(y: Any, data: vl.Dataset) -> None:
    with pytest.raises(vl.InputError, match="^y must "):
        per_example_deltas(mlp_of(data), data.x, y)
