"""Attention whose softmax puts all weight on one entry: seen in each way to write it, and where it is an illness."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.analysis.looks.attention import sharp_share


class Attention(nn.Module):
    """One head with its own projections, behind a residual stream; `attend` is how it is written."""

    def __init__(self, attend: Callable[[Tensor, Tensor, Tensor], Tensor], factor: float) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(16, 16) for _ in range(3))
        self.attend = attend
        with torch.no_grad():
            self.q_proj.weight *= factor

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attend(self.q_proj(x), self.k_proj(x), self.v_proj(x))


class Model(nn.Module):
    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.embedding, self.attention, self.head = nn.Linear(8, 16), attention, nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embedding(x)
        return self.head(self.attention(h).mean(1))


def eager(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), dim=-1) @ v


def method(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


class Packed(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(16, 2, batch_first=True)
        with torch.no_grad():
            self.inner.in_proj_weight[:16] *= factor

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x, x, x, need_weights=False)[0]


def saturated(attention: nn.Module) -> list[tuple[str, ...]]:
    torch.manual_seed(1)
    model, batch = Model(attention), (torch.randn(32, 12, 8), torch.arange(32) % 3)
    found = vl.examine(model, functional.cross_entropy, batch)
    return [each.layers for each in found.verdicts if (each.name, each.cause) == ("saturated", "softmax")]


@pytest.mark.parametrize("attend", [eager, method, fused])
def test_sharp_attention_is_found_with_its_projections(attend: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    assert saturated(Attention(attend, 1.0)) == []
    (layers,) = saturated(Attention(attend, 3000.0))
    assert layers == ("attention.q_proj", "attention.k_proj", "attention.v_proj")


def test_sharp_attention_is_found_in_torchs_own_module() -> None:
    torch.manual_seed(0)
    assert saturated(Packed(1.0)) == []
    (layers,) = saturated(Packed(3000.0))
    assert layers == ("attention.inner.in_proj_weight", "attention.inner.out_proj")


def test_sharp_attention_in_a_model_that_has_learned_is_no_illness() -> None:
    torch.manual_seed(0)
    model, x = Model(Attention(eager, 3000.0)), torch.randn(32, 12, 8)
    y = model(x).argmax(1)  # its own answers: nothing is left to learn
    model.head.weight.data *= 20.0
    model.head.bias.data *= 20.0
    found = vl.examine(model, functional.cross_entropy, (x, y))
    assert "softmax" not in [each.cause for each in found.verdicts]


def test_attention_once_more_is_what_torch_computes() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 6, 4, dtype=torch.float64) for _ in range(3))
    allowed = torch.rand(6, 6) < 0.7
    allowed.fill_diagonal_(True)
    added = torch.randn(2, 1, 6, 6, dtype=torch.float64)
    ways: Any = ({}, {"is_causal": True}, {"attn_mask": allowed}, {"attn_mask": added}, {"scale": 7.0})
    for options in ways:
        # With the identity for values, attention returns its weights.
        weights = functional.scaled_dot_product_attention(
            q, k, torch.eye(6, dtype=torch.float64).expand(2, 3, 6, 6), **options
        )
        largest = weights.amax(-1)
        expected = float((largest * (1 - largest) < 0.0025).float().mean())
        assert sharp_share(functional.scaled_dot_product_attention, (q, k, v), options, None) == expected
    shared = functional.scaled_dot_product_attention, (q, k[:, :1], v[:, :1])
    assert sharp_share(*shared, {"enable_gqa": True}, None) is not None


class Mapped(nn.Module):
    """Attention and an activation of one example at a time, where no tensor has a value to be had."""

    def __init__(self, attend: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.attend = nn.Linear(16, 16), attend

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(self.attend)(self.inner(x))


@pytest.mark.parametrize("attend", [
    lambda h: fused(h[None], h[None], h[None])[0], lambda h: eager(h, h, h), lambda h: torch.tanh(torch.relu(h)),
])  # fmt: skip
def test_a_model_that_maps_over_its_examples_is_looked_at_all_the_same(attend: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    batch = torch.randn(32, 12, 8), torch.arange(32) % 3
    assert "not finite" not in vl.examine(Model(Mapped(attend)), functional.cross_entropy, batch).names


@pytest.mark.parametrize("shape", [(8, 12), (8, 12, 3)])
def test_answers_and_short_rows_are_no_attention(shape: tuple[int, ...]) -> None:
    made = torch.zeros(shape)
    made[..., 0] = 1.0
    assert sharp_share(functional.softmax, (made,), {"dim": -1}, made) is None
