"""Train and eval mode, and the same pass again: what is an illness, what is a note, and what is nothing."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from zoo_models import clusters, mlp
from zoo_reports import normed

import vanishlab as vl
from vanishlab.analysis.looks.modes import look_at_modes

cross_entropy = functional.cross_entropy
X, Y = clusters()
FAR = 5 * X + 30, Y


def notes(model: nn.Module, batch: Any = (X, Y), loss: Any = cross_entropy) -> list[str]:
    said = vl.examine(model, loss, batch).notes
    return [note for note in said if note.startswith(("Two passes", "The loss of this batch"))]


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_that_do_not_fit_are_found_in_either_mode(training: bool) -> None:
    torch.manual_seed(0)
    model = normed(1e-4).train(training)
    before = copy.deepcopy(model.state_dict())
    found = {verdict.name: verdict for verdict in vl.examine(model, cross_entropy, FAR).verdicts}
    sick = found["stale statistics"]
    assert sick.layers == ("1",) and "running statistics of batch norm (1) do not fit" in sick.sentence
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    with torch.no_grad():
        losses = [float(cross_entropy(model.train(mode)(FAR[0]), Y)) for mode in (False, True)]
    assert f"{losses[1]:.4g} in train mode and {losses[0]:.4g} in eval mode" in sick.sentence


@pytest.mark.parametrize("training", [True, False])
def test_after_the_cure_they_fit(training: bool) -> None:
    torch.manual_seed(0)
    model: Any = normed(1e-4)
    assert [remedy.name for remedy in vl.examine(model, cross_entropy, FAR).remedies] == ["statistics anew"]
    model[1].momentum = 0.1
    torch.optim.swa_utils.update_bn([FAR[0]] * 3, model)
    diagnosis = vl.examine(model.train(training), cross_entropy, FAR)
    assert diagnosis.healthy and not notes(model, FAR)


def test_statistics_that_have_hardly_begun_are_not_judged() -> None:
    torch.manual_seed(0)
    model: Any = normed(1e-4)
    model[1].num_batches_tracked.fill_(20)
    assert "stale statistics" not in vl.examine(model, cross_entropy, FAR).names and not notes(model, FAR)
    fresh = nn.Sequential(nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 5))
    assert not notes(fresh) and not notes(fresh.eval())


def test_a_smaller_misfit_is_a_note() -> None:
    torch.manual_seed(0)
    model: Any = normed(0.1)
    model[1].running_var *= 9.0
    assert vl.examine(model, cross_entropy, FAR).healthy
    assert "running statistics of batch norm (1) are not those of the batch" in notes(model, FAR)[0]


class InEval(nn.Module):
    """A model of two minds."""

    def __init__(self) -> None:
        super().__init__()
        self.body = normed(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x if self.training else 60 - x)


def test_what_forward_does_in_eval_mode_alone_is_a_note() -> None:
    torch.manual_seed(0)
    (note,) = notes(InEval(), FAR)
    assert note.endswith(" in eval mode.")


class Noisy(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.cell, self.head, self.how = nn.GRU(4, 16, batch_first=True), nn.Linear(16, 5), how
        self.kept: Tensor | None = None
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        out, last = self.cell(x.unflatten(1, (5, 4)), self.kept)
        self.kept = last.detach() if self.how == "state" else None
        h = out[:, -1]
        h = functional.dropout(h, 0.5) if self.how == "dropout" else h
        self.calls += self.how == "buffer"
        return self.head(h) + 0.1 * self.calls


@pytest.mark.parametrize(
    ("how", "said"),
    [("state", "such as a hidden state"), ("dropout", "forward draws random numbers"), ("buffer", ""), ("", "")],
)
def test_a_pass_that_cannot_be_made_again_is_told_by_its_cause(how: str, said: str) -> None:
    model = Noisy(how)
    found = notes(model)
    assert len(found) == (said != "") and all(said in note for note in found)
    assert model.kept is None and float(model.calls) == 0


def test_dropout_is_worth_a_note_where_it_drowns_what_it_blurs() -> None:
    def dropping(p: float) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            *(part for _ in range(4) for part in (nn.Linear(20, 20), nn.ReLU(), nn.Dropout(p))), nn.Linear(20, 5)
        )

    assert "dropout (2 … 11 (4 layers)) drowns" in notes(dropping(0.9))[0]
    assert not notes(dropping(0.1)) and not notes(dropping(0.9).eval())


def test_by_how_much_dropout_blurs_is_its_deviation_over_the_examples() -> None:
    # One unit with weight 1, dropped at p: variance p / (1 - p) of the input's own square.
    model = nn.Sequential(nn.Dropout(0.2), nn.Linear(1, 1, bias=False))
    nn.init.ones_(model[1].weight)  # pyright: ignore[reportArgumentType]
    x = torch.randn(200_000, 1)
    found = look_at_modes(model, functional.mse_loss, (x, x))
    assert found.why == "random" and found.again == pytest.approx(0.5, rel=0.02)  # two draws of 200,000


def test_vectors_of_spectral_norm_go_on_and_are_no_state() -> None:
    model = mlp(2)
    parametrizations.spectral_norm(model[0])
    assert not notes(model)
