"""Pictures keep to matplotlib's style at the time: nothing pale on white paper stays so on black."""

from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context, style
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

import vanishlab as vl
from vanishlab import plots
from vanishlab.plots.ink import ink, on_dark, paper


@pytest.fixture(scope="module")
def record() -> vl.Record:
    training = vl.TrainingConfig(learning_rates=(0.1, 0.3, 1e30), seeds=(0, 1), steps=2, device="cpu")
    network = vl.NetworkConfig(depth=3, width=3, activation="relu", sigma_w=1e-30, initialization="gaussian")
    return vl.train(network, training, vl.load_data("moons", max_examples=16))


def figures(record: vl.Record) -> list[Figure]:
    assert record.network is not None
    prediction = vl.predict(record.network, vl.load_data("moons", max_examples=16))
    share = [[1.0, 0.5], [0.0, 0.0]]
    curves = {name: ([1, 2], [1, 2]) for name in "abcd"}
    return [
        plots.three_curves(record), plots.training_figure(record, chance=0.5), plots.learning_rate_figure(record),
        plots.history_figure(record, 5), plots.update_ratio_figure(record), plots.comparison({"a": record}),
        plots.prediction_figure(prediction, record), plots.phase_figure(vl.theory.phase_diagram("relu"), {"a": (1, 0)}),
        plots.sweep_figure("map", [1, 2], [1, 2], [[0.0, np.nan], [0.5, 0.2]], diverged=share, curves=curves),
    ]  # fmt: skip


def luminance(color: Any) -> float:
    return float(np.dot(to_rgb(color), (0.2126, 0.7152, 0.0722)))


def test_on_white_paper_the_greys_are_those_of_matplotlib() -> None:
    for strength, grey in ((0.1, "0.9"), (0.7, "0.3"), (0.08, "0.92"), (0.85, "0.15"), (0.0, "white"), (1.0, "black")):
        np.testing.assert_allclose(ink(strength), to_rgb(grey), atol=1e-12)  # rounding
    assert not on_dark()
    with rc_context({"axes.facecolor": "none", "figure.facecolor": "navy"}):
        assert on_dark() and paper() == to_rgb("navy")


def test_in_a_dark_style_lines_are_light_and_what_is_faint_is_dark(record: vl.Record) -> None:
    with style.context("dark_background"):
        drawn = figures(record)
    for figure in drawn:
        assert to_rgb(figure.get_facecolor()) == (0, 0, 0)
        for text in figure.findobj(Text):
            assert isinstance(text, Text) and luminance(text.get_color()) > 0.5, text
        for ax in figure.axes:
            for line in (*ax.get_xgridlines(), *ax.get_ygridlines()):
                assert not line.get_visible() or luminance(line.get_color()) < 0.5
        for strip in figure.findobj(lambda artist: artist.get_gid() == "floor" and isinstance(artist, Line2D)):
            assert isinstance(strip, Line2D) and luminance(strip.get_color()) < 0.5
        legends: list[Artist] = [each for ax in (figure, *figure.axes) for each in ax.findobj(Line2D)]
        for line in legends:
            assert isinstance(line, Line2D)
            seen = luminance(line.get_color()) > 0.05 or line.get_path_effects()
            faint = line.get_gid() == "floor" or line.get_linestyle() == "None" or not line.get_visible()
            assert seen or faint or not len(np.atleast_1d(line.get_xdata())), line.get_label()


def test_the_grid_and_the_letters_of_a_style_are_kept(record: vl.Record) -> None:
    with rc_context({"axes.grid": True, "grid.color": "red", "grid.linestyle": ":", "font.size": 17.0}):
        figure = plots.three_curves(record)
        FigureCanvasAgg(figure).draw()
    (line, *_) = figure.axes[0].get_ygridlines()
    assert line.get_color() == "red" and line.get_linestyle() == ":"
    assert figure.axes[0].yaxis.label.get_fontsize() == 17.0
