"""`GradientRecorder` in training loops of every kind, against plain autograd; what it leaves behind."""

import copy
import gc
import pickle
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from comparison import assert_same_bits, state_of
from torch import Tensor, nn
from torch.amp import GradScaler  # pyright: ignore[reportPrivateImportUsage]
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import vanishlab as vl
from vanishlab.recording import reasons
from vanishlab.recording.quantities import LAYER_QUANTITIES

CLOSE = 1e-10  # float64, the same sums in another order
METHODS = GradScaler.scale, GradScaler.step


def build(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))
    return model.to(dtype)


def examples(seed: int = 0, n: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=generator).double(), torch.randint(3, (n,), generator=generator)


def loss_of(model: nn.Module, seed: int = 0) -> Tensor:
    x, y = examples(seed)
    return functional.cross_entropy(model(x), y)


def expected(model: nn.Module, *losses: Callable[[nn.Module], Tensor]) -> dict[str, np.ndarray]:
    """Gradient norm and delta RMS of each layer on a copy of `model`, for the sum of `losses`, each of 8 examples."""
    twin: Any = copy.deepcopy(model)
    twin.zero_grad()
    deltas: dict[int, list[Tensor]] = {0: [], 2: [], 4: []}
    handles = [
        twin[place].register_forward_hook(lambda _, __, z, place=place: deltas[place].append(z)) for place in deltas
    ]
    total = torch.stack([loss(twin) for loss in losses]).sum()
    flat = [z for zs in deltas.values() for z in zs]
    grads = dict(zip(map(id, flat), torch.autograd.grad(total, flat, retain_graph=True), strict=True))
    total.backward()
    for handle in handles:
        handle.remove()
    together = [torch.cat([8 * grads[id(z)].flatten() for z in zs]) for zs in deltas.values()]
    return {
        "gradient_norm": np.array([float(twin[place].weight.grad.norm()) for place in deltas]),
        "delta_rms": np.array([float(delta.square().mean().sqrt()) for delta in together]),
    }


def assert_step(record: vl.Record, wanted: dict[str, np.ndarray], step: int = 0, close: float = CLOSE) -> None:
    for quantity, values in wanted.items():
        np.testing.assert_allclose(getattr(record, quantity)[0, step], values, rtol=close, err_msg=quantity)


# Several passes before a step.


