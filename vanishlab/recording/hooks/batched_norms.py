"""Norms of all layers at once: of their gradients, of what the optimizer gets, and of what it has changed.

A model has many small layers, and a call into torch costs more than the norm of a small weight. So the norms of all
layers come from one call. A layer that is more than one ordinary tensor (a stack of runs, a sharded or a sparse weight,
weight norm's two parameters) looks at itself, one at a time.
"""

import torch
from torch import (
    Tensor,
    _foreach_abs,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_floor_,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_mul_,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_norm,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_sub_,  # pyright: ignore[reportPrivateImportUsage]
)

from vanishlab.recording.layer import Layer
from vanishlab.recording.norms import lost_fractions, slice_norms

_SMALL = 65_536  # entries up to which one float64 sum is as quick as `slice_norms`, which looks at a float32 one first


def note_gradients(layers: list[Layer], scale: float = 1.0) -> None:
    """Have each layer take in its gradients as they have been accumulated, as `Layer.note_gradient` does."""
    plain = _plain([layer for layer in layers if layer.has_gradient])
    for layer in layers:
        if layer not in plain:
            layer.note_gradient(scale)
    if not plain:
        return
    gradients = list(plain.values())
    with_bias = [layer for layer in plain if layer.biases and layer.biases[0].grad is not None]
    biases = [layer.biases[0].grad for layer in with_bias]
    norms = _norms([*(layer.weight.detach() for layer in plain), *gradients, *biases])  # pyright: ignore[reportArgumentType]
    for place, (layer, lost) in enumerate(zip(plain, _lost(gradients), strict=True)):
        layer.take_gradient(norms[place], _over(norms[len(plain) + place], scale), *lost)
    for layer, norm in zip(with_bias, norms[2 * len(plain) :], strict=True):
        layer.step.gradient.values["bias_gradient_norm"] = _over(norm, scale)


def note_unseen(layers: list[Layer]) -> None:
    """Take in gradients that no backward pass has brought in this step: put there by hand, or left from before.

    All zeros are none: they are what zero_grad(set_to_none=False) leaves to a layer that was not used.
    """
    layers = [layer for layer in layers if not layer.step.done]
    # What was touched and not taken in yet was so outside of autograd's own passes.
    note_gradients([layer for layer in layers if layer.step.gradient.touched])
    unseen = [layer for layer in layers if layer.gradient_norm is None and layer.has_gradient]
    note_gradients(unseen)
    norms = [layer.gradient_norm.sum() for layer in unseen if layer.gradient_norm is not None]
    if norms:
        for layer, norm in zip(unseen, torch.stack(norms).tolist(), strict=True):
            if norm == 0:
                layer.forget_gradient()


def note_applied(layers: list[Layer], scale: float = 1.0) -> None:
    """Have each layer take in the gradient that the optimizer is about to use."""
    plain = _plain([layer for layer in layers if layer.has_gradient])
    for layer, norm in zip(plain, _norms(list(plain.values())), strict=True):
        layer.step.values["applied_gradient_norm"] = _over(norm, scale)
    for layer in layers:
        if layer not in plain:
            layer.note_applied(scale)


def note_updates(layers: list[Layer]) -> None:
    """Have each layer take in what the update has changed, and let go of the weights from before."""
    plain = _plain([layer for layer in layers if layer.step.weights_before is not None], of_weights=True)
    before = [layer.step.weights_before[0] for layer in plain if layer.step.weights_before is not None]
    if before:
        _foreach_sub_(before, list(plain.values()))
    for layer, norm in zip(plain, _norms(before), strict=True):
        layer.step.values["update_norm"] = norm
        layer.step.weights_before = None
    for layer in layers:
        layer.note_update()


def _plain(layers: list[Layer], of_weights: bool = False) -> dict[Layer, Tensor]:
    """Return the layers that are one ordinary weight, all on one device, with its gradient (or the weight itself)."""
    found: dict[Layer, Tensor] = {}
    for layer in layers:
        wanted = layer.weight if of_weights else layer.weight.grad
        tensors = [wanted, layer.weight, *(bias.grad for bias in layer.biases if bias.grad is not None)]
        if len(layer.weights) == 1 and len(layer.biases) <= 1 and not layer.stacked and all(map(_is_plain, tensors)):
            assert wanted is not None
            found[layer] = wanted.detach()
    several = len({tensor.device for tensor in found.values()}) > 1
    return {} if several else found


def _is_plain(tensor: Tensor | None) -> bool:
    return type(tensor) in (Tensor, torch.nn.Parameter) and tensor.layout == torch.strided and not tensor.is_complex()  # pyright: ignore


def _norms(tensors: list[Tensor]) -> list[Tensor]:
    """Return the norm of each tensor, right over the whole range of its dtype, float64 (1,)."""
    if not tensors:
        return []
    on_cpu = tensors[0].device.type == "cpu"
    small = [each.dtype != torch.float64 and (each.numel() <= _SMALL or not on_cpu) for each in tensors]
    chosen = [each.detach() for each, fits in zip(tensors, small, strict=True) if fits]
    # float64 holds the square of whatever a narrower type holds.
    summed = iter(torch.stack(_foreach_norm(chosen, 2, torch.float64)).unsqueeze(1).unbind() if chosen else ())
    return [next(summed) if fits else slice_norms(each, 1) for each, fits in zip(tensors, small, strict=True)]


def _lost(gradients: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Return each gradient's fractions of zeros and of subnormal entries, float64 (1,), as `lost_fractions` does."""
    # Elsewhere than on the CPU a look would stall the device; there they are counted, whatever they are.
    if gradients[0].device.type != "cpu" or not all(gradient.numel() for gradient in gradients):
        return [lost_fractions(gradient, 1) for gradient in gradients]
    magnitudes = _foreach_abs(gradients)
    least = torch.stack([each.amin().double() for each in magnitudes]).tolist()
    tiny = [torch.finfo(gradient.dtype).tiny for gradient in gradients]
    sick = [place for place, each in enumerate(least) if not each >= tiny[place]]  # NaN too
    nothing = torch.zeros(1, dtype=torch.float64)
    found = [(nothing, nothing)] * len(gradients)
    if sick:
        # Over the smallest normal number, a power of two, what is zero or subnormal is below 1, and nothing else is.
        scaled = [magnitudes[place] for place in sick]
        _foreach_mul_(scaled, [1.0 / tiny[place] for place in sick])
        _foreach_floor_(scaled)
        kept = [torch.count_nonzero(each) for place, each in zip(sick, scaled, strict=True)
                for each in (gradients[place], each)]  # fmt: skip
        sizes = torch.tensor([gradients[place].numel() for place in sick], dtype=torch.float64)
        zero, below = (sizes[:, None] - torch.stack(kept).reshape(-1, 2)).unbind(1)
        zeros, subnormals = ((each / sizes).unsqueeze(1).unbind() for each in (zero, below - zero))
        for place, shares in zip(sick, zip(zeros, subnormals, strict=True), strict=True):
            found[place] = shares
    return found


def _over(norm: Tensor, scale: float) -> Tensor:
    return norm if scale == 1.0 else norm / scale
