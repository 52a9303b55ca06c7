"""Figures that show themselves as the last line of a notebook's cell: they keep out of pyplot, which would do it."""

import io
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from vanishlab.errors import InputError

_DENSITY = 2  # pixels a point of the screen, as the sharp screens of today have
_SIZE, _SIZE_OF_TWO = (7.5, 4.8), (11.0, 4.4)  # inches


class ShownFigure(Figure):
    """A figure that Jupyter, Colab, VS Code and marimo show as a picture."""

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=_DENSITY * self.dpi, metadata={"Software": None})
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return file.getvalue(), {"width": width, "height": height}


def given_or_own(ax: Axes | None) -> Axes:
    """Return the axes, or where none are given, those of a new figure that shows itself."""
    if ax is not None:
        return ax
    return ShownFigure(figsize=_SIZE, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)).subplots()


def two_given_or_own(left: Axes | None, right: Axes | None) -> tuple[Axes, Axes]:
    """Return both axes, or where neither is given, those of a new figure. Raises `InputError` for one alone."""
    if left is not None and right is not None:
        return left, right
    if left is not None or right is not None:
        raise InputError("axes must be both given or both None, got one")
    figure = ShownFigure(figsize=_SIZE_OF_TWO, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    return tuple(figure.subplots(1, 2))


def figure_of(artist: Artist) -> Figure:
    """Return the whole figure that an artist was drawn in."""
    figure = artist.get_figure(root=True)
    assert figure is not None  # of an artist on axes
    return figure
