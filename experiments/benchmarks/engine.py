"""What does a step of the compiled engine spend its time on, and what does it cost to have it compiled?

Setup   One ReLU layer of equal width on 256 examples, float32, one thread. Its three products (z = h W, its gradients
        with respect to W and to h), as torch's `bmm` on stacks of eight, as numba's `np.dot`, which is scipy's BLAS,
        and as the engine takes them: by its own tiles where those are the ones. Beside them its passes over z, delta
        and W, with everything that is recorded. Each is the quickest of several repeats, CPU time. Compilation is that
        of float32, in a fresh process with an empty cache and once more with a full one.
Expect  the engine's products no slower than `np.dot`; the passes together less than a fourth of them at width 64.
        Compilation 8 s, from the cache 0.3 s.
Run     python experiments/benchmarks/engine.py     # a minute
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from numba import njit

from vanishlab.activations import ACTIVATIONS
from vanishlab.cli.tables import print_table
from vanishlab.training.engine import passes, products
from vanishlab.training.engine.functions import rows_of
from vanishlab.training.processes import one_blas_thread

BATCH, STACK = 256, 8
COLUMNS = (
    "width",
    "bmm",
    "np.dot",
    "engine's products",
    "GFLOP/s: bmm",
    "np.dot",
    "engine",
    "passes",
    "share of products",
)
COMPILED = """
import time
import numba, torch
from vanishlab.training.engine import passes
from vanishlab.training.engine.functions import rows_of
start = time.process_time()
passes.train_runs("float32")
rows_of("relu", "float32")
print(time.process_time() - start)
"""


@njit
def by_dot(times: int, h: np.ndarray, w: np.ndarray, z: np.ndarray, g: np.ndarray, back: np.ndarray) -> None:
    for _ in range(times):
        np.dot(h, w, z)
        np.dot(h.T, z, g)
        np.dot(z, w.T, back)


@njit
def by_engine(
    times: int, h: np.ndarray, w: np.ndarray, z: np.ndarray, g: np.ndarray, back: np.ndarray, turned: np.ndarray
) -> None:
    for _ in range(times):
        products.multiply(h, w, z)
        products.multiply_turned(h, z, g)
        products.multiply_by_turned(z, w, turned, back)


@njit
def all_passes(times, z, h, delta, bias, scratch, w, g, new, phi, slope, rules, found):  # type: ignore[no-untyped-def]
    for _ in range(times):
        passes._forward(z, h, bias, phi, True, rules, scratch, found)
        passes._backward(z, h, delta, slope, True, scratch, found)
        passes._update(w, g, np.float32(1e-3), new, found)


def quickest(function: Callable[[int], object], times: int = 100, repeats: int = 9) -> float:
    """Return the least CPU seconds of one of `times` repetitions."""
    function(1)
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        function(times)
        taken.append((time.process_time() - start) / times)
    return min(taken)


def row_of(width: int) -> list[object]:
    drawn = np.random.default_rng(0)
    h, z, back = (drawn.normal(size=(BATCH, width)).astype(np.float32) for _ in range(3))
    w, g = (drawn.normal(size=(width, width)).astype(np.float32) / width**0.5 for _ in range(2))
    stacked = [torch.from_numpy(np.stack([each] * STACK)) for each in (h, w, z, g, back)]

    def by_bmm(times: int) -> None:
        for _ in range(max(times // STACK, 1)):
            torch.bmm(stacked[0], stacked[1], out=stacked[2])
            torch.bmm(stacked[0].transpose(1, 2), stacked[2], out=stacked[3])
            torch.bmm(stacked[2], stacked[1].transpose(1, 2), out=stacked[4])

    relu = ACTIVATIONS["relu"]
    rules = passes.Rules(relu.in_place, relu.can_die, relu.saturated_below, relu.saturated_above, False)
    phi, slope = rows_of("relu", "float32")
    scratch, found = np.empty((3, width), np.float32), np.empty(len(passes.MEASURED))
    bias, flat = np.zeros(width, np.float32), (w.reshape(-1), g.reshape(-1), np.empty(width**2, np.float32))
    seconds = [
        quickest(by_bmm, 104),
        quickest(lambda times: by_dot(times, h, w, z, g, back)),
        quickest(lambda times: by_engine(times, h, w, z, g, back, np.empty(width**2, np.float32))),
    ]
    z = drawn.normal(size=(BATCH, width)).astype(np.float32)
    passing = quickest(lambda times: all_passes(times, z, z, h, bias, scratch, *flat, phi, slope, rules, found))
    flops = 6e-9 * BATCH * width**2
    return [width, *(f"{1e6 * each:.1f} us" for each in seconds), *(f"{flops / each:.0f}" for each in seconds),
            f"{1e6 * passing:.1f} us", f"{passing / seconds[2]:.0%}"]  # fmt: skip


def compile_seconds() -> list[float]:
    """Return the CPU seconds of compilation with an empty cache, and with a full one."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        return [
            float(subprocess.run([sys.executable, "-c", COMPILED], env=environment, capture_output=True, text=True,
                                 check=True).stdout)
            for _ in range(2)
        ]  # fmt: skip


def main(widths: tuple[int, ...] = (32, 64, 128, 256)) -> None:
    torch.set_num_threads(1)
    with one_blas_thread():
        rows = [row_of(width) for width in widths]
    print_table(f"one ReLU layer, {BATCH} examples, float32", COLUMNS, rows)
    new, kept = compile_seconds()
    print(f"compilation: {new:.1f} s of CPU time, from the cache {kept:.2f} s")


if __name__ == "__main__":
    main()
