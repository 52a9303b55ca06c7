"""The fourth curve: whether the examples are still apart, and whether their gradients agree, against the layer.

Shares end at 1 and ranks begin there, so that these axes end there too. Two lines say what a value means: below
rounding squared a share is what the numbers' format left over, and 1 / examples is the coherence of strangers.
"""

import numpy as np
from matplotlib.axes import Axes

from vanishlab.language.sentences import say
from vanishlab.plots.axes import check_not_empty
from vanishlab.plots.fonts import legible
from vanishlab.plots.ink import neutral
from vanishlab.plots.profiles import ProfileArtists, depth_profile
from vanishlab.plots.rates import RateScale, draw_key
from vanishlab.recording.examples import compared_examples
from vanishlab.recording.quantities import MEANING
from vanishlab.recording.record import Record

ROUNDING = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
GUIDES = {"distinct_share": "--", "gradient_coherence": ":"}
_ROOM = 1.3  # beyond the value that cannot be passed, so that a mark on it is whole


@legible
def meaning_profile(
    ax: Axes,
    record: Record,
    quantity: str = "distinct_share",
    step: int = -1,
    *,
    scale: RateScale | None = None,
    key: bool = True,
) -> ProfileArtists:
    """Draw one of `MEANING` against the layer: a depth profile whose axis ends where the quantity does.

    A distinct share of about rounding squared, and a coherence of 1 / examples, have a line where the record
    knows the format of its numbers, and the number of its examples. Arguments, artists and errors are those of
    `depth_profile`, at the step that `looked_at` gives.
    """
    scale = scale or RateScale.of([record])
    artists = depth_profile(ax, record, quantity, looked_at(record, step), scale=scale, key=False)
    low, high = ax.get_ylim()
    if len(ax.get_yticks()):
        end_axis(ax, quantity, low, high)
        style = {"color": neutral(), "linestyle": GUIDES.get(quantity), "linewidth": 1.2, "zorder": 2}
        for label, value in _guides(record, quantity, low).items():
            artists.extra.append(ax.axhline(value, label=label, **style))
    if key:
        draw_key(ax, scale, record, artists.marks, artists.extra)
    return artists


def end_axis(ax: Axes, quantity: str, low: float, high: float) -> None:
    """Let y, from `low` to `high`, go no further than the quantity can: a rank is at least 1, a share at most 1."""
    if quantity == "effective_rank":
        ax.set_ylim(max(low, 1.0 / _ROOM), high)
    else:
        ax.set_ylim(low, min(high, _ROOM))


def looked_at(record: Record, step: int) -> int:
    """Return the last recorded step up to `step` (-1: the end) at which examples were compared in pairs.

    Where none was, the recorded step at or before it. Raises `InputError` for a record without steps or layers.
    """
    check_not_empty(record)
    at = record.at_step(step)
    pairs = np.stack([record.layer_quantity(name) for name in MEANING[1:]])  # (quantity, run, step, layer)
    seen = np.flatnonzero(~np.isnan(pairs[:, :, : at + 1]).all(axis=(0, 1, 3)))
    return int(record.step[seen[-1] if len(seen) else at])


def _guides(record: Record, quantity: str, low: float) -> dict[str, float]:
    if quantity == "distinct_share":
        rounding = ROUNDING.get(record.environment.get("dtype", ""), 0.0) ** 2
        return {say("rounding"): rounding} if rounding > low else {}
    examples = compared_examples(record)
    if quantity == "gradient_coherence" and examples is not None:
        return {say("strangers: 1 / {examples} examples", examples=examples): 1.0 / examples}
    return {}
