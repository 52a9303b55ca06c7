"""The pictures carry the record: every number is on an axis or marked beside it, and every file is whole."""

import dataclasses
import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

import vanishlab as vl
from vanishlab import plots
from vanishlab.errors import InputError
from vanishlab.plots.axes import layer_ticks
from vanishlab.plots.history import cell_edges
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record

FIGURES = {
    "three_curves": plots.three_curves,
    "meaning": plots.meaning_curves,
    "history": plots.history_figure,
    "training": plots.training_figure,
    "learning_rate": plots.learning_rate_figure,
    "update_ratio": plots.update_ratio_figure,
    "comparison": lambda record: plots.comparison({"one": record, "two": record}),
}
DIGITS = vl.load_data("digits", max_examples=32)


def make_record(
    rates: tuple[float, ...] = (0.1, 1.0),
    seeds: tuple[int, ...] = (0, 1, 2),
    steps: tuple[int, ...] = (0, 1, 2, 3),
    layers: int = 5,
    tested: bool = True,
    **arrays: Any,
) -> Record:
    """Return a record of smooth, positive, all different values; `arrays` replaces any of them, broadcast."""
    runs = len(rates) * len(seeds)
    shape = (runs, len(steps), layers)
    run, step, layer = np.indices(shape)
    smooth = 10.0 ** (-0.7 * (layers - layer) - 0.1 * run - 0.01 * step)
    tests = steps if tested else ()
    values: dict[str, Any] = {
        "loss": np.ones(shape[:2]) * 2.3 - 0.1 * step[:, :, 0] - 0.01 * run[:, :, 0],
        "accuracy": np.full(shape[:2], 0.5),
        "test_accuracy": np.full((runs, len(tests)), 0.4),
        "diverged_step": np.full(runs, -1),
        **{name: smooth for name in LAYER_QUANTITIES},
        "zero_fraction": np.zeros(shape),
        "subnormal_fraction": np.zeros(shape),
    }
    for name, value in arrays.items():
        values[name] = np.broadcast_to(value, values[name].shape).copy()
    return Record(
        learning_rate=np.repeat(np.array(rates), len(seeds)),
        seed=np.tile(np.array(seeds), len(rates)),
        step=np.array(steps),
        layer=np.arange(1, layers + 1),
        test_step=np.array(tests, dtype=np.int64),
        layer_names=tuple(f"layer {number}" for number in range(1, layers + 1)),
        **values,
    )


def make_ax() -> Axes:
    return Figure(figsize=(6, 4), layout="constrained").subplots()


def draw(figure: Any) -> None:
    figure.draw_without_rendering()  # layout, ticks and text are worked out here, and warn here


def x_of(line: Any) -> np.ndarray:
    return np.asarray(line.get_xdata(), dtype=float)


def y_of(line: Any) -> np.ndarray:
    return np.asarray(line.get_ydata(), dtype=float)


def points_of(lines: list[Any]) -> int:
    return sum(len(x_of(line)) for line in lines)


# Depth profiles


@pytest.mark.parametrize("quantity", ["gradient_norm", "delta_rms", "activation_rms", "update_ratio", "weight_norm"])
def test_profile_lines_are_the_medians_and_bands_the_ranges(quantity: str) -> None:
    record, ax = make_record(), make_ax()
    artists = plots.depth_profile(ax, record, quantity, step=2)
    summary = record.over_seeds(record.layer_quantity(quantity)[:, 2])
    assert ax.get_yscale() == "log"
    assert len(artists.lines) == len(artists.bands) == 2 and artists.marks == {}
    for place, (line, band) in enumerate(zip(artists.lines, artists.bands, strict=True)):
        np.testing.assert_array_equal(line.get_xdata(), record.layer)
        np.testing.assert_array_equal(y_of(line), summary.median[place])
        y = np.asarray(band.get_paths()[0].vertices)[:, 1]
        assert y.min() == summary.low[place].min() and y.max() == summary.high[place].max()
    low, high = ax.get_ylim()
    assert low < summary.low.min() and summary.high.max() < high


