"""The runs of a sweep on a grid of two labels: each cell by hand from the table of runs."""

import numpy as np
import pytest

import vanishlab as vl
from vanishlab.errors import InputError
from vanishlab.training.sweep.cells import cells_of, varying_axes
from vanishlab.training.sweep.grid import Grid
from vanishlab.training.sweep.running import sweep
from vanishlab.training.sweep.saved import Sweep, load_sweep


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    folder = tmp_path_factory.mktemp("sweep")
    networks = Grid((1, 3), (4,), ("relu",), ("gaussian",), (1.0, 2.0))
    training = vl.TrainingConfig((0.1, 1e30), (0, 1, 2), steps=3, loss="mse")
    list(sweep(networks, training, vl.load_data("digits", max_examples=16), out=folder, workers=1))
    return load_sweep(folder)


def test_a_cell_is_the_median_over_runs_that_did_not_diverge(saved: Sweep) -> None:
    assert varying_axes(saved) == ("depth", "sigma_w", "learning_rate")
    cells = cells_of(saved, "learning_rate", "depth", "loss")
    assert cells.x.tolist() == [0.1, 1e30] and cells.y.tolist() == [1, 3]
    assert (cells.runs == 6).all()  # two scales, three seeds
    for row, depth in enumerate((1, 3)):
        own = [record for record in saved if record.network is not None and record.network.depth == depth]
        for column, rate in enumerate((0.1, 1e30)):
            chosen = [record.learning_rate == rate for record in own]
            gone = np.concatenate([record.diverged[place] for record, place in zip(own, chosen, strict=True)])
            losses = np.concatenate(
                [record.at_end(record.loss)[place] for record, place in zip(own, chosen, strict=True)]
            )
            assert cells.diverged[row, column] == gone.mean()
            if gone.all():
                assert np.isnan(cells.values[row, column])
            else:
                assert cells.values[row, column] == np.median(losses[~gone])
    assert cells.diverged[:, 1].all() and not cells.diverged[:, 0].any()


def test_widths_are_numbers_and_wrong_labels_are_named(saved: Sweep) -> None:
    assert cells_of(saved, "width", "sigma_w").x.tolist() == [4]
    with pytest.raises(InputError, match="x and y must be two labels, got 'depth' twice"):
        cells_of(saved, "depth", "depth")
    with pytest.raises(InputError, match="y must be one of"):
        cells_of(saved, "depth", "seed")
