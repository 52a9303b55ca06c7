"""A whole phase diagram at once against the scalar theory, point by point."""

import math
from typing import Any

import numpy as np
import pytest

from vanishlab import NetworkConfig, load_data, predict
from vanishlab.activations import ACTIVATIONS
from vanishlab.errors import InputError
from vanishlab.theory import critical_point, mean_field, network_mean_field, network_point, phase_diagram
from vanishlab.theory.phases import PhaseDiagram


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_grid_is_the_scalar_theory_at_every_point(name: str) -> None:
    sigma_w, sigma_b = [0.3, 1.0, 1.38, 12.0], [0.0, 1e-4, 0.3, 1.5]
    diagram = phase_diagram(name, sigma_w, sigma_b)
    for row, b in enumerate(sigma_b):
        for column, w in enumerate(sigma_w):
            q, chi = diagram.q_star[row, column], diagram.chi[row, column]
            try:
                point = mean_field(name, w, b)
            except InputError as refusal:
                assert "grows without bound" in str(refusal) and q == math.inf
                continue
            # Rounding of 1e-15, over the angle at which the length map crosses: 1e-5 for hardtanh at (1, 1e-4).
            assert q == pytest.approx(point.q_star, rel=1e-9, abs=1e-14, nan_ok=True)
            assert chi == pytest.approx(point.chi, rel=1e-9)


@pytest.mark.parametrize("name", ["tanh", "erf", "selu", "hardtanh", "sigmoid"])
def test_the_critical_line_passes_through_the_critical_points(name: str) -> None:
    diagram = phase_diagram(name)
    known = np.isfinite(diagram.critical_sigma_w)
    for sigma_b in (0.3, 0.7, 1.2):
        line = np.interp(sigma_b, diagram.critical_sigma_b[known], diagram.critical_sigma_w[known])
        # Points of the line lie 1.5 % apart in q: a straight line between two is this near to the curve (sigmoid's).
        assert line == pytest.approx(critical_point(name, sigma_b).sigma_w, rel=1e-3)
    assert diagram.note == ""


def test_on_the_line_chi_is_one() -> None:
    diagram = phase_diagram("tanh")
    for place in (200, 700, 1000):
        point = mean_field("tanh", diagram.critical_sigma_w[place], diagram.critical_sigma_b[place])
        assert point.chi == pytest.approx(1.0, abs=1e-9)  # sigma_b^2 is a difference: it keeps some eight digits


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("relu", "chi depends on sigma_w alone and is 1 at 1.414; only without bias is that critical"),
        ("linear", "is 1 at 1; only"),
        ("softplus", "no critical line"),
    ],
)
def test_what_has_no_critical_line_says_what_holds_instead(name: str, said: str) -> None:
    assert said in phase_diagram(name).note


def test_a_line_outside_the_grid_is_said_to_be_there() -> None:
    note = phase_diagram("sigmoid", np.linspace(0.1, 3.0, 5), [0.0, 0.1]).note
    assert note == "the critical line lies outside: it begins at sigma_w = 10.15, sigma_b = 0"


def test_a_line_that_passes_between_the_last_two_rows_lies_inside() -> None:
    # tanh: sigma_b is 0.11 at sigma_w = 1.2 and 0.28 at 1.38.
    assert phase_diagram("tanh", [1.2, 1.3, 1.38], [0.0, 0.1, 0.5]).note == ""
    assert "outside" in phase_diagram("tanh", [1.2, 1.3, 1.38], [0.0, 0.1]).note


def test_relu_at_gain_root_two_keeps_every_variance_and_grows_beyond() -> None:
    diagram = phase_diagram("relu", [1.0, math.sqrt(2.0), 2.0], [0.0, 0.1])
    np.testing.assert_array_equal(diagram.q_star, [[0.0, math.nan, math.inf], [0.1**2 / 0.5, math.inf, math.inf]])
    np.testing.assert_allclose(diagram.chi, [[0.5, 1.0, 2.0]] * 2, rtol=1e-15)


def test_networks_have_their_place_in_the_diagram() -> None:
    assert network_point(NetworkConfig(3, 50, "tanh", "torch_default")) == pytest.approx((3**-0.5, 150**-0.5))
    assert network_point(NetworkConfig(3, 50, "relu", "kaiming_normal")) == pytest.approx((2**0.5, 0.0))
    assert network_point(NetworkConfig(3, 50, initialization="orthogonal", sigma_w=1.3, sigma_b=0.2)) == (1.3, 0.2)
    for odd in (NetworkConfig(2, (5, 6)), NetworkConfig(2, 5, normalization="layer"), NetworkConfig(2, residual=0.5)):
        with pytest.raises(InputError, match="mean field needs"):
            network_point(odd)
        with pytest.raises(InputError, match="mean field needs"):
            network_mean_field(odd)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rleu",), "did you mean 'relu'"),
        (("tanh", [2.0, 1.0], [0.0]), "sigma_w must be a list of numbers that rise"),
        (("tanh", [0.0, 1.0], [0.0]), "sigma_w must be greater than 0, got 0"),
        (("tanh", [1.0], [-0.1]), "sigma_b must be at least 0, got -0.1"),
        (("tanh", [1.0, math.inf], [0.1]), "sigma_w must be finite"),
        (("tanh", [1.0, math.nan], [0.1]), "sigma_w must be finite"),
    ],
)
def test_the_grid_is_checked(arguments, said: str) -> None:
    with pytest.raises(InputError, match=said):
        phase_diagram(*arguments)


def test_a_point_outside_of_the_usual_range_is_a_quarter_inside_the_diagram() -> None:
    diagram = phase_diagram("tanh", around=(8.0, 6.0))
    assert diagram.sigma_w[-1] == 10.0 and diagram.sigma_b[-1] == 7.5


@pytest.mark.parametrize("depth", [20, 50])
@pytest.mark.parametrize("name", ["tanh", "softsign", "relu"])
def test_the_reach_of_a_depth_is_what_a_prediction_loses_over_it(name: Any, depth: int) -> None:
    reach, data = PhaseDiagram.reach(depth), load_data("digits", max_examples=32)
    sigma_w = np.linspace(0.3, 6.0, 600)
    chi = phase_diagram(name, sigma_w, [0.2, 0.3]).chi[1]

    def predicted(level: float) -> tuple[float, float]:
        at = float(np.interp(level, chi, sigma_w))  # chi rises with sigma_w
        found = predict(NetworkConfig(depth, 64, name, "gaussian", at, 0.3, dtype="float64"), data)
        share, delta = found.log10_distinct_share[:-1], found.log10_delta_rms[:-1]
        return float(share[-1] - share[0]), float(delta[0] - delta[-1])

    # From the first hidden layer to the last there is one step less than layers; the first few have not settled.
    steps = (depth - 1) / depth
    assert predicted(reach.alike)[0] == pytest.approx(-4 * steps, abs=0.6)
    assert predicted(reach.alike)[1] == pytest.approx(-2 * steps, abs=0.1)
    assert predicted(reach.vanishing)[1] == pytest.approx(-3 * steps, abs=0.1)
    share, delta = predicted(reach.exploding)
    assert delta == pytest.approx(3 * steps, abs=0.25) and share > -1.5


def test_a_reach_asks_for_a_depth_and_positive_bounds() -> None:
    for wrong in ({"depth": 0}, {"depth": 3, "share": 0.0}, {"depth": 3, "decades": -1.0}):
        with pytest.raises(InputError):
            PhaseDiagram.reach(**wrong)
