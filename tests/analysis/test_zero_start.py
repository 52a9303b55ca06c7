"""A model whose head starts at zero: what lies before it is told after the head's first step."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional
from zoo_models import HE, clusters, mlp

import vanishlab as vl

BATCH = clusters()


def with_zero_head(depth: int, phi: type[nn.Module], gain: float | str) -> nn.Sequential:
    torch.manual_seed(0)
    model = mlp(depth, 16, phi, gain)
    head = model[-1]
    assert isinstance(head, nn.Linear)
    nn.init.zeros_(head.weight)
    return model


def test_a_healthy_net_with_a_zero_head_is_healthy_with_a_note_and_stays_as_it_was() -> None:
    model = with_zero_head(6, nn.ReLU, HE)
    before = copy.deepcopy(model.state_dict())
    found = vl.examine(model, functional.cross_entropy, BATCH)
    assert found.names == ("healthy",) and found.notes[0].startswith(f"The weights of {len(model) - 1} are all zero")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_vanishes_behind_a_zero_head_is_seen() -> None:
    found = vl.examine(with_zero_head(12, nn.Sigmoid, "default"), functional.cross_entropy, BATCH)
    assert {"vanishing", "collapsed"} & set(found.names) and "not enough evidence" not in found.names
    whole = mlp(12, 16, nn.Sigmoid, "default")
    assert set(found.names) == set(vl.examine(whole, functional.cross_entropy, BATCH).names)


def test_where_one_step_is_not_enough_it_is_said() -> None:
    model = with_zero_head(4, nn.Tanh, 1.0)
    nn.init.zeros_(model[-3].weight)  # pyright: ignore[reportArgumentType]
    found = vl.examine(model, functional.cross_entropy, BATCH)
    assert not found.healthy and found.notes == ()


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_loss_that_asks_for_nothing_makes_no_step(target: float) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1, bias=False))
    nn.init.zeros_(model[2].weight)  # pyright: ignore[reportArgumentType]
    found = vl.examine(model, functional.mse_loss, (torch.randn(16, 4), torch.full((16, 1), target)))
    assert any("are all zero" in note for note in found.notes) == (target == 1.0)
