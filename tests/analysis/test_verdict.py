"""The verdict: the zoo's bar, what must not change it, and what stands in a diagnosis."""

import dataclasses
import math
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo
from torch import nn
from torch.nn import functional
from zoo_models import HE, clusters, layer, mlp

import vanishlab as vl
from vanishlab.analysis.examine import evidence_of_batch
from vanishlab.analysis.rules.decay import fit_decay
from vanishlab.analysis.rules.depth import find_time
from vanishlab.analysis.verdict import VERDICTS
from vanishlab.recording import reasons
from vanishlab.recording.quantities import LAYER_QUANTITIES

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "experiments/benchmarks/verdicts.py"))
BATCH = clusters()


def names_of(model: nn.Module, loss: Any = functional.cross_entropy, batch: Any = BATCH) -> tuple[str, ...]:
    return vl.examine(model, loss, batch).names


def bar(cases: tuple[zoo.Case, ...], seeds: int) -> None:
    confusion, scores, misses = BENCHMARK["measure"](cases, seeds)
    total = sum(confusion.values())
    named, asked, alarms = scores.pop("vl.diagnose")
    assert named >= 0.95 * total and alarms == 0, misses
    assert all(named > score[0] and asked > score[1] for score in scores.values())


@pytest.mark.slow
def test_the_held_out_half_of_the_zoo_meets_its_bar_ahead_of_published_rules() -> None:
    bar(zoo.held_out(), 1)


@pytest.mark.slow
def test_the_whole_zoo_meets_it_in_other_draws() -> None:
    bar(zoo.CASES, 2)


def test_the_zoo_is_large_and_has_every_verdict() -> None:
    assert len(zoo.CASES) >= 60 and len({one.name for one in zoo.CASES}) == len(zoo.CASES)
    assert {one.label for one in zoo.CASES} == set(VERDICTS) == {one.label for one in zoo.held_out()}


def test_the_published_rules_are_what_they_say() -> None:
    rules = {name: BENCHMARK[name] for name in ("mean_rule", "ratio_rule", "zeros_rule")}
    assert rules["mean_rule"]((np.full(4, 1.1e-7), np.full(4, -0.9e-7))) == "vanishing"
    assert rules["mean_rule"]((np.full(4, 1.1e-7),)) == "healthy"
    one, small = np.ones(1), np.full(1, 0.9e-4)
    assert rules["ratio_rule"]((small, one)) == "vanishing" and rules["ratio_rule"]((2 * small, one)) == "healthy"
    assert rules["ratio_rule"]((71 * one, one)) == "exploding" and rules["ratio_rule"]((69 * one, one)) == "healthy"
    assert rules["zeros_rule"]((np.array([0.0] * 7 + [1.0] * 3),)) == "dead"
    assert rules["zeros_rule"]((np.array([0.0] * 6 + [1.0] * 4),)) == "healthy"


# What must not change a verdict.

INVARIANT = [
    each
    for each in zoo.CASES
    if each.training is None and each.label not in ("underflow", "overflow", "converged") and "float16" not in each.name
]


@pytest.mark.parametrize("factor", [1e-6, 1e5])
def test_a_constant_before_the_loss_changes_nothing(factor: float) -> None:
    for one in INVARIANT[::9]:
        torch.manual_seed(1)
        names = zoo.look(one).diagnosis.names
        torch.manual_seed(1)
        scaled = zoo.look(zoo.variant(one, factor)).diagnosis.names
        assert names == scaled or "underflow" in (*names, *scaled), one.name  # underflow is about absolute size


@pytest.mark.parametrize(
    ("make", "label"),
    [
        (lambda width: mlp(10, width), "healthy"),
        (lambda width: mlp(10, width, nn.Sigmoid, "default"), "vanishing"),
        (lambda width: mlp(12, width, gain=0.7, bias=None), "masked vanishing"),
        (lambda width: mlp(12, width, gain=2 * HE), "exploding"),
        (lambda width: mlp(4, width, nn.Tanh, 10.0), "saturated"),
        (lambda width: mlp(4, width, bias=-20.0), "dead"),
        (lambda width: mlp(4, width, nn.Tanh, "constant 0.1"), "symmetric"),
    ],
)
def test_neither_width_nor_batch_size_changes_it(make: Any, label: str) -> None:
    torch.manual_seed(2)
    assert {names_of(make(width))[0] for width in (48, 96, 400)} == {label}
    model = make(64)
    assert {names_of(model, batch=clusters(n))[0] for n in (8, 40, 300)} == {label}


