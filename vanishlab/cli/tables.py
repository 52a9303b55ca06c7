"""Tables on the terminal, and their rows: layers of one run, learning rates of a record."""

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vanishlab.language.sentences import say
from vanishlab.recording.layer_groups import at_most
from vanishlab.recording.over_seeds import median
from vanishlab.terminal import terminal

if TYPE_CHECKING:
    from vanishlab.recording.record import Record


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers to the right, each float with three significant digits."""
    from rich.table import Table
    from rich.text import Text  # what stands in brackets is text here, not markup

    rows = [list(row) for row in rows]
    table = Table(title=Text(title), title_justify="left")
    for index, column in enumerate(columns):
        words = bool(rows) and all(isinstance(row[index], str) for row in rows)
        table.add_column(Text(column), justify="left" if words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{entry:.3g}" if isinstance(entry, float) else str(entry)) for entry in row))
    # A pipe or a log gets the whole table: rich would cut it to 80 columns there.
    terminal(width=None if sys.stdout.isatty() else shutil.get_terminal_size((160, 0)).columns).print(table)


_TABLE_ROWS = 40


def layer_rows(record: "Record", quantities: Sequence[str], step: int = 0) -> list[list[object]]:
    """Return a row for each layer of one run: its name and the quantities at the recorded step nearest before `step`.

    Hundreds of layers are grouped: a row for each block, or several, its name and number of layers, and the median.
    """
    place = record.at_step(step)
    values = [record.layer_quantity(quantity)[0, place] for quantity in quantities]  # (layer,) each
    rows: list[list[object]] = []
    for block in at_most(record.layer_names, _TABLE_ROWS):
        parts = [each[block.first : block.last] for each in values]
        medians = [float(median(known)) if (known := part[~np.isnan(part)]).size else np.nan for part in parts]
        layers = block.last - block.first
        rows.append(
            [block.name if layers == 1 else say("{block} ({layers} layers)", block=block.name, layers=layers), *medians]
        )
    return rows


RATE_COLUMNS = (
    "learning rate", "loss at start", "at end", "test accuracy", "first/last delta at start", "at end", "diverged",
)  # fmt: skip


def rate_columns() -> list[str]:
    """Return `RATE_COLUMNS` in the language that holds."""
    return [say(column) for column in RATE_COLUMNS]


def rate_rows(record: "Record") -> list[list[object]]:
    """Return a row for each learning rate, medians over seeds, for `print_table` under `rate_columns`."""
    ratio = record.first_last_ratio("delta_rms")  # (run, step)
    test = record.test_accuracy[:, -1] if len(record.test_step) else np.full(record.runs, np.nan)
    first = record.select(step=record.step[:1])  # without a step where none was recorded
    start, ratio_start = first.at_end(first.loss), first.at_end(first.first_last_ratio("delta_rms"))
    columns = [start, record.at_end(record.loss), test, ratio_start, record.at_end(ratio)]
    middle = [record.over_seeds(column).median for column in columns]
    rows: list[list[object]] = []
    for place, rate in enumerate(np.unique(record.learning_rate)):
        diverged = record.diverged[record.learning_rate == rate]
        rows.append([float(rate), *(float(each[place]) for each in middle), out_of(diverged.sum(), len(diverged))])
    return rows


def out_of(count: int, all_of: int) -> str:
    """Return how many of how many."""
    return say("{count} of {all}", count=count, all=all_of)
