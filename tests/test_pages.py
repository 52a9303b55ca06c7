"""The pages beside the code: links lead somewhere, the drawing of the wings is the order that imports obey."""

import re
from pathlib import Path

import pytest
from test_architecture import LEVELS

import vanishlab as vl

ROOT = Path(__file__).parent.parent
PAGES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in (
    ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CHANGELOG.md", ROOT / "vanishlab/README.md",
    *sorted((ROOT / "experiments").rglob("README.md")),
)}  # fmt: skip
INSIDE, CHANGES = PAGES["vanishlab/README.md"], PAGES["CHANGELOG.md"]


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: str, text: str) -> list[str]:
    dead = []
    for link in re.findall(r"]\(([^)]+)\)", prose(text)):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target
        there = path.read_text(encoding="utf-8") if target.endswith(".md") and path.exists() else text
        if not path.exists() or (anchor and anchor not in anchors(there)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    assert dead_links(page, PAGES[page]) == []


def test_a_dead_link_is_noticed() -> None:
    assert dead_links("README.md", "[a](gone.py) [b](#gone) [c](README.zh-CN.md#gone)\n\n## Here\n\n[d](#here)") == [
        "gone.py", "#gone", "README.zh-CN.md#gone",
    ]  # fmt: skip


def test_the_drawing_of_the_wings_is_their_order() -> None:
    drawn = re.findall(r"^```text\n(.*?)^```$", INSIDE, re.DOTALL | re.MULTILINE)[0]
    levels = [
        [line.split()[0] for line in level.strip().splitlines()] for level in re.split(r"^─+$", drawn, flags=re.M)
    ]
    assert list(map(set, reversed(levels))) == list(map(set, LEVELS))


def test_files_that_the_page_names_exist() -> None:
    named = re.findall(r"(?<!\[)`([\w/.]+\.py|[\w/]+/)`", INSIDE)
    assert len(named) > 10
    assert [name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "vanishlab"))] == []


def test_the_changelog_begins_with_what_is_unreleased_and_then_this_version() -> None:
    versions = re.findall(r"^## (.*)$", CHANGES, re.MULTILINE)
    assert versions[0] == "[Unreleased]" and versions[1].startswith(f"[{vl.__version__}] - ")  # pyright: ignore
    kinds = set(re.findall(r"^### (.*)$", CHANGES, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
