"""Pictures in Chinese: no sentence lacks its translation, every text has its glyphs, and English stays as it was."""

import ast
import functools
import re
import string
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import matplotlib
import numpy as np
import pytest
import test_experiments
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from test_plots import DIGITS, EDGE_CASES, FIGURES, make_ax, make_record
from torch.nn import functional
from words import english

import vanishlab as vl
from vanishlab import plots
from vanishlab.analysis import onset, verdict
from vanishlab.analysis.coordinates import scaling
from vanishlab.analysis.coordinates.expected import Role
from vanishlab.analysis.remedies import trial
from vanishlab.analysis.remedies.advice import REMEDIES
from vanishlab.analysis.remedies.table import RemedyTable, Trial
from vanishlab.analysis.rules import depth, layers
from vanishlab.cli import commands, helping, predictions
from vanishlab.config import InitializationName
from vanishlab.language.chinese import CHINESE
from vanishlab.language.chinese_coordinates import COORDINATES
from vanishlab.language.chinese_experiments import EXPERIMENTS
from vanishlab.language.chinese_findings import FINDINGS
from vanishlab.language.chinese_help import HELP
from vanishlab.language.chinese_notebook import NOTEBOOK
from vanishlab.language.chinese_pictures import PICTURES
from vanishlab.language.chinese_playground import PLAYGROUND
from vanishlab.language.chinese_predictions import PREDICTIONS
from vanishlab.language.chinese_published import PUBLISHED
from vanishlab.language.chinese_published_later import PUBLISHED_LATER
from vanishlab.language.chinese_published_pictures import PUBLISHED_PICTURES
from vanishlab.language.chinese_report import REPORT
from vanishlab.language.chinese_terminal import TERMINAL
from vanishlab.language.chinese_verdicts import VERDICTS
from vanishlab.language.sentences import listed, say, speaking, spoken, wrapped
from vanishlab.playground import evidence as lesson_evidence
from vanishlab.playground import pictures
from vanishlab.playground.lessons import LESSONS
from vanishlab.plots import axes, captions, coordinates, fonts, octaves, training
from vanishlab.plots.history import FLAT
from vanishlab.recording.quantities import LAYER_QUANTITIES, PREDICTED
from vanishlab.report import answer, maps, page, values
from vanishlab.theory.phases import phase_diagram
from vanishlab.training.sweep.cells import AXES

ROOT = Path(vl.__file__).parent.parent
SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for folder in ("vanishlab", "experiments")
    for path in (ROOT / folder).rglob("*.py")
}


def evidence_names() -> Iterator[str]:
    """Return the names of the numbers behind verdicts: what the rules use as keys of their dicts."""
    for rules in (
        "rules/run",
        "rules/depth",
        "rules/layers",
        "rules/meaning",
        "rules/graph",
        "rules/loss",
        "rules/modes",
        "diagnosis",
    ):
        for node in ast.walk(SOURCES[f"vanishlab/analysis/{rules}.py"]):
            keys = node.keys if isinstance(node, ast.Dict) else [node.slice] if isinstance(node, ast.Subscript) else []
            yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


