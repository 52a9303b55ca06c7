"""Every number of float64 is drawn: the smallest, the largest, both at once, and beside zeros and infinities."""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

import vanishlab as vl
from vanishlab import plots
from vanishlab.cli import commands
from vanishlab.plots.ranges import draw_colorbar, log_norm
from vanishlab.recording.over_seeds import median, summarise
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record
from vanishlab.report import write_report

SMALLEST, LARGEST = 5e-324, sys.float_info.max
VALUES: list[tuple[float, ...]] = [
    (SMALLEST,), (1e308,), (LARGEST,), (SMALLEST, 1e308), (SMALLEST, 1e308, LARGEST), (0.0, SMALLEST), (0.0, LARGEST),
    (math.inf, SMALLEST), (math.nan, LARGEST), (1e-310, 2e-310), (LARGEST, math.nextafter(LARGEST, 0)),
    (1e300, 1e308), (0.0, math.inf, math.nan, LARGEST, SMALLEST),
]  # fmt: skip
LOSSES: list[tuple[float, ...]] = [
    (-LARGEST, LARGEST), (-1e308,), (-1e308, -1.0000001e308), (-LARGEST, 0.0), (-SMALLEST, SMALLEST), (1e16,), (1e290,),
    (1e17, 1e17 + 16), (-math.inf, math.inf),
]  # fmt: skip
RATES: list[tuple[float, ...]] = [
    (LARGEST,), (SMALLEST, LARGEST), (1e308, LARGEST), (SMALLEST, 1e-323), (1.0, math.inf), (0.0, 0.1), (math.nan,),
    (0.0, SMALLEST, 1e-300, 1e-100, 1.0, 1e100, LARGEST, math.inf),
]  # fmt: skip
LABELS: list[dict[str, tuple[int, ...]]] = [
    {"steps": (2**50,)}, {"steps": (0, 1, 2**49, 2**50)}, {"steps": (2**50 - 1, 2**50)},
    {"layers": (2**50,)}, {"layers": (1, 2**50)}, {"layers": (2**49, 2**49 + 1, 2**50)},
]  # fmt: skip


def record_of(
    values: tuple[float, ...] = (1.0, 2.0, 0.5),
    losses: tuple[float, ...] | None = None,
    rates: tuple[float, ...] = (0.1, 1.0),
    steps: tuple[int, ...] = (0, 1, 2),
    layers: tuple[int, ...] = (1, 2, 3),
) -> Record:
    shape = 2 * len(rates), len(steps), len(layers)
    arrays: dict[str, Any] = {
        name: np.zeros(shape)
        if name.endswith(("fraction", "share", "coherence"))
        else np.resize(np.array(values), shape)
        for name in LAYER_QUANTITIES
    }
    return Record(
        learning_rate=np.repeat(np.array(rates), 2),
        seed=np.tile([0, 1], len(rates)),
        diverged_step=np.full(shape[0], -1),
        step=np.array(steps),
        layer=np.array(layers),
        loss=np.resize(np.array(losses or values), shape[:2]),
        accuracy=np.full(shape[:2], 0.5),
        test_step=np.array(steps),
        test_accuracy=np.full(shape[:2], 0.5),
        layer_names=tuple(f"layer {number}" for number in layers),
        **arrays,
    )


def shown(figure: Figure) -> None:
    figure.draw_without_rendering()  # what overflows, does so or warns here


CASES = [{"values": values} for values in VALUES] + [{"losses": losses} for losses in LOSSES]
CASES += [{"rates": rates} for rates in RATES] + LABELS
cases = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.mark.slow
@cases
def test_every_picture_of_a_record_is_drawn(case: dict[str, Any]) -> None:
    record = record_of(**case)
    figures = (plots.three_curves, plots.history_figure, plots.training_figure, plots.update_ratio_figure)
    for figure in (*figures, plots.meaning_curves):
        shown(figure(record))
    if all(0 < rate < math.inf for rate in record.learning_rate):
        shown(plots.learning_rate_figure(record))
    else:
        with pytest.raises(vl.InputError, match="^learning rates must be known and greater than 0, got "):
            plots.learning_rate_figure(record)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES[::4], ids=str)
