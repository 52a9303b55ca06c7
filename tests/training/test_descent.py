"""The update and its variants against closed forms, and `gradient_descent` on any objective."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch

import vanishlab as vl
from vanishlab.training.descent import Trajectory, accumulate, clip_factor, descend, rate_factor


def bowl(x: np.ndarray) -> np.ndarray:
    """The gradient of ||x||^2."""
    return 2 * x


@pytest.mark.parametrize("learning_rate", [1e-3, 0.1, 0.5, 0.7, 1.0])
def test_on_a_bowl_every_iteration_shrinks_x_by_the_same_factor(learning_rate: float) -> None:
    start = np.array([1.0, -2.0, 3.0])
    found = vl.gradient_descent(start, bowl, learning_rate=learning_rate, num_iterations=50)
    # 50 roundings of 1e-16 each, relative; 0.5 lands on 0 exactly.
    np.testing.assert_allclose(found, (1 - 2 * learning_rate) ** 50 * start, rtol=1e-13, atol=0)


def test_the_defaults_are_the_articles() -> None:
    found = vl.gradient_descent([1.0], bowl)
    np.testing.assert_allclose(found, [0.98**1000], rtol=1e-12, atol=0)  # 1,000 roundings of 1e-16


def test_a_quadratic_with_an_offset_converges_to_its_minimum() -> None:
    matrix, offset = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0])
    found = vl.gradient_descent([0.0, 0.0], lambda x: matrix @ x - offset, learning_rate=0.4, num_iterations=300)
    # The slower direction shrinks by 1 - 0.4 * 1.38 = 0.45 an iteration, so that rounding is what is left.
    np.testing.assert_allclose(found, np.linalg.solve(matrix, offset), rtol=1e-14)


@pytest.mark.parametrize(
    "start",
    [
        [1, -2],
        (1.0, -2.0),
        np.array([1, -2]),
        np.array([1, -2], dtype=np.float32),
        torch.tensor([1.0, -2.0]),
        np.array([[1.0], [-2.0]]),
    ],
    ids=["list", "tuple", "int array", "float32", "tensor", "matrix"],
)
def test_x_is_anything_array_like_and_the_answer_is_float64_of_its_shape(start: Any) -> None:
    found = vl.gradient_descent(start, bowl, learning_rate=0.25, num_iterations=1)
    assert isinstance(found, np.ndarray) and found.dtype == np.float64 and found.shape == np.shape(start)
    np.testing.assert_array_equal(found.ravel(), [0.5, -1.0])


@pytest.mark.parametrize("iterations", [0, 1, 2])
def test_a_single_number_stays_an_array_of_no_axes(iterations: int) -> None:
    found = vl.gradient_descent(4.0, bowl, learning_rate=0.25, num_iterations=iterations)
    assert isinstance(found, np.ndarray) and found.shape == () and found == 4.0 * 0.5**iterations


def test_x_is_never_modified_even_by_a_gradient_that_works_in_place() -> None:
    start = np.array([1.0, -2.0])
    buffer = np.empty(2)

    def in_place(x: np.ndarray) -> np.ndarray:
        np.multiply(x, 2, out=buffer)
        x[:] = math.nan  # as careless as it gets
        return buffer  # the same array every time

    found = vl.gradient_descent(start, in_place, learning_rate=0.25, num_iterations=3, return_trajectory=True)
    np.testing.assert_array_equal(start, [1.0, -2.0])
    np.testing.assert_array_equal(found.path, [[1, -2], [0.5, -1], [0.25, -0.5], [0.125, -0.25]])


def test_no_iterations_return_a_copy_of_the_start() -> None:
    start = np.array([1.0])
    found = vl.gradient_descent(start, bowl, num_iterations=0)
    found[0] = 7.0
    assert start[0] == 1.0


def test_the_callback_sees_every_iteration_before_its_update_and_cannot_disturb_it() -> None:
    seen: list[tuple[int, float, float]] = []

    def callback(iteration: int, x: np.ndarray, gradient: np.ndarray) -> None:
        seen.append((iteration, float(x[0]), float(gradient[0])))
        x[:] = gradient[:] = math.nan

    found = vl.gradient_descent([8.0], bowl, learning_rate=0.25, num_iterations=3, callback=callback)
    assert seen == [(0, 8.0, 16.0), (1, 4.0, 8.0), (2, 2.0, 4.0)]
    assert found[0] == 1.0


def test_the_trajectory_holds_the_start_and_every_point_after_it() -> None:
    found = vl.gradient_descent([8.0], bowl, learning_rate=0.25, num_iterations=3, return_trajectory=True)
    assert isinstance(found, Trajectory)
    np.testing.assert_array_equal(found.path, [[8.0], [4.0], [2.0], [1.0]])
    np.testing.assert_array_equal(found.x, [1.0])


def test_the_tolerance_stops_before_the_first_update_that_is_not_needed() -> None:
    asked: list[float] = []

    def gradient(x: np.ndarray) -> np.ndarray:
        asked.append(float(x[0]))
        return bowl(x)

    def run(tolerance: float) -> np.ndarray:
        return vl.gradient_descent(
            [8.0, 0.0], gradient, learning_rate=0.25, num_iterations=9, tolerance=tolerance, return_trajectory=True
        ).path[:, 0]

    np.testing.assert_array_equal(run(4.0), [8.0, 4.0, 2.0])
    assert asked == [8.0, 4.0, 2.0]  # the gradient at 2 is 4: at most the tolerance; nobody is asked again
    np.testing.assert_array_equal(run(3.999), [8.0, 4.0, 2.0, 1.0])
    np.testing.assert_array_equal(run(100.0), [8.0])
    assert len(run(0.0)) == 10


def test_a_gradient_of_exactly_zero_meets_a_tolerance_of_zero() -> None:
    found = vl.gradient_descent([8.0], bowl, learning_rate=0.5, num_iterations=9, tolerance=0.0, return_trajectory=True)
    np.testing.assert_array_equal(found.path, [[8.0], [0.0]])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_not_finite_stops_it_and_names_the_iteration(bad: float) -> None:
    def gradient(x: np.ndarray) -> np.ndarray:
        return np.array([1.0, bad]) if x[0] <= -3 else np.ones(2)

    with pytest.raises(vl.InputError, match="gradient must be finite, got NaN or infinity at iteration 3"):
        vl.gradient_descent([0.0, 0.0], gradient, learning_rate=1.0)


def test_a_learning_rate_far_too_large_ends_in_that_error_and_in_no_warning() -> None:
    with pytest.raises(vl.InputError, match=r"at iteration \d+; a smaller learning_rate than 10 may help"):
        vl.gradient_descent([1.0], lambda x: x, learning_rate=10, num_iterations=999)  # x grows ninefold: 1e308 at 323


def test_an_answer_that_overflows_in_the_last_update_is_told_as_well() -> None:
    with pytest.raises(vl.InputError, match="iteration 0"):
        vl.gradient_descent([1.0], lambda x: np.array([1e308]), learning_rate=100, num_iterations=1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 0}, "learning_rate must be greater than 0, got 0"),
        ({"learning_rate": -0.1}, "learning_rate must be greater than 0, got -0.1"),
        ({"learning_rate": math.nan}, "learning_rate must be finite, got nan"),
        ({"learning_rate": math.inf}, "learning_rate must be finite, got inf"),
        ({"learning_rate": "0.1"}, "learning_rate must be a number, got '0.1'"),
        ({"num_iterations": -1}, "num_iterations must be at least 0, got -1"),
        ({"num_iterations": 1.5}, "num_iterations must be a whole number, got 1.5"),
        ({"tolerance": -1e-9}, "tolerance must be at least 0, got -1e-09"),
        ({"tolerance": math.nan}, "tolerance must be finite, got nan"),
        ({"x": [0.0, math.nan]}, "x must be finite, got NaN or infinity"),
        ({"x": [math.inf]}, "x must be finite, got NaN or infinity"),
        ({"compute_gradient": lambda x: np.ones(3)}, "compute_gradient must return shape (2,), got (3,)"),
        ({"compute_gradient": lambda x: 1.0}, "compute_gradient must return shape (2,), got ()"),
    ],
)
def test_bad_arguments_are_told_in_one_line(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"x": [1.0, 2.0], "compute_gradient": bowl} | changed
    with pytest.raises(vl.InputError, match=f"^{re.escape(message)}$"):
        vl.gradient_descent(**arguments)


@pytest.mark.parametrize("bad", ["abc", ["a", "b"], [[1.0], [1.0, 2.0]], {"x": 1}], ids=str)
def test_a_start_that_is_no_array_of_numbers_is_told_in_one_line(bad: Any) -> None:
    with pytest.raises(vl.InputError, match=r"^x must "):
        vl.gradient_descent(bad, bowl)


def test_an_error_of_the_objective_passes_through_unchanged() -> None:
    def broken(x: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        vl.gradient_descent([1.0], broken)


@pytest.mark.parametrize("seed", range(5))
def test_linear_regression_agrees_with_least_squares(seed: int) -> None:
    generator = np.random.default_rng(seed)
    features = np.column_stack([np.ones(60), generator.normal(size=(60, 3))])
    targets = features @ [1.0, -2.0, 3.0, 0.5] + generator.normal(0, 0.1, 60)
    solution, *_ = np.linalg.lstsq(features, targets, rcond=None)
    gradient = vl.linear_regression_gradient(features, targets)
    found = vl.gradient_descent(np.zeros(4), gradient, learning_rate=0.5, num_iterations=1000)
    # 1e-8 is asked of 1,000 iterations; the slowest direction shrinks by 1 - 0.5 * 0.5 an iteration or faster.
    np.testing.assert_allclose(found, solution, rtol=0, atol=1e-8)


def test_the_linear_regression_gradient_is_that_of_half_the_mean_squared_error() -> None:
    generator = np.random.default_rng(0)
    features, targets, weights = generator.normal(size=(9, 3)), generator.normal(size=9), generator.normal(size=3)

    def objective(w: np.ndarray) -> float:
        return float(np.sum((features @ w - targets) ** 2)) / (2 * 9)

    step = 1e-4  # the objective is quadratic, so the central difference is exact but for rounding: 1e-16 / 1e-4
    slopes = [(objective(weights + step * e) - objective(weights - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(vl.linear_regression_gradient(features, targets)(weights), slopes, atol=1e-11)


def test_the_objective_keeps_its_own_copy_of_the_data() -> None:
    features, targets = np.eye(2), np.ones(2)
    gradient = vl.linear_regression_gradient(features, targets)
    before = gradient(np.zeros(2))
    features[:] = targets[:] = 0
    np.testing.assert_array_equal(gradient(np.zeros(2)), before)


@pytest.mark.parametrize(
    ("features", "targets", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "features must have axes (n, d), got shape (2,)"),
        ([[1.0], [2.0]], [1.0], "targets must have shape (2,) to match features, got (1,)"),
        ([[1.0], [2.0]], [[1.0], [2.0]], "targets must have shape (2,) to match features, got (2, 1)"),
        (np.ones((0, 2)), [], "features must not be empty, got shape (0, 2)"),
        ([[1.0], [math.nan]], [1.0, 2.0], "features and targets must be finite, got NaN or infinity"),
        ([[1.0], [2.0]], [1.0, math.inf], "features and targets must be finite, got NaN or infinity"),
    ],
)
def test_bad_regression_data_are_told_in_one_line(features: Any, targets: Any, message: str) -> None:
    with pytest.raises(vl.InputError, match=f"^{re.escape(message)}$"):
        vl.linear_regression_gradient(features, targets)


def test_the_constant_schedule_is_one_at_every_step() -> None:
    assert [rate_factor("constant", step, 10) for step in range(11)] == [1.0] * 11


def test_linear_warmup_climbs_in_equal_steps_and_stays() -> None:
    factors = [rate_factor("linear_warmup", step, 10, warmup_steps=4) for step in range(11)]
    assert factors == [0.25, 0.5, 0.75, *[1.0] * 8]


@pytest.mark.parametrize("warmup", [0, 3])
def test_cosine_falls_from_one_to_zero_after_its_warmup(warmup: int) -> None:
    steps = 12
    factors = [rate_factor("cosine", step, steps, warmup_steps=warmup) for step in range(steps + 1)]
    rest = steps - warmup
    expected = [(step + 1) / warmup for step in range(warmup)]
    expected += [math.cos(math.pi * t / rest / 2) ** 2 for t in range(rest + 1)]  # (1 + cos 2a) / 2 = cos^2 a
    np.testing.assert_allclose(factors, expected, rtol=0, atol=2e-15)  # rounded to 15 digits
    assert factors[-1] == 0.0


def test_cosine_stays_at_zero_when_there_is_nothing_left_to_fall() -> None:
    assert rate_factor("cosine", 5, 5) == rate_factor("cosine", 9, 5) == 0.0
    assert rate_factor("cosine", 0, 0) in (0.0, 1.0)  # no update is ever made with it
    assert [rate_factor("cosine", step, 3, warmup_steps=3) for step in range(3)] == [1 / 3, 2 / 3, 1.0]


def test_momentum_sums_a_constant_gradient_geometrically() -> None:
    velocity = None
    for step in range(30):
        velocity = accumulate(velocity, np.array([1.0, -2.0]), 0.9)
        expected = (1 - 0.9 ** (step + 1)) / (1 - 0.9) * np.array([1.0, -2.0])
        np.testing.assert_allclose(velocity, expected, rtol=1e-13)  # 30 roundings


def test_accumulate_leaves_the_old_velocity_alone() -> None:
    old = torch.ones(2)
    new = accumulate(old, torch.ones(2), 0.5)
    assert old.tolist() == [1.0, 1.0] and new.tolist() == [1.5, 1.5]


@pytest.mark.parametrize("array", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_clipping_shortens_a_long_gradient_and_leaves_a_short_one(array: Any) -> None:
    factors = clip_factor(array([0.0, 1.0, 2.0, 4.0, 1e30]), 2.0)
    np.testing.assert_allclose(factors, [1.0, 1.0, 1.0, 0.5, 2e-30], rtol=1e-7)  # torch.tensor is float32


def test_clipping_passes_nan_on() -> None:
    assert math.isnan(clip_factor(np.array([math.nan]), 1.0)[0])


def test_descend_is_the_update_itself_for_arrays_and_tensors() -> None:
    assert descend(np.array([1.0]), np.array([2.0]), 0.25).tolist() == [0.5]
    x = torch.tensor([[1.0], [1.0]])
    assert descend(x, torch.ones(2, 1), torch.tensor([[0.5], [2.0]])).tolist() == [[0.5], [-1.0]]
    assert x.tolist() == [[1.0], [1.0]]
