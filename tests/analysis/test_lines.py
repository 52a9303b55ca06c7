"""Where each verdict begins: evidence written by hand, on both sides of every line."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy import stats

from vanishlab.analysis.diagnosis import judge
from vanishlab.analysis.evidence import Evidence
from vanishlab.analysis.rules.loss import _fall
from vanishlab.analysis.verdict import Thresholds, Verdict
from vanishlab.recording import remarks

LAYERS = 8
WIDE = np.full(LAYERS, 1e4)


def made(steps: int = 1, **changes: Any) -> Evidence:
    """A healthy run of eight tanh layers; of `changes` a number or a profile (layer,) holds at every step."""

    def of(value: float) -> np.ndarray:
        return np.full((steps, LAYERS), value)

    healthy = Evidence(
        names=tuple("abcdefgh"), loss=np.ones(steps), accuracy=np.full(steps, np.nan), delta=of(0.0), gradient=of(0.1),
        activation=of(0.5), saturated=of(0.0), weight=of(8.0), update_ratio=of(1e-3), zero=of(0.0), subnormal=of(0.0),
        underflowed=of(0.0) > 0, overflowed=of(0.0) > 0, distinct=of(0.3), rank=of(20.0), units=WIDE,
        phi=("tanh",) * LAYERS, functions=np.zeros(LAYERS, dtype=bool), twins=np.zeros(LAYERS), learning_rate=0.1,
        coarse=np.zeros(LAYERS), updates=max(steps - 1, 0),
    )  # fmt: skip
    shapes = {name: np.shape(getattr(healthy, name)) for name in changes}
    whole = {
        name: np.broadcast_to(value, shapes[name]) for name, value in changes.items() if shapes[name] == (steps, LAYERS)
    }
    return dataclasses.replace(healthy, **{**changes, **whole})


def verdicts(evidence: Evidence) -> dict[str, Verdict]:
    return {verdict.name: verdict for verdict in judge(evidence, Thresholds())}


def names(evidence: Evidence) -> set[str]:
    return set(verdicts(evidence))


def only(value: float, layer: int = 3) -> np.ndarray:
    """0 in every layer but one."""
    return np.where(np.arange(LAYERS) == layer, value, 0.0)


def fall(decades: float, layers: int = LAYERS) -> np.ndarray:
    """log10 of a delta that loses so many on its way back, evenly."""
    return np.linspace(-decades, 0.0, layers)


def alike(share: float) -> np.ndarray:
    """Distinct shares of a net whose examples are apart in three layers, and this much in the others."""
    return np.where(np.arange(LAYERS) < 3, 0.3, share)


def falling(share: float) -> np.ndarray:
    """A loss that has fallen to such a share of the first."""
    return np.array([1.0, *[share] * 5])


def grown(first: float, last: float) -> np.ndarray:
    """Activations (step, layer) of six steps."""
    return np.array([[first] * LAYERS, *[[last] * LAYERS] * 5])


def thrown(**changes: Any) -> Evidence:
    """A run that threw its weights away, and whose loss bears it."""
    return made(6, **{"update_ratio": 0.51, "loss": falling(0.51), "activation": grown(0.01, 101.0)} | changes)


RELU = ("relu",) * LAYERS
GATES = tuple(f"rnn.weight_{part}_l{layer}" for layer in range(LAYERS // 2) for part in ("ih", "hh"))


@pytest.mark.parametrize(
    ("name", "beyond", "within"),
    [
        ("symmetric", made(twins=only(0.5)), made(twins=only(0.49))),
        ("dead", made(phi=RELU, saturated=only(0.81)), made(phi=RELU, saturated=only(0.79))),
        # Of n units half may be dead by chance, with a deviation of 1 / sqrt(4 n): four of these are the other half.
        ("dead", made(phi=RELU, saturated=only(1.0), units=WIDE / 625),
         made(phi=RELU, saturated=only(0.98), units=WIDE / 625)),
        ("saturated", made(saturated=only(0.51)), made(saturated=only(0.49))),
        # What has come past a bounded phi is larger than it can be.
        ("saturated", made(saturated=only(0.6), activation=0.99), made(saturated=only(0.6), activation=1.01)),
        # Of recurrent layers it is their gates.
        ("saturated", made(names=GATES, phi=("",) * LAYERS, saturated=only(0.51)),
         made(names=GATES, phi=("",) * LAYERS, saturated=only(0.49))),
        ("saturated", made(names=GATES, phi=("",) * LAYERS, saturated=only(0.51)),
         made(phi=("",) * LAYERS, saturated=only(0.51))),
        # A loss that bears wild updates, by activations a hundred times as large as they were.
        ("diverging", thrown(), thrown(update_ratio=0.49)),
        ("diverging", thrown(), thrown(loss=falling(0.49))),
        ("diverging", thrown(), thrown(activation=grown(0.01, 99.0))),
        # Of the entries that are not zero: 0.2 of 0.4, and of 0.5.
        ("underflow", made(subnormal=only(0.21), zero=only(0.6)), made(subnormal=only(0.19), zero=only(0.6))),
        ("vanishing", made(delta=fall(3.1), gradient=10 ** fall(3.1)), made(delta=fall(2.9), gradient=10 ** fall(2.9))),
        ("exploding", made(delta=fall(-2.6)), made(delta=fall(-2.4))),
        ("exploding", made(delta=fall(-3.1), distinct=0.51), made(delta=fall(-2.9), distinct=0.51)),
        ("exploding", made(delta=fall(-2.7), distinct=0.49), made(delta=fall(-2.7), distinct=0.51)),
        ("collapsed", made(distinct=alike(0.9e-4), rank=5.9), made(distinct=alike(1.1e-4), rank=5.9)),
        ("collapsed", made(distinct=alike(0.9e-4), rank=5.9), made(distinct=alike(0.9e-4), rank=6.1)),
        ("collapsed", made(distinct=alike(0.9e-12), rank=9.0), made(distinct=alike(1.1e-12), rank=9.0)),
        ("frozen updates", made(update_ratio=0.9e-6, learning_rate=1e-5),
         made(update_ratio=1.1e-6, learning_rate=1e-5)),
        ("frozen updates", made(update_ratio=0.9e-6, learning_rate=0.9e-4),
         made(update_ratio=0.9e-6, learning_rate=1.1e-4)),
    ],
)  # fmt: skip
def test_each_line_is_where_it_says(name: str, beyond: Evidence, within: Evidence) -> None:
    assert name in names(beyond) and name not in names(within)


def test_healthy_evidence_is_healthy() -> None:
    for steps in (1, 2, 7):
        assert names(made(steps)) == {"healthy"}


# Depth.


def test_delta_that_vanishes_behind_flat_weight_gradients_is_masked() -> None:
    """Weight gradients show less than a fifth of delta's decades, because activations lose them on the way forwards."""
    delta = fall(7.0)
    for shown, name in ((1.0, "masked vanishing"), (1.3, "vanishing"), (7.0, "vanishing")):
        # A layer's gradient is delta times the activation before it; a is the first, whose input is the data.
        forwards = 10.0 ** (-np.arange(1, LAYERS + 1) * (1 - shown / 6))  # 6 decades from b to h
        gradient = 10.0**delta * np.append(1.0, forwards[:-1])
        found = verdicts(made(delta=delta, gradient=gradient, activation=forwards))
        assert set(found) == {name}
        numbers = found[name].evidence
        assert numbers["decades that weight gradients show"] == pytest.approx(shown)
        assert numbers["decades that activations lose forward"] == pytest.approx(6 - shown)


