"""What is known of each activation by name, against quadrature and the oracle's own bounds."""

import dataclasses
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import torch
from comparison import ACTIVATIONS as NAMES
from matplotlib.text import Text
from torch import nn

import vanishlab as vl
from vanishlab import plots
from vanishlab.activations import ACTIVATIONS, find_activation
from vanishlab.analysis.remedies.surgery import draw_weights
from vanishlab.network.activation_modules import Phi, activation_module, activation_of
from vanishlab.recording.saturation import saturated_fraction

TORCH_HAS_A_GAIN: tuple[Any, ...] = ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu")


def test_every_activation_is_in_the_table_under_its_own_name() -> None:
    assert set(ACTIVATIONS) == set(NAMES)
    assert all(activation.name == name for name, activation in ACTIVATIONS.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_gain_is_torchs_or_keeps_the_second_moment(name: str) -> None:
    if name in TORCH_HAS_A_GAIN:
        expected = nn.init.calculate_gain(TORCH_HAS_A_GAIN[TORCH_HAS_A_GAIN.index(name)])
    else:
        expected = second_moment(name) ** -0.5
    assert ACTIVATIONS[name].gain == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "relu"])
def test_the_saturation_bounds_are_where_the_slope_is_a_hundredth(name: str) -> None:
    known = ACTIVATIONS[name]
    low, high = reference.SATURATION[name]
    # Roots of smooth functions, given to 16 digits; gelu's by bisection, good to its slope's rounding.
    assert known.saturated_below == pytest.approx(low, rel=1e-12)
    assert known.saturated_above == pytest.approx(high, rel=1e-12)
    assert not known.can_die


def second_moment(name: str) -> float:
    # The midpoint rule on +-12 in steps of 1e-4: 1e-9 or better, kinks included; beyond, the density is 1e-32.
    grid = np.arange(-12, 12, 1e-4) + 5e-5
    density = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    return float(np.sum(reference.ACTIVATIONS[name](grid)[0] ** 2 * density) * 1e-4)


@pytest.mark.parametrize("name", [name for name in NAMES if not ACTIVATIONS[name].bounded])
def test_an_unbounded_phi_knows_the_gain_that_keeps_the_second_moment(name: str) -> None:
    known = ACTIVATIONS[name]
    assert (known.second_moment_gain or known.gain) == pytest.approx(second_moment(name) ** -0.5, rel=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_what_an_entry_says_of_phis_shape_is_so(name: str) -> None:
    known, u = ACTIVATIONS[name], np.linspace(0.05, 9, 180)
    value, mirrored = reference.ACTIVATIONS[name](u)[0], reference.ACTIVATIONS[name](-u)[0]
    assert known.odd == np.allclose(value, -mirrored)
    assert known.bounded == (np.abs(reference.ACTIVATIONS[name](np.array([-1e6, 1e6]))[0]).max() < 2)
    wider = reference.ACTIVATIONS[name](3 * np.concatenate([u, -u]))[0]
    assert known.scale_free == np.allclose(wider, 3 * np.concatenate([value, mirrored]))
    if known.leak is not None:
        np.testing.assert_allclose(mirrored, -known.leak * u)
    assert known.at_zero == pytest.approx(tuple(map(float, reference.ACTIVATIONS[name](np.array(0.0)))), abs=1e-15)
    # The quick formulas of both halves agree with the plain ones, to rounding of the largest.
    for half, x, part in zip(known.halves(u), (u, -u, u, -u), (0, 0, 1, 1), strict=True):
        np.testing.assert_allclose(half, reference.ACTIVATIONS[name](x)[part], atol=1e-14)
    for sign in (1, -1):
        around = np.array([sign * kink + side for kink in (1.0, *known.kinks) for side in (-1e-6, 1e-6)])
        jumps = np.abs(np.diff(reference.ACTIVATIONS[name](around)[1])[::2]) > 1e-3
        assert jumps.any() == bool(known.kinks)
    assert known.closed_form or not known.kinks  # quadrature allows for a kink at 0 alone
    assert pickle.loads(pickle.dumps(known)) is known


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(
        vl.InputError, match=r"^activation must be one of 'linear', .*, got 'mihs' \(did you mean 'mish"
    ):
        find_activation("mihs")


def test_mish_is_trained_recorded_examined_and_drawn_by_its_one_entry() -> None:
    # Its training is held against the oracle with the others' (test_training), and its prediction against measured
    # networks (test_theory_prediction); its name stands nowhere else in the package but in the compiled engine.
    package = Path(vl.__file__).parent
    named = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py") if "mish" in path.read_text("utf-8")
    }
    assert named == {"activations.py", "training/engine/functions.py"}
    data = vl.load_data("digits", max_examples=64)
    network = vl.NetworkConfig(depth=3, width=16, activation="mish", initialization="kaiming_normal")
    record = vl.train(network, vl.TrainingConfig(steps=20), data)
    assert record.loss[0, -1] < record.loss[0, 0] - 0.1
    prediction = vl.predict(network, data)
    for figure in (plots.three_curves(record), plots.prediction_figure(prediction, record)):
        assert "mish" in " ".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))


