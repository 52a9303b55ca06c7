r"""One step of one network after another, compiled: products by a BLAS, and between them passes that do all at once.

The pass over z adds the bias, applies phi and sums what is recorded of h while the rows are in the cache; the pass over
delta multiplies by phi' and sums likewise; the pass over W writes the next W and sums both norms. Sums of squares run
in the arrays' dtype over some 1,024 entries and in float64 beyond; where such a sum leaves the range in which it is
right, or is not a number, it is taken once more, in float64 and scaled. What is measured does not depend on whether it
is recorded, so neither do the weights' bits.

Flat arrays hold the layers one after the other, at the offsets of `Shapes`.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  # numba multiplies by it; loaded here, so that its threads can be limited
from numba import njit, types
from numba.extending import overload

from vanishlab.compiling import compiled
from vanishlab.recording.facts import MOST, MOST_ENTRIES
from vanishlab.training.engine.functions import exp, number
from vanishlab.training.engine.products import multiply, multiply_by_turned, multiply_turned

MEASURED = (
    "activation_norm", "activation_mean", "saturated_fraction", "activation_spread", "delta_norm", "delta_spread",
    "gradient_norm", "bias_gradient_norm", "weight_norm", "zero_fraction", "subnormal_fraction", "effective_rank",
    "gradient_coherence",
)  # fmt: skip
"""What a step measures of a layer, in the order of its numbers."""
(
    _NORM, _MEAN, _SATURATED, _SPREAD, _DELTA, _DELTA_SPREAD, _GRADIENT, _BIAS_GRADIENT, _WEIGHT, _ZERO, _SUBNORMAL,
    _RANK, _COHERENCE,
) = range(len(MEASURED))  # fmt: skip
_ROW = 1024  # entries whose squares are summed in the arrays' dtype
_TOGETHER = 4  # rows
# Not np.finfo in compiled code: the compiler takes long to find each of its numbers.
_SINGLE_TINY, _SINGLE_MAX, _DOUBLE_TINY, _DOUBLE_MAX = (
    float(value) for info in (np.finfo(np.float32), np.finfo(np.float64)) for value in (info.tiny, info.max)
)
_FAIR = 0.1  # part of a sum of squares that is left of it when the mean's share is taken out, unharmed by rounding

# A sum's order is the compiler's to choose; NaN and infinity keep their meaning.
_sums = njit(error_model="numpy", fastmath={"reassoc", "nsz"})
_exact = njit(error_model="numpy")
_inlined = njit(error_model="numpy", inline="always")  # compiled within its one caller alone


class Shapes(NamedTuple):
    """The layers' sizes and where each begins in the flat arrays."""

    sizes: np.ndarray
    """Features, hidden widths, classes (layer + 1,)."""
    weights: np.ndarray
    """Where W (fan_in, fan_out) of each layer begins among the parameters (layer,)."""
    biases: np.ndarray
    """Where its bias begins there (layer,)."""
    units: np.ndarray
    """Where z or h (batch, unit) of each layer begins among those of all (layer,)."""


class Rules(NamedTuple):
    """What the activation and the training ask for."""

    in_place: bool
    can_die: bool
    saturated_below: float
    saturated_above: float
    mse: bool


@_inlined
def _plain(square: float, entries: int, like: np.ndarray) -> bool:
    """Whether a plain sum of squares is right: none overflowed, and what fell below normal numbers is 1e-8 of it."""
    tiny, largest = (_SINGLE_TINY, _SINGLE_MAX) if like.itemsize == 4 else (_DOUBLE_TINY, _DOUBLE_MAX)
    return entries * tiny * 1e8 < square < 1e-6 * largest  # false for NaN


@_exact
def _largest(x: np.ndarray) -> float:
    """Return the largest magnitude in x (row, entry), NaN where there is one."""
    most = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            size = abs(np.float64(x[i, j]))
            if not size <= most:
                most = size
                if size != size:
                    return most
    return most


def _unit(x: Any) -> Any:
    """Return the power of two by which x (row, entry) is to be multiplied for float64 to hold its squares."""
    raise NotImplementedError


@overload(_unit, strict=False)
def _unit_of(x: Any) -> Callable[..., Any]:
    if x.dtype == types.float32:
        return lambda x: 1.0

    def double(x: Any) -> Any:
        most = _largest(x)
        return 1.0 if most == 0.0 or not most < math.inf else 2.0 ** min(-math.floor(math.log2(most)), 1020)

    return double


