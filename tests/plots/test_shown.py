"""What a notebook shows of the lab's objects as the last line of a cell."""

import io

import matplotlib.image
import pytest
import torch
from matplotlib import pyplot
from matplotlib.figure import Figure
from torch import nn

import vanishlab as vl
from vanishlab import plots


@pytest.fixture(scope="module")
def record() -> vl.Record:
    training = vl.TrainingConfig(learning_rates=(0.1, 1e30), seeds=(0, 1), steps=2, device="cpu")
    return vl.train(
        vl.NetworkConfig(depth=2, width=3, activation="relu"), training, vl.load_data("moons", max_examples=16)
    )


def test_a_figure_shows_itself_at_its_size_and_leaves_pyplot_alone(record: vl.Record) -> None:
    before = pyplot.get_fignums()
    network = vl.NetworkConfig(depth=2, width=3)
    data = vl.load_data("moons", max_examples=16)
    figures = [
        plots.three_curves(record),
        plots.history_figure(record),
        plots.learning_rate_figure(record),
        plots.prediction_figure(vl.predict(network, data)),
        plots.phase_figure(vl.theory.phase_diagram("tanh")),
    ]
    for figure in figures:
        picture, size = getattr(figure, "_repr_png_")()  # noqa: B009
        height, width, _ = matplotlib.image.imread(io.BytesIO(picture)).shape
        inches = figure.get_size_inches()
        assert (size["width"], size["height"]) == tuple(round(each * figure.dpi) for each in inches)
        assert (width, height) == pytest.approx((2 * size["width"], 2 * size["height"]), abs=1)
    assert pyplot.get_fignums() == before


def test_a_record_says_in_a_few_lines_what_it_is(record: vl.Record) -> None:
    first, second, third = repr(record).split("\n")
    assert first.startswith("Record of NetworkConfig(depth=2, width=3, activation='relu'")
    assert second == "  4 runs, learning rates 0.1, 1e+30, seeds 0, 1; 3 recorded steps, 0 to 2; 3 layers"
    assert third == "  2 of the runs diverged"
    one = repr(record.select(learning_rate=0.1, seed=0, step=0))
    assert "1 run, learning rates 0.1, seeds 0; 1 recorded step, 0 to 0; 3 layers" in one and "diverged" not in one
    many = vl.TrainingConfig(seeds=tuple(range(9)), steps=0, device="cpu")
    trained = vl.train(vl.NetworkConfig(depth=2, width=3), many, vl.load_data("moons", max_examples=16))
    assert "seeds 0, 1, 2, 3, 4, 5 and 3 more; 1 recorded step" in repr(trained)


def test_a_record_of_ones_own_model_names_what_is_unmeasured() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    with vl.GradientRecorder(model) as recorder:
        model(torch.ones(5, 3)).sum().backward()
        recorder.end_step()
    lines = ["Record of a model of your own", "1 run; 1 recorded step, 0 to 0; 2 layers", "unmeasured: 0"]
    assert repr(recorder.record) == "\n  ".join(lines)


def test_a_prediction_says_in_two_lines_what_it_is() -> None:
    prediction = vl.predict(vl.NetworkConfig(depth=2, width=3), vl.load_data("moons", max_examples=16))
    first, second = repr(prediction).split("\n")
    assert first.startswith("Prediction for NetworkConfig(depth=2") and "on 16 examples of moons (" in first
    lost = prediction.log10_delta_rms[0] - prediction.log10_delta_rms[-1]
    assert second == f"  3 layers; delta, first / last: 10^{lost:.2f}"


def test_a_panel_without_axes_makes_a_figure_of_its_own(record: vl.Record) -> None:
    before = pyplot.get_fignums()
    network = vl.NetworkConfig(depth=2, width=3)
    prediction = vl.predict(network, vl.load_data("moons", max_examples=16))
    drawn = [
        plots.depth_profile(None, record),
        plots.update_ratio(ax=None, record=record),
        plots.loss_curves(None, record),
        plots.accuracy_curves(None, record),
        plots.learning_rate_panel(None, None, record),
        plots.history(None, record),
        plots.prediction_profile(None, prediction),
        plots.phase_map(None, vl.theory.phase_diagram("tanh")),
        plots.sweep_map(None, ["a", "b"], [1, 2], [[0.0, 1.0], [0.5, 0.2]]),
    ]
    for artists in drawn:
        assert getattr(artists.figure, "_repr_png_")()[0].startswith(b"\x89PNG")  # noqa: B009
    assert len({id(artists.figure) for artists in drawn}) == len(drawn) and pyplot.get_fignums() == before
    ax = Figure().subplots()
    assert plots.depth_profile(ax, record).figure is ax.get_figure()
    with pytest.raises(vl.InputError, match="^axes must be both given or both None, got one$"):
        plots.learning_rate_panel(ax, None, record)
