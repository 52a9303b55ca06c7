"""`Record`: what was measured, as labelled numpy arrays, and the configs that made it. No torch here."""

import dataclasses
import numbers
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.errors import InputError, check_choice
from vanishlab.faces import shown_as
from vanishlab.recording.contents import check_values
from vanishlab.recording.facts import LayerFacts
from vanishlab.recording.frames import rows_of, to_pandas, to_polars, to_xarray
from vanishlab.recording.over_seeds import SeedSummary, summarise
from vanishlab.recording.quantities import LAYER_QUANTITIES, LayerQuantities, NanUnlessGiven
from vanishlab.recording.record_files import read_fields, reading, write_fields

_AXES = {
    "learning_rate": ("run",),
    "seed": ("run",),
    "diverged_step": ("run",),
    "step": ("step",),
    "layer": ("layer",),
    "loss": ("run", "step"),
    "accuracy": ("run", "step"),
    "test_step": ("evaluation",),
    "test_accuracy": ("run", "evaluation"),
    "sharpness_step": ("curvature",),
    "sharpness": ("run", "curvature"),
    **dict.fromkeys(LAYER_QUANTITIES, ("run", "step", "layer")),
}
_WHOLE_NUMBERS = ("seed", "diverged_step", "step", "layer", "test_step", "sharpness_step")
_NO_SHARPNESS = NanUnlessGiven(lambda record: (len(record.learning_rate), 0))


