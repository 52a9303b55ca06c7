r"""phi and phi' of every activation, compiled: `rows_of(name, dtype)`.

Each is a loop over entries that the compiler turns into vector instructions, so exp, expm1 and log1p are series here,
in the dtype of their argument; erf is the C library's, but in gelu of float32.

    exp(x) = 2^n e^r,  n = round(x / log 2),  |r| <= (log 2) / 2,  e^r by its Taylor series
    log1p(e) = 2 artanh(e / (2 + e)),  by its series, for 0 <= e <= 1

Derivatives are spelled as torch spells them, from u and h = phi(u), so that both round alike. Where phi' can be told
from h alone, u and h are one array (`Activation.in_place`).

A change here is not seen by what `passes` has compiled before (`compiling.compiled`).
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from vanishlab.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from vanishlab.compiling import compiled

_compiled = njit(error_model="numpy")
Real = np.ndarray
"""An array of float32 or float64 with one axis."""


def _rows(function: Callable[..., None]) -> Callable[..., None]:
    """Keep a loop over entries, to be compiled for a dtype when it is asked for."""
    _ROWS[function.__name__.removeprefix("_")] = function
    return function


_ROWS: dict[str, Callable[..., None]] = {}


def number(value: Any, like: Any) -> Any:
    """Return `value` in the type of `like`, compiled code only: a bare literal would be a float64."""
    raise NotImplementedError


@overload(number, strict=False)
def _number(value: Any, like: Any) -> Callable[..., Any]:
    if like == types.float32:
        return lambda value, like: np.float32(value)
    return lambda value, like: np.float64(value)


@intrinsic  # its first argument is numba's own
def _power_of_two(typing_context: Any, n: Any = None) -> Any:
    """Return 2^n, of a normal number, from its bits: int32 -> float32, int64 -> float64."""
    real, bias, shift = (types.float32, 127, 23) if n == types.int32 else (types.float64, 1023, 52)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (n,) = arguments
        bits = builder.shl(builder.add(n, ir.Constant(n.type, bias)), ir.Constant(n.type, shift))
        return builder.bitcast(bits, context.get_value_type(real))

    return real(n), build


def _reduced(x: Any) -> Any:
    """Return e^r - 1 and n with e^x = 2^n e^r."""
    raise NotImplementedError


@overload(_reduced, strict=False)
def _reduced_of(x: Any) -> Callable[..., Any]:
    if x == types.float32:

        def single(x: Any) -> Any:
            n = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
            r = (x - n * np.float32(0.693359375)) + n * np.float32(2.12194440e-4)
            p = np.float32(1 / 5040)
            p = p * r + np.float32(1 / 720)
            p = p * r + np.float32(1 / 120)
            p = p * r + np.float32(1 / 24)
            p = p * r + np.float32(1 / 6)
            p = p * r + np.float32(0.5)
            return p * (r * r) + r, np.int32(n)

        return single

    def double(x: Any) -> Any:
        n = np.floor(x * 1.4426950408889634 + 0.5)
        r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10
        p = 1 / 6227020800
        p = p * r + 1 / 479001600
        p = p * r + 1 / 39916800
        p = p * r + 1 / 3628800
        p = p * r + 1 / 362880
        p = p * r + 1 / 40320
        p = p * r + 1 / 5040
        p = p * r + 1 / 720
        p = p * r + 1 / 120
        p = p * r + 1 / 24
        p = p * r + 1 / 6
        p = p * r + 0.5
        return p * (r * r) + r, np.int64(n)

    return double


def _halved(n: Any) -> Any:
    """Return n as a sum of two integers of n's own type: 2^n may be no normal number where both powers are."""
    raise NotImplementedError


@overload(_halved, strict=False)
def _halved_of(n: Any) -> Callable[..., Any]:
    if n == types.int32:
        return lambda n: (np.int32(n >> np.int32(1)), np.int32(n - np.int32(n >> np.int32(1))))
    return lambda n: (n >> 1, n - (n >> 1))


def _edges(x: Any) -> Any:
    """Return where exp begins to be 0 and inf in x's dtype."""
    raise NotImplementedError


