"""`PowerOfTen`: 10^x as text, also where no float holds it, as at 400 layers that lose a decade each."""

import math


class PowerOfTen:
    """10^`log10` for `format`, which takes the forms of a float: "{:.3g}", "{:.1e}".

    >>> f"{PowerOfTen(2.5):.3g}, {PowerOfTen(-330.5):.1e}"
    '316, 3.2e-331'
    """

    def __init__(self, log10: float) -> None:
        """Keep the exponent, which may be infinite."""
        self.log10 = float(log10)

    def __format__(self, form: str) -> str:
        """Return the number as a float of this form is written."""
        if not abs(self.log10) < 300.0:
            if not math.isfinite(self.log10):
                return format(0.0 if self.log10 < 0 else abs(self.log10), form)
            exponent = math.floor(self.log10)
            mantissa, _, power = f"{10.0 ** (self.log10 - exponent):{form}}".partition("e")
            if float(mantissa) == 10.0:  # 9.999, rounded up
                mantissa, exponent = format(1.0, form), exponent + 1
            return f"{mantissa}e{exponent + int(power or 0):+d}"
        return format(10.0**self.log10, form)


def power_of_ten(log10: float) -> str:
    """Return 10^log10 with three significant digits, also where no float64 holds it.

    >>> power_of_ten(-800.5), power_of_ten(-0.3), power_of_ten(-float("inf"))
    ('3.16e-801', '0.501', '0')
    """
    return "unknown" if math.isnan(log10) else f"{PowerOfTen(log10):.3g}"