@functools.cache
def imported_from_language(tree: ast.Module) -> set[str]:
    """Return the names that a module has from `vanishlab.language.sentences`."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports if node.module == "vanishlab.language.sentences" for alias in node.names}


def columns_of_tables() -> Iterator[str]:
    """Yield what stands above the columns of every table: tuples named COLUMNS."""
    for tree in [tree for tree in SOURCES.values() if "say" in imported_from_language(tree)]:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign):
                continue
            if ast.unparse(node.targets[0]) in ("COLUMNS", "RATE_COLUMNS"):
                yield from ast.literal_eval(node.value)


def questions() -> Iterator[str]:
    """Yield the questions of the experiments, which are titles of their reports."""
    for tree in SOURCES.values():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if any(ast.unparse(node) == "say(str(__doc__).splitlines()[0])" for node in calls):
            yield str(ast.get_docstring(tree)).splitlines()[0]


def sources() -> Iterator[str]:
    """Yield the names of the published results, which are titles of their tables."""
    for path, tree in SOURCES.items():
        for node in tree.body if path.startswith("experiments/published/") else ():
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SOURCE":
                yield ast.literal_eval(node.value)


def help_sentences() -> Iterator[str]:
    """Yield what the help of commands and experiments says, from docstrings and beneath fields."""
    yield from (commands._DESCRIPTION, "Language of what is drawn and printed: English or Chinese.")
    for name, command in vars(commands).items():
        if name.endswith("_command"):
            yield from helping.sentences(command)
    for path, tree in SOURCES.items():
        for node in ast.walk(tree) if Path(path).parent in IN_CHINESE else ():
            if isinstance(node, ast.ClassDef) and node.name == "Options":
                yield from helping.fields_of(node).values()
            elif isinstance(node, ast.FunctionDef) and "\nArgs:" in (ast.get_docstring(node) or ""):
                summary, arguments = helping.documented(ast.get_docstring(node))
                yield from (summary, *arguments.values())


IN_CHINESE = tuple(Path("experiments", folder) for folder in ("", "published", "worked"))  # benchmarks/ is English
# What the scripts of published/ call what they compare, by a variable.
NAMED_IN_PUBLISHED = ("old", "normalized", "layers 1 and 2", "later layers", "orthogonal", "Gaussian")
TRIALS = (trial.UNTOUCHED, *trial.changes(functional.mse_loss, None, 1))

# What `say` is given by a variable: the tables that hold it.
TABLES = {
    "LAYER_QUANTITIES[quantity].label": tuple(LAYER_QUANTITIES[name].label for name in axes.DRAWN),
    "LAYER_QUANTITIES[quantity].title": tuple(
        LAYER_QUANTITIES[name].title for name in (*PREDICTED, "distinct_share", *onset.QUANTITIES)
    ),
    "PHASES[field.phase]": tuple(predictions.PHASES.values()),
    "DELTAS[field.phase]": tuple(predictions.DELTAS.values()),
    "LAYER_LABEL": (axes.LAYER_LABEL,),
    "name": (*page.FACTS, *(name for name, _ in axes.MARKS.values()), *scaling.PLACES, *NAMED_IN_PUBLISHED),
    "kind": (*FLAT, *test_experiments.load("size_and_meaning").KINDS),
    "style['label']": tuple(str(style["label"]) for style in training.RATIOS.values()),
    "NORMALIZATIONS[network.normalization]": tuple(captions.NORMALIZATIONS.values()),
    "LOSSES[prediction.loss]": tuple(captions.LOSSES.values()),
    "x.replace('_', ' ')": tuple(name.replace("_", " ") for name in AXES),
    "y.replace('_', ' ')": (),
    "MASKED[somewhere]": depth.MASKED,
    "VANISHING[somewhere]": depth.VANISHING,
    "reason": tuple(layers.ABSENT.values()),
    "MARKS[kind][0]": tuple(name for name, _ in axes.MARKS.values()),
    "name.replace('_', ' ')": tuple(
        field.name.replace("_", " ") for config in (vl.NetworkConfig, vl.TrainingConfig) for field in fields(config)
    ),
    "field.replace('_', ' ')": (),  # what may vary in a sweep, as below
    "axis.replace('_', ' ')": (),
    "ENDS[among, measure]": tuple(answer.ENDS.values()),
    "NAMES[value]": tuple(maps.NAMES.values()),
    "BARS[value]": tuple(maps.BARS.values()),
    "column": tuple(columns_of_tables()),
    "trial.name": TRIALS,
    "str(__doc__).splitlines()[0]": tuple(questions()),
    "field.phase": ("ordered", "critical", "chaotic"),
    "text": tuple(help_sentences()),
    "summary": (),
    "english": (),
    "phase": ("ordered", "critical", "chaotic"),
    "way": ("forward", "backward"),
    "when": ("before", "after"),
    "source": tuple(sources()),
    "module.SOURCE": tuple(sources()),
    "each.replace('_', ' ')": ("activation", "initialization", "normalization", "residual", "learning rate"),
    "verdict.name": verdict.VERDICTS,
    "verdict.cause": (
        *layers.ABSENT,
        "time",
        "flat",
        "not held",
        "forward",
        "backward",
        "inputs",
        "targets",
        "gate",
        "softmax",
        "weights",
        "data",
    ),
    "evidence": tuple(evidence_names()),
    "remedy.name": tuple(REMEDIES),
    "remedy.change": tuple(remedy.change for remedy in REMEDIES.values()),
    "label": (
        *lesson_evidence.NAMED,
        "delta at start",
        "delta at end",
        *coordinates.PANELS.values(),
        *octaves.LABELS.values(),
    ),  # the first two of experiments/remedies.py
    "check.axis": scaling.AXES,
    "self.axis": scaling.AXES,
    "SENTENCES[self.axis][outcome]": tuple(said for told in scaling.SENTENCES.values() for said in told.values()),
    "head": scaling.HEADS,
    "role": get_args(Role),
    "parametrisation": ("standard", "maximal update"),
    "CURVES[quantity]": tuple(pictures.CURVES.values()),
    "COMPARED[quantity]": tuple(pictures.COMPARED.values()),
    "each.title": tuple(lesson.title for lesson in LESSONS),
    "lesson.question": tuple(lesson.question for lesson in LESSONS),
    "lesson.answer": tuple(lesson.answer for lesson in LESSONS),
    "lesson.afterwards": tuple(lesson.afterwards for lesson in LESSONS),
    "choice": tuple(choice for lesson in LESSONS for choice in lesson.choices),
    "lesson.choices[outcome.right]": (),
    "WORDS[setting][kind]": tuple(word for words in values.WORDS.values() for word in words.values()),
    "row[0]": tuple(test_experiments.load("remedies").remedies(vl.NetworkConfig(3), vl.TrainingConfig())),
}
OWN = {  # names that an experiment gives, of records, layers and fields
    "initializations": tuple(f"tanh_{name}" for name in get_args(InitializationName)),
    "examine": ("embed", "blocks", "head"),
    "trainability": ("sigma_w",),
}


# The catalogue


def sentences_of(call: ast.Call, function: ast.AST) -> list[str]:
    """Return every English sentence that this call of `say` may be given."""
    given = call.args[0]
    choices = [given]
    if isinstance(given, ast.Name) and ast.unparse(given) not in TABLES:
        assigned = [node for node in ast.walk(function) if isinstance(node, ast.Assign)]
        values = [node.value for node in assigned if ast.unparse(node.targets[0]) == given.id]
        choices = [value for value in values if not isinstance(value, ast.Call)]  # what has been said already
        assert choices, f"say({given.id}) is given what no test knows"
    found: list[str] = []
    for choice in choices:
        if ast.unparse(choice) in TABLES:
            found += TABLES[ast.unparse(choice)]
            continue
        branches = [choice.body, choice.orelse] if isinstance(choice, ast.IfExp) else [choice]
        for branch in branches:
            assert isinstance(branch, ast.Constant), f"say({ast.unparse(call.args[0])}) is given what no test knows"
            found.append(str(branch.value))
    return found


def said() -> Iterator[tuple[str, str]]:
    for path, tree in SOURCES.items():
        if "say" not in imported_from_language(tree):
            continue
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "say":
                    for sentence in sentences_of(node, function):
                        yield path, sentence


def said_in_templates() -> Iterator[tuple[str, str]]:
    """Yield what a template says: a literal, one of two, or what some table of `TABLES` holds."""
    for path in (ROOT / "vanishlab").rglob("templates/*.html"):
        for given in re.findall(r"\bsay\(((?:\"[^\"]*\"|[^\",)])+)", path.read_text(encoding="utf-8")):
            literals = re.findall(r'"([^"]*)"', given)
            assert literals or given in TABLES, f"say({given}) is given what no test knows"
            yield from ((path.name, sentence) for sentence in literals if sentence not in ("",))


def test_every_sentence_is_translated_and_no_translation_is_left_over() -> None:
    found = dict((sentence, path) for path, sentence in (*said(), *said_in_templates()))
    missing = {sentence: path for sentence, path in found.items() if sentence not in CHINESE}
    assert missing == {}
    assert set(CHINESE) - set(found) == set()


def test_a_sentence_is_translated_once() -> None:
    catalogues = [PICTURES, PREDICTIONS, VERDICTS, FINDINGS, COORDINATES, PLAYGROUND, NOTEBOOK]
    catalogues += [HELP, REPORT, TERMINAL, EXPERIMENTS, PUBLISHED, PUBLISHED_LATER, PUBLISHED_PICTURES]
    assert len(CHINESE) == sum(map(len, catalogues))


def places(sentence: str) -> set[tuple[str, str]]:
    return {(name, form or "") for _, name, form, _ in string.Formatter().parse(sentence) if name is not None}


def test_translations_have_the_places_of_their_sentence_and_no_english() -> None:
    for (
        sentence,
        chinese,
    ) in CHINESE.items():  # in one test: as tests of their own they take longer to count than to run
        assert places(chinese) == places(sentence), sentence
        typed = english(sentence) if sentence in HELP else set()  # names of flags and values
        assert english(re.sub(r"\{.*?\}", "", chinese)) <= typed, sentence
        assert not re.search(r"[\u4e00-\u9fff] ?[,;:()?!]", chinese), f"{sentence}: a stop after Chinese is a wide one"


SHOWN = ("label", "title", "xlabel", "ylabel", "x_label", "y_label")
WRITERS = ("set_xlabel", "set_ylabel", "set_title", "suptitle", "set_label_text", "text", "annotate", "sweep_figure")
CLAIMS = ("Claim", "NotMeasuredError")  # whose words a table of published/ shows


PRINTERS = ("print", "print_table", "progress_bar", "progress", "counted", "status", "add_task", "add_column")


def unsaid(tree: ast.AST, writers: tuple[str, ...] = WRITERS) -> list[str]:
    """Return the literal words that reach a picture, or a terminal, without `say`."""
    found = []
    for node in ast.walk(tree):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call):
            given += [keyword.value for keyword in node.keywords if keyword.arg in SHOWN]
            if isinstance(node.func, ast.Attribute | ast.Name) and ast.unparse(node.func).split(".")[-1] in writers:
                given += node.args
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            given += [value for key, value in pairs if isinstance(key, ast.Constant) and key.value in SHOWN]
        for value in given:
            literals = [value] if isinstance(value, ast.Constant) else []
            literals += [part for part in getattr(value, "values", []) if isinstance(part, ast.Constant)]
            found += [str(part.value) for part in literals if isinstance(part.value, str) and english(part.value)]
    return [text for text in found if not text.startswith("_")]


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.startswith("vanishlab/plots/") or Path(path).parent in IN_CHINESE],
)
def test_no_word_reaches_a_picture_without_say(path: str) -> None:
    known = {sentence for table in TABLES.values() for sentence in table} | {"sigma_w", "Nielsen"}
    assert set(unsaid(SOURCES[path], (*WRITERS, *CLAIMS))) <= known


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in SOURCES
        if path.startswith(("vanishlab/cli/", "vanishlab/playground/", "vanishlab/analysis/", "vanishlab/theory/"))
        or Path(path).parent in IN_CHINESE
    ],
)
def test_no_word_reaches_a_terminal_without_say(path: str) -> None:
    known = {sentence for table in TABLES.values() for sentence in table} | {" MB)", "SGD", "sigma_w"}
    assert set(unsaid(SOURCES[path], PRINTERS)) <= known


def test_a_word_without_say_is_noticed() -> None:
    assert unsaid(ast.parse("print(f'{layers} layers')\nprint(say('layers'), f'{a}: {b}')"), PRINTERS) == [" layers"]
    assert unsaid(ast.parse("ax.set_xlabel('depth of net')\nax.plot(x, label=f'rate {rate}')")) == [
        "depth of net",
        "rate ",
    ]
    assert unsaid(ast.parse("ax.set_xlabel(say('depth of net'))\nax.plot(x, label='_mark')")) == []


# Saying


def test_english_is_the_sentence_itself_and_chinese_its_translation() -> None:
    assert say("after {steps} steps", steps=2) == "after 2 steps" and spoken() == "en"
    with speaking("zh"):
        assert say("after {steps} steps", steps=2) == "训练 2 步之后"
        with speaking("en"):
            assert listed(["a", "", "b"]) == "a, b"
        assert listed(["a", "", "b"]) == "a，b" and spoken() == "zh"
    assert spoken() == "en"


def test_the_language_ends_with_its_block_after_an_exception_too() -> None:
    with pytest.raises(ZeroDivisionError), speaking("zh"):
        _ = 1 / 0
    assert spoken() == "en"


def test_a_sentence_without_translation_is_said_in_english_with_a_warning() -> None:
    with speaking("zh"), pytest.warns(UserWarning, match="no translation into 'zh' of 'so {far}'"):
        assert say("so {far}", far=1) == "so 1"
    assert say("so {far}", far="{braces}") == "so {braces}"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(vl.InputError, match="language must be one of 'en', 'zh', got 'cn'"), plots.language("cn"):
        pass


def test_each_thread_has_its_own_language() -> None:
    both, heard = threading.Barrier(2), {}

    def speak(name: str) -> None:
        with speaking(name):
            both.wait(10)
            heard[name] = say("learning rate")
            both.wait(10)

    threads = [threading.Thread(target=speak, args=(name,)) for name in ("en", "zh")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"en": "learning rate", "zh": "学习率"}


def test_chinese_lines_break_between_characters_but_not_within_names() -> None:
    text = "χ 只取决于 σ_w，在 σ_w = 1.414 处等于 1；没有偏置时该处是临界的。"
    with speaking("zh"):
        for columns in (10, 16, 30, 200):
            lines = wrapped(text, columns).split("\n")
            assert "".join(lines).replace(" ", "") == text.replace(" ", "")
            assert all(sum(1 + (letter > "\u2e80") for letter in line) <= columns + 2 for line in lines)
            assert not any(line[0] in "，；。 " for line in lines)
            assert sum(line.count("1.414") for line in lines) == 1
    assert wrapped("one two", 4) == "one\ntwo"


# The font


def only_matplotlibs_own_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [entry for entry in font_manager.fontManager.ttflist if entry.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)


def test_without_a_font_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    only_matplotlibs_own_fonts(monkeypatch)
    monkeypatch.setattr(fonts, "packaged_font", lambda: None)
    with pytest.raises(vl.InputError) as caught, plots.language("zh"):
        pass
    ways = ("vanishlab[chinese]", "apt install", "dnf install", "macOS", "Windows")
    assert all(way in str(caught.value) for way in ways)
    assert "\n" not in str(caught.value) and spoken() == "en"
    with plots.language("en"):
        plots.three_curves(EDGE_CASES["one step"])


def test_a_font_without_the_glyphs_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "FAMILIES", ("DejaVu Sans",))
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    with pytest.raises(vl.InputError, match="needs a font with Chinese characters"):
        fonts.chinese_font()


def test_the_extra_brings_a_font_that_a_bare_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    only_matplotlibs_own_fonts(monkeypatch)
    settings = dict(matplotlib.rcParams)
    assert fonts.chinese_font().startswith("Noto Sans CJK")
    assert dict(matplotlib.rcParams) == settings


def test_without_the_extra_a_font_of_the_system_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    family = fonts.chinese_font()
    file = font_manager.findfont(family)
    monkeypatch.setattr(fonts, "packaged_font", lambda: None)
    only_matplotlibs_own_fonts(monkeypatch)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(file)])
    assert fonts.chinese_font() == family


# Pictures


def texts_of(figure: Figure) -> list[str]:
    figure.draw_without_rendering()  # a glyph that is missing warns here, and warnings are errors
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
    return [text.get_text() for text in found if text.get_text()]


def check_chinese(figure: Figure, own: tuple[str, ...] = ()) -> None:
    """Fail on an English word in any text of the figure that is not one of the caller's `own`."""
    left = {word: text for text in texts_of(figure) for word in english(text) if word not in own}
    assert left == {}


