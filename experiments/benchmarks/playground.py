"""How long does the playground take from a slider's move to the new pictures?

Setup   The playground's default network with 3, 10, 30 and 100 hidden layers, another learning rate at every repeat so
        that nothing is found again: `measure` (train, judge, predict) and `page.shown` (six pictures, HTML), in one
        thread. Then, where marimo, Playwright and a chromium are there, the page itself: the depth slider moves
        between 10 and 11, and the clock stops when the pictures have been decoded in the browser. Last, the start, a
        third as often: from the command to the address, the first words, the first picture, the controls and all of the
        pictures, with the processor's time of the server so far, and how much of the machine idled until the first
        picture. Where that is next to nothing others compute as well, and only the processor's time says something.
Expect  The default within a second, in the browser too; after a start the first picture within 4 s on two idle cores.
Run     python experiments/benchmarks/playground.py             # about a minute
        python experiments/benchmarks/playground.py --repeats 1
"""

import argparse
import contextlib
import importlib.util
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil

from vanishlab.playground import page
from vanishlab.playground.measuring import measure
from vanishlab.playground.settings import Settings

DEPTHS = (3, 10, 30, 100)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
STAGES = {
    "first words": ".vl-progress",
    "first picture": "figure.vl-delta_rms img",
    "controls": "[data-control]",
    "all": "[data-settings] img",
}
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


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, psutil.Process]]:
    """Serve the page in a process of its own, and give its address, once it is told, and the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vanishlab", "playground", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"http://127.0.0.1:{port}/", psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(30)


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    """Give a window of a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page(viewport={"width": 1280, "height": 1000})
        window.set_default_timeout(120_000)
        yield window
        browser.close()


def in_browser(repeats: int) -> float:
    """Return the median seconds between a key on the depth slider and its pictures."""
    seconds = []
    with serving() as (address, _), opened() as window:
        window.goto(address)
        window.locator("[data-settings] img").first.wait_for()
        slider = window.locator('[data-control="depth"]').get_by_role("slider")
        for repeat in range(repeats + 1):
            key, depth = ("ArrowRight", 11) if repeat % 2 == 0 else ("ArrowLeft", 10)
            start = time.perf_counter()
            slider.press(key)
            window.evaluate(DECODED, depth)
            seconds.append(time.perf_counter() - start)
            time.sleep(0.3)
    return statistics.median(seconds[1:])


def from_start() -> dict[str, tuple[float, float]]:
    """Return what a visitor sees, with the seconds since the command and those of the server's processor until then.

    The browser itself is open already. "idle" is the share of the machine's processors' time until the first picture.
    """
    found, idle = {}, 0.0
    with opened() as window:
        start, before = time.perf_counter(), psutil.cpu_times()
        with serving() as (address, server):
            found["address"] = time.perf_counter() - start, _processor(server)
            window.goto(address, wait_until="commit")
            for what, seen in STAGES.items():
                window.locator(seen).first.wait_for()
                found[what] = time.perf_counter() - start, _processor(server)
                if what == "first picture":
                    idle = (psutil.cpu_times().idle - before.idle) / (found[what][0] * (psutil.cpu_count() or 1))
            found["idle"] = idle, idle
    return found


def _processor(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return spent.user + spent.system


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
        for found in (from_start() for _ in range(-(-repeats // 3))):
            idle, _ = found.pop("idle")
            told = (f"{what} {wall:.1f} s ({processor:.1f})" for what, (wall, processor) in found.items())
            print(f"from the start on: {', '.join(told)}; {idle:.0%} of the machine idle until the first picture")


if __name__ == "__main__":
    main()
