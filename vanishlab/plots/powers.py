"""Powers of ten on an axis as text, 10⁻³: matplotlib's formulas look the same, and the first of them takes a while."""

import functools
import re
from typing import Any

from matplotlib import font_manager, rcParams
from matplotlib.axis import Axis
from matplotlib.ticker import Formatter

_LOWERED = "-0123456789"
_RAISED = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_TO_RAISED = str.maketrans(_LOWERED, _RAISED)


def log_scale(axis: Axis) -> None:
    """Make the axis logarithmic, its labels text."""
    (axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale)("log")
    powers_as_text(axis)


def powers_as_text(axis: Axis) -> None:
    """Have the labels of the axis's present formatters as text, where the font has the digits for it."""
    if _are_drawn():
        axis.set_major_formatter(_AsText(axis.get_major_formatter()))
        axis.set_minor_formatter(_AsText(axis.get_minor_formatter()))


def decade_label(exponent: float) -> str:
    """Return the label of 10^exponent.

    >>> decade_label(-12)
    '10⁻¹²'
    """
    return raised_power(f"{exponent:g}") if _are_drawn() else f"$10^{{{exponent:g}}}$"


def raised_power(exponent: str) -> str:
    """Return 10^exponent as text, whatever the font.

    >>> raised_power("-3")
    '10⁻³'
    """
    return f"10{exponent.translate(_TO_RAISED)}"


def plain_powers(label: str) -> str:
    r"""Return a tick's label without the formula, where it is a number or a power of ten; any other as it is.

    >>> plain_powers(r"$\mathdefault{2\times10^{-3}}$"), plain_powers("$10^{12}$"), plain_powers("$x$")
    ('2×10⁻³', '10¹²', '$x$')
    """
    found = re.fullmatch(r"\$(?:\\mathdefault\{)?(?:([\d.]+)(?:\\times)?)??(?:(10)\^\{([-\d]+)\})?\}?\$", label)
    if found is None:
        return label
    factor, power = found[1] or "", found[2]
    return factor + (f"{'×' if factor else ''}{raised_power(found[3])}" if power else "")


class _AsText(Formatter):
    """Another formatter's labels, powers of ten as text."""

    def __init__(self, formulas: Formatter) -> None:
        self._formulas = formulas

    def __call__(self, x: float, pos: int | None = None) -> str:
        return plain_powers(self._formulas(x, pos))

    def set_axis(self, axis: Any) -> None:
        super().set_axis(axis)
        self._formulas.set_axis(axis)

    def set_locs(self, locs: Any) -> None:
        self._formulas.set_locs(locs)

    def get_offset(self) -> str:
        return self._formulas.get_offset()


def _are_drawn() -> bool:
    """Return whether the font that labels are in has raised digits, and LaTeX does not set them."""
    if rcParams["text.usetex"]:
        return False
    return _has_raised(font_manager.findfont(font_manager.FontProperties()))


@functools.cache
def _has_raised(path: str) -> bool:
    font = font_manager.get_font(path)
    return all(font.get_char_index(ord(digit)) for digit in f"{_RAISED}×")