def test_the_order_in_which_modules_are_listed_changes_nothing() -> None:
    class Listed(nn.Module):
        def __init__(self, order: list[int], layers: list[nn.Linear]) -> None:
            super().__init__()
            for index in order:
                self.add_module(f"layer{index}", layers[index])

        def forward(self, h: torch.Tensor) -> torch.Tensor:
            for index in range(8):
                h = torch.sigmoid(self.get_submodule(f"layer{index}")(h))
            return self.get_submodule("layer8")(h)

    torch.manual_seed(3)
    layers = [layer(20 if index == 0 else 64, 5 if index == 8 else 64, 1.0) for index in range(9)]
    found = [vl.examine(Listed(order, layers), functional.cross_entropy, BATCH)
             for order in (list(range(9)), list(range(8, -1, -1)), [4, 0, 8, 2, 6, 1, 3, 5, 7])]  # fmt: skip
    assert found[0].names == ("vanishing", "collapsed") and found[0] == found[1] == found[2]
    assert found[0].layer_names == tuple(f"layer{index}" for index in range(9))


# The evidence.


def test_a_bad_block_inside_a_healthy_net_is_named() -> None:
    torch.manual_seed(4)
    model = zoo.bad_block(nn.Sigmoid, 0.2)  # at 12, 14 and 16 in the sequence, delta is lost on the way to 10
    verdict, collapsed = vl.examine(model, functional.cross_entropy, BATCH).verdicts
    assert (verdict.name, collapsed.name) == ("vanishing", "collapsed")
    assert {"12", "14", "16"} <= set(verdict.layers) <= {"10", "12", "14", "16", "18"}


def test_reasons_for_no_gradient_are_told_apart() -> None:
    found = {}
    for one in zoo.CASES:
        if one in zoo.SICK and one.label == "no gradient":
            (verdict,) = zoo.look(one).diagnosis.verdicts
            found[one.name] = (verdict.cause, len(verdict.layers))
    assert found == {
        "all frozen": ("frozen", 7),
        "detached half way": ("detached", 5),
        "lower half under no_grad": ("detached", 5),
        "a side branch that is not called": ("unused", 3),
        "detached, trained 10 steps": ("detached", 5),
    }


def test_a_reason_is_known_by_its_sentence_and_not_by_a_word_in_it(tmp_path: Path) -> None:
    model = mlp(4)
    model[0].requires_grad_(False)
    with vl.GradientRecorder(model) as recorder:
        functional.cross_entropy(model(BATCH[0]), BATCH[1]).backward()
        recorder.end_step()
    record = recorder.record

    def causes(reason: str) -> tuple[set[str], int]:
        saved = dataclasses.replace(record, unmeasured={"0": reason}).save(tmp_path / "record.npz")
        diagnosis = vl.diagnose(vl.Record.load(saved))
        return {verdict.cause for verdict in diagnosis.verdicts} - {""}, len(diagnosis.notes)

    assert record.unmeasured["0"] == reasons.FROZEN and causes(reasons.FROZEN) == (set(), 1)  # on purpose: a note
    assert causes("no gradient: its output is frozen in a cache") == ({"detached"}, 0)


def test_the_numbers_behind_a_verdict_are_those_of_the_record() -> None:
    network = vl.NetworkConfig(depth=15, width=32)
    record = vl.train(network, vl.TrainingConfig(steps=0), vl.load_data("moons", max_examples=64))
    diagnosis = vl.diagnose(record)
    verdict, collapsed = diagnosis.verdicts
    assert collapsed.evidence["distinct share"] == record.distinct_share[0, 0, 14] < 1e-10
    norms = np.log10(record.delta_rms[0, 0] * np.sqrt([*[32] * 15, 2]))  # of a layer's units together
    assert verdict.name == "vanishing" and not diagnosis.healthy
    assert verdict.evidence["decades, last to first layer"] == pytest.approx(norms[-1] - norms[0], rel=1e-12)
    assert verdict.evidence["low (95 %)"] < verdict.evidence["decades per layer"] < verdict.evidence["high (95 %)"]


def test_a_record_of_several_runs_says_which_run_is_which(tmp_path: Path) -> None:
    network = vl.NetworkConfig(depth=4, width=32, activation="relu", initialization="kaiming_normal")
    training = vl.TrainingConfig(learning_rates=(1e-9, 0.02, 1e3), steps=10)
    record = vl.train(network, training, vl.load_data("moons", max_examples=64))
    diagnosis = vl.diagnose(record)
    assert {verdict.name: verdict.runs for verdict in diagnosis.verdicts} == {
        "diverging": (2,), "frozen updates": (0,), "healthy": (1,),
    }  # fmt: skip
    assert vl.diagnose(vl.Record.load(record.save(tmp_path / "record.npz"))) == diagnosis
    assert "runs 2" in str(diagnosis)


def test_a_record_without_facts_is_judged_by_what_it_has() -> None:
    network = vl.NetworkConfig(depth=15, width=32)
    record = vl.train(network, vl.TrainingConfig(steps=0), vl.load_data("moons", max_examples=64))
    bare = dataclasses.replace(record, facts={})
    assert vl.diagnose(bare).names == ("vanishing", "collapsed")


