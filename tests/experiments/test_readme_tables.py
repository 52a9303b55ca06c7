"""README's tables say what experiments/readme_tables.py measures, in both languages."""

import re
from pathlib import Path
from typing import Any

import pytest
from test_experiments import load

from vanishlab.language.sentences import speaking

ROOT = Path(__file__).parents[2]
READMES = {"en": "README.md", "zh": "README.zh-CN.md"}
TABLES = load("readme_tables")
ACCURACY = 0.05
"""Another processor adds in another order; an unmarked median moves by less than its seeds differ, 0.06."""
RATIO = 0.2
"""Before training the order of adding is all that differs, a relative 1e-5; the rest is for two printed digits."""
FIGURE = r"~|\d[\d.]*(?:e-\d+)?"


def stated(language: str, name: str) -> dict[str, list[str]]:
    """Return the cells of each row of README's table, by the row's first cell."""
    text = (ROOT / READMES[language]).read_text(encoding="utf-8")
    start = text.index("| " + TABLES.HEADS[language][name][0] + " |")
    table = text[start : text.index("\n\n", start)].splitlines()[2:]
    return {row[0]: row[1:] for row in ([part.strip() for part in line.strip("|").split("|")] for line in table)}


def contradiction(said: str, cell: Any) -> str:
    """Return what README's cell says that the measured one denies, or nothing.

    A marked cell is held to no figure: the next processor has another. An unmarked one must not move here either.
    """
    all_gone = said in {words["all"] for words in TABLES.WORDS.values()}
    if said.startswith("~"):
        return ""
    if all_gone or cell.diverged:
        return "" if all_gone and cell.diverged == cell.runs else f"{said}, and {cell.diverged} of {cell.runs} diverged"
    if cell.spread > TABLES.MOVES + ACCURACY:
        return f"{said} is unmarked, and the seeds are {cell.spread:.2f} apart"
    return "" if abs(float(said) - cell.median) <= ACCURACY else f"{said}, and measured {cell.median:.3f}"


@pytest.mark.slow
@pytest.mark.parametrize("language", READMES)
def test_the_table_of_learning_rates_is_what_is_measured(language: str, measured: dict[str, Any]) -> None:
    with speaking(language):
        rows = TABLES.rate_rows(measured)
    told = stated(language, "learning_rates")
    for name, ratio, cells in rows:
        at_start, *accuracies = told[name]
        assert float(at_start) == pytest.approx(ratio, rel=RATIO), name
        assert [contradiction(said, cell) for said, cell in zip(accuracies, cells, strict=True)] == [""] * len(cells)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    # Depths 20 and 50 would take minutes; five layers have both what is marked and what diverges.
    return TABLES.rate_records(TABLES.Options(depths=(1, 5), out=tmp_path_factory.mktemp("tables")))


@pytest.mark.slow
def test_the_table_of_remedies_is_what_is_measured(tmp_path: Path) -> None:
    # Of the others each takes as long again.
    tried = ("none (the patient)", "activation: SELU, LeCun")
    rows = TABLES.remedy_rows(TABLES.remedy_records(TABLES.Options(remedies=tried, out=tmp_path)))
    told = stated("en", "remedies")
    assert len(rows) == len(tried)
    for name, cell, start, _, share in rows:
        accuracy, at_start, _, apart = told[name]
        assert contradiction(accuracy, cell) == "" and float(at_start) == pytest.approx(start, rel=RATIO), name
        assert apart == TABLES.share_text(share) or float(apart) == pytest.approx(share, rel=RATIO), name


def test_the_two_readmes_have_the_same_remedies() -> None:
    english, chinese = (stated(language, "remedies") for language in READMES)
    names = dict(TABLES.REMEDIES.values())
    assert sum(len(row.split("; ")) for row in english) == len(TABLES.REMEDIES)
    for (one, cells), (other, theirs) in zip(english.items(), chinese.items(), strict=True):
        assert [names[name] for name in one.split("; ")] == other.split("；")
        assert [re.findall(FIGURE, cell) for cell in cells] == [re.findall(FIGURE, cell) for cell in theirs]


def test_the_two_readmes_have_the_same_cells_and_every_depth() -> None:
    english, chinese = (stated(language, "learning_rates") for language in READMES)
    assert len(english) == len(TABLES.ACTIVATIONS) * len(TABLES.Options.depths)
    for one, other in zip(english.values(), chinese.values(), strict=True):
        assert [sorted(re.findall(FIGURE, cell)) for cell in one] == [
            sorted(re.findall(FIGURE, cell)) for cell in other
        ]


@pytest.mark.parametrize(
    ("said", "cell", "denied"),
    [
        ("0.80", TABLES.Cell(0.83, 0.05, 0, 8), False),
        ("0.80", TABLES.Cell(0.90, 0.05, 0, 8), True),
        ("0.80", TABLES.Cell(0.80, 0.30, 0, 8), True),
        ("~0.14", TABLES.Cell(0.60, 0.50, 2, 8), False),
        ("diverged", TABLES.Cell(float("nan"), 0.0, 8, 8), False),
        ("diverged", TABLES.Cell(0.10, 0.0, 7, 8), True),
        ("发散", TABLES.Cell(0.10, 0.0, 0, 8), True),
        ("0.10", TABLES.Cell(0.10, 0.0, 1, 8), True),
    ],
)
def test_a_wrong_cell_is_noticed(said: str, cell: Any, denied: bool) -> None:
    assert bool(contradiction(said, cell)) == denied


def test_a_cell_is_marked_where_seeds_disagree() -> None:
    with speaking("en"):
        assert str(TABLES.Cell(0.8, 0.05, 0, 8)) == "0.80"
        assert str(TABLES.Cell(0.8, 0.2, 0, 8)) == "~0.80"
        assert str(TABLES.Cell(0.1, 0.0, 3, 8)) == "~0.10 (3 of 8 diverged)"
        assert str(TABLES.Cell(float("nan"), 0.0, 8, 8)) == "diverged"
    with speaking("zh"):
        assert str(TABLES.Cell(0.1, 0.0, 3, 8)) == "~0.10（8 次中 3 次发散）"


def test_a_ratio_has_two_digits() -> None:
    assert [TABLES.ratio_text(ratio) for ratio in (0.396, 0.0561, 2.84, 3.8e-4, 2.2e-32)] == [
        "0.40", "0.056", "2.8", "3.8e-4", "2.2e-32",
    ]  # fmt: skip


def test_a_share_that_rounding_left_is_not_given_as_one() -> None:
    assert [TABLES.share_text(share) for share in (0.4, 2.3e-9, 1.4e-14, 0.0)] == [
        "0.40", "2.3e-9", "< 1e-14", "< 1e-14",
    ]  # fmt: skip
