"""What is replaced inside the recorder's block: the new one's numbers against plain autograd, or none."""

import contextlib
import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import vanishlab as vl
from vanishlab.network.mlp import MLP
from vanishlab.recording import reasons
from vanishlab.recording.quantities import LAYER_QUANTITIES

CLOSE = 1e-10  # float64, the same sums in another order
STEPS = 3
NAMES = "0", "2", "4"


def build() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return nn.Sequential(
            nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3), nn.Identity()
        ).double()


def fresh(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64))


def loss_of(model: nn.Module, step: int, n: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    x, y = torch.randn(n, 5, generator=generator), torch.randint(3, (n,), generator=generator)
    first = next(parameter for parameter in model.parameters())
    return functional.cross_entropy(model(x.to(first.dtype)).double(), y)


def seen_by_autograd(model: Any, step: int) -> dict[str, dict[str, float]]:
    """Of each layer what a copy of `model` shows in this step, without any recorder."""
    twin = copy.deepcopy(model)
    twin.zero_grad()
    z: dict[str, Tensor] = {}
    h: dict[str, Tensor] = {}
    for place, module in enumerate(twin[:-1]):
        for part in module.modules():
            if type(part) is nn.Linear:
                name = str(place) if module is part or hasattr(module, "_checkpoint_wrapped_module") else f"new.{place}"
                part.register_forward_hook(lambda _, __, output, name=name: z.update({name: output}))
        if type(twin[place + 1]) in (nn.Tanh, nn.ReLU):
            name = str(place)
            twin[place + 1].register_forward_hook(lambda _, __, output, name=name: h.update({name: output}))
    loss = loss_of(twin, step)
    deltas = dict(zip(z, torch.autograd.grad(loss, list(z.values()), retain_graph=True), strict=True))
    loss.backward()
    found: dict[str, dict[str, float]] = {}
    for name in z.keys() & set(NAMES):
        module = getattr(twin[int(name)], "_checkpoint_wrapped_module", twin[int(name)])
        if not (module.weight.is_leaf and module.weight.requires_grad):  # made of another one, or a buffer
            continue
        found[name] = {
            "delta_rms": len(z[name]) * rms(deltas[name]),
            "activation_rms": rms(h.get(name, z[name])),
            "gradient_norm": norm(module.weight.grad),
            "weight_norm": norm(module.weight),
        }
        if module.bias is not None:
            found[name]["bias_gradient_norm"] = norm(module.bias.grad)
    return found


def norm(tensor: Tensor) -> float:
    return float(tensor.detach().double().norm())


def rms(tensor: Tensor) -> float:
    return norm(tensor) / tensor.numel() ** 0.5


def new_weight(model: Any) -> None:
    model[2].weight = fresh(6, 6)


def new_bias(model: Any) -> None:
    model[2].bias = fresh(6)


def no_bias(model: Any) -> None:
    model[2].bias = None


def loaded(model: Any) -> None:
    state = {name: fresh(*value.shape).detach() for name, value in model.state_dict().items()}
    model.load_state_dict(state, assign=True)


def loaded_in_place(model: Any) -> None:
    model.load_state_dict({name: fresh(*value.shape).detach() for name, value in model.state_dict().items()})


def new_module(model: Any) -> None:
    model[2] = nn.Linear(6, 6).double()


def new_branch(model: Any) -> None:
    model[2] = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 6)).double()


def taken_out(model: Any) -> None:
    model[2] = nn.Identity()


def cut_off(model: Any) -> None:
    del model[4:]
    model[2] = nn.Linear(6, 3).double()


def swapped(model: Any) -> None:
    model[2], model[4] = nn.Linear(6, 6).double(), nn.Linear(6, 3).double()
    model[0], model[2] = nn.Linear(5, 6).double(), model[0]
    model[2] = nn.Linear(6, 6).double()


def other_activation(model: Any) -> None:
    model[1] = nn.ReLU()
    model[3] = nn.Identity()


