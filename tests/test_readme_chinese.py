"""README in Chinese tells what README tells: the same commands and code, the same numbers, pictures that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
GLOSSARY = "## 术语对照"
ONLY_CHINESE = ['with plots.language("zh"):\n    plots.save_both(plots.three_curves(record), "pictures/sigmoid")']
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+(?:\.\d+)?)?|[⁰¹²³⁴⁵⁶⁷⁸⁹]+"


def blocks(text: str) -> list[str]:
    """Return the code blocks without their comments, which are translated."""
    found = re.findall(r"^```\w+\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return ["\n".join(re.sub(r"\s+# .*", "", line) for line in block.rstrip().split("\n")) for block in found]


def tables(text: str) -> list[list[list[str]]]:
    """Return the numbers in each row of each table, sorted: words may stand in another order."""
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[sorted(re.findall(_NUMBER, row)) for row in table.splitlines()] for table in found]


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def in_order(parts: list, whole: list) -> list:
    """Return those of `parts` that are not found in `whole` after the one before."""
    missing, start = [], 0
    for part in parts:
        if part in whole[start:]:
            start += whole[start:].index(part) + 1
        else:
            missing.append(part)
    return missing


@pytest.mark.parametrize("name", ["main-command", "test-command"])
def test_a_newcomer_is_given_the_same_command(name: str) -> None:
    commands = [re.findall(rf"<!-- {name} -->\n```sh\n(.*?)```", text, re.DOTALL) for text in (ENGLISH, CHINESE)]
    assert commands[0] == commands[1] and len(commands[0]) == 1


def test_code_is_the_same_but_for_its_comments() -> None:
    told = [block for block in blocks(CHINESE) if block not in ONLY_CHINESE]
    assert len(told) == len(blocks(CHINESE)) - 1 > 10
    assert in_order(told, blocks(ENGLISH)) == []


def test_tables_have_the_same_numbers() -> None:
    told = tables(CHINESE[: CHINESE.index(GLOSSARY)])
    assert len(told) >= 4
    assert in_order(told, tables(ENGLISH)) == []


def test_every_number_in_the_text_is_also_in_english() -> None:
    numbers = set(re.findall(_NUMBER, prose(CHINESE[: CHINESE.index(GLOSSARY)])))
    assert numbers - set(re.findall(_NUMBER, ENGLISH)) == set()


def test_a_wrong_number_is_noticed() -> None:
    table = "| a | 0.56 |\n| b | 3.8e-4 |\n"
    assert tables(table) == [[["0.56"], ["3.8e-4"]]]
    assert in_order(tables(table.replace("e-4", "e-5")), tables(table)) != []
    assert blocks("```sh\ntrain --depth 3  # three\n```\n") == ["train --depth 3"]


def test_the_two_link_to_each_other_and_show_the_same_pictures() -> None:
    assert "](README.zh-CN.md)" in ENGLISH[:200] and "](README.md)" in CHINESE[:200]
    shown = [re.findall(r"]\(experiments/pictures/(?:zh/)?(\w+\.png)\)", text) for text in (ENGLISH, CHINESE)]
    assert shown[0] == shown[1] and shown[0]
