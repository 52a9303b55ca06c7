"""How do time and memory of a sweep grow with depth, with the number of runs, and with the steps recorded?

Setup   ReLU networks of width 32 on 64 digits, full batch, float32, one thread. One of three sizes grows while the
        others stay: depth 10 to 1,000 (2 runs, 4 steps), runs 1 to 4,096 of depth 10 (4 steps, in the sweep's own
        chunks), recorded steps 4 to 1,024 (2 runs of depth 10). Each point is a process of its own: CPU seconds of the
        sweep, and the most memory that it held beyond what Python, torch and a first small sweep take.
        The slope is that of a straight line through log size and log time, over the upper half of the sizes, where
        the start no longer counts.
Expect  A slope of 1 or less in each; memory grows with depth, and hardly with the runs, which come in chunks, nor with
        the steps until their record outgrows a chunk's working memory.
Run     python experiments/benchmarks/scaling.py             # three minutes on one core
        python experiments/benchmarks/scaling.py --quick     # up to a tenth of the sizes
Writes  results/scaling/scaling (.png, .svg)
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil
import torch

import vanishlab as vl
from vanishlab.cli.tables import print_table
from vanishlab.files import output_folder
from vanishlab.plots import save_both
from vanishlab.training.sweep.running import sweep

SIZES = {
    "depth": (10, 32, 100, 316, 1000),
    "runs": (1, 4, 16, 64, 256, 1024, 4096),
    "recorded steps": (4, 16, 64, 256, 1024),
}
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


def point(depth: int, runs: int, steps: int) -> tuple[float, float]:
    """Return CPU seconds and bytes beyond the start of one sweep, here in this process."""
    torch.set_num_threads(1)
    data = replace(vl.load_data("digits", max_examples=64), x_test=None, y_test=None)

    def train(depth: int, runs: int, steps: int) -> float:
        rates = tuple(float(rate) for rate in np.geomspace(1e-4, 1e-2, runs))
        network = vl.NetworkConfig(depth, 32, "relu", "kaiming_normal")
        training = vl.TrainingConfig(rates, (0,), steps=steps - 1, device="cpu")
        with tempfile.TemporaryDirectory() as folder:
            begun = time.process_time()
            for _ in sweep([network], training, data, out=folder, workers=1):
                pass
            return time.process_time() - begun

    train(2, 2, 2)
    before = peak_memory()
    seconds = train(depth, runs, steps)
    return seconds, peak_memory() - before


def peak_memory() -> float:
    """Return the largest memory that this process has held so far, bytes."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset)
    import resource

    return UNIT * float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def slope(sizes: np.ndarray, values: np.ndarray) -> float:
    """Return the slope of log value against log size over the upper half of the sizes."""
    upper = slice(len(sizes) // 2 - (len(sizes) < 4), None)
    return float(np.polyfit(np.log(sizes[upper]), np.log(np.maximum(values[upper], 1.0e-9)), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to a tenth of the sizes")
    parser.add_argument("--sizes", type=int, nargs="+", help="these sizes of each instead")
    parser.add_argument("--out", type=Path, default=Path("results/scaling"), help="folder for the picture")
    options = parser.parse_args()
    from matplotlib.figure import Figure

    output_folder(options.out)
    figure = Figure(figsize=(11.0, 4.2), layout="constrained")
    rows: list[list[object]] = []
    for axes, (name, sizes) in zip(figure.subplots(1, 3), SIZES.items(), strict=True):
        chosen = options.sizes or [size for size in sizes if not options.quick or size <= sizes[-1] / 10]
        found = []
        for size in chosen:
            given = {"depth": 10, "runs": 2, "recorded steps": 4} | {name: size}
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                found.append(pool.submit(point, *given.values()).result())
        x, (seconds, memory) = np.array(chosen, dtype=float), np.array(found).T
        megabytes = memory / 1e6
        fits = slope(x, seconds), slope(x, np.maximum(megabytes, 1.0))
        rows += [[name, *row] for row in zip(chosen, seconds.tolist(), megabytes.tolist(), strict=True)]
        rows.append([name, "slope", *fits])
        axes.loglog(x, seconds, "o-", color="#0072B2", label=f"CPU seconds, slope {fits[0]:.2f}")
        axes.loglog(
            x, np.maximum(megabytes, 1.0), "s--", color="#D55E00", label=f"peak memory in MB, slope {fits[1]:.2f}"
        )
        axes.set_xlabel(name)
        axes.set_xticks(chosen, [str(size) for size in chosen])
        axes.minorticks_off()
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.suptitle("A sweep's time and memory against its size: ReLU, width 32, 64 digits, one thread")
    print_table("time and memory", ("axis", "size", "CPU seconds", "MB beyond the start"), rows)
    print(*save_both(figure, options.out / "scaling"))


if __name__ == "__main__":
    main()
