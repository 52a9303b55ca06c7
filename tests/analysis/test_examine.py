"""`examine` leaves everything as it was, takes models and losses of many forms, and sees what a record does not."""

import contextlib
import copy
import gc
import random
import threading
from typing import Any

import numpy as np
import pytest
import torch
import zoo
from comparison import assert_equal_records
from torch import Tensor, nn
from torch.nn import functional
from zoo_models import Branches, Cells, Fused, clusters, mlp, sequences

import vanishlab as vl

BATCH = clusters()
cross_entropy = functional.cross_entropy


class Locked(nn.Module):
    """A model that cannot be copied, with batch norm and dropout, whose forward works in place on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 5))
        self.lock = threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        np.random.random()  # noqa: NPY002
        random.random()
        return self.body(x.mul_(2.0))


def state(model: nn.Module) -> list[Any]:
    tensors = [tensor.clone() for tensor in model.state_dict().values()]
    gradients = [None if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()]
    return [
        tensors,
        gradients,
        [module.training for module in model.modules()],
        [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        torch.get_rng_state(),
        random.getstate(),
        np.random.get_state(),  # noqa: NPY002
    ]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


@pytest.mark.parametrize("copies", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_the_users_is_changed(copies: bool, training: bool, fails: bool) -> None:
    model = Locked()
    if copies:
        model.lock = None  # pyright: ignore[reportAttributeAccessIssue]
    cross_entropy(model(BATCH[0].clone()), BATCH[1]).backward()
    model.body[3].eval()  # the modes are each module's own
    model.train(training)
    x = BATCH[0].clone()
    before = copy.deepcopy(state(model))

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if fails:
            raise RuntimeError("in the middle")
        return cross_entropy(outputs, targets)

    if fails:
        with pytest.raises(RuntimeError, match="in the middle"):
            vl.examine(model, loss, (x, BATCH[1]))
    else:
        vl.examine(model, loss, (x, BATCH[1]))
    assert same(state(model), before) and torch.equal(x, BATCH[0])
    assert not same(before[0], [tensor + 1 for tensor in before[0]])  # the comparison can fail


def test_it_is_the_same_within_no_grad_and_inference_mode() -> None:
    torch.manual_seed(0)
    model = mlp(8, 64, nn.Sigmoid, "default")
    outside = vl.examine(model, cross_entropy, BATCH)
    with torch.no_grad():
        assert vl.examine(model, cross_entropy, BATCH) == outside
    with torch.inference_mode():
        assert vl.examine(model, cross_entropy, BATCH) == outside


def test_a_recorder_at_work_can_be_diagnosed_and_nothing_else() -> None:
    model = mlp(8, 64, nn.Sigmoid, "default")
    with vl.GradientRecorder(model) as recorder:
        cross_entropy(model(BATCH[0]), BATCH[1]).backward()
        recorder.end_step()
        live = vl.diagnose(recorder)
    assert "vanishing" in [verdict.name for verdict in live.verdicts]
    assert live == vl.diagnose(recorder.record)
    with pytest.raises(vl.InputError, match="record must be a Record or a GradientRecorder, got Sequential"):
        vl.diagnose(model)  # pyright: ignore[reportArgumentType]


def test_a_recorder_at_work_on_the_model_does_not_see_it() -> None:
    records = []
    for asked in (False, True):
        torch.manual_seed(1)
        model = mlp(3)
        with vl.GradientRecorder(model) as recorder:
            loss = cross_entropy(model(BATCH[0]), BATCH[1])
            if asked:
                vl.examine(model, cross_entropy, BATCH)
            loss.backward()
            if asked:
                vl.examine(model, cross_entropy, BATCH)
            recorder.end_step()
        records.append(recorder.record)
    assert_equal_records(*records)


def test_batches_and_losses_may_have_many_forms() -> None:
    torch.manual_seed(1)
    body = mlp(4)
    x, y = BATCH

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = body

        def forward(self, x: Tensor, scale: Tensor) -> Tensor:
            return self.body(x * scale)

    one = torch.ones(())
    found = [
        vl.examine(body, cross_entropy, (x, y)),
        vl.examine(body, nn.CrossEntropyLoss(), [x, y]),
        vl.examine(Named(), cross_entropy, (x, one, y)),
        vl.examine(Named(), cross_entropy, ({"x": x, "scale": one}, y)),
        vl.examine(body, lambda model, batch: cross_entropy(model(batch["x"]), batch["y"]), {"x": x, "y": y}),
        vl.examine(body, lambda outputs: cross_entropy(outputs, y), x),
    ]
    assert {diagnosis.names for diagnosis in found} == {("healthy",)}
    assert len({round(diagnosis.decay.total, 12) for diagnosis in found}) == 1
    assert vl.examine(mlp(3, classes=20), functional.mse_loss, x).names == ("healthy",)  # to itself


def test_a_loss_that_is_no_number_is_refused() -> None:
    with pytest.raises(vl.InputError, match=r"loss_fn must return one number as a tensor, got shape \(64,\)"):
        vl.examine(mlp(3), lambda outputs, targets: cross_entropy(outputs, targets, reduction="none"), BATCH)
    with pytest.raises(vl.InputError, match="got float"):
        vl.examine(mlp(3), lambda outputs, targets: 0.3, BATCH)  # pyright: ignore[reportArgumentType]


def test_a_loss_cut_off_from_the_model_is_no_gradient() -> None:
    (verdict,) = vl.examine(mlp(3), lambda outputs, targets: cross_entropy(outputs.detach(), targets), BATCH).verdicts
    assert (verdict.name, verdict.cause, verdict.layers) == ("no gradient", "detached", ("0", "2", "4", "6"))


def test_time_is_judged_call_by_call() -> None:
    torch.manual_seed(2)
    (verdict,) = vl.examine(Cells(0.5), cross_entropy, sequences(32, 30)).verdicts
    assert (verdict.name, verdict.cause) == ("vanishing", "time") and verdict.evidence["calls"] == 30


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_fused_layer_and_a_loop_over_its_cell_agree(kind: str) -> None:
    torch.manual_seed(2)
    x, y = sequences(16, 40)
    fused = Fused(getattr(nn, kind)(4, 12, batch_first=True), 12)
    looped = Fused(Loop(getattr(nn, f"{kind}Cell")(4, 12), fused.recurrent), 12)
    looped.middle, looped.head = fused.middle, fused.head
    losses = [cross_entropy(model(x), y) for model in (fused, looped)]
    torch.testing.assert_close(*losses)
    found = [vl.examine(model, cross_entropy, (x, y)).verdicts[0] for model in (fused, looped)]
    assert {(each.name, each.cause) for each in found} == {("vanishing", "time")}
    decades = [each.evidence["decades, last to first call"] for each in found]
    assert decades[0] == pytest.approx(decades[1], rel=1e-4)  # float32 over 40 steps
    # Written out: the gradient of the loss by the state that the first step hands on, and by the last one's.
    if kind == "LSTM":
        loop: Any = looped.recurrent
        states = loop.run(x)
        for state in states:
            for part in state:
                part.retain_grad()
        cross_entropy(looped.head(torch.tanh(looped.middle(states[-1][0]))), y).backward()
        first, last = (sum(float(part.grad.square().sum()) for part in state if part.grad is not None)
                       for state in (states[0], states[-1]))  # fmt: skip
        assert decades[1] == pytest.approx(np.log10(last / first) / 2, rel=1e-5)


class Loop(nn.Module):
    """A cell with the weights of the first layer of a fused module, called step by step."""

    def __init__(self, cell: Any, fused: nn.Module) -> None:
        super().__init__()
        self.cell = cell
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            setattr(cell, name, getattr(fused, f"{name}_l0"))

    def run(self, x: Tensor) -> list[Any]:
        state, states = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            states.append(state)
        return states

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (torch.stack([each[0] if isinstance(each, tuple) else each for each in self.run(x)], 1),)


def test_unused_weights_that_are_no_layer_of_a_record_are_found() -> None:
    model = Branches(side=True)
    model.extra = nn.GRU(4, 4)
    (verdict,) = vl.examine(model, cross_entropy, BATCH).verdicts
    assert verdict.cause == "unused" and verdict.layers[-1] == "extra"


def test_a_function_is_saturated_however_large_what_it_is_given() -> None:
    (case,) = (one for one in zoo.CASES if one.name == "tanh as functions, gain 15")
    for seed in (0, 1):
        assert zoo.look(case, seed).diagnosis.names[0] == "saturated"


def test_a_bounded_activation_that_is_passed_by_a_skip_connection_is_not_saturated() -> None:
    network = vl.NetworkConfig(6, 32, "tanh", "gaussian", sigma_w=6.0, residual="plain")
    record = vl.train(network, vl.TrainingConfig(steps=0, device="cpu"), vl.load_data("moons", max_examples=32))
    assert (record.saturated_fraction[0, 0, 1:-1] > 0.5).all() and (record.activation_rms[0, 0, 1:-1] > 1).all()
    assert "saturated" not in vl.diagnose(record).names


@pytest.mark.parametrize("kind", ["well", "not finite", "fails backwards"])
def test_a_look_keeps_nothing_of_the_model_it_was_of(kind: str) -> None:
    def fail(gradient: Tensor) -> Tensor:
        raise ArithmeticError

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if kind == "fails backwards":
            outputs.register_hook(fail)
        return functional.cross_entropy(outputs.log() if kind == "not finite" else outputs, targets)

    def kept() -> int:
        with contextlib.suppress(ArithmeticError):
            vl.examine(model, loss, batch)
        gc.collect()
        return sum(type(each) in (Tensor, nn.Parameter) for each in gc.get_objects())

    model, batch = mlp(2), clusters()
    assert kept() == kept()
