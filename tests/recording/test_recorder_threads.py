"""Several threads on one recorded model: their training is as it was, and a step is measured rightly or not at all."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vanishlab as vl
from vanishlab.recording import reasons
from vanishlab.recording.quantities import LAYER_QUANTITIES

PATIENCE = 60  # seconds after which a test says that threads wait for each other


@pytest.fixture
def hasty() -> Iterator[None]:
    """Let Python go from thread to thread a thousand times as often as it does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Pause(torch.autograd.Function):
    """The identity, whose backward pass calls something in its midst."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pause: Callable[[], None]) -> Tensor:
        ctx.pause = pause
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        ctx.pause()
        return gradients[0], None


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.layers = nn.ModuleList(nn.Linear(5, 5).double() for _ in range(4))
        self.activation = nn.Tanh()

    def forward(self, x: Tensor, pause: Callable[[], None] | None = None) -> Tensor:
        for place, layer in enumerate(self.layers):
            if place == 2 and pause is not None:
                x = Pause.apply(x, pause)  # pyright: ignore[reportAssignmentType]
            x = self.activation(layer(x))
        return x


def batch(seed: int) -> Tensor:
    return torch.randn(6, 5, generator=torch.Generator().manual_seed(seed)).double()


def loss_of(model: nn.Module, seed: int, pause: Callable[[], None] | None = None) -> Tensor:
    return model(batch(seed), pause).square().mean()


def in_threads(*jobs: Callable[[], object]) -> None:
    """Run each job in a thread of its own, and raise what one raises."""
    errors: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread still waits"
    if errors:
        raise errors[0]


def gradient_norms(model: Net) -> list[float]:
    return [float(layer.weight.grad.norm()) for layer in model.layers]  # pyright: ignore


def assert_step(recorder: vl.GradientRecorder, step: int, wanted: list[float], *, broken: bool | None) -> None:
    """`wanted` in that step, or, where it is or may be (None) broken, nothing at all."""
    record = recorder.record
    values = np.array([getattr(record, name)[0, step] for name in LAYER_QUANTITIES])
    if broken is None:
        broken = bool(np.isnan(record.gradient_norm[0, step]).any())
    if broken:
        assert np.isnan(values).all()
        assert record.unmeasured == dict.fromkeys(record.layer_names, reasons.THREADS)
    else:
        np.testing.assert_allclose(record.gradient_norm[0, step], wanted, rtol=1e-10)
        assert not np.isnan(record.delta_rms[0, step]).any()


def both_deltas(seeds: tuple[int, ...]) -> np.ndarray:
    """Delta RMS of each layer, of one thread that does one batch after the other."""
    model = Net()
    with vl.GradientRecorder(model) as recorder:
        for seed in seeds:
            loss_of(model, seed).backward()
        recorder.end_step()
    return recorder.record.delta_rms[0, 0]


@pytest.mark.parametrize("forward_in", ["the threads", "the main thread"])
@pytest.mark.parametrize("count", [2, 5])
def test_backward_in_several_threads_at_once_never_raises(hasty: None, forward_in: str, count: int) -> None:
    for _ in range(10):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        with vl.GradientRecorder(model, optimizer) as recorder:
            wanted = []
            for _ in range(3):
                optimizer.zero_grad()
                if forward_in == "the threads":

                    def train(seed: int, model: Net = model) -> None:
                        for _ in range(4):
                            loss_of(model, seed).backward()

                    in_threads(*(lambda seed=seed: train(seed) for seed in range(count)))
                else:
                    in_threads(*(loss_of(model, seed).backward for seed in range(count)))
                wanted.append(gradient_norms(model))
                optimizer.step()
            optimizer.zero_grad()
            loss_of(model, 0).backward()
            wanted.append(gradient_norms(model))
            optimizer.step()
        for step in range(3):
            assert_step(recorder, step, wanted[step], broken=None)
        np.testing.assert_allclose(recorder.record.gradient_norm[0, 3], wanted[3], rtol=1e-10)
        np.testing.assert_allclose(recorder.record.delta_rms[0, 3], both_deltas((0,)), rtol=1e-10)


def test_whole_training_loops_in_several_threads_never_raise(hasty: None) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    steps: list[int] = []

    def train(seed: int) -> None:
        for step in range(20):
            optimizer.zero_grad(set_to_none=False)
            try:
                loss_of(model, seed + step).backward()
            except RuntimeError as error:  # torch itself, where another thread has stepped in the meantime
                assert "modified by an inplace operation" in str(error)
            optimizer.step()
            steps.append(seed)

    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with vl.GradientRecorder(model, optimizer, every=2) as recorder:
        in_threads(*(lambda seed=seed: train(seed) for seed in range(4)))
    assert recorder.step == len(steps) == 80 and len(recorder.record.step) == 40
    assert not any(module._forward_hooks for module in model.modules())


class Meeting:
    """Two threads, one of which waits in the middle of its backward pass until the other has done something."""

    def __init__(self) -> None:
        self.paused, self.done = threading.Event(), threading.Event()

    def pause(self) -> None:
        self.paused.set()
        assert self.done.wait(PATIENCE)

    def meanwhile(self, job: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            assert self.paused.wait(PATIENCE)
            try:
                job()
            finally:
                self.done.set()

        return run


@pytest.mark.parametrize("meanwhile", ["backward", "forward", "no_grad", "step"])
def test_what_another_thread_does_in_the_middle_of_a_pass_breaks_the_step(meanwhile: str) -> None:
    ends = []
    for recorded in (True, False):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        recorder = vl.GradientRecorder(model, optimizer, every=1 if recorded else "never")
        ready = loss_of(model, 1)
        meeting = Meeting()

        def other(model: Net = model, optimizer: torch.optim.SGD = optimizer, ready: Tensor = ready) -> None:
            if meanwhile == "backward":
                loss_of(model, 1).backward()
            elif meanwhile == "forward":
                loss_of(model, 1)
            elif meanwhile == "no_grad":
                with torch.no_grad():
                    loss_of(model, 1)
            else:
                optimizer.step()

        with recorder:
            loss = loss_of(model, 0, meeting.pause)
            in_threads(loss.backward, meeting.meanwhile(other))
            if meanwhile != "step":
                optimizer.step()
            optimizer.zero_grad()
            loss_of(model, 2).backward()
            wanted = gradient_norms(model)
            optimizer.step()
        ends.append(wanted)
        if recorded:
            # An optimizer that steps in the middle leaves a pass behind that goes on in the next step.
            broken = (False, True) if meanwhile == "step" else (True, False)
            if meanwhile == "step":
                record = recorder.record
                assert np.isnan(record.gradient_norm[0, 1]).all() and np.isnan(record.delta_rms[0, 1]).all()
                assert np.isnan(record.delta_rms[0, 0, :2]).all() and not np.isnan(record.delta_rms[0, 0, 2:]).any()
            else:
                assert_step(recorder, 0, [], broken=broken[0])
                np.testing.assert_allclose(recorder.record.gradient_norm[0, 1], wanted, rtol=1e-10)
    assert ends[0] == ends[1]


def test_backward_inside_of_anothers_pass_breaks_the_step() -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        meeting = Meeting()
        first, second = loss_of(model, 0, meeting.pause), loss_of(model, 1)  # both made by the main thread
        in_threads(first.backward, meeting.meanwhile(second.backward))
        optimizer.step()
    assert_step(recorder, 0, [], broken=True)


def test_a_forward_pass_while_a_worker_goes_back_is_not_taken_for_the_end_of_that_pass() -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        meeting = Meeting()
        loss = loss_of(model, 0, meeting.pause)
        worker = threading.Thread(target=loss.backward, daemon=True)
        worker.start()
        meeting.meanwhile(lambda: loss_of(model, 1))()  # here, where the first forward pass was too
        worker.join(PATIENCE)
        optimizer.step()
    assert_step(recorder, 0, [], broken=True)


def test_a_pass_that_fails_is_still_told_from_one_that_goes_on_elsewhere() -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def fail() -> None:
        raise ZeroDivisionError

    with vl.GradientRecorder(model, optimizer) as recorder:
        with pytest.raises(ZeroDivisionError):
            loss_of(model, 0, fail).backward()
        optimizer.zero_grad()
        loss_of(model, 1).backward()
        wanted = gradient_norms(model)
        optimizer.step()
    assert_step(recorder, 0, wanted, broken=False)
    np.testing.assert_allclose(recorder.record.delta_rms[0, 0], both_deltas((1,)), rtol=1e-10)


@pytest.mark.parametrize("what", ["each step", "backward alone", "two backwards, one after the other"])
def test_threads_that_take_turns_are_measured(what: str) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    wanted = []

    def train(seed: int) -> None:
        optimizer.zero_grad()
        loss = loss_of(model, seed)
        if what == "each step":
            loss.backward()
        else:
            in_threads(loss.backward)
        if what.startswith("two"):
            in_threads(loss_of(model, seed).backward)
        wanted.append(gradient_norms(model))
        optimizer.step()

    with vl.GradientRecorder(model, optimizer) as recorder:
        for seed in range(3):
            if what == "each step":
                in_threads(lambda seed=seed: train(seed))
            else:
                train(seed)
    for step in range(3):
        assert_step(recorder, step, wanted[step], broken=False)
        seeds = (step, step) if what.startswith("two") else (step,)
        np.testing.assert_allclose(recorder.record.delta_rms[0, step], both_deltas(seeds), rtol=1e-10)
    assert recorder.record.unmeasured == {}


@pytest.mark.parametrize("second", ["forward alone", "both"])
def test_two_threads_that_call_the_model_in_one_step_break_it(second: str) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    called, go_on = threading.Event(), threading.Event()

    def call() -> None:
        loss = loss_of(model, 1)
        called.set()
        assert go_on.wait(PATIENCE)  # alive while the other one calls: an ended thread's number is given again
        loss.backward()

    with vl.GradientRecorder(model, optimizer) as recorder:
        thread = threading.Thread(target=call)
        thread.start()
        assert called.wait(PATIENCE)
        loss = loss_of(model, 2)
        go_on.set()
        thread.join(PATIENCE)
        if second == "both":
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss_of(model, 3).backward()
        wanted = gradient_norms(model)
        optimizer.step()
    assert np.isnan(recorder.record.gradient_norm[0, 0]).all()
    np.testing.assert_allclose(recorder.record.gradient_norm[0, 1], wanted, rtol=1e-10)
    assert recorder.record.unmeasured == dict.fromkeys(recorder.record.layer_names, reasons.THREADS)
