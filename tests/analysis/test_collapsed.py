"""The verdict on what activations still say: examples that have become one vector, and those that stay apart."""

import dataclasses

import numpy as np
import pytest

import vanishlab as vl
from vanishlab.analysis.diagnosis import judge
from vanishlab.analysis.evidence import Evidence, evidence_of
from vanishlab.analysis.verdict import Thresholds, Verdict


@pytest.fixture(scope="module")
def healthy() -> Evidence:
    network = vl.NetworkConfig(6, 32, "tanh", "xavier_normal", dtype="float64")
    return evidence_of(vl.train(network, vl.TrainingConfig(steps=0), vl.load_data("digits", max_examples=32)), 0)


def with_shares(e: Evidence, shares: list[float], rank: float | list[float]) -> Evidence:
    return dataclasses.replace(e, distinct=np.array([shares]), rank=np.full((1, len(shares)), rank))


def verdict_on(e: Evidence) -> Verdict | None:
    return next((each for each in judge(e, Thresholds()) if each.name == "collapsed"), None)


FALL = [0.5, 1e-2, 1e-3, 9e-5, 1e-5, 1e-6, 0.3]  # the last is the readout's


def test_it_names_the_layers_from_which_on_examples_are_alike(healthy: Evidence) -> None:
    assert verdict_on(healthy) is None
    found = verdict_on(with_shares(healthy, FALL, rank=[9.0, 8.0, 7.0, 4.0, 3.0, 2.0, 9.0]))
    assert found is not None and found.layers == healthy.names[3:6]
    assert found.evidence == {"distinct share": 1e-6, "effective rank": 2.0}
    assert healthy.names[3] in found.sentence and "1.0e-06" in found.sentence


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "cannot be told apart: what {last} hands on is the same for all of them."),
        (9.9e-7, "hardly be told apart: less than a millionth of the energy of what {last} hands on differs between"),
        (1e-6, "hardly be told apart: 1.0e-06 of the energy of what {last} hands on differs between them."),
    ],
)
def test_a_share_of_next_to_nothing_is_said_in_words(healthy: Evidence, share: float, said: str) -> None:
    found = verdict_on(with_shares(healthy, [*FALL[:5], share, 0.3], rank=2.0))
    assert found is not None and said.format(last=healthy.names[5]) in found.sentence
    assert found.evidence["distinct share"] == share


def test_an_offset_that_all_examples_share_is_no_collapse(healthy: Evidence) -> None:
    assert verdict_on(with_shares(healthy, FALL, rank=9.0)) is None


def test_the_rank_of_rounding_says_nothing(healthy: Evidence) -> None:
    rounded = [0.5, 1e-4, 1e-9, 1e-13, 1e-14, 1e-15, 0.3]
    for rank in (9.0, np.nan):
        found = verdict_on(with_shares(healthy, rounded, rank))
        assert found is not None and found.layers == healthy.names[3:6]


def test_examples_that_are_alike_half_way_and_apart_at_the_end_have_not_collapsed(healthy: Evidence) -> None:
    assert verdict_on(with_shares(healthy, [0.5, 1e-6, 1e-6, 1e-2, 0.1, 0.2, 0.3], rank=2.0)) is None


def test_a_record_that_is_older_than_shares_has_no_such_verdict(healthy: Evidence) -> None:
    assert verdict_on(with_shares(healthy, [np.nan] * 7, rank=np.nan)) is None


@pytest.mark.parametrize(
    ("decades", "apart", "names"),
    [(2.4, 0.2, {"healthy"}), (2.6, 0.2, {"exploding"}), (2.6, 0.9, {"healthy"}), (3.5, 0.9, {"exploding"})],
)
def test_where_examples_stay_apart_more_growth_is_borne(
    healthy: Evidence, decades: float, apart: float, names: set[str]
) -> None:
    e = dataclasses.replace(with_shares(healthy, [apart] * 7, rank=9.0), delta=np.linspace(decades, 0.0, 7)[None])
    assert {each.name for each in judge(e, Thresholds())} == names


