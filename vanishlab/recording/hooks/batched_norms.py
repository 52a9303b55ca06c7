"""Norms of all layers at once: of their gradients, of what the optimizer gets, and of what it has changed.

A model has many small layers, and a call into torch costs more than the norm of a small weight. So the norms of all
layers come from one call. A layer that is more than one ordinary tensor (a stack of runs, a sharded or a sparse weight,
weight norm's two parameters) looks at itself, one at a time.
"""

import torch
from torch import Tensor

from vanishlab.recording.layer import Layer
from vanishlab.recording.measure import Measure, Value
from vanishlab.recording.step_values import to_host


def note_gradients(layers: list[Layer], measure: Measure, scale: float = 1.0) -> None:
    """Have each layer take in its gradients as they have been accumulated, as `Layer.note_gradient` does."""
    plain = _plain([layer for layer in layers if layer.has_gradient])
    for layer in layers:
        if layer not in plain:
            layer.note_gradient(scale)
    if not plain:
        return
    with_bias = [layer for layer in plain if layer.biases and layer.biases[0].grad is not None]
    biases: list[Tensor] = [layer.biases[0].grad for layer in with_bias]  # pyright: ignore[reportAssignmentType]
    norms = measure.norms([*(layer.weights[0] for layer in plain), *biases])
    for layer, norm, seen in zip(plain, norms, measure.norms_and_lost(list(plain.values())), strict=False):
        layer.take_gradient(norm, _over(seen[0], scale), *seen[1:])
    for layer, norm in zip(with_bias, norms[len(plain) :], strict=True):
        layer.step.gradient.values["bias_gradient_norm"] = _over(norm, scale)


def note_unseen(layers: list[Layer], measure: Measure) -> None:
    """Take in gradients that no backward pass has brought in this step: put there by hand, or left from before.

    All zeros are none: they are what zero_grad(set_to_none=False) leaves to a layer that was not used.
    """
    layers = [layer for layer in layers if not layer.step.done]
    # What was touched and not taken in yet was so outside of autograd's own passes.
    note_gradients([layer for layer in layers if layer.step.gradient.touched], measure)
    unseen = [layer for layer in layers if layer.gradient_norm is None and layer.has_gradient]
    note_gradients(unseen, measure)
    if unseen:  # in one transfer
        norms = to_host([layer.gradient_norm for layer in unseen], unseen[0].runs).sum(1)
        for layer in [layer for layer, norm in zip(unseen, norms, strict=True) if norm == 0]:
            layer.forget_gradient()


def note_applied(layers: list[Layer], measure: Measure, scale: float = 1.0) -> None:
    """Have each layer take in the gradient that the optimizer is about to use."""
    plain = _plain([layer for layer in layers if layer.has_gradient])
    for layer, norm in zip(plain, measure.norms(list(plain.values())), strict=True):
        layer.step.values["applied_gradient_norm"] = _over(norm, scale)
    for layer in layers:
        if layer not in plain:
            layer.note_applied(scale)


def note_updates(layers: list[Layer], measure: Measure) -> None:
    """Have each layer take in what the update has changed, and let go of the weights from before."""
    plain = _plain([layer for layer in layers if layer.step.weights_before is not None], of_weights=True)
    before = [layer.step.weights_before[0] for layer in plain if layer.step.weights_before is not None]
    for layer, norm in zip(plain, measure.distances(before, list(plain.values())), strict=True):
        layer.step.values["update_norm"] = norm
        layer.step.weights_before = None
    for layer in layers:
        layer.note_update()


def _plain(layers: list[Layer], of_weights: bool = False) -> dict[Layer, Tensor]:
    """Return the layers that are one ordinary weight, all on one device, with its gradient (or the weight itself)."""
    found: dict[Layer, Tensor] = {}
    for layer in layers:
        if len(layer.weights) != 1 or len(layer.biases) > 1 or layer.stacked or not _is_plain(layer.weights[0]):
            continue
        wanted = layer.weights[0] if of_weights else layer.weights[0].grad
        bias = layer.biases[0].grad if layer.biases and not of_weights else None
        if wanted is not None and _is_plain(wanted) and (bias is None or _is_plain(bias)):
            found[layer] = wanted
    if all([each.is_cpu for each in found.values()]):
        return found
    return {} if len({each.device for each in found.values()}) > 1 else found


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor) in (Tensor, torch.nn.Parameter) and tensor.layout is torch.strided and not tensor.is_complex()


def _over(norm: Value, scale: float) -> Value:
    return norm if scale == 1.0 else norm / scale
