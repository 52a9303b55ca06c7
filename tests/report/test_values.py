"""Values of settings: in Chinese each has its word, with the value as it is typed behind it; in English it stays."""

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import vanishlab as vl
from vanishlab import plots
from vanishlab.language.chinese import CHINESE
from vanishlab.language.sentences import speaking
from vanishlab.report import write_report
from vanishlab.report.values import WORDS, value_in_words


def names(hint: Any) -> set[str]:
    """Return the strings that a field of this type may be given: those of its Literals, wherever they stand in it."""
    inner = [{hint} if isinstance(hint, str) else names(hint) for hint in get_args(hint)]
    return set().union(*inner)


NAMED = {
    field.name: names(get_type_hints(config)[field.name])
    for config in (vl.NetworkConfig, vl.TrainingConfig)
    for field in fields(config)
}


def test_every_value_that_a_setting_takes_has_a_word() -> None:
    named = {setting: values for setting, values in NAMED.items() if values and setting != "activation"}
    assert {"residual", "dtype", "record_every", "engine"} <= set(named)
    assert {setting: set(words) for setting, words in WORDS.items() if setting != "device"} == named
    assert {"auto", "cpu", "cuda"} == set(WORDS["device"])  # the names beside which a device has a number


def test_no_two_values_of_a_setting_have_one_word() -> None:
    for setting, words in WORDS.items():
        assert len({CHINESE[word] for word in words.values()}) == len(words), setting


@pytest.mark.parametrize(
    ("setting", "typed", "chinese"),
    [
        ("loss", "cross_entropy", "交叉熵（cross_entropy）"),
        ("normalization", "none", "无（none）"),
        ("initialization", "kaiming_normal", "Kaiming 正态分布（kaiming_normal）"),
        ("device", "cuda:1", "显卡（cuda:1）"),
        ("device", "mps", "mps"),  # what no entry knows
        ("data", "digits", "digits"),  # a name
        ("activation", "mish", "mish"),
    ],
)
def test_the_value_stands_behind_its_word(setting: str, typed: str, chinese: str) -> None:
    assert value_in_words(setting, typed) == typed
    with speaking("zh"):
        assert value_in_words(setting, typed) == chinese


def test_the_tables_of_a_report_have_the_words(tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="the extra vanishlab[report] is not installed")
    from test_report import Page

    network = vl.NetworkConfig(2, 4, residual="plain")
    training = vl.TrainingConfig(steps=1, device="cpu")
    record = vl.train(network, training, vl.load_data("moons", max_examples=8))
    tables: dict[str, list[str]] = {}
    for language in ("en", "zh"):
        with plots.language(language):
            page = Page(write_report(record, tmp_path / f"{language}.html"))
        tables[language] = [text for tag, text in page.texts if tag == "dd"]
    for setting, typed in (vars(network) | vars(training)).items():
        if isinstance(typed, str) and setting != "activation":
            with speaking("zh"):
                word = value_in_words(setting, typed)
            assert typed in tables["en"] and word in tables["zh"] and typed not in tables["zh"], setting
    assert "普通：h + φ(z)（plain）" in tables["zh"] and "moons" in tables["zh"]
    assert tables["zh"].count("处理器（cpu）") == 2  # asked for, and where it was