def to_float32(model: Any) -> None:
    model.float()


def to_new_float32(model: Any) -> None:
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        model.float()
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)


def to_swapped_float32(model: Any) -> None:
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        model.zero_grad()
        model.float()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def tied(model: Any) -> None:
    model[2].weight = fresh(6, 6)
    model[2].bias = model[0].bias


def parametrized(model: Any) -> None:
    parametrizations.weight_norm(model[2])


def wrapped(model: Any) -> None:
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    model[2] = checkpoint_wrapper(model[2])


def a_buffer(model: Any) -> None:
    weight = model[2].weight.detach()
    del model[2].weight
    model[2].register_buffer("weight", weight)


# What is done, and the layers of which nothing can be had from then on.
REPLACED: dict[Callable[[Any], None], tuple[str, ...]] = {
    new_weight: (), new_bias: (), no_bias: (), loaded: (), loaded_in_place: (), other_activation: (), to_float32: (),
    to_new_float32: (), to_swapped_float32: (), tied: (), wrapped: (), new_module: ("2",), new_branch: ("2",),
    taken_out: ("2",), cut_off: ("2", "4"), swapped: NAMES, parametrized: ("2",), a_buffer: ("2",),
}  # fmt: skip


@pytest.mark.parametrize("optimizer_of", ["new", "old", "none"])
@pytest.mark.parametrize("replace", REPLACED, ids=lambda replace: replace.__name__)
def test_between_two_steps_the_new_ones_numbers_or_none(replace: Callable[[Any], None], optimizer_of: str) -> None:
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wanted = []
    with vl.GradientRecorder(model, None if optimizer_of == "none" else optimizer) as recorder:
        for step in range(STEPS):
            if step == 1:
                replace(model)
                if optimizer_of == "new":
                    optimizer.param_groups[0]["params"] = list(model.parameters())
            model.zero_grad()
            with torch.random.fork_rng():
                wanted.append(seen_by_autograd(model, step))
            loss_of(model, step).backward()
            before = weights(model, wanted[-1])
            optimizer.step()
            if optimizer_of == "none":
                recorder.end_step()
            else:
                for name, weight in weights(model, wanted[-1]).items():
                    wanted[-1][name]["update_ratio"] = norm(weight - before[name]) / norm(before[name])
    assert_recorded(recorder.record, wanted, REPLACED[replace])


def weights(model: Any, names: Iterable[str]) -> dict[str, Tensor]:
    modules = {name: getattr(model[int(name)], "_checkpoint_wrapped_module", model[int(name)]) for name in names}
    return {name: module.weight.detach().clone() for name, module in modules.items()}


def assert_recorded(record: vl.Record, wanted: list[dict[str, dict[str, float]]], gone: tuple[str, ...]) -> None:
    close = 1e-5 if record.environment["dtype"] == "float32" else CLOSE
    for step, values in enumerate(wanted):
        for place, name in enumerate(record.layer_names):
            recorded = {quantity: float(getattr(record, quantity)[0, step, place]) for quantity in LAYER_QUANTITIES}
            if step >= 1 and name in gone:
                assert all(map(np.isnan, recorded.values())), (step, name, recorded)
                continue
            for quantity in ("gradient_norm", "bias_gradient_norm", "weight_norm", "delta_rms", "activation_rms"):
                of_autograd = values[name].get(quantity, np.nan)
                told = pytest.approx(of_autograd, rel=close, nan_ok=True)
                assert recorded[quantity] == told, (step, name, quantity)
            if "update_ratio" in values[name]:
                assert recorded["update_ratio"] == pytest.approx(values[name]["update_ratio"], rel=close), (step, name)
    assert {name for name, why in record.unmeasured.items() if why == reasons.REPLACED} == set(gone)


