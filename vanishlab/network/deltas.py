"""Per-example deltas: the backpropagated signal of every example by itself, in every layer."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from vanishlab.network.layer_by_layer import layer_outputs, model_inputs, model_labels, statistics_kept
from vanishlab.network.losses import Loss, run_losses
from vanishlab.network.mlp import MLP


def per_example_deltas(
    model: MLP, x: ArrayLike | Tensor, y: ArrayLike | Tensor, loss: Loss = "cross_entropy"
) -> list[Tensor]:
    """Return delta_l = n dloss/dz_l of each layer, the readout last, each (run, example, fan_out) in its dtype.

    The factor n, the number of examples, undoes the 1/n of the loss's batch mean, as in `Record.delta_rms`, which is
    the root mean square of these numbers. Their mean over examples is the bias gradient dloss/db_l. Under batch
    normalisation in training mode an example's z reaches the others' losses too; n dloss/dz holds all of that.

    Main arguments
        x      (example, features), or (run, example, features)
        y      class numbers (example,), or (run, example)
        loss   "cross_entropy", "mse", or a function of logits (run, example, classes) and y that returns the batch
               mean of each run, (run,)

    Nothing of the model is changed, and no recorder notices. Raises `InputError` for shapes that do not match.
    """
    x = model_inputs(model, x)
    y = model_labels(model, x, y)
    z: list[Tensor] = []
    with torch.enable_grad(), statistics_kept(model):
        start = x.clone().requires_grad_()  # so that z has a gradient where every parameter is frozen, too
        for pre_activation, _ in layer_outputs(model, start):
            z.append(pre_activation)
        losses = run_losses(z[-1], y, loss)
    return [delta * x.shape[1] for delta in torch.autograd.grad(losses.sum(), z)]