def test_two_losses_over_one_graph_are_their_sum() -> None:
    model = build()

    def first(model: nn.Module) -> Tensor:
        return loss_of(model)

    def both(model: nn.Module) -> Tensor:
        output = model(examples()[0])
        return functional.cross_entropy(output, examples()[1]) + output.square().mean()

    wanted = expected(model, both)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(2):
            optimizer.zero_grad()
            output = model(examples()[0])
            functional.cross_entropy(output, examples()[1]).backward(retain_graph=True)
            output.square().mean().backward()
            optimizer.step()
    assert_step(recorder.record, wanted)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_batch_that_was_thrown_away_does_not_count(set_to_none: bool) -> None:
    model = build()
    wanted = expected(model, lambda model: loss_of(model, 1), lambda model: loss_of(model, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        (100 * loss_of(model, 0)).backward()
        optimizer.zero_grad(set_to_none=set_to_none)
        loss_of(model, 1).backward()
        loss_of(model, 2).backward()
        optimizer.step()
    assert_step(recorder.record, wanted)


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_layer_that_was_not_used_this_time_has_no_gradient(set_to_none: bool) -> None:
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        loss_of(model).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=set_to_none)
        model[0](examples()[0]).square().mean().backward()
        optimizer.step()
    record = recorder.record
    assert np.isnan(record.gradient_norm[0, 1]).tolist() == [False, True, True]
    np.testing.assert_array_equal(record.applied_gradient_norm[0, 1, 1:], np.nan if set_to_none else 0.0)
    assert record.unmeasured == {"2": reasons.UNUSED, "4": reasons.UNUSED}


def test_a_gradient_penalty_counts_where_it_adds_to_gradients() -> None:
    model = build()

    def penalised(model: nn.Module) -> Tensor:
        x = examples()[0].requires_grad_()
        output = model(x)
        (slope,) = torch.autograd.grad(output.sum(), x, create_graph=True)
        return functional.cross_entropy(output, examples()[1]) + slope.square().sum()

    twin: Any = copy.deepcopy(model)
    zs: list[Tensor] = []
    for place in (0, 2, 4):
        twin[place].register_forward_hook(lambda _, __, z: zs.append(z))
    deltas = torch.autograd.grad(penalised(twin), zs)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        penalised(model).backward()
        optimizer.step()
    wanted = [8 * float(delta.square().mean().sqrt()) for delta in deltas]
    np.testing.assert_allclose(recorder.record.delta_rms[0, 0], wanted, rtol=CLOSE)


@pytest.mark.parametrize("by_hand", [True, False])
def test_gradients_that_torch_autograd_grad_returned_are_seen_when_they_are_used(by_hand: bool) -> None:
    model = build()
    wanted = expected(model, loss_of)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        gradients = torch.autograd.grad(loss_of(model), list(model.parameters()))
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            if by_hand:
                parameter.grad = gradient
            else:
                parameter.data -= 0.1 * gradient
        optimizer.step()
    record = recorder.record
    if by_hand:
        assert_step(record, wanted)
    else:
        np.testing.assert_allclose(record.delta_rms[0, 0], wanted["delta_rms"], rtol=CLOSE)
        assert record.unmeasured == dict.fromkeys(("0", "2", "4"), reasons.NOT_ACCUMULATED)


# Clipping and optimizers.


@pytest.mark.parametrize("how", ["norm", "value", "data"])
def test_gradients_before_and_after_clipping(how: str) -> None:
    model = build()
    wanted = expected(model, loss_of)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        loss_of(model).backward()
        if how == "norm":
            nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        elif how == "value":
            nn.utils.clip_grad_value_(model.parameters(), 1e-3)
        else:
            for parameter in model.parameters():
                parameter.grad.data.clamp_(-1e-3, 1e-3)  # pyright: ignore
        clipped = [float(model[place].weight.grad.norm()) for place in (0, 2, 4)]  # pyright: ignore
        optimizer.step()
    assert_step(recorder.record, wanted)
    np.testing.assert_allclose(recorder.record.applied_gradient_norm[0, 0], clipped, rtol=CLOSE)
    assert (recorder.record.applied_gradient_norm < 0.5 * recorder.record.gradient_norm).all()


@pytest.mark.parametrize("kind", ["SGD", "Adam", "LBFGS"])
@pytest.mark.parametrize("keyword", [True, False])
def test_of_a_closure_the_first_evaluation_is_recorded(kind: str, keyword: bool) -> None:
    def train(every: int | str) -> tuple[list[dict[str, np.ndarray]], vl.Record, dict[str, Tensor]]:
        model, wanted = build(), []
        optimizer: Any = getattr(torch.optim, kind)(model.parameters(), lr=0.1)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1e-2)
            return loss

        with vl.GradientRecorder(model, optimizer, every=every) as recorder:
            for _ in range(3):
                wanted.append(expected(model, loss_of))
                loss = optimizer.step(closure=closure) if keyword else optimizer.step(closure)
                assert float(loss.detach()) > 0
        return wanted, recorder.record, state_of(model)

    wanted, record, state = train(1)
    assert record.step.tolist() == [0, 1, 2] and record.unmeasured == {}
    for step, each in enumerate(wanted):
        assert_step(record, each, step)
    together = np.sqrt((record.applied_gradient_norm**2).sum(2))
    assert (together <= 1e-2).all() and (together > 5e-3).all() and (record.update_ratio > 0).all()
    assert_same_bits(train("never")[2], state)


