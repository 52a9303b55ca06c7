"""Norms at the edges of every dtype, against sums that cannot underflow: `math.hypot` of the entries' exact values."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vanishlab.recording.norms import joint_norm, lost_fractions, slice_norms

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
TINIEST = 5e-324  # the smallest positive float64: no norm below its normal range can be closer than half of this
# float32 sums of 256 squares err by 16 roundings of 6e-8 at the most; float64 ones by less than 1e-13.
TOLERANCE = {torch.float16: 1e-6, torch.bfloat16: 1e-6, torch.float32: 1e-6, torch.float64: 1e-12}


def exact_norm(x: torch.Tensor) -> float:
    return math.hypot(*x.double().flatten().tolist())


def assert_right(norm: float, x: torch.Tensor) -> None:
    expected = exact_norm(x)
    if math.isfinite(expected):
        assert abs(norm - expected) <= TOLERANCE[x.dtype] * expected + TINIEST, (norm, expected)
    else:
        assert norm == expected


def test_the_checks_notice_a_norm_that_is_off() -> None:
    x = torch.tensor([3.0, 4.0])
    assert exact_norm(x) == 5.0
    assert_right(5.0, x)
    for wrong in (5.00001, 4.99999, 0.0, math.inf, math.nan):
        with pytest.raises(AssertionError):
            assert_right(wrong, x)


@pytest.mark.parametrize(
    ("dtype", "entry"),
    [
        *((torch.float32, entry) for entry in (1e-25, 1e-40, 1.4e-45, 1e-19, 1.0, 1e19, 1e30, 3.4e38)),
        *((torch.float16, entry) for entry in (6e-8, 1e-7, 1.0, 6e4, 65504.0)),
        *((torch.bfloat16, entry) for entry in (9.2e-41, 1e-40, 1e-30, 1e-7, 6e4, 1e19, 3.38e38)),
        *((torch.float64, entry) for entry in (5e-324, 1e-320, 1e-310, 1e-160, 1.0, 1e160, 1e300, 1e306)),
    ],
    ids=lambda value: str(value),
)
def test_ten_thousand_equal_entries_have_a_hundred_times_their_norm(dtype: torch.dtype, entry: float) -> None:
    x = torch.full((10_000,), entry, dtype=dtype)
    (norm,) = slice_norms(x, 1).tolist()
    # 1e-6, as the module says; relative to what the dtype makes of the entry. 100 * entry is exact even at 5e-324.
    assert norm == pytest.approx(100 * float(x[0]), rel=1e-6, abs=0)


def test_a_norm_beyond_float64_is_infinite_and_one_just_inside_is_not() -> None:
    entries = torch.full((2, 4), 1.7e308, dtype=torch.float64)
    entries[1] /= 2
    assert slice_norms(entries, 2).tolist() == [math.inf, 1.7e308]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("entries", [1, 255, 256, 257, 1000])
def test_whole_numbers_give_the_exact_root_for_every_length(dtype: torch.dtype, entries: int) -> None:
    x = torch.ones(3, entries, dtype=dtype)
    # Sums of ones are exact in every dtype used here, so only the root rounds.
    np.testing.assert_allclose(slice_norms(x, 3), [math.sqrt(entries)] * 3, rtol=1e-7)


def values_of(dtype: torch.dtype) -> st.SearchStrategy[float]:
    """Finite values of the dtype from all over its range, subnormals and both signs included."""
    limits = torch.finfo(dtype)
    smallest = math.log2(limits.tiny * limits.eps)
    largest = math.log2(limits.max)
    anywhere = st.builds(
        lambda sign, exponent, mantissa: sign * mantissa * 2.0**exponent,
        st.sampled_from([-1.0, 1.0]),
        st.integers(math.ceil(smallest), math.floor(largest) - 1),
        st.floats(1.0, 2.0, exclude_max=True),
    )
    corners = st.sampled_from([0.0, limits.tiny, -limits.tiny, limits.tiny * limits.eps, limits.max, limits.min, 1.0])
    return st.one_of(anywhere, corners)


@st.composite
def stacks(draw: st.DrawFn) -> tuple[torch.Tensor, int]:
    """A tensor of several slices, each a mixture of a few drawn values, in one of several memory layouts."""
    dtype = draw(st.sampled_from(DTYPES))
    palette = draw(st.lists(values_of(dtype), min_size=1, max_size=5))
    slices = draw(st.integers(1, 4))
    rows, columns = draw(st.integers(1, 40)), draw(st.sampled_from([1, 2, 7, 16, 40]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = generator.dirichlet(np.full(len(palette), 0.3))  # often one value rules, so that it decides the scale
    chosen = generator.choice(palette, size=(slices, rows, columns), p=weights)
    x = torch.from_numpy(chosen).to(dtype)
    layout = draw(st.sampled_from(["contiguous", "transposed", "every other", "flat", "four axes"]))
    if layout == "transposed":
        x = x.transpose(1, 2).contiguous().transpose(1, 2)
    elif layout == "every other":
        x = x.repeat_interleave(2, dim=2)[:, :, ::2]
    elif layout == "flat":
        x = x.flatten()
    elif layout == "four axes":
        x = x[:, :, None, :]
    return x, slices


@settings(max_examples=150)
@given(stacks())
def test_the_norm_is_right_for_any_mixture_of_huge_and_tiny_entries(stack: tuple[torch.Tensor, int]) -> None:
    x, slices = stack
    norms = slice_norms(x, slices)
    assert norms.shape == (slices,) and norms.dtype == torch.float64
    for norm, part in zip(norms.tolist(), x.reshape(slices, -1), strict=True):
        assert_right(norm, part)


@settings(max_examples=150)
@given(stacks())
def test_a_slices_norm_has_the_same_bits_alone_and_in_company(stack: tuple[torch.Tensor, int]) -> None:
    x, slices = stack
    x = x.reshape(slices, -1, 1) if x.ndim == 1 else x
    norms = slice_norms(x, slices)
    for run in range(slices):
        assert slice_norms(x[run : run + 1], 1)[0] == norms[run]


@settings(max_examples=150)
@given(stacks())
def test_lost_fractions_count_the_zeros_and_the_subnormals(stack: tuple[torch.Tensor, int]) -> None:
    x, slices = stack
    zeros, subnormals = lost_fractions(x, slices)
    tiny = torch.finfo(x.dtype).tiny
    for run, part in enumerate(x.double().reshape(slices, -1).abs().numpy()):
        assert float(zeros[run]) == np.mean(part == 0)
        assert float(subnormals[run]) == np.mean((part > 0) & (part < tiny))


@given(st.lists(st.floats(0.0, 1e307), min_size=1, max_size=6))
def test_joint_norm_is_the_norm_of_the_parts_laid_end_to_end(norms: list[float]) -> None:
    (joint,) = joint_norm([torch.tensor([norm], dtype=torch.float64) for norm in norms]).tolist()
    squares = sum((Fraction(norm) ** 2 for norm in norms), Fraction(0))
    # The root of a fraction, by whole numbers: floor(sqrt(q) 2^1200) / 2^1200 is exact far below the last bit.
    expected = math.isqrt(int(squares * 4**1200)) / 2**1200
    assert abs(joint - expected) <= 1e-14 * expected + TINIEST  # six float64 roundings


def test_joint_norm_keeps_runs_apart_and_passes_nan_and_infinity_on() -> None:
    parts = [torch.tensor([3.0, math.nan, math.inf, 0.0]), torch.tensor([4.0, 1.0, 1.0, 0.0])]
    joint = joint_norm([part.double() for part in parts]).tolist()
    assert joint[0] == 5.0 and math.isnan(joint[1]) and joint[2:] == [math.inf, 0.0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_nan_gives_nan_infinity_gives_infinity_and_neither_touches_the_other_slices(dtype: torch.dtype) -> None:
    x = torch.ones(6, 300, dtype=dtype)
    x[1, 7] = math.nan
    x[2, 299] = math.inf
    x[3, 0] = -math.inf
    x[4, :2] = torch.tensor([math.nan, math.inf])
    norms = slice_norms(x, 6).tolist()
    assert norms[0] == norms[5] == pytest.approx(math.sqrt(300), rel=1e-7)
    assert math.isnan(norms[1]) and math.isnan(norms[4])
    assert norms[2] == norms[3] == math.inf


def test_an_empty_slice_has_norm_zero_and_no_lost_entries() -> None:
    empty = torch.ones(3, 0)
    assert slice_norms(empty, 3).tolist() == [0.0, 0.0, 0.0]
    assert [part.tolist() for part in lost_fractions(empty, 3)] == [[0.0] * 3] * 2


def test_all_zero_is_zero_exactly() -> None:
    assert slice_norms(torch.zeros(2, 1000), 2).tolist() == [0.0, 0.0]
    assert [part.tolist() for part in lost_fractions(torch.zeros(2, 1000), 2)] == [[1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("factor", [2.0**-120, 2.0**-60, 2.0**60, 2.0**110])
def test_scaling_by_a_power_of_two_scales_the_norm(factor: float) -> None:
    x = torch.randn(2, 3000, generator=torch.Generator().manual_seed(0))
    # 1e-6: the plain and the scaled path may round differently, each within its bound.
    np.testing.assert_allclose(slice_norms(x * factor, 2), slice_norms(x, 2) * factor, rtol=1e-6)


def test_the_norm_of_what_still_has_a_graph_carries_none_itself() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    assert not slice_norms(x * 2, 2).requires_grad
    assert not any(part.requires_grad for part in lost_fractions(x * 2, 2))
