"""Learning what only the first time step shows: noise, whose first entry's sign is the class."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from vanishlab.network.recurrent import Recurrent

LEARNED = 0.75
"""Accuracy that counts as having learned it; guessing gives a half."""
_TESTED = 1000  # sequences that the accuracy is of: two standard errors are .03


def sequences(length: int, examples: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return noise (example, time, 1) and the sign of each first entry as a class (example,)."""
    x = torch.randn(examples, length, 1, generator=generator)
    return x, (x[:, 0, 0] > 0).long()


def learn_first_sign(
    model: Recurrent,
    length: int,
    generator: Generator,
    *,
    steps: int = 300,
    examples: int = 64,
    learning_rate: float = 0.01,
    progress: Callable[[int], object] | None = None,
) -> float:
    """Train on fresh sequences by Adam, the gradient clipped to norm 1, and return the accuracy on 1,000 others.

    `progress` is called with each step's number when it has ended.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    for step in range(steps):
        x, y = sequences(length, examples, generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if progress is not None:
            progress(step)
    x, y = sequences(length, _TESTED, generator)
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())