def test_several_optimizers_make_one_step() -> None:
    model = build()
    wanted = expected(model, loss_of)
    optimizers = [torch.optim.SGD(model[place].parameters(), lr=0.1 * (place + 1)) for place in (0, 2, 4)]
    with vl.GradientRecorder(model, optimizers) as recorder:
        for _ in range(2):
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss_of(model).backward()
            for optimizer in optimizers:
                optimizer.step()
    record = recorder.record
    assert record.step.tolist() == [0, 1] and record.learning_rate.tolist() == [0.1]
    assert_step(record, wanted)
    ratio = record.update_ratio[0, 0] * record.weight_norm[0, 0] / record.gradient_norm[0, 0]
    np.testing.assert_allclose(ratio, [0.1, 0.3, 0.5], rtol=1e-6)  # a difference of weights


class Pair(nn.Module):
    """A generator and the discriminator that it plays against."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator, self.extra = nn.Linear(5, 5), nn.Linear(5, 1), nn.Linear(5, 5)
        self.extra.requires_grad_(False)


@pytest.mark.parametrize("rounds", [1, 3])
def test_two_players_that_take_turns(rounds: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pair = Pair().double()
    real, noise = examples(1)[0], examples(2)[0]
    opt_g = torch.optim.SGD(pair.generator.parameters(), lr=0.1)
    opt_d = torch.optim.SGD(pair.discriminator.parameters(), lr=0.1)
    wanted: dict[str, list[float]] = {"generator": [], "discriminator": []}

    def loss_d(pair: Any) -> Tensor:
        return (
            functional.softplus(-pair.discriminator(real)).mean()
            + functional.softplus(pair.discriminator(pair.generator(noise).detach())).mean()
        )

    def loss_g(pair: Any) -> Tensor:
        return functional.softplus(-pair.discriminator(pair.generator(noise))).mean()

    with vl.GradientRecorder(pair, (opt_g, opt_d)) as recorder:
        for _ in range(2):
            for turn in range(rounds):
                if turn == 0:
                    twin = copy.deepcopy(pair)
                    twin.zero_grad()
                    loss_d(twin).backward()
                    wanted["discriminator"].append(float(twin.discriminator.weight.grad.norm()))  # pyright: ignore
                opt_d.zero_grad()
                loss_d(pair).backward()
                opt_d.step()
            twin = copy.deepcopy(pair)
            twin.zero_grad()
            loss_g(twin).backward()
            wanted["generator"].append(float(twin.generator.weight.grad.norm()))  # pyright: ignore
            opt_g.zero_grad()
            loss_g(pair).backward()
            opt_g.step()
    record = recorder.record
    assert record.step.tolist() == [0, 1]
    for place, name in enumerate(("generator", "discriminator")):
        np.testing.assert_allclose(record.gradient_norm[0, :, place], wanted[name], rtol=CLOSE)
    assert record.unmeasured == {"extra": reasons.FROZEN}


def test_a_layer_that_is_unfrozen_on_the_way_is_measured_from_then_on() -> None:
    model = build()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for step in range(2):
            model[0].requires_grad_(step == 1)
            optimizer.zero_grad()
            wanted = expected(model, loss_of) if step else {}
            loss_of(model).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
            optimizer.step()
    assert np.isnan(recorder.record.gradient_norm[0, 0, 0])
    assert_step(recorder.record, wanted, 1)  # pyright: ignore[reportPossiblyUnboundVariable]


# Mixed precision.


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("clip", [False, True])
def test_a_scalers_factor_is_divided_out(clip: bool, fused: bool) -> None:
    def train(scaled: bool) -> tuple[vl.Record, dict[str, Tensor]]:
        model = build()
        scaler = GradScaler("cpu", init_scale=2.0**12, enabled=scaled)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
        with vl.GradientRecorder(model, optimizer) as recorder:
            for step in range(3):
                optimizer.zero_grad()
                for part in range(2):
                    scaler.scale(loss_of(model, 2 * step + part)).backward()
                if clip:
                    scaler.unscale_(optimizer)
                    nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
                scaler.step(optimizer)
                scaler.update()
        assert GradScaler.scale is METHODS[0] and GradScaler.step is METHODS[1]
        return recorder.record, state_of(model)

    (scaled, _), (plain, _) = train(True), train(False)
    for name in LAYER_QUANTITIES:
        # float64; a power of two changes no digit, and clipping divides by a norm plus 1e-6.
        np.testing.assert_allclose(getattr(scaled, name), getattr(plain, name), rtol=1e-8, atol=1e-12, err_msg=name)
    assert scaled.step.tolist() == [0, 1, 2]


def test_a_scalers_factor_is_divided_out_of_both_paths_through_an_lstm_cell() -> None:
    ratios = []
    for scaled in (True, False):
        torch.manual_seed(0)
        cell = nn.LSTMCell(3, 4).double()
        optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
        scaler = GradScaler("cpu", init_scale=2.0**12, enabled=scaled)
        with vl.GradientRecorder(cell, optimizer) as recorder:
            state = None
            for x in torch.linspace(-1.0, 1.0, 6 * 5 * 3, dtype=torch.float64).reshape(6, 5, 3):
                state = cell(x, state)
            assert state is not None
            scaler.scale(state[0].square().mean()).backward()
            scaler.step(optimizer)
        ratios.append(recorder.record.time_ratio)
    np.testing.assert_allclose(*ratios, rtol=1e-12)
    assert (ratios[0] > 0).all() and (ratios[0] != 1).all()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("every", [1, 2])
def test_a_step_that_the_scaler_skips_is_not_recorded(every: int, fused: bool) -> None:
    model = build()
    scaler = GradScaler("cpu", init_scale=4.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
    wanted = []
    with vl.GradientRecorder(model, optimizer, every=every) as recorder:
        for attempt in range(5):
            optimizer.zero_grad()
            bad = attempt in (0, 3)
            if not bad:
                wanted.append(expected(model, loss_of))
            scaler.scale(loss_of(model) * (float("inf") if bad else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()
    record = recorder.record
    assert record.environment["skipped_steps"] == "2" and record.step.tolist() == list(range(0, 3, every))
    for row, step in enumerate(record.step):
        assert_step(record, wanted[step], row)


def test_a_scaler_of_another_model_is_no_business_of_ours() -> None:
    model, other = build(), build()
    wanted = expected(model, loss_of)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    theirs = torch.optim.SGD(other.parameters(), lr=0.1)
    scaler = GradScaler("cpu", init_scale=1024.0)
    with vl.GradientRecorder(model, optimizer) as recorder:
        loss_of(model).backward()
        scaler.scale(loss_of(other) * float("inf")).backward()
        scaler.step(theirs)
        optimizer.step()
    assert_step(recorder.record, wanted)
    assert "skipped_steps" not in recorder.record.environment


def test_two_recorders_hear_of_the_scaler_in_whatever_order_they_leave() -> None:
    original = GradScaler.scale
    first, second = vl.GradientRecorder(build()), vl.GradientRecorder(build())
    first.__enter__()
    second.__enter__()
    assert GradScaler.scale is not original
    first.__exit__()
    assert GradScaler.scale is not original
    second.__exit__()
    assert GradScaler.scale is original


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype: torch.dtype) -> None:
    model = build(torch.float32)
    wanted = expected(build(), loss_of)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = GradScaler("cpu", init_scale=256.0, enabled=dtype == torch.float16)
    with vl.GradientRecorder(model, optimizer) as recorder:
        with torch.autocast("cpu", dtype):
            output = model(examples()[0].float())
        scaler.scale(functional.cross_entropy(output.float(), examples()[1])).backward()
        scaler.step(optimizer)
        scaler.update()
    assert recorder.record.step.tolist() == [0]
    assert_step(recorder.record, wanted, close=0.05)  # bfloat16 keeps 8 bits: 0.4 % a rounding, and a handful of them
    assert recorder.record.unmeasured == {}


# Checkpointing.


class Checkpointed(nn.Module):
    """Blocks whose activations are computed once more in the backward pass."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        self.layers = build()
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        for part in (self.layers[:2], self.layers[2:4], self.layers[4:]):
            x = part(x) if self.reentrant is None else checkpoint(part, x, use_reentrant=self.reentrant)  # pyright: ignore
        return x


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("passes", [1, 2])
def test_checkpointing_counts_nothing_twice(reentrant: bool, passes: int) -> None:
    records = []
    for kind in (None, reentrant):
        model = Checkpointed(kind)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with vl.GradientRecorder(model, optimizer) as recorder:
            for _ in range(2):
                optimizer.zero_grad()
                for part in range(passes):
                    x, y = examples(part)
                    functional.cross_entropy(model(x.requires_grad_()), y).backward()
                optimizer.step()
        records.append(recorder.record)
    for name in LAYER_QUANTITIES:
        np.testing.assert_allclose(getattr(records[1], name), getattr(records[0], name), rtol=CLOSE, err_msg=name)
    assert records[1].unmeasured == {}


