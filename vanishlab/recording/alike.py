r"""How far the examples of a batch differ: in what a layer hands on, in its delta, in their gradients of its weight.

With x_a what belongs to example a, flattened, and x' its mean over the n examples:

    spread            (sum_a |x_a - x'|^2)^(1/2);  the distinct share is its square over sum_a |x_a|^2
    effective rank    (sum lambda)^2 / sum lambda^2 = (tr G)^2 / |G|_F^2,  lambda the eigenvalues of the centred x's
                      covariance, G their Gram matrix (the participation ratio)
    coherence         |mean_a g_a|^2 / mean_a |g_a|^2,  g_a = delta_a h_a^T a linear layer's gradient of one example

One less a ratio of norms would take rounding for a difference where examples are nearly the same. So what is small is
summed from differences: each example less the first, which is exact where the two are within a factor of two of each
other, and then less the differences' mean. Examples that are the same to the last bit have a spread of exactly 0.

    >>> x = torch.tensor([[[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])  # (run, example, unit)
    >>> spread(x, slice_norms(x, 2), mean_example(x)).round(decimals=6)
    tensor([0., 1.], dtype=torch.float64)
"""

import math

import torch
from torch import Tensor

from vanishlab.recording.facts import MOST, MOST_ENTRIES
from vanishlab.recording.norms import exponents, slice_norms

_FROM_RATIO = 0.1  # share from which on one less the ratio is taken: the norms' rounding is ten times as large in it
_PLAIN = 1e-15, 1e15  # sizes between which float32 holds fourth powers of the sums of some thousand entries' squares


def mean_example(x: Tensor) -> Tensor:
    """Return the mean over examples of x (run, example, entry), (run, entry), in float32 at least.

    As a product, because torch's own mean sums a stack of one run in another order than one of several.
    """
    x = x.float() if x.element_size() < 4 else x
    weights = x.new_full((1, 1, 1), 1.0 / x.shape[1]).expand(len(x), 2, x.shape[1])  # two rows: one is another product
    return torch.bmm(weights, x)[:, 0]


def spread(x: Tensor, norm: Tensor, mean: Tensor) -> Tensor:
    """Return the norm of x (run, example, entry) less its `mean` over examples (run, entry), float64 (run,).

    `norm` (run,) is that of x. Right over the whole range of x's dtype; NaN where x is not finite.
    """
    if x.device.type != "cpu":  # a look would stall the device
        return _scaled_spread(x)
    info = torch.finfo(torch.float64 if x.dtype == torch.float64 else torch.float32)
    low, high = 1e10 * info.tiny, 1e-10 * info.max**0.5
    entries = (x.shape[1] * x.shape[2]) ** 0.5
    found = _plain_spread(x, norm, mean)
    far = [not low < size / entries < high for size in norm.tolist()]  # true for NaN as well
    if any(far):
        exact = _scaled_spread(x).tolist()
        found = [other if out else one for one, other, out in zip(found, exact, far, strict=True)]
    return torch.tensor(found, dtype=torch.float64)


def _plain_spread(x: Tensor, norm: Tensor, mean: Tensor) -> list[float]:
    found = _by_ratio(norm, mean, x.shape[1])
    if all(found):
        return found
    apart = _from_first(x)
    near = _by_ratio(slice_norms(apart, len(x)), mean_example(apart), x.shape[1])
    if not all(near):  # the first example is far from the others, or all are the same
        norms = slice_norms(apart.sub_(mean_example(apart)[:, None]), len(x)).tolist()
        near = [one or other for one, other in zip(near, norms, strict=True)]
    return [one or other for one, other in zip(found, near, strict=True)]


def effective_rank(x: Tensor) -> Tensor:
    """Return the effective rank of the first examples of x (run, example, entry), centred, float64 (run,).

    From 1 to the number of examples less 1; NaN where they are all the same.
    """
    x = _first(x, x.shape[2])
    centred = _unit_scale(_centred(_unit_scale(x)))
    turned = centred.transpose(1, 2)
    gram = torch.bmm(centred, turned) if x.shape[1] <= x.shape[2] else torch.bmm(turned, centred)
    return gram.diagonal(dim1=1, dim2=2).sum(1).double().square() / _squared_norms(gram)


