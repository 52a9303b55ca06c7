"""How sharp a softmax inside a model is, that of attention: a row with one weight near 1 passes no gradient on."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FUNCTIONS = ("softmax", "scaled_dot_product_attention", "multi_head_attention_forward")
"""The functions looked at, by name."""
_FLAT = 0.0025
"""1 % of the largest slope of p that softmax has, p (1 - p) at 1/2."""
_LEAST_ROW = 4
_EXAMPLES = 4


def sharp_share(function: Callable[..., Any], args: Any, kwargs: Any, made: Any) -> float | None:
    """Return the share of rows whose largest weight p has a slope p (1 - p) below 1 % of what it could be.

    Of `function`, one of `FUNCTIONS`, which made `made` of its arguments. Attention is computed once more, for four
    examples. None where rows are shorter than four, of which masks may leave one entry in many, and for a softmax of
    one row an example, which is an answer and no attention.
    """
    with torch.no_grad():
        name = getattr(function, "__name__", "")
        if name == "multi_head_attention_forward":
            weights = function(*args, **kwargs | {"need_weights": True, "average_attn_weights": False})[1]
        elif name == "scaled_dot_product_attention":
            weights = _attention(*args, **kwargs)
        else:
            weights = made if isinstance(made, Tensor) and made.ndim > 2 and _is_last(made, args, kwargs) else None
        if weights is None or weights.shape[-1] < _LEAST_ROW or not weights.numel():
            return None
        largest = weights.amax(-1).float()
        return float((largest * (1.0 - largest) < _FLAT).float().mean())


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **others: Any,
) -> Tensor:
    query, key = query.detach()[:_EXAMPLES], key.detach()[:_EXAMPLES]
    if query.ndim > 3 and key.shape[-3] != query.shape[-3]:  # several heads of queries share one of keys
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    scores = (query @ key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        mask = attn_mask[:_EXAMPLES] if attn_mask.ndim == query.ndim else attn_mask
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return functional.softmax(scores.float(), -1)


def _is_last(made: Tensor, args: Any, kwargs: Any) -> bool:
    axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
    return axis in (-1, made.ndim - 1)
