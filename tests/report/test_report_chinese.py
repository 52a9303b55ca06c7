"""A report in Chinese: no sentence is left in English, and page and pictures bring the glyphs of all they read."""

import base64
import io
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from fontTools.ttLib import TTFont

import vanishlab as vl
from vanishlab import plots
from vanishlab.plots import fonts, web_font

pytest.importorskip("jinja2", reason="the extra vanishlab[report] is not installed")
pytest.importorskip("noto_cjk_sans_otc", reason="the extra vanishlab[chinese] is not installed")

from test_report import Page
from words import english

from vanishlab.language.chinese import CHINESE
from vanishlab.report import write_report
from vanishlab.report.drawing import panel_axes, picture

OWN = {"mine", "blocks", "linear", "readout", "svg", "numpy"}  # names of records, layers and libraries


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    data = vl.load_data("digits", max_examples=16)
    training = vl.TrainingConfig((0.1, 1e6), steps=2)
    records = {f"mine {depth}": vl.train(vl.NetworkConfig(depth, 6), training, data) for depth in (1, 12)}
    with plots.language("zh"):
        return Page(write_report(records, tmp_path_factory.mktemp("report") / "report.html"))


def chinese(text: str) -> set[str]:
    return {letter for letter in text if "\u2e80" <= letter <= "\uffef"}


def glyphs(css: str) -> set[str]:
    """Return the characters of the fonts that a style brings."""
    found: set[str] = set()
    for kind, data in re.findall(r"url\(data:font/(woff2?);base64,([A-Za-z0-9+/=]+)\)", css):
        font = TTFont(io.BytesIO(base64.b64decode(data)))
        assert font.flavor == kind
        found |= {chr(code) for code in font.getBestCmap() or ()}
    return found


def test_no_sentence_is_left_in_english(page: Page) -> None:
    # what is pasted or typed: code, and the values of settings
    shown = [text for tag, text in page.texts if tag not in ("pre", "code", "script", "style", "dd")]
    said = [attributes.get(name, "") for _, attributes in page.elements for name in ("alt", "aria-label")]
    left = {word: text for text in (*shown, *said) for word in english(text) if word not in OWN}
    assert left == {}
    assert page.all("html") == [{"lang": "zh-CN"}]
    assert CHINESE["What was run"] in page.shown and CHINESE["vanishing"] in page.shown


def test_stops_after_chinese_are_wide_ones(page: Page) -> None:
    visible = re.sub(r"<(script|style|pre)\b.*?</\1>", "", page.source.split("<body")[1], flags=re.S)
    shown = re.sub(r"<[^>]*>", "", visible)
    assert re.findall(r".{9}[\u4e00-\u9fff] ?[,;:()?!].{9}", shown) == []


def test_commands_are_written_with_the_page_s_glyphs(page: Page) -> None:
    assert chinese("".join(text for tag, text in page.texts if tag == "code")), "a record at hand is not saved yet"
    rule = re.search(r"pre, code \{ font-family: (.*?); \}", page.source)
    assert rule is not None and rule[1].split(", ")[-1] == web_font.WEB_FAMILY


def test_the_page_and_every_picture_bring_their_glyphs(page: Page) -> None:
    style = page.source.split("<style>")[1].split("</style>")[0]
    charts = " ".join(str(chart) for chart in page.charts)
    needed = chinese(page.shown + charts)
    assert len(needed) > 150 and needed <= glyphs(style)
    for image in page.all("img"):
        svg = unquote(image["src"])
        assert chinese(re.sub("<style>.*?</style>", "", svg)) <= glyphs(svg)


def test_a_page_in_english_brings_no_font(tmp_path: Path) -> None:
    record = vl.train(vl.NetworkConfig(1, 2), vl.TrainingConfig(steps=0), vl.load_data("moons", max_examples=8))
    assert "font/" not in Page(write_report(record, tmp_path / "report.html")).source.split("</style>")[0]


def test_glyphs_beyond_the_catalogue_are_brought_too() -> None:
    assert glyphs(web_font.font_face("梯度 (gradient) 龘")) == {"梯", "度", "龘"}
    assert web_font.font_face("gradient") == ""


def test_the_same_text_gives_the_same_bytes_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = set()
    path = fonts.packaged_font()
    assert path is not None
    for now in ("0", "1000000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", now)  # fontTools takes it for its clock
        made.add(web_font._subset(web_font._of_catalogue(path), "梯度", "woff"))
    assert len(made) == 1


def test_without_the_extra_a_page_is_left_to_the_readers_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "packaged_font", lambda: None)
    assert web_font.font_face("梯度") == ""


def test_a_label_in_chinese_has_its_room() -> None:
    widths = []
    for name in ("l", "第一层的名称"):
        with plots.language("zh"):
            figure, ax = panel_axes()
            ax.set_yticks([0, 1], [name, "b"])
            picture(figure, "", "")
            widths.append(ax.get_position().x0)
    assert widths[1] - widths[0] > 0.1
