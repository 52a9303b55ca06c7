"""The playground as people meet it: a real browser, a real server. Skipped, visibly, where one of them is missing."""

import contextlib
import importlib.util
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import vanishlab as vl
from vanishlab.playground.lessons import LESSONS
from vanishlab.playground.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = [name for name in ("marimo", "playwright") if importlib.util.find_spec(name) is None]
MISSING += [] if CHROMIUM else ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"the playground's page needs {', '.join(MISSING)}"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE = 60_000  # milliseconds; a machine may be busy


@contextlib.contextmanager
def serving(*words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve the page, and give its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vanishlab", "playground", "--no-browser", "--port", str(port), *words]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert server.stdout is not None
        said = server.stdout.readline()  # that it serves, or why not
        assert f"http://127.0.0.1:{port}/" in said and "Ctrl-C" in said
        yield f"http://127.0.0.1:{port}/", server
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (url, _):
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Visit:
    """One window on the page, what it asked for, and what it complained of."""

    def __init__(self, browser: "Browser", address: str, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 1000}, **context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda websocket: self.requests.append(websocket.url))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)
        self.shown("depth=10")

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def control(self, name: str) -> "Locator":
        return self.page.locator(f'[data-control="{name}"]')

    def slide(self, name: str, key: str) -> None:
        self.control(name).get_by_role("slider").press(key)

    def choose(self, name: str, label: str) -> None:
        self.control(name).locator("select").select_option(label=label)

    def type(self, name: str, value: str) -> None:
        box = self.control(name).locator("input").first
        box.fill(value)
        box.press("Enter")
        box.blur()

    def shown(self, *words: str) -> "Locator":
        """Wait until the stage shows settings with all of these words, and return it."""
        stage = self.page.locator("".join(["[data-settings]", *(f'[data-settings*="{word}"]' for word in words)]))
        stage.locator("figure.vl-loss img").first.wait_for()
        return stage

    def failed(self) -> str:
        sentence = self.page.locator(".vl-failed")
        sentence.wait_for()
        return sentence.inner_text()

    def click(self, label: str) -> None:
        self.page.get_by_role("button", name=label).click()

    def picture(self, name: str) -> str:
        return str(self.page.locator(f"figure.vl-{name} img").first.get_attribute("src"))

    def code(self) -> str:
        return "\n".join(self.page.locator(".vl-lines pre").all_inner_texts())

    def copied(self) -> list[str]:
        """Press the button of each block of lines, the second by keyboard, and return what the clipboard then has."""
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        clipboard = []
        for number, button in enumerate(self.page.locator(".vl-lines").get_by_role("button").all()):
            self.page.evaluate("navigator.clipboard.writeText('nothing yet')")
            button.click() if number == 0 else button.press("Enter")
            self.page.wait_for_function("navigator.clipboard.readText().then(text => text !== 'nothing yet')")
            clipboard.append(str(self.page.evaluate("navigator.clipboard.readText()")))
        return clipboard

    def close(self) -> None:
        assert self.complaints == []
        away = [url for url in self.requests if not re.match(r"(http|ws)://127\.0\.0\.1:|data:|blob:", url)]
        assert away == [] and self.requests
        self.context.close()


@pytest.fixture
def visit(browser: "Browser", address: str) -> Iterator[Visit]:
    one = Visit(browser, address)
    yield one
    one.close()


def loss_told(stage: "Locator") -> str:
    told = re.search(r"Loss (\S+) → (\S+);", stage.inner_text())
    assert told is not None
    return f"{told[1]} {told[2]}"


def loss_of(settings: Settings) -> str:
    data = vl.load_data(settings.data, max_examples=settings.examples)
    record = vl.train(settings.network(), settings.training(), data)
    return f"{record.loss[0, 0]:.3g} {record.at_end(record.loss)[0]:.3g}"