@_sums
def _squares(x: np.ndarray, unit: float) -> float:
    """Return the sum of the squares of x (row, entry) times `unit`, in float64."""
    total = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            part = np.float64(x[i, j]) * unit
            total += part * part
    return total


@_sums
def _squares_apart(x: np.ndarray, unit: float) -> float:
    """Return the same of x (example, unit) less its mean over examples."""
    examples, units = x.shape
    mean, total = np.zeros(units), 0.0
    for i in range(examples):
        for j in range(units):
            mean[j] += (np.float64(x[i, j]) - np.float64(x[0, j])) * unit
    for i in range(examples):
        for j in range(units):
            part = (np.float64(x[i, j]) - np.float64(x[0, j])) * unit - mean[j] / examples
            total += part * part
    return total


@_exact
def _norm(square: float, x: np.ndarray) -> float:
    """Return the norm of x (row, entry), whose plain sum of squares is given."""
    if _plain(square, x.size, x):
        return math.sqrt(square)
    unit = _unit(x)
    return math.sqrt(_squares(x, unit)) / unit


@_exact
def _spread(apart_square: float, apart: np.ndarray, x: np.ndarray) -> float:
    """Return the norm of x (example, unit) less its mean over examples.

    Given are the sum of squares and the sums over examples, (unit,), of x less its first example.
    """
    examples, units = x.shape
    common = 0.0
    for j in range(units):
        common += np.float64(apart[j]) ** 2
    rest = apart_square - common / examples
    if _plain(apart_square, x.size, x) and rest > _FAIR * apart_square:
        return math.sqrt(rest)
    unit = _unit(x)
    return math.sqrt(_squares_apart(x, unit)) / unit


@_sums
def _sum_rows(x: np.ndarray, start: int, stop: int, columns: np.ndarray, apart: np.ndarray, found: np.ndarray) -> None:
    """Add rows of x (example, unit) to what is summed of it: its entries, and those of its difference to row 0.

    `columns` and `apart` (unit,) take the sums by unit, `found` (2,) those of squares.
    """
    whole = start + (stop - start) // _TOGETHER * _TOGETHER
    square, other = number(0.0, x[0, 0]), number(0.0, x[0, 0])
    for i in range(start, whole, _TOGETHER):
        one, two, three, four = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(x.shape[1]):
            a, b, c, d, first = one[j], two[j], three[j], four[j], x[0, j]
            columns[j] += (a + b) + (c + d)
            square += (a * a + b * b) + (c * c + d * d)
            a, b, c, d = a - first, b - first, c - first, d - first
            apart[j] += (a + b) + (c + d)
            other += (a * a + b * b) + (c * c + d * d)
    for i in range(whole, stop):
        for j in range(x.shape[1]):
            a = x[i, j]
            columns[j] += a
            square += a * a
            a -= x[0, j]
            apart[j] += a
            other += a * a
    found[0] += square
    found[1] += other


