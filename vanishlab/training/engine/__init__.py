"""A compiled engine for plain networks: `Stack` makes their steps, `engine_of` says whether it may.

`functions` are phi and phi', `passes` a step of one network, both compiled by numba, which is the extra `fast`.
Importing the package imports neither numba nor torch. Autograd stays the reference, and does what is not here:
normalisation, residual connections, momentum, clipping, Adam, sharpness, GPUs.
"""

from typing import Literal

from vanishlab.compiling import numba_works
from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.errors import InputError

Engine = Literal["autograd", "fused"]

# Floating-point operations of one run from which the compiled engine is worth its start: importing numba, and reading
# what was compiled, take about a second together.
_WORTH = 5e9


def engine_of(network: NetworkConfig, training: TrainingConfig, work: float) -> Engine:
    """Return the engine that trains such runs, each of `work` floating-point operations.

    It does not depend on a run's neighbours. Raises `InputError` where `training.engine` asks for one that cannot.
    """
    if training.engine == "autograd" or (training.engine == "auto" and work < _WORTH):
        return "autograd"
    reason = why_not(network, training)
    if reason and training.engine == "fused":
        raise InputError(f"engine 'fused' {reason}; 'auto' takes it where it can")
    return "autograd" if reason else "fused"


def why_not(network: NetworkConfig, training: TrainingConfig) -> str:
    """Return why the compiled engine cannot train such runs, as the end of a sentence; "" where it can."""
    foreign = {
        "normalization": network.normalization != "none" and network.normalization,
        "residual": network.residual != "none" and network.residual,
        "momentum": training.momentum > 0 and training.momentum,
        "clip_norm": training.clip_norm,
        "normalize_gradients": training.normalize_gradients,
        "optimizer": training.optimizer != "descent" and training.optimizer,
        "sharpness_every": training.sharpness_every,
    }
    for name, value in foreign.items():
        if value:
            return f"does not know {name}, got {name} {value}"
    if training.device != "cpu" and not (training.device == "auto" and not _has_cuda()):
        return f"computes on the CPU, got device {training.device!r}"
    if not numba_works():
        return "needs numba: pip install 'vanishlab[fast]'"
    from vanishlab.training.engine.functions import has_rows

    return "" if has_rows(network.activation) else f"has no compiled form of activation {network.activation!r}"


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()
