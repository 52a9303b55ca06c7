"""The report in a real browser: what a reader and a keyboard find, with every request and console message watched."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import vanishlab as vl
from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.report import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on the PATH"),
    # playwright's own event loop, which it closes after the fact
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
NAME = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=QUIET, chromium_sandbox=False)
        yield running
        running.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks of this lab, three learning rates, one of them diverging."""
    data = vl.load_data("digits", max_examples=64)
    training = TrainingConfig((0.1, 1.0, 1e6), (0, 1), steps=8)
    records = {f"depth {depth}": vl.train(NetworkConfig(depth, 8), training, data) for depth in (3, 30)}
    return write_report(records, tmp_path_factory.mktemp("report") / "report.html")


@contextmanager
def opened(browser: Any, path: Path, **options: Any) -> Iterator[Any]:
    """Open a page and all that is folded, and hold afterwards that it asked for nothing and complained of nothing."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.goto(path.as_uri())
    charts = page.locator(".chart").count()
    page.wait_for_function("n => document.querySelectorAll('.chart svg').length === n", arg=charts)
    page.evaluate("document.querySelectorAll('details.fold').forEach((fold) => { fold.open = true; })")
    yield page
    context.close()
    assert {url.partition("#")[0] for url in requests if not url.startswith("data:")} == {path.as_uri()}
    assert complaints == []


def lines(page: Any) -> list[str]:
    """The paths of the first player's three charts."""
    return page.eval_on_selector_all(
        ".player:first-of-type .chart",
        "all => all.map(c => [...c.querySelectorAll('path')].map(p => p.outerHTML).join())",
    )[:3]


def settled(page: Any, before: list[str]) -> list[str]:
    page.wait_for_timeout(300)
    after = lines(page)
    assert all(new != old for new, old in zip(after, before, strict=True))
    return after


def test_the_slider_moves_the_curves_by_keyboard_too(browser: Any, report: Path) -> None:
    with opened(browser, report) as page:
        slider, said = page.locator("#step-1"), page.locator("output").first
        assert said.inner_text() == "0"
        first = lines(page)
        slider.focus()
        page.keyboard.press("End")
        assert said.inner_text() == "8" and slider.get_attribute("aria-valuetext") == "step 8"
        last = settled(page, first)
        page.keyboard.press("ArrowLeft")
        assert said.inner_text() == "7"
        page.keyboard.press("Home")
        settled(page, last)
        assert lines(page) == first


def test_the_first_screen_knows_the_result_and_links_open_what_is_folded(browser: Any, report: Path) -> None:
    with opened(browser, report) as page:
        page.reload()
        answer = page.locator(".answer").bounding_box(), page.locator(".answers img").last.bounding_box()
        assert all(box["y"] + box["height"] < 900 for box in answer)
        assert page.locator("details.fold[open]").count() == 0
        assert page.evaluate("document.documentElement.scrollHeight") < 2000
        page.get_by_role("link", name="depth 30").click()
        chart = page.locator("#network-2 .chart svg").first
        sync_api.expect(chart).to_be_visible()
        page.wait_for_function("document.querySelector('#network-2 .chart svg').getBoundingClientRect().width > 200")
        assert page.locator("details.fold[open]").count() == 1
        page.goto(report.as_uri() + "#runs")
        sync_api.expect(page.locator("table.sortable")).to_be_visible()


def test_play_goes_to_the_end_and_pauses(browser: Any, report: Path) -> None:
    with opened(browser, report) as page:
        button, said = (
            page.get_by_role("button", name="Play the training steps of depth 3", exact=True),
            page.locator("output").first,
        )
        button.focus()
        page.keyboard.press("Enter")
        assert "Pause" in button.inner_text()
        sync_api.expect(said).not_to_have_text("0")
        button.click()
        stopped = said.inner_text()
        page.wait_for_timeout(1200)
        assert said.inner_text() == stopped and "Play" in button.inner_text()
        button.click()
        sync_api.expect(said).to_have_text("8", timeout=20_000)
        assert "Play" in button.inner_text()


def test_the_table_sorts_by_keyboard(browser: Any, report: Path) -> None:
    with opened(browser, report) as page:
        table = page.locator("table.sortable")
        header = table.get_by_role("columnheader", name="loss at end")

        def losses() -> list[float]:
            keys = page.eval_on_selector_all(
                "table.sortable tbody tr td:nth-child(5)", "all => all.map(c => c.dataset.key)"
            )
            return [float(key) for key in keys]

        before = losses()
        assert header.get_attribute("aria-sort") == "none"
        header.get_by_role("button").focus()
        page.keyboard.press("Enter")
        assert header.get_attribute("aria-sort") == "ascending" and losses() == sorted(before)
        page.keyboard.press("Space")
        assert header.get_attribute("aria-sort") == "descending" and losses() == sorted(before, reverse=True)
        table.get_by_role("button", name="network").click()
        names = page.eval_on_selector_all(
            "table.sortable tbody tr td:first-child", "all => all.map(c => c.textContent)"
        )
        assert names == ["depth 3"] * 6 + ["depth 30"] * 6 and header.get_attribute("aria-sort") == "none"


def test_a_layer_named_as_a_script_is_shown_and_inert(browser: Any, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh())
    model.add_module(NAME, nn.Linear(4, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(6, 5)).square().mean().backward()
            optimizer.step()
    path = recorder.record.save(tmp_path / "<img src=x onerror=alert(2)>.npz")
    with opened(browser, write_report(path, tmp_path / "report.html")) as page:
        assert page.locator("h2", has_text="<img src=x onerror=alert(2)>").count() == 1
        assert page.evaluate("document.images.length") == page.locator("img[alt]").count()
        page.locator(".chart").first.locator(".mark-symbol path").nth(1).hover(force=True)
        sync_api.expect(page.locator("#vg-tooltip-element")).to_contain_text(NAME)
        assert page.locator("script").count() == 2 + 3  # Vega, the page's own, and the charts' data


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_desk_and_a_phone_in_light_and_dark(
    browser: Any, report: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    with opened(browser, report, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        broken = page.evaluate("[...document.images].filter(i => !i.complete || i.naturalWidth === 0).length")
        assert broken == 0
        drawn = page.evaluate("[...document.querySelectorAll('.chart svg')].map(s => s.getBoundingClientRect().right)")
        assert max(drawn) <= width
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (np.mean([int(part) for part in ground[4:-1].split(",")]) > 128) == (scheme == "light")
        page.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
        assert (tmp_path / f"{width}-{scheme}.png").stat().st_size > 50_000


def test_what_has_the_focus_can_be_seen(browser: Any, report: Path) -> None:
    with opened(browser, report) as page:
        seen = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            tag, outline = page.evaluate(
                "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineWidth]"
            )
            if tag != "BODY":
                assert outline == "3px", tag
            seen.add(tag)
        assert {"A", "INPUT", "BUTTON", "SUMMARY"} <= seen


def test_it_prints(browser: Any, report: Path, tmp_path: Path) -> None:
    with opened(browser, report, color_scheme="dark") as page:
        page.pdf(path=tmp_path / "report.pdf", format="A4")
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("getComputedStyle(document.querySelector('img')).filter") == "none"
    assert (tmp_path / "report.pdf").stat().st_size > 50_000
