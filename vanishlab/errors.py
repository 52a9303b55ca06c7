"""`InputError` and the checks that raise it: one line that names the field, the rule and the value."""

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np


class InputError(ValueError):
    """A user's mistake, told in one line; the command line prints it without a traceback and exits with code 2."""


def check_choice(field: str, value: object, options: Iterable[str]) -> str:
    """Return `value` if it is one of `options`, else raise with the nearest name.

    >>> check_choice("activation", "rleu", ["relu", "sigmoid"])
    Traceback (most recent call last):
    vanishlab.errors.InputError: activation must be one of 'relu', 'sigmoid', got 'rleu' (did you mean 'relu'?)
    """
    options = list(options)
    if isinstance(value, str) and value in options:
        return value
    raise InputError(f"{field} must be one of {', '.join(map(repr, options))}, got {value!r}{nearest(value, options)}")


def nearest(value: object, options: Iterable[str]) -> str:
    """Return " (did you mean ...?)" for the option nearest to `value`, or nothing where none is near."""
    found = difflib.get_close_matches(str(value).lower(), list(options), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def check_integer(field: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int if it is a whole number from `minimum` to `maximum`, else raise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise InputError(f"{field} must be a whole number, got {value!r}")
    value = int(value)
    if value < minimum:
        raise InputError(f"{field} must be at least {minimum}, got {value}")
    if maximum is not None and value > maximum:
        raise InputError(f"{field} must be at most {maximum}, got {value}")
    return value


def check_number(field: str, value: Any, *, above: float = -math.inf, at_least: float = -math.inf) -> float:
    """Return `value` as a float if it is finite and within its bounds, else raise."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{field} must be a number, got {value!r}")
    try:
        value = float(value)
    except OverflowError:
        raise InputError(f"{field} must be finite, got a number beyond float64") from None
    if not math.isfinite(value):
        raise InputError(f"{field} must be finite, got {value}")
    if value <= above:
        raise InputError(f"{field} must be greater than {above:g}, got {value:g}")
    if value < at_least:
        raise InputError(f"{field} must be at least {at_least:g}, got {value:g}")
    return value


def check_array(field: str, values: Any) -> np.ndarray:
    """Return `values` as a new array of numbers (bool, integer or floating point), else raise."""
    try:
        # A tensor is asked for its numpy() itself: numpy's own way there warns.
        array = np.array(values.numpy(force=True) if hasattr(values, "numpy") else values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{field} must be an array of numbers ({first_line(error)})") from None
    if array.dtype.kind not in "buif":
        raise InputError(f"{field} must hold numbers, got dtype {array.dtype}")
    return array


def first_line(error: BaseException) -> str:
    """Return the first line of another library's message; some go on for a paragraph."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
