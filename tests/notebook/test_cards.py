"""What a cell shows of each object: whole HTML, everything escaped, no colour that one of two themes would swallow."""

import html.parser
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import style
from torch import nn, randn

import vanishlab as vl
from vanishlab.language.sentences import speaking
from vanishlab.notebook import markup

VOID = {"br", "path", "use", "rect", "circle", "stop", "line", "image", "polyline"}
EVIL = '<script>alert("1")</script>&'


class Page(html.parser.HTMLParser):
    """Reads HTML and keeps its tags and its text; fails where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def shown(thing: object) -> Page:
    return Page(getattr(thing, "_repr_html_")())  # noqa: B009


@pytest.fixture(scope="module")
def record() -> vl.Record:
    training = vl.TrainingConfig(learning_rates=(0.1, 1e30), seeds=(0, 1), steps=2, device="cpu")
    network = vl.NetworkConfig(depth=6, width=5, activation="relu")
    return vl.train(network, training, vl.load_data("moons", max_examples=16))


def test_a_record_says_what_was_run_and_its_verdict_over_a_picture(record: vl.Record) -> None:
    page = shown(record)
    for words in ("6 hidden relu layers, width 5", "runs: 4, layers: 7, recorded steps: 3", "learning rates: 0.1"):
        assert words in page.text
    assert f"verdict: {', '.join(vl.diagnose(record).names)}" in page.text and vl.diagnose(record).headline in page.text
    assert page.tags.count("svg") == 1 and "1e+30 (1 of 2 diverged)" in page.text
    assert "delta RMS, ∂loss/∂z" in page.text  # the picture's letters are letters


def test_the_picture_is_in_the_colours_of_the_page_in_any_style(record: vl.Record) -> None:
    plain = getattr(record, "_repr_html_")()  # noqa: B009
    assert not re.search(r"#([0-9a-f]{2})\1\1\b", plain) and "#000" not in plain and "currentColor 10%" in plain
    colors = re.findall(r"(color-mix\(in srgb,)?#[0-9a-f]{6}( 70%,currentColor\))?", plain)
    assert colors and all(before and after for before, after in colors)  # the data's: lighter on dark, darker on light
    with style.context("dark_background"):
        assert getattr(record, "_repr_html_")() == plain  # noqa: B009


def test_names_from_outside_are_escaped() -> None:
    model = nn.Sequential()
    model.add_module(EVIL.replace(".", ""), nn.Linear(3, 4))
    model.add_module("b", nn.Linear(4, 2))
    model[0].requires_grad_(False)
    with vl.GradientRecorder(model) as recorder:
        model(randn(5, 3)).sum().backward()
        recorder.end_step()
    for thing in (recorder.record, vl.diagnose(recorder.record)):
        page = shown(thing)
        assert "script" not in page.tags and EVIL in page.text


def test_every_place_for_text_is_escaped() -> None:
    page = Page(markup.card(EVIL, markup.lines([EVIL, ""]), markup.table([EVIL], [[EVIL], [EVIL]])))
    assert "script" not in page.tags and page.text.count(EVIL) == 5


def test_a_record_without_steps_has_no_picture(record: vl.Record) -> None:
    empty = record.select(step=())
    assert "svg" not in shown(empty).tags and "recorded steps: 0" in shown(empty).text


def test_a_diagnosis_shows_its_table(record: vl.Record) -> None:
    diagnosis = vl.diagnose(record)
    page = shown(diagnosis)
    assert page.tags.count("tr") == 1 + len(diagnosis.verdicts)
    for words in (*diagnosis.names, diagnosis.verdicts[0].sentence, *(f"{each.change}" for each in diagnosis.remedies)):
        assert words in page.text
    first, second = repr(diagnosis).split("\n")
    assert first == f"Diagnosis: {', '.join(diagnosis.names)}" and second == f"  {diagnosis.headline}"


def test_a_prediction_shows_its_curves() -> None:
    prediction = vl.predict(vl.NetworkConfig(depth=3, width=5), vl.load_data("moons", max_examples=16))
    page = shown(prediction)
    assert "3 hidden sigmoid layers, width 5" in page.text and "16 examples of moons" in page.text
    assert f"χ = {prediction.chi:.3g}" in page.text and page.tags.count("svg") == 1


def test_a_sweep_says_how_much_there_is_and_what_varies(tmp_path: Path) -> None:
    training = vl.TrainingConfig(learning_rates=(0.1, 0.3), steps=1, device="cpu")
    networks = vl.Grid(depth=(1, 2), width=(3,))
    for _ in vl.sweep(networks, training, vl.load_data("moons", max_examples=8), out=tmp_path / "<a>", workers=1):
        pass
    sweep = vl.load_sweep(tmp_path / "<a>")
    assert repr(sweep) == f"Sweep of 4 runs of 2 networks in {tmp_path / '<a>'}\n  depth 1, 2; learning_rate 0.1, 0.3"
    page = shown(sweep)
    assert f"runs: 4, networks: 2, in {tmp_path / '<a>'}" in page.text and page.tags.count("tr") == 3
    one = sweep.select(depth=1, learning_rate=0.1)
    assert "\n" not in repr(one) and "table" not in shown(one).tags


def test_the_remedies_show_their_table() -> None:
    def build() -> nn.Module:
        return nn.Sequential(*[each for _ in range(6) for each in (nn.Linear(4, 4), nn.Sigmoid())], nn.Linear(4, 2))

    x = randn(8, 4)
    remedies = vl.try_remedies(build, nn.functional.mse_loss, [(x, randn(8, 2))], steps=1, seeds=(0, 1))
    page = shown(remedies)
    assert page.tags.count("tr") == 2 + len(remedies.trials) and remedies.trials[0].name in page.text
    assert all(reason in page.text for reason in remedies.not_tried.values())
    assert repr(remedies).startswith(f"RemedyTable of {len(remedies.trials)} remedies, after 1 steps;")


def test_all_of_it_is_said_in_chinese(record: vl.Record) -> None:
    with speaking("zh"):
        text = shown(record).text
    assert "运行次数：4" in text and "诊断：" in text and not re.search("runs|verdict|learning rate", text)
    assert np.isfinite(record.loss[0]).all()
