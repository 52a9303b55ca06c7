"""Maps of a sweep, or of several records: a value over two things that vary, a cell for each pair."""

from dataclasses import dataclass, replace

import numpy as np

from vanishlab.language.sentences import listed, say
from vanishlab.plots.maps import sweep_map
from vanishlab.report.drawing import Picture, key, panel_axes, picture
from vanishlab.report.gathered import Gathered, Network
from vanishlab.report.sentences import number
from vanishlab.training.sweep.cells import AXES, Cells, Value, cells_of

_MOST = 4  # pairs of things that vary
NAMES: dict[Value, str] = {
    "accuracy": "training accuracy at the end",
    "delta_ratio_at_start": "delta, first layer over last, before training",
}
"""What maps are of."""
BARS: dict[Value, str] = {"accuracy": "accuracy", "delta_ratio_at_start": "delta, first layer over last"}
"""What their colour bars say."""


@dataclass(frozen=True)
class Map:
    """Pictures of one pair of axes."""

    title: str
    text: str
    pictures: list[Picture]
    keys: list[Picture]


def maps_of(gathered: Gathered) -> list[Map]:
    """Return the maps of everything with a config: the learning rate against each thing that varies, or the first two.

    Where few combinations of all else occur, each has a map of its own. Nothing where fewer than two things vary.
    """
    axes = varying(gathered)
    if len(axes) < 2:
        return []
    x = "learning_rate" if "learning_rate" in axes else axes[-1]
    maps = []
    for y in _different(gathered, [axis for axis in axes if axis != x])[:_MOST]:
        others = [axis for axis in axes if axis not in (x, y)]
        groups = _groups(gathered, others)
        if 1 < len(groups) <= _MOST:
            maps += [_map(part, x, y, [], words) for words, part in groups.items()]
        else:
            maps.append(_map(gathered, x, y, others, ""))
    return maps


def _different(gathered: Gathered, axes: list[str]) -> list[str]:
    """Return the axes without those that only rename another: an initialisation that goes with the activation."""
    found: dict[tuple[int, ...], str] = {}
    for axis in axes:
        values = [network.columns[axis].tolist() for network in gathered.networks]
        found.setdefault(tuple(values.index(value) for value in values), axis)
    return list(found.values())


def _groups(gathered: Gathered, axes: list[str]) -> dict[str, Gathered]:
    """Return the networks by what these fields are of them, in words; a learning rate is not of a network."""
    groups: dict[str, list[Network]] = {}
    for network in gathered.networks:
        words = listed(
            say("{field} {value}", field=_plain(axis), value=network.columns[axis][0])
            for axis in axes
            if axis != "learning_rate"
        )
        groups.setdefault(words, []).append(network)
    return {words: replace(gathered, networks=networks) for words, networks in groups.items()}


def varying(gathered: Gathered) -> list[str]:
    """Return the config fields, and "learning_rate", that differ between the runs."""
    tables = [network.columns for network in gathered.networks]
    if any("depth" not in table for table in tables):
        return []
    return [axis for axis in AXES if len({value for table in tables for value in table[axis].tolist()}) > 1]


def _map(gathered: Gathered, x: str, y: str, others: list[str], of: str) -> Map:
    pictures, handles = [], {}
    for value in NAMES:
        name, label = say(NAMES[value]), say(BARS[value])
        cells = cells_of(gathered, x, y, value)
        figure, ax = panel_axes(1.25)
        log_values = value == "delta_ratio_at_start"
        places = cells.x if x == "learning_rate" else _side_by_side(cells.x), _side_by_side(cells.y)
        drawn = sweep_map(
            ax, *places, cells.values, diverged=cells.diverged if value == "accuracy" else None,
            bounds=None if log_values else (0.0, 1.0), label=label,
            x_label=_plain(x), y_label=_plain(y), log_x=x == "learning_rate", log_values=log_values, legend=False,
        )  # fmt: skip
        handles |= {str(handle.get_label()): handle for handle in drawn.handles}
        pictures.append(picture(figure, name, _of(of, _alt(name, x, y, cells)), cells=True))
    sentence = (
        "Each cell is the median over seeds and over {others}." if others else "Each cell is the median over seeds."
    )
    text = say(sentence, others=listed(map(_plain, others)))
    explained = say("Key to the maps: {entries}.", entries=listed(handles))
    keys = [key(list(handles.values()), "", explained, cells=True)] if handles else []
    return Map(_of(of, f"{_plain(y)} × {_plain(x)}"), text, pictures, keys)


def _of(whole: str, part: str) -> str:
    return say("{whole}: {part}", whole=whole, part=part) if whole else part


def _side_by_side(values: np.ndarray) -> list[str] | np.ndarray:
    """Return a few values as names: numbers as far apart as 1, 5, 20 and 50 would make cells of no height."""
    return (
        [f"{value:g}" if isinstance(value, float) else str(value) for value in values] if len(values) <= 20 else values
    )


def _alt(name: str, x: str, y: str, cells: Cells) -> str:
    known = [
        (float(cells.values[row, column]), cells.y[row], cells.x[column])
        for row in range(len(cells.y)) for column in range(len(cells.x))
        if cells.values[row, column] == cells.values[row, column]
    ]  # fmt: skip
    text = say(
        "Map of {name}, {rows} values of {y} by {columns} of {x}",
        name=name,
        rows=len(cells.y),
        columns=len(cells.x),
        y=_plain(y),
        x=_plain(x),
    )
    if not known:
        return say("{picture}: no value in any cell.", picture=text)
    lowest, highest = (
        {"value": number(value), "y": _plain(y), "at y": at_y, "x": _plain(x), "at x": at_x}
        for value, at_y, at_x in (min(known, key=_value), max(known, key=_value))
    )
    gone = int((cells.diverged >= 1).sum())
    found = [
        say("lowest {value} at {y} {at y}, {x} {at x}", **lowest),
        say("highest {value} at {y} {at y}, {x} {at x}", **highest),
        say("in {gone} cells all runs diverged", gone=gone) if gone else "",
    ]
    return say("{picture}: {found}.", picture=text, found=listed(found, ";"))


def _value(cell: tuple[float, object, object]) -> float:
    return cell[0]


def _plain(axis: str) -> str:
    return say(axis.replace("_", " "))
