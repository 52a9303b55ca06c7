"""The plan of a sweep: its chunks, the dearest first, the processes of this machine, and how long it takes."""

import dataclasses
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError, check_integer
from vanishlab.training.engine import Engine, engine_of
from vanishlab.training.loop import check_fits, device_of, train_runs
from vanishlab.training.memory import run_work
from vanishlab.training.processes import cpu_cores
from vanishlab.training.sweep import memory
from vanishlab.training.sweep.chunks import Chunk, cut

# Floating-point operations, two to five seconds on one core: from there on two processes win back what they take to
# start (experiments/benchmarks/chunks.py).
_WORTH_PROCESSES = 2e11


@dataclass(frozen=True)
class Plan:
    """What a sweep is going to do: its chunks, finished or not, and where they are to be computed."""

    chunks: tuple[Chunk, ...]
    data: Dataset
    fingerprint: str
    workers: int

    @property
    def runs(self) -> int:
        """Number of runs."""
        return sum(len(chunk.runs) for chunk in self.chunks)

    def missing(self, finished: set[str]) -> list[Chunk]:
        """Return the chunks, or what is left of them, of runs whose keys are not `finished`."""
        parts = (chunk.without(finished) if finished.intersection(chunk.keys) else chunk for chunk in self.chunks)
        return [chunk for chunk in parts if chunk is not None]

    def work(self, chunk: Chunk) -> float:
        """Return the floating-point operations of a chunk of this plan."""
        return memory.chunk_work(chunk, self.data)


def plan_sweep(
    networks: Iterable[NetworkConfig],
    training: TrainingConfig,
    data: Dataset,
    *,
    chunk_runs: int | None = None,
    workers: int | None = None,
) -> Plan:
    """Cut a sweep into chunks, the most expensive first, and choose the number of processes of this machine.

    Raises `InputError` as `sweep` does.
    """
    networks = list(networks)
    if not networks:
        raise InputError("networks must name at least one network, got none")
    for network in networks:
        check_fits(network, training, data)
    device = device_of(training.device)
    if chunk_runs is not None:
        check_integer("chunk_runs", chunk_runs, 1)
    cores = cpu_cores() if workers is None else check_integer("workers", workers, 1)
    if device.type != "cpu" and workers is None:
        cores = 1
    share = -(-len(dict.fromkeys(networks)) * len(training.runs) // cores)  # a core's share of the runs

    def runs_of(network: NetworkConfig) -> int:
        return chunk_runs or min(share, memory.fitting_runs(network, training, data, device, cores))

    fingerprint = data.fingerprint

    def engine(network: NetworkConfig) -> Engine:
        return engine_of(network, training, run_work(network, training, data))

    chunks = cut(networks, training, fingerprint, runs_of, engine)
    chunks.sort(key=lambda chunk: -memory.chunk_work(chunk, data))
    if workers is None and sum(memory.chunk_work(chunk, data) for chunk in chunks) < _WORTH_PROCESSES:
        cores = 1
    return Plan(tuple(chunks), data, fingerprint, min(cores, len(chunks)))


def estimate_seconds(plan: Plan, chunks: Sequence[Chunk]) -> float:
    """Return about how many seconds these chunks take on one core, from two steps of the cheapest and the dearest one.

    A step takes a + b times its arithmetic; the evaluations on test examples are counted as parts of steps.
    """
    if not chunks:
        return 0.0
    by_work = sorted(chunks, key=lambda chunk: plan.work(chunk) / len(chunk.runs))
    ends = [by_work[0], by_work[-1]]
    per_step = [plan.work(chunk) / (chunk.training.steps + 1) for chunk in chunks]
    work = [plan.work(chunk) / (chunk.training.steps + 1) for chunk in ends]
    if work[1] < 2 * work[0]:
        rate = _step_seconds(plan, ends[1]) / work[1]
        seconds = [rate * each for each in per_step]
    else:
        seconds = np.interp(per_step, work, [_step_seconds(plan, chunk) for chunk in ends]).tolist()
    training, data = chunks[0].training, plan.data
    tested = 0 if data.y_test is None else len(data.y_test) / (3 * (training.batch_size or len(data.y)))
    evaluations = training.steps / training.evaluate_every if training.evaluate_every else min(training.steps, 20)
    return sum(seconds) * (training.steps + 1 + tested * (evaluations + 1))


def _step_seconds(plan: Plan, chunk: Chunk) -> float:
    seldom = chunk.training.record_every not in range(1, 10)
    training = dataclasses.replace(
        chunk.training, steps=2, schedule="constant", warmup_steps=0, record_every="never" if seldom else 1,
        engine=chunk.engine,
    )  # fmt: skip
    ends: list[float] = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train_runs(chunk.runs, training, plan.data, progress=lambda step: ends.append(time.perf_counter()))
    finally:
        torch.set_num_threads(threads)
    return min(second - first for first, second in itertools.pairwise(ends))
