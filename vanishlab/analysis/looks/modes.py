"""The same batch again, and in the other mode: what draws random numbers, keeps a state, or differs in eval mode.

In train mode batch norm takes the batch's own mean and variance, in eval mode those that it has kept. Where these do
not fit, a net that learns well in training is worth nothing when it is used.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from vanishlab.analysis.objective import Objective, compute_loss, copied

_BATCHES = 100  # of training, after which running statistics have to fit whatever their momentum
_FORGOTTEN = 0.05  # share of what they were made with that they may hold before


@dataclass(frozen=True)
class Modes:
    """The losses of one batch in both modes, and whether a pass can be made again."""

    train: float = math.nan
    eval: float = math.nan
    batch_statistics: float = math.nan
    """The loss in eval mode with batch norm alone in train mode; NaN where that was not looked at."""
    again: float = 0.0
    """Standard deviation from one pass to another, over that between examples in eval mode."""
    why: Literal["", "random", "state"] = ""
    """Why: random numbers are drawn, or else something is kept from one pass to the next."""
    dropout: tuple[str, ...] = ()
    """The modules that are at work and drop at random."""
    norms: tuple[str, ...] = ()
    """Batch norms that hand on running statistics in eval mode."""


def look_at_modes(twin: nn.Module, loss_fn: Callable[..., Tensor], batch: Any) -> Modes:
    """Return what came of `batch` in both modes. `twin` is a copy that nobody needs as it was."""
    own = [(module, module.training) for module in twin.modules()]
    norms = {name: module for name, module in twin.named_modules() if _keeps_statistics(module)}
    dropout = tuple(name for name, module in twin.named_modules() if module.training and _drops(module))
    training = twin.training
    with torch.no_grad():
        # What trains changes running statistics, so eval mode comes first.
        twin.eval()
        in_eval = _passed(twin, loss_fn, batch, 0)
        used = float(in_eval.loss)
        twin.train(True)
        for module, mode in own if training else ():
            module.training = mode
        fitted = all(map(_has_seen_enough, norms.values()))
        learned = math.nan
        if not training:
            learned = float(_passed(twin, loss_fn, batch, 0).loss)
            twin.eval()
        buffers = [buffer.clone() for buffer in twin.buffers()] if training else []
        first, second = (_passed(twin, loss_fn, batch, seed) for seed in (0, 1))
        again, why = _differ(first, second, in_eval), ""
        if again > 0:
            third = _passed(twin, loss_fn, batch, 1)
            kept = any(not torch.equal(a, b) for a, b in zip(buffers, twin.buffers(), strict=False))
            # What a registered buffer holds is meant to go on: running statistics, the vectors of spectral norm.
            why = "random" if _differ(second, third, in_eval) == 0 else "" if kept else "state"
        learned = float(first.loss) if training else learned
        alone = math.nan
        if norms and used > learned:
            twin.eval()
            for module in norms.values():
                module.training = True
            alone = float(_passed(twin, loss_fn, batch, 0).loss)
    if not fitted:
        used = alone = math.nan
    return Modes(learned, used, alone, again, why, dropout, tuple(norms))


def _passed(twin: nn.Module, loss_fn: Callable[..., Tensor], batch: Any, seed: int) -> Objective:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002, the global one is what a model may use
    return compute_loss(twin, loss_fn, copied(batch))


def _keeps_statistics(module: nn.Module) -> bool:
    return isinstance(getattr(module, "running_mean", None), Tensor)


def _has_seen_enough(norm: nn.Module) -> bool:
    seen, momentum = getattr(norm, "num_batches_tracked", None), getattr(norm, "momentum", None)
    if not isinstance(seen, Tensor):
        return False
    left = 0.0 if momentum is None else (1.0 - momentum) ** int(seen)
    return int(seen) >= _BATCHES or (int(seen) > 0 and left <= _FORGOTTEN)


def _drops(module: nn.Module) -> bool:
    share = module.p if isinstance(module, nn.modules.dropout._DropoutNd) else getattr(module, "dropout", 0.0)
    return isinstance(module, nn.RReLU) or (isinstance(share, float) and share > 0)


def _differ(one: Objective, other: Objective, in_eval: Objective) -> float:
    """Return the standard deviation between two passes, over that between examples in eval mode; 0 for rounding."""
    found = [each.outputs if _compares(each.outputs) else each.loss for each in (one, other, in_eval)]
    a, b, signal = (each.double() for each in found)
    if a.shape != b.shape:
        return math.inf
    apart = float((a - b).square().mean().sqrt()) / 2**0.5
    spread = float((signal - signal.mean(0)).square().mean().sqrt()) if signal.ndim else 0.0
    if not apart > 1e-4 * float(a.square().mean().sqrt()):  # sums of another order, as on a graphics card
        return 0.0
    return apart / spread if spread > 0 else math.inf


def _compares(outputs: Any) -> bool:
    return isinstance(outputs, Tensor) and outputs.is_floating_point()
