"""The playground without its page: settings and their lines, measuring, lessons, words, the server's arguments."""

import ast
import dataclasses
import gc
import re
import shlex
import socket
import string
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import vanishlab as vl
from vanishlab.cli import commands
from vanishlab.language.chinese import CHINESE
from vanishlab.language.chinese_playground import PLAYGROUND
from vanishlab.language.sentences import LANGUAGES, say, speaking
from vanishlab.network.recurrent import Recurrent
from vanishlab.playground import (
    answers,
    conclusions,
    evidence,
    frame,
    lessons,
    measuring,
    page,
    pictures,
    serve,
    through_time,
)
from vanishlab.playground.measuring import Failed, Outdated, measure
from vanishlab.playground.settings import Settings
from vanishlab.playground.stage import Stage
from vanishlab.training.recall import LEARNED, sequences

SMALL = Settings(depth=2, width=6, steps=3, data="moons", examples=16)
ODD = dataclasses.replace(
    SMALL, activation="tanh", initialization="gaussian", sigma_w=1.3, sigma_b=0.2, normalization="layer", residual=0.3,
    learning_rate=0.7, seed=3,
)  # fmt: skip


@pytest.mark.parametrize("settings", [SMALL, ODD])
def test_the_python_lines_give_the_same_bits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr("vanishlab.plots.save_both", lambda _, path: drawn.append(path))
    shown: dict[str, Any] = {}
    exec(settings.python_lines(), shown)
    ours = measure(settings)
    np.testing.assert_array_equal(shown["record"].loss, ours.record.loss)
    np.testing.assert_array_equal(shown["record"].delta_rms, ours.record.delta_rms)
    assert ours.prediction is not None  # BLAS may add in another order with more threads
    np.testing.assert_allclose(shown["prediction"].delta_rms, ours.prediction.delta_rms, rtol=1e-9)
    assert drawn == ["three_curves", "history", "prediction"]


@pytest.mark.parametrize("settings", [SMALL, ODD])
def test_the_shell_line_gives_the_same_bits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(commands, "draw_record", lambda record, folder: None)
    monkeypatch.setattr(sys, "argv", [*shlex.split(settings.shell_line()), "--out", str(tmp_path)])
    commands.main()
    record = vl.Record.load(tmp_path / "record.npz")
    np.testing.assert_array_equal(record.loss, measure(settings).record.loss)


def test_lines_name_only_what_differs_from_the_defaults() -> None:
    assert SMALL.shell_line() == (
        "vanishlab train --depth 2 --width 6 --steps 3 --device cpu --engine autograd --data moons --max-examples 16"
    )
    scaled = dataclasses.replace(SMALL, sigma_w=3.0)  # without effect: torch_default has no scale of its own
    assert scaled.network() == SMALL.network() and scaled.shell_line() == SMALL.shell_line()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"normalization": "batch", "examples": 1}, "batch_size must be at least 2 with normalization 'batch', got 1"),
        ({"initialization": "gaussian", "sigma_w": 0.0}, "sigma_w must be greater than 0, got 0"),
        ({"initialization": "gaussian", "sigma_b": -1.0}, "sigma_b must be at least 0, got -1"),
        ({"data": "digit"}, "data (or the path of an .npz file) must be one of"),
        ({"learning_rate": float("inf")}, "learning_rates must be finite, got inf"),
    ],
)
def test_a_silly_setting_is_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Failed) as failed:
        measure(dataclasses.replace(SMALL, **change))
    assert str(failed.value).startswith(sentence)
    html: list[str] = []
    Stage("en").play(lambda: dataclasses.replace(SMALL, **change), None, html.append, lambda: False)
    assert len(html) == 1 and "This cannot be done" in html[0] and "Traceback" not in html[0]


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 7e5},
        {"initialization": "gaussian", "sigma_w": 1e9},
        {"initialization": "gaussian", "sigma_w": 1e30, "activation": "relu"},
        {"residual": "learned"},
        {"steps": 0},
        {"depth": 1, "width": 1},
    ],
)
def test_an_extreme_setting_is_shown(change: dict[str, Any]) -> None:
    html: list[str] = []
    Stage("en").play(lambda: dataclasses.replace(SMALL, **change), None, html.append, lambda: False)
    assert 'class="vl-loss"' in html[-1] and "Traceback" not in html[-1] and "cannot be done" not in html[-1]


