"""`load_sweep(folder) -> Sweep`: a sweep's folder as one table, of which only what is asked for is read."""

import csv
import dataclasses
import io
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.errors import InputError, check_choice
from vanishlab.faces import shown_as
from vanishlab.files import write_whole
from vanishlab.recording.frames import library, to_pandas, to_polars
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record, read_record
from vanishlab.training.sweep.chunks import records_of
from vanishlab.training.sweep.store import Kept, Store

Per = Literal["run", "step", "layer"]
NETWORK_FIELDS = tuple(each.name for each in dataclasses.fields(NetworkConfig))
_TRAINING_FIELDS = tuple(
    each.name for each in dataclasses.fields(TrainingConfig) if each.name not in ("learning_rates", "seeds")
)
_RUN_ARRAYS = (
    "learning_rate", "seed", "diverged_step", "loss", "accuracy", "test_accuracy", "sharpness", *LAYER_QUANTITIES,
)  # fmt: skip
LABELS = (*NETWORK_FIELDS, "learning_rate", "seed", *_TRAINING_FIELDS)


@dataclass(frozen=True)
class _Entry:
    """One run, and where it lies."""

    kept: Kept
    place: int

    @property
    def labels(self) -> dict[str, Any]:
        run, training = self.kept.runs[self.place], self.kept.training
        of_network = {name: getattr(run.network, name) for name in NETWORK_FIELDS}
        of_training = {name: getattr(training, name) for name in _TRAINING_FIELDS}
        return of_network | {"learning_rate": run.learning_rate, "seed": run.seed} | of_training

    @property
    def belongs_to(self) -> tuple[Any, ...]:
        """What runs of one record have in common: all but learning rate and seed."""
        own = dataclasses.replace(self.kept.training, learning_rates=(1.0,), seeds=(0,))
        return self.kept.runs[self.place].network, own, self.kept.data


@dataclass(frozen=True)
class Sweep:
    """The finished runs in a folder, or a selection of them. Iterating yields one record per network, read on the way.

    Runs of one network that were trained otherwise (other steps, other data) make a record of their own.
    """

    folder: Path
    _entries: tuple[_Entry, ...] = field(repr=False)

    def __repr__(self) -> str:
        """Return how much there is, and what varies in it."""
        varying = "; ".join(f"{name} {', '.join(map(str, values[:6]))}{', …' * (len(values) > 6)}"
                            for name, values in self.varying().items())  # fmt: skip
        head = f"Sweep of {len(self)} runs of {len(self.networks)} networks in {self.folder}"
        return f"{head}\n  {varying}" if varying else head

    _repr_html_ = shown_as("of_sweep")

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self._entries)

    @property
    def networks(self) -> tuple[NetworkConfig, ...]:
        """The networks, each once."""
        return tuple(dict.fromkeys(entry.kept.runs[entry.place].network for entry in self._entries))

    def values(self, label: str) -> list[Any]:
        """Return the values that a config field, learning_rate or seed takes in these runs, in order.

        Raises `InputError` for a label that does not exist.
        """
        check_choice("label", label, LABELS)
        return sorted(dict.fromkeys(entry.labels[label] for entry in self._entries), key=_order)

    def varying(self) -> dict[str, list[Any]]:
        """Return the labels that take several values in these runs, and their values, in order."""
        of_all = {name: self.values(name) for name in LABELS}
        return {name: values for name, values in of_all.items() if len(values) > 1}

    def select(self, **labels: Any) -> "Sweep":
        """Return the runs with these labels: any field of the configs, learning_rate, seed; a value or several of each.

        Raises `InputError` for a label that does not exist and where no run is left.

        >>> load_sweep("results/sweep").select(depth=(5, 10), learning_rate=0.1)  # doctest: +SKIP
        """
        for name in labels:
            check_choice("label", name, LABELS)
        wanted = {name: _several(value) for name, value in labels.items()}
        entries = tuple(
            entry
            for entry in self._entries
            if all(any(_same(entry.labels[name], value) for value in values) for name, values in wanted.items())
        )
        if not entries:
            known = "; ".join(f"{name} in {', '.join(map(str, self.values(name)[:20]))}" for name in labels)
            raise InputError(f"no run has all of {labels}; there are {known}")
        return dataclasses.replace(self, _entries=entries)

    def only(self, keys: Container[str]) -> "Sweep":
        """Return the runs with these keys, as the chunks of a plan have them."""
        return dataclasses.replace(
            self, _entries=tuple(entry for entry in self._entries if entry.kept.keys[entry.place] in keys)
        )

    def __iter__(self) -> Iterator[Record]:
        """Yield one record per network, its runs sorted by learning rate and seed. Each file is read once.

        Raises `InputError` for a file that was damaged since.
        """
        missing = Counter(entry.belongs_to for entry in self._entries)
        parts: dict[tuple[Any, ...], list[Record]] = {}
        files: dict[Path, list[_Entry]] = {}
        for entry in self._entries:
            files.setdefault(entry.kept.path, []).append(entry)
        for path, entries in files.items():
            whole = read_record(path)[0]
            groups: dict[tuple[Any, ...], list[int]] = {}
            for entry in entries:
                groups.setdefault(entry.belongs_to, []).append(entry.place)
            for group, places in groups.items():
                parts.setdefault(group, []).extend(records_of(whole, entries[0].kept.runs, places))
                missing[group] -= len(places)
                if not missing[group]:
                    yield _joined(parts.pop(group))

    def to_dataframe(self, per: Per = "run") -> Any:
        """Return tidy rows, one per run, per run and step, or per run, step and layer, as a pandas DataFrame.

        Every row holds the network's config, the learning rate and the seed. Needs the extra `vanishlab[dataframe]`.
        """
        return to_pandas(self.tables(per))

    def to_polars(self, per: Per = "run") -> Any:
        """Return the rows of `to_dataframe` as a polars DataFrame. Needs the extra `vanishlab[polars]`."""
        return to_polars(self.tables(per))

    def to_csv(self, path: str | os.PathLike[str], per: Per = "run") -> Path:
        """Write the rows of `to_dataframe` as CSV, network by network, and return the path; NaN is an empty field."""

        def write(file: IO[bytes]) -> None:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            writer = csv.writer(text)
            for number, table in enumerate(self.tables(per)):
                if number == 0:
                    writer.writerow(table)
                columns = [["" if value != value else value for value in column.tolist()] for column in table.values()]
                writer.writerows(zip(*columns, strict=True))
            text.detach()

        return write_whole(Path(path), write)

    def to_parquet(self, path: str | os.PathLike[str], per: Per = "run") -> Path:
        """Write the rows of `to_dataframe` as Parquet, network by network, and return the path.

        Needs the extra `vanishlab[parquet]`.
        """
        pyarrow: Any = library("pyarrow", "to_parquet", "parquet")
        parquet: Any = library("pyarrow.parquet", "to_parquet", "parquet")

        def write(file: IO[bytes]) -> None:
            writer: Any = None
            try:
                for columns in self.tables(per):
                    table = pyarrow.table({name: pyarrow.array(column) for name, column in columns.items()})
                    writer = writer or parquet.ParquetWriter(file, table.schema)
                    writer.write_table(table)
            finally:
                if writer is not None:
                    writer.close()

        return write_whole(Path(path), write)

    def tables(self, per: Per = "run") -> Iterator[dict[str, np.ndarray]]:
        """Yield the rows of `to_dataframe` as columns by name, network by network."""
        check_choice("per", per, ("run", "step", "layer"))
        for record in self:
            yield table_of(record, per)


