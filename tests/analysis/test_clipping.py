"""`clipping_threshold`: the norms are those that torch's own clipping takes, and the share is what it would clip."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import vanishlab as vl


def trained(model: nn.Module, steps: int = 20) -> tuple[vl.Record, np.ndarray]:
    """The record, and the norm that torch.nn.utils.clip_grad_norm_ has seen at each step."""
    generator, norms = torch.Generator().manual_seed(1), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(steps):
            x, y = torch.randn(4, 5, generator=generator), torch.randint(3, (4,), generator=generator)
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)))
            optimizer.step()
    return recorder.record, np.array(norms)


@pytest.fixture(scope="module")
def run() -> tuple[vl.Record, np.ndarray]:
    torch.manual_seed(0)
    return trained(nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)))


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
def test_the_threshold_is_a_quantile_of_torchs_own_norms(run: tuple[vl.Record, np.ndarray], quantile: float) -> None:
    record, norms = run
    found = vl.clipping_threshold(record, quantile)
    np.testing.assert_allclose(found.norms, norms, rtol=1e-5)
    assert found.threshold == pytest.approx(np.quantile(norms, quantile), rel=1e-5)
    assert found.share == np.mean(norms > found.threshold) and found.left_out == ()


def test_norms_at_the_ends_of_float64_are_added_without_leaving_it(run: tuple[vl.Record, np.ndarray]) -> None:
    record, _ = run
    for size in (1e-320, 1e300):
        ones = np.full_like(record.gradient_norm, size)
        layers = ones.shape[-1]
        found = vl.clipping_threshold(dataclasses.replace(record, gradient_norm=ones, bias_gradient_norm=ones))
        assert found.threshold == pytest.approx(size * (2 * layers) ** 0.5, rel=1e-2) and found.share == 0.0


def test_steps_that_are_not_finite_enter_nothing_and_what_is_not_there_is_named(
    run: tuple[vl.Record, np.ndarray],
) -> None:
    record, norms = run
    gradients, biases = record.gradient_norm.copy(), record.bias_gradient_norm.copy()
    gradients[:, 5, 0] = np.inf
    gradients[:, 6] = biases[:, 6] = np.nan
    found = vl.clipping_threshold(dataclasses.replace(record, gradient_norm=gradients, bias_gradient_norm=biases), 0.5)
    assert found.threshold == pytest.approx(np.median(np.delete(norms, [5, 6])), rel=1e-5)
    assert np.isnan(found.norms[6])
    normalised, norms = trained(nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6), nn.Linear(6, 3)), 5)
    found = vl.clipping_threshold(normalised)
    assert found.left_out == ("1",) and (found.norms < norms).all()
    unsure = dataclasses.replace(normalised, unmeasured={"sharpness": "the search did not converge"})
    assert vl.clipping_threshold(unsure).left_out == ()  # which has no gradient


def test_mistakes_are_told(run: tuple[vl.Record, np.ndarray]) -> None:
    record, _ = run
    for quantile in (0.0, 1.0, 1.5):
        with pytest.raises(vl.InputError, match="^quantile must be (between 0 and 1|greater than 0), got"):
            vl.clipping_threshold(record, quantile)
    with pytest.raises(vl.InputError, match="^run must be at most 0, got 1"):
        vl.clipping_threshold(record, run=1)
    nothing = np.full_like(record.gradient_norm, np.nan)
    with pytest.raises(vl.InputError, match="^record must hold a step with a measured gradient, got none"):
        vl.clipping_threshold(dataclasses.replace(record, gradient_norm=nothing, bias_gradient_norm=nothing))