def test_profile_takes_the_recorded_step_at_or_before_the_one_asked_for() -> None:
    record = make_record(seeds=(0,), steps=(0, 10, 20))
    for asked, place in ((-1, 2), (15, 1), (0, 0), (1000, 2)):
        (line, _) = plots.depth_profile(make_ax(), record, step=asked).lines
        np.testing.assert_array_equal(y_of(line), record.gradient_norm[0, place])


def test_single_seed_has_no_band() -> None:
    assert plots.depth_profile(make_ax(), make_record(seeds=(3,))).bands == []


def test_zeros_and_underflows_are_marked_on_the_floor_and_none_is_dropped() -> None:
    norm = np.array([0.0, 0.0, 0.0, 1e-42, 1.0, 0.0, 1.0])  # layer 6 is dead; 4 is subnormal, and 1 to 3 lie behind it
    subnormal = np.array([0, 0, 0, 0.9, 0, 0, 0])
    record = make_record(seeds=(0,), layers=7, gradient_norm=norm, delta_rms=norm, subnormal_fraction=subnormal)
    ax = make_ax()
    artists = plots.depth_profile(ax, record)
    shown = {kind: points_of(lines) for kind, lines in artists.marks.items()}
    assert shown == {"zero": 2 * 1, "underflow": 2 * (3 + 1)}  # two learning rates each
    on_line, below = artists.marks["underflow"][0], artists.marks["underflow"][2]
    assert list(x_of(on_line)) == [4] and list(y_of(on_line)) == [1e-42]
    assert list(x_of(below)) == [1, 2, 3]
    assert list(x_of(artists.marks["zero"][0])) == [6]
    assert on_line.get_marker() != artists.marks["zero"][0].get_marker()
    for line in artists.lines:
        np.testing.assert_array_equal(np.isnan(y_of(line)), norm == 0)
    draw(ax.figure)
    floor, left = ax.bbox.y0, ax.bbox.x0
    for mark in [*artists.marks["underflow"][2:], *artists.marks["zero"]]:
        pixels = mark.get_transform().transform(np.column_stack([mark.get_xdata(), y_of(mark)]))
        assert (pixels[:, 1] < floor).all() and (pixels[:, 0] > left).all()
    delta = plots.depth_profile(make_ax(), record, "delta_rms")
    assert {kind: points_of(lines) for kind, lines in delta.marks.items()} == {"zero": 2, "underflow": 6}
    activation = dataclasses.replace(record, activation_rms=record.gradient_norm)  # its zeros are nobody's underflow
    marks = plots.depth_profile(make_ax(), activation, "activation_rms").marks
    assert {kind: points_of(lines) for kind, lines in marks.items()} == {"zero": 2 * 4}


def test_zero_of_one_seed_is_marked_although_the_median_is_not_zero() -> None:
    norm = np.ones((3, 1, 5))
    norm[1, 0, 2] = 0.0
    artists = plots.depth_profile(make_ax(), make_record(rates=(0.1,), steps=(0,), gradient_norm=norm))
    assert points_of(artists.marks["zero"]) == 1
    assert np.isfinite(y_of(artists.lines[0])).all()


def test_rows_of_marks_do_not_lie_on_each_other() -> None:
    rates = tuple(10.0 ** np.linspace(-3, 2, 12))
    ax = make_ax()
    artists = plots.depth_profile(ax, make_record(rates, (0,), layers=300, gradient_norm=0.0))
    assert points_of(artists.marks["zero"]) == 12 * 300
    draw(ax.figure)
    heights = [mark.get_transform().transform((1, 0))[1] for mark in artists.marks["zero"]]
    assert len({round(height, 3) for height in heights}) == 12
    assert max(heights) < ax.bbox.y0


