"""Between the lab's stacked networks and the oracle in reference.py: the same network in both, and comparisons."""

from typing import Any

import numpy as np
import reference
import torch
from numpy.typing import ArrayLike
from torch import nn

import vanishlab as vl

ACTIVATIONS = tuple(reference.ACTIVATIONS)
NORMALIZATIONS = ("none", "batch", "layer", "rms")
RESIDUALS = ("none", "plain", "learned", 0.5)


def to_array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float64, copy=True)


def linear_layers(mlp: vl.MLP) -> list[Any]:
    """The stacked W and b of every layer, the readout last."""
    return [*(block.linear for block in mlp.blocks), mlp.readout]


def as_reference(mlp: vl.MLP, run: int) -> reference.Network:
    """One run's initial state, for the oracle."""
    layers = linear_layers(mlp)
    return reference.Network(
        weights=[to_array(layer.weight[run]) for layer in layers],
        biases=[to_array(layer.bias[run]) for layer in layers],
        activation=mlp.config.activation,
        normalization=mlp.config.normalization,
        residual=mlp.config.residual,
    )


def assert_close(actual: ArrayLike, expected: ArrayLike, relative: float, what: str = "") -> None:
    """Each entry to `relative`, or to 1 % of that of the largest expected entry, where entries cancel to almost 0."""
    expected = np.asarray(expected, dtype=np.float64)
    floor = 0.01 * relative * float(np.nanmax(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=relative, atol=floor, err_msg=what)


def state_of(module: nn.Module, run: int | None = None) -> dict[str, torch.Tensor]:
    """Copies of all parameters and buffers, of one run where it is named."""
    state = module.state_dict()
    return {name: (value if run is None else value[run]).detach().clone() for name, value in state.items()}


def assert_same_bits(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert actual.keys() == expected.keys() and len(actual) > 0
    for name, value in expected.items():
        other = actual[name]
        assert other.dtype == value.dtype and other.shape == value.shape, name
        # NaN equals NaN here: compared are bits.
        assert torch.equal(torch.nan_to_num(other), torch.nan_to_num(value)), name
        assert torch.equal(torch.isnan(other), torch.isnan(value)), name


def assert_equal_records(actual: vl.Record, expected: vl.Record) -> None:
    """Every field of the two records, bit for bit, dtypes included."""
    for name, value in vars(expected).items():
        other = getattr(actual, name)
        if isinstance(value, np.ndarray):
            assert other.dtype == value.dtype, name
            np.testing.assert_array_equal(other, value, err_msg=name)
        else:
            assert other == value, name
