"""What a loss is the sum of, and the note on a term that the others outweigh."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn import functional
from zoo_models import clusters, mlp

import vanishlab as vl
from vanishlab.analysis.examine import evidence_of_batch

X, Y = clusters()
Loss = Callable[[Tensor, Tensor], Tensor]


def terms(loss: Loss) -> list[tuple[str, Any]]:
    evidence, _ = evidence_of_batch(mlp(2), loss, (X, Y))
    whole = float(evidence.loss[0])
    return [(term.operation, pytest.approx(term.value / whole, rel=1e-5)) for term in evidence.terms]


def one(o: Tensor, t: Tensor) -> Tensor:
    return functional.cross_entropy(o, t) / functional.cross_entropy(o, t).detach()  # it is 1


def two(o: Tensor, t: Tensor) -> Tensor:
    return o.square().mean() / o.square().mean().detach()


@pytest.mark.parametrize(
    ("loss", "shares"),
    [
        (one, [1.0]),
        (lambda o, t: one(o, t) + 3 * two(o, t), [0.25, 0.75]),
        (lambda o, t: sum([one(o, t), two(o, t), 2 * one(o, t)]), [0.25, 0.25, 0.5]),
        (lambda o, t: (one(o, t) + 0.5 * (one(o, t) + two(o, t))) / 7, [0.5, 0.25, 0.25]),
        (lambda o, t: 3 * one(o, t) - two(o, t), [1.5, 0.5]),
    ],
)
def test_terms_have_their_shares_in_the_order_in_which_they_are_written(loss: Loss, shares: list[float]) -> None:
    assert [share for _, share in terms(loss)] == shares


def test_operations_are_named() -> None:
    assert [name for name, _ in terms(lambda o, t: functional.cross_entropy(o, t) + o.square().sum())] == [
        "nll_loss", "sum",
    ]  # fmt: skip


class Penalised(nn.Module):
    def __init__(self, times: int) -> None:
        super().__init__()
        self.body, self.times = mlp(2), times

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        penalties = [each.square().sum() for _ in range(self.times) for each in self.parameters()]
        return functional.cross_entropy(self.body(x), y) + 1e-9 * sum(penalties)


@pytest.mark.parametrize("times", [1, 1000])
def test_a_penalty_on_weights_is_no_term(times: int) -> None:
    evidence, _ = evidence_of_batch(Penalised(times), lambda model, batch: model.loss(*batch), (X, Y))
    assert len(evidence.terms) == 1


def equation(weight: float) -> Callable[[nn.Module, Any], Tensor]:
    """u'' = -144 sin(12 x) on (0, 1), with the weight of its two boundary values."""

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        x = batch[0].clone().requires_grad_()
        slope = torch.autograd.grad(model(x).sum(), x, create_graph=True)[0]
        bend = torch.autograd.grad(slope.sum(), x, create_graph=True)[0]
        residual = (bend + 144 * torch.sin(12 * x)).square().mean()
        ends = torch.tensor([[0.0], [1.0]])
        return residual + weight * (model(ends) - torch.sin(12 * ends)).square().mean()

    return loss


def test_boundary_values_that_the_equation_outweighs_are_worth_a_note() -> None:
    torch.manual_seed(0)
    points = torch.linspace(0, 1, 64)[:, None]
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    diagnosis = vl.examine(model, equation(1.0), (points, points))
    assert diagnosis.healthy and "a sum of 2 terms, and term 2 (mean) is" in diagnosis.notes[-1]
    assert not vl.examine(model, equation(1e4), (points, points)).notes


def test_a_loss_within_vmap_is_left_alone() -> None:
    def loss(o: Tensor, t: Tensor) -> Tensor:
        return vmap(lambda row, label: functional.cross_entropy(row, label) + row.square().sum())(o, t).mean()

    evidence, _ = evidence_of_batch(mlp(2), loss, (X, Y))
    assert [term.operation for term in evidence.terms] == ["mean"]
