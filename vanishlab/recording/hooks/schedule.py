"""`Schedule`: which steps are recorded, and at which of them examples are compared in pairs.

The products of 128 examples with each other would be felt in training if they were made at every step, so these close
looks are at the first recorded steps and then at about five in a decade of steps.
"""

import math

from vanishlab.errors import check_choice, check_integer

_STEPS_PER_DECADE = 20  # of every="log"
_GROWTH = 10 ** (1 / 5)  # from one close look to the next


class Schedule:
    """The schedule of one recording."""

    def __init__(self, every: int | str, last: int | None) -> None:
        """Record every so many steps, "log" or "never", and the `last` whatever `every` says (but "never").

        Raises `InputError` for another `every`.
        """
        if isinstance(every, str):
            check_choice("every (or a number of steps)", every, ("log", "never"))
        else:
            every = check_integer("every", every, 1)
        self._every = every
        self._last = last
        self._next_look = 0

    def is_recorded(self, step: int) -> bool:
        """Return whether `step` is recorded."""
        if self._every == "never":
            return False
        if step == self._last or (step <= 1 and self._every == "log"):
            return True
        if isinstance(self._every, int):
            return step % self._every == 0
        places = [math.floor(_STEPS_PER_DECADE * math.log10(number)) for number in (step - 1, step)]
        return places[1] > places[0]

    def looks_closely(self, step: int) -> bool:
        """Return whether to look closely at the recorded `step`, as at the last one always, and plan the next look."""
        if step < self._next_look and step != self._last:
            return False
        self._next_look = max(step + 1, math.ceil(step * _GROWTH))
        return True
