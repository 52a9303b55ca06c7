"""Jacobians of an `MLP`, per example, and their singular values.

The Jacobian of layers a to b is J = dh_b / dh_{a-1}, with h_0 = x, and h_{L+1} = z_{L+1} the logits. Without
normalisation and residual branches it is D_b W_b ... D_a W_a, with D = diag(phi'(z)). It is multiplied out from the
left, a layer at a time, by backpropagating all rows of what stands so far; so it is exact for every network whose
examples do not mix.

The mean square of J's singular values says whether a gradient keeps its size on the way back, their spread whether it
keeps its direction (Saxe et al., 2014, arXiv:1312.6120; Pennington et al., 2017, arXiv:1711.04735).
"""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from vanishlab.errors import InputError
from vanishlab.network.layer_by_layer import check_layers, layer_outputs, model_inputs, to_numpy
from vanishlab.network.mlp import MLP

_ROWS = 8192  # rows, of all runs, that are sent back at once: what bounds the memory


def jacobian_singular_values(
    model: MLP, x: ArrayLike | Tensor, *, first: int = 1, last: int | None = None
) -> np.ndarray:
    """Return the singular values of each example's `jacobian`, largest first, float64 (run, example, k).

    k = min(fan_out of layer `last`, fan_in of layer `first`). They carry an absolute error of about 1e-16 times the
    largest of the same example: what is smaller than that is rounding, and a ratio above 1e15 has no meaning. NaN where
    the Jacobian is not finite.

    Raises `InputError` as `jacobian`.

    >>> from vanishlab.config import NetworkConfig
    >>> mlp = MLP(NetworkConfig(3, 8, "linear", "orthogonal"), features=8, classes=8)
    >>> jacobian_singular_values(mlp, np.ones((1, 8))).round(6).tolist()
    [[[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]]
    """
    matrices = jacobian(model, x, first=first, last=last)
    finite = torch.isfinite(matrices).all(3).all(2)  # (run, example)
    values = torch.linalg.svdvals(torch.where(finite[:, :, None, None], matrices, 0.0))
    return np.where(to_numpy(finite)[:, :, None] > 0, to_numpy(values), np.nan)


def jacobian(model: MLP, x: ArrayLike | Tensor, *, first: int = 1, last: int | None = None) -> Tensor:
    """Return dh_last / dh_{first-1} at each example, float64 (run, example, fan_out of `last`, fan_in of `first`).

    Layers count from 1 at the input; L + 1 is the readout. first=1, last=None is the input-output Jacobian dlogits/dx;
    first=last=l the Jacobian of layer l by itself, skip connection included. All is computed in float64, whatever the
    model's dtype: it is the exact Jacobian of the network that its parameters define. An entry below 5e-324 is 0.

    Main arguments
        x   inputs (example, features), or (run, example, features)

    Raises `InputError` for layers that are not there, a wrong shape of x, and batch normalisation in training mode,
    where every example acts on all others (after `model.eval()` running statistics are taken, and there is a Jacobian).
    """
    first, last = check_layers(model, first, last)
    if model.config.normalization == "batch" and model.training:
        raise InputError(
            "model must not be in training mode with normalization 'batch', where examples mix and none has a Jacobian "
            "of its own; after model.eval() it has"
        )
    x = model_inputs(model, x, torch.float64)
    fan_out = _fan_out(model, last)
    examples = max(1, _ROWS // (model.runs * fan_out))
    parts = [_of_examples(model, part, first, last) for part in x.split(examples, dim=1)]
    return torch.cat(parts, dim=1)


def _of_examples(model: MLP, x: Tensor, first: int, last: int) -> Tensor:
    runs, examples, _ = x.shape
    rows = _fan_out(model, last)
    inputs = [x]  # h_0 .. h_{last-1}, each (run, example, fan_in)
    with torch.no_grad():
        inputs += [h for _, h in layer_outputs(model, x, last=last - 1)]
    # Row k of every example's J, as if it were the k-th delta of so many examples.
    back = torch.eye(rows, dtype=x.dtype, device=x.device).repeat(runs, examples, 1)  # (run, example * rows, rows)
    for layer in range(last, first - 1, -1):
        with torch.enable_grad():
            h = inputs[layer - 1].repeat_interleave(rows, dim=1).requires_grad_()
            ((_, output),) = layer_outputs(model, h, layer, layer)
        (back,) = torch.autograd.grad(output, h, back)
    return back.unflatten(1, (examples, rows))


def _fan_out(model: MLP, layer: int) -> int:
    return model.linear_layers[layer - 1].weight.shape[1]
