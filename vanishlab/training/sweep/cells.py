"""`cells_of(sweep, x, y)`: the runs of a sweep on a grid of two of their labels, as `plots.sweep_map` draws them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from vanishlab.errors import InputError, check_choice
from vanishlab.recording.over_seeds import median
from vanishlab.training.sweep.saved import NETWORK_FIELDS, Per, Sweep

Value = Literal["accuracy", "test_accuracy", "loss", "delta_ratio", "delta_ratio_at_start"]
_VALUES: tuple[Value, ...] = ("accuracy", "test_accuracy", "loss", "delta_ratio", "delta_ratio_at_start")
AXES = (*NETWORK_FIELDS, "learning_rate")


@dataclass(frozen=True)
class Cells:
    """One value for each pair of labels; the runs of a cell differ in what is on neither axis, seeds above all."""

    x: np.ndarray
    """Values of the first label that occur, in order, (x,)."""
    y: np.ndarray
    """The same of the second, (y,)."""
    values: np.ndarray
    """Median over the runs of a cell that did not diverge, float64 (y, x); NaN where there are none."""
    diverged: np.ndarray
    """Share of a cell's runs that diverged, (y, x)."""
    runs: np.ndarray
    """Number of runs, (y, x)."""


class Tabled(Protocol):
    """What has runs as columns by name, network by network: a `Sweep`, or a few records that were gathered."""

    def tables(self, per: Per = "run", /) -> Iterator[dict[str, np.ndarray]]:
        """Yield the columns of each network's runs."""
        ...


def varying_axes(sweep: Sweep) -> tuple[str, ...]:
    """Return the labels that differ between the runs of a sweep, seeds left out."""
    return tuple(label for label in AXES if len(sweep.values(label)) > 1)


def cells_of(sweep: Tabled, x: str, y: str, value: Value = "accuracy") -> Cells:
    """Return `value` of the runs over two of their labels, each a field of `NetworkConfig` or "learning_rate".

    Values are those at the end of training; the `delta_ratio` is that of the first layer to the last.

    Raises `InputError` for a label or value that does not exist, and for the same label twice.
    """
    for name, label in (("x", x), ("y", y)):
        check_choice(name, label, AXES)
    check_choice("value", value, _VALUES)
    if x == y:
        raise InputError(f"x and y must be two labels, got {x!r} twice")
    columns: dict[str, list[Any]] = {name: [] for name in (x, y, value, "diverged_step")}
    for table in sweep.tables("run"):
        for name, column in columns.items():
            column.extend(table[name].tolist())
    places, axes = [], []
    for label in (x, y):
        own = columns[label]
        if all(isinstance(each, str) and each.isdigit() for each in own):  # widths, which may be tuples elsewhere
            own = [int(each) for each in own]
        values, place = np.unique(np.array(own), return_inverse=True)
        axes.append(values)
        places.append(place)
    diverged = np.array(columns["diverged_step"]) >= 0
    shape = len(axes[1]), len(axes[0])
    cell = places[1] * shape[1] + places[0]
    runs = np.bincount(cell, minlength=shape[0] * shape[1])
    lost = np.bincount(cell, weights=diverged, minlength=len(runs))
    middle = np.full(len(runs), np.nan)
    found = np.array(columns[value], dtype=np.float64)
    for place in np.unique(cell[~diverged]):
        own = found[(cell == place) & ~diverged]
        middle[place] = np.nan if np.isnan(own).any() else median(own)
    with np.errstate(invalid="ignore"):
        share = lost / runs
    return Cells(axes[0], axes[1], middle.reshape(shape), np.nan_to_num(share).reshape(shape), runs.reshape(shape))
