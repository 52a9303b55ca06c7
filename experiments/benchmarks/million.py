"""What would a sweep of a million runs cost in bytes, files, messages and time, and where would it break first?

Setup   ReLU networks of 20 hidden layers of width 32 on 256 digits, 200 steps, recorded at every step, in the sweep's
        own chunks. Measured on a small scale: the time of a run-step, recorded and not; what a chunk and its outcome
        weigh as messages and as a file; how long planning takes per run, and resuming and `load_sweep` per file; how
        many trivial tasks a second Dask's scheduler passes on to two worker processes (where distributed is installed),
        of the size of a chunk's description, many at once. The last table multiplies, for all steps recorded and for
        record_every="log", on the given number of cores.
Expect  Records are the burden: terabytes at every step, all through one process. README has the figures.
Run     python experiments/benchmarks/million.py             # a minute on two cores
        python experiments/benchmarks/million.py --cores 1000 --tasks 5000
"""

import argparse
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import vanishlab as vl
from vanishlab.cli.tables import print_table
from vanishlab.training.loop import train_runs
from vanishlab.training.memory import recorded_steps
from vanishlab.training.sweep import memory
from vanishlab.training.sweep.chunks import Chunk
from vanishlab.training.sweep.plan import plan_sweep
from vanishlab.training.sweep.store import Store
from vanishlab.training.sweep.worker import Outcome

RUNS, STEPS = 1_000_000, 200
NETWORK = vl.NetworkConfig(20, 32, "relu", "kaiming_normal")


def training_of(runs: int, steps: int, every: int | str = 1) -> vl.TrainingConfig:
    rates = np.geomspace(1e-4, 1e-1, max(runs // 16, 1)).tolist()
    seeds = tuple(range(min(runs, 16)))
    return vl.TrainingConfig(tuple(rates), seeds, steps=steps, record_every=every, device="cpu")  # pyright: ignore


def step_seconds(chunk: Chunk, data: vl.Dataset) -> float:
    marks: list[float] = []
    train_runs(chunk.runs, chunk.training, data, progress=lambda step: marks.append(time.process_time()))
    return float(np.median(np.diff(marks[1:]))) / len(chunk.runs)


def trivial(description: bytes) -> int:
    return len(description)


def tasks_per_second(tasks: int, description: bytes) -> float:
    """Return how many trivial tasks a second come back from two Dask workers; NaN without distributed."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        return float("nan")
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        client.get_executor(pure=False) as executor,
    ):
        [future.result() for future in [executor.submit(trivial, description) for _ in range(10)]]
        begun = time.perf_counter()
        futures = [executor.submit(trivial, description) for _ in range(tasks)]
        for future in futures:
            future.result()
        return tasks / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=3000, help="trivial tasks given to Dask")
    parser.add_argument("--planned", type=int, default=16_000, help="runs that are planned to see how long it takes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = vl.load_data("digits", max_examples=256)
    device = torch.device("cpu")
    per_chunk = memory.fitting_runs(NETWORK, training_of(RUNS, STEPS), data, device, 2)

    begun = time.process_time()
    plan = plan_sweep([NETWORK], training_of(options.planned, STEPS), data, chunk_runs=per_chunk)
    missing = plan.missing(set())
    planning = (time.process_time() - begun) / options.planned

    chunk = plan_sweep([NETWORK], training_of(per_chunk, 20), data, chunk_runs=per_chunk, workers=1).chunks[0]
    never = plan_sweep([NETWORK], training_of(per_chunk, 20, "never"), data, chunk_runs=per_chunk, workers=1).chunks[0]
    recorded, bare = step_seconds(chunk, data), step_seconds(never, data)
    record = train_runs(chunk.runs, chunk.training, data)
    sent = pickle.dumps((missing[0], data.loaded_as))
    came = len(pickle.dumps(Outcome(record)))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        begun = time.process_time()
        store.keep(chunk, record)
        keeping = time.process_time() - begun
        size = store.path(chunk).stat().st_size
        begun = time.process_time()
        for _ in range(20):
            list(store.finished())
        listing = (time.process_time() - begun) / 20
    rate = tasks_per_second(options.tasks, sent)

    steps, layers = len(record.step), NETWORK.depth + 1
    per_step = came / len(chunk.runs) / steps
    print(f"{1e3 * recorded:.3g} ms per run-step recorded, {1e3 * bare:.3g} not; {len(chunk.runs)} runs a chunk")
    print(f"a chunk's description: {len(sent):,} bytes; its outcome: {came:,} bytes, as a file {size:,}, for "
          f"{len(chunk.runs)} runs, {steps} steps, {layers} layers: {per_step:,.0f} bytes a run and step")  # fmt: skip
    print(f"planning: {1e6 * planning:.3g} us per run; a file is written in {1e3 * keeping:.3g} ms, listed in "
          f"{1e3 * listing:.3g} ms; Dask's scheduler passes on {rate:.3g} tasks a second")  # fmt: skip
    chunks = -(-RUNS // per_chunk)
    rows: list[list[object]] = []
    for every in (1, "log"):
        kept = recorded_steps(training_of(16, STEPS, every)) if every == "log" else STEPS + 1
        run_seconds = kept * recorded + (STEPS + 1 - kept) * bare
        total = per_step * kept * RUNS
        finished = options.cores / (run_seconds * per_chunk)
        rows.append([
            "every step" if every == 1 else f"log, {kept} steps", RUNS * run_seconds / 3600, chunks,
            chunks * len(sent) / 1e6, total / 1e12, total / chunks / 1e6, run_seconds * per_chunk,
            finished, finished * total / chunks / 1e9, RUNS * planning, chunks * listing,
        ])  # fmt: skip
    print_table(
        f"{RUNS:,} runs of {STEPS} steps on {options.cores:,} cores",
        ("recorded", "core-hours", "chunks, files, messages each way", "MB sent", "TB back", "MB a chunk", "s a chunk",
         "chunks/s arriving", "GB/s arriving", "s to plan", "s to list"),
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