def test_two_layers_behind_the_first_are_enough_to_see_it() -> None:
    # The first layer's gradient has the input's scale. Both others show nothing of delta's 3.5 decades.
    few = np.array([*[np.nan] * 5, -7.0, -3.5, 0.0])
    forwards = 10.0 ** np.array([*[0.0] * 5, 0.0, -3.5, -7.0])
    assert names(made(delta=few, gradient=0.1, activation=forwards)) == {"masked vanishing"}


def test_gradients_that_are_flat_without_such_activations_hide_nothing() -> None:
    assert names(made(delta=fall(7.0), gradient=1.0, activation=0.5)) == {"vanishing"}


def test_a_large_input_alone_is_no_vanishing() -> None:
    low = np.array([-4.0, 0, 0, 0, 0, 0, 0, 0])
    flat = np.zeros(LAYERS)
    for gradient, found in ((flat - [1.4, *[0] * 7], "healthy"), (flat - [1.6, *[0] * 7], "vanishing")):
        assert names(made(delta=low, gradient=10.0**gradient)) == {found}
    # Not alone: the others lose as much by themselves; two layers have no others.
    assert "vanishing" in names(made(delta=low + np.append(0.0, fall(3.5, 7)), gradient=1.0, activation=0.5))


def test_layers_that_lose_a_fifth_of_all_decades_are_named() -> None:
    steps = np.array([0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0])
    found = verdicts(made(delta=np.append(0.0, np.cumsum(steps)) - 3.0 - 0.1, gradient=1.0))["vanishing"]
    assert found.layers == ("c", "d") and "most of it in c, d" in found.sentence


