"""What training takes of memory, told from its configs, and the check of it before anything is built."""

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path

import psutil
import torch

from vanishlab.activations import ACTIVATIONS
from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.data import Dataset
from vanishlab.errors import InputError
from vanishlab.recording.quantities import LAYER_QUANTITIES

PROCESS_BYTES = 450e6  # Python and torch, before anything is trained
SHARE = 0.8  # of the free memory, for what is planned to run side by side
_UNDER_WAY = 9  # tensors as large as the largest of a layer, alive while that layer is worked on

_CGROUP = Path("/sys/fs/cgroup")
_CONTAINER = (  # the second version of control groups, and the first
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def check_memory(network: NetworkConfig, training: TrainingConfig, data: Dataset, device: torch.device) -> None:
    """Raise `InputError` where training these networks, all learning rates and seeds side by side, does not fit.

    It looks at the configs alone, before anything is built.
    """
    runs, free = len(training.runs), free_memory(device)
    need = runs * run_bytes(network, training, data)
    if need <= free:
        return
    recorded = runs * _recorded_bytes(network, training)
    if recorded > need / 2:
        advice = f"fewer steps (now {training.steps}) or a larger record_every (now {training.record_every})"
    else:
        advice = "a smaller width, depth or batch_size, or fewer learning rates and seeds"
    raise InputError(
        f"memory must hold {runs} network{'s' * (runs > 1)} and what is recorded of them, about {need / 1e9:.2g} GB, "
        f"got {free / 1e9:.2g} GB free; {advice} need less"
    )


def run_bytes(network: NetworkConfig, training: TrainingConfig, data: Dataset) -> float:
    """Return what a run holds at its peak, in bytes: parameters, activations for the way back, and what is recorded.

    It is within a factor of 1.5 of the measured peak for the shapes of tests/training/test_memory.py, trained by
    autograd; the compiled engine, whose activations are those of one run, takes as much or less. What measuring
    sharpness takes, the passes of some Hessian products, is not in it.
    Weights: the present state, the gradient, and the next state while it is made; two more of momentum,
    four of Adam. Activations: z, and h where it does not take z's place; normalisation and residual connections keep
    more.
    """
    entry = torch.finfo(getattr(torch, network.dtype)).bits // 8
    batch = batch_size(training, data)
    units = sum(network.widths) + data.num_classes
    states = 3 + 2 * (training.momentum > 0) + 4 * (training.optimizer == "adam")
    kept = (
        1.6
        + (not ACTIVATIONS[network.activation].in_place)
        + 6 * (network.normalization != "none")
        + 2 * (network.residual != "none")
    )
    sizes = network.layer_sizes(data.features, data.num_classes)
    under_way = _UNDER_WAY * max(fan_out * max(fan_in, batch) for fan_in, fan_out in sizes)
    own_batch = batch * data.features if training.batch_size is not None else 0
    tested = 0 if data.y_test is None else min(len(data.y_test), 2048) * max(network.widths) * 3
    arithmetic = states * weights(network, data) + kept * batch * units + under_way + own_batch + tested
    return entry * arithmetic + _recorded_bytes(network, training)


def _recorded_bytes(network: NetworkConfig, training: TrainingConfig) -> float:
    # The rows as they come in, once more as one array, and once more as the record.
    return 3.0 * 8 * recorded_steps(training) * (network.depth + 1) * len(LAYER_QUANTITIES)


def recorded_steps(training: TrainingConfig) -> int:
    """Return about how many steps are recorded."""
    if training.record_every == "never":
        return 0
    if training.record_every == "log":
        return min(training.steps + 1, math.ceil(20 * math.log10(training.steps + 1)) + 12)
    return training.steps // int(training.record_every) + 2


def free_memory(device: torch.device | None = None) -> int:
    """Return what this process and its children may still take, in bytes, of a GPU's memory or of the machine's.

    A container's limit counts; files that the kernel keeps in memory until somebody needs the room do not.
    """
    if device is not None and device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    for limit, used, statistics, cached in _CONTAINER:
        with contextlib.suppress(OSError, ValueError):  # no such file, or no limit: "max"
            taken = int((_CGROUP / used).read_text())
            with contextlib.suppress(OSError, KeyError, ValueError):
                kept = dict(line.split() for line in (_CGROUP / statistics).read_text().splitlines())
                taken -= int(kept[cached])
            free = min(free, int((_CGROUP / limit).read_text()) - taken)
    return max(free, 0)


def fit_together(trainings: Sequence[tuple[NetworkConfig, TrainingConfig]], data: Dataset, processes: int) -> bool:
    """Whether the largest of these, each with all its runs, fit into the free memory in so many processes."""
    runs = (len(training.runs) * run_bytes(network, training, data) for network, training in trainings)
    needs = sorted(runs, reverse=True)[:processes]
    return sum(needs) + len(needs) * (PROCESS_BYTES + 2 * data_bytes(data)) <= SHARE * free_memory()


def data_bytes(data: Dataset) -> int:
    """Return the bytes of the examples."""
    return sum(array.nbytes for array in (data.x, data.y, data.x_test) if array is not None)


def batch_size(training: TrainingConfig, data: Dataset) -> int:
    """Return the examples of a step."""
    return training.batch_size or len(data.y)


def run_work(network: NetworkConfig, training: TrainingConfig, data: Dataset) -> float:
    """Return the floating-point operations of one run: 6 x batch x weights a step, forward and back."""
    return 6.0 * batch_size(training, data) * weights(network, data) * (training.steps + 1)


def weights(network: NetworkConfig, data: Dataset) -> int:
    """Return the number of weights and biases of one network."""
    sizes = network.layer_sizes(data.features, data.num_classes)
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in sizes)
