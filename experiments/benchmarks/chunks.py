"""How many runs should a chunk have, and when are processes worth their start?

Setup   ReLU networks of 20 hidden layers on 256 digits, full batch, float32, everything recorded at every step; widths
        32, 64 and 256. A chunk of 1 to 128 runs is trained
        one core     in one process on one thread, CPU time
        processes    in as many processes as there are cores, one thread each, all at once, wall time
        threads      in one process with a thread for each core, wall time (at most one thread a run)
        Each figure is the median over steps, and the best of the repeats, since a busy machine only ever slows them.
        "lab's choice" is the chunk that `vanishlab.training.sweep.memory` takes for such a network when there are runs
        enough.
        Then the seconds until a pool of worker processes is ready, and the work of a sweep, in floating-point
        operations, from which the processes win that time back.
Expect  Run-steps per second rise up to about 64 runs (width 32), 32 (64) and 8 (256), and hardly beyond. Processes
        beat threads. (README has the figures.)
Run     python experiments/benchmarks/chunks.py             # five minutes on two cores
        python experiments/benchmarks/chunks.py --quick
"""

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from unittest import mock

import numpy as np
import torch

import vanishlab as vl
from vanishlab.cli.tables import print_table
from vanishlab.training.loop import Run, train_runs
from vanishlab.training.memory import run_work
from vanishlab.training.sweep import memory
from vanishlab.training.sweep.plan import cpu_cores
from vanishlab.training.sweep.pool import Processes

DEPTH, BATCH = 20, 256
COLUMNS = ("width", "runs", "run-steps/s, one core", "processes", "threads", "lab's choice")


def digits() -> vl.Dataset:
    return replace(vl.load_data("digits", max_examples=BATCH), x_test=None, y_test=None)


def network_of(width: int) -> vl.NetworkConfig:
    return vl.NetworkConfig(DEPTH, width, "relu", "kaiming_normal")


def seconds(width: int, runs: int, steps: int, threads: int, cpu: bool) -> float:
    """Return the seconds of a step of one chunk, here in this process."""
    clock = time.process_time if cpu else time.perf_counter
    rates = np.geomspace(1e-4, 1e-2, runs).tolist()
    training = vl.TrainingConfig(tuple(rates), (0,), steps=steps + 1, device="cpu")
    marks: list[float] = []
    torch.set_num_threads(threads)
    # The lab gives small products one thread whatever it is allowed; here the other choice is wanted too.
    with mock.patch("vanishlab.training.loop._SMALL_PRODUCT", 0):
        chunk = [Run(network_of(width), rate, 0) for rate in rates]
        train_runs(chunk, training, digits(), progress=lambda step: marks.append(clock()))
    return statistics.median(np.diff(marks[1:]))


def ready() -> int:
    import vanishlab.training.loop

    return len(vanishlab.training.loop.__name__)


def start_seconds(cores: int) -> float:
    """Return the seconds until every worker of a fresh pool has torch and the lab."""
    begun = time.perf_counter()
    pool = Processes(cores)
    for future in [pool.submit(ready) for _ in range(4 * cores)]:
        future.result()
    taken = time.perf_counter() - begun
    pool.stop()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer memory, steps and repeats")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 256])
    parser.add_argument("--runs", type=int, nargs="+", help="these numbers of runs instead")
    parser.add_argument("--cores", type=int, default=cpu_cores(), help="1 measures chunks on one core only")
    options = parser.parse_args()
    counts = options.runs or ([1, 4, 16] if options.quick else [1, 2, 4, 8, 16, 32, 64, 128])
    steps, repeats = (6, 1) if options.quick else (15, 3)
    cores = options.cores
    rate = 0.0
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        for width in options.widths:
            rows: list[list[object]] = []
            everything = vl.TrainingConfig(tuple(np.geomspace(1e-4, 1e-2, 1024).tolist()), (0,), device="cpu")
            chosen = memory.fitting_runs(network_of(width), everything, digits(), torch.device("cpu"), cores)
            for runs in counts:
                if runs * width > 2 * 64 * 128:  # only slower, and takes its time
                    continue
                found = []
                for _ in range(repeats):
                    alone = pool.submit(seconds, width, runs, steps, 1, True).result()
                    slowest = threaded = float("nan")
                    if cores > 1:
                        both = [pool.submit(seconds, width, runs, steps, 1, False) for _ in range(cores)]
                        slowest = max(future.result() for future in both)
                        threaded = pool.submit(seconds, width, runs, steps, min(cores, runs), False).result()
                    found.append((runs / alone, cores * runs / slowest, runs / threaded))
                best = [max(column) for column in zip(*found, strict=True)]
                rate = max(rate, best[0] * run_work(network_of(width), one_step(), digits()) / 2)
                rows.append([width, runs, *best, "yes" if runs == chosen else ""])
            print_table(f"chunks of width {width}; the lab takes {chosen} runs", COLUMNS, rows)
    if cores == 1:
        return
    start = min(start_seconds(cores) for _ in range(repeats))
    worth = start * rate * cores / max(cores - 1, 1)
    print(
        f"{cores} processes are ready after {start:.2g} s; one core does {rate / 1e9:.3g} GFLOP/s, everything recorded"
    )
    print(f"they win that back from a sweep of {worth:.2g} operations on, {worth / rate:.2g} s of one core")


def one_step() -> vl.TrainingConfig:
    """Return a training of one update; `run_work` counts its two forward and backward passes."""
    return vl.TrainingConfig((0.1,), (0,), steps=1)


if __name__ == "__main__":
    main()
