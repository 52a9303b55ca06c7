"""Ranges of axes and colours that hold for every number of float64, 5e-324 and 1.8e308 among them.

matplotlib's own arithmetic (a margin added, a tick beyond the end, the middle of two boundaries) overflows near
float64's largest number, and half of its smallest is 0.
"""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm, Normalize
from matplotlib.ticker import FixedLocator, NullLocator

from vanishlab.plots.powers import powers_as_text

SMALLEST, LARGEST = 5e-324, sys.float_info.max
ROOM = 1e280
"""matplotlib (3.10.0) tries ticks some decades beyond an axis, which overflow where the axis reaches further."""
_TICKED = 1e-315  # below, matplotlib's only tick may be one at 0: subnormal numbers have few digits


class _FixedLogNorm(LogNorm):
    """Logarithmic colours whose two ends stay: a colour bar would move those that it cannot tell from 0 or infinity."""

    @property
    def vmin(self) -> Any:
        return super().vmin

    @vmin.setter
    def vmin(self, value: Any) -> None: ...

    @property
    def vmax(self) -> Any:
        return super().vmax

    @vmax.setter
    def vmax(self, value: Any) -> None: ...

    def inverse(self, value: Any) -> Any:
        with np.errstate(over="ignore"):  # the log of the largest number, rounded, may belong to one beyond it
            return np.minimum(super().inverse(value), LARGEST)


def within(bottom: float, top: float) -> tuple[float, float]:
    """Return the two powers of ten, or the ends of float64 that they lie beyond; 10 ** 308.3 would be an error."""
    return max(10.0**bottom, SMALLEST), 10.0 ** min(top, 308.25)


def log_norm(low: float, high: float) -> LogNorm:
    """Return logarithmic colours from `low` to `high`, around them where they are one number."""
    if math.log(high) - math.log(low) < 1e-9:
        # Between 5e-324 and twice as much there is no colour: nothing lies between them.
        low, high = max(low / 2, SMALLEST), max(min(high, LARGEST / 2) * 2, 1e-318)
    return (LogNorm if low > 1 / ROOM and high < ROOM else _FixedLogNorm)(low, high)


def linear_norm(low: float, high: float) -> Normalize:
    """Return linear colours from `low` to `high`, around them where they are one number."""
    if low < high:
        return Normalize(low, high)
    margin = _around(low)
    return Normalize(low - margin, high + margin)


def draw_colorbar(mappable: ScalarMappable, axes: Axes | Sequence[Axes], label: str, **shape: Any) -> Colorbar:
    """Draw the colour bar of `mappable` to the right of `axes`, also of numbers whose sum no float64 holds."""
    beside = [axes] if isinstance(axes, Axes) else list(axes)
    figure = beside[0].get_figure()
    assert figure is not None
    with np.errstate(over="ignore"):
        bar = figure.colorbar(mappable, ax=beside, label=label, pad=0.02, **shape)
    norm = mappable.norm
    if isinstance(norm, LogNorm):
        powers_as_text(bar.ax.yaxis)
    if isinstance(norm, LogNorm) and norm.vmin and norm.vmax and norm.vmax < _TICKED:
        bar.ax.yaxis.set_major_locator(FixedLocator([norm.vmin, norm.vmax]))
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.1g}")
        bar.ax.yaxis.set_minor_locator(NullLocator())
    return bar


def fit_linear_axis(ax: Axes, low: float, high: float) -> None:
    """Give `ax` a linear y axis around values from `low` to `high`; numbers too large for one get powers of ten."""
    ax.set_autoscaley_on(False)
    furthest = max(abs(low), abs(high))
    if furthest <= ROOM:
        margin = 0.06 * (high - low) or _around(low)
        ax.set_ylim(low - margin, high + margin)
        return
    ax.set_yscale("symlog", linthresh=1.0)
    ax.set_ylim(_beyond(low, -1.0), _beyond(high, 1.0))
    ends = {value for value in (low, high) if abs(value) > 1.0}
    ax.yaxis.set_major_locator(FixedLocator(sorted({0.0, *ends})))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    ax.yaxis.set_minor_locator(NullLocator())


def _around(value: float) -> float:
    """Return a margin around one value that can be told from it."""
    return max(0.5, 1e-3 * abs(value))


def _beyond(value: float, side: float) -> float:
    """Return a number some twenty decades further than `value` on its side, or where that is none, near 0."""
    if value * side <= 1.0:
        return side * 10.0 if value * side >= 0 else value * 1e-20
    return side * max(10.0 ** min(math.log10(abs(value)) + 20, 308.25), abs(value))