def test_the_page_shows_what_the_lab_measures(visit: Visit) -> None:
    stage = visit.shown("depth=10")
    assert "vanishing" in stage.inner_text()
    assert loss_told(stage) == loss_of(Settings())
    for name in ("activation_rms", "delta_rms", "gradient_norm", "history", "loss", "phase"):
        picture = visit.page.locator(f"figure.vl-{name} img")
        assert picture.get_attribute("alt") and picture.evaluate("image => image.naturalWidth") > 400
    visit.page.locator(".vl-lines").nth(1).wait_for()
    assert "vl.NetworkConfig(depth=10)" in visit.code() and "vanishlab train --depth 10" in visit.code()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_picture_waits_for_none_of_marimo_s_scripts(browser: "Browser", address: str, language: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    holding, held = True, list[Any]()
    page.route(
        "**/assets/*.js", lambda route: held.append(route) if holding else route.continue_()
    )  # neither answered nor refused, for now
    page.goto(f"{address}?language={language}", wait_until="commit")
    opening = page.locator("#vl-opening.dark")
    picture = opening.locator("figure.vl-delta_rms img")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400
    assert ("梯度消失" in opening.inner_text()) == (language == "zh") and held
    first = picture.get_attribute("src")
    holding = False
    for each in held:
        each.continue_()
    page.locator("[data-control='depth']").wait_for()
    opening.wait_for(state="detached")
    assert page.locator("#root figure.vl-delta_rms img").first.get_attribute("src") == first
    context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_lines_are_copied_to_the_letter(browser: "Browser", address: str, language: str) -> None:
    one = Visit(browser, f"{address}?language={language}")
    one.page.locator(".vl-lines").nth(1).wait_for()
    assert one.copied() == [Settings().python_lines(), Settings().shell_line()]
    one.choose("normalization", {"en": "layer", "zh": "层归一化（layer）"}[language])
    one.page.locator(".vl-lines", has_text="--normalization layer").wait_for()
    other = Settings(normalization="layer")
    assert one.copied() == [other.python_lines(), other.shell_line()]
    one.close()


SLIDES = {
    "depth": ("ArrowRight", "depth=11"),
    "width": ("ArrowLeft", "width=32"),
    "learning_rate": ("ArrowRight", "learning_rate=0.15"),
    "steps": ("ArrowLeft", "steps=20"),
    "examples": ("ArrowLeft", "examples=32"),
}
CHOICES = {
    "activation": ("tanh", "activation='tanh'"),
    "initialization": ("xavier_normal", "initialization='xavier_normal'"),
    "normalization": ("layer", "normalization='layer'"),
    "residual": ("plain, h + φ(z)", "residual='plain'"),
    "data": ("moons", "data='moons'"),
}


def test_every_control_changes_what_it_should(visit: Visit) -> None:
    for name, (step, words) in {**SLIDES, **CHOICES}.items():
        before = visit.picture("loss"), visit.picture("history")
        if name in SLIDES:
            visit.slide(name, step)
        else:
            visit.choose(name, step)
        visit.shown(words)
        assert (visit.picture("loss"), visit.picture("history")) != before, name
    visit.choose("normalization", "none")
    visit.choose("residual", "none")
    visit.choose("initialization", "gaussian (σ_w, σ_b)")
    visit.shown("initialization='gaussian'")
    before = visit.picture("phase")
    visit.type("sigma_w", "1.5")
    visit.type("sigma_b", "0.3")
    visit.shown("sigma_w=1.5", "sigma_b=0.3")
    assert visit.picture("phase") != before
    assert "sigma_w=1.5, sigma_b=0.3" in visit.code()


def test_two_settings_stand_side_by_side(visit: Visit) -> None:
    visit.click("Hold this one as A")
    visit.page.get_by_text("A, held: 10 × 64 sigmoid").wait_for()
    visit.choose("activation", "tanh")
    stage = visit.shown("activation='tanh'")
    assert "A, held: 10 × 64 sigmoid" in stage.inner_text() and "B, now: 10 × 64 tanh" in stage.inner_text()
    assert stage.locator("figure.vl-delta_rms").count() == 2
    visit.click("Let A go")
    visit.page.get_by_text("A, held").wait_for(state="detached")
    assert visit.shown("activation='tanh'").locator("figure.vl-delta_rms").count() == 1


def test_stop_stops_and_shows_what_there_is(visit: Visit) -> None:
    visit.slide("steps", "End")
    visit.page.locator(".vl-progress").get_by_text("of 5000").wait_for()
    visit.click("Stop")
    stage = visit.shown("steps=5000")
    told = re.search(r"Stopped after (\d+) of 5000 steps", stage.inner_text())
    assert told is not None and int(told[1]) < 5000
    visit.slide("steps", "Home")  # and the page is alive
    visit.shown("steps=0")


def test_silly_settings_give_a_sentence(visit: Visit) -> None:
    visit.choose("normalization", "batch")
    visit.shown("normalization='batch'")
    visit.slide("examples", "Home")
    assert "batch_size must be at least 2 with normalization 'batch', got 1" in visit.failed()
    visit.choose("normalization", "none")
    visit.choose("initialization", "gaussian (σ_w, σ_b)")
    visit.type("sigma_w", "0")
    visit.page.get_by_text("sigma_w must be greater than 0, got 0").wait_for()
    visit.type("sigma_w", "1000000000")
    assert "No prediction" in visit.shown("sigma_w=1000000000").inner_text()
    visit.type("sigma_w", "1.5")
    visit.slide("learning_rate", "End")
    visit.shown("learning_rate=700000.0")
    assert "Traceback" not in visit.page.content()


def test_two_browsers_do_not_disturb_each_other(browser: "Browser", address: str) -> None:
    one, other = Visit(browser, address), Visit(browser, address)
    one.slide("depth", "ArrowRight")
    other.choose("activation", "tanh")
    one.slide("depth", "ArrowRight")
    other.slide("learning_rate", "ArrowRight")
    seen = one.shown("depth=12"), other.shown("activation='tanh'", "learning_rate=0.15")
    assert loss_told(seen[0]) == loss_of(Settings(depth=12))
    assert loss_told(seen[1]) == loss_of(Settings(activation="tanh", learning_rate=0.15))
    assert "activation='sigmoid'" in str(seen[0].get_attribute("data-settings"))
    assert "depth=10" in str(seen[1].get_attribute("data-settings"))
    one.close()
    other.close()


@pytest.mark.parametrize("number", range(1, len(LESSONS) + 1))
def test_a_lesson_runs_to_its_end(visit: Visit, number: int) -> None:
    visit.page.get_by_role("button", name=f"{number} · ").click()
    choices = visit.page.get_by_role("radio")
    choices.first.wait_for()
    assert visit.page.locator(".vl-answer").count() == 0, "the answer waits for the guess"
    visit.page.locator("[data-settings]").wait_for(state="detached")
    choices.first.click()
    answer = visit.page.locator(".vl-answer")
    answer.wait_for()
    assert re.match(r"Right: |Not so\. Measured: ", answer.inner_text())
    assert visit.page.locator("figure.vl-compared img").count() == 1
    visit.page.locator("[data-settings] figure.vl-loss img").wait_for()


def test_the_page_speaks_chinese_and_fits_a_phone_in_the_dark(browser: "Browser", address: str) -> None:
    one = Visit(browser, f"{address}?language=zh", color_scheme="dark")
    one.page.set_viewport_size({"width": 390, "height": 844})
    told = one.shown("depth=10").inner_text()
    assert "梯度消失" in told
    verdict = one.page.locator(".vl-verdict p").inner_text()
    assert re.search("[\u4e00-\u9fff]", verdict) and not re.search("[a-z]{4,} [a-z]{2,}", verdict), verdict
    assert "层归一化（layer）" in one.control("normalization").locator("select").inner_text()
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert one.page.evaluate("document.querySelector('.dark') !== null")
    one.close()


def test_the_language_that_is_served_holds_where_the_address_asks_for_no_other(browser: "Browser") -> None:
    with serving("--language", "zh") as (url, _):
        for asked, other in (("", "English"), ("?language=en", "中文"), ("?language=de", "English")):
            one = Visit(browser, url + asked)
            one.page.get_by_role("link", name=other).wait_for()
            if not asked:
                one.page.get_by_role("link", name=other).click()
                one.page.get_by_role("link", name="中文").wait_for()
                assert "vanishing" in one.shown("depth=10").inner_text()
            one.close()


def spoken_to(port: int, path: str, *headers: str, body: str = "") -> str:
    """Say HTTP/1.1 in raw bytes, `headers` as they are, and return the beginning of the answer."""
    method = "POST" if body else "GET"
    length = [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *headers, *length, "", body]).encode())
        return connection.recv(65536).decode("latin-1")


