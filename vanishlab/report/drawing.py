"""`Picture`: a matplotlib figure as the SVG of an <img>, in a size that reads on a phone.

`layout` places what is drawn, `svg` makes a picture's text short.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from vanishlab.plots.fonts import make_legible
from vanishlab.plots.web_font import font_face
from vanishlab.report.layout import lay_out
from vanishlab.report.svg import address, compact, lightened

_WIDTH, _HEIGHT = 4.3, 3.3  # inches: ten-point letters are eleven pixels high on a phone
_DPI = 110  # of heatmaps inside of an SVG
_KEYS = 8  # entries of a key
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_ONE_LAYOUT: dict[str, Any] = {"figure.autolayout": False, "figure.constrained_layout.use": False}
_SVG: dict[str, Any] = {"svg.hashsalt": "vanishlab", "svg.fonttype": "none"}  # no random ids, and text as text


@dataclass(frozen=True)
class Picture:
    """What the page shows of one figure."""

    source: str
    """A data: address."""
    dark: str
    """The same for a dark page, where turning all colours over would not do; else empty."""
    alt: str
    title: str
    width: int
    height: int


def panel_axes(wide: float = 1.0, high: float = 1.0) -> tuple[Figure, Axes]:
    """Return a figure of a panel's size, or so many times wider and higher, and its axes."""
    figure = Figure(figsize=(_WIDTH * wide, _HEIGHT * high), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))
    return figure, figure.subplots()


def key(handles: Sequence[Any], title: str, alt: str, *, cells: bool = False) -> Picture:
    """Return a legend as a picture of its own, for panels that share it; of many entries, evenly chosen ones."""
    if len(handles) > _KEYS:
        handles = [handles[round(place * (len(handles) - 1) / (_KEYS - 1))] for place in range(_KEYS)]
    longest = max((_columns(str(handle.get_label())) for handle in handles), default=1)
    columns = max(1, min(len(handles), int(52 / (longest + 5))))
    rows = -(-len(handles) // columns)
    figure = Figure(figsize=(_WIDTH, 0.24 * rows + (0.3 if title else 0.12)))
    handles = [_free(handle) for handle in handles]
    figure.legend(handles=handles, loc="center", ncols=columns, frameon=False, title=title or None)
    return picture(figure, "", alt, cells=cells)


def _free(handle: Any) -> Any:
    """Return what stands for `handle` in a legend of another figure; matplotlib 3.10.0 refuses a band of the first."""
    if not isinstance(handle, PolyCollection):
        return handle
    return Patch(facecolor=handle.get_facecolor()[0], linewidth=0.0, label=str(handle.get_label()))  # pyright: ignore[reportArgumentType]


def _columns(text: str) -> int:
    """Return how wide a text is in Latin letters; a Chinese character is two of them."""
    return len(text) + sum(letter >= "\u2e80" for letter in text)


def picture(figure: Figure, title: str, alt: str, *, cells: bool = False) -> Picture:
    """Return the figure as SVG with a transparent background and text as text.

    A picture of coloured `cells` keeps its colours on a dark page; the page turns those of all others over.
    """
    buffer = io.BytesIO()
    # Neither the date nor random ids: the same record gives the same file.
    with rc_context(_ONE_LAYOUT | _SVG):  # pyright: ignore[reportArgumentType]
        make_legible(figure)
        lay_out(figure)
        make_legible(figure)  # the labels of ticks, which are new
        figure.savefig(buffer, format="svg", dpi=_DPI, metadata=_NO_METADATA, transparent=True)
    svg = buffer.getvalue().decode()
    text = compact(svg, font_face(svg))
    width, height = (round(float(size) * 96) for size in figure.get_size_inches())
    return Picture(address(text), address(lightened(text)) if cells else "", alt, title, width, height)
