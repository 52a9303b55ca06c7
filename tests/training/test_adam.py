"""Adam on a stack of networks: torch's own on each of them, step by step."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import vanishlab as vl
from vanishlab.training.descent import adam_direction, adam_moments
from vanishlab.training.loop import Run
from vanishlab.training.sweep.chunks import chunk_of

RATES = (0.003, 0.03)


@pytest.fixture(scope="module")
def digits() -> vl.Dataset:
    return vl.load_data("digits", max_examples=40)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "settings",
    [
        {"activation": "tanh"},
        {"activation": "sigmoid", "depth": 12},  # gradients of 1e-9, where the 1e-8 of the denominator is felt
        {"activation": "relu", "normalization": "batch", "residual": "learned"},
    ],
)
def test_each_run_is_that_of_torchs_own_adam(digits: vl.Dataset, settings: dict[str, Any], dtype: Any) -> None:
    network = vl.NetworkConfig(**{"depth": 3, "width": 6, "dtype": dtype, **settings})
    training = vl.TrainingConfig(RATES, (3,), steps=20, optimizer="adam", device="cpu")
    model = vl.MLP(network, 64, 10, (3, 3))
    singles = [model.single(run) for run in range(2)]
    record = vl.train(network, training, digits, model=model)
    x, y = torch.from_numpy(digits.x).to(getattr(torch, dtype)), torch.from_numpy(digits.y)
    for run, (single, rate) in enumerate(zip(singles, RATES, strict=True)):
        optimizer = torch.optim.Adam(single.parameters(), lr=rate)
        losses = []
        for step in range(21):
            optimizer.zero_grad()
            loss = functional.cross_entropy(single(x), y)
            losses.append(loss.item())
            loss.backward()
            if step < 20:
                optimizer.step()
        # A gradient whose sign rounding decides moves an entry by twice the rate either way: float32 has some.
        np.testing.assert_allclose(record.loss[run], losses, rtol=1e-9 if dtype == "float64" else 2e-3)
        if dtype == "float64":
            ours = [layer.weight[run] for layer in model.linear_layers]
            theirs = [module.weight for module in single.modules() if isinstance(module, torch.nn.Linear)]
            for mine, other in zip(ours, theirs, strict=True):
                torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-9)


def test_the_first_update_is_the_rate_whatever_the_gradients_size(digits: vl.Dataset) -> None:
    network = vl.NetworkConfig(2, 6, "tanh", dtype="float64")
    training = vl.TrainingConfig((0.01,), steps=1, optimizer="adam", device="cpu")
    model = vl.MLP(network, 64, 10, (0,))
    before = [layer.weight.detach().clone() for layer in model.linear_layers]
    record = vl.train(network, training, digits, model=model)
    for place, (layer, old) in enumerate(zip(model.linear_layers, before, strict=True)):
        moved = layer.weight.detach() - old
        assert float(moved.abs().max()) == pytest.approx(0.01, rel=1e-4)
        assert record.update_ratio[0, 0, place] == pytest.approx(float(moved.norm() / old.norm()), rel=1e-9)


def test_moments_forget_their_start_at_zero() -> None:
    moments = None
    for number in range(1, 50):
        moments = adam_moments(moments, np.array([3.0, -1e-3]))
        np.testing.assert_allclose(adam_direction(moments, number), [1.0, -1.0], rtol=2e-5)


def test_the_chunks_of_older_sweeps_keep_their_names() -> None:
    run = Run(vl.NetworkConfig(1, 2), 0.1, 0)
    # As vanishlab named it when plain descent was all there was.
    assert chunk_of([run], vl.TrainingConfig(steps=3), "").keys == ("e98ef4a01662b720490279e632c8a911",)
    assert chunk_of([run], vl.TrainingConfig(steps=3, optimizer="adam"), "").keys[0][:8] != "e98ef4a0"