@_inlined
def _block(width: int) -> int:
    """Return how many rows make a block whose squares are summed in the arrays' dtype."""
    return max(_ROW // width // _TOGETHER, 1) * _TOGETHER


@_inlined
def _add_bias(z: np.ndarray, bias: np.ndarray) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += bias[j]


@_inlined
def _raise_top(u: np.ndarray, top: np.ndarray) -> None:
    """Raise `top` (unit,) to the largest entries of u (example, unit)."""
    whole = len(u) // _TOGETHER * _TOGETHER
    for i in range(0, whole, _TOGETHER):
        one, two, three, four = u[i], u[i + 1], u[i + 2], u[i + 3]
        for j in range(u.shape[1]):
            a, b = one[j] if one[j] > two[j] else two[j], three[j] if three[j] > four[j] else four[j]
            a = a if a > b else b
            top[j] = a if a > top[j] else top[j]
    for i in range(whole, len(u)):
        for j in range(u.shape[1]):
            top[j] = u[i, j] if u[i, j] > top[j] else top[j]


@_sums
def _count_outside(u: np.ndarray, low: Any, high: Any) -> Any:
    outside = np.int32(0)
    for j in range(len(u)):
        outside += np.int32((u[j] < low) | (u[j] > high))
    return outside


@_exact
def _forward(
    z: np.ndarray, h: np.ndarray, bias: np.ndarray, phi: Any, hidden: bool, rules: Rules, scratch: np.ndarray,
    found: np.ndarray,
) -> None:  # fmt: skip
    """Make h (example, unit) of the product z, of which it may take the place, and measure it."""
    columns, apart, top = scratch[0], scratch[1], scratch[2]
    examples, width = z.shape
    low, high = number(rules.saturated_below, z[0, 0]), number(rules.saturated_above, z[0, 0])
    sums = np.zeros(2)
    for j in range(width):
        columns[j], apart[j], top[j] = 0, 0, -math.inf
    outside = 0
    rows = _block(width)
    flat_z, flat_h = z.reshape(-1), h.reshape(-1)
    for start in range(0, examples, rows):
        stop = min(start + rows, examples)
        part = slice(start * width, stop * width)
        _add_bias(z[start:stop], bias)
        if hidden:
            if rules.can_die:
                _raise_top(z[start:stop], top)
            else:
                outside += _count_outside(flat_z[part], low, high)
            phi(flat_z[part], flat_h[part])
        _sum_rows(h, start, stop, columns, apart, sums)
    if hidden and rules.can_die:
        for j in range(width):
            outside += examples * (top[j] <= 0)
    total = 0.0
    for j in range(width):
        total += np.float64(columns[j])
    found[_NORM] = _norm(sums[0], h)
    found[_MEAN] = total / h.size
    found[_SATURATED] = outside / h.size
    found[_SPREAD] = _spread(sums[1], apart, h)


@_exact
def _backward(
    u: np.ndarray, h: np.ndarray, delta: np.ndarray, slope: Any, hidden: bool, scratch: np.ndarray, found: np.ndarray
) -> None:
    """Make delta (example, unit) of the gradient with respect to h, measure it and sum it over examples: scratch[0]."""
    columns, apart = scratch[0], scratch[1]
    sums = np.zeros(2)
    for j in range(delta.shape[1]):
        columns[j], apart[j] = 0, 0
    examples, width = delta.shape
    rows = _block(width)
    flat_u, flat_h, flat_delta = u.reshape(-1), h.reshape(-1), delta.reshape(-1)
    for start in range(0, examples, rows):
        stop = min(start + rows, examples)
        if hidden:
            part = slice(start * width, stop * width)
            slope(flat_u[part], flat_h[part], flat_delta[part])
        _sum_rows(delta, start, stop, columns, apart, sums)
    found[_DELTA] = _norm(sums[0], delta)
    found[_DELTA_SPREAD] = _spread(sums[1], apart, delta)


@_sums
def _update_block(w: np.ndarray, g: np.ndarray, rate: Any, new: np.ndarray) -> Any:
    """Write w - rate * g into `new`; return the sums of squares of g and w, and how many of g are below normal."""
    tiny = number(_SINGLE_TINY if w.itemsize == 4 else _DOUBLE_TINY, rate)
    gradient, weight, below = number(0.0, rate), number(0.0, rate), np.int32(0)
    for j in range(len(w)):
        one, now = g[j], w[j]
        gradient += one * one
        weight += now * now
        below += np.int32(abs(one) < tiny)
        new[j] = now - rate * one
    return gradient, weight, below


@_exact
def _update(w: np.ndarray, g: np.ndarray, rate: Any, new: np.ndarray, found: np.ndarray) -> None:
    """Write w - rate * g into `new` and measure both; all are (entry,)."""
    entries = len(w)
    gradient, weight, below = 0.0, 0.0, 0
    for start in range(0, entries, _ROW):
        part = slice(start, min(start + _ROW, entries))
        one, two, few = _update_block(w[part], g[part], rate, new[part])
        gradient += one
        weight += two
        below += few
    zero = 0
    if below:
        for j in range(entries):
            zero += g[j] == 0
    found[_GRADIENT], found[_WEIGHT] = _norm(gradient, g.reshape((1, -1))), _norm(weight, w.reshape((1, -1)))
    found[_ZERO], found[_SUBNORMAL] = zero / entries, (below - zero) / entries


@_exact
def _loss(z: np.ndarray, y: np.ndarray, mse: bool, delta: np.ndarray) -> tuple[float, int]:
    """Return the loss of the logits z (example, class) and the number of right answers; write dloss/dz into `delta`."""
    examples, classes = z.shape
    loss, right = 0.0, 0
    share = number(1.0, z[0, 0]) / number(examples, z[0, 0])
    for i in range(examples):
        best = 0
        for k in range(1, classes):
            if z[i, k] > z[i, best]:
                best = k
        right += best == y[i]
        for k in range(classes):
            delta[i, k] = z[i, k] - z[i, best]
    if mse:
        factor = number(2.0, z[0, 0]) / number(z.size, z[0, 0])
        for i in range(examples):
            for k in range(classes):
                error = z[i, k] - number(k == y[i], z[0, 0])
                loss += error * error
                delta[i, k] = factor * error
        return loss / z.size, right
    flat = delta.reshape(-1)
    for i in range(examples):
        loss -= delta[i, y[i]]
    for j in range(len(flat)):
        flat[j] = exp(flat[j])
    for i in range(examples):
        total = number(0.0, z[0, 0])
        for k in range(classes):
            total += delta[i, k]
        loss += math.log(total)
        for k in range(classes):
            delta[i, k] = (delta[i, k] / total - number(k == y[i], z[0, 0])) * share
    return loss / examples, right


@_exact
def _scaled(x: np.ndarray, rows: int) -> np.ndarray:
    """Return the first rows of x by a power of two, the largest entry being next to 1 (or NaN, or 0)."""
    most = _largest(x[:rows])
    power = 1.0 if most == 0.0 or not most < math.inf else 2.0 ** min(-math.floor(math.log2(most)), 1020)
    found = np.empty((rows, x.shape[1]), x.dtype)
    for i in range(rows):
        for j in range(x.shape[1]):
            found[i, j] = np.float64(x[i, j]) * power
    return found


@_inlined
def _first(examples: int, entries: int) -> int:
    """Return how many examples are compared in pairs, of so many entries each (`recording.alike`)."""
    return min(examples, max(min(MOST, MOST_ENTRIES // entries), 2))


@_exact
def _effective_rank(h: np.ndarray) -> float:
    rows = _first(len(h), h.shape[1])
    x = _scaled(h, rows)
    for j in range(x.shape[1]):
        mean = 0.0
        for i in range(rows):
            mean += np.float64(x[i, j]) - np.float64(x[0, j])
        mean /= rows
        first = np.float64(x[0, j])
        for i in range(rows):
            x[i, j] = (np.float64(x[i, j]) - first) - mean
    x = _scaled(x, rows)
    size = min(rows, x.shape[1])
    gram = np.empty((size, size), x.dtype)
    if rows <= x.shape[1]:
        multiply_by_turned(x, x, np.empty(x.size, x.dtype), gram)
    else:
        multiply_turned(x, x, gram)
    trace = 0.0
    for i in range(len(gram)):
        trace += np.float64(gram[i, i])
    return trace * trace / _squares(gram, 1.0)


@_exact
def _coherence(h: np.ndarray, delta: np.ndarray) -> float:
    rows = _first(len(h), h.shape[1] + delta.shape[1])
    h, delta = _scaled(h, rows), _scaled(delta, rows)
    own = 0.0
    for a in range(rows):
        own += _squares(h[a : a + 1], 1.0) * _squares(delta[a : a + 1], 1.0)
    together = np.empty((h.shape[1], delta.shape[1]), h.dtype)
    multiply_turned(h, delta, together)
    return min(_squares(together, 1.0) / (rows * own), 1.0)


@_inlined
def _train_one(
    x: np.ndarray, y: np.ndarray, parameters: np.ndarray, new: np.ndarray, rate: Any, shapes: Shapes, rules: Rules,
    phi: Any, slope: Any, z_all: np.ndarray, h_all: np.ndarray, deltas: np.ndarray, gradients: np.ndarray,
    scratch: np.ndarray, turned: np.ndarray, closely: bool, found: np.ndarray,
) -> tuple[float, int]:  # fmt: skip
    """Return loss and right answers of one run's step; write its next parameters into `new`.

    A run whose loss is not finite is put back to what `new` holds, the state before; nothing more is measured then.
    """
    sizes = shapes.sizes
    layers, batch = len(sizes) - 1, len(y)
    for layer in range(layers):
        fan_in, fan_out, start = sizes[layer], sizes[layer + 1], shapes.weights[layer]
        hidden = layer < layers - 1
        before = shapes.units[layer - 1]
        incoming = x if layer == 0 else h_all[before : before + batch * fan_in].reshape((batch, fan_in))
        place = shapes.units[layer]
        z = z_all[place : place + batch * fan_out].reshape((batch, fan_out))
        h = h_all[place : place + batch * fan_out].reshape((batch, fan_out)) if hidden else z
        multiply(incoming, parameters[start : start + fan_in * fan_out].reshape((fan_in, fan_out)), z)
        bias = parameters[shapes.biases[layer] : shapes.biases[layer] + fan_out]
        _forward(z, h, bias, phi, hidden, rules, scratch, found[layer])
        if closely:
            found[layer, _RANK] = _effective_rank(h)
    classes = sizes[layers]
    logits = z_all[shapes.units[layers - 1] :][: batch * classes].reshape((batch, classes))
    delta = deltas[0, : batch * classes].reshape((batch, classes))
    loss, right = _loss(logits, y, rules.mse, delta)
    if not abs(number(loss, rate)) < math.inf:
        for j in range(len(new)):
            parameters[j] = new[j]
        return loss, right
    for layer in range(layers - 1, -1, -1):
        fan_in, fan_out, start = sizes[layer], sizes[layer + 1], shapes.weights[layer]
        before, place = shapes.units[layer - 1], shapes.units[layer]
        u = z_all[place : place + batch * fan_out].reshape((batch, fan_out))
        h = h_all[place : place + batch * fan_out].reshape((batch, fan_out))
        _backward(u, h, delta, slope, layer < layers - 1, scratch, found[layer])
        incoming = x if layer == 0 else h_all[before : before + batch * fan_in].reshape((batch, fan_in))
        weight = parameters[start : start + fan_in * fan_out]
        gradient = gradients[start : start + fan_in * fan_out]
        multiply_turned(incoming, delta, gradient.reshape((fan_in, fan_out)))
        if closely:
            found[layer, _COHERENCE] = _coherence(incoming, delta)
        _update(weight, gradient, rate, new[start : start + fan_in * fan_out], found[layer])
        columns, square = scratch[0], 0.0
        place = shapes.biases[layer]
        for j in range(fan_out):
            square += np.float64(columns[j]) * np.float64(columns[j])
            new[place + j] = parameters[place + j] - rate * columns[j]
        found[layer, _BIAS_GRADIENT] = _norm(square, columns[:fan_out].reshape((1, -1)))
        if layer > 0:
            back = deltas[(layers - layer) % 2, : batch * fan_in].reshape((batch, fan_in))
            multiply_by_turned(delta, weight.reshape((fan_in, fan_out)), turned, back)
            delta = back
    return loss, right


def _train_runs(
    x: np.ndarray, y: np.ndarray, of_run: np.ndarray, parameters: np.ndarray, new: np.ndarray, rates: np.ndarray,
    shapes: Shapes, rules: Rules, phi: Any, slope: Any, z_all: np.ndarray, h_all: np.ndarray, deltas: np.ndarray,
    gradients: np.ndarray, scratch: np.ndarray, turned: np.ndarray, closely: bool, frozen: np.ndarray, loss: np.ndarray,
    right: np.ndarray, found: np.ndarray,
) -> None:  # fmt: skip
    """Make a step of each run that is not frozen."""
    for run in range(len(rates)):
        if not frozen[run]:
            place = of_run[run]
            loss[run], right[run] = _train_one(
                x[place], y[place], parameters[run], new[run], rates[run], shapes, rules, phi, slope, z_all, h_all,
                deltas, gradients[min(run, len(gradients) - 1)], scratch, turned, closely, found[run],
            )  # fmt: skip


@functools.cache
def train_runs(dtype: str) -> Callable[..., None]:
    """Return `_train_runs`, compiled for "float32" or "float64"; phi and phi' are what `functions.rows_of` returns."""
    real, whole = getattr(types, dtype), types.int64
    one, two, three = (types.Array(real, axes, "C") for axes in (1, 2, 3))
    row, rows = types.Array(whole, 1, "C"), types.Array(whole, 2, "C")
    shapes = types.NamedUniTuple(row, len(Shapes._fields), Shapes)
    rules = types.NamedTuple([types.boolean, types.boolean, types.float64, types.float64, types.boolean], Rules)
    phi, slope = (types.FunctionType(types.void(*[one] * arguments)) for arguments in (2, 3))
    signature = types.void(
        three, rows, row, two, two, one, shapes, rules, phi, slope, one, one, two, two, two, one, types.boolean,
        types.Array(types.boolean, 1, "C"), types.Array(types.float64, 1, "C"), row, types.Array(types.float64, 3, "C"),
    )  # fmt: skip
    return compiled(signature, _train_runs)
