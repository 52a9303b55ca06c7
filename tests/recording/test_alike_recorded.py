"""What is recorded of how far examples differ: on networks with closed forms, and on models nobody here made."""

import math
from typing import Any

import numpy as np
import pytest
import reference
import torch
from comparison import to_array
from torch import Tensor, nn

import vanishlab as vl
from vanishlab.recording.hooks.schedule import Schedule


def recorded(model: nn.Module, *batches: Tensor) -> vl.Record:
    """One step over `batches`, the loss of each its mean square."""
    optimizer = torch.optim.SGD(model.parameters(), 0.0)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for x in batches:
            (model(x) - 1.0).square().mean().backward()
        optimizer.step()
    return recorder.record


def linear(weight: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float64)
    made.weight = nn.Parameter(weight)
    return made


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_an_orthogonal_linear_network_keeps_the_share_and_the_rank_of_its_input() -> None:
    x = drawn(40, 8) + 2.0
    record = recorded(nn.Sequential(*[linear(torch.linalg.qr(drawn(8, 8, seed=layer)).Q) for layer in range(12)]), x)
    np.testing.assert_allclose(record.distinct_share[0, 0], reference.distinct_share(to_array(x)), rtol=1e-12)
    np.testing.assert_allclose(record.effective_rank[0, 0], reference.effective_rank(to_array(x)), rtol=1e-10)


def test_a_network_of_rank_one_has_one_direction_and_no_share_where_it_sees_none() -> None:
    x = drawn(30, 6)
    along = x @ torch.ones(6, dtype=torch.float64)
    rank_one = linear(torch.outer(drawn(5, seed=1), torch.ones(6, dtype=torch.float64)))
    record = recorded(nn.Sequential(rank_one, linear(drawn(3, 5, seed=2))), x)
    np.testing.assert_allclose(record.effective_rank[0, 0], 1.0, rtol=1e-12)
    wanted = float((along - along.mean()).square().sum() / along.square().sum())
    np.testing.assert_allclose(record.distinct_share[0, 0], wanted, rtol=1e-10)
    same = recorded(nn.Sequential(rank_one, linear(drawn(3, 5, seed=2))), (x - along[:, None] / 6) + 1.0)
    assert (same.distinct_share < 1e-28).all(), "examples that differ only where the layer does not look"


def test_equal_correlations_under_a_wide_relu_follow_the_arc_cosine_kernel() -> None:
    """E phi(u) phi(v) = (sqrt(1 - c^2) + (pi - acos c) c) / 2 pi for standard u, v of correlation c (Cho and Saul)."""
    n, c = 40, 0.6
    gram = torch.full((n, n), c, dtype=torch.float64).fill_diagonal_(1.0)
    x = math.sqrt(n) * torch.linalg.cholesky(gram)  # so that <x_a, x_b> / n = gram
    width = 60_000
    record = recorded(
        nn.Sequential(linear(drawn(width, n) / math.sqrt(n)), nn.ReLU(), linear(drawn(1, width) / 250)), x
    )
    alike = (math.sqrt(1 - c**2) + (math.pi - math.acos(c)) * c) / math.pi  # over E phi^2 = 1/2
    wanted = (1 - alike) * (1 - 1 / n)
    # Five standard errors of an average over the units, of a share whose spread over units is about 1.
    assert record.distinct_share[0, 0, 0] == pytest.approx(wanted, abs=5 / math.sqrt(width))


class Tokens(nn.Module):
    """A convolution over positions, then a linear layer at each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv1d(3, 4, 3, dtype=torch.float64), nn.Linear(4, 5, dtype=torch.float64)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        h = self.convolution(x).transpose(1, 2)  # (example, position, channel)
        z = self.linear(h)
        for each in (h, z):
            each.retain_grad()
        self.seen = [h, z]
        return z.mean(1).square()


def test_an_example_is_its_whole_tensor_and_has_one_gradient() -> None:
    torch.manual_seed(0)
    model = Tokens()
    record = recorded(model, drawn(9, 3, 7))
    for layer, z in enumerate(model.seen):
        assert z.grad is not None
        h, delta = (to_array(each).reshape(9, -1) for each in (z, z.grad))
        assert record.distinct_share[0, 0, layer] == pytest.approx(reference.distinct_share(h), rel=1e-12)
        assert record.delta_distinct_share[0, 0, layer] == pytest.approx(reference.distinct_share(delta), rel=1e-12)
        assert record.effective_rank[0, 0, layer] == pytest.approx(reference.effective_rank(h), rel=1e-12)
    h, z = model.seen
    assert z.grad is not None
    each = torch.einsum("atj,ati->aij", h.detach(), z.grad)
    wanted = float(each.mean(0).square().sum() / each.square().sum((1, 2)).mean())
    assert record.gradient_coherence[0, 0, 1] == pytest.approx(wanted, rel=1e-12)
    assert np.isnan(record.gradient_coherence[0, 0, 0]), "a convolution's gradient is a sum over positions"


def test_several_passes_add_their_shares_and_average_their_ranks() -> None:
    model, batches = linear(drawn(4, 6)), (drawn(5, 6, seed=1) + 3, drawn(11, 6, seed=2))
    both, (one, other) = recorded(model, *batches), [recorded(model, batch) for batch in batches]
    energy = [float(model(batch).detach().square().sum()) for batch in batches]
    shares = [float(each.distinct_share[0, 0, 0]) for each in (one, other)]
    assert both.distinct_share[0, 0, 0] == pytest.approx(np.dot(shares, energy) / sum(energy), rel=1e-12)
    for name in ("effective_rank", "gradient_coherence"):
        values = [float(getattr(each, name)[0, 0, 0]) for each in (one, other)]
        assert getattr(both, name)[0, 0, 0] == pytest.approx(np.mean(values), rel=1e-12)


def test_a_single_example_differs_from_none() -> None:
    record = recorded(linear(drawn(4, 6)), drawn(1, 6))
    for name in ("distinct_share", "delta_distinct_share", "effective_rank", "gradient_coherence"):
        assert np.isnan(getattr(record, name)).all(), name
    assert np.isfinite(record.delta_rms).all()


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_fused_recurrent_layers_examples_are_sequences(kind: Any) -> None:
    torch.manual_seed(0)

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent = kind(3, 4, batch_first=True, dtype=torch.float64)

        def forward(self, x: Tensor) -> Tensor:
            self.states = self.recurrent(x)[0]
            return self.states[:, -1]

    model = Last()
    record = recorded(model, drawn(6, 5, 3))
    wanted = reference.distinct_share(to_array(model.states).reshape(6, -1))
    np.testing.assert_allclose(record.distinct_share[0, 0], wanted, rtol=1e-12)
    assert np.isfinite(record.delta_distinct_share).all()


def test_close_looks_are_at_the_first_steps_then_ever_rarer_and_at_the_last() -> None:
    schedule = Schedule(1, 1000)
    due = [step for step in range(1001) if schedule.looks_closely(step)]
    assert due[:5] == [0, 1, 2, 4, 7] and due[-1] == 1000
    later = np.array([step for step in due if step >= 10], dtype=float)
    assert len(later) <= 12 and (later[1:] / later[:-1] < 1.7).all()
