"""The script of the charts: built once, kept whole or not at all."""

from pathlib import Path
from typing import Any

import matplotlib
import pytest

pytest.importorskip("vl_convert", reason="the extra vanishlab[report] is not installed")

import vl_convert

from vanishlab.report.vega import vega


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """An empty cache folder, and a builder that counts."""
    calls: list[Any] = []

    def build(snippet: str) -> str:
        calls.append(snippet)
        return f"{snippet} '</script><!--' 🙂"

    monkeypatch.setattr(matplotlib, "get_cachedir", lambda: str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", build)
    return calls


def test_it_is_built_once_and_cannot_end_its_element(built: list[Any]) -> None:
    first = vega.__wrapped__()
    assert vega.__wrapped__() == first and len(built) == 1
    assert first == "window.vegaEmbed = vegaEmbed; '<\\/script><\\!--' 🙂"


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-3], lambda text: b"", lambda text: text.replace(b"vega", b"evil")]
)
def test_a_damaged_one_is_built_again(built: list[Any], tmp_path: Path, damage: Any) -> None:
    whole = vega.__wrapped__()
    (kept,) = tmp_path.glob("*.js")
    kept.write_bytes(damage(kept.read_bytes()))
    assert vega.__wrapped__() == whole and len(built) == 2
    assert vega.__wrapped__() == whole and len(built) == 2


def test_where_nothing_can_be_kept_it_is_built_each_time(
    built: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(matplotlib, "get_cachedir", lambda: str(tmp_path / "file"))
    assert vega.__wrapped__() == vega.__wrapped__() and len(built) == 2
