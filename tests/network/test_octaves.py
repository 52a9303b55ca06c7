"""Entries by octave: against Python's own exponents and log2, and against what autograd hands on."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

import vanishlab as vl
from vanishlab.network.octaves import counted_octaves, octaves_of

DIGITS = vl.load_data("digits", max_examples=24)


def plain_count(values: Any) -> Counter[int]:
    return Counter(math.frexp(abs(value))[1] - 1 for value in np.asarray(values, dtype=float).ravel() if value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_every_number_lies_in_its_octave(dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    edges = torch.tensor(
        [info.max, info.tiny, info.smallest_normal * info.eps, 1.0, 2.0, -0.5, -0.75, 0.0], dtype=dtype
    )
    found, zeros, lost = counted_octaves(torch.cat([edges, torch.tensor([math.inf, math.nan], dtype=dtype)]))
    assert (found, zeros, lost) == (plain_count(edges.double()), 1, 2)
    assert min(found) == round(math.log2(info.smallest_normal * info.eps))  # the smallest subnormal number there is


def test_layers_share_their_octaves_and_shares_add_up_to_one() -> None:
    found = octaves_of([torch.tensor([1.0, 0.0, 4.0, 4.0]), torch.tensor([0.25, math.inf])])
    assert found.exponent.tolist() == [-2, -1, 0, 1, 2]
    assert found.share.tolist() == [[0, 0, 0.25, 0, 0.5], [0.5, 0, 0, 0, 0]]
    assert found.zero.tolist() == [0.25, 0.0] and found.not_finite.tolist() == [0.0, 0.5]
    nothing = octaves_of([torch.zeros(3)])
    assert nothing.share.shape == (1, 0) and nothing.zero.tolist() == [1.0]


@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_what_is_counted_is_what_autograd_and_a_record_have(normalization: Any) -> None:
    network = vl.NetworkConfig(3, 5, "relu", "kaiming_normal", normalization=normalization, dtype="float64")
    model = vl.MLP(network, 64, 10, (3, 4))
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    found = vl.layer_octaves(model, DIGITS.x, DIGITS.y, run=1)
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    weights = [layer.weight for layer in model.linear_layers]
    logits = model(torch.from_numpy(DIGITS.x))
    loss = torch.nn.functional.cross_entropy(logits[1], torch.from_numpy(DIGITS.y))
    gradients = [gradient[1] for gradient in torch.autograd.grad(loss, weights)]
    deltas = [delta[1] for delta in vl.per_example_deltas(model, DIGITS.x, DIGITS.y)]
    expected = {"delta": deltas, "gradient": gradients, "weight": [weight[1].detach() for weight in weights]}
    for name, layers in expected.items():
        for place, values in enumerate(layers):
            counts = dict(zip(found[name].exponent.tolist(), found[name].share[place] * values.numel(), strict=True))
            large = values[values.abs() > 1e-9 * values.abs().max()]  # below, sums in another order round elsewhere
            low = min(plain_count(large))
            assert {e: round(n) for e, n in counts.items() if n and e > low} == {
                e: n for e, n in plain_count(large).items() if e > low
            }
    zero = float((torch.relu(logits[1]) == 0).double().mean())
    assert 0 <= zero <= 1 and found["activation"].zero[0] > 0.2  # of ReLU's activations about half are 0


def test_a_run_that_is_not_there_is_refused() -> None:
    model = vl.MLP(vl.NetworkConfig(1, 3), 64, 10, (0,))
    with pytest.raises(vl.InputError, match="run must be at most 0, got 1"):
        vl.layer_octaves(model, DIGITS.x, DIGITS.y, run=1)
