"""Maps of octaves: each cell stands at its layer and its size, and what is 0 is on the strip."""

import numpy as np
import pytest
from test_plots import draw, make_ax

import vanishlab as vl
from vanishlab import plots
from vanishlab.network.octaves import COUNTED, Octaves

SOME = Octaves(
    np.arange(-3, 2), np.array([[0, 0.5, 0.5, 0, 0], [0, 0, 0.2, 0.3, 0.25]]), np.array([0, 0.25]), np.zeros(2)
)
NOTHING = Octaves(np.zeros(0, dtype=np.int64), np.zeros((2, 0)), np.array([1.0, 0.5]), np.array([0.0, 0.5]))


def test_cells_stand_at_their_sizes_and_empty_ones_are_left_out() -> None:
    ax = make_ax()
    mesh = plots.octave_map(ax, SOME, "entries of W")
    corners = np.asarray(mesh.get_coordinates())  # (octave + 1, layer + 1, xy)
    np.testing.assert_allclose(corners[:, 0, 1], 2.0 ** np.arange(-3, 3))
    np.testing.assert_allclose(corners[0, :, 0], [0.5, 1.5, 2.5])
    values = np.ma.asarray(mesh.get_array()).reshape(5, 2)
    np.testing.assert_allclose(values.filled(0.0), SOME.share.T)
    assert values.count() == 5 and mesh.get_clim() == (0.0, 0.5) and ax.get_yscale() == "log"
    (crosses,) = [line for line in ax.lines if line.get_marker() == "x"]
    assert list(np.asarray(crosses.get_xdata())) == [2]
    draw(ax.figure)


def test_a_column_has_one_axis_and_all_have_one_range_of_colours() -> None:
    wide = Octaves(np.array([-140, -139]), np.array([[0.1, 0.9], [0.0, 0.5]]), np.zeros(2), np.zeros(2))
    states = {"one": dict.fromkeys(COUNTED, SOME), "two": dict.fromkeys(COUNTED, wide) | {"weight": NOTHING}}
    figure = plots.octaves_figure(states, "mine")
    draw(figure)
    one, two = np.array(figure.axes[:8]).reshape(2, 4)
    assert [ax.get_ylim() for ax in one] == [ax.get_ylim() for ax in two]
    assert one[0].get_ylim()[0] <= 2.0**-140 and one[0].get_ylim()[1] >= 4.0
    assert {ax.collections[0].get_clim() for ax in figure.axes[:8]} == {(0.0, 0.9)}
    assert [ax.get_title(loc="left") for ax in (one[0], two[0])] == ["one", "two"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["zero", "infinite"]
    with pytest.raises(vl.InputError, match="states must hold at least one, got none"):
        plots.octaves_figure({})