def gradient_coherence(h: Tensor, delta: Tensor) -> Tensor:
    """Return how far the first examples' gradients of W agree, for z = W h, float64 (run,).

    `h` (run, example, ..., fan_in) and `delta` (run, example, ..., fan_out), of any scale: 1 where all are the same, 1
    over the number of examples where they are orthogonal, less where they cancel; NaN where all are zero. An example
    with several positions has one gradient, the sum over them.
    """
    h, delta = (x.flatten(2, -2) if x.ndim > 3 else x.unsqueeze(2) for x in (h, delta))
    size = h.shape[2] * (h.shape[3] + delta.shape[3])
    h, delta = (_unit_scale(_first(x, size)).to(delta.dtype if delta.element_size() > 4 else torch.float32)
                for x in (h, delta))  # (run, example, position, unit)  # fmt: skip
    examples = h.shape[1]
    own = _squared_product(h.flatten(0, 1), delta.flatten(0, 1)).view(-1, examples)  # (run, example)
    together = _squared_product(h.flatten(1, 2), delta.flatten(1, 2))  # (run,)
    return (together / (examples * own.sum(1))).clamp(0.0, 1.0)


def _squared_product(h: Tensor, delta: Tensor) -> Tensor:
    """Return |delta^T h|^2 of h (slice, row, fan_in) and delta (slice, row, fan_out), float64 (slice,)."""
    rows, fan_in, fan_out = h.shape[1], h.shape[2], delta.shape[2]
    if rows == 1:
        return _squared_norms(h) * _squared_norms(delta)
    if rows * (fan_in + fan_out) > fan_in * fan_out:
        return _squared_norms(torch.bmm(delta.transpose(1, 2), h))
    pairs = [torch.bmm(x, x.transpose(1, 2)) for x in (h, delta)]  # of rows: smaller than the product
    return (pairs[0] * pairs[1]).sum((1, 2), dtype=torch.float64)


def _squared_norms(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=(1, 2), dtype=torch.float64).square()  # (slice,)


def _by_ratio(norm: Tensor, mean: Tensor, examples: int) -> list[float]:
    """Return the spread where it is a fair part of the norm, and 0 where rounding could be taken for it."""
    means = torch.linalg.vector_norm(mean, dim=1, dtype=torch.float64).tolist()
    rests = [
        1.0 - examples * (each / whole) ** 2 if whole else 0.0 for each, whole in zip(means, norm.tolist(), strict=True)
    ]
    return [
        whole * math.sqrt(rest) if rest > _FROM_RATIO else 0.0 for whole, rest in zip(norm.tolist(), rests, strict=True)
    ]


def _first(x: Tensor, entries: int) -> Tensor:
    return x[:, : max(min(MOST, MOST_ENTRIES // max(entries, 1)), 2)]


def _from_first(x: Tensor) -> Tensor:
    # Exact where examples are close; their mean is then small as well.
    x = x.float() if x.element_size() < 4 else x
    return x - x[:, :1]


def _centred(x: Tensor) -> Tensor:
    apart = _from_first(x)
    return apart.sub_(mean_example(apart)[:, None])


def _scaled_spread(x: Tensor) -> Tensor:
    x = x.double()
    exponent = exponents(x.abs().amax((1, 2)))
    return slice_norms(_centred(x * torch.exp2(-exponent)[:, None, None]), len(x)) * torch.exp2(exponent)


def _unit_scale(x: Tensor) -> Tensor:
    """Return x, at least float32, by a power of two such that no product of its entries under- or overflows."""
    largest = x.abs().flatten(1).amax(1).double()  # (run,)
    x = x.float() if x.element_size() < 4 else x
    plain = (largest > _PLAIN[0]) & (largest < _PLAIN[1])
    if x.device.type == "cpu" and bool(plain.all()):
        return x
    scale = torch.exp2(torch.where(plain, 0.0, -exponents(largest)))
    return (x.double() * scale.reshape(-1, *[1] * (x.ndim - 1))).to(x.dtype)