def test_infinities_are_marked_above_and_gaps_are_named() -> None:
    norm = np.array([np.inf, 1.0, np.nan, 1.0, 1.0])
    ax = make_ax()
    artists = plots.depth_profile(ax, make_record(rates=(0.1,), seeds=(0,), gradient_norm=norm))
    assert points_of(artists.marks["infinite"]) == 1 and "gap" in artists.marks
    draw(ax.figure)
    assert artists.marks["infinite"][0].get_transform().transform((1, 1))[1] > ax.bbox.y1
    assert "gap: no value" in legend_texts(ax)


def test_a_value_between_two_gaps_has_a_marker() -> None:
    norm = np.full(300, np.nan)
    norm[[7, 100, 101]] = 1.0
    for rates in ((0.1,), tuple(10.0 ** np.arange(8))):
        (line, *_) = plots.depth_profile(make_ax(), make_record(rates, (0,), layers=300, gradient_norm=norm)).lines
        assert 7 in np.asarray(line.get_markevery()) and line.get_marker() == "o"


def test_divergence_is_told_in_the_legend_and_its_line_is_empty() -> None:
    norm = np.ones((2, 4, 5))
    norm[1, 2:] = np.nan
    record = make_record(seeds=(0,), gradient_norm=norm, diverged_step=np.array([-1, 2]))
    ax = make_ax()
    artists = plots.depth_profile(ax, record)
    assert np.isnan(y_of(artists.lines[1])).all() and "gap" not in artists.marks
    assert "1 (diverged at step 2)" in legend_texts(ax)
    assert np.isfinite(y_of(plots.depth_profile(make_ax(), record, step=1).lines[1])).all()


def test_few_learning_rates_have_a_legend_many_a_colour_bar() -> None:
    few, many = make_ax(), make_ax()
    plots.depth_profile(few, make_record(rates=(0.01, 0.1, 1.0), seeds=(0,)))
    assert legend_texts(few) == ["0.01", "0.1", "1"]
    rates = tuple(10.0 ** np.arange(-6.0, 3.0))
    lines = plots.depth_profile(many, make_record(rates, (0,))).lines
    assert many.get_legend() is None
    (bar,) = [ax for ax in many.figure.axes if ax is not many]
    assert bar.get_yscale() == "log" and bar.get_ylim() == pytest.approx((rates[0], rates[-1]))
    assert len({line.get_color() for line in lines}) == len(rates)


def legend_texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_the_key_lies_outside_the_data() -> None:
    ax = make_ax()
    plots.depth_profile(ax, make_record(gradient_norm=np.array([0.0, 1, 1, 1, 1])))
    draw(ax.figure)
    legend = ax.get_legend()
    assert legend is not None
    assert not ax.bbox.overlaps(legend.get_window_extent())


@pytest.mark.parametrize(
    ("low", "high"), [(1e-90, 1e30), (5e-324, 8e307), (0.5, 0.5), (1e-320, 1e-319), (1e300, 1e307)]
)
def test_tick_labels_do_not_overlap_whatever_the_range(low: float, high: float) -> None:
    ax = make_ax()
    record = make_record(rates=(0.1,), seeds=(0,), gradient_norm=np.geomspace(low, high, 5).clip(5e-324))
    plots.depth_profile(ax, record)
    draw(ax.figure)
    bottom, top = ax.get_ylim()
    assert 0 < bottom <= low and high <= top < np.inf
    labels = [label for label in ax.get_yticklabels() if label.get_text() and bottom <= label.get_position()[1] <= top]
    assert len(labels) >= 2 or high < 1e-300  # subnormals: two decades may not be there to be shown
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.y0)
    for lower, upper in itertools.pairwise(boxes):
        assert lower.y1 <= upper.y0


