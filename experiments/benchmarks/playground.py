"""How long does the playground take from a slider's move to the new pictures?

Setup   The playground's default network with 3, 10, 30 and 100 hidden layers, another learning rate at every repeat so
        that nothing is found again: `measure` (train, judge, predict) and `page.shown` (six pictures, HTML), in one
        thread. Then, where marimo, Playwright and a chromium are there, the page itself: the depth slider moves
        between 10 and 11, and the clock stops when the pictures have been decoded in the browser.
Expect  The default within a second, in the browser too.
Run     python experiments/benchmarks/playground.py             # about a minute
        python experiments/benchmarks/playground.py --repeats 1
"""

import argparse
import importlib.util
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace

from vanishlab.playground import page
from vanishlab.playground.measuring import measure
from vanishlab.playground.settings import Settings

DEPTHS = (3, 10, 30, 100)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DECODED = """async wanted => {
    const found = () => document.querySelector(`[data-settings*="depth=${wanted},"]`)
    while (!found()) await new Promise(requestAnimationFrame)
    await Promise.all([...found().querySelectorAll("img")].map(image => image.decode()))
}"""


def compute(depth: int, repeats: int) -> tuple[float, float]:
    """Return the median seconds of measuring and of drawing, the first time (imports, font caches) left out."""
    measuring, drawing = [], []
    for repeat in range(repeats + 1):
        settings = replace(Settings(), depth=depth, learning_rate=0.1 + repeat / 1000)
        start = time.perf_counter()
        result = measure(settings)
        between = time.perf_counter()
        page.shown(result)
        measuring.append(between - start)
        drawing.append(time.perf_counter() - between)
    return statistics.median(measuring[1:]), statistics.median(drawing[1:])


def in_browser(repeats: int) -> float:
    """Return the median seconds between a key on the depth slider and its pictures."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vanishlab", "playground", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    seconds = []
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.3)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            window = browser.new_page(viewport={"width": 1280, "height": 1000})
            window.set_default_timeout(120_000)
            window.goto(f"http://127.0.0.1:{port}/")
            window.locator("[data-settings] img").first.wait_for()
            slider = window.locator('[data-control="depth"]').get_by_role("slider")
            for repeat in range(repeats + 1):
                key, depth = ("ArrowRight", 11) if repeat % 2 == 0 else ("ArrowLeft", 10)
                start = time.perf_counter()
                slider.press(key)
                window.evaluate(DECODED, depth)
                seconds.append(time.perf_counter() - start)
                time.sleep(0.3)
            browser.close()
    finally:
        server.terminate()
        server.wait(30)
    return statistics.median(seconds[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    for depth in DEPTHS:
        measuring, drawing = compute(depth, repeats)
        print(f"{depth:4} layers: {measuring:.2f} s to measure, {drawing:.2f} s to draw", flush=True)
    missing = [name for name in ("marimo", "playwright") if importlib.util.find_spec(name) is None]
    missing += [] if CHROMIUM else ["chromium"]
    if missing:
        print(f"the page itself was not measured: {', '.join(missing)} not here")
    else:
        print(f"in the browser, from the slider's move to the pictures: {in_browser(repeats):.2f} s")


if __name__ == "__main__":
    main()