# Single layers.


def test_a_flat_output_is_named_with_the_layer_before_it() -> None:
    def found(slope: float, **changes: Any) -> dict[str, Verdict]:
        said = {remarks.SLOPE: f"sigmoid, {slope}", remarks.CONSTANT: "0.7"}
        return verdicts(made(3, remarks=said, **changes))

    flat = found(0.33)["saturated"]
    assert flat.layers == ("h",) and "of h before it" in flat.sentence and "33%" in flat.sentence
    assert "saturated" not in found(0.34)
    assert "saturated" not in found(0.1, loss=np.full(3, 0.69))  # better than a constant answer: it has learned
    assert "saturated" not in found(0.1, first_step=4)


def test_what_half_precision_lost_on_the_way_back_stays_lost() -> None:
    # Within autocast: hardly a bit is left in e, so that the zeros behind it are lost, and those before it are not.
    delta = np.array([-np.inf, -np.inf, -np.inf, -np.inf, -3.0, -2.0, -1.0, 0.0])
    found = verdicts(made(delta=delta, half="float16", coarse=only(0.6, 4)))["underflow"]
    assert found.layers == ("a", "b", "c", "d", "e") and "float16" in found.sentence
    assert "underflow" not in verdicts(made(delta=delta, half="float16", coarse=only(0.4, 4)))
    apart = np.where(np.arange(LAYERS) == 2, -4.0, delta)  # c is alive: what is zero before it is not e's doing
    assert verdicts(made(delta=apart, half="float16", coarse=only(0.6, 4)))["underflow"].layers == ("d", "e")


def test_a_gradient_that_is_zero_everywhere_in_half_precision_is_lost_where_there_is_something_to_learn() -> None:
    gone: dict[str, Any] = {"delta": -np.inf, "gradient": 0.0, "zero": 1.0}
    assert "underflow" in names(made(dtype="float16", **gone))
    assert "underflow" not in names(made(dtype="float32", **gone))
    assert "underflow" not in names(made(3, dtype="float16", loss=np.array([0.0, 1.0, 1.0]), **gone))
    assert "underflow" in names(made(3, dtype="float16", loss=np.array([1.0, 1.0, 0.0]), **gone))


def test_a_gradient_that_underflowed_in_half_of_the_steps_is_lost() -> None:
    # Of eight steps the last four count.
    for steps, found in ((2, True), (1, False)):
        lost = np.zeros((8, LAYERS), dtype=bool)
        lost[-steps:, 3] = True
        evidence = made(8, zero=only(1.0), underflowed=lost)
        assert ("underflow" in names(evidence)) == found


# The run.


