"""Delta against the time step, a curve for each recurrent network, and who learned what the first step shows."""

import itertools
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vanishlab.language.sentences import say
from vanishlab.plots.fonts import legible
from vanishlab.plots.ink import ink, neutral, paper
from vanishlab.plots.powers import log_scale
from vanishlab.plots.shown import figure_of

DROPPED = 2.0**-23  # a weight's gradient is a sum over all steps, in float32
_COLORS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#56B4E9")  # Okabe and Ito
_DASHES = ("-", ":", "-.")  # once the colours are used up
_LIMIT: dict[str, Any] = {"linewidth": 1.2, "linestyle": "--", "zorder": 1}


class TimeArtists(NamedTuple):
    """What was drawn: a line and the dot at its beginning for each network."""

    lines: list[Line2D]
    dots: list[Line2D]

    @property
    def figure(self) -> Figure:
        """The figure that it was drawn in."""
        return figure_of(self.lines[0])


@legible
def time_profile(ax: Axes, curves: Mapping[str, np.ndarray], learned: Collection[str]) -> TimeArtists:
    """Draw each curve (time,), delta over that at the last time step, by its label.

    A curve begins in a dot, which is filled for those of `learned`. Below the dashed line float32 drops the first
    step's share beside the last step's.
    """
    artists = TimeArtists([], [])
    looks = itertools.cycle(itertools.product(_DASHES, (*_COLORS, ink(1.0))))
    for (label, curve), (dashes, color) in zip(curves.items(), looks, strict=False):
        artists.lines.extend(
            ax.plot(np.arange(1, len(curve) + 1), curve, dashes, color=color, linewidth=1.8, label=label)
        )
        inside = color if label in learned else paper()
        artists.dots.extend(ax.plot(1, curve[0], "o", color=color, markerfacecolor=inside, zorder=3))
    ax.axhline(DROPPED, **_LIMIT, color=neutral())
    ax.set_xlabel(say("time step"))
    log_scale(ax.yaxis)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=ink(0.1), linewidth=0.6)
    return artists


def time_key(artists: TimeArtists) -> list[Line2D]:
    """Return what a legend of `time_profile` is made of: its lines, and what dots and the dashed line mean."""
    rim: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": neutral()}
    return [
        *artists.lines,
        Line2D([], [], label=say("learns the first step's sign"), **rim),
        Line2D([], [], markerfacecolor=paper(), label=say("does not"), **rim),
        Line2D([], [], label=say("2⁻²³: float32 drops it beside the last step's"), **_LIMIT, color=neutral()),
    ]
