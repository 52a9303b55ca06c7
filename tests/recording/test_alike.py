"""How far examples differ: the functions by themselves, against closed forms and over the whole range of numbers."""

import math
from typing import Any

import numpy as np
import pytest
import reference
import torch
from comparison import to_array
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vanishlab.recording.alike import MOST, effective_rank, gradient_coherence, mean_example, spread
from vanishlab.recording.norms import slice_norms


def share_of(x: Tensor) -> np.ndarray:
    """Of x (run, example, entry), (run,)."""
    norm = slice_norms(x, len(x))
    return ((spread(x, norm, mean_example(x)) / norm) ** 2).numpy()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_each_is_its_definition_in_numpy() -> None:
    x, delta = drawn(3, 17, 5) + drawn(3, 1, 5, seed=1), drawn(3, 17, 4, seed=2)
    for run in range(3):
        of_run = [value[run].item() for value in (effective_rank(x), gradient_coherence(x, delta))]
        wanted = (
            reference.effective_rank(to_array(x[run])),
            reference.gradient_coherence(*map(to_array, (x[run], delta[run]))),
        )
        np.testing.assert_allclose(of_run, wanted, rtol=1e-12)
        assert share_of(x)[run] == pytest.approx(reference.distinct_share(to_array(x[run])), rel=1e-12)


@given(st.integers(2, 40), st.integers(1, 9), st.sampled_from([0.0, 1e-14, 1e-8, 1e-3, 0.3, 1.0, 30.0]), st.booleans())
def test_the_share_is_exact_however_little_the_examples_differ(n: int, d: int, size: float, outlier: bool) -> None:
    x = 1.0 + size * drawn(1, n, d, seed=n)
    if outlier:  # the first example, from which the others are subtracted
        x[:, 0] += 5.0
    # Of the rounded numbers: in integers of any length.
    exact = np.array([[int(math.ldexp(float(entry), 60)) for entry in row] for row in x[0]], dtype=object)
    apart = n * exact - exact.sum(axis=0)
    wanted = int((apart**2).sum()) / int((n * n * exact**2).sum())
    assert share_of(x)[0] == pytest.approx(wanted, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_equal_examples_have_a_share_of_exactly_zero_and_no_rank(dtype: torch.dtype) -> None:
    # 513 thirds: their float32 mean is not a third.
    x = (drawn(1, 1, 7) / 3).to(dtype).expand(2, 513, 7)
    assert share_of(x).tolist() == [0.0, 0.0] and torch.isnan(effective_rank(x)).all()


SCALES = [(torch.float64, power) for power in (-1040, -300, -60, 60, 300, 1010)]
SCALES += [(torch.float32, power) for power in (-149, -60, 60, 115)]


@pytest.mark.parametrize(("dtype", "power"), SCALES)
@pytest.mark.parametrize("alike", [0, 1000])
def test_no_scale_changes_anything(dtype: torch.dtype, power: int, alike: int) -> None:
    # Whole numbers, so that even the smallest subnormal one holds them.
    x, delta = (torch.round(16 * drawn(2, 12, 6, seed=seed) + shift) for seed, shift in ((0, alike), (3, 0)))
    large = torch.ldexp(torch.ldexp(x, torch.tensor(power // 2)), torch.tensor(power - power // 2)).to(dtype)
    plain, delta = x.to(dtype), delta.to(dtype)
    relative = 1e-12 if dtype == torch.float64 else 1e-5  # rounding, times ten where one less a ratio was taken
    np.testing.assert_allclose(share_of(large), share_of(plain), rtol=relative)
    np.testing.assert_allclose(effective_rank(large), effective_rank(plain), rtol=relative)
    np.testing.assert_allclose(gradient_coherence(large, delta), gradient_coherence(plain, delta), rtol=relative)
    np.testing.assert_allclose(gradient_coherence(delta, large), gradient_coherence(delta, plain), rtol=relative)


def test_the_rank_of_equal_directions_is_their_number() -> None:
    for directions in (1, 2, 5):
        x = torch.zeros(1, 2 * directions, 9, dtype=torch.float64)
        for place in range(directions):
            x[0, 2 * place, place], x[0, 2 * place + 1, place] = 1.0, -1.0
        assert float(effective_rank(x + 3.0)) == pytest.approx(directions, rel=1e-12)


@pytest.mark.parametrize("positions", [1, 3, 40])
def test_equal_examples_speak_with_one_voice_and_orthogonal_ones_are_strangers(positions: int) -> None:
    shape = (positions,) if positions > 1 else ()
    h = drawn(1, 1, *shape, 30).expand(1, 6, *shape, 30)
    delta = drawn(1, 1, *shape, 4, seed=1).expand(1, 6, *shape, 4)
    assert float(gradient_coherence(h, delta)) == pytest.approx(1.0, rel=1e-12)
    apart = torch.linalg.qr(drawn(30, 30)).Q[:6].reshape(1, 6, *[1] * len(shape), 30).expand(1, 6, *shape, 30)
    assert float(gradient_coherence(apart, delta)) == pytest.approx(1 / 6, rel=1e-12)
    signs = torch.tensor([1.0, -1.0] * 3, dtype=torch.float64).reshape(1, 6, *[1] * (len(shape) + 1))
    assert float(gradient_coherence(h, signs * delta)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("positions", "fan_in", "fan_out"), [(1, 3, 200), (4, 5, 6), (9, 3, 2), (2, 60, 50)])
def test_an_example_has_one_gradient_over_all_its_positions(positions: int, fan_in: int, fan_out: int) -> None:
    h, delta = drawn(2, 8, positions, fan_in), drawn(2, 8, positions, fan_out, seed=1)
    gradients = torch.einsum("rapi,rapj->raij", delta, h)
    wanted = gradients.mean(1).square().sum((1, 2)) / gradients.square().sum((2, 3)).mean(1)
    np.testing.assert_allclose(gradient_coherence(h, delta), wanted, rtol=1e-12)


def test_the_first_examples_stand_for_a_large_batch() -> None:
    x, delta = drawn(1, 3 * MOST, 6), drawn(1, 3 * MOST, 4, seed=1)
    assert torch.equal(effective_rank(x), effective_rank(x[:, :MOST]))
    assert torch.equal(gradient_coherence(x, delta), gradient_coherence(x[:, :MOST], delta[:, :MOST]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_gives_nan(bad: Any) -> None:
    x = drawn(2, 5, 3)
    x[0, 1, 1] = bad
    for values in (share_of(x), effective_rank(x).numpy(), gradient_coherence(x, drawn(2, 5, 2)).numpy()):
        assert np.isnan(values[0]) and np.isfinite(values[1])


def test_a_run_has_the_same_bits_whatever_stands_beside_it() -> None:
    x, delta = drawn(4, 200, 33).float(), drawn(4, 200, 21, seed=1).float()
    x[1] += 1e4
    x[2] *= 1e-30
    for run in range(4):
        alone, beside = x[run : run + 1], delta[run : run + 1]
        assert share_of(alone)[0] == share_of(x)[run]
        assert effective_rank(alone)[0] == effective_rank(x)[run]
        assert gradient_coherence(alone, beside)[0] == gradient_coherence(x, delta)[run]
