"""How large the entries are, layer by layer: counts by octave, from the exponents of the numbers themselves.

A linear histogram puts a vanishing gradient into one bin. An octave holds what lies from one power of two to the next,
2^e <= |x| < 2^(e+1), which is what a floating-point number says in its exponent: nothing is rounded into it, and the
bins reach from the smallest subnormal number to the largest.

    >>> counted_octaves(torch.tensor([1.0, 1.5, -3.0, 0.0, 2.0**-140]))
    ({-140: 1, 0: 2, 1: 1}, 1, 0)
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from vanishlab.errors import check_integer
from vanishlab.network.layer_by_layer import layer_outputs, model_inputs, model_labels, statistics_kept
from vanishlab.network.losses import Loss, run_losses
from vanishlab.network.mlp import MLP

COUNTED = ("activation", "delta", "gradient", "weight")


class Octaves(NamedTuple):
    """Shares of the entries of one quantity in every layer, 1 .. L + 1, of one network."""

    exponent: np.ndarray  # (octave,), rising by 1: |x| lies from 2^exponent to twice that
    share: np.ndarray  # (layer, octave)
    zero: np.ndarray  # (layer,): share of the entries that are exactly 0
    not_finite: np.ndarray  # (layer,)


def layer_octaves(
    model: MLP, x: ArrayLike | Tensor, y: ArrayLike | Tensor, loss: Loss = "cross_entropy", *, run: int = 0
) -> dict[str, Octaves]:
    """Return the octaves of activations h, deltas n dloss/dz, gradients dloss/dW and weights W by their names.

    Main arguments
        x      (example, features), or (run, example, features)
        y      class numbers (example,), or (run, example)
        run    the network of the stack that is looked at

    Nothing of the model is changed, and no recorder notices. Raises `InputError` for shapes that do not match and a run
    that is not there.
    """
    check_integer("run", run, 0, model.runs - 1)
    x = model_inputs(model, x)
    y = model_labels(model, x, y)
    z, h = [], [x]
    with torch.enable_grad(), statistics_kept(model):
        start = x.clone().requires_grad_()  # so that z has a gradient where every parameter is frozen, too
        for pre_activation, handed_on in layer_outputs(model, start):
            z.append(pre_activation)
            h.append(handed_on.detach())
        losses = run_losses(z[-1], y, loss)
    deltas = torch.autograd.grad(losses.sum(), z)
    gradients = [delta[run].T @ before[run] for delta, before in zip(deltas, h, strict=False)]
    entries = {
        "activation": [each[run] for each in h[1:]],
        "delta": [delta[run] * x.shape[1] for delta in deltas],
        "gradient": gradients,
        "weight": [layer.weight[run].detach() for layer in model.linear_layers],
    }
    return {name: octaves_of(entries[name]) for name in COUNTED}


def octaves_of(layers: list[Tensor]) -> Octaves:
    """Return the octaves of one tensor a layer."""
    found = [counted_octaves(values) for values in layers]
    seen = sorted({octave for counts, _, _ in found for octave in counts})
    exponent = np.arange(seen[0], seen[-1] + 1) if seen else np.zeros(0, dtype=np.int64)
    share = np.zeros((len(layers), len(exponent)))
    for row, (counts, _, _), values in zip(share, found, layers, strict=True):
        for octave, count in counts.items():
            row[octave - seen[0]] = count / values.numel()
    zero, lost = (np.array([each[place] for each in found]) / [values.numel() for values in layers] for place in (1, 2))
    return Octaves(exponent, share, zero, lost)


def counted_octaves(values: Tensor) -> tuple[dict[int, int], int, int]:
    """Return how many entries lie in which octave, how many are 0, and how many are not finite."""
    values = values.detach().double().cpu()  # exact, and there float32's subnormal numbers are normal
    finite = values[torch.isfinite(values)]
    some = finite[finite != 0]
    octaves, counts = torch.unique(torch.frexp(some).exponent - 1, return_counts=True)
    return (
        dict(zip(octaves.tolist(), counts.tolist(), strict=True)),
        len(finite) - len(some),
        values.numel() - len(finite),
    )
