"""The loss is noted where backward() is called on it, and what its graph gives away is told; nothing stays behind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from zoo_models import clusters, mlp, regression

import vanishlab as vl
from vanishlab.recording import remarks

BATCH = clusters()
cross_entropy = functional.cross_entropy


def recorded(model: nn.Module, optimizer: Any, losses: Any, steps: int = 3) -> tuple[vl.Record, list[float]]:
    """Train, one backward pass for each loss that `losses(model)` returns; the record, each step's sum of losses."""
    sums = []
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(steps):
            model.zero_grad()
            found = losses(model)
            for loss in found:
                loss.backward()
            sums.append(sum(float(loss.detach()) for loss in found))
            for each in optimizer if isinstance(optimizer, tuple) else (optimizer,):
                each.step()
    return recorder.record, sums


def loss_of(model: nn.Module) -> Tensor:
    return cross_entropy(model(BATCH[0]), BATCH[1])


def test_the_loss_is_noted_and_accumulated_ones_are_summed() -> None:
    model = mlp(2, 16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for losses in (lambda m: [loss_of(m)], lambda m: [loss_of(m) / 4 for _ in range(4)]):
        record, sums = recorded(model, optimizer, losses)
        np.testing.assert_allclose(record.loss[0], sums, rtol=1e-6)  # float32's sums of four


def test_what_is_told_goes_before_what_is_seen() -> None:
    model = mlp(2, 16)
    with vl.GradientRecorder(model) as recorder:
        recorder.observe_loss(torch.tensor(7.0))
        loss_of(model).backward()
        recorder.end_step()
    assert recorder.record.loss.tolist() == [[7.0]]


def test_losses_that_are_not_the_models_own_are_left_out() -> None:
    model, other = mlp(2, 16), mlp(2, 16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        loss_of(other).backward()
        thrown_away = 5 * loss_of(model)
        thrown_away.backward()
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
    assert recorder.record.loss[0, 0] == float(loss.detach())
    halves = tuple(torch.optim.SGD(part.parameters(), lr=0.1) for part in (model[:2], model[2:]))
    record, _ = recorded(model, halves, lambda m: [loss_of(m)])
    assert np.isnan(record.loss).all()  # losses of several optimizers have no sum that means anything


def test_a_scaled_loss_is_noted_without_its_factor() -> None:
    model = mlp(2, 16)
    optimizer, scaler = torch.optim.SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=1024.0)
    with vl.GradientRecorder(model, optimizer) as recorder:
        loss = loss_of(model)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert recorder.record.loss[0, 0] == float(loss.detach())  # a power of two


def test_of_a_closure_the_first_evaluation_counts() -> None:
    model = mlp(2, 16)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    seen: list[float] = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        seen.append(float(loss.detach()))
        return loss

    with vl.GradientRecorder(model, optimizer) as recorder:
        optimizer.step(closure)
    assert len(seen) > 1 and recorder.record.loss.tolist() == [[seen[0]]]


def test_nothing_of_it_stays_behind_and_function_modes_are_borne() -> None:
    before = vars(Tensor)["backward"]
    model = mlp(2, 16)
    with pytest.raises(ZeroDivisionError), vl.GradientRecorder(model) as recorder, torch.device("cpu"):
        loss = loss_of(model)
        loss.backward()
        recorder.end_step()
        assert recorder.record.loss[0, 0] == float(loss.detach())
        assert vars(Tensor)["backward"] is not before and vl.GradientRecorder(model).record.loss.size == 0
        _ = 1 / 0
    assert vars(Tensor)["backward"] is before


def test_torchs_own_losses_are_seen_to_broadcast() -> None:
    x, y = regression()
    model = mlp(2, 16, classes=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.warns(UserWarning, match="target size"):
        record, _ = recorded(model, optimizer, lambda m: [functional.mse_loss(m(x), y[:, 0])])
    assert record.remarks[remarks.BROADCAST] == "(64, 1), (64, 64)"
    record, _ = recorded(model, optimizer, lambda m: [functional.mse_loss(m(x), y)])
    assert remarks.BROADCAST not in record.remarks
    pairs, _ = recorded(model, optimizer, lambda m: [(m(x) - m(x).T).square().mean()])  # a ranking loss means it so
    assert remarks.BROADCAST not in pairs.remarks


def test_remarks_and_who_holds_what_are_kept_in_files(tmp_path: Path) -> None:
    model = nn.Sequential(*mlp(2, 16), nn.Softmax(1))
    optimizer = torch.optim.SGD(model[:2].parameters(), lr=0.1)
    second = torch.optim.SGD(model[2:4].parameters(), lr=0.1)

    def losses(m: nn.Module) -> list[Tensor]:
        loss_of(m).backward()
        second.step()
        m.zero_grad()
        return [loss_of(m)]

    record, _ = recorded(model, optimizer, losses)
    loaded = vl.Record.load(record.save(tmp_path / "record.npz"))
    assert loaded.remarks == record.remarks and loaded.facts == record.facts
    assert record.remarks[remarks.TWICE] == "softmax, log_softmax" and record.remarks[remarks.CLASSES] == "yes"
    assert [record.facts[name].held for name in record.layer_names] == ["yes", "elsewhere", "no"]
