"""The coordinate check's picture: each layer's medians, at the start and after the updates, and what has no place."""

import numpy as np
import pytest
from test_plots import draw, y_of

from vanishlab import plots
from vanishlab.analysis.coordinates.scaling import QUANTITIES, CoordinateCheck


def make_check(layers: int = 3, axis: str = "width", zero: bool = False) -> CoordinateCheck:
    generator = np.random.default_rng(0)
    values = {name: np.exp(generator.normal(size=(3, 4, 3, layers))) for name in QUANTITIES}
    values["change_rms"][:, :, 0] = 0.0
    if zero:
        values["delta_rms"][:, 1, 2, 0] = 0.0
        values["activation_rms"][:, 3, 2, 1] = np.inf
        values["update_ratio"][:, 2, 2, 1] = np.nan
    names = tuple(f"blocks.{place}" for place in range(layers))
    return CoordinateCheck(axis, np.array([16, 32, 64, 128]), (0, 1, 2), 2, names, ("hidden",) * layers, values)


def test_each_panel_has_the_medians_of_its_quantity() -> None:
    check = make_check()
    figure = plots.coordinate_figure(check)
    for ax, name in zip(figure.axes, ("activation_rms", "change_rms", "delta_rms", "update_ratio"), strict=True):
        medians = np.median(check.values[name], axis=0)  # (size, step, layer)
        drawn = [y_of(line) for line in ax.lines]
        starts = name in ("activation_rms", "delta_rms")
        expected = [medians[:, step, layer] for layer in range(3) for step in ((0, 2) if starts else (2,))]
        np.testing.assert_array_equal(drawn, expected)
        assert ax.get_xscale() == ax.get_yscale() == "log" and ax.get_xlabel() == "width"
    layers, times = figure.legends
    assert [text.get_text() for text in layers.get_texts()] == ["blocks.0", "blocks.1", "blocks.2"]
    assert [text.get_text() for text in times.get_texts()] == ["after 2 steps", "before training"]
    assert figure.get_suptitle().replace("\n", " ") == check.sentence
    draw(figure)


def test_zeros_and_infinities_are_marked_and_many_layers_share_a_key() -> None:
    figure = plots.coordinate_figure(make_check(40, "depth", zero=True))
    layers, times = figure.legends
    assert len(layers.get_texts()) == 8 and layers.get_texts()[-1].get_text() == "blocks.39"
    assert [text.get_text() for text in times.get_texts()][2:] == ["zero", "infinite"]
    draw(figure)


@pytest.mark.parametrize("axis", ["width", "depth"])
def test_in_chinese_every_text_is_said(axis: str) -> None:
    with plots.language("zh"):
        figure = plots.coordinate_figure(make_check(axis=axis))
        assert figure.axes[0].get_xlabel() == {"width": "宽度", "depth": "深度"}[axis]
        draw(figure)