# torch.func.


def test_functional_call_is_an_ordinary_call() -> None:
    model = build()
    wanted = expected(model, loss_of)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        output = torch.func.functional_call(model, dict(model.named_parameters()), (examples()[0],))
        functional.cross_entropy(output, examples()[1]).backward()
        optimizer.step()
    assert_step(recorder.record, wanted)


@pytest.mark.parametrize("vectorised", [False, True], ids=["grad", "vmap of grad"])
@pytest.mark.parametrize("applied", [False, True])
def test_inside_torch_func_nothing_is_measured_and_it_says_so(applied: bool, vectorised: bool) -> None:
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = examples()
    start = expected(model, loss_of)

    def loss(parameters: Any, x: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(torch.func.functional_call(model, parameters, (x,)), y)

    with vl.GradientRecorder(model, optimizer) as recorder:
        parameters = {name: each.detach() for name, each in model.named_parameters()}
        if vectorised:
            each_one = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(parameters, x[:, None], y[:, None])
            gradients = {name: value.mean(0) for name, value in each_one.items()}
        else:
            gradients = torch.func.grad(loss)(parameters, x, y)
        if applied:
            for name, parameter in model.named_parameters():
                parameter.grad = gradients[name]
        optimizer.step()
    record = recorder.record
    assert np.isnan(record.delta_rms).all()
    reason = reasons.IN_TORCH_FUNC if applied else reasons.FUNCTIONAL
    assert record.unmeasured == dict.fromkeys(("0", "2", "4"), reason)
    if applied:
        np.testing.assert_allclose(record.gradient_norm[0, 0], start["gradient_norm"], rtol=CLOSE)


# What is left behind.


class Memory(TorchDispatchMode):
    """Bytes of tensors that are alive, and the most of them at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, list | tuple) else (made,):
            if isinstance(each, Tensor):
                storage = each.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if key not in self.seen:
                    self.seen.add(key)
                    self.now += size
                    weakref.finalize(storage, self.free, key, size)
        self.peak = max(self.peak, self.now)
        return made

    def free(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.now -= size


def test_recording_needs_no_more_memory_at_the_peak_and_none_afterwards() -> None:
    peaks, lefts = [], []
    for every in ("never", 1):
        layers = [each for _ in range(12) for each in (nn.Linear(64, 64), nn.Tanh())]
        model = nn.Sequential(*layers, nn.Linear(64, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with vl.GradientRecorder(model, optimizer, every=every), Memory() as memory:
            x, y = torch.randn(512, 64), torch.randint(10, (512,))  # here, so that views of it count for none
            for _ in range(3):
                optimizer.zero_grad()
                functional.cross_entropy(model(x), y).backward()
                optimizer.step()
            optimizer.zero_grad()
            gc.collect()
        peaks.append(memory.peak)
        lefts.append(memory.now)
    weights = 4 * (12 * 64 * 64 + 640)
    assert (
        peaks[0] > 1.5e6 and peaks[1] <= 1.01 * peaks[0] + weights
    )  # its own: a copy of the weights during the update
    assert lefts[1] - lefts[0] < 1e4


class Tag:
    """Something that can be watched dying."""


@pytest.mark.parametrize("kind", ["plain", "kept graph", "attention", "recurrent"])
def test_no_activation_or_graph_outlives_the_step(kind: str) -> None:
    model: Any = {
        "plain": build, "kept graph": build, "attention": lambda: nn.MultiheadAttention(5, 1).double(),
        "recurrent": lambda: nn.LSTM(5, 4).double(),
    }[kind]()  # fmt: skip
    alive: list[weakref.ref[Any]] = []
    with vl.GradientRecorder(model) as recorder:
        x = examples()[0][:, None].requires_grad_()
        output = model(x, x, x)[0] if kind == "attention" else model(x)
        output = output[0] if isinstance(output, tuple) else output
        loss = output.square().mean()
        tag = Tag()
        output.grad_fn.metadata["tag"] = tag  # lives as long as the graph
        alive += [weakref.ref(output), weakref.ref(tag), weakref.ref(loss)]
        del tag
        loss.backward(retain_graph=kind == "kept graph")
        del output, loss
        if kind != "kept graph":
            assert [each() for each in alive] == [None] * 3
        recorder.end_step()
        del x
        gc.collect()
        assert [each() for each in alive] == [None] * 3


def test_a_recorder_refuses_to_be_pickled_and_its_record_does_not() -> None:
    recorder = vl.GradientRecorder(build())
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(vl.InputError, match=r"^a recorder must not be pickled or copied"):
            attempt(recorder)
    record = pickle.loads(pickle.dumps(recorder.record))
    assert record.layer_names == ("0", "2", "4")


def test_a_model_can_be_copied_and_pickled_while_it_is_recorded() -> None:
    model = build()
    with vl.GradientRecorder(model) as recorder:
        copies: list[Any] = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
        for each in copies:
            loss_of(each).backward()
        recorder.end_step()
    assert np.isnan(recorder.record.delta_rms).all()
    here = weakref.ref(recorder)
    del recorder
    gc.collect()
    assert here() is None  # the copies' hooks do not hold on to it
    assert_same_bits(state_of(copies[0]), state_of(model))


def hooks_of(model: nn.Module) -> Iterator[Any]:
    for module in model.modules():
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            yield from getattr(module, name).values()
    for parameter in model.parameters():
        yield from (parameter._post_accumulate_grad_hooks or {}).values()  # pyright: ignore
        yield from (parameter._backward_hooks or {}).values()


@pytest.mark.parametrize(
    "model", [nn.MultiheadAttention(4, 2), nn.LSTM(3, 4), nn.LSTMCell(3, 4)], ids=lambda m: m._get_name()
)
def test_no_hook_is_left_on_any_kind_of_layer(model: nn.Module) -> None:
    optimizer = torch.optim.LBFGS(model.parameters())
    with pytest.raises(ZeroDivisionError), vl.GradientRecorder(model, optimizer):
        assert list(hooks_of(model))
        _ = 1 // 0
    assert not list(hooks_of(model))
    assert not optimizer._optimizer_step_pre_hooks and not optimizer._optimizer_step_post_hooks
    assert GradScaler.step is METHODS[1]


def test_a_backward_pass_that_fails_half_way_does_not_disturb_the_next() -> None:
    model = build()
    wanted = expected(model, loss_of)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def fail(_: Tensor) -> None:
        raise ZeroDivisionError

    with vl.GradientRecorder(model, optimizer) as recorder:
        h = model[:3](examples()[0])
        h.register_hook(fail)
        with pytest.raises(ZeroDivisionError):
            model[3:](h).square().mean().backward()
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
    np.testing.assert_allclose(recorder.record.gradient_norm[0, 0], wanted["gradient_norm"], rtol=CLOSE)
    np.testing.assert_allclose(recorder.record.delta_rms[0, 0], wanted["delta_rms"], rtol=CLOSE)