def test_an_english_word_in_a_picture_is_noticed() -> None:
    figure = plots.three_curves(EDGE_CASES["one step"])
    with pytest.raises(AssertionError):
        check_chinese(figure)


@pytest.mark.parametrize(
    "case",
    [
        "half zero",
        "unknown rate",
        *(pytest.param(case, marks=pytest.mark.slow) for case in ("many rates", "all diverged at once", "infinite")),
    ],
)
def test_pictures_of_records_are_chinese(case: str) -> None:
    with plots.language("zh"):
        for name, make in FIGURES.items():
            if (name, case) != ("learning_rate", "unknown rate"):
                figure = make(EDGE_CASES[case])
                figure.set_layout_engine("none")
                check_chinese(figure, ("one", "two"))


def test_pictures_of_networks_and_theory_are_chinese() -> None:
    network = vl.NetworkConfig(3, 4, "tanh", "gaussian", 1.5, 0.1, "layer", "learned")
    pointed = vl.NetworkConfig(3, (4, 5, 6), normalization="rms")
    record = vl.train(network, vl.TrainingConfig((0.1, 1e6), (0, 1), steps=2, loss="mse"), DIGITS)
    one = vl.NetworkConfig(1, 4, residual=0.5, normalization="batch")
    start = vl.train(one, vl.TrainingConfig(seeds=(0,), steps=0), DIGITS)
    kinds = np.array([[0.1, 0.0, np.inf], [np.nan, 0.5, 0.7]])
    share = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.5]])
    far = {"6 ξ": ([1, 3], [1e9, 1e9])}
    with plots.language("zh"):
        figures = [
            plots.three_curves(record),
            plots.three_curves(vl.train(pointed, vl.TrainingConfig((0.1,), steps=1), DIGITS)),
            plots.history_figure(record, record.runs - 1),
            plots.training_figure(record, chance=0.1),
            plots.prediction_figure(vl.predict(one, DIGITS), start),
            plots.prediction_figure(vl.predict(network, DIGITS, "mse")),
            plots.prediction_figure(vl.predict(network, DIGITS, "mse"), None, plots.MEANING),
            plots.sweep_figure("图", [1, 2, 4], [3, 9], kinds, diverged=share, log_values=True, curves=far),
            *(
                plots.phase_figure(phase_diagram(name), {"甲": (1.0, 0.0), "乙": (9.0, 0.1)})
                for name in ("tanh", "relu")
            ),
            plots.phase_figure(phase_diagram("softplus")),
            plots.phase_figure(phase_diagram("tanh", [0.1, 0.2], [0.1, 0.2])),
        ]
        for figure in figures:
            figure.set_layout_engine("none")  # two thirds of the time
            check_chinese(figure)