def test_a_live_recorder_can_be_asked_in_the_middle_of_a_run() -> None:
    torch.manual_seed(5)
    model = mlp(8, 64, nn.Sigmoid, "default")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        assert vl.diagnose(recorder.record).names == ("not enough evidence",)
        for _ in range(3):
            optimizer.zero_grad()
            functional.cross_entropy(model(BATCH[0]), BATCH[1]).backward()
            optimizer.step()
        assert vl.diagnose(recorder.record).names == ("vanishing", "collapsed")


def test_thresholds_can_be_moved() -> None:
    torch.manual_seed(6)
    model = mlp(5, 64, nn.Sigmoid, "default")
    assert vl.examine(model, functional.cross_entropy, BATCH).names == ("vanishing",)
    patient = vl.Thresholds(lost_decades=20.0)
    assert vl.examine(model, functional.cross_entropy, BATCH, thresholds=patient).names == ("healthy",)


def test_a_diagnosis_reads_as_a_table_and_names_remedies() -> None:
    torch.manual_seed(7)
    sick = vl.examine(mlp(12, 64, nn.Sigmoid, "default"), functional.cross_entropy, BATCH)
    text = str(sick)
    assert text.startswith("delta is multiplied by 0.14") and "vanishing" in text and "0 … 24 (13 layers)" in text
    assert [remedy.name for remedy in sick.remedies][:2] == ["activation swap", "normalisation"]
    well = vl.examine(mlp(5), functional.cross_entropy, BATCH)
    assert well.healthy and well.remedies == () and "healthy" in str(well)


@pytest.mark.parametrize("label", VERDICTS)
def test_every_sickness_has_a_remedy_and_a_sentence(label: str) -> None:
    one = next(each for each in zoo.CASES if each.label == label)
    diagnosis = zoo.look(one).diagnosis
    assert bool(diagnosis.remedies) == (label not in ("healthy", "converged", "levelled out", "not enough evidence"))
    assert all(verdict.sentence.endswith(".") for verdict in diagnosis.verdicts)
    assert all(isinstance(value, float) for verdict in diagnosis.verdicts for value in verdict.evidence.values())


def test_an_empty_record_is_not_enough() -> None:
    model = mlp(3)
    record = vl.GradientRecorder(model).record
    assert vl.diagnose(record).names == ("not enough evidence",)
    assert math.isnan(vl.diagnose(record).decay.rate)
    assert all(getattr(record, name).size == 0 for name in LAYER_QUANTITIES)


@pytest.mark.parametrize(("depth", "said"), [(1, "keeps its size"), (3, "times smaller in the first of 4 layers")])
def test_a_healthy_verdict_says_by_how_much_delta_changes(depth: int, said: str) -> None:
    network = vl.NetworkConfig(depth, 64, "sigmoid")
    start = vl.train(network, vl.TrainingConfig(steps=0), vl.load_data("digits", max_examples=64))
    (verdict,) = vl.diagnose(start, thresholds=vl.Thresholds(least_layers=2)).verdicts
    assert verdict.name == "healthy" and said in verdict.sentence


def test_what_no_float_holds_is_told_in_decades() -> None:
    network = vl.NetworkConfig(depth=380, width=16, dtype="float64")
    record = vl.train(network, vl.TrainingConfig(steps=0), vl.load_data("digits", max_examples=16))
    diagnosis = vl.diagnose(record)
    assert diagnosis.decay.total > 308  # 10 to this power is more than a float64
    (verdict,) = [verdict for verdict in diagnosis.verdicts if verdict.name == "vanishing"]
    told = re.search(r"by a factor of (\d\.\d)e\+(\d+) ", verdict.sentence)
    assert told is not None
    assert math.log10(float(told[1])) + int(told[2]) == pytest.approx(diagnosis.decay.total, abs=0.05)
    str(diagnosis)


def test_the_headline_gives_what_delta_is_multiplied_by_with_its_interval() -> None:
    profile = np.linspace(-9.0, 0.0, 10) + np.tile([0.05, -0.05], 5)
    decay = fit_decay(profile)
    told = vl.Diagnosis((), decay, tuple("abcdefghij"), 1).headline
    factor, low, high = (float(each) for each in re.findall(r"\d\.\d+", told)[:3])
    assert 0.0 < low < factor < high < 1.0 and factor == pytest.approx(10.0**-decay.rate, rel=1e-2)
    assert (low, high) == pytest.approx((10.0**-decay.high, 10.0**-decay.low), rel=1e-2)
    assert "by 1.26e-09 over 10 layers" in told


@pytest.mark.parametrize(("decades", "name"), [(6.5, None), (7.3, "vanishing"), (-1.0, None), (-9.0, "exploding")])
def test_the_line_of_time_is_where_it_says(decades: float, name: str | None) -> None:
    evidence, _ = evidence_of_batch(mlp(2, 8), functional.cross_entropy, BATCH)
    through = dataclasses.replace(evidence, through_time={"rnn": np.linspace(-decades, 0.0, 8)})
    found = [each.name for each in find_time(through, vl.Thresholds())]
    assert found == ([] if name is None else [name])