def load_sweep(folder: str | os.PathLike[str]) -> Sweep:
    """Open the folder of a sweep, under way or finished; only its table of contents is read.

    Files that cannot be read are left out, with a warning that names them. Raises `InputError` for a folder without a
    finished chunk.
    """
    path = Path(folder)
    entries: dict[str, _Entry] = {}
    for kept in Store(path).finished(set_aside=False):
        for place, key in enumerate(kept.keys):
            entries.setdefault(key, _Entry(kept, place))
    if not entries:
        raise InputError(f"folder of a sweep must hold finished chunks, got {str(path)!r}")
    ordered = sorted(entries.values(), key=lambda entry: [_order(value) for value in entry.labels.values()])
    return Sweep(path, tuple(ordered))


def table_of(record: Record, per: Per) -> dict[str, np.ndarray]:
    """Return a record's rows as columns by name; those of the network's config are missing where it has none."""
    runs, steps, layers = record.gradient_norm.shape
    shape = (runs, steps if per != "run" else 1, layers if per == "layer" else 1)
    run, step, layer = (index.ravel() for index in np.indices(shape))
    columns: dict[str, np.ndarray] = {}
    for name in NETWORK_FIELDS if record.network is not None else ():
        value = getattr(record.network, name)
        # Columns of one type: residual may be a word or a number, width a number or a list.
        columns[name] = np.full(len(run), value if name not in ("width", "residual") else str(value))
    columns |= {"learning_rate": record.learning_rate[run], "seed": record.seed[run]}
    columns |= {"diverged_step": record.diverged_step[run]}
    if per == "run":
        tested = len(record.test_step) > 0
        ratio = record.first_last_ratio("delta_rms")  # (run, step)
        columns |= {
            "loss": record.at_end(record.loss),
            "accuracy": record.at_end(record.accuracy),
            "test_accuracy": record.test_accuracy[:, -1] if tested else np.full(runs, np.nan),
            "delta_ratio_at_start": ratio[:, 0] if steps else np.full(runs, np.nan),
            "delta_ratio": record.at_end(ratio),
        }
        return columns
    columns |= {"step": record.step[step], "loss": record.loss[run, step], "accuracy": record.accuracy[run, step]}
    if per == "layer":
        columns |= {"layer": record.layer[layer]}
        columns |= {name: getattr(record, name).ravel() for name in LAYER_QUANTITIES}
    return columns


def _joined(parts: list[Record]) -> Record:
    """Return the records of one network as one, sorted by learning rate and seed."""
    axes: Mapping[str, np.ndarray] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _RUN_ARRAYS
    }
    order = np.lexsort((axes["seed"], axes["learning_rate"]))
    trainings = [part.training for part in parts if part.training is not None]
    training = dataclasses.replace(
        trainings[0],
        learning_rates=tuple(sorted({rate for each in trainings for rate in each.learning_rates})),
        seeds=tuple(sorted({seed for each in trainings for seed in each.seeds})),
    )
    arrays: dict[str, Any] = {name: values[order] for name, values in axes.items()}
    facts = dict(parts[0].facts)
    for part in parts[1:]:  # twins are those of the run with the fewest
        facts = {name: fact._replace(twins=min(fact.twins, part.facts[name].twins)) for name, fact in facts.items()}
    unmeasured = {name: reason for part in parts for name, reason in part.unmeasured.items()}
    return dataclasses.replace(parts[0], training=training, facts=facts, unmeasured=unmeasured, **arrays)


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]


def _same(have: Any, wanted: Any) -> bool:
    if isinstance(have, float) and isinstance(wanted, (int, float, np.number)):
        return bool(np.isclose(have, float(wanted), rtol=1e-9, atol=0.0))  # 0.1 and 0.1 after a computation
    return have == wanted


def _order(value: Any) -> tuple[str, Any]:
    return ("", value) if isinstance(value, (int, float)) else (type(value).__name__, value if value else "")
