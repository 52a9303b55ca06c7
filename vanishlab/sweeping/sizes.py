"""What a chunk costs in arithmetic and memory, and how many runs one should have."""

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError
from vanishlab.initialization import layer_sizes
from vanishlab.record import LAYER_QUANTITIES
from vanishlab.sweeping.chunks import Chunk

# Entries of one activation (run, batch, width) of a chunk on a CPU: 32 runs of width 64 at batch 256, 2 MB in float32.
# Fewer runs leave time to Python: a fourth of them costs 15 to 20 %, a half 4 to 10 %. More gain 3 % at most and make
# chunks that are slow to resume. Measured by experiments/benchmarks/chunks.py.
_ENTRIES = 2**19
_MOST_RUNS = 64
_PROCESS_BYTES = 450e6  # Python and torch, before anything is trained
_SHARE = 0.8  # of the free memory


def work(network: NetworkConfig, training: TrainingConfig, data: Dataset) -> float:
    """Return the floating-point operations of one run: 6 x batch x weights a step, forward and back."""
    return 6.0 * _batch(training, data) * _weights(network, data) * (training.steps + 1)


def chunk_work(chunk: Chunk, data: Dataset) -> float:
    """Return the floating-point operations of all the runs of a chunk."""
    return len(chunk.runs) * work(chunk.runs[0].network, chunk.training, data)


def run_bytes(network: NetworkConfig, training: TrainingConfig, data: Dataset) -> float:
    """Return what a run holds at its peak, in bytes: parameters, activations for the way back, and what is recorded.

    Measured on five shapes of network (depths 5 to 50, widths 16 to 256), this is right within 22 %. What measuring
    sharpness takes, the passes of some Hessian products, is not in it, nor in `work`.
    Weights: the present and the last state, the gradient, and the next state while it is made; one more of momentum.
    Activations: z, h and two of what autograd passes on; normalisation and residual connections keep three more.
    """
    entry = torch.finfo(getattr(torch, network.dtype)).bits // 8
    batch = _batch(training, data)
    units = sum(network.widths) + data.num_classes
    kept = 4 + 3 * (network.normalization != "none") + (network.residual != "none")
    own_batch = batch * data.features if training.batch_size is not None else 0
    tested = 0 if data.y_test is None else min(len(data.y_test), 2048) * max(network.widths) * 3
    arithmetic = (4 + (training.momentum > 0)) * _weights(network, data) + kept * batch * units + own_batch + tested
    # The rows as they come in, once more as one array, and once more as the record.
    recorded = 3 * 8 * recorded_steps(training) * (network.depth + 1) * len(LAYER_QUANTITIES)
    return entry * arithmetic + recorded


def recorded_steps(training: TrainingConfig) -> int:
    """Return about how many steps are recorded."""
    if training.record_every == "never":
        return 0
    if training.record_every == "log":
        return min(training.steps + 1, math.ceil(20 * math.log10(training.steps + 1)) + 12)
    return training.steps // int(training.record_every) + 2


def fitting_runs(
    network: NetworkConfig, training: TrainingConfig, data: Dataset, device: torch.device, workers: int = 1
) -> int:
    """Return how many runs of this shape a chunk should have: as memory allows, and on a CPU the cache."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return max(1, int(_SHARE * free / run_bytes(network, training, data)))
    entries = _batch(training, data) * max(network.widths)
    own = _SHARE * free_memory() / workers - _PROCESS_BYTES
    return max(1, min(_MOST_RUNS, _ENTRIES // entries, int(own / run_bytes(network, training, data))))


def free_memory() -> int:
    """Return the memory that this process and its children may still take, in bytes; a container's limit counts."""
    free = psutil.virtual_memory().available
    folder = Path("/sys/fs/cgroup")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):  # no such file, or no limit: "max"
            free = min(free, int((folder / limit).read_text()) - int((folder / used).read_text()))
    return max(free, 0)


def check_memory(chunks: Sequence[Chunk], data: Dataset, workers: int) -> None:
    """Raise `InputError` where the `workers` largest chunks do not fit into the free memory side by side."""
    if not chunks:
        return
    needs = sorted((chunk_bytes(chunk, data) for chunk in chunks), reverse=True)[:workers]
    if workers > 1:
        needs = [need + _PROCESS_BYTES for need in needs]
    free = free_memory()
    if sum(needs) > _SHARE * free:
        raise InputError(
            f"memory must hold {workers} chunk{'s' * (workers > 1)} of about {max(needs) / 1e9:.2g} GB side by side, "
            f"got {free / 1e9:.2g} GB free; fewer workers, a smaller chunk_runs, or a larger record_every need less"
        )


def chunk_bytes(chunk: Chunk, data: Dataset) -> float:
    """Return what training a chunk takes at its peak, in bytes."""
    examples = sum(array.nbytes for array in (data.x, data.y, data.x_test) if array is not None)
    return len(chunk.runs) * run_bytes(chunk.runs[0].network, chunk.training, data) + 2 * examples


def _batch(training: TrainingConfig, data: Dataset) -> int:
    return training.batch_size or len(data.y)


def _weights(network: NetworkConfig, data: Dataset) -> int:
    sizes = layer_sizes(network, data.features, data.num_classes)
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in sizes)