def test_the_strips_label_keeps_clear_of_the_axis() -> None:
    ax = make_ax()
    plots.depth_profile(ax, make_record((0.1,), (0,), gradient_norm=np.array([0.0, 0.1, 1.0, 1.0, 10.0])))
    draw(ax.figure)
    (zero,) = [text for text in ax.texts if text.get_text() == "0"]
    ticks = [
        label for label in ax.get_yticklabels() if label.get_text() and label.get_position()[1] >= ax.get_ylim()[0]
    ]
    lowest = min(label.get_window_extent().y0 for label in ticks)
    assert zero.get_window_extent().y1 <= lowest


@pytest.mark.parametrize(
    "rates", [(0.1,), (0.1, 0.12), tuple(np.linspace(0.1, 0.12, 60)), tuple(np.logspace(-5, 3, 25))]
)
def test_learning_rates_on_an_axis_do_not_overlap(rates: tuple[float, ...]) -> None:
    figure = plots.learning_rate_figure(make_record(rates, (0,)))
    draw(figure)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels() if label.get_text()]
    assert 1 <= len(boxes) <= 8
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_layer_ticks_are_whole_and_start_at_the_input() -> None:
    assert layer_ticks(1, 4) == [1, 2, 3, 4]
    assert layer_ticks(1, 301) == [1, 50, 100, 150, 200, 250, 300]
    assert layer_ticks(1, 1) == [1]
    for last in range(1, 400):
        ticks = layer_ticks(1, last)
        assert ticks[0] == 1 and ticks[-1] <= last and len(ticks) <= 10
        assert all(tick == int(tick) for tick in ticks)


def test_update_ratio_has_its_rule_of_thumb_in_sight() -> None:
    ax = make_ax()
    artists = plots.update_ratio(ax, make_record(update_ratio=1e-20))
    (rule,) = artists.extra
    assert set(y_of(rule)) == {1e-3}
    assert ax.get_ylim()[0] < 1e-20 and ax.get_ylim()[1] > 1e-3


# History


def test_history_cells_carry_the_values_and_their_kind() -> None:
    norm = np.array([[0.0, 0.0, 1e-42, 1.0, 0.0], [1.0, 2.0, 3.0, 4.0, np.inf], [np.nan] * 5, [np.nan] * 5])
    subnormal = np.zeros((4, 5))
    subnormal[0, 2] = 1.0
    record = make_record(
        rates=(0.1,), seeds=(0, 1), gradient_norm=norm, subnormal_fraction=subnormal, diverged_step=np.array([-1, 3])
    )
    ax = make_ax()
    artists = plots.history(ax, record, run=1)
    values, kinds = np.ma.asarray(artists.mesh.get_array()), np.ma.asarray(artists.off_scale.get_array())
    assert values.shape == (5, 4)  # (layer, step)
    np.testing.assert_array_equal(values.compressed(), norm.T[np.isfinite(norm.T) & (norm.T > 0)])
    # every cell has a colour, a kind, or the hatching of the underflow behind it
    assert (values.mask & kinds.mask).sum() == 2
    assert kinds[4, 0] == 0 and kinds[4, 1] == 1 and kinds[0, 2] == 3 and kinds[0, 3] == 2
    names = ["underflow", "zero", "infinite", "diverged", "not measured"]
    assert [handle.get_label() for handle in artists.handles] == names == legend_texts(ax)
    draw(ax.figure)


def test_history_edges_lie_halfway_between_uneven_steps() -> None:
    steps = (0, 1, 2, 4, 8, 16, 32, 64)
    np.testing.assert_array_equal(cell_edges(np.array(steps)), [-0.5, 0.5, 1.5, 3, 6, 12, 24, 48, 80])
    np.testing.assert_array_equal(cell_edges(np.array([7])), [6.5, 7.5])
    ax = make_ax()
    mesh = plots.history(ax, make_record(steps=steps)).mesh
    assert ax.get_xscale() == "symlog"
    np.testing.assert_array_equal(np.asarray(mesh.get_coordinates())[0, :, 0], cell_edges(np.array(steps)))
    draw(ax.figure)
    even = make_ax()
    plots.history(even, make_record(steps=(0, 10, 20, 30, 35)))  # the end is always recorded
    assert even.get_xscale() == "linear"


