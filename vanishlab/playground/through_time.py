"""What the lesson through time measures: how far back delta reaches in a recurrent network, and what it then learns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vanishlab.language.sentences import say
from vanishlab.network.recurrent import Recurrent, RecurrentKind, delta_by_time
from vanishlab.playground.measuring import Outdated
from vanishlab.training.recall import learn_first_sign, sequences

LENGTHS = (10, 30, 100)
"""Numbers of time steps over which delta is followed back."""
_EXAMPLES = 64


@dataclass(frozen=True)
class Recurrence:
    """One recurrent network, and over how many time steps it is trained."""

    kind: RecurrentKind
    forget_bias: float | None = None
    """Of an LSTM's forget gate; None leaves PyTorch's, 0 on average."""
    length: int = 30
    width: int = 32
    steps: int = 300
    seed: int = 0

    @property
    def label(self) -> str:
        """Its name in picture and table."""
        if self.forget_bias is None:
            return self.kind
        return say("{kind}, forget bias {bias:g}", kind=self.kind, bias=self.forget_bias)


@dataclass(frozen=True, eq=False)
class Recalled:
    """What one recurrent network showed."""

    settings: Recurrence
    curves: Mapping[int, np.ndarray]
    """Delta before training over that at the last time step, (time,), by the number of time steps."""
    trained: float
    """Delta at the first time step over that at the last one after training, over as many steps as it trained on."""
    accuracy: float
    """Of naming the first entry's sign, after training; guessing gives a half."""

    @property
    def first_last(self) -> float:
        """Delta at the first time step over that at the last one before training, over as many steps."""
        return float(self.curves[self.settings.length][0])

    @property
    def factor(self) -> float:
        """What delta is multiplied by for each time step back, over the longest of the sequences."""
        longest = self.curves[max(self.curves)]
        return float(longest[0] ** (1.0 / (len(longest) - 1)))


def measure(
    settings: Recurrence,
    *,
    progress: Callable[[int], object] | None = None,
    outdated: Callable[[], bool] = lambda: False,
) -> Recalled:
    """Follow delta back through time, and train. Arguments are those of `measuring.measure`. Raises `Outdated`."""
    import torch

    torch.set_num_threads(1)  # said in each of the page's threads, see `measuring`

    def ended(step: int) -> None:
        if progress is not None:
            progress(step)
        if outdated():
            raise Outdated

    generator = torch.Generator().manual_seed(settings.seed)
    model = Recurrent(settings.kind, settings.width, settings.forget_bias, generator=generator)
    curves = {}
    for length in LENGTHS:
        delta = delta_by_time(model, *sequences(length, _EXAMPLES, generator))
        curves[length] = delta / delta[-1]
    accuracy = learn_first_sign(
        model, settings.length, generator, steps=settings.steps, examples=_EXAMPLES, progress=ended
    )
    after_training = delta_by_time(model, *sequences(settings.length, _EXAMPLES, generator))
    return Recalled(settings, curves, float(after_training[0] / after_training[-1]), accuracy)