class Loop:
    """A training loop whose every step is recorded, with a place for mischief."""

    def __init__(self, every: int = 1) -> None:
        self.model: Any = build()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.recorder = vl.GradientRecorder(self.model, self.optimizer, every=every)

    def step(self, step: int = 0) -> None:
        self.model.zero_grad()
        loss_of(self.model, step).backward()
        self.optimizer.step()

    def of(self, layer: str) -> dict[str, list[float]]:
        record = self.recorder.record
        place = record.layer_names.index(layer)
        return {quantity: getattr(record, quantity)[0, :, place].tolist() for quantity in LAYER_QUANTITIES}


def test_replaced_between_forward_and_backward_it_has_no_gradient() -> None:
    loop = Loop()
    with loop.recorder:
        loop.step()
        loop.model.zero_grad()
        loss = loss_of(loop.model, 1)
        new_weight(loop.model)
        loss.backward()
        loop.optimizer.step()
    assert np.isnan(loop.of("2")["gradient_norm"]).tolist() == [False, True]
    assert loop.recorder.record.unmeasured == {"2": reasons.REPLACED}
    assert loop.of("2")["weight_norm"][1] == pytest.approx(norm(fresh(6, 6)), rel=CLOSE)
    assert not np.isnan(loop.of("0")["gradient_norm"]).any()


def test_replaced_between_backward_and_step_nothing_of_the_old_one_stays() -> None:
    loop = Loop()
    with loop.recorder:
        loop.step()
        loop.model.zero_grad()
        loss_of(loop.model, 1).backward()
        new_weight(loop.model)
        loop.optimizer.step()
        loop.step(2)
    for quantity in ("gradient_norm", "applied_gradient_norm", "delta_rms", "activation_rms", "zero_fraction"):
        assert np.isnan(loop.of("2")[quantity]).tolist() == [False, True, False], quantity
    assert loop.of("2")["weight_norm"][1] == pytest.approx(norm(fresh(6, 6)), rel=CLOSE)
    assert loop.of("2")["update_ratio"][1:] == [0.0, 0.0]  # the optimizer has the old one


def test_replaced_between_two_backward_passes_only_the_second_counts() -> None:
    loop = Loop()
    with loop.recorder:
        loop.model.zero_grad()
        (100 * loss_of(loop.model, 0)).backward()
        new_weight(loop.model)
        wanted = seen_by_autograd(loop.model, 1)["2"]
        loss_of(loop.model, 1).backward()
        loop.optimizer.step()
    for quantity in ("gradient_norm", "delta_rms", "activation_rms", "weight_norm"):
        assert loop.of("2")[quantity] == [pytest.approx(wanted[quantity], rel=CLOSE)], quantity


@pytest.mark.parametrize("replace", [new_bias, no_bias])
def test_of_a_bias_that_is_replaced_between_two_backward_passes_the_weight_keeps_both(replace: Any) -> None:
    loop = Loop()
    twin: Any = build()
    deltas: list[Tensor] = []

    def watch(module: nn.Module, inputs: Any, z: Tensor) -> None:
        z.register_hook(lambda delta: deltas.append(8 * delta))  # times the examples

    twin[2].register_forward_hook(watch)
    for seed in (0, 1):
        if seed:
            replace(twin)
        loss_of(twin, seed).backward()
    with loop.recorder:
        loop.model.zero_grad()
        loss_of(loop.model, 0).backward()
        replace(loop.model)
        loss_of(loop.model, 1).backward()
        loop.optimizer.step()
    seen = loop.of("2")
    assert seen["gradient_norm"] == [pytest.approx(norm(twin[2].weight.grad), rel=CLOSE)]
    assert seen["delta_rms"] == [pytest.approx(rms(torch.cat(deltas)), rel=CLOSE)]
    if replace is no_bias:
        assert np.isnan(seen["bias_gradient_norm"]).all()
    else:
        assert seen["bias_gradient_norm"] == [pytest.approx(norm(twin[2].bias.grad), rel=CLOSE)]


