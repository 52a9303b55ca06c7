"""The loss of each run, from its logits and the labels."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Loss = str | Callable[[Tensor, Tensor], Tensor]
"""A loss by its name, or a function of logits (run, batch, classes) and labels that returns (run,)."""


def run_losses(logits: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """Return the loss of each run, (run,), from logits (run, batch, classes) and labels (batch,) or (run, batch).

    cross_entropy is the mean over the batch of -log softmax(logits)[y]; mse the mean over batch and classes of
    (logits - one-hot(y))^2, as in torch's `cross_entropy` and `mse_loss`. A function is called as it is.
    """
    if callable(loss):
        return loss(logits, y)
    runs, batch, classes = logits.shape
    labels = y.expand(runs, batch)
    if loss == "cross_entropy":
        flat = functional.cross_entropy(logits.flatten(0, 1), labels.reshape(-1), reduction="none")
        return flat.view(runs, batch).mean(1)
    return (logits - functional.one_hot(labels, classes).to(logits.dtype)).square().mean((1, 2))
