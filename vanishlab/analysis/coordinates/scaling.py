"""`CoordinateCheck`: what was measured at each size, the slopes, and what they mean."""

import functools
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vanishlab.analysis.coordinates.expected import COLUMNS, MAXIMAL_UPDATE, STANDARD, Column, Moment, Role
from vanishlab.analysis.coordinates.slopes import LINE, Slope, Trend, fit_slope
from vanishlab.analysis.verdict import several
from vanishlab.language.sentences import say

if TYPE_CHECKING:
    from rich.console import RenderableType

Outcome = Literal["flat", "diverging", "initialisation", "grows", "shrinks", "unclear"]
AXES = ("width", "depth")
QUANTITIES = ("activation_rms", "change_rms", "delta_rms", "update_ratio")
PLACES = ("first layer", "middle layer", "last but one", "last layer")
HEADS = ("layer", "role", "h at start", "delta at start", "h at end", "change of z", "update ratio")
SENTENCES: dict[str, dict[Outcome, str]] = {
    "width": {
        "flat": "Activations keep their size and updates move every layer alike at all widths, as under maximal-update "
        "parametrisation: a learning rate found at one width holds at others.",
        "diverging": "Training left the range of numbers at some widths: the learning rate is too large there.",
        "initialisation": "Before any update the activations change with width: the weights' variance does not fall as "
        "1 / fan_in.",
        "grows": "Updates move activations the more, the wider the network, as under standard parametrisation at a "
        "fixed learning rate: a rate found at one width is too large at a larger one.",
        "shrinks": "Updates move these layers the less, the wider the network: in the limit they do not learn.",
        "unclear": "The intervals are too wide to tell: take more seeds, or widths that are further apart.",
    },
    "depth": {
        "flat": "Activations, delta and updates keep their size at all depths: a learning rate found at one depth "
        "holds at others.",
        "diverging": "Training left the range of numbers at some depths: the learning rate is too large there.",
        "initialisation": "Before any update activations or delta change with depth: the signal vanishes or explodes "
        "on its way.",
        "grows": "Updates move activations the more, the deeper the network: a rate found at one depth is too large at "
        "a larger one.",
        "shrinks": "Updates move these layers the less, the deeper the network.",
        "unclear": "The intervals are too wide to tell: take more seeds, or depths that are further apart.",
    },
}


