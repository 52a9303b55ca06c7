"""The verdict on what people train: a few kinds of `zoo_architectures`, and what its benchmark brought to light."""

from types import SimpleNamespace

import pytest
import torch
import zoo_architectures as zoo
from torch import Tensor, nn
from torch.nn import functional

import vanishlab as vl

SMALL = [patient for patient in zoo.PLAIN if patient.name in ("GCN", "VAE", "PINN")]
CUT, MASKED, DEAD = (
    next(illness for illness in zoo.ILLNESSES if illness.name == name)
    for name in ("branch detached", "NaN by masking", "dead block")
)


@pytest.mark.parametrize("patient", SMALL, ids=lambda patient: patient.name)
def test_healthy_as_published_before_and_after_some_steps(patient: zoo.Patient) -> None:
    course = zoo.follow(patient, steps=10)
    assert course.before.healthy and course.during.healthy


@pytest.mark.parametrize("patient", [one for one in SMALL if one.name != "PINN"], ids=lambda patient: patient.name)
@pytest.mark.parametrize(("illness", "name"), [(CUT, "no gradient"), (MASKED, "not finite")])
def test_an_illness_of_the_graph_is_found_in_its_place(patient: zoo.Patient, illness: zoo.Illness, name: str) -> None:
    found = {verdict.name: verdict for verdict in zoo.follow(patient, illness, steps=1).before.verdicts}
    assert patient.inner in (*found[name].layers, *found[name].sentence.split())


def test_harm_is_a_quarter_of_what_the_healthy_one_gains() -> None:
    healthy = (4.0, 3.0, 2.0, 0.0)
    assert not zoo.harms(healthy, (9.0, 9.0, 9.0, 1.0))  # however it began
    assert zoo.harms(healthy, (4.0, 3.0, 2.0, 1.1)) and zoo.harms(healthy, (4.0, 1.0, 1.0, float("nan")))


class Clamped(nn.Sequential):
    """The root's gradient is 0 / 0 where clamp has put a 0, and clamp's own gradient replaces it by 0 there."""

    def forward(self, input: Tensor) -> Tensor:
        z = self[0](input)
        return self[1](z.clamp(min=0).sqrt().square())


def test_a_nan_that_reaches_no_weight_is_no_illness() -> None:
    torch.manual_seed(0)
    model, x = Clamped(nn.Linear(8, 16), nn.Linear(16, 3)), torch.randn(32, 8)
    batch = (x, torch.arange(32) % 3)
    functional.cross_entropy(model(x), batch[1]).backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)
    assert "not finite" not in vl.examine(model, functional.cross_entropy, batch).names


@pytest.mark.parametrize(("rate", "thrown"), [(0.03, False), (3.0, True)])
def test_a_rate_that_throws_weights_away_is_seen_where_a_norm_keeps_the_loss_finite(rate: float, thrown: bool) -> None:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.LayerNorm(n), nn.Linear(n, 32), nn.ReLU()) for n in (8, 32, 32)]
    model, x = nn.Sequential(*layers, nn.LayerNorm(32), nn.Linear(32, 3)), torch.randn(64, 8)
    target = torch.randint(3, (64,))  # nothing to be learned quickly
    optimizer = torch.optim.Adam(model[:3].parameters(), lr=rate)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(8):
            optimizer.zero_grad()
            functional.cross_entropy(model(x), target).backward()
            optimizer.step()
    diagnosis = vl.diagnose(recorder)
    assert ("diverging" in diagnosis.names) == thrown
    if thrown:
        (verdict,) = [each for each in diagnosis.verdicts if each.name == "diverging"]
        assert verdict.evidence["activation, last / first"] > 100 and verdict.layers[0] in ("0.1", "1.1", "2.1")


class Told(nn.Module):
    """A model that computes its own loss, as those of transformers do."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
        with torch.no_grad():
            for weight in zoo.matrices(self):
                weight.mul_(factor)

    def forward(self, x: Tensor, labels: Tensor) -> SimpleNamespace:
        logits = self.body(x)
        return SimpleNamespace(loss=functional.cross_entropy(logits, labels), logits=logits)


@pytest.mark.parametrize(("factor", "wild"), [(1.0, False), (20.0, True)])
def test_a_model_that_computes_its_own_loss_is_held_against_the_constant_too(factor: float, wild: bool) -> None:
    torch.manual_seed(0)
    batch = {"x": torch.randn(32, 8), "labels": torch.arange(32) % 3}
    found = vl.examine(Told(factor), lambda outputs: outputs.loss, batch)
    assert ("wild scale" in found.names) == wild and found.healthy != wild
