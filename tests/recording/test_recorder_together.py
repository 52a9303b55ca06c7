"""What the recorder takes from all layers at once, and what it leaves to an activation: the numbers stay the same."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.activations import ACTIVATIONS
from vanishlab.recording import reasons
from vanishlab.recording.hooks.batched_norms import note_applied, note_gradients, note_updates
from vanishlab.recording.hooks.find_layers import find_layers
from vanishlab.recording.measure import Measure
from vanishlab.recording.saturation import saturated_fraction


def exact(tensor: Tensor) -> float:
    """The norm in Python's own floats, scaled by hand."""
    values = tensor.detach().double().flatten().numpy()
    largest = np.abs(values).max(initial=0.0)
    return float(largest * np.linalg.norm(values / largest)) if largest else 0.0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("width", [7, 300])  # 90,000 entries go another way than a few
@pytest.mark.parametrize("compiled", [False, True], ids=["torch", "compiled"])
def test_norms_and_lost_entries_of_all_layers_at_once(compiled: bool, width: int, dtype: torch.dtype) -> None:
    if compiled:
        pytest.importorskip("numba")
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(width, width) for _ in range(6)), nn.LayerNorm(width)).to(dtype)
    layers, _ = find_layers(model)
    for layer, size in zip(layers, (1.0, 1e-30, 1e-39, 1e30, 0.0, 1e-3), strict=True):
        for parameter in (layer.weight, layer.biases[0]):
            parameter.grad = (torch.randn(parameter.shape) * size).to(dtype)
        assert layer.weight.grad is not None
        layer.weight.grad[0, :3] = 0.0
        layer.keep_weights()
    model[5].weight.grad = None  # pyright: ignore[reportArgumentType]
    measure = Measure(stacked=False, compiled=compiled)
    note_gradients(layers, measure, 4.0)
    note_applied(layers, measure, 2.0)
    before = [layer.weight.detach().clone() for layer in layers]
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(1.5)
    note_updates(layers, measure)
    for layer, weight in zip(layers, before, strict=True):
        seen = layer.step.values | layer.step.gradient.values
        assert float(seen["update_norm"]) == pytest.approx(exact(layer.weight - weight), rel=1e-6)
        assert layer.step.weights_before is None
        gradient, bias = layer.weight.grad, layer.biases[0].grad
        assert bias is not None
        assert float(seen["bias_gradient_norm"]) == pytest.approx(exact(bias) / 4, rel=1e-6)
        if gradient is None:
            assert not {"gradient_norm", "applied_gradient_norm", "zero_fraction"} & {*seen}
            continue
        assert layer.gradient_norm is not None
        assert float(layer.gradient_norm) == pytest.approx(exact(gradient) / 4, rel=1e-6)
        assert float(seen["applied_gradient_norm"]) == pytest.approx(exact(gradient) / 2, rel=1e-6)
        assert float(seen["weight_norm"]) == pytest.approx(exact(weight), rel=1e-6)
        zero, tiny = gradient == 0, gradient.abs() < torch.finfo(dtype).tiny
        assert float(seen["zero_fraction"]) == pytest.approx(float(zero.double().mean()))
        assert float(seen["subnormal_fraction"]) == pytest.approx(float((tiny & ~zero).double().mean()))


class Fickle(nn.Module):
    """A model whose first layer meets its activation module in some steps only."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.phi, self.last = nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2)
        self.way = "module"
        self.z: Tensor

    def forward(self, x: Tensor) -> Tensor:
        z = self.first(x)
        self.z = z.detach().clone()
        if self.way == "module":
            return self.last(self.phi(z))
        return self.last(torch.tanh_(z) if self.way == "in place" else functional.tanh(z))


def test_an_activation_that_is_expected_and_does_not_come_costs_no_number_or_says_so() -> None:
    torch.manual_seed(0)
    model, x = Fickle().double(), torch.randn(9, 5).double()
    ways = ("module", "function", "module", "in place", "in place", "module")
    expected = []
    with vl.GradientRecorder(model) as recorder:
        for way in ways:
            model.way = way
            model(x).square().mean().backward()
            recorder.end_step()
            h = torch.tanh(model.z) if way == "module" else model.z  # without a module, z stands for h
            expected.append(float(h.square().mean().sqrt()))
    found = recorder.record.activation_rms[0, :, 0]
    # What was overwritten before anybody asked for it is not given, the first time.
    expected[3] = np.nan
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert recorder.record.unmeasured["first"] == reasons.NO_ACTIVATION


@pytest.mark.parametrize("shape", [(1, 64, 2100), (1, 64, 700, 4), (1, 3, 30), (2, 64, 30)])
def test_dead_units_are_counted_whatever_the_first_examples_show(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    for shift in (0.0, 1.0, 2.5, 9.0):
        u = torch.randn(shape, generator=generator) - shift
        u[:, 0, 0] = torch.nan  # of a unit that nothing is known of
        dead = (u.flatten(2) <= 0).all(1).double().mean(1)
        assert saturated_fraction(u, ACTIVATIONS["relu"]).tolist() == dead.tolist()