def test_a_bias_that_is_replaced_before_the_step_has_no_gradient_and_the_weight_has() -> None:
    loop = Loop()
    with loop.recorder:
        loop.model.zero_grad()
        wanted = seen_by_autograd(loop.model, 0)["2"]
        loss_of(loop.model, 0).backward()
        new_bias(loop.model)
        loop.optimizer.step()
    seen = loop.of("2")
    assert np.isnan(seen["bias_gradient_norm"]).all()
    for quantity in ("gradient_norm", "delta_rms"):
        assert seen[quantity] == [pytest.approx(wanted[quantity], rel=CLOSE)], quantity
    ratio = 0.1 * wanted["gradient_norm"] / wanted["weight_norm"]  # one step of plain descent
    assert seen["update_ratio"] == [pytest.approx(ratio, rel=CLOSE)]


@pytest.mark.parametrize("when", ["before the evaluation", "after it"])
def test_replaced_inside_the_optimizers_own_step_there_is_no_update_to_speak_of(when: str) -> None:
    loop = Loop()
    wanted = {}

    def closure() -> Tensor:
        loop.model.zero_grad()
        if when == "before the evaluation":
            new_weight(loop.model)
            wanted.update(seen_by_autograd(loop.model, 0)["2"])
        loss = loss_of(loop.model, 0)
        loss.backward()
        if when == "after it":
            new_weight(loop.model)
        return loss

    with loop.recorder:
        loop.optimizer.step(closure)
    seen = loop.of("2")
    assert np.isnan(seen["update_ratio"]) == [True]
    if wanted:
        assert seen["gradient_norm"] == [pytest.approx(wanted["gradient_norm"], rel=CLOSE)]
    else:
        assert np.isnan(seen["gradient_norm"]) == [True]