def test_history_of_one_value_has_a_colour_bar() -> None:
    ax = make_ax()
    artists = plots.history(ax, make_record(gradient_norm=1e-30, steps=(0,), layers=1))
    assert artists.colorbar is not None
    draw(ax.figure)


# Training


def test_loss_curves_and_their_diverged_runs() -> None:
    loss = np.array([[2.3, 2.2, 2.1, 2.0], [2.3, 2.25, np.nan, np.nan], [2.3, 1e30, np.nan, np.nan]])
    record = make_record((0.1, 1.0, 10.0), (0,), loss=loss, diverged_step=np.array([-1, 2, 2]))
    ax = make_ax()
    artists = plots.loss_curves(ax, record)
    for line, values in zip(artists.lines, loss, strict=True):
        np.testing.assert_array_equal(y_of(line), values)
    inside, above = artists.marks["diverged"]
    assert list(x_of(inside)) == [2] and list(y_of(inside)) == [2.25]
    draw(ax.figure)
    assert above.get_transform().transform((2, 1))[1] > ax.bbox.y1  # 1e30 would flatten all others
    assert ax.get_yscale() == "linear" and 2.3 < ax.get_ylim()[1] < 3


def test_loss_axis_is_logarithmic_for_losses_far_apart_and_zeros_are_marked() -> None:
    loss = np.array([[2.0, 0.1, 1e-5, 0.0], [2.0, 2.0, 2.0, 2.0]])
    ax = make_ax()
    artists = plots.loss_curves(ax, make_record(seeds=(0,), loss=loss))
    assert ax.get_yscale() == "log"
    assert points_of(artists.marks["zero"]) == 1
    np.testing.assert_array_equal(y_of(artists.lines[0]), [2.0, 0.1, 1e-5, np.nan])


def test_accuracy_is_of_the_test_set_or_says_that_it_is_not() -> None:
    record = make_record(seeds=(0,), diverged_step=np.array([-1, 2]))
    ax = make_ax()
    artists = plots.accuracy_curves(ax, record, chance=0.1)
    assert ax.get_ylabel() == "test accuracy"
    np.testing.assert_array_equal(y_of(artists.lines[1]), [0.4, 0.4, np.nan, np.nan])  # what is left after is frozen
    assert list(y_of(artists.marks["diverged"][0])) == [0.4]
    assert "guessing" in legend_texts(ax)
    untested = make_ax()
    plots.accuracy_curves(untested, make_record(tested=False))
    assert untested.get_ylabel() == "training accuracy"


def test_accuracy_needs_no_recorded_step() -> None:
    record = make_record()
    unrecorded = record.select(step=())
    never = dataclasses.replace(unrecorded, test_step=record.test_step, test_accuracy=record.test_accuracy)
    assert len(plots.accuracy_curves(make_ax(), never).lines) == 2


def test_learning_rate_panel_carries_loss_and_ratios() -> None:
    norm = np.ones((4, 4, 5))
    norm[:, :, 0] = np.array([1e-3, 1e-6, 0.0, np.nan])[:, None]
    record = make_record(
        (0.01, 0.1, 1.0, 10.0), (0,), gradient_norm=norm, delta_rms=norm * 2, diverged_step=np.array([-1, -1, -1, 1]),
        loss=np.array([2.0, 1.5, 2.2, np.nan])[:, None],
    )  # fmt: skip
    ax_loss, ax_ratio = Figure().subplots(1, 2)
    artists = plots.learning_rate_panel(ax_loss, ax_ratio, record)
    np.testing.assert_array_equal(artists.loss.get_xdata(), [0.01, 0.1, 1.0, 10.0])
    np.testing.assert_array_equal(y_of(artists.loss), [2.0, 1.5, 2.2, np.nan])
    for line in artists.ratios.values():
        np.testing.assert_array_equal(y_of(line), [1e-3, 1e-6, np.nan, np.nan])
    assert {kind: points_of(lines) for kind, lines in artists.marks.items()} == {"zero": 2, "diverged": 2}
    assert [list(x_of(mark)) for mark in artists.marks["diverged"]] == [[10.0]] * 2
    assert ax_loss.get_xscale() == ax_ratio.get_xscale() == ax_ratio.get_yscale() == "log"
    assert set(plots.learning_rate_panel(make_ax(), make_ax(), record, step=0).marks) == {"zero", "gap"}


