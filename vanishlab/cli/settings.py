"""run.toml: what a command was told, written beside its result and read back with --config.

    data = "digits"
    max_examples = 512

    [network]
    depth = 20

    [training]
    learning_rates = [0.1, 1.0]

`[network]` holds the fields of `NetworkConfig`; a sweep has `[grid]` in its place, and `seeds`. What is left out keeps
its default, and a flag on the command line comes before the file. Where the data set was made in Python, no name of it
is written.
"""

import dataclasses
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from vanishlab.config import NetworkConfig, TrainingConfig, config_from_dict, config_to_dict
from vanishlab.errors import InputError, check_choice, check_integer, first_line
from vanishlab.files import open_file, write_whole
from vanishlab.training.sweep.grid import Grid

if TYPE_CHECKING:
    from vanishlab.data import Dataset

NAME = "run.toml"


class SweptTraining(TrainingConfig):
    """How networks are trained: one run per network, learning rate and seed."""

    seeds: tyro.conf.Suppress[tuple[int, ...]] = (0,)


_DATA = {"data": str, "max_examples": int}
_ONE = {**_DATA, "network": NetworkConfig, "training": TrainingConfig}
_OF_COMMAND: dict[str, dict[str, type]] = {
    "train": _ONE,
    "predict": _ONE,
    "sweep": {**_DATA, "seeds": int, "grid": Grid, "training": SweptTraining},
}


def write_settings(path: Path, data: "Dataset", training: TrainingConfig, **others: Any) -> Path:
    """Write what is run as TOML, whole or not at all; `others` are a network or a grid, and numbers by name."""
    values: dict[str, Any] = {}
    if data.loaded_as is not None:
        values["data"], values["max_examples"] = data.loaded_as[:2]
    values |= {name: each for name, each in others.items() if not dataclasses.is_dataclass(each)}
    tables = {name: config_to_dict(each) for name, each in others.items() if name not in values}
    tables["training"] = config_to_dict(training)
    if "seeds" in values:
        del tables["training"]["seeds"]
    lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
    for name, fields in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in fields.items() if value is not None)]
    text = "\n".join([*lines, ""]).lstrip("\n")
    # A path of data may hold bytes that are no text; they come back as they were.
    return write_whole(path, lambda file: file.write(text.encode("utf-8", "surrogateescape")))


def given_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the arguments by name that --config gives a command, nothing where there is no such flag.

    Raises `InputError` for a file that cannot be read, is no TOML, or holds what the command or a config does not take.
    """
    command = arguments[0] if arguments else ""
    path = _config_flag(arguments[1:])
    if command not in _OF_COMMAND or path is None:
        return {}
    values = _read(path)
    try:
        for name in values:
            check_choice("an entry", name, _OF_COMMAND[command])
        settings: dict[str, Any] = {}
        for name, kind in _OF_COMMAND[command].items():
            if dataclasses.is_dataclass(kind):
                table = values.get(name, {})
                if not isinstance(table, dict):
                    raise InputError(f"{name} must be a table, [{name}], got {table!r}")
                settings[name] = config_from_dict(kind, table)
            elif kind is str and name in values:
                if not isinstance(values[name], str):
                    raise InputError(f"data must be a name or a path, got {values[name]!r}")
                settings[name] = values[name]
            elif name in values:
                settings[name] = check_integer(name, values[name], 1)
    except InputError as error:
        raise InputError(f"config {str(path)!r}: {error}") from None
    return settings


def _config_flag(arguments: Sequence[str]) -> Path | None:
    found = None
    for place, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag == "--config" and (equals or place + 1 < len(arguments)):
            found = Path(value if equals else arguments[place + 1])
    return found


def _read(path: Path) -> dict[str, Any]:
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        with open_file(path) as file:
            return toml.loads(file.read().decode("utf-8", "surrogateescape"))
    except (OSError, InputError, toml.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        raise InputError(f"config must be a TOML file, got {str(path)!r} ({reason})") from None


def _toml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's words, numbers, true and false are TOML's, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
