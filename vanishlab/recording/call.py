"""`Call`: one call of a layer in the forward pass, and its delta on the way back.

Every activation and delta that comes in has axes (example, ...), that of a stack of runs (run, example, ...).
"""

import torch
from torch import Tensor

from vanishlab.activations import Activation
from vanishlab.recording.alike import effective_rank, gradient_coherence
from vanishlab.recording.facts import MOST
from vanishlab.recording.measure import Measure, Moments, Value

_FEW = 16  # of the smallest steps of a dtype: fewer than four bits, an error of 3 % on the average and more


class Call:
    """One call of a site in the forward pass, and its delta on the way back."""

    # What nothing has been seen of yet; a step makes many calls, so it stands here once.
    output: Moments | None = None
    delta: Moments | None = None
    """Of dloss/dz."""
    cell_norm: Value | None = None
    """Of dloss/dc, where z is the h of a state (h, c)."""
    factor = 1.0
    """On delta, for an example's: the number of examples over the loss's own factor."""
    effective_rank: Tensor | None = None
    coherence: Tensor | None = None
    incoming: tuple[Tensor, int] | None = None
    """What a linear layer was given, and its version."""
    saturated: Value | None = None
    examples: int | None = None
    """Where z's own first axis does not count them."""
    batch = 0
    """The number of examples."""
    activation = ""
    pre_activations = 0
    """Entries of z for each run."""
    activations = 0
    """Entries of h for each run."""
    in_sequence = True
    """Whether calls of one pass follow each other in time."""
    ends: tuple[Tensor, Tensor] | None = None
    """Delta's norm at the first and last of its own time steps."""
    dtype: torch.dtype | None = None
    """Of delta."""
    coarse: Tensor | None = None
    """Share of delta's entries with hardly a bit left, in half precision."""
    backward: int | None = None
    """The backward pass that brought delta."""
    kept: Tensor | None = None
    """Delta itself, while another pass over the same graph may add to it."""

    def __init__(self, measure: Measure, number: int = 0, *, closely: bool = False) -> None:
        """Know nothing yet but the call's number in the step, and whether examples are compared in pairs."""
        self.number = number
        self.closely = closely
        self._measure = measure

    def note_input(self, u: Tensor, activation: Activation) -> None:
        """Take in what phi is given."""
        self.saturated = self._measure.saturated_fraction(u, activation)
        self.activation = activation.name

    def note_output(self, h: Tensor) -> None:
        """Take in what the layer hands on."""
        self.output = self._measure.moments(h)
        self.activations = self._measure.entries(h)
        if self.closely and self.output.spread is not None:
            self.effective_rank = effective_rank(self._measure.with_runs(h).flatten(2))

    def note_incoming(self, h: Tensor) -> None:
        """Take in what a linear layer is given, with fan_in as its last axis, until its delta comes back."""
        if self.closely and self._measure.examples(h) > 1:
            self.incoming = self._measure.with_runs(h)[:, :MOST], h._version

    def note_delta(self, delta: Tensor, scale: float = 1.0) -> None:
        """Take in dloss/dz, times `scale`; the number of examples undoes the 1/n of the loss's batch mean."""
        examples = self._measure.examples(delta)
        self.batch = self.examples or examples
        self.factor = self.batch / scale
        # Else its rows are no examples.
        compared = 1 < self.batch == examples
        measure = self._measure
        self.delta = measure.moments(delta, with_mean=False) if compared else Moments(measure.norm(delta), None, None)
        self.pre_activations = self._measure.entries(delta)
        self.dtype = delta.dtype
        if delta.dtype in (torch.float16, torch.bfloat16):
            known = torch.finfo(delta.dtype)
            few, some = delta.abs() < _FEW * known.smallest_normal * known.eps, delta != 0
            self.coarse = (few & some).sum() / some.sum().clamp(min=1)
        if self.incoming is not None:
            if self.incoming[0]._version == self.incoming[1]:  # else it is gone
                self.coherence = gradient_coherence(self.incoming[0], self._measure.with_runs(delta))
            if self.kept is None:
                self.incoming = None

    def note_cell(self, delta: Tensor, scale: float = 1.0) -> None:
        """Take in dloss/dc, (example, unit), of an LSTM cell: the other path through time."""
        self.cell_norm = self._measure.norm(delta) * (delta.shape[0] / scale)
