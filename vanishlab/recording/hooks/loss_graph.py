"""What the first operations of a loss's graph give away: a softmax before another one, shapes that are blown up.

A graph's node knows the operation that made it, and the shapes of what that operation returned.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from torch import Tensor

_NEAR = 60  # nodes from the loss on that are still the loss's
_OUTER = {
    "LogSoftmaxBackward0": "log_softmax",
    "BinaryCrossEntropyWithLogitsBackward0": "binary_cross_entropy_with_logits",
}
_INNER = {"SoftmaxBackward0": "softmax", "SigmoidBackward0": "sigmoid"}
_PASSING = (
    "ToCopy", "View", "UnsafeView", "Reshape", "Transpose", "T", "Permute", "Squeeze", "Unsqueeze", "Alias", "Clone",
    "Expand", "Select", "Slice", "Index",
)  # fmt: skip


def normalised_twice(loss: Tensor) -> str:
    """Return the two operations where the loss's own softmax (or sigmoid) is given that of the model, else ""."""
    for node in _near(loss.grad_fn):
        if node.name() in _OUTER:
            inner = _behind(node)
            if inner is not None and inner.name() in _INNER:
                return f"{_INNER[inner.name()]}, {_OUTER[node.name()]}"
    return ""


def blown_up(loss: Tensor, outputs: list[Tensor]) -> str:
    """Return two shapes where an output of n numbers becomes n x n ones as it meets what asks for no gradient, else "".

    That is how (n, 1) and (n,) are broadcast: every output is then held against every target.
    """
    made = {output.grad_fn: tuple(output.shape) for output in outputs if output.grad_fn is not None}
    for node in _near(loss.grad_fn):
        inputs = [before for before, _ in node.next_functions if before is not None]
        if len(inputs) != 1 or node in made or _arranges(node):
            continue
        own = made.get(inputs[0]) or made.get(_behind(node), ())
        n = max(own, default=0)
        if n > 1 and _numbers(own) == n:
            for shape in (_shape(node), _shape(inputs[0])):  # torch's own losses expand what they are given first
                if shape == (n, n):
                    return f"{own}, {shape}"
    return ""


def _near(root: Any) -> Iterator[Any]:
    waiting, seen = deque([root] if root is not None else []), {root}
    for _ in range(_NEAR):
        if not waiting:
            return
        node = waiting.popleft()
        yield node
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)


def _behind(node: Any) -> Any:
    """Return the operation before `node` that does more than to arrange numbers."""
    before = next((each for each, _ in node.next_functions if each is not None), None)
    while before is not None and _arranges(before):
        before = next((each for each, _ in before.next_functions if each is not None), None)
    return before


def _arranges(node: Any) -> bool:
    return node.name().removesuffix("Backward0") in _PASSING


def _numbers(shape: tuple[int, ...]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product


def _shape(node: Any) -> tuple[int, ...]:
    # For autograd, what an operation returned is its backward's input.
    metadata = getattr(node, "_input_metadata", None)
    return tuple(metadata[0].shape) if metadata else ()
