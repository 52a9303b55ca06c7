"""The cost of a chunk of runs in arithmetic and memory, and from it how many runs one should have."""

from collections.abc import Sequence

import torch

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError
from vanishlab.training.memory import PROCESS_BYTES, SHARE, batch_size, data_bytes, free_memory, run_bytes, run_work
from vanishlab.training.sweep.chunks import Chunk

# Entries of one activation (run, batch, width) of a chunk on a CPU: 32 runs of width 64 at batch 256, 2 MB in float32.
# Fewer runs leave time to Python: a fourth of them costs 15 to 20 %, a half 4 to 10 %. More gain 3 % at most and make
# chunks that are slow to resume. Measured by experiments/benchmarks/chunks.py.
_ENTRIES = 2**19
_MOST_RUNS = 64


def chunk_work(chunk: Chunk, data: Dataset) -> float:
    """Return the floating-point operations of all the runs of a chunk."""
    return len(chunk.runs) * run_work(chunk.runs[0].network, chunk.training, data)


def fitting_runs(
    network: NetworkConfig, training: TrainingConfig, data: Dataset, device: torch.device, workers: int = 1
) -> int:
    """Return how many runs of this shape a chunk should have: as memory allows, and on a CPU the cache."""
    if device.type == "cuda":
        return max(1, int(SHARE * free_memory(device) / run_bytes(network, training, data)))
    entries = batch_size(training, data) * max(network.widths)
    own = SHARE * free_memory() / workers - PROCESS_BYTES
    return max(1, min(_MOST_RUNS, _ENTRIES // entries, int(own / run_bytes(network, training, data))))


def check_chunks(chunks: Sequence[Chunk], data: Dataset, workers: int) -> None:
    """Raise `InputError` where the `workers` largest chunks do not fit into the free memory side by side."""
    if not chunks:
        return
    needs = sorted((chunk_bytes(chunk, data) for chunk in chunks), reverse=True)[:workers]
    if workers > 1:
        needs = [need + PROCESS_BYTES for need in needs]
    free = free_memory()
    if sum(needs) > SHARE * free:
        raise InputError(
            f"memory must hold {workers} chunk{'s' * (workers > 1)} of about {max(needs) / 1e9:.2g} GB side by side, "
            f"got {free / 1e9:.2g} GB free; fewer workers, a smaller chunk_runs, or a larger record_every need less"
        )


def chunk_bytes(chunk: Chunk, data: Dataset) -> float:
    """Return what training a chunk takes at its peak, in bytes."""
    return len(chunk.runs) * run_bytes(chunk.runs[0].network, chunk.training, data) + 2 * data_bytes(data)
