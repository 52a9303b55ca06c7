"""The loss given other answers and other targets: does it mind, and how much would a constant answer cost?

The loss of the best constant answer is the natural unit of a loss: who has learned anything is below it, and who starts
at many times as much starts at a wild scale. It is found by descent on the constant itself, for whatever the loss is.
"""

import contextlib
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vanishlab.analysis.objective import Objective, exchanged_loss

_SAME = 1e-5
"""Share of the loss that rounding may move when the same terms are summed in another order."""
_EVALUATIONS = 60  # of the loss, to find the best constant
_MANY = 2**22  # entries of an output from which fewer have to do


@dataclass(frozen=True)
class Answers:
    """What the loss of one batch says beside its value; NaN and empty where it was not to be had."""

    exchanged: float | None = None
    """The loss with the examples' targets exchanged, the mean over a few orders."""
    constant: float = math.nan
    """The loss of the best answer that is the same for every example."""
    pairing_ignored: bool = False
    """Whether the loss depends on the targets, and not on which of them belongs to which example."""
    shapes: tuple[str, str] = ("", "")
    """Those of outputs and targets."""
    broadcast: bool = False
    """Whether these shapes can only be combined by repeating entries of both."""
    classes: bool = False
    """Whether the targets are whole numbers."""
    inputs: float = math.nan
    """Root mean square of the inputs that are no whole numbers."""
    outputs: float = math.nan
    targets: float = math.nan
    """Root mean squares likewise."""
    spread: float = math.nan
    """Root mean square of the outputs' differences from their mean over examples, over that of the outputs."""


def look_at_answers(found: Objective, loss_fn: Callable[..., Tensor], batch: Any) -> Answers:
    """Return what `loss_fn` makes of other outputs and targets than those `found`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whatever the loss says, it has said once
        return _look(found, loss_fn, batch)


def _look(found: Objective, loss_fn: Callable[..., Tensor], batch: Any) -> Answers:
    o, y = found.outputs, found.targets
    exchanged = exchanged_loss(found, loss_fn)
    inputs = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    size = _rms(inputs)
    if exchanged is None or not o.is_floating_point() or o.ndim == 0 or not math.isfinite(exchanged):
        return Answers(exchanged, inputs=size)
    o = o.detach()
    loss = float(found.loss.detach())
    used = _differ(y) and _uses_targets(o, y, loss_fn, loss)
    varied = used and _differ(o)
    return Answers(
        exchanged,
        constant=_best_constant(o, y, loss_fn) if used else math.nan,
        pairing_ignored=varied and _ignores_pairing(o, y, loss_fn, loss),
        shapes=(str(tuple(o.shape)), str(tuple(y.shape))),
        broadcast=_broadcast(o, y),
        classes=not y.is_floating_point(),
        inputs=size,
        outputs=_rms(o),
        targets=_rms(y),
        spread=_spread(o),
    )


def _rms(values: Any) -> float:
    if not isinstance(values, Tensor) or not values.is_floating_point() or not values.numel():
        return math.nan
    return float(values.detach().double().square().mean().sqrt())


def _differ(values: Tensor) -> bool:
    return bool((values[1:] != values[:1]).any())


def _spread(outputs: Tensor) -> float:
    outputs = outputs.double()
    whole = float(outputs.square().mean().sqrt())
    return float((outputs - outputs.mean(0)).square().mean().sqrt()) / whole if whole > 0 else math.nan


def _broadcast(o: Tensor, y: Tensor) -> bool:
    if o.shape == y.shape or not y.is_floating_point():
        return False
    try:
        shape = torch.broadcast_shapes(o.shape, y.shape)
    except RuntimeError:
        return False
    return math.prod(shape) > max(o.numel(), y.numel())


def _ignores_pairing(o: Tensor, y: Tensor, loss_fn: Callable[..., Tensor], loss: float) -> bool:
    orders = [torch.arange(len(y), device=y.device).roll(1), torch.arange(len(y) - 1, -1, -1, device=y.device)]
    # In more digits than the net computes in, sums of other orders agree better; not every loss takes them.
    exact = o.double()
    try:
        base = _value(loss_fn, exact, y)
    except Exception:  # a loss may hold weights of one dtype
        exact, base = o, loss
    exchanged = [_value(loss_fn, exact, y[order]) for order in orders]
    line = _SAME * abs(base) if exact is o else 1e-3 * _SAME * abs(base)
    return all(abs(each - base) <= line for each in exchanged)


def _uses_targets(o: Tensor, y: Tensor, loss_fn: Callable[..., Tensor], loss: float) -> bool:
    """Return whether the loss is another one where every example has the same target."""
    line = _SAME * abs(loss)
    return any(abs(_value(loss_fn, o, y[i : i + 1].expand_as(y)) - loss) > line for i in range(min(len(y), 8)))


def _value(loss_fn: Callable[..., Tensor], o: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return float(loss_fn(o, y.double() if y.is_floating_point() and o.dtype == torch.float64 else y))


def _best_constant(o: Tensor, y: Tensor, loss_fn: Callable[..., Tensor]) -> float:
    wide = o.float() if o.element_size() < 4 else o
    found = math.inf
    for axis in sorted({o.ndim - 1, 1}) if o.ndim > 1 else [0]:  # where classes or features may stand
        shape = [1] * o.ndim
        if o.ndim > 1:
            shape[axis] = o.shape[axis]
        found = min(found, *(_descend(wide, y, loss_fn, start) for start in _starts(wide, shape)))
    return found if math.isfinite(found) else math.nan


def _starts(o: Tensor, shape: list[int]) -> tuple[Tensor, Tensor]:
    others = [axis for axis, length in enumerate(shape) if length == 1]
    return o.mean(others, keepdim=True).reshape(shape), torch.zeros(shape, dtype=o.dtype, device=o.device)


def _descend(o: Tensor, y: Tensor, loss_fn: Callable[..., Tensor], start: Tensor) -> float:
    from scipy import optimize  # a fifth of a second of imports, and only where a constant answer is looked for

    lowest = math.inf
    answer, start = _kept_in_range(o, start)
    most = _EVALUATIONS if o.numel() < _MANY else _EVALUATIONS // 6

    def evaluate(entries: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal lowest
        free = torch.tensor(entries, dtype=o.dtype, device=o.device).reshape(start.shape).requires_grad_()
        loss = loss_fn(answer(free).expand_as(o), y)
        (slope,) = torch.autograd.grad(loss, free)
        value = float(loss.detach())
        lowest = min(lowest, value) if math.isfinite(value) else lowest
        return value, slope.double().cpu().numpy().ravel()

    with contextlib.suppress(Exception):  # whatever a loss makes of an answer that its author did not think of
        begin = start.double().cpu().numpy().ravel()
        optimize.minimize(evaluate, begin, jac=True, method="L-BFGS-B", options={"maxfun": most})
    return lowest


def _kept_in_range(o: Tensor, start: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Return how an answer is made of free numbers, and where these start: probabilities stay what they are."""
    if bool((o >= 0).all()) and bool((o <= 1).all()):
        return torch.sigmoid, torch.logit(start, 1e-3)
    axis = max(range(start.ndim), key=lambda axis: start.shape[axis]) if start.numel() > 1 else 0
    if bool((o <= 0).all()) and bool((o.logsumexp(axis).abs() < 1e-3).all()):
        return lambda free: free.log_softmax(axis), start
    return lambda free: free, start
