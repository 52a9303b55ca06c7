"""Chunks: runs of one shape that are trained side by side, and the names that tell finished ones from new ones."""

import dataclasses
import functools
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vanishlab.config import NetworkConfig, TrainingConfig, config_to_dict
from vanishlab.network.mlp import shape_of
from vanishlab.recording.record import Record
from vanishlab.training.engine import Engine
from vanishlab.training.loop import Run

_FORMAT = 1  # of what a key stands for: a new number makes every sweep begin anew


@dataclass(frozen=True)
class Chunk:
    """Runs of one shape, how they are trained, and on which data."""

    runs: tuple[Run, ...]
    training: TrainingConfig
    """Its learning rates and seeds are those of the runs, each once."""
    data: str
    """The data's fingerprint."""
    engine: Engine = "autograd"
    """What makes the steps, wherever the chunk is trained: the two differ in the last bits."""

    @functools.cached_property
    def keys(self) -> tuple[str, ...]:
        """A hash of everything that determines each run, (run,); neighbours and chunk size do not."""
        rest = _without_runs(self.training) | {"data": self.data, "format": _FORMAT}
        if self.engine != "autograd":  # what there was before there was another: such chunks keep their names
            rest["engine"] = self.engine
        return tuple(_hash(rest | {"run": [config_to_dict(run.network), *run[1:]]}) for run in self.runs)

    @functools.cached_property
    def name(self) -> str:
        """A hash of the runs' keys: two chunks of the same name hold the same numbers."""
        return _hash(self.keys)

    @property
    def networks(self) -> tuple[NetworkConfig, ...]:
        """The networks of the runs, each once."""
        return tuple(dict.fromkeys(run.network for run in self.runs))

    def without(self, keys: Iterable[str]) -> "Chunk | None":
        """Return the chunk of those runs that are not named, None where nothing is left."""
        keys = set(keys)
        runs = [run for run, key in zip(self.runs, self.keys, strict=True) if key not in keys]
        return chunk_of(runs, self.training, self.data, self.engine) if runs else None


def chunk_of(runs: Sequence[Run], training: TrainingConfig, data: str, engine: Engine = "autograd") -> Chunk:
    """Return the chunk of these runs; learning rates and seeds of `training` are set to theirs."""
    rates, seeds = ({run[place]: None for run in runs} for place in (1, 2))
    own = dataclasses.replace(training, learning_rates=tuple(rates), seeds=tuple(seeds))
    return Chunk(tuple(runs), own, data, engine)


def cut(
    networks: Iterable[NetworkConfig],
    training: TrainingConfig,
    data: str,
    chunk_runs: Callable[[NetworkConfig], int],
    engine: Callable[[NetworkConfig], Engine],
) -> list[Chunk]:
    """Group the runs of all networks by shape, and cut each group into equal chunks of at most `chunk_runs(shape)`.

    `engine(shape)` makes their steps.

    The same arguments give the same chunks, whatever of them is finished already.
    """
    groups: dict[NetworkConfig, list[Run]] = {}
    for network in dict.fromkeys(networks):
        groups.setdefault(shape_of(network), []).extend(Run(network, rate, seed) for rate, seed in training.runs)
    chunks = []
    for shape, runs in groups.items():
        count = math.ceil(len(runs) / max(chunk_runs(shape), 1))
        borders = [len(runs) * place // count for place in range(count + 1)]
        chunks += [
            chunk_of(runs[start:end], training, data, engine(shape)) for start, end in itertools.pairwise(borders)
        ]
    return chunks


def records_of(record: Record, runs: Sequence[Run], wanted: Iterable[int] | None = None) -> list[Record]:
    """Return one record per network of a chunk's joint record; `wanted` are places on the run axis, all by default."""
    places: dict[NetworkConfig, list[int]] = {}
    for place in range(len(runs)) if wanted is None else wanted:
        places.setdefault(runs[place].network, []).append(place)
    assert record.training is not None
    return [
        dataclasses.replace(
            record.select(run=own),
            network=network,
            training=chunk_of([runs[place] for place in own], record.training, "").training,
        )
        for network, own in places.items()
    ]


def _without_runs(training: TrainingConfig) -> dict[str, object]:
    fields = config_to_dict(training)
    del fields["learning_rates"], fields["seeds"], fields["engine"]
    if training.optimizer == "descent":  # what sweeps were before there was another: their chunks keep their names
        del fields["optimizer"]
    return fields


def _hash(value: object) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
