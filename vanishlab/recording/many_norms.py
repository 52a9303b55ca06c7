"""Norms of many tensors at once, by torch: a call costs more than a small weight's norm, so one call is for all."""

import torch
from torch import (
    Tensor,
    _foreach_abs,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_floor_,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_mul_,  # pyright: ignore[reportPrivateImportUsage]
    _foreach_norm,  # pyright: ignore[reportPrivateImportUsage]
)

from vanishlab.recording.norms import lost_fractions, slice_norms

_SMALL = 65_536  # entries up to which one float64 sum is as quick as `slice_norms`, which looks at a float32 one first


def norms(tensors: list[Tensor]) -> list[Tensor]:
    """Return the norm of each tensor, right over the whole range of its dtype, float64 (1,)."""
    if not tensors:
        return []
    on_cpu = tensors[0].device.type == "cpu"
    small = [each.dtype != torch.float64 and (each.numel() <= _SMALL or not on_cpu) for each in tensors]
    chosen = [each.detach() for each, fits in zip(tensors, small, strict=True) if fits]
    # float64 holds the square of whatever a narrower type holds.
    summed = iter(torch.stack(_foreach_norm(chosen, 2, torch.float64)).unsqueeze(1).unbind() if chosen else ())
    return [next(summed) if fits else slice_norms(each, 1) for each, fits in zip(tensors, small, strict=True)]


def lost(tensors: list[Tensor]) -> list[tuple[Tensor | float, Tensor | float]]:
    """Return each tensor's fractions of zeros and of subnormal entries, as `lost_fractions` does."""
    # Elsewhere than on the CPU a look would stall the device; there they are counted, whatever they are.
    if not tensors or tensors[0].device.type != "cpu" or not all(each.numel() for each in tensors):
        return [lost_fractions(each, 1) for each in tensors]
    magnitudes = _foreach_abs([each.detach() for each in tensors])
    least = torch.stack([each.amin().double() for each in magnitudes]).tolist()
    tiny = [torch.finfo(each.dtype).tiny for each in tensors]
    sick = [place for place, each in enumerate(least) if not each >= tiny[place]]  # NaN too
    found: list[tuple[Tensor | float, Tensor | float]] = [(0.0, 0.0)] * len(tensors)
    if sick:
        # Over the smallest normal number, a power of two, what is zero or subnormal is below 1, and nothing else is.
        scaled = [magnitudes[place] for place in sick]
        _foreach_mul_(scaled, [1.0 / tiny[place] for place in sick])
        _foreach_floor_(scaled)
        kept = [torch.count_nonzero(each) for place, each in zip(sick, scaled, strict=True)
                for each in (tensors[place], each)]  # fmt: skip
        for place, (full, normal) in zip(sick, torch.stack(kept).reshape(-1, 2).tolist(), strict=True):
            entries = tensors[place].numel()
            found[place] = (entries - full) / entries, (full - normal) / entries
    return found