# Every figure of every record


def edge_cases() -> dict[str, Record]:
    nothing: dict[str, Any] = {name: np.nan for name in ("loss", "accuracy", *LAYER_QUANTITIES)}
    constant: dict[str, Any] = {name: 1.0 for name in ("loss", *LAYER_QUANTITIES)}
    one = make_record((0.1,), (0,), (0,), 1)
    half = np.ones((6, 4, 5))
    half[:3] = 0.0
    return {
        "all zero": make_record(gradient_norm=0.0, delta_rms=0.0, activation_rms=0.0, update_ratio=0.0, loss=0.0),
        "half zero": make_record(gradient_norm=half, delta_rms=half),
        "all NaN": make_record(**nothing),
        "all diverged at once": make_record(**nothing, diverged_step=0),
        "constant": make_record(**constant),
        "infinite": make_record(gradient_norm=np.inf, delta_rms=np.array([1, np.inf, 1, 1, np.inf])),
        "one step": make_record(steps=(0,)),
        "one run, step and layer": one,
        "layers apart": make_record(layers=40).select(layer=(1, 2, 30)),
        "no test data": make_record(tested=False),
        "many rates": make_record(tuple(10.0 ** np.linspace(-3, 2, 12)), (0, 1), diverged_step=2),
        "many close rates": make_record(tuple(np.linspace(0.1, 0.12, 60)), (0,)),
        "uneven steps": make_record(steps=(0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 1000)),
        "huge range": make_record(gradient_norm=np.geomspace(1e-90, 1e30, 5), delta_rms=np.geomspace(5e-324, 1e307, 5)),
        "300 layers": make_record(layers=300),
        "unknown rate": dataclasses.replace(one, learning_rate=np.array([np.nan]), seed=np.array([-1])),
    }


EDGE_CASES = edge_cases()
CROWDED = ("half zero", "many rates", "huge range")


@pytest.mark.parametrize("case", EDGE_CASES)
def test_every_figure_can_be_drawn(case: str) -> None:
    for name, make in FIGURES.items():
        if name == "learning_rate" and case == "unknown rate":
            continue
        if case in CROWDED or name not in ("update_ratio", "comparison"):  # which are depth profiles once more
            figure = make(EDGE_CASES[case])
            if case not in CROWDED:  # the layout is two thirds of the time
                figure.set_layout_engine("none")
            draw(figure)  # warnings are errors


@pytest.fixture(scope="module")
def trained() -> Record:
    network = vl.NetworkConfig(depth=12, width=16, activation="relu", initialization="kaiming_normal")
    training = vl.TrainingConfig(learning_rates=(0.01, 1000.0), seeds=(0, 1), steps=8)
    return vl.train(network, training, DIGITS)


def test_a_trained_network_is_drawn_with_its_name(trained: Record) -> None:
    assert list(trained.diverged) == [False, False, True, True]
    assert plots.describe_network(trained) == "12 hidden relu layers, width 16"
    figure = plots.three_curves(trained)
    assert figure.get_suptitle().startswith("12 hidden relu layers, width 16, after 8 steps")
    for ax, name in zip(figure.axes, ("activation_rms", "delta_rms", "gradient_norm"), strict=True):
        medians = trained.over_seeds(trained.layer_quantity(name)[:, -1]).median
        np.testing.assert_array_equal(y_of(ax.lines[0]), medians[0])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0.01", "1000 (all diverged)"]