@pytest.mark.parametrize(
    ("loss", "update", "found"),
    [
        ([1.0, 2.1, 1.5, 1.1, 1.1], 0.1, {"diverging"}),
        ([1.0, 1.9, 1.5, 1.1, 1.1], 0.1, {"healthy"}),
        ([1.0, 1.5, 2.1, 1.1, 1.1], 0.1, {"diverging"}),
        ([1.0, 2.1, 1.5, 0.9, 0.9], 0.1, {"healthy"}),  # it came back
        ([1.0, 1.9, 1.5, 1.1, 1.1], 0.51, {"diverging"}),
        ([1.0, 1.9, 1.5, 0.9, 0.9], 0.51, {"healthy"}),
        ([1.0, 0.5, 0.1, 0.05, 0.009], 0.1, {"converged"}),
        ([1.0, 0.5, 0.1, 0.05, 0.011], 0.1, {"healthy"}),
        ([1.0, 0.5, 0.1, 0.009], 0.1, {"healthy"}),  # of fewer than five steps nothing is said
    ],
)
def test_the_course_of_a_loss(loss: list[float], update: float, found: set[str]) -> None:
    assert names(made(len(loss), loss=np.array(loss), update_ratio=update)) == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"accuracy": np.full(10, 0.996)}, {"converged"}),
        ({"accuracy": np.full(10, 0.994)}, {"healthy"}),
        ({"exchanged_loss": 51.0}, {"converged"}),
        ({"exchanged_loss": 49.0}, {"healthy"}),
        # Its last delta has all but gone, and the loss is at rest at a tenth of the first.
        ({"loss": np.array([1.0, *[0.09] * 9]), "delta": np.log10([1.0, *[0.049] * 9])[:, None] + np.zeros(LAYERS)},
         {"converged"}),
        ({"loss": np.array([1.0, *[0.09] * 9]), "delta": np.log10([1.0, *[0.051] * 9])[:, None] + np.zeros(LAYERS)},
         {"healthy"}),
        ({"loss": np.array([1.0, *[0.11] * 9]), "delta": np.log10([1.0, *[0.049] * 9])[:, None] + np.zeros(LAYERS)},
         {"healthy"}),
    ],
)  # fmt: skip
def test_the_end_of_learning(changes: dict[str, Any], found: set[str]) -> None:
    assert names(made(10, **changes)) == found


@pytest.mark.parametrize(
    ("end", "fall_of_it", "updates", "constant", "found"),
    [
        (0.98, 0.0, 100, None, {"stalled"}),
        (0.96, 0.0, 100, None, {"levelled out"}),
        (0.98, 0.0, 99, None, {"healthy"}),
        (0.98, 0.0045, 100, None, {"stalled"}),
        (0.98, 0.0055, 100, None, {"healthy"}),
        (0.5, 0.0, 100, 0.51, {"stalled"}),
        (0.5, 0.0, 100, 0.52, {"levelled out"}),
    ],
)
def test_a_loss_that_has_levelled_out(
    end: float, fall_of_it: float, updates: int, constant: float | None, found: set[str]
) -> None:
    # The last half falls by so much of its end along a straight line.
    loss = np.concatenate([np.linspace(1.0, end, 100), end * (1 + fall_of_it * np.linspace(1.0, 0.0, 100))])
    said = {} if constant is None else {remarks.CONSTANT: str(constant)}
    assert names(made(200, loss=loss, updates=updates, remarks=said)) == found


def test_a_fall_and_its_error_are_those_of_a_straight_line() -> None:
    loss = 2.0 - 0.7 * np.linspace(0.0, 1.0, 30) + np.random.default_rng(0).normal(0.0, 0.1, 30)
    line: Any = stats.linregress(np.linspace(0.0, 1.0, 30), loss)
    assert _fall(loss) == pytest.approx((-line.slope, line.stderr), rel=1e-9)


def test_a_plateau_is_told_from_noise_only_where_its_slope_is_known() -> None:
    # Noise of 1 and -1, without a slope: over 100 steps from -1/2 to 1/2 the slope's error is 0.346 times as large.
    for noise, found in ((0.085, {"stalled"}), (0.089, {"healthy"})):
        loss = np.concatenate([np.ones(100), 0.98 + 0.98 * noise * np.tile([1.0, -1.0, -1.0, 1.0], 25)])
        assert names(made(200, loss=loss)) == found