@dataclass(frozen=True, eq=False)
class CoordinateCheck:
    """What networks of several sizes showed over a few steps, and the verdict on it."""

    axis: str
    """"width" or "depth"."""
    sizes: np.ndarray  # (size,)
    seeds: tuple[int, ...]
    steps: int
    """Updates made; step 0 is before the first."""
    layers: tuple[str, ...]
    """In the order of the forward pass; at several depths, the places that are compared."""
    roles: tuple[Role, ...]
    """Which of a layer's fans grow: the input's fan-out, the readout's fan-in, a hidden layer's both, or none."""
    values: dict[str, np.ndarray]
    """Quantity to (seed, size, step, layer): "activation_rms", "delta_rms" and "update_ratio" as in a record, and
    "change_rms", how far the layer's output z has moved from where it was at step 0, root mean square over all entries.
    NaN for what was not measured, and after a loss that was not finite."""
    diverged: tuple[int, ...] = ()
    """Sizes at which some seed's loss was not finite."""

    def slopes(self, quantity: str, moment: Moment = "end") -> tuple[Slope, ...]:
        """Return each layer's exponent, before the first update ("start") or after the last ("end")."""
        values = self.values[quantity][:, :, 0 if moment == "start" else self.steps]  # (seed, size, layer)
        return tuple(fit_slope(self.sizes, values[:, :, layer]) for layer in range(len(self.layers)))

    @functools.cached_property
    def verdict(self) -> tuple[Outcome, tuple[str, ...]]:
        """What was found, the cause before what follows from it, and in which layers."""
        if self.diverged:
            return "diverging", ()
        start, end = self._trends("activation_rms", "start"), self._trends("activation_rms", "end")
        change = self._trends("change_rms", "end")
        askew = self._where(start, ("grows", "shrinks"), readout=("grows",))
        if self.axis == "depth":
            delta = zip(self.layers, self.slopes("delta_rms", "start"), strict=True)
            askew += [name for name, slope in delta if name not in askew and _leaves(slope)]
        grown = self._where(end, ("grows",))
        grown += [name for name in self._where(change, ("grows",)) if name not in grown]
        found: dict[Outcome, list[str]] = {
            "initialisation": askew,
            "grows": grown,
            "shrinks": self._where(change, ("shrinks",)),
            "unclear": self._where(change, ("unclear",)),
        }
        for outcome, names in found.items():
            if names:
                return outcome, tuple(names)
        return "flat", ()

    @property
    def flat(self) -> bool:
        """Whether a learning rate that is found at one size holds at the others."""
        return self.verdict[0] == "flat"

    @property
    def labels(self) -> tuple[str, ...]:
        """The layers' names as they are shown: places in the language that holds."""
        return tuple(say(name) if name in PLACES else name for name in self.layers)

    @property
    def sentence(self) -> str:
        """The verdict in words, and the layers that it is about."""
        outcome, found = self.verdict
        sentence = say(SENTENCES[self.axis][outcome])
        layers = tuple(label for name, label in zip(self.layers, self.labels, strict=True) if name in found)
        return say("{layers}: {sentence}", sentence=sentence, layers=several(layers)) if layers else sentence

    def __str__(self) -> str:
        """Return the table as plain text."""
        from rich.console import Console

        text = io.StringIO()
        Console(file=text, width=140, color_system=None).print(self)
        return text.getvalue().rstrip()

    def __rich__(self) -> "RenderableType":
        """Return the table for `rich.print`."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        title = say("exponents in {axis} after {steps} steps, {low} to {high}, {seeds} seeds (95 %)",
                    axis=say(self.axis), steps=self.steps, low=self.sizes[0], high=self.sizes[-1],
                    seeds=len(self.seeds))  # fmt: skip
        table = Table(title=Text(title), title_justify="left")
        for head in HEADS:
            table.add_column(say(head), overflow="fold")
        slopes = [self.slopes(*column) for column in COLUMNS]
        of_depth = self.axis == "depth"
        for place, (label, role) in enumerate(zip(self.labels, self.roles, strict=True)):
            cells = [str(each[place]) for each in slopes]
            table.add_row(*map(Text, (label, "" if of_depth else say(role), *cells)))
        if not of_depth:
            table.add_section()
            theories: dict[str, Mapping[Role, tuple[float, ...]]] = {
                "standard": STANDARD, "maximal update": MAXIMAL_UPDATE,
            }  # fmt: skip
            for parametrisation, exponents in theories.items():
                for role, expected in exponents.items():
                    if role in self.roles:
                        table.add_row(say(parametrisation), say(role), *(f"{exponent:+.2g}" for exponent in expected))
        return Group(table, Text(self.sentence))

    def _trends(self, quantity: str, moment: Moment) -> list[Trend]:
        return [slope.trend for slope in self.slopes(*Column(quantity, moment))]

    def _where(
        self,
        trends: list[Trend],
        wanted: tuple[Trend, ...] = ("grows", "shrinks"),
        readout: tuple[Trend, ...] | None = None,
    ) -> list[str]:
        rules = [readout if readout and role == "readout" else wanted for role in self.roles]
        return [name for name, trend, rule in zip(self.layers, trends, rules, strict=True) if trend in rule]


def _leaves(slope: Slope) -> bool:
    # Whether delta vanishes or explodes with depth. In a branch that is divided by the square root of the depth, delta
    # falls by just that (arXiv:2310.02244).
    return slope.high < -0.5 - LINE or slope.low > LINE
