"""Grids of networks: every combination once, the same fields as a network."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import vanishlab as vl


def test_a_grid_has_the_fields_of_a_network_with_their_defaults() -> None:
    networks, grids = dataclasses.fields(vl.NetworkConfig), dataclasses.fields(vl.Grid)
    assert [field.name for field in grids] == [field.name for field in networks]
    assert [field.default for field in grids] == [(field.default,) for field in networks]
    assert list(vl.Grid()) == [vl.NetworkConfig()]


def test_every_combination_comes_once_the_last_field_fastest() -> None:
    grid = vl.Grid(depth=(3, 1), activation=("relu", "tanh"), residual=("none", 0.5))
    assert len(grid) == 8
    shown = [(network.depth, network.activation, network.residual) for network in grid]
    assert shown[:3] == [(3, "relu", "none"), (3, "relu", 0.5), (3, "tanh", "none")] and len(set(shown)) == 8


def test_scales_are_combined_with_the_initialisations_they_apply_to() -> None:
    grid = vl.Grid(initialization=("xavier_normal", "gaussian"), sigma_w=(1.0, 2.0), sigma_b=(0.0, 0.1))
    assert [(each.initialization, each.sigma_w, each.sigma_b) for each in grid] == [
        ("xavier_normal", 1.0, 0.0),
        ("gaussian", 1.0, 0.0),
        ("gaussian", 1.0, 0.1),
        ("gaussian", 2.0, 0.0),
        ("gaussian", 2.0, 0.1),
    ]


@pytest.mark.parametrize("values", [(1.0, 1.5), [1.0, 1.5], np.array([1.0, 1.5]), (each for each in (1.0, 1.5))])
def test_any_iterable_does_and_a_value_stands_for_itself(values: Any) -> None:
    one: Any = "gaussian"
    grid = vl.Grid(initialization=one, sigma_w=values)
    assert [network.sigma_w for network in grid] == [1.0, 1.5] == [network.sigma_w for network in grid]
    shapes: Any = (8, (4, 2))
    assert [network.widths for network in vl.Grid(depth=(2,), width=shapes)] == [(8, 8), (4, 2)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": ()}, "depth must have at least one value, got none"),
        ({"depth": (3, 3)}, "depth must not repeat a value, got 3 twice"),
        ({"depth": (3, 0)}, "depth must be at least 1, got 0"),
        ({"activation": ("rleu",)}, "activation must be one of"),
        ({"sigma_w": (1.0, 2.0)}, "sigma_w and sigma_b apply to initialization 'gaussian' or 'orthogonal' only"),
    ],
)
def test_a_wrong_value_is_told_at_once(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(vl.InputError, match=f"^{message}"):
        vl.Grid(**fields)
