"""Paper and ink: the greys of pictures, mixed from the background and the text of matplotlib's style at the time.

On white paper with black ink `ink(0.1)` is matplotlib's "0.9"; in `dark_background` the same line stays as faint.
"""

from collections.abc import Mapping
from typing import Any

from matplotlib import rcParams
from matplotlib.colors import to_rgb
from matplotlib.patheffects import AbstractPathEffect, Normal, Stroke

PAPER = "paper"
"""Stands in a table of styles for the background's colour."""
_MIDDLE = 0.5  # of relative luminance


def ink(strength: float) -> tuple[float, float, float]:
    """Return the colour between the style's background (0) and its text (1)."""
    light, dark = to_rgb(_paper()), to_rgb(rcParams["text.color"])
    red, green, blue = (strength * there + (1 - strength) * here for here, there in zip(light, dark, strict=True))
    return red, green, blue


def paper() -> tuple[float, float, float]:
    """Return the style's background, of axes."""
    return ink(0.0)


def neutral() -> tuple[float, float, float]:
    """Return the grey of lines and marks that belong to no curve."""
    return ink(0.7)


def printed(style: Mapping[str, Any]) -> dict[str, Any]:
    """Return a style of artists with the background's colour where `PAPER` stands for it."""
    return {name: paper() if value is PAPER else value for name, value in style.items()}


def on_dark() -> bool:
    """Whether the style's background is dark."""
    red, green, blue = paper()
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < _MIDDLE


def outline(linewidth: float) -> list[AbstractPathEffect]:
    """Return path effects that set a line of any colour off from coloured cells, and from dark paper in the key."""
    return [Stroke(linewidth=linewidth + 1.4, foreground=ink(0.9)), Normal()]


def _paper() -> Any:
    color = rcParams["axes.facecolor"]
    return rcParams["figure.facecolor"] if color == "none" else color