def test_a_deep_sigmoid_network_is_drawn_to_the_first_layer() -> None:
    # In float32 the gradient of the first layers of 60 is below 1e-45 and can only be zero.
    network = vl.NetworkConfig(depth=60, width=16)
    record = vl.train(network, vl.TrainingConfig(learning_rates=(0.1,), steps=0), DIGITS)
    norm = record.gradient_norm[0, 0]
    artists = plots.depth_profile(make_ax(), record)
    (line,) = artists.lines
    on_floor = artists.marks["underflow"][1:]
    assert points_of(on_floor) == (norm == 0).sum() > 3
    assert np.isfinite(y_of(line)).sum() + points_of(on_floor) == len(record.layer) == 61


def test_your_own_model_is_drawn(trained: Record) -> None:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.Tanh(), torch.nn.Linear(8, 10))
    with vl.GradientRecorder(model) as recorder:
        for _ in range(3):
            logits = model(torch.from_numpy(DIGITS.x).float())
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(DIGITS.y)).backward()
            recorder.end_step()
    figure = plots.three_curves(recorder.record)
    assert figure.get_suptitle().startswith("your model, 2 layers, after 2 steps")
    draw(figure)
    draw(plots.history_figure(recorder.record))


def test_comparison_shares_axis_and_colours_and_keeps_its_order(trained: Record) -> None:
    records = {"relu": trained, "zeros": make_record(gradient_norm=0.0), "tiny": make_record(gradient_norm=1e-80)}
    figure = plots.comparison(records, columns=2)
    assert [ax.get_title() for ax in figure.axes[:3]] == ["relu\ndiverged: 1000", "zeros", "tiny"]
    assert len(figure.axes) == 4 and not figure.axes[3].axison
    assert len({ax.get_ylim() for ax in figure.axes[:3]}) == 1
    assert figure.axes[0].get_ylim()[0] < 1e-80
    draw(figure)
    (key, marks) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == ["0.01", "0.1", "1", "1000"]
    assert [text.get_text() for text in marks.get_texts()] == ["zero"]
    assert not key.get_window_extent().overlaps(marks.get_window_extent())
    boxes = [ax.get_tightbbox() for ax in figure.axes[:3]]
    for box in boxes:
        assert box is not None
        assert not box.overlaps(key.get_window_extent()) and not box.overlaps(marks.get_window_extent())


# Files


@pytest.mark.parametrize("name", FIGURES)
def test_both_formats_are_written_and_valid(name: str, trained: Record, tmp_path: Path) -> None:
    settings = dict(matplotlib.rcParams)
    png, svg = plots.save_both(FIGURES[name](trained), tmp_path / f"{name}_0.1")
    assert (png.name, svg.name) == (f"{name}_0.1.png", f"{name}_0.1.svg")
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert ElementTree.parse(svg).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert sorted(path.name for path in tmp_path.iterdir()) == [png.name, svg.name]
    assert dict(matplotlib.rcParams) == settings


