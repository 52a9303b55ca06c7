r"""The phase diagram of an activation: q* and chi over a whole grid of (sigma_w, sigma_b), and the critical line in it.

The length map needs phi only through E[phi^2] at variance q: one table of it, at q = 1.25^k and 0.8^k, brackets the
fixed points of the whole grid at once, the same ones that `length_fixed_point` finds from q = 1.

Along the critical line q itself is the parameter. Every q belongs to one point where it is a fixed point with chi = 1,

    sigma_w^2 = 1 / E[phi'^2],     sigma_b^2 = q - sigma_w^2 E[phi^2]                                           [1, 2]

and those that the length map does not reach from q = 1 (a negative sigma_b^2, an unstable q) are left out.

[1] Poole et al., 2016, arXiv:1606.05340.  [2] Schoenholz et al., 2017, arXiv:1611.01232.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vanishlab.activations import find_activation
from vanishlab.errors import InputError, check_array, check_integer, check_number
from vanishlab.language.sentences import say
from vanishlab.theory.gaussian.expectations import second_moment, slope_second_moment
from vanishlab.theory.meanfield.critical import critical_point
from vanishlab.theory.meanfield.length import HUGE, ON_FIXED_POINT, TINY

_ITERATIONS = 100
_CRITICAL_POINTS = 1500
_COLUMNS, _ROWS = 90, 61
_SIGMA_W, _SIGMA_B = 3.0, 1.5  # how far a diagram reaches


class Reach(NamedTuple):
    """Between which chi a network of some depth keeps its examples apart and its gradients alive."""

    alike: float
    """Below it all but `share` of what differs between examples is lost on the way up,"""
    vanishing: float
    """below this one delta loses so many decades on its way back,"""
    exploding: float
    """and above this one it gains as many."""


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """Where wide networks of one activation settle, over a grid of (sigma_w, sigma_b)."""

    activation: str
    sigma_w: np.ndarray  # (column,)
    sigma_b: np.ndarray  # (row,)
    q_star: np.ndarray  # (row, column)
    """Variance of the pre-activations; infinite where it grows without bound, NaN where every one is kept."""
    chi: np.ndarray  # (row, column)
    """Factor of E|delta|^2 per layer; NaN where there is no q_star to take it at (ReLU and its like need none)."""
    critical_sigma_w: np.ndarray  # (point,)
    """The critical line, chi = 1 at q_star; NaN between its pieces, and no points without one."""
    critical_sigma_b: np.ndarray  # (point,)

    @staticmethod
    def reach(depth: int, share: float = 1e-4, decades: float = 3.0) -> Reach:
        """Return chi where, over `depth` layers, the distinct share falls to `share` of its own and delta by `decades`.

        chi is the factor per layer of delta's mean square, on its way back, and in the ordered phase, where c* is 1,
        of what differs between examples, on its way up (Schoenholz et al., 2017, arXiv:1611.01232). In the chaotic
        phase c* is below 1: examples stay apart. Not told so are activations of which every correlation is kept
        (`MeanField.c_star` is NaN), and those whose correlations approach 1 as a power of depth: ReLU without biases.

        Raises `InputError` for a depth below 1, and for shares and decades that are not positive.

        >>> reach = PhaseDiagram.reach(depth=20)
        >>> f"{reach.alike:.3f} to {reach.exploding:.3f}"
        '0.631 to 1.995'
        """
        check_integer("depth", depth, 1)
        check_number("share", share, above=0.0)
        check_number("decades", decades, above=0.0)
        return Reach(share ** (1 / depth), 10.0 ** (-2 * decades / depth), 10.0 ** (2 * decades / depth))

    @property
    def note(self) -> str:
        """What holds instead of a critical line through the grid, nothing where there is one."""
        line_w, line_b = self.critical_sigma_w, self.critical_sigma_b
        if find_activation(self.activation).scale_free:
            return say(
                "chi depends on sigma_w alone and is 1 at {sigma_w:.4g}; only without bias is that critical: with one, "
                "the variance grows without bound from there on",
                sigma_w=line_w[0],
            )
        inside = (line_w >= self.sigma_w[0]) & (line_w <= self.sigma_w[-1]) & (line_b <= self.sigma_b[-1])
        if inside.any():
            return ""
        if len(line_w) == 0:
            return say("no critical line: chi stays on one side of 1 at every fixed point of the length map")
        return say(
            "the critical line lies outside: it begins at sigma_w = {sigma_w:.4g}, sigma_b = {sigma_b:.4g}",
            sigma_w=line_w[0],
            sigma_b=line_b[0],
        )


def phase_diagram(
    activation: str,
    sigma_w: ArrayLike | None = None,
    sigma_b: ArrayLike | None = None,
    *,
    around: tuple[float, float] | None = None,
) -> PhaseDiagram:
    """Return q* and chi over all pairs of `sigma_w` (column,) and `sigma_b` (row,), each rising, and the critical line.

    Without them the grid reaches from 0 to sigma_b = 1.5 and to sigma_w = 3, or twice the critical sigma_w at
    sigma_b = 0 where that is more; and a quarter beyond the point `around`, (sigma_w, sigma_b), where that is further.

    Raises `InputError` for an unknown name, for numbers that do not rise or are out of range, and where a search does
    not converge, with its last residual.

    >>> diagram = phase_diagram("tanh", sigma_w=[1.0, 2.0], sigma_b=[0.3])
    >>> diagram.chi.round(3).tolist()
    [[0.7, 1.327]]
    """
    find_activation(activation)  # or raise
    line_w, line_b = _critical_line(activation)
    if sigma_w is None:
        reach = max(_SIGMA_W, 2.0 * float(line_w[0]) if len(line_w) else 0.0, 1.25 * around[0] if around else 0.0)
        sigma_w = np.linspace(reach / _COLUMNS, reach, _COLUMNS)
    if sigma_b is None:
        sigma_b = np.linspace(0.0, max(_SIGMA_B, 1.25 * around[1] if around else 0.0), _ROWS)
    columns, rows = _rising("sigma_w", sigma_w, above=0.0), _rising("sigma_b", sigma_b, at_least=0.0)
    w2, b2 = (grid.ravel() ** 2 for grid in np.meshgrid(columns, rows))  # (row * column,)
    q = _fixed_points(activation, w2, b2)
    if find_activation(activation).scale_free:
        chi = w2 * float(slope_second_moment(activation, 1.0))
    else:
        found = np.isfinite(q)
        chi = np.full(q.shape, np.nan)
        chi[found] = w2[found] * slope_second_moment(activation, np.maximum(q[found], TINY))
    shape = len(rows), len(columns)
    return PhaseDiagram(
        activation=activation,
        sigma_w=columns,
        sigma_b=rows,
        q_star=q.reshape(shape),
        chi=chi.reshape(shape),
        critical_sigma_w=line_w,
        critical_sigma_b=line_b,
    )


def _fixed_points(activation: str, w2: np.ndarray, b2: np.ndarray) -> np.ndarray:
    """Return q* from q = 1 for each (sigma_w^2, sigma_b^2), (point,), infinite where the variance has no bound."""
    if find_activation(activation).scale_free:
        gain = w2 * float(second_moment(activation, 1.0))
        kept = (np.abs(gain - 1.0) <= 1e-12) & (b2 == 0.0)
        bounded = gain < 1.0 - 1e-12
        return np.where(kept, np.nan, np.where(bounded, b2 / np.where(bounded, 1.0 - gain, 1.0), np.inf))

    def residual(q: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> np.ndarray:
        return (w2 * second_moment(activation, q) + b2) / q - 1.0

    lowest = min(1e-14, 0.5 * float(b2[b2 > 0].min(initial=np.inf)))
    up = 1.25 ** np.arange(0, math.floor(math.log(HUGE) / math.log(1.25)) + 1)
    down = 0.8 ** np.arange(0, math.ceil(math.log(lowest) / math.log(0.8)) + 1)
    start = residual(np.ones(len(w2)), w2, b2)
    # Where 1 is a fixed point but an unstable one, it is left downwards, as in `length_fixed_point`.
    unstable = (np.abs(start) < ON_FIXED_POINT) & (residual(np.full(len(w2), 1.001), w2, b2) > 0)
    rises = (start > 0) & ~unstable
    q = np.where(rises, np.inf, 0.0)  # where no bracket is found
    q[(np.abs(start) < 1e-15) & ~unstable] = 1.0
    low, high = np.ones_like(q), np.ones_like(q)
    searched = np.zeros(len(q), dtype=bool)
    for stations, which, sign in ((up, rises, 1.0), (down, ~rises & (q != 1.0), -1.0)):
        values = sign * residual(stations, w2[which, None], b2[which, None])  # (point, station), above 0 at the start
        turned = values <= 0
        turned[unstable[which], 0] = False
        place = turned.argmax(axis=1)  # the first station past a fixed point
        turns = turned.any(axis=1)
        searched[np.flatnonzero(which)[turns]] = True
        last, here = stations[np.maximum(place - 1, 0)], stations[place]
        low[which], high[which] = np.minimum(last, here), np.maximum(last, here)
    q[searched] = _roots(residual, low[searched], high[searched], w2[searched], b2[searched])
    return q


def _roots(residual: Any, low: np.ndarray, high: np.ndarray, *constants: np.ndarray) -> np.ndarray:
    """Return where `residual` changes sign between `low` and `high`, all at once, by the Illinois method."""
    f_low, f_high = residual(low, *constants), residual(high, *constants)
    q, side = low, np.zeros(len(low))
    value = f_low
    for _ in range(_ITERATIONS):
        gap = f_high - f_low  # 0 where both ends have arrived
        last, q = q, np.where(gap == 0, high, (f_high * low - f_low * high) / np.where(gap == 0, 1.0, gap))
        value = residual(q, *constants)
        if ((np.abs(value) < 1e-15) | (np.abs(q - last) < 1e-13 * q)).all():
            return q
        left = (value > 0) == (f_low > 0)  # q takes the place of `low`
        # An end that stays twice counts half, so that both ends close in.
        f_low, f_high = np.where(~left & (side < 0), 0.5 * f_low, f_low), np.where(left & (side > 0), 0.5, 1.0) * f_high
        low, f_low = np.where(left, q, low), np.where(left, value, f_low)
        high, f_high = np.where(left, high, q), np.where(left, f_high, value)
        side = np.where(left, 1.0, -1.0)
    raise InputError(
        f"length map did not converge in {_ITERATIONS} iterations: last residual {np.abs(value).max():.3g}"
    )


def _critical_line(activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (sigma_w, sigma_b) along the critical line, (point,) each, with NaN between its pieces."""
    try:
        end = [critical_point(activation).sigma_w]
    except InputError:
        end = []
    if find_activation(activation).scale_free:
        return np.array(end), np.zeros(1)
    q = np.geomspace(1e-5, 0.999 * HUGE, _CRITICAL_POINTS)
    w2 = 1.0 / slope_second_moment(activation, q)
    b2 = q - w2 * second_moment(activation, q)
    on_line = b2 > 1e-9 * q  # below, rounding is larger
    reached = np.zeros(len(q), dtype=bool)
    reached[on_line] = np.abs(_fixed_points(activation, w2[on_line], b2[on_line]) / q[on_line] - 1.0) < 1e-4
    line_w, line_b = np.sqrt(w2), np.sqrt(np.where(reached, b2, np.nan))
    line_w[~reached] = np.nan
    keep = reached | np.roll(reached, 1)  # one NaN after each piece
    line_w, line_b = line_w[keep], line_b[keep]
    return np.concatenate([end, line_w]), np.concatenate([np.zeros(len(end)), line_b])


def _rising(field: str, given: ArrayLike, **bounds: float) -> np.ndarray:
    values = check_array(field, given).astype(np.float64)
    if values.ndim != 1 or len(values) == 0 or (np.diff(values) <= 0).any():
        raise InputError(f"{field} must be a list of numbers that rise, got {given}")
    for value in (values[0], values[-1]):
        check_number(field, float(value), **bounds)
    return values