@pytest.mark.parametrize(
    ("first", "classes", "found"),
    [(10.1, "yes", "wild scale"), (9.9, "yes", "healthy"), (101.0, "no", "wild scale"), (99.0, "no", "healthy")],
)
def test_a_first_loss_far_above_that_of_a_constant_answer(first: float, classes: str, found: str) -> None:
    said = {remarks.CONSTANT: "1.0", remarks.CLASSES: classes}
    assert names(made(loss=np.array([first]), remarks=said)) == {found}
    # Fewer than two activations are known: the last layer is named.
    alone = np.where(np.arange(LAYERS) == 7, 0.5, np.nan)
    wild = verdicts(made(loss=np.array([first]), remarks=said, activation=alone)).get("wild scale")
    assert (wild is None) == (found == "healthy") and (wild is None or wild.layers == ("h",))


@pytest.mark.parametrize(
    ("gain", "weights", "first", "found"),
    [
        (10.1, 3.1, 3.1, "wild scale"),
        (9.9, 3.1, 3.1, "healthy"),
        (10.1, 2.9, 3.1, "healthy"),
        (10.1, 3.1, 2.9, "healthy"),
    ],
)
def test_a_layer_that_multiplies_what_it_is_given_is_at_fault(
    gain: float, weights: float, first: float, found: str
) -> None:
    said = {remarks.CONSTANT: "1.0", remarks.CLASSES: "yes"}
    activation = np.where(np.arange(LAYERS) < 5, 0.5, 0.5 * gain)
    evidence = made(
        loss=np.array([first]), remarks=said, activation=activation, phi=("",) * LAYERS, weight=weights * 100
    )
    assert set(wild := verdicts(evidence)) == {found}
    if found == "wild scale":
        assert wild["wild scale"].layers == ("f",)  # of 10,000 units: a norm of 100 is sqrt(fan_in) times sigma of 1


# The graph.


def test_a_gradient_that_breaks_without_having_grown_is_one_operations_doing() -> None:
    """The loss is finite, what the layers show before is of ordinary size, and from d back nothing is finite."""
    lost = np.zeros((4, LAYERS), dtype=bool)
    lost[2:, :4] = True
    delta, gradient = np.zeros((4, LAYERS)), np.where(lost, np.inf, 0.1)
    delta[2:, :4] = np.nan

    def found(**changes: Any) -> dict[str, Verdict]:
        return verdicts(made(4, **{"delta": delta, "gradient": gradient, "overflowed": lost, **changes}))

    broken = found()["not finite"]
    assert broken.layers == ("a", "b", "c", "d") and broken.evidence == {"first step": 2.0}
    assert "from d back: look between it and e" in broken.sentence
    grown, large = delta.copy(), gradient.copy()
    grown[2, 7], large[1, 7] = 15.1, 1e16
    assert "not finite" in found(delta=np.where(grown > 15, 14.9, grown))
    for changes in (
        {"delta": grown},  # a few layers more, and growth has broken it
        {"gradient": large},
        {"dtype": "float16"},
        {"loss": np.array([1.0, 1.0, np.nan, np.nan])},
        {"activation": np.where(lost, np.inf, 0.5)},
    ):
        assert "not finite" not in found(**changes)
    at_the_loss = found(overflowed=lost | (np.arange(4)[:, None] >= 2))["not finite"]
    assert "between it and the loss" in at_the_loss.sentence


def test_a_delta_that_is_zero_from_some_layer_back_is_cut_there() -> None:
    delta = np.where(np.arange(LAYERS) < 3, -np.inf, 0.0)
    cut = verdicts(made(delta=delta, gradient=np.where(delta < 0, 0.0, 0.1), zero=np.where(delta < 0, 1.0, 0.0)))
    assert cut["no gradient"].layers == ("a", "b", "c") and cut["no gradient"].cause == "flat"
    assert "from c back: what lies between it and d" in cut["no gradient"].sentence
    gated = np.where(np.arange(LAYERS) == 2, -np.inf, 0.0)  # layers before it are alive
    assert "no gradient" not in names(made(delta=gated))
