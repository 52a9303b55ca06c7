"""What is refused, in Chinese: every form that can be met has its sentence, and what was given stays in it."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from words import english

import vanishlab as vl
from vanishlab.language.chinese_refusals import REFUSALS
from vanishlab.language.refusals import in_words, known
from vanishlab.language.sentences import speaking
from vanishlab.plots.fonts import NO_FONT

ROOT = Path(vl.__file__).parent
RAISED = ("InputError", "NotApplicable", "surgery.NotApplicable", "Failed")
IN_PYTHON = (
    *("analysis/clipping", "analysis/coordinates/", "analysis/diagnosis", "analysis/remedies/mending"),
    *("analysis/watcher", "analysis/remedies/trial", "integrations/", "network/", "plots/", "training/descent"),
    *("training/sweep/cells", "training/sweep/plan", "recording/contents", "recording/record_files"),
    *("recording/record.py", "recording/recorder.py", "recording/hooks/find_layers"),
)
"""Where what is refused is met in one's own Python alone, which names arguments of functions and speaks English."""


def sentences() -> Iterator[tuple[str, str]]:
    """Yield every refusal that commands, page and report can meet, something in each of its places, and its file."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(IN_PYTHON):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in RAISED and node.args:
                given = node.args[0]
                if isinstance(given, ast.Constant):
                    yield name, str(given.value)
                elif isinstance(given, ast.JoinedStr):
                    parts = [str(part.value) if isinstance(part, ast.Constant) else "0" for part in given.values]
                    yield name, "".join(parts)


def test_every_refusal_that_can_be_met_is_translated() -> None:
    found = dict((sentence, name) for name, sentence in sentences())
    assert len(found) > 100
    others = {"0, got SystemExit(0)", "0: 0"}  # the rule is a sentence that is known, and what another library says
    assert {sentence: name for sentence, name in found.items() if not known(sentence)}.keys() == others


def test_a_refusal_of_unknown_form_stays_english() -> None:
    with speaking("zh"):
        assert in_words("nobody knows this") == "nobody knows this"
    assert not known("nobody knows this")


def test_translations_have_places_of_their_sentence_and_wide_stops() -> None:
    for sentence, chinese in REFUSALS.items():
        assert set(re.findall(r"\{\w+\}", chinese)) <= set(re.findall(r"\{\w+\}", sentence)), sentence
        assert not re.search(r"[\u4e00-\u9fff] ?[,;:()?!]", chinese), sentence
        assert re.search(r"[\u4e00-\u9fff：]", chinese), sentence


REFUSED: dict[str, Callable[[], object]] = {
    "depth 必须至少为 1，而不是 0": lambda: vl.NetworkConfig(depth=0),
    "activation 必须是 ": lambda: vl.NetworkConfig(activation="rleu"),  # pyright: ignore[reportArgumentType]
    "residual 要求各隐藏层宽度相同，而现在 width=(2, 3)": lambda: vl.NetworkConfig(2, (2, 3), residual="plain"),
    "learning_rates 必须大于 0，而不是 -1": lambda: vl.TrainingConfig((-1.0,)),
    "数据文件必须存在，而 'nowhere.npz' 不存在": lambda: vl.load_data("nowhere.npz"),
    "batch_size 至多为训练样本数 8，而不是 9": lambda: vl.train(
        vl.NetworkConfig(1, 2), vl.TrainingConfig(batch_size=9), vl.load_data("moons", max_examples=8)
    ),
}


@pytest.mark.parametrize("chinese", REFUSED)
def test_what_is_raised_is_said_in_chinese(chinese: str) -> None:
    with pytest.raises(vl.InputError) as caught:
        REFUSED[chinese]()
    assert in_words(caught.value) == str(caught.value)
    with speaking("zh"):
        assert in_words(caught.value).startswith(chinese)
        assert english(in_words(caught.value)) <= english(str(caught.value))


def test_the_nearest_name_is_asked_for() -> None:
    with pytest.raises(vl.InputError) as caught:
        vl.NetworkConfig(activation="rleu")  # pyright: ignore[reportArgumentType]
    with speaking("zh"):
        assert in_words(caught.value).endswith("，而不是 'rleu'（是不是想写 'relu'？）")


def test_a_refusal_within_a_refusal_is_translated_too() -> None:
    with speaking("zh"):
        assert in_words("config 'run.toml': depth must be at least 1, got 0") == (
            "config 'run.toml'：depth 必须至少为 1，而不是 0"
        )


def test_the_missing_font_is_said_in_chinese() -> None:
    with speaking("zh"):
        assert in_words(NO_FONT).startswith("language 'zh' 需要一种含汉字的字体")
