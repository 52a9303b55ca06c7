"""Pictures as data: a matplotlib figure becomes the SVG of an <img>, small enough for a phone to read."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

_WIDTH, _HEIGHT = 4.3, 3.3  # inches: ten-point letters are eleven pixels high on a phone
_DPI = 110  # of heatmaps inside of an SVG
_KEYS = 8  # entries of a key
_LIGHT = "#e6e9ed"
_FONTS = 'font-family="DejaVu Sans, Verdana, sans-serif"'
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_PLAIN = "<>/:;=,.()-+*!@$~?|{}' "  # what a data: address in an attribute may hold as it is


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


def panel_axes(wide: float = 1.0) -> tuple[Figure, Axes]:
    """Return a figure of a panel's size and its axes."""
    figure = Figure(figsize=(_WIDTH * wide, _HEIGHT), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))
    return figure, figure.subplots()


def key(handles: Sequence[Any], title: str, alt: str, *, cells: bool = False) -> Picture:
    """Return a legend as a picture of its own, for panels that share it; of many entries, evenly chosen ones."""
    if len(handles) > _KEYS:
        handles = [handles[round(place * (len(handles) - 1) / (_KEYS - 1))] for place in range(_KEYS)]
    longest = max((len(str(handle.get_label())) for handle in handles), default=1)
    columns = max(1, min(len(handles), int(52 / (longest + 5))))
    rows = -(-len(handles) // columns)
    figure = Figure(figsize=(_WIDTH, 0.24 * rows + (0.3 if title else 0.12)))
    figure.legend(handles=list(handles), loc="center", ncols=columns, frameon=False, title=title or None)
    return picture(figure, "", alt, cells=cells)


def picture(figure: Figure, title: str, alt: str, *, cells: bool = False) -> Picture:
    """Return the figure as SVG with a transparent background and text as text.

    A picture of coloured `cells` keeps its colours on a dark page; the page turns those of all others over.
    """
    buffer = io.BytesIO()
    # Neither the date nor random ids: the same record gives the same file.
    with rc_context({"svg.hashsalt": "vanishlab", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", dpi=_DPI, metadata=_NO_METADATA, transparent=True)
    text = compact(buffer.getvalue().decode())
    width, height = (round(float(size) * 96) for size in figure.get_size_inches())
    return Picture(_address(text), _address(_lightened(text)) if cells else "", alt, title, width, height)


def compact(svg: str) -> str:
    """Return matplotlib's SVG without what a browser does not need: two thirds of it.

    Names of groups, spaces between tags and lists of fonts go; points and places are kept to a tenth of a point, a
    fifth of a pixel on a dense screen.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg).replace("<svg ", f"<svg {_FONTS} ", 1)
    svg = re.sub(r' (?:d|points|x|y)="[^"]*"', _rounded, svg)
    svg = re.sub(r' style="[^"]*"', lambda style: re.sub(r"([:;]) ", r"\1", style[0]), svg)
    return re.sub(r">\s+<", "><", svg).strip()


def _address(svg: str) -> str:
    """Return the SVG as a data: address without double quotes and ampersands, and without what would end one."""
    if "'" not in svg:  # a third of the length of a quote that is encoded
        svg = svg.replace('"', "'")
    return f"data:image/svg+xml,{quote(svg, safe=_PLAIN)}"


def _lightened(svg: str) -> str:
    """Return the SVG with its blacks, letters, axes and the marks of its key, turned light."""
    head, _, rest = svg.partition("<defs>")
    svg = f"{head}<style>text{{fill:{_LIGHT}}}</style><defs>{rest}"
    return re.sub("#000000|#262626|#4d4d4d", _LIGHT, svg)


def _rounded(attribute: "re.Match[str]") -> str:
    """Return numbers to a tenth, and a path without spaces, which a data: address would have as %20."""
    text = re.sub(r"(\.\d)\d+", r"\1", attribute[0]).replace(".0 ", " ")
    if not text.startswith(" d="):
        return text
    path = re.sub(r"\s*([A-Za-z])\s*", r"\1", text[4:-1])
    return f' d="{re.sub("[ ]+", ",", path.strip())}"'
