"""The table of quantities: what it says of each holds in records, in pictures' axes and in theory."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vanishlab as vl
from vanishlab.plots import axes
from vanishlab.recording import recorded_steps
from vanishlab.recording.quantities import LAYER_QUANTITIES, PREDICTED
from vanishlab.recording.saturation import _silent
from vanishlab.theory import prediction


def test_every_quantity_is_a_field_that_says_what_it_is() -> None:
    assert list(LAYER_QUANTITIES) == [
        "gradient_norm", "bias_gradient_norm", "delta_rms", "activation_mean", "activation_rms", "saturated_fraction",
        "weight_norm", "update_ratio", "zero_fraction", "subnormal_fraction", "applied_gradient_norm", "time_ratio",
        "distinct_share", "delta_distinct_share", "effective_rank", "gradient_coherence",
    ], "the order of data frames' columns, which their readers count on"  # fmt: skip
    for quantity in LAYER_QUANTITIES.values():
        assert quantity.title and (not quantity.label or quantity.label.startswith(quantity.title))
        assert not quantity.unmeasured or not quantity.unmeasured.endswith(".")


class Repeated(nn.Module):
    """One layer, called several times."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(3, 3), calls

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.calls - 1):
            x = torch.tanh(self.layer(x))
        return self.layer(x)


@pytest.mark.parametrize(("calls", "missing"), [(4, set()), (3, {"time_ratio"})])
def test_a_layer_measures_the_quantities_of_the_table_and_no_others(calls: int, missing: set[str]) -> None:
    model = Repeated(calls)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        model(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0]])).sum().backward()
        optimizer.step()
    assert {name for name in LAYER_QUANTITIES if np.isfinite(getattr(recorder.record, name)).all()} == {
        *LAYER_QUANTITIES
    } - missing


def test_what_the_table_says_is_never_negative_is_not_and_the_rest_is(data: vl.Dataset) -> None:
    made = vl.train(vl.NetworkConfig(3, 5), vl.TrainingConfig((0.1, 1.0), seeds=(0, 1), steps=5), data)
    for name, quantity in LAYER_QUANTITIES.items():
        values = getattr(made, name)
        assert quantity.never_negative != bool((values < 0).any()), name


@pytest.mark.parametrize("runs", [1, 2])
def test_silent_units_are_counted_in_every_run_of_a_large_batch(runs: int) -> None:
    # From 131,072 entries on one run is looked at twice: few examples, then the units that were silent there.
    u = torch.rand(runs, 4096, 64)
    for run in range(runs):
        u[run, :, : 5 + run] *= -1.0
        u[run, 4000, 5 + run] = 1.0
        u[run, :4000, 5 + run] = -1.0  # it is alive, but late
    assert _silent(u).tolist() == [5.0, 6.0][:runs]


def test_pictures_refuse_a_quantity_without_a_label() -> None:
    assert all(LAYER_QUANTITIES[name].label for name in axes.DRAWN) and {*PREDICTED} <= {*axes.DRAWN}
    with pytest.raises(vl.InputError, match="^quantity must be one of 'gradient_norm', .* got 'activation_mean'"):
        axes.check_quantity("activation_mean")


def test_theory_predicts_what_the_table_calls_predicted() -> None:
    assert prediction._QUANTITIES == PREDICTED


LATER = (
    "applied_gradient_norm", "time_ratio", "distinct_share", "delta_distinct_share", "effective_rank",
    "gradient_coherence",
)  # fmt: skip


def arrays(runs: int = 2, steps: int = 3, layers: int = 4) -> dict[str, Any]:
    """What a record of version 0.1.0 was made of."""
    return {
        **{name: np.ones((runs, steps, layers)) for name in LAYER_QUANTITIES if name not in LATER},
        "learning_rate": np.full(runs, 0.1),
        "seed": np.arange(runs),
        "diverged_step": np.full(runs, -1),
        "step": np.arange(steps),
        "layer": np.arange(1, layers + 1),
        "loss": np.zeros((runs, steps)),
        "accuracy": np.zeros((runs, steps)),
        "test_step": np.zeros(0, dtype=np.int64),
        "test_accuracy": np.zeros((runs, 0)),
        "layer_names": tuple("abcd"),
    }


def test_what_was_added_later_may_be_left_out_and_is_nan() -> None:
    for made in (vl.Record(**arrays()), vl.Record(**arrays(), time_ratio=None, sharpness=None)):
        for values in (getattr(made, name) for name in LATER):
            assert values.shape == (2, 3, 4) and values.dtype == np.float64 and np.isnan(values).all()
        assert made.time_ratio is made.time_ratio, "an array that is kept, not a new one at each look"
        assert made.sharpness.shape == (2, 0)


def test_what_was_added_later_is_kept_where_it_is_given_and_checked() -> None:
    assert (vl.Record(**arrays(), time_ratio=np.full((2, 3, 4), 0.5)).time_ratio == 0.5).all()
    with pytest.raises(vl.InputError, match=r"^time_ratio must have 4 entries on axis layer, got shape \(2, 3, 5\)$"):
        vl.Record(**arrays(), time_ratio=np.zeros((2, 3, 5)))


def test_what_is_no_later_addition_must_be_given() -> None:
    for name in ("gradient_norm", "update_ratio", "layer_names"):
        with pytest.raises(TypeError, match=name):
            vl.Record(**{key: value for key, value in arrays().items() if key != name})


def test_a_long_recording_is_made_into_quantities_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def record() -> vl.Record:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with vl.GradientRecorder(model, optimizer) as recorder:
            for step in range(9):
                optimizer.zero_grad()
                model(torch.randn(1 if step in (3, 4) else 5, 3)).square().mean().backward()  # two shapes
                optimizer.step()
        return recorder.record

    whole = record()
    monkeypatch.setattr(recorded_steps, "_MOST_RAW", 100)  # two steps or three
    for name in LAYER_QUANTITIES:
        np.testing.assert_array_equal(getattr(record(), name), getattr(whole, name), err_msg=name)