@dataclass(frozen=True, eq=False)
class Record(LayerQuantities):
    """Per-layer measurements of a stack of runs. Layer L + 1 is the readout, step 0 comes before the first update.

    What is measured of each layer, (run, step, layer), are the fields of `LayerQuantities`.

    NaN means: not measured (a layer without a gradient, see `unmeasured`), or not reached (a run after it diverged).
    All arrays of numbers are float64, whatever the dtype of the network; counts and labels are int64.
    """

    learning_rate: np.ndarray  # (run,)
    seed: np.ndarray  # (run,)
    """The run's seed; -1 where the recorder cannot know it (your own model)."""
    diverged_step: np.ndarray  # (run,)
    """The step at which the run's loss was no longer finite, -1 for a run that never diverged."""
    step: np.ndarray  # (step,)
    """The recorded steps, as numbers of updates made before."""
    layer: np.ndarray  # (layer,)
    """Layer numbers, from 1 at the input."""
    loss: np.ndarray  # (run, step)
    accuracy: np.ndarray  # (run, step)
    """Share of the step's training examples that are classified correctly."""
    test_step: np.ndarray  # (evaluation,)
    test_accuracy: np.ndarray  # (run, evaluation)
    """Share of the test examples that are classified correctly after `test_step` updates."""
    layer_names: tuple[str, ...]
    network: NetworkConfig | None = None
    training: TrainingConfig | None = None
    unmeasured: dict[str, str] = field(default_factory=dict)
    """Name of a layer, of a module that is none, or "sharpness", to the reason why something of it was not measured;
    the reasons for layers are those of `vanishlab.recording.reasons`."""
    facts: dict[str, LayerFacts] = field(default_factory=dict)
    """Layer name to what was seen of it at the first recorded step in which it was called."""
    environment: dict[str, str] = field(default_factory=dict)
    """Versions, device, dtype, name of the data."""
    remarks: dict[str, str] = field(default_factory=dict)
    """What was seen of the model and its loss besides layers; the keys are those of `vanishlab.recording.remarks`."""
    sharpness_step: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))  # (curvature,)
    sharpness: NanUnlessGiven = _NO_SHARPNESS  # (run, curvature)
    """Largest eigenvalue of the Hessian of the whole training set's loss after `sharpness_step` updates; NaN where the
    search did not converge (see `unmeasured`). Without entries where `TrainingConfig.sharpness_every` is None."""

    def __post_init__(self) -> None:
        """Check that every array has the axes it should have."""
        sizes: dict[str, int] = {"layer": len(self.layer_names)}
        for name, axes in _AXES.items():
            shape, dtype = getattr(self, name).shape, getattr(self, name).dtype
            expected = np.int64 if name in _WHOLE_NUMBERS else np.float64
            if dtype != expected:
                raise InputError(f"{name} must be {expected.__name__}, got {dtype}")
            if len(shape) != len(axes):
                raise InputError(f"{name} must have axes ({', '.join(axes)}), got shape {shape}")
            for axis, size in zip(axes, shape, strict=True):
                if sizes.setdefault(axis, size) != size:
                    raise InputError(f"{name} must have {sizes[axis]} entries on axis {axis}, got shape {shape}")

    def __repr__(self) -> str:
        """Return what was run and what is recorded of it, in a few lines."""
        rates, seeds = np.unique(self.learning_rate), np.unique(self.seed)
        of = f", learning rates {_listed(rates)}, seeds {_listed(seeds)}" if self.training is not None else ""
        steps = f"{len(self.step)} recorded step{'s' * (len(self.step) != 1)}"
        if len(self.step):
            steps += f", {self.step[0]} to {self.step[-1]}"
        lines = [
            f"Record of {self.network or 'a model of your own'}",
            f"{self.runs} run{'s' * (self.runs != 1)}{of}; {steps}; {len(self.layer)} layers",
        ]
        if self.diverged.any():
            lines.append(f"{int(self.diverged.sum())} of the runs diverged")
        if self.unmeasured:
            lines.append(f"unmeasured: {_listed(list(self.unmeasured))}")
        return "\n  ".join(lines)

    _repr_html_ = shown_as("of_record")

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.learning_rate)

    @property
    def diverged(self) -> np.ndarray:
        """Which runs diverged, bool (run,)."""
        return self.diverged_step >= 0

    @property
    def gradient_state(self) -> np.ndarray:
        """What stands behind each gradient norm, as words (run, step, layer).

        "measured"; "underflow" (subnormal entries, or all zero on the far side of a layer that has them);
        "zero" (all zero for another reason: a dead layer, a zero weight); "overflow" (an entry is infinite or NaN);
        "none" (no gradient, see `unmeasured`, or not reached after the run diverged).
        """
        state = np.full(self.gradient_norm.shape, "measured", dtype="<U9")  # (run, step, layer)
        state[self.subnormal_fraction > 0] = "underflow"
        state[self.gradient_norm == 0] = "zero"
        state[~np.isfinite(self.gradient_norm)] = "overflow"
        gone = self.diverged[:, None] & (self.step >= self.diverged_step[:, None])  # (run, step)
        missing = np.array([name in self.unmeasured for name in self.layer_names], dtype=bool)  # (layer,)
        state[np.isnan(self.gradient_norm) & (gone[:, :, None] | missing)] = "none"
        for layer in range(len(self.layer) - 2, -1, -1):  # the way the gradient travels: what was lost stays lost
            lost = (state[:, :, layer] == "zero") & (state[:, :, layer + 1] == "underflow")
            state[lost, layer] = "underflow"
        return state

    def first_last_ratio(self, quantity: str = "delta_rms") -> np.ndarray:
        """Return the quantity at the first layer over that at the last, (run, step); 0/0 is NaN.

        Layers of which it was never measured, such as frozen ones, are passed over at both ends.
        """
        values = self.layer_quantity(quantity)
        known = np.flatnonzero(~np.isnan(values).all(axis=(0, 1)))
        if len(known):
            values = values[:, :, known[0] : known[-1] + 1]
        with np.errstate(all="ignore"):  # a ratio beyond float64 is infinite, or 0
            return values[:, :, 0] / values[:, :, -1]

    def at_end(self, values: np.ndarray) -> np.ndarray:
        """Return `values` (run, step, ...) at each run's last recorded step before it diverged, (run, ...).

        NaN for a run that diverged before anything of it was recorded.
        """
        if len(self.step) == 0:
            return np.full((len(values), *values.shape[2:]), np.nan)
        reached = np.where(self.diverged, np.searchsorted(self.step, self.diverged_step), len(self.step))  # (run,)
        return values[np.arange(len(values)), np.maximum(reached - 1, 0)]

    def layer_quantity(self, quantity: str) -> np.ndarray:
        """Return a quantity by its name, (run, step, layer). Raises `InputError` for one that does not exist."""
        return getattr(self, check_choice("quantity", quantity, LAYER_QUANTITIES))

    def over_seeds(self, values: np.ndarray) -> SeedSummary:
        """Summarise `values` (run, ...) of this record's runs over the seeds of each learning rate; NaN is left out."""
        return summarise(self.learning_rate, values)

    def at_step(self, step: int) -> int:
        """Return the place on the step axis of the last recorded step that is not after `step`; -1 is the end."""
        if len(self.step) == 0:
            raise InputError("the record holds no steps")
        if step < 0:
            return len(self.step) - 1
        return max(int(np.searchsorted(self.step, step, side="right")) - 1, 0)

    def select(self, **labels: Any) -> "Record":
        """Return the part of the record with these labels: learning_rate, seed, run (place), step or layer (number).

        Each label is a value or several. Raises `InputError` for an unknown label and for a value that is not there.

        >>> record.select(learning_rate=0.1, seed=(0, 1), layer=1)  # doctest: +SKIP
        """
        runs, steps, layers = np.arange(self.runs), np.arange(len(self.step)), np.arange(len(self.layer))
        for name, wanted in labels.items():
            check_choice("label", name, ("learning_rate", "seed", "run", "step", "layer"))
            if name == "step":
                steps = np.intersect1d(steps, _places(name, self.step, wanted))
            elif name == "layer":
                layers = np.intersect1d(layers, _places(name, self.layer, wanted))
            else:
                have = np.arange(self.runs) if name == "run" else getattr(self, name)
                runs = np.intersect1d(runs, _places(name, have, wanted))
        if len(runs) == 0:
            raise InputError(f"no run has all of {labels}")
        places = {"run": runs, "step": steps, "layer": layers}
        arrays = {
            name: getattr(self, name)[np.ix_(*(places.get(axis, np.arange(size)) for axis, size in zip(
                axes, getattr(self, name).shape, strict=True)))]
            for name, axes in _AXES.items()
        }  # fmt: skip
        return dataclasses.replace(self, layer_names=tuple(self.layer_names[layer] for layer in layers), **arrays)

    def to_dataframe(self) -> Any:
        """Return tidy rows, one per run, step and layer, as a pandas DataFrame (extra `vanishlab[dataframe]`).

        Sharpness is a column where it was asked for, NaN at recorded steps that are none of its own.
        """
        return to_pandas([rows_of(self)])

    def to_polars(self) -> Any:
        """Return the rows of `to_dataframe` as a polars DataFrame (extra `vanishlab[polars]`)."""
        return to_polars([rows_of(self)])

    def to_xarray(self) -> Any:
        """Return an `xarray.Dataset` on the axes run, step and layer, with coordinates (extra `vanishlab[xarray]`).

        Learning rate, seed and diverged_step are coordinates along run, names along layer. Test accuracy and sharpness
        have axes of their own, test_step and sharpness_step, where they were measured. What was run, versions and the
        reasons for what is unmeasured are attributes, configs among them as JSON. The arrays are copies.

        >>> record.to_xarray().delta_rms.sel(layer=1).mean("run").plot()  # doctest: +SKIP
        """
        return to_xarray(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the record to `path` (.npz), whole or not at all, and return the path."""
        return write_record(Path(path), self)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "Record":
        """Read a record back. Raises `InputError` for a file that is missing, damaged, or not a record."""
        return read_record(Path(path))[0]


# What came later has a default; files of version 0.1.0 lack it.
_WITH_DEFAULT = [
    each.name
    for each in dataclasses.fields(Record)
    if each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING
]


def write_record(path: Path, record: Record, labels: Mapping[str, Any] | None = None) -> Path:
    """Write the record to `path`, whole or not at all; `labels` are JSON values of a reader's own, kept beside it."""
    fields = {each.name: getattr(record, each.name) for each in dataclasses.fields(record)}
    return write_fields(path, _AXES, fields, labels)


def read_record(path: Path) -> tuple[Record, dict[str, Any]]:
    """Return the record and its labels, the file's checksums compared. Raises `InputError` as `Record.load` does."""
    with reading(path):
        fields, labels = read_fields(path, _AXES, _WITH_DEFAULT)
        record = Record(**fields)
        check_values(record)
        return record, labels


def _places(name: str, have: np.ndarray, wanted: Any) -> np.ndarray:
    values = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
    places = []
    for value in values:
        if not isinstance(value, numbers.Real):
            raise InputError(f"{name} must be a number, got {value!r}")
        # Floats a rounding apart are the same learning rate; whole numbers are compared exactly.
        same = have == value if have.dtype.kind == "i" else np.isclose(have, float(value), rtol=1e-9, atol=0.0)
        found = np.flatnonzero(same)
        if len(found) == 0:
            known = ", ".join(f"{entry:g}" for entry in np.unique(have)[:20])
            raise InputError(f"{name} must be one of {known}, got {value!r}")
        places.append(found)
    return np.concatenate(places) if places else np.array([], dtype=np.int64)


def _listed(values: Any) -> str:
    """Return up to six values, and how many more there are."""
    shown = [f"{value:g}" if isinstance(value, numbers.Real) else str(value) for value in list(values)[:6]]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