@overload(_edges, strict=False)
def _edges_of(x: Any) -> Callable[..., Any]:
    if x == types.float32:
        return lambda x: (np.float32(-104.0), np.float32(88.72283))
    return lambda x: (-746.0, 709.782712893384)


@_compiled
def exp(x: Any) -> Any:
    """Return e^x over the whole range, subnormal results included; NaN stays NaN."""
    low, high = _edges(x)
    inside = low if x < low else x
    inside = high if inside > high else inside
    inside = inside if inside == inside else low
    rest, n = _reduced(inside)
    first, second = _halved(n)
    found = (number(1.0, x) + rest) * _power_of_two(first) * _power_of_two(second)
    found = number(math.inf, x) if x > high else found
    return found if x == x else x


@_compiled
def _expm1_below(x: Any) -> Any:
    """Return e^x - 1 for x <= 0, accurate near 0."""
    low = number(-80.0, x)
    inside = x if x > low else low  # false for NaN
    rest, n = _reduced(inside)
    power = _power_of_two(n)
    found = power * rest + (power - number(1.0, x))
    return found if x == x else x


@_compiled
def _log1p_unit(e: Any) -> Any:
    """Return log(1 + e) for 0 <= e <= 1."""
    s = e / (number(2.0, e) + e)
    square = s * s
    p = number(1 / 35, e)
    for k in range(33, 0, -2):
        p = p * square + number(1.0, e) / number(k, e)
    return number(2.0, e) * s * p


@_compiled
def _sigmoid_of(u: Any) -> Any:
    return number(1.0, u) / (number(1.0, u) + exp(-u))


@_rows
def _linear(u: Real, h: Real) -> None:
    for j in range(len(h)):
        h[j] = u[j]


@_rows
def _linear_slope(u: Real, h: Real, d: Real) -> None:
    pass


@_rows
def _sigmoid(u: Real, h: Real) -> None:
    for j in range(len(h)):
        h[j] = _sigmoid_of(h[j])


@_rows
def _sigmoid_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        y = h[j]
        d[j] = d[j] * (number(1.0, y) - y) * y


@_rows
def _tanh(u: Real, h: Real) -> None:
    for j in range(len(h)):
        y = h[j]
        e = _expm1_below(number(-2.0, y) * abs(y))
        t = -e / (number(2.0, y) + e)
        h[j] = t if y > number(0.0, y) else -t


@_rows
def _tanh_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        y = h[j]
        d[j] = d[j] * (number(1.0, y) - y * y)


@_rows
def _relu(u: Real, h: Real) -> None:
    for j in range(len(h)):
        y = h[j]
        h[j] = y if not y <= number(0.0, y) else number(0.0, y)


@_rows
def _relu_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        y = h[j]
        g = d[j]
        d[j] = number(0.0, g) if y <= number(0.0, y) else g


