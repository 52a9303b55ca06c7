"""`RemedyTable`: what each remedy did, seed by seed, the best first."""

import io
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vanishlab.analysis.verdict import WELL
from vanishlab.faces import shown_as
from vanishlab.language.numbers import PowerOfTen
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import listed, say

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS = ("remedy", "mends", "loss", "delta, first / last", "distinct share", "verdict")
_LEARNED = 0.999  # a constant that is found by descent is a little off
_LARGER = 10.0  # times that delta has to grow to be called larger: seeds and steps move it by less


@dataclass(frozen=True)
class Trial:
    """What one remedy did, seed by seed."""

    name: str
    loss: tuple[float, ...]
    """Mean loss over the batches after the steps; infinite where the run diverged."""
    ratio: tuple[float, ...]
    """Norm of delta in the first layer over the last one's, after the steps."""
    decades_per_layer: tuple[float, ...]
    """Decades that delta lost per layer, after the steps."""
    distinct: tuple[float, ...]
    """Share of the last hidden layer's energy that differs between examples, after the steps; NaN unmeasured."""
    verdicts: tuple[tuple[str, ...], ...]

    @property
    def median_loss(self) -> float:
        """The median over seeds."""
        return float(np.median(self.loss))

    @property
    def collapsed(self) -> bool:
        """Whether the examples are alike in more than half of the seeds."""
        return 2 * sum("collapsed" in names for names in self.verdicts) > len(self.verdicts)

    @property
    def healthy(self) -> bool:
        """Whether nothing was found in more than half of the seeds."""
        return 2 * sum(set(names) <= set(WELL) for names in self.verdicts) > len(self.verdicts)


@dataclass(frozen=True)
class RemedyTable:
    """Every remedy that could be tried, the best first, beside the model as it is."""

    untouched: Trial
    trials: tuple[Trial, ...]
    not_tried: dict[str, str]
    """Remedy to the reason why it could not be applied automatically."""
    steps: int
    warning: str = ""
    """What stands in the way of comparing seeds, empty where nothing does."""
    nothing_learned: float = math.inf
    """The loss that shows nothing learned: the best constant answer's on the first batch, where that is not known the
    untouched model's before training."""

    def mends(self, trial: Trial) -> bool:
        """Whether a remedy leaves a healthy net, and a loss lower than the untouched one's in every seed.

        It also has to be lower than that of a model which has learned nothing, by more than a thousandth.
        """
        return trial.healthy and trial.median_loss < min(*self.untouched.loss, _LEARNED * self.nothing_learned)

    @property
    def best(self) -> Trial | None:
        """The first that mends the model, None where none does."""
        return next((trial for trial in self.trials if self.mends(trial)), None)

    def __repr__(self) -> str:
        """Return the best remedy and its number among the tried, in a line; `print` has the table."""
        best = f"best: {self.best.name}" if self.best is not None else "none mends the model"
        return f"RemedyTable of {len(self.trials)} remedies, {self.title}; {best}"

    _repr_html_ = shown_as("of_remedies")

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

        table = Table(title=self.title)
        for column in self.columns:
            table.add_column(say(column), overflow="fold")
        for row in self.rows():
            table.add_row(*row)
        return Group(table, *self.remarks())

    columns = COLUMNS

    @property
    def title(self) -> str:
        """What the numbers are of."""
        sentence = "after {steps} steps; medians over {seeds} seeds (lowest to highest)"
        return say(sentence, steps=self.steps, seeds=len(self.untouched.loss))

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table's rows, an entry for each of `columns`."""
        rows = []
        for trial in (*self.trials, self.untouched):
            mended = "" if trial is self.untouched else say("yes" if self.mends(trial) else "no")
            said = listed(say(name) for name in dict.fromkeys(itertools.chain(*trial.verdicts)))
            spreads = [_spread(values) for values in (trial.loss, trial.ratio, trial.distinct)]
            rows.append((say(trial.name), mended, *spreads, said))
        return rows

    def remarks(self) -> list[str]:
        """Return what stands below the table, line by line."""
        warning = [say("warning: {warning}", warning=in_words(self.warning))] if self.warning else []
        not_tried = [
            say("not tried: {remedy} ({why})", remedy=say(name), why=in_words(reason))
            for name, reason in self.not_tried.items()
        ]
        return [*warning, *self._size_alone(), *not_tried]

    def _size_alone(self) -> list[str]:
        # What brings delta back to the first layer of a net whose examples are alike, and leaves them so.
        def gain(trial: Trial) -> float:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                return float(np.median(trial.ratio) / np.median(self.untouched.ratio))

        sentence = (
            "{remedy}: delta in the first layer, over that in the last, is {gain:.1e} times what it was, and the "
            "examples stay alike: it is not size that is missing"
        )
        return [
            say(sentence, remedy=say(trial.name), gain=PowerOfTen(math.log10(gain(trial))))
            for trial in self.trials
            if self.untouched.collapsed and trial.collapsed and _LARGER < gain(trial) < math.inf
        ]


def _spread(values: tuple[float, ...]) -> str:
    return say("{median:.3g} ({low:.3g} to {high:.3g})", median=np.median(values), low=min(values), high=max(values))
