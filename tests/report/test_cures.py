"""The lines to paste in a report: executed, they make the record's network and mend it."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.recording.record import Record

pytest.importorskip("jinja2", reason="the extra vanishlab[report] is not installed")

from vanishlab.report.cures import cures_of
from vanishlab.report.sources import open_sources
from vanishlab.report.write import render

DATA = vl.load_data("digits", max_examples=64)
BATCH = torch.tensor(DATA.x, dtype=torch.float32), torch.tensor(DATA.y)


def trained(data: vl.Dataset = DATA, /, **network: Any) -> Record:
    config = vl.NetworkConfig(**{"depth": 8, "width": 16, **network})
    return vl.train(config, vl.TrainingConfig((0.1,), (3,), steps=1), data)


def test_the_opening_makes_the_network_that_was_recorded() -> None:
    for changes in (
        {},
        {"initialization": "orthogonal", "sigma_w": 1.5},
        {"residual": "learned", "activation": "relu"},
    ):
        record = trained(**changes)
        known: dict[str, nn.Module] = {}
        exec(cures_of(record).opening, known)
        with vl.GradientRecorder(known["model"]) as recorder:
            functional.cross_entropy(known["model"](BATCH[0]), BATCH[1]).backward()
            recorder.end_step()
        assert recorder.record.loss[0, 0] == pytest.approx(record.loss[0, 0], rel=1e-5)  # float32, another summation
        assert recorder.record.delta_rms[0, 0] == pytest.approx(record.delta_rms[0, 0], rel=1e-4)


def test_after_the_paste_examine_finds_less_lost() -> None:
    record = trained()
    cures, diagnosis = cures_of(record), vl.diagnose(record)
    assert "vanishing" in diagnosis.names
    for remedy in diagnosis.remedies:
        known: dict[str, nn.Module] = {}
        exec(f"{cures.opening}\n{cures.code[remedy.name]}", known)
        after = vl.examine(known["model"], functional.cross_entropy, BATCH)
        assert after.decay.total < diagnosis.decay.total, remedy.name


def test_the_page_shows_the_lines_once_each() -> None:
    record = trained()
    cures = cures_of(record)
    page = render(open_sources({"mine": record}))
    for remedy in vl.diagnose(record).remedies:
        first = cures.code[remedy.name].splitlines()[0].replace("'", "&#39;")
        assert first in page
    assert page.count("seeds=(3,)).single()") == 1


def test_nothing_is_offered_for_what_is_well() -> None:
    assert ".single()" not in render(open_sources({"mine": trained(depth=2, activation="tanh")}))


def test_of_a_model_of_ones_own_the_page_says_where_the_lines_are() -> None:
    model = nn.Sequential(*[part for _ in range(12) for part in (nn.Linear(64, 64), nn.Sigmoid())], nn.Linear(64, 10))
    with vl.GradientRecorder(model) as recorder:
        functional.cross_entropy(model(BATCH[0]), BATCH[1]).backward()
        recorder.end_step()
    cures = cures_of(recorder.record)
    assert cures.opening == "" and "clipping" in cures.code and "normalisation" not in cures.code
    assert "vl.examine(model, loss_fn, batch)" in render(open_sources({"mine": recorder.record}))


def test_of_data_that_have_no_name_the_sizes_are_unknown() -> None:
    elsewhere = vl.Dataset(DATA.x[:, :7], DATA.y, name="elsewhere")
    assert cures_of(trained(elsewhere)).opening == ""
