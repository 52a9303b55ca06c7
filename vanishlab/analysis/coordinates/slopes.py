"""`Slope`: the exponent with which a number grows with a network's size, with its confidence interval and its trend."""

import math
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

Trend = Literal["flat", "grows", "shrinks", "unclear", "none"]
LINE = 0.25
"""From here on a slope is not flat: exponents in width are multiples of 1/2 in the limit (arXiv:2011.14522), and this
is half way to the first of them."""
LEAST_SIZES = 3
"""A line through two points has no interval."""
_LEVEL = 0.95


class Slope(NamedTuple):
    """The exponent s of y ~ size^s, and the ends of its 95 % confidence interval; NaN where there is none."""

    value: float
    low: float
    high: float

    @property
    def trend(self) -> Trend:
        """What can be said of it: "flat" within 1/4 of 0, "unclear" where the interval holds such a line."""
        if math.isnan(self.value):
            return "none"
        if self.low > LINE:
            return "grows"
        if self.high < -LINE:
            return "shrinks"
        return "flat" if self.low >= -LINE and self.high <= LINE else "unclear"

    def __str__(self) -> str:
        """Return the exponent and half its interval with two decimals, nothing where there is none."""
        return "" if math.isnan(self.value) else f"{self.value:+.2f} ± {self.high - self.value:.2f}"


def fit_slope(sizes: np.ndarray, values: np.ndarray) -> Slope:
    """Return the slope of log `values` (seed, size) against log `sizes` (size,), by least squares.

    The interval is Student's, from the scatter of all points around the line: that of the seeds, and that of a curve
    which is no line. A value that is zero or not finite is no point; fewer than three sizes have no slope.

    >>> str(fit_slope(np.array([8, 16, 32]), np.array([[4.0, 2.0, 1.0]])))
    '-1.00 ± 0.00'
    """
    counted = np.isfinite(values) & (values > 0)  # (seed, size)
    if counted.any(axis=0).sum() < LEAST_SIZES:
        return Slope(math.nan, math.nan, math.nan)
    x = np.broadcast_to(np.log(sizes), values.shape)[counted]
    y = np.log(values[counted])
    x = x - x.mean()
    value = float(x @ y / (x @ x))
    rest = y - y.mean() - value * x
    freedom = len(x) - 2
    error = math.sqrt(float(rest @ rest) / freedom / float(x @ x))
    margin = float(stdtrit(freedom, 0.5 + _LEVEL / 2)) * error
    return Slope(value, value - margin, value + margin)