@pytest.mark.parametrize("called", [nn.Mish(), nn.functional.mish], ids=["module", "function"])
def test_an_examined_model_with_mish_has_its_saturation_and_its_cure(called: Any) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(20)])
            self.phi = called if isinstance(called, nn.Module) else None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = called(layer(x))
            return x

    generator = torch.Generator().manual_seed(0)
    model = Model()
    for layer in model.layers:
        nn.init.normal_(layer.get_parameter("weight"), 0.0, 0.1, generator=generator)
    x, y = torch.randn(32, 8, generator=generator), torch.randint(0, 8, (32,), generator=generator)
    found = vl.examine(model, nn.functional.cross_entropy, (x, y))
    assert found.phi == ("mish",) and "vanishing" in found.names
    assert found.remedies[0].name == "matched initialisation"
    draw_weights(model, {"layers.0": "mish"})
    first, last = (model.layers[place].get_parameter("weight") for place in (0, -1))
    # 64 draws of variance gain^2 / fan_in: five standard errors of a standard deviation, 5 / sqrt(128).
    assert first.std().item() == pytest.approx(1.4868 / 8**0.5, rel=0.45)
    torch.testing.assert_close(last @ last.T, torch.eye(8))


def test_only_relu_units_die() -> None:
    assert [name for name in NAMES if ACTIVATIONS[name].can_die] == ["relu"]


@pytest.mark.parametrize("name", NAMES)
def test_torchs_module_has_the_oracles_values_and_slopes(name: str) -> None:
    u = torch.linspace(-30, 30, 6001, dtype=torch.float64, requires_grad=True)
    h = activation_module(name)(u)
    (slope,) = torch.autograd.grad(h.sum(), u)
    value, expected_slope = reference.ACTIVATIONS[name](u.detach().numpy())
    # A few roundings of numbers up to 30; the oracle's erf and exp are the C library's.
    np.testing.assert_allclose(h.detach(), value, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_saturated_fraction_counts_entries_beyond_the_bounds_and_for_relu_dead_units(name: str) -> None:
    # (run, example, unit), spread so that every bound is crossed; unit 0 of run 1 is negative throughout.
    u = torch.randn(3, 40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 6
    u[1, :, 0] = -u[1, :, 0].abs()
    u[2, :, 1] = 0.0  # where a ReLU passes nothing either
    found = saturated_fraction(u, ACTIVATIONS[name])
    expected = [reference.saturated_fraction(name, part.numpy()) for part in u]
    assert found.tolist() == pytest.approx(expected, abs=1e-15)
    if name == "relu":
        assert expected == pytest.approx([0.0, 1 / 6, 1 / 6])
    elif name not in ("linear", "leaky_relu"):
        assert min(expected) > 0.05


def test_an_activation_that_saturates_above_alone_is_counted_there() -> None:
    u = torch.tensor([[[-9.0, -1.0, 1.0, 9.0]]])
    for below, share in ((-math.inf, 0.25), (-2.0, 0.5)):
        known = dataclasses.replace(ACTIVATIONS["tanh"], saturated_below=below, saturated_above=2.0)
        assert saturated_fraction(u, known).tolist() == [share]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "linear"])
def test_the_activation_of_a_module_is_known_whether_torchs_or_the_labs(name: str) -> None:
    for module in (activation_module(name), Phi(name)):
        known = activation_of(module)
        assert known is not None and known.name == name


def test_other_modules_are_no_activations() -> None:
    assert activation_of(nn.Linear(1, 1)) is None and activation_of(nn.Dropout()) is None


@pytest.mark.parametrize("shape", [(1,), (5, 0), (2, 3, 5), (7, 31), (3, 4, 8), ()], ids=str)
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_phi_keeps_the_shape_whatever_it_is(name: str, shape: tuple[int, ...]) -> None:
    u = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    h = Phi(name)(u)
    assert h.shape == u.shape
    torch.testing.assert_close(h, activation_module(name)(u))
    (slope,) = torch.autograd.grad(h.sum(), u)
    assert slope.shape == u.shape


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("name", ["sigmoid", "elu", "selu", "gelu", "silu", "softplus"])
def test_phis_bits_depend_neither_on_the_place_in_the_tensor_nor_on_the_threads(
    name: str, threads: int, set_threads
) -> None:
    # Sizes around the 32,768 entries that torch gives a thread at least; the alone-run is the first 1,000 of each.
    for entries in (1_000, 33_001, 50_003, 70_001, 98_337, 131_149):
        u = torch.randn(entries, generator=torch.Generator().manual_seed(entries))
        set_threads(threads)
        together = Phi(name)(u)
        set_threads(1)
        pieces = torch.cat([Phi(name)(piece) for piece in u.split(1_013)])
        assert torch.equal(together, pieces), entries