def test_what_nobody_foresaw_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise RuntimeError("the kernel\nburst")

    monkeypatch.setattr(measuring, "diagnose", burst)
    with pytest.raises(Failed, match="^RuntimeError: the kernel$"):
        measure(SMALL)
    monkeypatch.setattr(page, "shown", burst)
    monkeypatch.undo()
    monkeypatch.setattr(page, "shown", burst)
    html: list[str] = []
    Stage("en").play(lambda: SMALL, None, html.append, lambda: False)
    assert "RuntimeError: the kernel" in html[-1]


def test_a_session_holds_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    work = ("training.loop.train", "theory.prediction.predict", "playground.measuring.predict")
    whole = dataclasses.replace(SMALL, depth=100, width=512, data="digits", examples=1000)
    with monkeypatch.context() as patch:
        for name in work:
            patch.setattr(f"vanishlab.{name}", lambda *_, **__: pytest.fail("it went to work"))
        patch.setattr(measuring, "SESSION_BYTES", 5e8)
        with pytest.raises(
            Failed, match="^depth, width and examples must need at most 0.5 GB of memory in one session, got"
        ):
            measure(whole)
        patch.setattr(measuring, "SESSION_BYTES", 1e5)
        html: list[str] = []
        Stage("zh").play(lambda: dataclasses.replace(SMALL, depth=30, width=64), None, html.append, lambda: False)
        assert "1e-04 GB" in html[-1] or "0.0001 GB" in html[-1]
    monkeypatch.setattr(measuring, "_PAIR_BYTES", 1e9)
    monkeypatch.setattr(measuring, "predict", lambda *_: pytest.fail("it went to work"))
    result = measure(SMALL)
    assert result.prediction is None and result.unpredicted.startswith("depth and examples must need at most 1 GB")
    assert "No prediction: depth and examples" in page.shown(result)


def test_a_stage_that_is_left_leaves_nothing() -> None:
    stage = Stage("en")
    stage.play(lambda: SMALL, None, lambda _: None, lambda: False)
    assert stage.result is not None
    left = weakref.ref(stage.result), weakref.ref(stage.result.record)
    del stage
    gc.collect()
    assert [each() for each in left] == [None, None]


def test_stop_keeps_what_was_recorded_and_outdated_nothing() -> None:
    seen: list[int] = []
    long = dataclasses.replace(SMALL, steps=200)
    result = measure(long, progress=seen.append, stop=lambda: len(seen) == 5)
    assert result.stopped and seen == [0, 1, 2, 3, 4] and result.record.step.tolist() == seen
    whole = measure(long)
    np.testing.assert_array_equal(result.record.loss[0], whole.record.loss[0, :5])
    assert not whole.stopped
    with pytest.raises(Outdated):
        measure(long, outdated=lambda: True)
    html: list[str] = []
    Stage("en").play(lambda: long, None, html.append, lambda: True)
    assert html == []


def test_a_held_result_stands_beside_the_new_one() -> None:
    stage, html = Stage("en"), list[str]()
    stage.play(lambda: SMALL, None, html.append, lambda: False)
    held = stage.result
    stage.play(lambda: dataclasses.replace(SMALL, depth=3), held, html.append, lambda: False)
    assert html[-1].count('class="vl-loss"') == 2
    assert "A, held: 2 × 6 sigmoid" in html[-1] and "B, now: 3 × 6 sigmoid" in html[-1]
    before = stage.result
    stage.play(lambda: dataclasses.replace(SMALL, depth=3), None, html.append, lambda: False)
    assert stage.result is before, "letting A go trains nothing again"
    assert html[-1].count('class="vl-loss"') == 1


def test_the_verdict_is_told_in_the_language_of_the_session() -> None:
    told = {}
    for language in LANGUAGES:
        html: list[str] = []
        Stage(language).play(lambda: SMALL, None, html.append, lambda: False)
        (told[language],) = re.findall(r"<b>.+?</b><p>(.+?)</p>", html[-1])
    assert told["en"].startswith("Delta ") and "δ" in told["zh"] and "Delta" not in told["zh"]


