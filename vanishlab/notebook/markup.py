"""HTML for a notebook's cell, everything escaped, and pictures in the colours of the page around them.

The page may be light or dark, by the system's wish (prefers-color-scheme) or by the notebook's own theme, and may
change while the cell stands. So letters and lines are the page's `currentColor`, greys are some of it over
nothing, and the colours of data have some of it in them: dark purple is lighter on a dark page.
"""

import html
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib import rc_context, style
from matplotlib.figure import Figure

from vanishlab.report.svg import compact

_SVG: dict[str, Any] = {"svg.hashsalt": "vanishlab", "svg.fonttype": "none"}  # no random ids, and text as text
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_FAINT = "1px solid color-mix(in srgb, currentColor 25%, transparent)"
_CELL = f"text-align:left;vertical-align:top;white-space:pre-line;padding:.3em .8em .3em 0;border-bottom:{_FAINT}"
# Jupyter gives the output its theme's colour; where the page around has none, the system's wish is followed.
_CARD = (
    "color-scheme:light dark;color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit));"
    "background:transparent;max-width:60em;overflow-x:auto"
)


def card(title: str, *parts: str) -> str:
    """Return a title and what stands below it, HTML already, as one block."""
    return f'<div class="vanishlab" style="{_CARD}"><div><b>{html.escape(title)}</b></div>{"".join(parts)}</div>'


def lines(texts: Iterable[str]) -> str:
    """Return a line for each text that is not empty."""
    return "".join(f"<div>{html.escape(text)}</div>" for text in texts if text)


def code_block(code: str) -> str:
    """Return lines of code as they are."""
    return f'<pre style="margin:0 0 .3em 2em">{html.escape(code)}</pre>'


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a line break in an entry stays one."""
    body = "".join(_row("td", row) for row in rows)
    return f'<table style="border-collapse:collapse"><thead>{_row("th", columns)}</thead><tbody>{body}</tbody></table>'


def _row(tag: str, entries: Sequence[str]) -> str:
    cells = "".join(f'<{tag} style="{_CELL}">{html.escape(entry)}</{tag}>' for entry in entries)
    return f"<tr>{cells}</tr>"


def drawn(figure: Callable[[], Figure]) -> str:
    """Return the figure, drawn black on white, as SVG in which black is the page's own colour and white is nothing."""
    file = io.BytesIO()
    with style.context("default"), rc_context(_SVG):  # pyright: ignore[reportArgumentType]
        figure().savefig(file, format="svg", metadata=_METADATA, transparent=True)
    text = compact(file.getvalue().decode())
    text = re.sub(r"#[0-9a-f]{6}\b", _of_the_page, text)
    return re.sub("^<svg ", '<svg fill="currentColor" style="width:100%;height:auto;max-width:58em" ', text)


def _of_the_page(color: "re.Match[str]") -> str:
    channels = {color[0][place : place + 2] for place in (1, 3, 5)}
    if len(channels) > 1:
        return f"color-mix(in srgb,{color[0]} 70%,currentColor)"
    strength = 1 - int(channels.pop(), 16) / 255
    return "transparent" if strength == 0 else f"color-mix(in srgb,currentColor {100 * strength:.0f}%,transparent)"