def test_what_explodes_is_told_the_rate_beyond_which_updates_are_wild(healthy: Evidence) -> None:
    gradient, weight = np.array([[8.0, 4.0, 2.0, 1.0, np.nan, 0.5, 0.1]]), np.full((1, 7), 2.0)
    e = dataclasses.replace(healthy, delta=np.linspace(4.0, 0.0, 7)[None], gradient=gradient, weight=weight)
    (found,) = judge(e, Thresholds())
    assert found.evidence["learning rate of wild updates"] == 0.5 / (8.0 / 2.0)
    assert "below 1.2e-01" in found.sentence and found.sentence.startswith("Delta grows by a factor of 1.0e+04")
    (unknown,) = judge(dataclasses.replace(e, gradient=np.full((1, 7), np.nan)), Thresholds())
    assert "rate" not in unknown.sentence and "learning rate of wild updates" not in unknown.evidence


def test_a_saturated_layer_that_a_skip_connection_passes_by_is_not_counted(healthy: Evidence) -> None:
    flat = dataclasses.replace(healthy, saturated=np.full((1, 7), 0.9))
    assert "saturated" in {each.name for each in judge(flat, Thresholds())}
    passed = dataclasses.replace(flat, activation=np.full((1, 7), 1.5))
    assert {each.name for each in judge(passed, Thresholds())} == {"healthy"}
    begins_small = dataclasses.replace(flat, activation=np.array([[0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5]]))
    assert {each.name for each in judge(begins_small, Thresholds())} == {"healthy"}
    elsewhere = dataclasses.replace(begins_small, units=np.array([16.0] + [32.0] * 5 + [10.0]))
    assert [each.layers for each in judge(elsewhere, Thresholds())] == [healthy.names[:1]]  # no stream of its width


@pytest.mark.parametrize(
    ("phi", "share", "names"),
    [
        ("gelu", 0.7, {"healthy"}),
        ("gelu", 0.8, {"saturated"}),
        ("softplus", 0.7, {"healthy"}),
        ("tanh", 0.6, {"saturated"}),
    ],
)
def test_what_is_flat_on_one_side_may_be_as_flat_as_relu(
    healthy: Evidence, phi: str, share: float, names: set[str]
) -> None:
    flat = dataclasses.replace(healthy, phi=(phi,) * 6 + ("",), saturated=np.full((1, 7), share))
    assert {each.name for each in judge(flat, Thresholds())} == names


@pytest.mark.parametrize(
    ("lost", "forward", "names"),
    [(2.4, 2.4, {"masked vanishing"}), (2.1, 2.1, {"healthy"}), (2.4, 0.0, {"healthy"}), (1.0, 9.0, {"healthy"})],
)
def test_what_activations_lose_too_is_lost(healthy: Evidence, lost: float, forward: float, names: set[str]) -> None:
    # A layer's gradient is its delta times what is handed to it, which five of the six hidden layers have handed down.
    delta, activation = np.linspace(-lost, 0.0, 7), np.linspace(0.0, -forward * 6 / 5, 7)
    gradient = 10.0 ** (delta + np.concatenate([[0.0], activation[:-1]]))
    e = dataclasses.replace(healthy, delta=delta[None], activation=10.0 ** activation[None], gradient=gradient[None])
    assert {each.name for each in judge(e, Thresholds())} == names


def test_larger_weights_are_no_remedy_where_the_activation_has_an_offset() -> None:
    training, data = vl.TrainingConfig(steps=0), vl.load_data("digits", max_examples=64)
    ill = vl.diagnose(vl.train(vl.NetworkConfig(20, 32, "sigmoid"), training, data))
    assert ill.names == ("vanishing", "collapsed")
    assert "matched initialisation" not in [remedy.name for remedy in ill.remedies]
