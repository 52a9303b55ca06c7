"""Pictures of theory and of sweeps: every number is on an axis or marked beside it, whatever its size."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure

import vanishlab as vl
from vanishlab import plots
from vanishlab.errors import InputError
from vanishlab.plots.powers import decade_label
from vanishlab.theory.phases import phase_diagram
from vanishlab.theory.prediction import Prediction

DIGITS = vl.load_data("digits", max_examples=32)
BASE = vl.predict(vl.NetworkConfig(1, 8), DIGITS)


def make_ax() -> Axes:
    return Figure(figsize=(6, 4), layout="constrained").subplots()


def draw(figure: Any) -> None:
    figure.draw_without_rendering()  # layout, ticks and text are worked out here, and warn here


def x_of(line: Any) -> np.ndarray:
    return np.asarray(line.get_xdata(), dtype=float)


def y_of(line: Any) -> np.ndarray:
    return np.asarray(line.get_ydata(), dtype=float)


def cells(mesh: Any) -> np.ma.MaskedArray:
    return np.ma.asarray(mesh.get_array())


# Maps of sweeps


def test_map_cells_carry_the_values_or_their_kind() -> None:
    values = np.array([[0.1, 0.0, np.inf], [np.nan, 0.5, 0.7]])
    diverged = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.5]])
    artists = plots.sweep_map(make_ax(), [1, 2, 4], [3, 9], values, diverged=diverged, log_values=True)
    np.testing.assert_array_equal(cells(artists.mesh).filled(-1), [[0.1, -1, -1], [-1, -1, 0.7]])
    np.testing.assert_array_equal(cells(artists.off_scale).filled(-1), [[-1, 0, 1], [3, 2, -1]])
    assert artists.some_diverged is not None
    assert (list(x_of(artists.some_diverged)), list(y_of(artists.some_diverged))) == ([4], [9])
    names = ["zero", "infinite", "diverged", "not measured", "some runs diverged"]
    assert [handle.get_label() for handle in artists.handles] == names
    plain = plots.sweep_map(make_ax(), [1, 2, 4], [3, 9], np.zeros((2, 3)))
    assert cells(plain.mesh).count() == 6 and plain.handles == []


def test_map_cells_meet_halfway_on_either_kind_of_axis() -> None:
    artists = plots.sweep_map(make_ax(), [1, 2, 4], [1, 10, 100], np.eye(3), log_y=True)
    corners = np.asarray(artists.mesh.get_coordinates())
    np.testing.assert_allclose(corners[0, :, 0], [0.5, 1.5, 3.0, 5.0], rtol=1e-15)
    np.testing.assert_allclose(corners[:, 0, 1], 10.0 ** np.array([-0.5, 0.5, 1.5, 2.5]), rtol=1e-14)  # a few roundings


def test_map_axes_of_names_have_every_name() -> None:
    ax = make_ax()
    plots.sweep_map(ax, ["relu", "tanh"], [1.0], [[0.1, 0.2]], curves={"best": ([0, 1], [1, 1])})
    draw(ax.figure)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["relu", "tanh"]


def test_curves_leave_the_map_where_they_are_infinite_and_do_not_widen_it() -> None:
    ax = make_ax()
    curves: Any = {"here": ([1, 2, 3], [10, np.inf, 10]), "far": ([1, 3], [1e9, 1e9]), "gap": ([1, 2], [np.nan, 10])}
    artists = plots.sweep_map(ax, [1, 2, 3], [5, 10, 50], np.eye(3), curves=curves, log_y=True)
    draw(ax.figure)
    low, high = ax.get_ylim()
    assert high < 200 and low > 1
    assert y_of(artists.curves["here"])[1] > high and np.isfinite(y_of(artists.curves["here"])).all()
    assert np.isnan(y_of(artists.curves["gap"])[0])
    labels = [handle.get_label() for handle in artists.handles]
    assert labels == ["here", "far (off the map)", "gap"]


@pytest.mark.parametrize("size", [1, 3, 300])
def test_map_tick_labels_do_not_overlap(size: int) -> None:
    grid = np.linspace(0.5, 3.0, size)
    for log in (False, True):
        figure = plots.sweep_figure("title", grid, np.arange(1, size + 1), np.ones((size, size)), log_x=log, log_y=log)
        draw(figure)
        ax = figure.axes[0]
        left, right = ax.get_xlim()
        labels = [tick for tick in ax.get_xticklabels() if tick.get_text() and left <= tick.get_position()[0] <= right]
        boxes = [label.get_window_extent() for label in labels]
        assert 1 <= len(boxes) <= 10
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (([1, 2], [1], [[1, 2, 3]]), {}, r"values must have shape \(y, x\) = \(1, 2\), got \(1, 3\)"),
        (
            ([1, 2], [1], [[1, 2]]),
            {"diverged": [[True]]},
            r"diverged must have shape \(y, x\) = \(1, 2\), got \(1, 1\)",
        ),
        (([2, 1], [1], [[1, 2]]), {}, "x must be finite numbers that rise"),
        (([0, 1], [1], [[1, 2]]), {"log_x": True}, "log_x needs numbers greater than 0, got 0"),
        (([1, 2], ["a"], [[1, 2]]), {"log_y": True}, "log_y needs numbers, got 'a'"),
        (([1, 2], [1], [[1, -2]]), {"log_values": True}, "log_values needs values of at least 0, got -2"),
        (([], [1], [[]]), {}, "x must be a list of at least one value"),
    ],
)
def test_map_refuses_what_does_not_fit(arguments: Any, options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        plots.sweep_map(make_ax(), *arguments, **options)


# Theory over measurement


def make_prediction(layers: int = 6, **changes: Any) -> Prediction:
    """A prediction that falls by 0.7 decades per layer on the way back; `changes` replaces any of its fields."""
    log10 = -0.7 * (layers - np.arange(1.0, layers + 1))
    rows = ("activation", "delta", "gradient")
    values: dict[str, Any] = {
        "layer": np.arange(1, layers + 1),
        "log10_activation_rms": np.full(layers, -0.3),
        "log10_delta_rms": log10,
        "log10_gradient_norm": log10 + 0.5,
        **{f"{row}_log_spread": np.full(layers, 0.1) for row in rows},
        **{f"{row}_log_shift": np.full(layers, 0.02) for row in rows},
        "width_log_variance": np.full(layers, 0.01),
        "sampling_log_error": np.zeros(layers),
        "log10_largest_learning_rate": 0.0,
        "loss": "cross_entropy",
        "network": vl.NetworkConfig(layers - 1, 8),
        "data_name": "digits",
        "examples": 32,
    }
    return dataclasses.replace(BASE, **values | changes)


def start_of(network: vl.NetworkConfig, seeds: tuple[int, ...] = (0, 1, 2), **training: Any) -> vl.Record:
    return vl.train(network, vl.TrainingConfig(seeds=seeds, steps=0, **training), DIGITS)


def test_the_line_is_the_typical_value_and_the_band_two_deviations() -> None:
    prediction, ax = make_prediction(), make_ax()
    artists = plots.prediction_profile(ax, prediction, "delta_rms")
    center = prediction.log10_delta_rms - 0.02 / math.log(10)
    np.testing.assert_allclose(y_of(artists.line), center, rtol=1e-14)
    assert artists.band is not None and artists.dots is None and artists.marks == {}
    y = np.asarray(artists.band.get_paths()[0].vertices)[:, 1]
    assert y.min() == pytest.approx(center[0] - 0.2 / math.log(10)) and y.max() == pytest.approx(
        0.19 / math.log(10), abs=0.01
    )
    low, high = ax.get_ylim()
    assert low < y.min() and y.max() < high


def test_every_seed_and_layer_has_its_dot_once() -> None:
    network = vl.NetworkConfig(4, 8, "tanh", "xavier_normal")
    record = start_of(network, learning_rates=(0.1, 1.0))
    artists = plots.prediction_profile(make_ax(), vl.predict(network, DIGITS), "gradient_norm", record)
    assert artists.dots is not None
    np.testing.assert_array_equal(x_of(artists.dots), np.tile(record.layer, 3))
    np.testing.assert_array_equal(y_of(artists.dots), np.log10(record.gradient_norm[:3, 0]).ravel())
    assert [str(handle.get_label()) for handle in artists.handles][2] == "measured, 3 seeds"


@pytest.mark.parametrize("layers", [2, 31, 1001])
def test_predictions_below_every_float_are_drawn_and_labelled(layers: int) -> None:
    falling = -0.85 * np.arange(layers, 0, -1.0)
    ax = make_ax()
    artists = plots.prediction_profile(ax, make_prediction(layers, log10_gradient_norm=falling))
    draw(ax.figure)
    assert np.isfinite(y_of(artists.line)).all()
    low, high = ax.get_ylim()
    labels = [tick for tick in ax.get_yticklabels() if tick.get_text() and low <= tick.get_position()[1] <= high]
    assert 2 <= len(labels) <= 9
    assert all(label.get_text() == decade_label(label.get_position()[1]) for label in labels)
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 for lower, upper in itertools.pairwise(boxes))


def test_a_gradient_that_is_exactly_zero_is_marked_by_theory_and_measurement() -> None:
    network = vl.NetworkConfig(4, 8, residual="learned")
    prediction = vl.predict(network, DIGITS)
    ax = make_ax()
    artists = plots.prediction_profile(ax, prediction, "gradient_norm", start_of(network))
    draw(ax.figure)
    theory, measured = artists.marks["zero"]
    assert list(x_of(theory)) == list(x_of(measured)) == [2, 3, 4]
    assert theory.get_color() != measured.get_color()
    assert np.isnan(y_of(artists.line)[1:4]).all()
    assert list(np.asarray(artists.line.get_markevery())) == [0, 4]  # values between two gaps make no line


def test_underflow_is_marked_where_float32_ends_and_theory_goes_on() -> None:
    network = vl.NetworkConfig(70, 8)
    ax = make_ax()
    record = start_of(network, (0,))
    artists = plots.prediction_profile(ax, vl.predict(network, DIGITS), "gradient_norm", record)
    draw(ax.figure)
    assert artists.dots is not None
    on_dots, below = artists.marks["underflow"]
    seen = np.isfinite(y_of(artists.dots)).sum() + len(x_of(on_dots)) + len(x_of(below))
    assert seen == 71  # each layer once
    assert len(x_of(below)) == (record.gradient_norm == 0).sum() > 10
    assert y_of(artists.line).min() < -50


def test_a_seed_that_diverged_at_once_is_told_in_the_key() -> None:
    network = vl.NetworkConfig(150, 32, "relu", "gaussian", sigma_w=4.0)  # its squared error overflows float32
    figure = plots.prediction_figure(vl.predict(network, DIGITS, "mse"), start_of(network, (0, 1), loss="mse"))
    draw(figure)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[2:] == ["measured, 2 seeds (2 diverged at step 0)"]


def test_an_unknown_spread_has_no_band() -> None:
    nothing = np.full(6, np.nan)
    artists = plots.prediction_profile(make_ax(), make_prediction(gradient_log_spread=nothing))
    assert artists.band is None and [handle.get_label() for handle in artists.handles] == ["theory"]
    figure = plots.prediction_figure(make_prediction(gradient_log_spread=nothing))
    draw(figure)


@pytest.mark.parametrize(
    ("network", "training", "said"),
    [
        ({"activation": "tanh"}, {}, r"of the network that was predicted \(activation 'sigmoid'\), got 'tanh'"),
        ({"width": 9}, {}, r"\(width 8\), got 9"),
        ({"depth": 4}, {}, "record must have the prediction's 6 layers, got 5"),
        ({}, {"loss": "mse"}, "record must have the prediction's loss 'cross_entropy', got 'mse'"),
        ({}, {"batch_size": 7}, "record must have the prediction's batch of 32, got 7"),
        ({}, {"record_every": "never"}, "record must hold step 0"),
    ],
)
def test_a_record_of_something_else_is_refused(network: Any, training: Any, said: str) -> None:
    record = start_of(vl.NetworkConfig(**{"depth": 5, "width": 8} | network), (0,), **training)
    with pytest.raises(InputError, match=said):
        plots.prediction_figure(make_prediction(), record)


@pytest.mark.parametrize(("depth", "measured"), [(1, False), (3, True), (300, True)])
def test_prediction_figures_draw(depth: int, measured: bool) -> None:
    network = vl.NetworkConfig(depth, 4, "tanh")
    record = start_of(network, (0, 1)) if measured else None
    figure = plots.prediction_figure(vl.predict(network, DIGITS), record)
    draw(figure)
    assert [ax.get_ylabel().split(",")[0] for ax in figure.axes][:2] == ["activation RMS", "delta RMS"]
    (legend,) = figure.legends
    assert ("measured, 2 seeds" in [text.get_text() for text in legend.get_texts()]) == measured


# Phase diagrams


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "softplus"])
def test_phase_figures_draw_and_name_what_holds(name: str) -> None:
    diagram, ax = phase_diagram(name), make_ax()
    points = {"one": (1.0, 0.0), "same": (1.0, 0.0), "far": (50.0, 0.1)}
    artists = plots.phase_map(ax, diagram, points)
    draw(ax.figure)
    np.testing.assert_array_equal(cells(artists.mesh).filled(np.nan), diagram.chi)
    assert "ordered" in artists.names
    assert ("chaotic" in artists.names) == (name == "tanh")
    assert ("unbounded" in artists.names) == (name != "tanh")
    assert (artists.line is None) == (name == "softplus")
    assert ax.get_title().replace("\n", " ") == diagram.note
    labels = [" ".join(label.split()) for label in artists.points]
    assert labels == ["one, same", "far (outside: σ_w = 50, σ_b = 0.1)"]
    assert x_of(artists.points["one, same"]) == [1.0]
    for text in artists.names.values():  # on the axes, and on no point
        box = text.get_window_extent()
        assert ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1 and ax.bbox.y0 <= box.y0 and box.y1 <= ax.bbox.y1
        for point in artists.points.values():
            assert not box.contains(*ax.transData.transform((x_of(point)[0], y_of(point)[0])))


def test_phase_figure_has_its_key_below() -> None:
    figure = plots.phase_figure(phase_diagram("tanh"), {"mine": (1.2, 0.1)})
    draw(figure)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["critical: χ = 1", "mine"]
    assert not figure.axes[0].bbox.overlaps(legend.get_window_extent())


def test_the_reach_of_a_depth_is_dotted_outside_of_its_lines() -> None:
    diagram, ax = phase_diagram("relu"), make_ax()
    before = len(plots.phase_map(make_ax(), diagram, {}).figure.axes[0].collections)
    artists = plots.phase_map(ax, diagram, {}, depth=20)
    labels = [str(handle.get_label()) for handle in artists.handles]
    assert labels[1:3] == ["examples alike to the left, after 20 layers", "delta explodes to the right, over 20 layers"]
    lines = [each for each in ax.collections if isinstance(each, ContourSet) and not each.filled]
    at = [float(np.concatenate([path.vertices for path in each.get_paths()])[:, 0].mean()) for each in lines]
    # chi = sigma_w^2 / 2: closed forms; the contour is straight between columns 1/30 apart.
    assert at == pytest.approx([(2 * 1e-4 ** (1 / 20)) ** 0.5, (2 * 1e6 ** (1 / 20)) ** 0.5], abs=1e-3)
    assert len(ax.collections) == before + 4
    draw(ax.figure)


def test_a_depth_that_reaches_everywhere_draws_no_line() -> None:
    shallow = plots.phase_map(make_ax(), phase_diagram("tanh", [0.9, 1.0, 1.1], [0.1, 0.2]), depth=1)
    assert all("layers" not in str(handle.get_label()) for handle in shallow.handles)


def test_chi_of_one_is_the_middle_of_the_colours() -> None:
    norm: Any = plots.phase_map(make_ax(), phase_diagram("tanh")).mesh.norm
    assert norm(1.0) == pytest.approx(0.5) and norm(2.0) + norm(0.5) == pytest.approx(1.0)


def test_a_diagram_of_one_row_is_refused() -> None:
    with pytest.raises(InputError, match="at least two sigma_w and two sigma_b, got 2 and 1"):
        plots.phase_map(make_ax(), phase_diagram("tanh", [1.0, 2.0], [0.1]))
