"""The help in Chinese: every sentence, straight frames, and the same flags and defaults as in English."""

import re
import unicodedata

import pytest

from vanishlab.cli import commands, helping


def shown(arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int) -> str:
    monkeypatch.setattr("sys.argv", ["vanishlab", *arguments.split()])
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as stop:
        commands.main()
    assert not stop.value.code
    return capsys.readouterr().out


def width(line: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in line)


@pytest.mark.parametrize("columns", [60, 80, 113])
@pytest.mark.parametrize("command", ["", "train", "sweep", "predict", "plot", "report", "examine", "playground"])
def test_the_help_is_chinese_in_straight_frames(
    command: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(f"{command} --help --language zh", monkeypatch, capsys, columns)
    framed = [line for line in text.splitlines() if line[:1] in ("│", "╭", "╰")]
    assert framed and len({width(line) for line in framed}) == 1
    assert all(line[-1] in "│╮╯" for line in framed)
    assert not re.search("[\u2060\u2061]", text)
    assert not re.search(r"(?m)^[│ ]*[，。：；、）]", text), "a line does not begin with a stop"
    sentences = helping.sentences(getattr(commands, f"{command}_command")) if command else [commands._DESCRIPTION]
    whole = " ".join(text.replace("│", " ").split())
    assert not any(sentence in whole for sentence in sentences)


def test_flags_and_defaults_are_those_of_the_english_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told, said = (shown(f"train --help{flag}", monkeypatch, capsys, 100) for flag in ("", " --language zh"))
    assert re.findall(r"--[a-z][\w-]*", said) == re.findall(r"--[a-z][\w-]*", told)
    english_defaults = re.findall(r"\(default: (.*?)\)", " ".join(told.replace("│", " ").split()))
    chinese_defaults = re.findall(r"（默认： ?(.*?)）", " ".join(said.replace("│", " ").split()))
    assert chinese_defaults == english_defaults and "torch_default" in english_defaults


def test_a_terminal_without_chinese_letters_gets_the_english_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("vanishlab.cli.console._can_print", lambda text, stream: False)
    assert "Draw the pictures of saved records again." in shown("plot -h --language zh", monkeypatch, capsys, 80)


def test_marks_are_taken_out_again() -> None:
    text = "写出的记录文件（.npz），W ~ N(0, sigma_w^2 / fan_in)：'plain' 即 s = 1。"
    marked = helping.marked(text)
    assert re.sub("\u2060 ?|\u2061", "", marked) == text and marked != text
    assert helping.marked("plain words") == "plain words"


def test_a_docstring_s_arguments_are_read() -> None:
    def command() -> None:
        """Do it,
        at once.

        Args:
            one: The first,
                in two lines.
            two: The second.
        """

    assert helping.documented(command.__doc__) == (
        "Do it, at once.",
        {"one": "The first, in two lines.", "two": "The second."},
    )
    assert helping.documented(None) == ("", {})
