r"""Gradient descent: the update `x -= learning_rate * gradient` and its variants, written once.

The functions here know nothing of networks. They use arithmetic that numpy arrays and torch tensors share, so that
`gradient_descent` runs them on any objective and `vanishlab.training.loop` on the parameters of a network.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from vanishlab.errors import InputError, check_array, check_integer, check_number

Array = TypeVar("Array", bound=Any)  # np.ndarray or torch.Tensor
BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's decay of the two moments, and what keeps it from dividing by 0: the defaults of its authors and of torch."""


def descend(x: Array, direction: Array, learning_rate: Any) -> Array:
    """Return x - learning_rate * direction, of x's shape: one update of gradient descent."""
    return x - learning_rate * direction


def accumulate(velocity: Array | None, gradient: Array, momentum: float) -> Array:
    """Return momentum * velocity + gradient, the heavy ball's new velocity; with no velocity yet, the gradient."""
    return gradient if velocity is None else momentum * velocity + gradient


class Moments(NamedTuple):
    """What Adam keeps of a parameter's gradients: running means of them and of their squares."""

    mean: Any
    square: Any


def adam_moments(moments: Moments | None, gradient: Any) -> Moments:
    """Return the moments with this gradient, of its shape; both start at 0."""
    mean, square = moments or (0.0 * gradient, 0.0 * gradient)
    return Moments(BETAS[0] * mean + (1 - BETAS[0]) * gradient, BETAS[1] * square + (1 - BETAS[1]) * gradient**2)


def adam_direction(moments: Moments, updates: int) -> Any:
    r"""Return m / (sqrt(v) + 1e-8), the moments without their bias towards 0, at the update of this number from 1 on.

    An entry whose gradient stays the same moves by the learning rate, however small the gradient is, until it comes
    near the 1e-8 (Kingma & Ba, 2015, arXiv:1412.6980).

    >>> [round(float(adam_direction(adam_moments(None, g), 1)), 4) for g in (np.float64(3.0), np.float64(1e-10))]
    [1.0, 0.0099]
    """
    mean, square = (moment / (1 - beta**updates) for moment, beta in zip(moments, BETAS, strict=True))
    return mean / (square**0.5 + EPSILON)


def clip_factor(norm: Array, clip_norm: float) -> Array:
    """Return min(1, clip_norm / norm): what brings a gradient of this norm to `clip_norm` at the most."""
    return clip_norm / norm.clip(clip_norm, None)


def rate_factor(schedule: str, step: int, steps: int, warmup_steps: int = 0) -> float:
    """Return what the learning rate is multiplied by at `step` (0 is the first update) of `steps`.

    constant       1
    linear_warmup  (step + 1) / warmup_steps, up to 1
    cosine         the same warm-up, then (1 + cos(pi t)) / 2 with t from 0 to 1 over the remaining steps
                   (Loshchilov & Hutter, 2017, arXiv:1608.03983, without restarts)

    >>> [rate_factor("cosine", step, 4) for step in (0, 2, 4)]
    [1.0, 0.5, 0.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule != "cosine":
        return 1.0
    progress = (step - warmup_steps) / max(steps - warmup_steps, 1)
    return round((1 + math.cos(math.pi * min(progress, 1.0))) / 2, 15)


class Trajectory(NamedTuple):
    """What `gradient_descent` passed through: x `(iteration + 1, *x.shape)` and its last point."""

    x: np.ndarray
    path: np.ndarray


def gradient_descent(
    x: ArrayLike,
    compute_gradient: Callable[[np.ndarray], ArrayLike],
    learning_rate: float = 0.01,
    num_iterations: int = 1000,
    *,
    tolerance: float | None = None,
    callback: Callable[[int, np.ndarray, np.ndarray], object] | None = None,
    return_trajectory: bool = False,
) -> Any:
    """Minimise an objective by `x -= learning_rate * gradient`, from x, and return the last x (float64).

    Main arguments
        x                  start, anything array-like; it is copied, never modified
        compute_gradient   the objective's gradient at a point, of x's shape
        learning_rate      step length per unit of gradient, greater than 0
        num_iterations     updates at the most

    Other arguments
        tolerance          stop before the update when the gradient's largest entry is at most this
        callback           called as callback(iteration, x, gradient) before each update
        return_trajectory  return `Trajectory(x, path)` instead, with every point passed through, the start included

    Raises `InputError` for a bad argument, for a gradient of another shape, and for one that is not finite; it names
    the iteration.

    >>> gradient_descent([1.0, -2.0], lambda x: 2 * x, learning_rate=0.5, num_iterations=1)
    array([0., 0.])
    """
    rate = check_number("learning_rate", learning_rate, above=0.0)
    iterations = check_integer("num_iterations", num_iterations, 0)
    if tolerance is not None:
        tolerance = check_number("tolerance", tolerance, at_least=0.0)
    point = check_array("x", x).astype(np.float64)
    if not np.isfinite(point).all():
        raise InputError("x must be finite, got NaN or infinity")
    path = [point]
    for iteration in range(iterations):
        # The objective gets a copy: one that works in place must not reach into the path.
        gradient = check_array("compute_gradient's answer", compute_gradient(point.copy())).astype(np.float64)
        if gradient.shape != point.shape:
            raise InputError(f"compute_gradient must return shape {point.shape}, got {gradient.shape}")
        if not np.isfinite(gradient).all():
            raise InputError(_not_finite("gradient", iteration, rate))
        if callback is not None:
            callback(iteration, point.copy(), gradient.copy())
        if tolerance is not None and np.abs(gradient).max(initial=0.0) <= tolerance:
            break
        with np.errstate(over="ignore"):  # told below, in the lab's own words
            point = np.asarray(descend(point, gradient, rate))  # numpy makes a scalar of an array without axes
        if not np.isfinite(point).all():
            raise InputError(_not_finite("x", iteration, rate))
        if return_trajectory:
            path.append(point)
    return Trajectory(point, np.stack(path)) if return_trajectory else point


def _not_finite(what: str, iteration: int, rate: float) -> str:
    return (
        f"{what} must be finite, got NaN or infinity at iteration {iteration}; "
        f"a smaller learning_rate than {rate:g} may help"
    )


def linear_regression_gradient(features: ArrayLike, targets: ArrayLike) -> Callable[[np.ndarray], np.ndarray]:
    r"""Return the gradient of the mean squared error of linear regression, as a function of the weights.

    The objective is  J(w) = ||X w - y||^2 / (2 n),  its gradient  X^T (X w - y) / n,  with features X (n, d),
    targets y (n,) and weights w (d,). For an intercept give X a column of ones. The learning rate must stay below
    2 / (the largest eigenvalue of X^T X / n).

    Raises `InputError` for shapes that do not match and for values that are not finite.
    """
    x, y = check_array("features", features).astype(np.float64), check_array("targets", targets).astype(np.float64)
    if x.ndim != 2:
        raise InputError(f"features must have axes (n, d), got shape {x.shape}")
    if y.shape != x.shape[:1]:
        raise InputError(f"targets must have shape ({len(x)},) to match features, got {y.shape}")
    if x.size == 0:
        raise InputError(f"features must not be empty, got shape {x.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("features and targets must be finite, got NaN or infinity")
    return lambda weights: x.T @ (x @ weights - y) / len(x)
