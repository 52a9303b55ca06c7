"""`GradientRecorder` on ordinary models, against plain autograd: values, hooks, and bits left alone."""

import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import reference
import torch
from comparison import (
    NORMALIZATIONS,
    RESIDUALS,
    assert_close,
    assert_same_bits,
    state_of,
    to_array,
)
from torch import Tensor, nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.recording import reasons
from vanishlab.recording.quantities import LAYER_QUANTITIES


@dataclass
class Seen:
    """One call of a layer, as the test's own forward pass has it; `u` is the input of a known activation."""

    layer: str
    z: Tensor
    h: Tensor
    activation: str = "linear"
    u: Tensor | None = None


Walk = Callable[[Any, Tensor], tuple[Tensor, list[Seen]]]


class Functional(nn.Module):
    """An activation that no module shows, and a layer that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.unused = nn.Linear(5, 6), nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


class Shared(nn.Module):
    """One layer called twice, on one batch and then on half of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.phi, self.head = nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        once = self.phi(self.layer(x))
        return self.head(once) + self.head(self.phi(self.layer(once[: len(x) // 2]))).sum(0)


def walk_plain(model: Any, x: Tensor) -> tuple[Tensor, list[Seen]]:
    z1 = model[0](x)
    h1 = torch.tanh(z1)
    z2 = model[2](h1)
    h2 = torch.sigmoid(z2)
    z3 = model[4](h2)
    return z3, [Seen("0", z1, h1, "tanh", z1), Seen("2", z2, h2, "sigmoid", z2), Seen("4", z3, z3)]


def walk_batch_norm(model: Any, x: Tensor) -> tuple[Tensor, list[Seen]]:
    z1 = model[0](x)
    u1 = model[1](z1)
    h1 = torch.relu(u1)
    z2 = model[4](h1)  # model[3] is a dropout of nothing
    return z2, [Seen("0", z1, h1, "relu", u1), Seen("4", z2, z2)]


def walk_convolution(model: Any, x: Tensor) -> tuple[Tensor, list[Seen]]:
    z1 = model[0](x.reshape(-1, 1, 5, 1).expand(-1, 2, 5, 5))
    u1 = model[1](z1)
    h1 = torch.relu(u1)
    z2 = model[3](h1)
    h2 = torch.relu(z2)
    z3 = model[6](h2.flatten(1))
    return z3, [Seen("0", z1, h1, "relu", u1), Seen("3", z2, h2, "relu", z2), Seen("6", z3, z3)]


def walk_embedding(model: Any, x: Tensor) -> tuple[Tensor, list[Seen]]:
    z1 = model[0](x.abs().long().clamp(max=6))
    z2 = model[2](z1.flatten(1))
    h2 = functional.gelu(z2)
    z3 = model[4](h2)
    return z3, [Seen("0", z1, z1), Seen("2", z2, h2, "gelu", z2), Seen("4", z3, z3)]


def walk_shared(model: Any, x: Tensor) -> tuple[Tensor, list[Seen]]:
    z1 = model.layer(x)
    h1 = torch.tanh(z1)
    y1 = model.head(h1)
    z2 = model.layer(h1[: len(x) // 2])
    h2 = torch.tanh(z2)
    y2 = model.head(h2)
    seen = [Seen("layer", z1, h1, "tanh", z1), Seen("layer", z2, h2, "tanh", z2)]
    return y1 + y2.sum(0), [*seen, Seen("head", y1, y1), Seen("head", y2, y2)]


def walk_functional(model: Any, x: Tensor) -> tuple[Tensor, list[Seen]]:
    z1 = model.first(x)
    z2 = model.second(torch.relu(z1))
    return z2, [Seen("first", z1, z1), Seen("second", z2, z2)]


class Inputs(nn.Module):
    """Makes images, or words, of the tests' one kind of input."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 1, 5, 1).expand(-1, 2, 5, 5) if self.kind == "images" else x.abs().long().clamp(max=6)


def build(kind: str) -> tuple[nn.Module, Walk]:
    """A model in float64, always the same, and the walk through it; `Inputs` layers are the walk's own business."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model: nn.Module
        match kind:
            case "plain":
                modules = [nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 4, bias=False), nn.Sigmoid(), nn.Linear(4, 3)]
                model, walk = nn.Sequential(*modules), walk_plain
            case "batch norm":
                norm = [nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(inplace=True), nn.Dropout(0.0), nn.Linear(7, 3)]
                model, walk = nn.Sequential(*norm), walk_batch_norm
            case "convolution":
                model = nn.Sequential(
                    nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 2),
                    nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(12, 3),
                )  # fmt: skip
                walk = walk_convolution
            case "embedding":
                words = [nn.Embedding(7, 2), nn.Flatten(), nn.Linear(10, 6), nn.GELU(), nn.Linear(6, 3)]
                model, walk = nn.Sequential(*words), walk_embedding
            case "shared":
                model, walk = Shared(), walk_shared
            case "functional":
                model, walk = Functional(), walk_functional
            case _:
                raise ValueError(kind)
    return model.double(), walk


def prepare(kind: str, x: Tensor) -> Tensor:
    return (
        Inputs({"convolution": "images", "embedding": "words"}[kind])(x) if kind in ("convolution", "embedding") else x
    )


KINDS = ("plain", "batch norm", "convolution", "embedding", "shared", "functional")


def examples(step: int = 0, n: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return 2 * torch.randn(n, 5, generator=generator).double(), torch.randint(3, (n,), generator=generator)


def rms(parts: list[Tensor]) -> float:
    entries = torch.cat([part.detach().flatten() for part in parts])
    return float(entries.square().mean().sqrt())


def expected_by_autograd(
    model: nn.Module, walk: Walk, batches: list[tuple[Tensor, Tensor]]
) -> dict[str, dict[str, float]]:
    """By layer name: what one step over `batches`, their losses added up, should have recorded."""
    deltas: dict[str, list[Tensor]] = {}
    seen: dict[str, list[Seen]] = {}
    total = torch.zeros(()).double()
    for x, y in batches:
        output, calls = walk(model, x)
        loss = functional.cross_entropy(output, y)
        total = total + loss
        for call, delta in zip(
            calls, torch.autograd.grad(loss, [call.z for call in calls], retain_graph=True), strict=True
        ):
            deltas.setdefault(call.layer, []).append(len(call.z) * delta)
            seen.setdefault(call.layer, []).append(call)
    expected = {}
    for name, calls in seen.items():
        layer: Any = model.get_submodule(name)
        (weight_gradient,) = torch.autograd.grad(total, layer.weight, retain_graph=True)
        saturated = [
            reference.saturated_fraction(call.activation, to_array(call.u).reshape(len(call.u), -1)) * call.h.numel()
            for call in calls
            if call.u is not None
        ]
        entries = sum(call.h.numel() for call in calls)
        expected[name] = {
            "gradient_norm": float(weight_gradient.norm()),
            "applied_gradient_norm": float(weight_gradient.norm()),
            "bias_gradient_norm": math.nan,
            "delta_rms": rms(deltas[name]),
            "activation_mean": sum(float(call.h.detach().sum()) for call in calls) / entries,
            "activation_rms": rms([call.h for call in calls]),
            "saturated_fraction": sum(saturated) / entries,
            "weight_norm": float(layer.weight.detach().norm()),
            "zero_fraction": float((weight_gradient == 0).double().mean()),
            "subnormal_fraction": 0.0,
        }
        if getattr(layer, "bias", None) is not None:
            (bias_gradient,) = torch.autograd.grad(total, layer.bias, retain_graph=True)
            expected[name]["bias_gradient_norm"] = float(bias_gradient.norm())
    return expected


def weight_of(model: nn.Module, name: str) -> Tensor:
    return model.get_parameter(f"{name}.weight").detach()


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[tuple[Tensor, Tensor]]) -> None:
    optimizer.zero_grad()
    for x, y in batches:
        functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def assert_no_hooks(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    for module in model.modules():
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            assert not getattr(module, hooks), (module, hooks)
    for parameter in model.parameters():
        assert not parameter._post_accumulate_grad_hooks and not parameter._backward_hooks
    if optimizer is not None:
        assert not optimizer._optimizer_step_pre_hooks and not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("passes", [1, 2], ids=["one pass", "accumulation"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_quantity_is_that_of_plain_autograd(kind: str, passes: int) -> None:
    model, walk = build(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    expected = []
    with vl.GradientRecorder(model, optimizer) as recorder:
        for step in range(3):
            batches = [examples(10 * step + part, n=(12, 5)[part]) for part in range(passes)]
            twin, _ = build(kind)
            twin.load_state_dict(model.state_dict())
            expected.append(expected_by_autograd(twin, walk, batches))
            train_step(model, optimizer, [(prepare(kind, x), y) for x, y in batches])
            for name, quantities in expected[-1].items():
                before, after = weight_of(twin, name), weight_of(model, name)
                quantities["update_ratio"] = float((after - before).norm() / before.norm())
    record = recorder.record
    assert record.runs == 1 and record.step.tolist() == [0, 1, 2] and record.learning_rate.tolist() == [0.1]
    for index, name in enumerate(record.layer_names):
        if name == "unused":
            assert all(
                np.isnan(getattr(record, q)[:, :, index]).all()
                for q in LAYER_QUANTITIES
                if q not in ("weight_norm", "update_ratio")
            )
            continue
        for quantity in expected[0][name]:
            values = getattr(record, quantity)[0, :, index]
            # 1e-10: float64, another order of summation; batch norm's bias gradients are 0 but for rounding.
            floor = 1e-15 if quantity == "bias_gradient_norm" else 1e-300
            wanted = [step[name][quantity] for step in expected]
            np.testing.assert_allclose(values, wanted, rtol=1e-10, atol=floor, err_msg=f"{name} {quantity}")
    assert_no_hooks(model, optimizer)


@pytest.mark.parametrize("kind", KINDS)
def test_recording_changes_no_bit_of_the_training(kind: str) -> None:
    states = []
    for record_every in (None, 1, 2, "log", "never"):
        model, _ = build(kind)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        recorder = vl.GradientRecorder(model, optimizer, record_every or 1)
        if record_every is not None:
            recorder.__enter__()
        for step in range(3):
            x, y = examples(step)
            train_step(model, optimizer, [(prepare(kind, x), y)])
        if record_every is not None:
            recorder.__exit__()
        states.append(state_of(model))
    for state in states[1:]:
        assert_same_bits(state, states[0])


@pytest.mark.parametrize("kind", KINDS)
def test_no_hook_outlives_the_block_not_even_after_an_exception(kind: str) -> None:
    model, _ = build(kind)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = examples()
    with pytest.raises(ZeroDivisionError), vl.GradientRecorder(model, optimizer) as recorder:
        train_step(model, optimizer, [(prepare(kind, x), y)])
        outputs = model(prepare(kind, x))
        _ = 1 // 0
    assert_no_hooks(model, optimizer)
    assert recorder.record.step.tolist() == [0]
    # A graph that was begun inside the block is finished outside of it, unseen.
    functional.cross_entropy(outputs, y).backward()  # pyright: ignore[reportPossiblyUnboundVariable]
    optimizer.step()
    assert recorder.record.step.tolist() == [0] and not recorder.recording


def test_a_backward_pass_outside_of_the_block_is_not_mixed_into_the_next_one() -> None:
    records = []
    for stray in (False, True):
        model, _ = build("plain")
        recorder = vl.GradientRecorder(model)
        with recorder:
            outputs = model(100 * examples(1)[0])
        if stray:
            outputs.sum().backward()
            model.zero_grad()
        with recorder:
            functional.cross_entropy(model(examples()[0]), examples()[1]).backward()
            recorder.end_step()
        records.append(recorder.record)
    for name in LAYER_QUANTITIES:
        np.testing.assert_array_equal(getattr(records[1], name), getattr(records[0], name))


class Recycled(nn.Module):
    """Its tanh takes a new tensor, which Python puts where the layer's freed output was."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.phi = nn.Linear(5, 5), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        kept = torch.relu(self.layer(x))
        return kept + self.phi(1 * x)


def test_an_activation_of_another_tensor_is_not_taken_for_the_layers_own() -> None:
    model, x = Recycled().double(), 10 * examples()[0]
    with vl.GradientRecorder(model) as recorder:
        model(x).sum().backward()
        recorder.end_step()
    record = recorder.record
    # No module takes z, so h is z itself and nothing is saturated; float64, the same numbers once more.
    assert record.activation_rms[0, 0, 0] == pytest.approx(rms([model.layer(x)]), rel=1e-12)
    assert record.saturated_fraction[0, 0, 0] == 0.0


def test_a_hook_of_the_users_own_stays() -> None:
    model, _ = build("plain")
    seen: list[int] = []
    model.register_forward_hook(lambda *_: seen.append(1))
    with vl.GradientRecorder(model):
        model(examples()[0])
    model(examples()[0])
    assert seen == [1, 1]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "linear", "gelu"])
def test_one_run_recorded_alone_agrees_with_the_stacks_record(
    activation: Any, residual: Any, normalization: Any, data: vl.Dataset
) -> None:
    network = vl.NetworkConfig(
        depth=3, width=6, activation=activation, residual=residual, normalization=normalization, dtype="float64"
    )
    training = vl.TrainingConfig(learning_rates=(0.1, 0.4), seeds=(3,), steps=3, momentum=0.5, device="cpu")
    mlp = vl.MLP(network, data.features, data.num_classes, (3, 3))
    single = mlp.single(1)
    stacked = vl.train(network, training, data, model=mlp)
    optimizer = torch.optim.SGD(single.parameters(), lr=0.4, momentum=0.5)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    with vl.GradientRecorder(single, optimizer, last_step=3) as recorder:
        for _ in range(4):
            optimizer.zero_grad()
            logits = single(x)
            loss = functional.cross_entropy(logits, y)
            loss.backward()
            recorder.observe_loss(loss, (logits.argmax(1) == y).double().mean())
            optimizer.step()
    alone = recorder.record
    # Where a skip connection ends, and that nn.Identity is meant as an activation, lies outside of what hooks on
    # modules can see: there h is phi's own output, or z.
    same_h = residual == "none" and (activation != "linear" or normalization == "none")
    for name in (*LAYER_QUANTITIES, "loss", "accuracy"):
        if same_h or name not in ("activation_mean", "activation_rms", "distinct_share", "effective_rank"):
            assert_close(getattr(alone, name)[0], getattr(stacked, name)[1], 1e-9, name)


@pytest.mark.parametrize("evaluate", ["no_grad", "inference_mode", "with a graph that is thrown away"])
def test_an_evaluation_inside_the_loop_leaves_no_trace(evaluate: str) -> None:
    records = []
    for evaluated in (False, True):
        model, _ = build("plain")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with vl.GradientRecorder(model, optimizer) as recorder:
            for step in range(2):
                optimizer.zero_grad()
                x, y = examples(step)
                if evaluated:
                    look(model, evaluate)
                loss = functional.cross_entropy(model(x), y)
                if evaluated:
                    look(model, evaluate)
                loss.backward()
                if evaluated:
                    look(model, evaluate)
                optimizer.step()
                if evaluated:
                    look(model, evaluate)
        records.append(recorder.record)
    for name in LAYER_QUANTITIES:
        np.testing.assert_array_equal(getattr(records[0], name), getattr(records[1], name))


def look(model: nn.Module, how: str) -> None:
    x, _ = examples(99)
    if how == "no_grad":
        with torch.no_grad():
            model(100 * x)
    elif how == "inference_mode":
        with torch.inference_mode():
            model(100 * x)
    else:
        model(100 * x)


def test_a_frozen_layer_and_an_unused_one_are_told_apart_and_never_given_numbers() -> None:
    model = Functional().double()
    for parameter in model.first.parameters():
        parameter.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        train_step(model, optimizer, [examples()])
    record = recorder.record
    assert record.layer_names == ("first", "second", "unused")
    assert record.unmeasured == {"first": reasons.FROZEN, "unused": reasons.UNUSED}
    assert np.isnan(record.gradient_norm[0, 0, [0, 2]]).all() and record.gradient_norm[0, 0, 1] > 0
    assert record.gradient_state[0, 0].tolist() == ["none", "measured", "none"]
    # The two that nothing moved still have the norm that was recorded; float64, the same numbers once more.
    for index in (0, 2):
        norm = float(weight_of(model, record.layer_names[index]).norm())
        assert record.weight_norm[0, 0, index] == pytest.approx(norm, rel=1e-14)
    assert (record.update_ratio[0, 0, [0, 2]] == 0).all() and record.update_ratio[0, 0, 1] > 0


def test_a_frozen_layer_behind_a_trained_one_still_shows_its_delta() -> None:
    model, walk = build("plain")
    model.get_submodule("2").requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    twin, _ = build("plain")
    expected = expected_by_autograd(twin, walk, [examples()])["2"]
    with vl.GradientRecorder(model, optimizer) as recorder:
        train_step(model, optimizer, [examples()])
    record = recorder.record
    assert np.isnan(record.gradient_norm[0, 0, 1]) and record.unmeasured == {"2": reasons.FROZEN}
    assert record.delta_rms[0, 0, 1] == pytest.approx(expected["delta_rms"], rel=1e-10)  # float64 autograd twice


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(vl.InputError, match=r"^model must have a layer with a weight of two or more axes, got ReLU$"):
        vl.GradientRecorder(nn.ReLU())


@pytest.mark.parametrize("every", [0, -1, 1.5, "lgo", None, True], ids=repr)
def test_a_wrong_schedule_is_refused(every: Any) -> None:
    with pytest.raises(vl.InputError, match=r"^every"):
        vl.GradientRecorder(nn.Linear(1, 1), every=every)


@pytest.mark.parametrize(
    ("every", "expected"),
    [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (np.int64(2), [0, 2, 4]), ("log", [0, 1, 2, 3, 4]), ("never", [])],
    ids=repr,
)
def test_steps_are_recorded_on_schedule(every: Any, expected: list[int]) -> None:
    model, _ = build("plain")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer, every) as recorder:
        for step in range(5):
            train_step(model, optimizer, [examples(step)])
    assert recorder.record.step.tolist() == expected and recorder.step == 5


def test_without_an_optimizer_the_step_is_ended_by_hand() -> None:
    model, walk = build("plain")
    twin, _ = build("plain")
    expected = expected_by_autograd(twin, walk, [examples()])
    with vl.GradientRecorder(model) as recorder:
        functional.cross_entropy(model(examples()[0]), examples()[1]).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.5 * parameter.grad  # pyright: ignore[reportOperatorIssue]
        recorder.end_step()
    record = recorder.record
    for index, name in enumerate(record.layer_names):
        for quantity in ("gradient_norm", "delta_rms", "activation_rms", "weight_norm"):
            value = getattr(record, quantity)[0, 0, index]
            assert value == pytest.approx(expected[name][quantity], rel=1e-10), quantity  # float64 autograd twice
    assert np.isnan(record.update_ratio).all() and np.isnan(record.learning_rate).all()


def test_the_record_can_be_read_inside_the_block_and_the_block_entered_again() -> None:
    model, _ = build("plain")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = vl.GradientRecorder(model, optimizer)
    assert recorder.record.step.tolist() == []
    with recorder:
        train_step(model, optimizer, [examples(0)])
        assert recorder.record.step.tolist() == [0]
        with pytest.raises(vl.InputError, match=r"^the recorder must not be entered twice"):
            recorder.__enter__()
    train_step(model, optimizer, [examples(1)])  # unseen
    with recorder:
        train_step(model, optimizer, [examples(2)])
    assert recorder.record.step.tolist() == [0, 1]
    assert_no_hooks(model, optimizer)


def test_two_recorders_on_one_model_see_the_same() -> None:
    model, _ = build("shared")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as first, vl.GradientRecorder(model, optimizer) as second:
        train_step(model, optimizer, [examples()])
    for name in LAYER_QUANTITIES:
        np.testing.assert_array_equal(getattr(first.record, name), getattr(second.record, name))


def test_two_modules_that_share_a_weight_both_show_its_whole_gradient() -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5), nn.Linear(5, 3)).double()
    model[2].weight = model[0].weight
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        train_step(model, optimizer, [examples()])
    record = recorder.record
    assert record.layer_names == ("0", "2", "3")
    assert (
        record.gradient_norm[0, 0, 0]
        == record.gradient_norm[0, 0, 1]
        == pytest.approx(
            float(model[0].weight.grad.norm())  # pyright: ignore
        )
    )
    assert record.delta_rms[0, 0, 0] != record.delta_rms[0, 0, 1]


def test_the_rows_that_a_sparse_gradient_leaves_out_count_as_zeros() -> None:
    fractions = []
    for sparse in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = nn.Sequential(nn.Embedding(50, 4, sparse=sparse), nn.Flatten(), nn.Linear(8, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with vl.GradientRecorder(model, optimizer) as recorder:
            train_step(model, optimizer, [(torch.tensor([[1, 2], [2, 3]]), torch.tensor([0, 1]))])
        fractions.append(recorder.record)
    dense, sparse_one = fractions
    assert sparse_one.gradient_norm[0, 0, 0] == pytest.approx(dense.gradient_norm[0, 0, 0], rel=1e-6)  # float32
    assert dense.zero_fraction[0, 0, 0] == 47 / 50
    assert sparse_one.zero_fraction[0, 0, 0] == 47 / 50


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_models_are_measured_too(dtype: torch.dtype) -> None:
    model, walk = build("plain")
    expected = expected_by_autograd(model, walk, [examples()])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    half = model.to(dtype)
    with vl.GradientRecorder(half, optimizer) as recorder:
        optimizer.zero_grad()
        functional.cross_entropy(half(examples()[0].to(dtype)).float(), examples()[1]).backward()
        optimizer.step()
    record = recorder.record
    for index, name in enumerate(record.layer_names):
        # bfloat16 keeps 8 bits: 0.4 % a rounding, and a handful of them.
        assert record.delta_rms[0, 0, index] == pytest.approx(expected[name]["delta_rms"], rel=0.05)
        assert record.gradient_norm[0, 0, index] == pytest.approx(expected[name]["gradient_norm"], rel=0.05)
    assert record.environment["dtype"] == str(dtype).removeprefix("torch.")


def test_an_optimizer_that_calls_the_model_itself_is_one_step() -> None:
    model, _ = build("plain")
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
    x, y = examples()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    with vl.GradientRecorder(model, optimizer) as recorder:
        optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    assert recorder.record.step.tolist() == [0] and np.isfinite(recorder.record.delta_rms).all()
    assert (recorder.record.update_ratio > 0).all()


def test_an_example_without_a_batch_axis_is_one_example() -> None:
    model, _ = build("plain")
    with vl.GradientRecorder(model) as recorder:
        model(examples()[0][0]).sum().backward()
        recorder.end_step()
        model(examples()[0][:1]).sum().backward()
        recorder.end_step()
    record = recorder.record
    for name in ("delta_rms", "activation_rms", "activation_mean", "saturated_fraction"):
        # Another product for a vector than for a matrix of one row: a rounding or two.
        np.testing.assert_allclose(getattr(record, name)[0, 0], getattr(record, name)[0, 1], rtol=1e-12)


def graph_tensors(model: nn.Module) -> Iterator[weakref.ref[Tensor]]:
    handles = []
    found: list[weakref.ref[Tensor]] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        found.append(weakref.ref(output))

    for module in model.modules():
        handles.append(module.register_forward_hook(note))
    model(examples()[0]).sum().backward()
    for handle in handles:
        handle.remove()
    yield from found


def test_the_recorder_keeps_no_activation_alive() -> None:
    model, _ = build("plain")
    with vl.GradientRecorder(model) as recorder:
        for reference_ in graph_tensors(model):
            assert reference_() is None
        recorder.end_step()


def test_the_recorder_works_on_a_whole_stack_with_torchs_optimizer(data: vl.Dataset) -> None:
    network = vl.NetworkConfig(depth=2, width=4, dtype="float64")
    training = vl.TrainingConfig(learning_rates=(0.2,), seeds=(1, 2), steps=2, device="cpu")
    mlp = vl.MLP(network, data.features, data.num_classes, (1, 2))
    optimizer = torch.optim.SGD(mlp.parameters(), lr=0.2)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    with vl.GradientRecorder(mlp, optimizer) as recorder:
        for _ in range(3):
            optimizer.zero_grad()
            logits = mlp(x)
            loss = torch.stack([functional.cross_entropy(run, y) for run in logits])
            loss.sum().backward()
            recorder.observe_loss(loss)
            optimizer.step()
    expected = vl.train(network, training, data)
    for name in (*LAYER_QUANTITIES, "loss"):
        assert_close(getattr(recorder.record, name), getattr(expected, name), 1e-10, name)


class Listed(nn.Module):
    """Three layers, listed in another order than they are called; `unused` is not called at all."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.unused, self.first = nn.Linear(6, 3), nn.Linear(3, 3), nn.Conv1d(1, 2, 3)
        self.phi = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.phi(self.first(x)).flatten(1))


def test_facts_tell_the_order_of_calls_the_units_and_the_activation() -> None:
    model = Listed()
    with vl.GradientRecorder(model) as recorder:
        model(torch.randn(4, 1, 5)).square().mean().backward()
        recorder.end_step()
    facts = recorder.record.facts
    assert facts == {  # 2 channels of 3 places
        "head": (1, 3.0, 4, "", 0.0, "float32", 0.0, ""),
        "first": (0, 6.0, 4, "tanh", 0.0, "float32", 0.0, ""),
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_units_that_are_alike_are_counted_as_twins(dtype: torch.dtype) -> None:
    first, last = nn.Linear(5, 8), nn.Linear(8, 3)
    model = nn.Sequential(first, nn.Tanh(), last).to(dtype)
    with torch.no_grad():
        first.weight[:4], first.bias[:4] = 0.3, 0.0  # half of the units start alike,
        last.weight[:, :4] = 0.1  # are treated alike, and so are told alike
    with vl.GradientRecorder(model) as recorder:
        model(torch.randn(7, 5, dtype=dtype)).square().mean().backward()
        recorder.end_step()
    facts = recorder.record.facts
    assert facts["0"].twins == 0.5 and facts["2"].twins == 0.0
