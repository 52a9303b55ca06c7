"""SVG text: what a browser does not need is left out, and the rest is put into a data: address."""

import re
from urllib.parse import quote

from vanishlab.plots.web_font import WEB_FAMILY

_LIGHT = "#e6e9ed"
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "−0123456789")
_PLAIN = "<>/:;=,.()-+*!@$~?|{}' "  # what a data: address in an attribute may hold as it is


def compact(svg: str, font_face: str = "") -> str:
    """Return matplotlib's SVG without what a browser does not need: two thirds of it.

    Names of groups, spaces between tags and lists of fonts go; points and places are kept to a tenth of a point, a
    fifth of a pixel on a dense screen. `font_face` is the rule that brings a font of its own.
    """
    family = f"{f'{WEB_FAMILY}, ' if font_face else ''}DejaVu Sans, Verdana, sans-serif"
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg).replace("<svg ", f'<svg font-family="{family}" ', 1)
    svg = re.sub(r' (?:d|points|x|y)="[^"]*"', _rounded, svg)
    svg = re.sub(r' style="[^"]*"', lambda style: re.sub(r"([:;]) ", r"\1", style[0]), svg)
    svg = re.sub(r"(?<=10)([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)(?=<)", _raised, svg)
    svg = re.sub(r">\s+<", "><", svg).strip()
    return svg.replace(">", f"><style>{font_face}</style>", 1) if font_face else svg


def _raised(power: "re.Match[str]") -> str:
    """Return raised digits as digits that are raised: few fonts have the former in one style."""
    return f"<tspan dy='-.4em' font-size='70%'>{power[0].translate(_RAISED)}</tspan>"


def address(svg: str) -> str:
    """Return the SVG as a data: address without double quotes and ampersands, and without what would end one."""
    if "'" not in svg:  # a third of the length of a quote that is encoded
        svg = svg.replace('"', "'")
    return f"data:image/svg+xml,{quote(svg, safe=_PLAIN)}"


def lightened(svg: str) -> str:
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
