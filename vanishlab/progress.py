"""A bar for what takes long, where somebody watches: on a terminal's stderr, or below a notebook's cell.

It comes after a second, so that what is quick stays quiet, and goes when the work is done.
"""

import contextlib
import html
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from vanishlab.terminal import terminal

_QUIET = 1.0  # seconds before anything is shown
_OFTEN = 0.2  # seconds between two pictures in a notebook: each is a message to the browser
Advance = Callable[[float], None]
"""Told how much is done, from 0 to 1."""


@contextlib.contextmanager
def progress_bar(label: str, wanted: bool | None = None) -> Iterator[Advance]:
    """Give a function that is told the share that is done; `wanted` None is a bar where somebody watches."""
    begun, bar = time.monotonic(), None
    drawn = _where()

    def advance(share: float) -> None:
        nonlocal bar
        if bar is None and time.monotonic() - begun > _QUIET:
            bar = stack.enter_context((drawn or _on_terminal)(label))
        if bar is not None:
            bar(share)

    if wanted is False or (wanted is None and drawn is None and (sys.stderr is None or not sys.stderr.isatty())):
        yield lambda share: None
        return
    with contextlib.ExitStack() as stack:
        yield advance


def _where() -> "Callable[[str], contextlib.AbstractContextManager[Advance]] | None":
    """Return what draws a bar in this notebook (Jupyter, Colab, VS Code; marimo), None where this is none."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and hasattr(shell, "kernel"):
        return _below_cell
    return _of_marimo if "marimo" in sys.modules and sys.modules["marimo"].running_in_notebook() else None


@contextlib.contextmanager
def _on_terminal(label: str) -> Iterator[Advance]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=terminal(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=1.0)
        yield lambda share: bars.update(task, completed=share)


@contextlib.contextmanager
def _below_cell(label: str) -> Iterator[Advance]:
    display: Any = importlib.import_module("IPython.display")
    begun, shown = time.monotonic(), 0.0
    handle = display.display(display.HTML(_drawn(label, 0.0, 0.0)), display_id=True)

    def advance(share: float) -> None:
        nonlocal shown
        if (now := time.monotonic()) - shown > _OFTEN:
            shown = now
            handle.update(display.HTML(_drawn(label, share, now - begun)))

    try:
        yield advance
    finally:
        handle.update(display.HTML(""))


@contextlib.contextmanager
def _of_marimo(label: str) -> Iterator[Advance]:
    shown = 0
    marimo: Any = sys.modules["marimo"]
    with marimo.status.progress_bar(total=100, title=label, remove_on_exit=True) as bar:

        def advance(share: float) -> None:
            nonlocal shown
            if (percent := int(100 * share)) > shown:
                bar.update(increment=percent - shown)
                shown = percent

        yield advance


def _drawn(label: str, share: float, seconds: float) -> str:
    left = f", about {seconds / share * (1 - share):.0f} s left" if share > 0.02 else ""
    bar = f'<progress value="{share:.4f}" max="1"></progress>'
    return f"<label>{html.escape(label)} {bar} {100 * share:.0f} %{left}</label>"
