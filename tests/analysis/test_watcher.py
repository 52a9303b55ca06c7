"""`Watcher`: planted illnesses are told once, at the step where they were planted, with the layer that moved first."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.analysis.onset import first_departure, first_step_of
from vanishlab.analysis.rules.decay import fit_decay
from vanishlab.analysis.verdict import Verdict
from vanishlab.analysis.watcher import Finding

PLANTED = 60


def build(activation: type[nn.Module] = nn.Tanh, layers: int = 8) -> nn.Sequential:
    torch.manual_seed(0)
    hidden = [part for _ in range(layers - 2) for part in (nn.Linear(32, 32), activation())]
    return nn.Sequential(nn.Linear(10, 32), activation(), *hidden, nn.Linear(32, 3))


def train(
    model: nn.Sequential,
    steps: int = 120,
    plant: Callable[[Any, Any], None] | None = None,
    *,
    every: int = 1,
    **watch: Any,
) -> tuple[vl.Watcher, vl.Record]:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(64, 10, generator=generator), torch.randint(3, (64,), generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with vl.GradientRecorder(model, optimizer, every) as recorder:
        watcher = vl.Watcher(recorder, **watch)
        for step in range(steps):
            if step == PLANTED and plant is not None:
                plant(model, optimizer)
            optimizer.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return watcher, recorder.record


def leap(model: Any, optimizer: Any) -> None:
    optimizer.param_groups[0]["lr"] = 50.0


def saturate(model: Any, optimizer: Any) -> None:
    with torch.no_grad():
        model[4].weight *= 300


def test_a_rate_that_leaps_is_told_with_its_step_and_the_update_that_moved_first() -> None:
    told: list[Finding] = []
    watcher, record = train(build(), plant=leap, on="diverging", call=told.append)
    [finding] = told
    assert watcher.findings == (finding,) and finding.verdict.name == "diverging"
    assert PLANTED <= finding.began <= finding.step <= PLANTED + 20
    assert finding.first is not None
    assert (finding.first.step, finding.first.quantity) == (PLANTED, "update_ratio")
    assert finding.first.decades == pytest.approx(3.0, abs=0.5)  # the rate times 1,000
    # No step before `began` was ill, and `began` is.
    for step, ill in ((finding.began - 1, False), (finding.began, True)):
        names = vl.diagnose(record.select(step=record.step[record.step <= step])).names
        assert ("diverging" in names) == ill


def test_the_layer_in_which_an_illness_was_planted_is_the_first_to_move() -> None:
    watcher, _ = train(build(), plant=saturate, on="saturated", every=2, call=lambda finding: None)
    [finding] = watcher.findings
    assert finding.verdict.layers == ("4",)
    assert finding.first is not None and (finding.first.layer, finding.first.step) == ("4", PLANTED)
    assert "since step" in str(finding) and "of 4, at step 60." in str(finding)


def test_a_healthy_training_is_left_in_peace() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watcher, _ = train(build(layers=5), stop_on="diverging")
    assert watcher.findings == () and watcher.diagnosis is not None and watcher.diagnosis.healthy


def test_what_is_ill_from_the_start_is_told_at_step_0_and_once() -> None:
    with pytest.warns(vl.IllnessWarning, match="^Step 0: vanishing, since step 0. Delta shrinks") as told:
        watcher, _ = train(build(nn.Sigmoid, 10), on="vanishing")
    assert len(told) == 1
    [finding] = watcher.findings
    assert finding.first is None and finding.step == finding.began == 0


def test_it_stops_out_of_the_optimizers_step_and_leaves_no_hook() -> None:
    model = build()
    with pytest.raises(vl.IllnessFound, match="^Step 7") as caught:
        train(model, plant=leap, stop_on=("diverging",), on=())
    assert caught.value.finding.verdict.name == "diverging"
    assert not any(part._forward_hooks for part in model.modules())


def test_a_watcher_that_is_stopped_looks_no_more() -> None:
    model = build()
    recorder = vl.GradientRecorder(model)
    watcher = vl.Watcher(recorder, every=2)
    with recorder:
        for step in range(3):
            if step == 1:
                watcher.stop()
                watcher.stop()
            model(torch.ones(4, 10)).square().mean().backward()
            recorder.end_step()
    assert watcher.diagnosis is not None and recorder.step_ended == []


def test_a_long_run_is_judged_by_its_first_and_latest_steps() -> None:
    _, record = train(build(layers=2), steps=250)
    model = build(layers=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    recorder = vl.GradientRecorder(model, optimizer)
    assert len(recorder.recent(5).step) == 0
    with recorder:
        for _ in range(12):
            functional.cross_entropy(model(torch.ones(4, 10)), torch.arange(4) % 3).backward()
            optimizer.step()
    recent, whole = recorder.recent(5), recorder.record
    assert recent.step.tolist() == [0, 7, 8, 9, 10, 11]
    np.testing.assert_array_equal(recent.delta_rms, whole.delta_rms[:, [0, 7, 8, 9, 10, 11]])
    assert recorder.recent(12).step.tolist() == recorder.recent(None).step.tolist() == list(range(12))
    assert len(record.step) == 250


def test_the_first_step_is_found_by_halves() -> None:
    _, record = train(build(layers=2), steps=40)
    judged: list[int] = []

    def holds(so_far: vl.Record) -> bool:
        judged.append(int(so_far.step[-1]))
        return so_far.step[-1] >= 23

    assert first_step_of(record, holds, 9) == 23 and len(judged) <= 5 and min(judged) > 9
    for first in range(40):
        assert first_step_of(record, lambda so_far, first=first: bool(so_far.step[-1] >= first), -1) == first


def test_an_illness_that_came_and_went_between_two_looks_is_not_the_one_that_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    well = vl.Diagnosis((), fit_decay(np.zeros(3)), ("a", "b", "c"), 1)
    ill = dataclasses.replace(well, verdicts=(Verdict("vanishing", (), "It shrinks."),))

    def diagnose(record: vl.Record, **_: Any) -> vl.Diagnosis:
        return ill if 12 <= record.step[-1] <= 17 or record.step[-1] >= 24 else well

    monkeypatch.setattr("vanishlab.analysis.watcher.diagnose", diagnose)
    watcher, _ = train(build(layers=2), steps=40, call=lambda finding: None)
    [finding] = watcher.findings
    assert (finding.step, finding.began) == (30, 24)


def test_a_course_that_comes_back_has_not_been_left_and_few_steps_are_none() -> None:
    _, record = train(build(layers=2), steps=30)
    steady = np.ones_like(record.delta_rms)
    back, gone = steady.copy(), steady.copy()
    back[:, 12, 1] = 100.0
    gone[:, 20:, 1] = 0.0
    names = ("update_ratio", "gradient_norm", "delta_rms", "activation_rms", "weight_norm")
    flat = dataclasses.replace(record, **dict.fromkeys(names, steady))
    assert first_departure(flat, 25) is None and first_departure(dataclasses.replace(flat, delta_rms=back), 25) is None
    found = first_departure(dataclasses.replace(flat, delta_rms=gone), 25)
    assert found is not None and found[:3] == (record.layer_names[1], "delta_rms", 20) and found.decades == -np.inf
    assert first_departure(dataclasses.replace(flat, delta_rms=gone), 3) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": 0}, "every must be at least 1, got 0"),
        ({"on": "vanishin"}, "on must be one of .*did you mean 'vanishing'"),
        ({"stop_on": ("healthy", "ill")}, "stop_on must be one of .*got 'ill'"),
    ],
)
def test_mistakes_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(vl.InputError, match=f"^{message}"):
        vl.Watcher(vl.GradientRecorder(build()), **settings)


def test_what_cannot_be_watched_is_refused() -> None:
    with pytest.raises(vl.InputError, match="^recorder must be a GradientRecorder, got Sequential"):
        vl.Watcher(build())  # pyright: ignore[reportArgumentType]
    stack = vl.MLP(vl.NetworkConfig(depth=1, width=2), 3, 2, seeds=(0, 1))
    with pytest.raises(vl.InputError, match="^recorder must be of one run, got 2"):
        vl.Watcher(vl.GradientRecorder(stack))
    with pytest.raises(vl.InputError, match="^steps must be at least 1, got 0"):
        vl.GradientRecorder(build()).recent(0)