def test_a_comparison_shows_every_layer_and_names_every_network(monkeypatch: pytest.MonkeyPatch) -> None:
    ax = Figure().subplots()
    monkeypatch.setattr(pictures, "_draw", lambda draw, *_: draw(ax))
    changes = {"deep": {"depth": 4}, "faster": {"depth": 4, "learning_rate": 0.7}, "shallow": {"depth": 1}}
    results = {name: measure(dataclasses.replace(SMALL, **change)) for name, change in changes.items()}
    pictures.comparison_picture(results)
    legend = ax.get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()] == ["deep, faster", "shallow"]
    assert ax.get_xlim()[0] < 1 and ax.get_xlim()[1] > 5  # four hidden layers and the readout


@pytest.mark.parametrize(("sigma_w", "top"), [(1.3, np.log10(1.3)), (3e3, 1.3)])  # theory's axis is of logarithms
def test_the_fourth_curve_ends_where_a_share_does(monkeypatch: pytest.MonkeyPatch, sigma_w: float, top: float) -> None:
    ax = Figure().subplots()
    monkeypatch.setattr(pictures, "_draw", lambda draw, *_, **__: draw(ax))
    result = measure(dataclasses.replace(ODD, sigma_w=sigma_w, normalization="none", residual="none"))
    assert (result.prediction is None) == (sigma_w > 1e3)
    pictures.curve_picture(result, "distinct_share")
    assert ax.get_ylim()[1] == pytest.approx(top)
    assert "distinct_share" in pictures.CURVES and ax.get_ylabel() == "distinct share of h"


def test_text_from_elsewhere_is_escaped() -> None:
    sentence = "<script>alert(1)</script>"
    assert sentence not in frame.failure(sentence)
    assert sentence not in page.table([sentence], [[sentence]])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_sentence_with_the_same_places(language: str) -> None:
    for english, chinese in PLAYGROUND.items():
        assert english and chinese
        told = (english, chinese)
        places = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in told]
        assert places[0] == places[1], english
    with speaking(language):
        assert say("depth (hidden layers)") and frame.header()
    html: list[str] = []
    with pytest.raises(vl.InputError, match="^language must be one of 'en', 'zh', got 'de'"):
        Stage("de").play(lambda: SMALL, None, html.append, lambda: False)
    assert html == []


def test_the_page_names_every_other_language_in_itself() -> None:
    links = {}
    for language in LANGUAGES:
        with speaking(language):
            links[language] = re.findall(r'<a href="\?language=(\w+)" target="_self">(.+?)</a>', frame.header())
    assert links == {"en": [("zh", "中文")], "zh": [("en", "English")]}


def test_every_lesson_has_its_words_and_every_verdict_its_name() -> None:
    from vanishlab.analysis.verdict import VERDICTS

    for lesson in lessons.LESSONS:
        for sentence in (lesson.title, lesson.question, lesson.answer, *lesson.choices):
            assert sentence in CHINESE
        assert EXPECTED[lesson.name] < len(lesson.choices) == len(set(lesson.choices))
        assert lessons.preset(lesson) == (lesson.left or next(iter(lesson.networks.values())))
        assert lesson.afterwards in CHINESE
    assert all(name in CHINESE for name in VERDICTS)


EXPECTED = {"sigmoid": 2, "rates": 3, "initializations": 2, "bypasses": 2, "chaos": 1, "meaning": 2, "time": 2}
BY_LAYER = [lesson for lesson in lessons.LESSONS if lesson.name != "time"]


