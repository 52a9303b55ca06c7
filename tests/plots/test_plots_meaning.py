"""The picture of the fourth curve: at a step that was looked at closely, on axes that end where the quantities do."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from test_plots import DIGITS, make_ax, make_record, x_of, y_of

import vanishlab as vl
from vanishlab import plots
from vanishlab.plots.meaning import looked_at
from vanishlab.recording.quantities import MEANING


@pytest.fixture(scope="module")
def trained() -> vl.Record:
    return vl.train(vl.NetworkConfig(8, 16), vl.TrainingConfig((0.1, 1.0), (0, 1), steps=8), DIGITS)


def test_the_curves_are_those_of_the_last_step_that_was_looked_at_closely(trained: vl.Record) -> None:
    closely = [step for step in range(9) if not np.isnan(trained.select(step=step).effective_rank).all()]
    assert closely == [0, 1, 2, 4, 7, 8]
    for asked, shown in ((0, 0), (3, 2), (6, 4), (-1, 8)):
        assert looked_at(trained, asked) == shown
    figure = plots.meaning_curves(trained, 6)
    assert "after 4 steps" in figure.get_suptitle()
    for ax, name in zip(figure.axes, MEANING, strict=True):
        median = trained.over_seeds(trained.select(step=4).layer_quantity(name)[:, 0]).median[0]
        np.testing.assert_array_equal(y_of(ax.lines[0]), np.where(median > 0, median, np.nan))
        np.testing.assert_array_equal(x_of(ax.lines[0]), trained.layer)


def test_a_record_that_was_never_looked_at_closely_shows_the_step_asked_for() -> None:
    never = make_record(effective_rank=np.nan, gradient_coherence=np.nan)
    assert looked_at(never, 2) == 2
    figure = plots.meaning_curves(never, 2)
    assert [text.get_text() for text in figure.axes[1].texts] == ["not measured"]


def test_axes_end_where_a_share_and_a_rank_do() -> None:
    record = make_record(distinct_share=0.5, effective_rank=1.5, gradient_coherence=1.0)
    for ax, name in zip(plots.meaning_curves(record).axes, MEANING, strict=True):
        low, high = ax.get_ylim()
        assert (0.5 < low < 1.0) if name == "effective_rank" else (1.0 < high < 2.0)


def test_rounding_and_strangers_have_a_line_where_the_record_knows_them(trained: vl.Record) -> None:
    def guides(record: vl.Record, name: str) -> dict[Any, float]:
        lines = plots.meaning_profile(make_ax(), record, name, 0, key=False).extra
        return {line.get_label(): y_of(line)[0] for line in lines}

    assert guides(trained, "gradient_coherence") == {"strangers: 1 / 32 examples": 1 / 32}
    assert guides(trained, "distinct_share") == {"rounding": 2.0**-46}  # eight sigmoid layers reach it
    assert guides(trained, "effective_rank") == {}
    apart = dataclasses.replace(trained, distinct_share=np.full_like(trained.distinct_share, 0.5))
    assert guides(apart, "distinct_share") == {}
    unknown = dataclasses.replace(trained, facts={}, environment={})
    assert guides(unknown, "gradient_coherence") == guides(unknown, "distinct_share") == {}
    wide = {name: facts._replace(units=5000.0) for name, facts in trained.facts.items()}  # fewer examples were compared
    assert guides(dataclasses.replace(trained, facts=wide), "gradient_coherence") == {}


def test_the_key_names_the_lines_once(trained: vl.Record) -> None:
    (below,) = plots.meaning_curves(trained, 0).legends  # before training there is no key of learning rates
    assert [text.get_text() for text in below.get_texts()][:2] == ["rounding", "strangers: 1 / 32 examples"]


def test_theory_stands_over_what_was_measured() -> None:
    network = vl.NetworkConfig(6, 32, "tanh", "lecun_normal")
    record = vl.train(network, vl.TrainingConfig(seeds=(0, 1), steps=0), DIGITS)
    found = vl.predict(network, DIGITS)
    figure = plots.prediction_figure(found, record, plots.MEANING)
    for ax, name in zip(figure.axes, MEANING, strict=True):
        lines = {str(line.get_label()): line for line in ax.lines}
        np.testing.assert_array_equal(y_of(lines["theory"]), found.log10_typical(name))
        measured = np.log10(record.layer_quantity(name)[:, 0])
        np.testing.assert_array_equal(np.sort(y_of(lines["measured, 2 seeds"])), np.sort(measured.ravel()))
        assert bool(ax.collections) == (name == "distinct_share")  # whose spread alone is known
    with pytest.raises(vl.InputError, match="quantities must name at least one"):
        plots.prediction_figure(found, record, ())


def test_theory_without_a_rank_says_so_by_a_gap() -> None:
    network = vl.NetworkConfig(2, 8, "relu", "kaiming_normal", normalization="batch")
    assert np.isnan(vl.predict(network, DIGITS).effective_rank).all()
    plots.prediction_figure(vl.predict(network, DIGITS), None, plots.MEANING).draw_without_rendering()