def test_axes_of_your_own_are_chinese_and_keep_their_fonts() -> None:
    ax = make_ax()
    ax.set_title("mine", family="serif")
    with plots.language("zh"):
        plots.depth_profile(ax, make_record())
    assert ax.get_xlabel() == CHINESE[axes.LAYER_LABEL]
    assert ax.title.get_fontfamily() == ["serif", fonts.chinese_font()]
    texts_of(ax.figure)  # pyright: ignore[reportArgumentType]


def test_both_formats_are_written_and_nothing_global_has_changed(tmp_path: Path) -> None:
    record = EDGE_CASES["one step"]
    settings = dict(matplotlib.rcParams)
    before = plots.save_figure(plots.three_curves(record), tmp_path / "en.svg").read_bytes()
    with plots.language("zh"):
        by_hand = Figure()
        by_hand.suptitle(say("learning rate"))
        for name, figure in {"curves": plots.three_curves(record), "hand": by_hand}.items():
            png, svg = plots.save_both(figure, tmp_path / name)
            assert png.read_bytes().startswith(b"\x89PNG")
            assert ElementTree.parse(svg).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert dict(matplotlib.rcParams) == settings
    after = plots.save_figure(plots.three_curves(record), tmp_path / "en.svg").read_bytes()
    assert after == before != (tmp_path / "curves.svg").read_bytes()


