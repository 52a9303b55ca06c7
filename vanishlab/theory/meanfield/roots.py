"""Roots by Brent's method, which ends converged or says how far it got."""

from collections.abc import Callable
from typing import Any

from vanishlab.errors import InputError


def bracketed(residual: Callable[[float], float], low: float, high: float, what: str) -> float:
    """Return the root of `residual` between `low` and `high`.

    Raises `InputError`, with the last residual, where the search does not end.
    """
    from scipy import optimize  # a fifth of a second of imports, and only where a root is looked for

    options: dict[str, Any] = {"xtol": 1e-300, "rtol": 1e-14, "maxiter": 200, "full_output": True, "disp": False}
    root, result = optimize.brentq(residual, low, high, **options)
    if not result.converged:
        raise InputError(
            f"{what} did not converge in {result.iterations} iterations: last residual {residual(root):.3g}"
        )
    return float(root)
