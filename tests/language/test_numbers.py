"""Numbers as text: what a float holds is written as that float, what it does not in the same form."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vanishlab.language.numbers import PowerOfTen


@given(st.floats(-3000, 3000), st.sampled_from([".1e", ".3g", ".2e"]))
def test_a_power_of_ten_is_written_as_a_float_of_any_size(log10: float, form: str) -> None:
    mantissa, _, exponent = format(PowerOfTen(log10), form).partition("e")
    digits = {".1e": 1, ".3g": 2, ".2e": 2}[form]
    written = Decimal(mantissa).log10() + int(exponent or 0)
    assert abs(float(written) - log10) <= 0.5 * 10.0**-digits  # half of the last digit is at most this in the log
    if abs(log10) < 290:
        assert format(PowerOfTen(log10), form) == format(10.0**log10, form)


@pytest.mark.parametrize(
    ("log10", "form", "text"),
    [
        (float("inf"), ".1e", "inf"),
        (float("-inf"), ".3g", "0"),
        (float("nan"), ".3g", "nan"),
        (330.99999, ".1e", "1.0e+331"),  # 9.9997 is rounded up to the next power
        (330.99999, ".3g", "1e+331"),
        (-330.0, ".3g", "1e-330"),
    ],
)
def test_the_ends_of_the_range(log10: float, form: str, text: str) -> None:
    assert format(PowerOfTen(log10), form) == text