def test_a_command_draws_in_chinese_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_record(layers=2, seeds=(0,)).save(tmp_path / "record.npz")
    drawn: list[str] = []

    def draw(record: vl.Record, folder: Path) -> None:
        drawn.append(say("learning rate"))

    monkeypatch.setattr(commands, "draw_record", draw)
    for flags in (["--language", "zh"], []):
        monkeypatch.setattr("sys.argv", ["vanishlab", "plot", str(tmp_path / "record.npz"), *flags])
        commands.main()
    assert drawn == ["学习率", "learning rate"]


def test_a_diagnosis_is_chinese_with_its_evidence_and_remedies() -> None:
    record = vl.train(vl.NetworkConfig(20, 8), vl.TrainingConfig((0.1, 1e9), steps=3), DIGITS)
    with speaking("zh"):
        text = str(vl.diagnose(record))
    assert CHINESE["vanishing"] in text and CHINESE["decades per layer"] in text
    assert english(text) <= {"blocks", "linear", "readout"}
    assert CHINESE["vanishing"] not in str(vl.diagnose(record))


def test_the_table_of_remedies_is_chinese() -> None:
    tried = [
        Trial(name, (1.0, 0.5), (0.1, 0.2), (0.3, 0.4), (0.5, 0.6), (("vanishing",), ("healthy",))) for name in TRIALS
    ]
    table = RemedyTable(tried[0], tuple(tried[1:]), dict(trial.NOT_TRIED), 3, nothing_learned=2.0)
    with speaking("zh"):
        text = f"{table}"
    assert english(text) == {"build_model"} & english(text)
    assert CHINESE["mends"] in text and CHINESE["vanishing"] in text and "1.2" not in text
    assert "mends" in str(table) and CHINESE["mends"] not in str(table)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in test_experiments.SMALL if test_experiments.PICTURES[name]])
def test_an_experiments_pictures_are_chinese(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Any] = []

    def keep(figure: Figure, path: Path) -> Path:
        figures.append(figure)
        fonts.make_legible(figure)
        return Path(path)

    monkeypatch.setattr("vanishlab.plots.saving.save_figure", keep)
    experiment = test_experiments.load(name)
    with plots.language("zh"):
        experiment.main(experiment.Options(out=tmp_path, **test_experiments.SMALL[name]))
    assert figures
    for figure in figures:
        check_chinese(figure, OWN.get(name, ()))
