"""Records as tables and labelled arrays of other libraries: pandas, polars, xarray, each imported when it is asked for.

A table is columns by name, numpy arrays of one length. `Record` and `Sweep` say which columns theirs have.
"""

import importlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from vanishlab.config import config_to_dict
from vanishlab.errors import InputError
from vanishlab.recording.quantities import LAYER_QUANTITIES

_TITLES = {
    "loss": "training loss",
    "accuracy": "training accuracy",
    "test_accuracy": "test accuracy",
    "sharpness": "largest eigenvalue of the loss's Hessian",
    "learning_rate": "learning rate",
    "diverged_step": "step at which the run diverged, -1 for never",
    "step": "step (updates made)",
    "test_step": "step (updates made)",
    "sharpness_step": "step (updates made)",
    "layer": "layer (1 = nearest the input)",
}


def library(name: str, wanted_by: str, extra: str) -> Any:
    """Return the library, imported. Raises `InputError`, with the extra that brings it, where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(f"{wanted_by} needs {name}: pip install 'vanishlab[{extra}]'") from error


def to_pandas(tables: Iterable[Mapping[str, np.ndarray]]) -> Any:
    """Return tables as one pandas DataFrame, one after the other."""
    pandas = library("pandas", "to_dataframe", "dataframe")
    return pandas.concat([pandas.DataFrame(table) for table in tables], ignore_index=True)


def to_polars(tables: Iterable[Mapping[str, np.ndarray]]) -> Any:
    """Return tables as one polars DataFrame, one after the other; NaN stays NaN, and is no null."""
    polars = library("polars", "to_polars", "polars")
    frames = []
    for table in tables:
        # Of an array of Python's words polars would make a column of objects.
        columns = {name: column.tolist() if column.dtype.kind in "OU" else column for name, column in table.items()}
        frames.append(polars.DataFrame(columns))
    return polars.concat(frames, how="vertical")


def rows_of(record: Any) -> dict[str, np.ndarray]:
    """Return a record's rows, one for each run, step and layer, as columns by name."""
    shape = record.gradient_norm.shape  # (run, step, layer)
    run, step, layer = (index.ravel() for index in np.indices(shape))
    columns = {
        "run": run,
        "learning_rate": record.learning_rate[run],
        "seed": record.seed[run],
        "diverged_step": record.diverged_step[run],
        "step": record.step[step],
        "layer": record.layer[layer],
        "layer_name": np.array(record.layer_names, dtype=object)[layer],
        "loss": record.loss[run, step],
        "accuracy": record.accuracy[run, step],
    }
    if len(record.sharpness_step):
        measured = np.full((record.runs, len(record.step)), np.nan)  # (run, step)
        _, there, here = np.intersect1d(record.step, record.sharpness_step, return_indices=True)
        measured[:, there] = record.sharpness[:, here]
        columns["sharpness"] = measured[run, step]
    return columns | {name: getattr(record, name).ravel() for name in LAYER_QUANTITIES}


def to_xarray(record: Any) -> Any:
    """Return a record as an `xarray.Dataset` on the axes run, step and layer; see `Record.to_xarray`."""
    xarray = library("xarray", "to_xarray", "xarray")
    coordinates: dict[str, tuple[str, Any]] = {
        "run": ("run", np.arange(record.runs)),
        "learning_rate": ("run", record.learning_rate),
        "seed": ("run", record.seed),
        "diverged_step": ("run", record.diverged_step),
        "step": ("step", record.step),
        "layer": ("layer", record.layer),
        "layer_name": ("layer", np.array(record.layer_names, dtype=object)),
    }
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "loss": (("run", "step"), record.loss),
        "accuracy": (("run", "step"), record.accuracy),
        **{name: (("run", "step", "layer"), getattr(record, name)) for name in LAYER_QUANTITIES},
    }
    for axis, name in (("test_step", "test_accuracy"), ("sharpness_step", "sharpness")):
        if len(getattr(record, axis)):  # files of other formats have no room for an axis without entries
            coordinates[axis] = (axis, getattr(record, axis))
            variables[name] = (("run", axis), getattr(record, name))
    titles = _TITLES | {name: quantity.title for name, quantity in LAYER_QUANTITIES.items()}

    def labelled(axes: Any, values: np.ndarray, name: str) -> tuple[Any, np.ndarray, dict[str, str]]:
        return axes, values.copy(), {"long_name": titles[name]} if name in titles else {}

    return xarray.Dataset(
        {name: labelled(*each, name) for name, each in variables.items()},
        {name: labelled(*each, name) for name, each in coordinates.items()},
        _attributes(record),
    )


def _attributes(record: Any) -> dict[str, str]:
    """Return what is known of a record besides numbers, as words, which every file format of xarray's can hold."""
    configs = {"network": record.network, "training": record.training}
    written = {name: json.dumps(config_to_dict(config)) for name, config in configs.items() if config is not None}
    kept = {"unmeasured": record.unmeasured, "remarks": record.remarks}
    words = {name: str(word) for name, word in record.environment.items()}  # torch's version is a string of its own
    return {**words, **written, **{name: json.dumps(each) for name, each in kept.items() if each}}
