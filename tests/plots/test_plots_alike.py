"""Where the learning rate makes no difference there is one curve for all of them, and the picture says so."""

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

import vanishlab as vl
from vanishlab import plots
from vanishlab.plots.rates import apart_at

RATES = (0.1, 1.0, 3.0)
WORDS = "the same at every learning rate"


@pytest.fixture(scope="module")
def record() -> vl.Record:
    network = vl.NetworkConfig(depth=3, width=8)
    training = vl.TrainingConfig(learning_rates=RATES, seeds=(0, 1), steps=2)
    return vl.train(network, training, vl.load_data("moons", max_examples=16))


def title(figure: Figure) -> str:
    assert figure.get_suptitle()
    return figure.get_suptitle()


def curves(figure: Figure) -> list[int]:
    return [sum(len(np.atleast_1d(line.get_xdata())) == 4 for line in ax.lines) for ax in figure.axes]


def test_before_training_each_panel_has_one_curve_and_no_key_of_rates(record: vl.Record) -> None:
    for figure in (plots.three_curves(record, 0), plots.meaning_curves(record, 0)):
        assert curves(figure) == [1, 1, 1]
        assert WORDS in title(figure) and not any(
            legend.get_title().get_text() == "learning rate" for legend in figure.legends
        )
    several = plots.comparison({"one": record, "other": record}, "delta_rms", 0)
    assert curves(several) == [1, 1] and WORDS in title(several)


def test_after_training_each_rate_has_its_own(record: vl.Record) -> None:
    figure = plots.three_curves(record)
    assert curves(figure) == [3, 3, 3] and WORDS not in title(figure)
    assert any(legend.get_title().get_text() == "learning rate" for legend in figure.legends)
    assert WORDS not in title(plots.three_curves(record.select(learning_rate=0.1), 0))


def test_only_what_agrees_to_the_last_bit_is_the_same(record: vl.Record) -> None:
    (one,), same = apart_at([record], 0, ["delta_rms"])
    assert same and one.runs == 2 and (one.learning_rate == RATES[0]).all() and one.seed.tolist() == [0, 1]
    other = record.delta_rms.copy()
    other[-1, 0, 0] = np.nextafter(other[-1, 0, 0], 1.0)
    nearly = dataclasses.replace(record, delta_rms=other)
    assert apart_at([record, nearly], 0, ["delta_rms"]) == ([record, nearly], [])
    assert apart_at([nearly], 0, ["activation_rms"])[1], "which is the same there"
    fewer = record.select(run=range(5))  # the last rate lacks a seed
    assert apart_at([fewer], 0, ["delta_rms"]) == ([fewer], [])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_title_of_a_single_column_is_not_cut_off(record: vl.Record, language: str) -> None:
    with plots.language(language):
        figure = plots.comparison({"one": record, "other": record}, "delta_rms", 0, columns=1)
        figure.draw_without_rendering()
        (drawn,) = [text for text in figure.texts if text.get_text() == title(figure)]
        box = drawn.get_window_extent()
    assert box.x0 >= 0.0 and box.x1 <= figure.bbox.x1
