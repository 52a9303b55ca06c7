r"""Norms over the trailing axes that neither underflow nor overflow, and the count of entries that did.

A float32 square underflows below 1e-19 and overflows above 1e19, so `torch.linalg.vector_norm` says 0 for a gradient of
1e-25 and inf for one of 1e30. The square of anything in float32 is a normal number in float64, so float32 (and
narrower) is summed there, in one pass; on the CPU, where that takes three times as long, a plain float32 sum goes
first, and stands where it shows that it stays far from both edges. float64 itself is scaled:

    norm(x) = 2^e * ||x / 2^e||     with 2^e the power of two next to max |x|,

where the division is exact and the remaining sum of squares lies between 1/4 and 4 n. Plain float32 sums run over rows
of some hundred entries, and in float64 over the rows: 1e-6 relative or better, whatever the size. Each slice is summed
by itself, so a slice's norm has the same bits whatever stands beside it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_ROW = 256  # entries summed in float32: 16 partial sums of 16 terms each on AVX-512
_FEW = 8192  # entries of a slice below which one float64 sum is quicker than the look at a float32 one


def slice_norms(x: Tensor, slices: int) -> Tensor:
    """Return the Euclidean norm of each of `slices` equal leading parts of `x`, float64 `(slices,)`.

    Exact over the whole range of x's dtype (float16, bfloat16, float32, float64), subnormals included. A slice with a
    NaN gives NaN, one with an infinity inf; an empty slice 0.

    >>> slice_norms(torch.tensor([[3e-40, 4e-40], [3e30, 4e30]]), 2)
    tensor([5.0000e-40, 5.0000e+30], dtype=torch.float64)
    """
    x = _flat(x.detach(), slices)  # (slice, n)
    if x.shape[1] == 0:
        return x.new_zeros(slices, dtype=torch.float64)
    if x.dtype == torch.float64:
        return _scaled_norms(x)
    if x.dtype != torch.float32 or x.device.type != "cpu" or x.shape[1] < _FEW:
        return torch.linalg.vector_norm(x, dim=1, dtype=torch.float64)
    plain = _sum_rows(x)
    lower, upper = _safe_range(x)
    if all(lower < norm < upper for norm in plain.tolist()):  # false for NaN as well
        return plain
    exact = torch.linalg.vector_norm(x, dim=1, dtype=torch.float64)
    return torch.where((plain > lower) & (plain < upper), plain, exact)


def _scaled_norms(x: Tensor) -> Tensor:
    plain = torch.linalg.vector_norm(x, dim=1)
    lower, upper = _safe_range(x)
    # On the CPU a look at the sums is free; elsewhere it would stall the device, so all is scaled there.
    if x.device.type == "cpu" and lower < plain.min().item() and plain.max().item() < upper:  # false for NaN as well
        return plain
    largest = torch.maximum(x.amax(1), -x.amin(1))  # (slice,)
    exponent = exponents(largest)
    scaled = torch.linalg.vector_norm(x * torch.exp2(-exponent)[:, None], dim=1)
    exact = torch.where(torch.isfinite(largest), scaled * torch.exp2(exponent), largest.abs())
    return exact if x.device.type != "cpu" else torch.where((plain > lower) & (plain < upper), plain, exact)


def joint_norm(norms: list[Tensor]) -> Tensor:
    """Return the norm of parts laid end to end from the parts' float64 norms, each `(slice,)`; scaled likewise."""
    if len(norms) == 1:
        return norms[0]
    stacked = torch.stack(norms)  # (part, slice)
    largest = stacked.amax(0)
    safe = torch.where((largest > 0) & torch.isfinite(largest), largest, 1.0)
    return torch.linalg.vector_norm(stacked / safe, dim=0) * safe


def lost_fractions(x: Tensor, slices: int) -> tuple[Tensor, Tensor]:
    """Return the fractions of entries that are exactly zero and that are subnormal, each float64 `(slices,)`.

    A subnormal entry has lost bits to underflow already. A zero may be one that lost all of them, or a true one (a
    pixel that is always dark, a unit that is never active); beside subnormal entries it is of the first kind.
    """
    x = _flat(x.detach(), slices)  # (slice, n)
    n = max(x.shape[1], 1)
    magnitude = x.abs()
    tiny = torch.finfo(x.dtype).tiny
    if x.device.type == "cpu" and x.numel() and bool(magnitude.amin() >= tiny):  # the healthy case: one look, no count
        nothing = torch.zeros(slices, dtype=torch.float64)
        return nothing, nothing
    zero, below = count(torch.eq, magnitude, 0.0), count(torch.lt, magnitude, tiny)
    return zero / n, (below - zero) / n


def count(compare: Callable[..., Tensor], x: Tensor, bound: float) -> Tensor:
    """Return the number of entries of x (slice, n) for which `compare(x, bound)` holds, float64 `(slice,)`.

    >>> count(torch.lt, torch.tensor([[1.0, 2.0, 3.0]]), 2.5)
    tensor([2.], dtype=torch.float64)
    """
    # Ten times as quick as by way of booleans, which torch neither fills nor adds in whole vectors.
    holds = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    return compare(x, bound, out=holds).sum(1).double()


def exponents(largest: Tensor) -> Tensor:
    """Return e with 2^e next to each of `largest`, float64; kept where 2^-e is normal, as a subnormal one needs."""
    exponent = torch.frexp(torch.where(torch.isfinite(largest) & (largest > 0), largest, 1.0))[1].double()
    return exponent.clamp(-1022, 1020)


def _flat(x: Tensor, slices: int) -> Tensor:
    # The order of the entries does not matter here, so one that needs no copy is taken.
    if x.ndim == 3 and not x.is_contiguous() and len(x) == slices:
        x = x.transpose(1, 2)
    return x.reshape(slices, -1)


def _sum_rows(x: Tensor) -> Tensor:
    # Two levels: rows in float32, then the rows' norms in float64.  (slice, n) -> (slice,)
    whole = x.shape[1] // _ROW * _ROW
    rows = torch.linalg.vector_norm(x[:, :whole].unflatten(1, (-1, _ROW)), dim=2)  # (slice, row)
    if whole < x.shape[1]:
        rows = torch.cat([rows, torch.linalg.vector_norm(x[:, whole:], dim=1, keepdim=True)], 1)
    return torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)


def _safe_range(x: Tensor) -> tuple[float, float]:
    # Norms between these two are right as they are: no square can have overflowed, and the squares that fell below the
    # smallest normal number are, all n of them together, less than 1e-8 of the sum.
    info = torch.finfo(x.dtype)
    return (x.shape[1] * info.tiny * 1e8) ** 0.5, 1e-3 * info.max**0.5
