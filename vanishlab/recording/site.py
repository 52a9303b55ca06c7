"""`Site`: a place in the model whose output is a pre-activation z, and what the step under way has shown of it."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from vanishlab.recording.call import Call


@dataclass(eq=False)
class SiteStep:
    """What one step shows of a site."""

    call: Call | None = None
    """The call under way, while its forward pass lasts."""
    calls: list[Call] = field(default_factory=list)
    """Those whose delta has come back, in the order of their coming."""
    called: int = 0
    """Number of calls with autograd."""
    called_without_autograd: bool = False
    """Whether there was a call without autograd."""
    functional: bool = False
    """Whether there was a call inside torch.func."""
    obstacle: str | None = None
    """What stood in the way of a delta."""
    closed: bool = False
    """The optimizer has stepped: whatever still comes belongs to another step."""


class Site:
    """A place in the model whose output is z, and what the step under way has shown of it."""

    def __init__(self, module: nn.Module, batch_axis: int = 0, example_axes: int = 1, stacked: bool = False) -> None:
        """Watch `module`'s output: its axis of examples, and the axes that a single example without one has."""
        self.module = module
        self.stacked = stacked
        self.batch_axis = batch_axis
        self.example_axes = example_axes
        self.compiled = False
        self.place = -1  # in the order of first calls
        self.activated: set[int] = set()  # the calls of a step whose z an activation module has taken, last time
        self.step = SiteStep()

    def clear(self) -> None:
        """Forget the step."""
        self.drop(self.step.calls)
        self.step = SiteStep()

    def drop(self, calls: list[Call]) -> None:
        """Forget the deltas of some calls; where a graph is kept, they may come once more."""
        dropped = set(calls)
        self.step.calls = [call for call in self.step.calls if call not in dropped]
        for call in calls:
            call.backward = call.kept = None

    def examples_first(self, tensor: Tensor) -> Tensor:
        """Return `tensor` with axes (example, ...), a stack's as it is: (run, example, ...)."""
        # Of outputs with two axes the first counts examples, also in models that put time before them.
        if self.stacked or (tensor.ndim > self.example_axes and not (self.batch_axis and tensor.ndim > 2)):
            return tensor
        if tensor.ndim <= self.example_axes:
            return tensor.detach().reshape(1, -1)
        return tensor.detach().movedim(self.batch_axis, 0)

    def counted(self, passes: set[int]) -> list[Call]:
        """Return the calls whose delta came with one of `passes`; all, where there are no such passes.

        What a pass of torch.autograd.grad inside the loss has brought is no delta of the loss.
        """
        return [call for call in self.step.calls if call.backward in passes] if passes else self.step.calls