def test_a_figure_is_laid_out_once_and_drawn_once_a_file_and_looks_as_matplotlib_draws_it(
    trained: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots.three_curves(trained).savefig(tmp_path / "plain.png", dpi=160)
    calls: list[str] = []
    for kind, plain in ((ConstrainedLayoutEngine, ConstrainedLayoutEngine.execute), (Figure, Figure.draw)):

        def noted(*arguments: Any, plain: Any = plain) -> Any:
            calls.append(plain.__name__)
            return plain(*arguments)

        monkeypatch.setattr(kind, plain.__name__, noted)
    figure = plots.three_curves(trained)
    before = figure.get_layout_engine(), figure.get_dpi()
    png, _ = plots.save_both(figure, tmp_path / "saved")
    assert calls == ["execute", "draw", "draw"]
    assert png.read_bytes() == (tmp_path / "plain.png").read_bytes()
    assert (figure.get_layout_engine(), figure.get_dpi()) == before


def test_the_same_record_gives_the_same_file(trained: Record, tmp_path: Path) -> None:
    for suffix in ("png", "svg"):
        one = plots.save_figure(plots.update_ratio_figure(trained), tmp_path / f"one.{suffix}")
        two = plots.save_figure(plots.update_ratio_figure(trained), str(tmp_path / f"two.{suffix}"))
        assert one.read_bytes() == two.read_bytes()


def test_a_failure_leaves_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"precious")
    figure = plots.update_ratio_figure(make_record())

    def fail(file: Any, **_: Any) -> None:
        file.write(b"half a picture")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.save_figure(figure, path)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def test_pyplot_is_not_used() -> None:
    import subprocess
    import sys

    code = "import sys, vanishlab.plots; sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Bad input

HALF: Any = 1.5  # what a type checker would not let through
WORD: Any = "end"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ax, record: plots.depth_profile(ax, record, "gradient"), "quantity must be one of .*gradient_norm"),
        (lambda ax, record: plots.depth_profile(ax, record, "activation_mean"), "quantity must be one of"),
        (lambda ax, record: plots.depth_profile(ax, record, step=HALF), "step must be a whole number, got 1.5"),
        (lambda ax, record: plots.depth_profile(ax, record, step=-2), "step must be at least -1, got -2"),
        (lambda ax, record: plots.depth_profile(ax, record.select(step=())), "at least one step, got none"),
        (lambda ax, record: plots.depth_profile(ax, record.select(layer=())), "at least one layer, got none"),
        (lambda ax, record: plots.depth_profile(ax, record, scale=plots.RateScale((3.0,))), "scale's 3, got 0.1"),
        (lambda ax, record: plots.history(ax, record, run=6), "run must be at most 5, got 6"),
        (lambda ax, record: plots.history(ax, record, quantity="loss"), "quantity must be one of"),
        (lambda ax, record: plots.history(ax, record.select(step=())), "at least one step, got none"),
        (lambda ax, record: plots.loss_curves(ax, record.select(step=())), "at least one step, got none"),
        (lambda ax, record: plots.learning_rate_panel(ax, ax, record, step=WORD), "step must be a whole number"),
        (lambda ax, record: plots.learning_rate_panel(ax, ax, EDGE_CASES["unknown rate"]), "must be known"),
        (lambda ax, record: plots.history_figure(record, quantities=()), "quantities must name at least one"),
        (lambda ax, record: plots.comparison({}), "records must hold at least one"),
        (lambda ax, record: plots.comparison({"a": record}, columns=0), "columns must be at least 1, got 0"),
        (lambda ax, record: plots.save_figure(ax.figure, "a.pdf"), "must end in .png or .svg, got 'a.pdf'"),
        (lambda ax, record: plots.save_figure(ax.figure, "no/such/a.png"), "must exist, got 'no/such'"),
    ],
)
def test_bad_arguments_are_told_in_one_line(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call(make_ax(), make_record())
    assert "\n" not in str(caught.value)


def test_a_single_unknown_learning_rate_has_no_key() -> None:
    unknown = EDGE_CASES["unknown rate"]
    for rate, titles in ((np.nan, []), (0.1, ["learning rate"])):
        record = dataclasses.replace(unknown, learning_rate=np.array([rate]))
        keys = [legend.get_title().get_text() for legend in plots.three_curves(record).legends]
        assert [title for title in keys if title] == titles
        ax = make_ax()
        plots.depth_profile(ax, record, "delta_rms", 0)
        beside = ax.get_legend()
        assert ([beside.get_title().get_text()] if beside is not None else []) == titles