class Twice(torch.optim.SGD):
    """Evaluates the closure twice, as line searches do, and steps."""

    def step(self, closure: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with torch.enable_grad():
            closure()
            closure()
        super().step()


def test_replaced_at_a_second_evaluation_the_first_is_measured_but_for_the_update() -> None:
    model = build()
    optimizer = Twice(model.parameters(), lr=0.1)
    wanted: dict[str, dict[str, float]] = {}

    def closure() -> Tensor:
        model.zero_grad()
        if wanted:
            new_weight(model)
        else:
            wanted.update(seen_by_autograd(model, 0))
        loss = loss_of(model, 0)
        loss.backward()
        return loss

    with vl.GradientRecorder(model, optimizer) as recorder:
        optimizer.step(closure)
    record = recorder.record
    for place, name in enumerate(record.layer_names):
        assert record.gradient_norm[0, 0, place] == pytest.approx(wanted[name]["gradient_norm"], rel=CLOSE)
    assert np.isnan(record.update_ratio[0, 0]).tolist() == [name == "2" for name in record.layer_names]


def test_what_is_replaced_in_steps_that_are_not_recorded_is_seen_in_the_next_that_is() -> None:
    loop = Loop(every=2)
    with loop.recorder:
        loop.step(0)
        new_weight(loop.model)
        other_activation(loop.model)
        loop.step(1)
        wanted = seen_by_autograd(loop.model, 2)
        loop.step(2)
    for name in NAMES:
        for quantity in ("gradient_norm", "delta_rms", "activation_rms", "weight_norm"):
            assert loop.of(name)[quantity][1] == pytest.approx(wanted[name][quantity], rel=CLOSE), (name, quantity)


def test_what_is_put_back_is_measured_again() -> None:
    loop = Loop()
    with loop.recorder:
        old = loop.model[2]
        new_module(loop.model)
        loop.step(0)
        loop.model[2] = old
        wanted = seen_by_autograd(loop.model, 1)["2"]
        loop.step(1)
    for quantity in ("gradient_norm", "delta_rms", "activation_rms", "weight_norm", "update_ratio"):
        assert np.isnan(loop.of("2")[quantity]).tolist() == [True, False], quantity
    assert loop.of("2")["gradient_norm"][1] == pytest.approx(wanted["gradient_norm"], rel=CLOSE)


def test_a_module_that_still_runs_elsewhere_is_not_the_layer() -> None:
    loop = Loop()
    with loop.recorder:
        old = loop.model[2]
        loop.model[2] = nn.Linear(6, 6).double()
        loop.model[5] = nn.Sequential(nn.Linear(3, 6).double(), old)  # its weight has a gradient, and its z a delta
        loop.step()
    assert all(np.isnan(values).all() for values in loop.of("2").values())


def test_weights_that_are_tied_and_untied_have_the_gradient_that_is_theirs() -> None:
    loop = Loop()
    loop.model[0] = nn.Linear(6, 6).double()
    model = nn.Sequential(nn.Linear(5, 6).double(), loop.model)
    loop.recorder = vl.GradientRecorder(model, loop.optimizer, layers="1.*")
    x, y = torch.randn(8, 5).double(), torch.randint(3, (8,))
    wanted: list[list[float]] = []
    with loop.recorder:
        for step in range(4):
            if step == 1:
                loop.model[2].weight = loop.model[0].weight
            if step == 2:
                loop.model[2].weight = nn.Parameter(loop.model[0].weight.detach().clone())
            if step == 3:
                loop.model[0].weight = loop.model[2].weight
            model.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            wanted.append([norm(loop.model[place].weight.grad) for place in (0, 2, 4)])
            loop.optimizer.step()
    record = loop.recorder.record
    np.testing.assert_allclose(record.gradient_norm[0], wanted, rtol=CLOSE)
    assert wanted[1][0] == wanted[1][1] and wanted[2][0] != wanted[2][1] and record.unmeasured == {}


@pytest.mark.parametrize("replace", REPLACED, ids=lambda replace: replace.__name__)
def test_recording_changes_no_bit_and_leaves_no_hook(replace: Callable[[Any], None]) -> None:
    ends = []
    for recorded in (False, True):
        loop = Loop()
        old = copy.copy(list(loop.model.modules()))
        with loop.recorder if recorded else contextlib.nullcontext(), torch.random.fork_rng():
            torch.manual_seed(5)
            loop.step(0)
            replace(loop.model)
            loop.step(1)
            loop.step(2)
        ends.append({name: value.clone() for name, value in loop.model.state_dict().items()})
        for module in {*old, *loop.model.modules()}:
            assert not module._forward_hooks and not module._forward_pre_hooks
            for parameter in module.parameters(recurse=False):
                assert not parameter._post_accumulate_grad_hooks
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_stack_of_the_labs_own_networks_is_looked_at_too() -> None:
    mlp: Any = MLP(vl.NetworkConfig(depth=2, width=4), 5, 3, (0, 1))
    optimizer = torch.optim.SGD(mlp.parameters(), lr=0.1)
    x = torch.randn(8, 5)
    z: list[Tensor] = []
    with vl.GradientRecorder(mlp, optimizer) as recorder:
        mlp(x).square().mean().backward()
        optimizer.step()
        mlp.blocks[0].linear.weight = nn.Parameter(3 * mlp.blocks[0].linear.weight.detach())
        mlp.blocks[1].activation = nn.ReLU()
        mlp.blocks[1].linear.bias.data[:, 0] = -100.0  # a unit that is dead for all examples
        mlp.blocks[1].linear.register_forward_hook(lambda _, __, output: z.append(output.detach()))
        mlp.zero_grad()
        mlp(x).square().mean().backward()
        norms = mlp.blocks[0].linear.weight.grad.flatten(1).norm(dim=1)  # pyright: ignore
        optimizer.step()
    np.testing.assert_allclose(recorder.record.gradient_norm[:, 1, 0], norms, rtol=1e-5)
    dead = (z[0] <= 0).all(1).double().mean(1)
    assert recorder.record.saturated_fraction[:, 1, 1].tolist() == dead.tolist() and dead.amin() >= 0.25
