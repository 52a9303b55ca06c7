"""Figures that show themselves as the last line of a notebook's cell: they keep out of pyplot, which would do it."""

import io
from typing import Any

from matplotlib.figure import Figure

_DENSITY = 2  # pixels a point of the screen, as the sharp screens of today have


class ShownFigure(Figure):
    """A figure that Jupyter, Colab, VS Code and marimo show as a picture."""

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=_DENSITY * self.dpi, metadata={"Software": None})
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return file.getvalue(), {"width": width, "height": height}