@_rows
def _leaky_relu(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        h[j] = x if x > number(0.0, x) else number(LEAKY_SLOPE, x) * x


@_rows
def _leaky_relu_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        g = d[j]
        d[j] = g if x > number(0.0, x) else number(LEAKY_SLOPE, x) * g


@_rows
def _elu(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        below = _expm1_below(x if x < number(0.0, x) else number(0.0, x) * x)
        h[j] = x if x > number(0.0, x) else below


@_rows
def _elu_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        g = d[j]
        d[j] = g if x > number(0.0, x) else g * exp(x)


@_rows
def _selu(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        below = number(SELU_SCALE * SELU_ALPHA, x) * _expm1_below(x if x < number(0.0, x) else number(0.0, x) * x)
        h[j] = number(SELU_SCALE, x) * x if x > number(0.0, x) else below


@_rows
def _selu_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        g = d[j]
        below = g * number(SELU_SCALE * SELU_ALPHA, x) * exp(x)
        d[j] = g * number(SELU_SCALE, x) if x > number(0.0, x) else below


def _one_plus_erf(x: Any) -> Any:
    raise NotImplementedError


@overload(_one_plus_erf, strict=False)
def _one_plus_erf_of(x: Any) -> Callable[..., Any]:
    if x == types.float32:

        def single(x: Any) -> Any:
            # erfc(z) = t exp(-z^2 + p(t)), t = 1 / (1 + z / 2); p is a fit at Chebyshev's points, right to 1e-8.
            size = abs(x)
            t = np.float32(1.0) / (np.float32(1.0) + np.float32(0.5) * size)
            p = np.float32(-0.1787572433)
            p = p * t + np.float32(0.991357594)
            p = p * t + np.float32(-2.205107492)
            p = p * t + np.float32(2.398733718)
            p = p * t + np.float32(-1.22542516)
            p = p * t + np.float32(0.335540221)
            p = p * t + np.float32(-0.2337078881)
            p = p * t + np.float32(-0.07473419493)
            p = p * t + np.float32(0.08259243331)
            p = p * t + np.float32(0.375020199)
            p = p * t + np.float32(0.9999999273)
            p = p * t + np.float32(-1.265512124)
            below = t * exp(p - size * size)
            return below if x < np.float32(0.0) else np.float32(2.0) - below

        return single
    return lambda x: 1.0 + math.erf(x)


@_rows
def _gelu(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        h[j] = x * number(0.5, x) * _one_plus_erf(x * number(math.sqrt(0.5), x))


@_rows
def _gelu_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        below = number(0.5, x) * _one_plus_erf(x * number(math.sqrt(0.5), x))
        density = number(1 / math.sqrt(2 * math.pi), x) * exp(number(-0.5, x) * x * x)
        d[j] = d[j] * (below + x * density)


@_rows
def _silu(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        h[j] = x / (number(1.0, x) + exp(-x))


@_rows
def _silu_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        s = _sigmoid_of(x)
        d[j] = d[j] * s * (number(1.0, x) + x * (number(1.0, x) - s))


@_rows
def _softplus(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        rest = _log1p_unit(exp(-abs(x)))
        above = x if x > number(20.0, x) else x + rest  # as in torch
        h[j] = above if x > number(0.0, x) else rest


@_rows
def _softplus_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        d[j] = d[j] if u[j] > number(20.0, u[j]) else d[j] * _sigmoid_of(u[j])


@_rows
def _softsign(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        h[j] = x / (number(1.0, x) + abs(x))


@_rows
def _softsign_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        below = number(1.0, x) + abs(x)
        d[j] = d[j] / (below * below)


@_rows
def _hardtanh(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        capped = number(1.0, x) if x > number(1.0, x) else x
        h[j] = number(-1.0, x) if capped < number(-1.0, x) else capped


@_rows
def _hardtanh_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        g = d[j]
        d[j] = number(0.0, g) if abs(x) >= number(1.0, x) else g


@_rows
def _erf(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        h[j] = number(math.erf(x), x)


@_rows
def _erf_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        d[j] = d[j] * number(2 / math.sqrt(math.pi), x) * exp(-x * x)


@_compiled
def _mish_parts(u: Any) -> Any:
    # As in `activations`: tanh(log(1 + e)) and its derivative; 1 and 0 from u = 40 on.
    e = exp(u if u < number(40.0, u) else number(40.0, u))
    n = e * (e + number(2.0, u))
    slope = number(4.0, u) * (e * (e + number(1.0, u)) / (n + number(2.0, u))) / (n + number(2.0, u))
    return n / (n + number(2.0, u)), slope


@_rows
def _mish(u: Real, h: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        h[j] = x * _mish_parts(x)[0]


@_rows
def _mish_slope(u: Real, h: Real, d: Real) -> None:
    for j in range(len(h)):
        x = u[j]
        t, slope = _mish_parts(x)
        d[j] = d[j] * (t + x * slope)


@functools.cache
def rows_of(name: str, dtype: str) -> tuple[Any, Any]:
    """Return phi and phi' of an activation, compiled for "float32" or "float64".

    phi(u, h) writes phi(u) into h; where an activation works in place, h holds u when it comes and u is not read.
    phi'(u, h, d) multiplies d by phi'. Raises KeyError for an activation without them.
    """
    array = types.Array(getattr(types, dtype), 1, "C")
    found = []
    for function, given in ((_ROWS[name], [array] * 2), (_ROWS[f"{name}_slope"], [array] * 3)):
        found.append(compiled(types.void(*given), function))
    return found[0], found[1]


def has_rows(name: str) -> bool:
    """Whether phi and phi' of an activation can be compiled."""
    return name in _ROWS