def measured(lesson: lessons.Lesson, seed: int) -> tuple[dict[str, Any], conclusions.Outcome]:
    """What the lesson's networks show with this seed, and what it concludes; its words hold those numbers."""
    found = {
        name: lesson.measure(dataclasses.replace(settings, seed=seed)) for name, settings in lesson.networks.items()
    }
    outcome = lesson.conclude(found)
    assert outcome.right == EXPECTED[lesson.name]
    for language in LANGUAGES:
        with speaking(language):
            right, wrong = (answers.conclusion(lesson, found, guess) for guess in (outcome.right, outcome.right - 1))
        assert "vl-answer well" in right and "vl-answer well" not in wrong
        assert all(value in right for value in outcome.values.values())
    return found, outcome


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("lesson", BY_LAYER, ids=lambda lesson: lesson.name)
def test_what_a_lesson_shows_is_what_is_measured(lesson: lessons.Lesson, seed: int) -> None:
    found, _ = measured(lesson, seed)
    for name, one in found.items() if seed == 0 else ():  # once more, by the package's own face
        settings = dataclasses.replace(lesson.networks[name], seed=seed)
        data = vl.load_data(settings.data, max_examples=settings.examples)
        record = vl.train(settings.network(), settings.training(), data)
        assert one.first_last == record.delta_rms[0, 0, 0] / record.delta_rms[0, 0, -1]
        assert one.accuracy == record.at_end(record.accuracy)[0]
        theory = vl.predict(settings.network(), data).log10_typical("delta_rms")
        # The page has one BLAS thread: sums in another order, and ReLU's kernel takes the root of 1 - c, nearly 0 here.
        assert one.predicted_first_last == pytest.approx(10 ** (theory[0] - theory[-1]), rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_what_the_lesson_through_time_shows_is_what_is_measured(seed: int) -> None:
    (lesson,) = (lesson for lesson in lessons.LESSONS if lesson.name == "time")
    found, outcome = measured(lesson, seed)
    for name, one in found.items():  # once more, by the recorder on PyTorch's own layer
        settings = one.settings
        generator = torch.Generator().manual_seed(seed)
        model = Recurrent(settings.kind, settings.width, settings.forget_bias, generator=generator)
        for length in through_time.LENGTHS:
            x, y = sequences(length, 64, generator)
            with vl.GradientRecorder(model) as recorder:
                torch.nn.functional.cross_entropy(model(x), y).backward()
                recorder.end_step()
            ratio = recorder.record.time_ratio[0, 0, 0]
            assert one.curves[length][0] == pytest.approx(ratio, rel=1e-3), "float32, in another order"
        assert outcome.values[f"first {name}"] == page.power(one.first_last)
    plain = [found[name] for name in ("RNN", "GRU", "LSTM")]
    assert all(0.5 < one.factor < 0.7 for one in plain), "half open, and no better than an RNN"
    assert plain[-1].first_last < 10 * plain[0].first_last
    assert 0.75 < found["LSTM 1"].factor < 0.9 < 0.95 < found["LSTM 3"].factor < found["LSTM 5"].factor < 1.05
    assert all(found[name].accuracy > LEARNED for name in ("LSTM 3", "LSTM 5")), "what can be learned follows"
    assert all(found[name].accuracy < 0.6 for name in ("GRU", "LSTM", "LSTM 1"))
    assert (found["RNN"].accuracy > LEARNED) == (seed == 0), "luck, good or bad"
    below = measure(dataclasses.replace(lessons.preset(lesson), seed=seed))
    assert below.diagnosis.decay.factor == pytest.approx(plain[0].factor, abs=0.05), "drawn in the same way"


def test_the_lesson_through_time_is_left_when_it_is_outdated() -> None:
    short = through_time.Recurrence("LSTM", 3.0, length=10, width=4, steps=3)
    steps: list[int] = []
    found = through_time.measure(short, progress=steps.append)
    assert steps == [0, 1, 2] and [len(found.curves[length]) for length in (10, 30, 100)] == [10, 30, 100]
    assert all(curve[-1] == 1.0 for curve in found.curves.values()) and found.factor == pytest.approx(
        found.curves[100][0] ** (1 / 99)
    )
    with pytest.raises(Outdated):
        through_time.measure(short, outdated=lambda: True)
    with speaking("zh"):
        html = evidence.by_time({"LSTM": found})
    assert CHINESE["{kind}, forget bias {bias:g}"].format(kind="LSTM", bias=3) in html and "<table>" in html


def test_labels_of_networks_that_are_words_are_translated() -> None:
    labels = {label for lesson in lessons.LESSONS for label in lesson.networks}
    words = {label for label in labels if re.search(r"^\d \w|^[a-z]+[^_]*$", label)}
    assert words - {"sigmoid", "linear", "tanh"} == {*evidence.NAMED} <= {*CHINESE}


@pytest.mark.slow
def test_the_claims_in_the_lessons_words() -> None:
    by_name = {lesson.name: lesson for lesson in lessons.LESSONS}
    networks = by_name["sigmoid"].networks
    factors = {name: measure(settings).diagnosis.decay.factor for name, settings in networks.items()}
    assert 0.2 < factors["sigmoid"] / factors["linear"] < 0.25, "the sigmoid's slope is nowhere larger than 1/4"
    one_layer = measure(by_name["rates"].networks["1 layer, 1"])
    assert one_layer.accuracy > one_layer.guessing + conclusions.LEARNED
    learned = measure(by_name["bypasses"].networks["residual, scale from 0"])
    assert 0.1 < learned.first_last < 10 and learned.accuracy > 0.6
    *alike, apart = (measure(settings) for settings in by_name["meaning"].networks.values())
    assert min(one.first_last for one in (*alike, apart)) > 0.05, "a good part of delta reaches layer 1"
    assert max(one.distinct for one in alike) < 0.01 < 0.1 < apart.distinct
    assert all(one.losses[1] > 0.99 * one.constant for one in alike) and apart.losses[1] < 0.5 * apart.constant


def test_the_best_constant_answer_costs_the_entropy_of_the_classes() -> None:
    labels = vl.load_data("digits", max_examples=SMALL.examples).y
    counts = [list(labels).count(label) for label in set(labels)]
    entropy = -sum(count / len(labels) * np.log(count / len(labels)) for count in counts)
    assert measure(dataclasses.replace(SMALL, data="digits", steps=0)).constant == pytest.approx(entropy, rel=1e-12)


def test_a_lesson_answers_and_says_how_far_it_is() -> None:
    networks = {"sigmoid": SMALL, "linear": dataclasses.replace(SMALL, activation="linear")}
    tiny = dataclasses.replace(lessons.LESSONS[0], networks=networks)
    html: list[str] = []
    answers.answer(tiny, 0, "en", html.append, lambda: False)
    assert "Not so. Measured: " in html[-1] or "Right: " in html[-1]
    assert "vl-bar" in html[0] and "vl-answer" in html[-1] and "<table>" in html[-1] and len(html) > 2
    answers.answer(tiny, 0, "en", html.append, lambda: True)
    assert "vl-bar" in html[-1] or "vl-answer" in html[-1]
    answers.answer(tiny, 0, "zh", html.append, lambda: False)
    assert CHINESE["network"] in html[-1] and CHINESE["theory (infinite width)"] in html[-1]
    broken = dataclasses.replace(tiny, networks={"sigmoid": dataclasses.replace(SMALL, data="no")})
    answers.answer(broken, 0, "en", html.append, lambda: False)
    assert "cannot be done" in html[-1]


def test_only_the_page_itself_imports_marimo() -> None:
    importing = set()
    for path in Path(serve.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            importing |= {path.name for name in names if name.split(".")[0] == "marimo"}
    assert importing == {"app.py", "controls.py", "serve.py"}


def test_the_server_says_in_a_sentence_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(vl.InputError, match="^language must be one of 'en', 'zh', got 'fr'"):
        serve.serve(language="fr")
    with pytest.raises(vl.InputError, match="^port must be at most 65535, got 70000"):
        serve.serve(port=70000)
    monkeypatch.setattr(serve.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(vl.InputError, match="^host must be an address or a name of this machine, got ''$"):
        serve.serve("")
    for nowhere in ("192.0.2.1", "::ffff:0:1", "x" * 70):
        with pytest.raises(vl.InputError, match=rf"^port must be free on {nowhere}, got 2718 \(.+\); name another"):
            serve.serve(nowhere)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(vl.InputError, match=rf"^port must be free on 127.0.0.1, got {port} \(.+\); name another"):
            serve.serve(port=port)
    monkeypatch.setattr(serve.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(vl.InputError, match=r"^playground needs marimo: pip install 'vanishlab\[playground\]'$"):
        serve.serve()
