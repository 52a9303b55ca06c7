"""`GradientRecorder` beside torch.compile: training stays as it was, gradients are right, missing deltas are named."""

from typing import Any

import numpy as np
import pytest
import torch
from comparison import assert_same_bits, state_of
from torch import Tensor, nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.recording import reasons

pytestmark = [
    pytest.mark.slow,  # compiling takes seconds
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's own, on its way through inductor
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),  # dynamo's own, of any part of a model
]


class Counter:
    """A backend that runs graphs as they are, and counts them."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, module: Any, inputs: Any) -> Any:
        self.graphs += 1
        return module.forward


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch._dynamo.reset()


class Network(nn.Sequential):
    """Code of our own: torch leaves a module's compile() alone where all code is torch's."""

    def forward(self, input: Tensor) -> Tensor:
        for module in self:
            input = module(input)
        return input


def build() -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return Network(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))


def step(model: Any, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(8, 5, generator=generator), torch.randint(3, (8,), generator=generator)
    optimizer.zero_grad()
    functional.cross_entropy(model(x), y).backward()
    optimizer.step()


def train(when: str, backend: Any, how: str = "function", steps: int = 4) -> tuple[vl.Record, dict[str, Tensor]]:
    """Compile before the block, inside of it, or not at all; "unrecorded" has no recorder."""
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def compiled() -> Any:
        if how == "method":
            model.compile(backend=backend, fullgraph=True)
            return model
        return torch.compile(model, backend=backend, fullgraph=True)

    if when == "unrecorded":
        run = compiled()
        for seed in range(steps):
            step(run, optimizer, seed)
        return vl.GradientRecorder(model).record, state_of(model)
    run: Any = model
    if when == "before":
        run = compiled()
        step(run, optimizer, 0)
    with vl.GradientRecorder(run if when == "before" else model, optimizer) as recorder:
        if when == "inside":
            run = compiled()
        for seed in range(when == "before", steps):
            step(run, optimizer, seed)
    step(run, torch.optim.SGD(model.parameters(), lr=0.0), steps)  # compiled with hooks, it works without
    return recorder.record, state_of(model)


@pytest.mark.parametrize("how", ["function", "method"])
@pytest.mark.parametrize("when", ["before", "inside"])
def test_a_compiled_model_shows_its_gradients_and_says_that_it_has_no_deltas(when: str, how: str) -> None:
    counter, alone = Counter(), Counter()
    record, state = train(when, counter, how)
    _, unrecorded = train("unrecorded", alone, how)
    plain, _ = train("never", None)
    assert counter.graphs <= alone.graphs + 1  # no graph breaks: fullgraph; one more for the last, other optimizer
    for each in (state, unrecorded):  # the step after the block has moved batch norm's statistics once more
        for key in ("1.num_batches_tracked", "1.running_mean", "1.running_var"):
            each.pop(key)
    assert_same_bits(state, unrecorded)
    assert record.layer_names == plain.layer_names == ("0", "3", "5")
    first = 1 if when == "before" else 0
    for name in ("gradient_norm", "bias_gradient_norm", "applied_gradient_norm", "weight_norm", "update_ratio"):
        # float32, and graphs that may sum in another order.
        np.testing.assert_allclose(getattr(record, name), getattr(plain, name)[:, first:], rtol=1e-4, atol=1e-8)
    assert np.isnan(record.delta_rms).all()
    known = how == "method" and when == "before"
    missing = {reasons.COMPILED} if known else {reasons.COMPILED, reasons.NOT_CALLED}
    assert {record.unmeasured[name] for name in record.layer_names} <= missing


def test_a_part_that_is_compiled_does_not_blind_the_rest() -> None:
    model: Any = build()
    model[3] = torch.compile(model[3], backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        step(model, optimizer, 0)
    record = recorder.record
    assert record.layer_names == ("0", "3", "5") and record.unmeasured["3"] == reasons.COMPILED
    assert np.isnan(record.delta_rms[0, 0]).tolist() == [False, True, False]
    assert (record.gradient_norm > 0).all()


def test_inductors_own_code_stays_the_same() -> None:
    record, state = train("inside", "inductor")
    _, unrecorded = train("unrecorded", "inductor")
    for key in ("0.weight", "3.weight", "5.weight"):
        assert torch.equal(state[key], unrecorded[key])
    assert (record.gradient_norm > 0).all() and np.isnan(record.delta_rms).all()