def test_only_the_own_page_is_answered(address: str) -> None:
    port = int(address.rstrip("/").rpartition(":")[2])
    own = f"Host: localhost:{port}"
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
    session = "/ws?session_id=s_attack&kiosk=false"
    assert spoken_to(port, "/", own).startswith("HTTP/1.1 200")
    assert spoken_to(port, session, own, f"Origin: http://localhost:{port}", *upgrade).startswith("HTTP/1.1 101")
    value = '{"objectIds": ["x"], "values": [1]}'
    for path, words, sent in (
        ("/", (), ""),
        ("/api/kernel/set_ui_element_value", ("Marimo-Session-Id: s_attack",), value),
        ("/assets/index.js", (), ""),
        ("/opening", (), ""),
        (session, upgrade, ""),
    ):
        for host, origin in (
            ("Host: evil.example", f"Origin: http://localhost:{port}"),
            (f"Host: evil.example:{port}", f"Origin: http://evil.example:{port}"),  # DNS rebinding
            (f"Host: localhost:{port + 1}", f"Origin: http://localhost:{port}"),
            (own, "Origin: http://evil.example"),
            (own, "Origin: null"),
            (own, f"Origin: http://localhost:{port + 1}"),
        ):
            answer = spoken_to(port, path, host, origin, *words, body=sent)
            assert answer.startswith("HTTP/1.1 403"), (path, host, origin, answer[:300])
    assert spoken_to(port, session, own, *upgrade).startswith("HTTP/1.1 403")


def test_another_page_cannot_frame_it(browser: "Browser", address: str) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        seen: list[str] = []
        page.on("websocket", lambda websocket: seen.append(websocket.url))
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.set_content(f'<iframe src="{address}"></iframe>')
        assert seen == []
    finally:
        context.close()


def test_ctrl_c_ends_it_quietly_in_the_middle_of_a_training(browser: "Browser") -> None:
    with serving() as (url, server):
        one = Visit(browser, url)
        one.slide("steps", "End")
        one.page.locator(".vl-progress").get_by_text("of 5000").wait_for()
        server.send_signal(signal.SIGINT)
        rest, _ = server.communicate(timeout=30)
        assert (server.returncode, rest) == (0, "")
        one.context.close()  # it complains, rightly, that the server has gone
