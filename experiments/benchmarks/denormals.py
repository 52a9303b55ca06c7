"""Do subnormal numbers slow the stack down, and would flushing them to zero be worth it?

Setup   Some processors take a hundred times as long over numbers below 1.2e-38 (float32). In deep sigmoid networks
        under PyTorch's default initialisation delta gets there and falls on to zero. 16 runs of width 64 on 256 digits,
        float32, one thread, CPU time of a step, median over steps, best of the repeats; recorded at every step and not:
        normal      weights with sigma_w = 4.1, at which delta keeps its size: the same arithmetic on normal numbers
        subnormal   PyTorch's default initialisation
        flushed     the same with torch.set_flush_denormal(True), which the lab never sets
        Then the bare operations, on entries of about 1 and of about 1e-39: a batched product, a product of entries, and
        the float64 norm.
Expect  See README. Flushing makes the norm of a layer of subnormal numbers 0 instead of 1e-39, so it would have to gain
        much to be considered; the last column shows the first layer whose delta is still a number.
Run     python experiments/benchmarks/denormals.py             # two minutes on one core
        python experiments/benchmarks/denormals.py --quick
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

import vanishlab as vl
from vanishlab.cli.tables import print_table
from vanishlab.training.loop import Run, train_runs

WIDTH, RUNS = 64, 16
RATES = tuple(np.geomspace(1e-4, 1e-2, RUNS).tolist())
NETWORKS = {
    "normal": {"initialization": "gaussian", "sigma_w": 4.1},
    "subnormal": {"initialization": "torch_default"},
    "flushed": {"initialization": "torch_default"},
}


def measured(name: str, depth: int, steps: int, recorded: bool) -> tuple[float, vl.Record]:
    """Return the CPU seconds of a step, and the record."""
    data = replace(vl.load_data("digits", max_examples=256), x_test=None, y_test=None)
    network = vl.NetworkConfig(depth, WIDTH, "sigmoid", **NETWORKS[name])
    training = vl.TrainingConfig(RATES, (0,), steps=steps + 1, record_every=1 if recorded else "never", device="cpu")
    marks: list[float] = []
    torch.set_flush_denormal(name == "flushed")
    try:
        runs = [Run(network, rate, 0) for rate in RATES]
        record = train_runs(runs, training, data, progress=lambda step: marks.append(time.process_time()))
    finally:
        torch.set_flush_denormal(False)
    return statistics.median(np.diff(marks[1:])), record


def microseconds(function: Callable[[], object], repeats: int) -> float:
    found = []
    for _ in range(repeats):
        begun = time.process_time()
        for _ in range(20):
            function()
        found.append((time.process_time() - begun) / 20)
    return 1e6 * min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps and repeats")
    parser.add_argument("--depths", type=int, nargs="+", default=[50, 100])
    options = parser.parse_args()
    steps, repeats = (4, 1) if options.quick else (12, 5)
    torch.set_num_threads(1)
    rows: list[list[object]] = []
    for depth in options.depths:
        best: dict[tuple[str, bool], float] = {}
        records: dict[str, vl.Record] = {}
        for _ in range(repeats):
            for name in NETWORKS:
                for recorded in (True, False):
                    taken, record = measured(name, depth, steps, recorded)
                    best[name, recorded] = min(taken, best.get((name, recorded), np.inf))
                    if recorded:
                        records[name] = record
        for name, record in records.items():
            delta = record.delta_rms[0, 0]  # (layer,)
            lost = record.subnormal_fraction[:, 0] > 0  # (run, layer)
            rows.append([
                depth, name, *(1e3 * best[name, each] / RUNS for each in (False, True)),
                *(best[name, each] / best["normal", each] for each in (False, True)),
                int(lost.any(0).sum()), int((delta == 0).sum()), int(np.flatnonzero(delta > 0)[0]) + 1,
            ])  # fmt: skip
    print_table(
        "sigmoid, width 64, batch 256, 16 runs, one thread",
        ("depth", "numbers", "ms per run-step, not recorded", "recorded", "relative", "relative, recorded",
         "layers with subnormal gradients", "layers with delta 0", "first layer with a delta"),
        rows,
    )  # fmt: skip
    rows = []
    for size in (1.0, 1e-39):
        one = torch.randn(RUNS, 256, WIDTH)
        x, weight = one * size, torch.randn(RUNS, WIDTH, WIDTH)
        rows.append([
            f"{size:g}", *(microseconds(each, 5 * repeats) for each in (
                lambda x=x, weight=weight: torch.bmm(x, weight),
                lambda x=x, one=one: x * one,
                lambda x=x: torch.linalg.vector_norm(x, dtype=torch.float64),
            )),
        ])  # fmt: skip
    print_table("microseconds", ("entries of about", "batched product", "product of entries", "float64 norm"), rows)


if __name__ == "__main__":
    main()