def test_the_report_has_them_too(case: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    write_report({"extreme": record_of(**case)}, tmp_path / "report.html")


@pytest.mark.parametrize("values", [(SMALLEST,), (LARGEST,), (SMALLEST, 1e308)])
def test_plot_says_nothing_of_them_and_leaves_its_pictures(
    values: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record_of(values).save(tmp_path / "record.npz")
    drawn: list[Figure] = []
    monkeypatch.setattr("vanishlab.plots.save_both", lambda figure, path: drawn.append(figure) or (path, path))
    monkeypatch.setattr(sys, "argv", ["vanishlab", "plot", str(tmp_path / "record.npz")])
    commands.main()
    shown(drawn[3])
    assert len(drawn) == 7 and capsys.readouterr().err == ""


@pytest.mark.parametrize("values", [(SMALLEST,), (1e308,), (LARGEST,), (SMALLEST, LARGEST), (1e-310, 3e-310)])
def test_cells_have_the_colours_of_their_logarithm(values: tuple[float, ...]) -> None:
    ax = Figure().subplots()
    artists = plots.history(ax, record_of(values))
    shares = np.asarray(artists.mesh.norm(np.array(values)))
    assert (np.diff(shares) > 0).all() and (shares >= 0).all() and (shares <= 1).all()
    assert artists.colorbar is not None
    low, high = artists.mesh.get_clim()
    assert low <= min(values) and max(values) <= high


def test_the_curves_pass_through_the_values() -> None:
    ax = Figure().subplots()
    for line in plots.loss_curves(ax, record_of(losses=(-LARGEST, LARGEST, -1.0))).lines:
        low, high = ax.get_ylim()
        y = np.asarray(line.get_ydata(), dtype=float)
        assert (y >= low).all() and (y <= high).all() and set(y) == {-LARGEST, LARGEST, -1.0}


def test_an_ordinary_norm_can_be_changed() -> None:
    norm = log_norm(1e-3, 1.0)
    norm.vmax = 10.0
    assert norm.vmax == 10.0 and float(norm(10.0)) == 1.0


def test_a_median_of_the_largest_numbers_is_one_of_them() -> None:
    assert median(np.array([LARGEST, LARGEST])) == LARGEST
    assert median(np.array([1.0, 2.0, np.nan])) == 1.5
    rates = np.array([LARGEST, np.nan, LARGEST, np.nan])
    summary = summarise(rates, np.array([1.0, 2.0, 3.0, 4.0]))
    assert summary.median.tolist() == [2.0, 3.0]


def test_layers_far_apart_stand_where_they_are_in_the_moving_profile() -> None:
    pytest.importorskip("vl_convert")
    from vanishlab.report.player import player

    moving = player(record_of(layers=(3, 7, 2**50)), None, 1)
    assert moving is not None
    for chart in moving.charts:
        text = str(chart["spec"])
        assert f"[3, 7, {2**50}]" in text and "sequence" not in text and f"'domain': [3, {2**50}]" in text


@pytest.mark.parametrize("name", ["step", "layer", "test_step"])
def test_a_number_that_no_axis_can_count_to_is_refused(name: str, tmp_path: Path) -> None:
    labels = {"step": "steps", "test_step": "steps", "layer": "layers"}
    path = record_of(**{labels[name]: (1, 2**63 - 1)}).save(tmp_path / "record.npz")
    with pytest.raises(vl.InputError, match=rf"must be from [01] to {2**50}, got 9.22337e\+18 at \[1\]"):
        Record.load(path)


@pytest.mark.parametrize("value", [5e-324, 1e-322, 3e-319, 1e-316, 1e-313, 1e-42])
def test_the_colour_bar_of_a_single_number_has_numbers_around_it(value: float) -> None:
    figure = Figure()
    bar = draw_colorbar(ScalarMappable(log_norm(value, value)), figure.subplots(), "delta")
    figure.draw_without_rendering()
    low, high = sorted(bar.ax.get_ylim())
    labels = [tick.label1.get_text() for tick in bar.ax.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert any(label and label != "0" for label in labels), labels
