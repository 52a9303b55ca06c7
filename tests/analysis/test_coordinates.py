"""The coordinate check: exponents of theory on nets made by hand, a step of Adam by hand, and mup's own numbers."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.analysis.coordinates.expected import MAXIMAL_UPDATE, STANDARD, role_of
from vanishlab.analysis.coordinates.slopes import Slope, fit_slope

FEATURES, CLASSES, BASE = 2, 5, 64
WIDTHS = (64, 128, 256, 512)


def batch(features: int = FEATURES, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(24, features, generator=generator, dtype=dtype)
    return x, torch.randint(CLASSES, (24,), generator=generator)


def three_layers(width: int, *, readout: float, phi: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """Weights of variance 1 / fan_in, the readout's of fan_in^(2 readout); no biases."""
    sizes = (FEATURES, width, width, CLASSES)
    layers = [nn.Linear(*pair, bias=False) for pair in itertools.pairwise(sizes)]
    for layer, power in zip(layers, (-0.5, -0.5, readout), strict=True):
        nn.init.normal_(layer.weight, 0.0, layer.in_features**power)
    return nn.Sequential(layers[0], phi(), layers[1], phi(), layers[2])


def rates(
    kind: Callable[..., torch.optim.Optimizer], rate: float, powers: tuple[float, ...]
) -> Callable[[nn.Module], Any]:
    """An optimizer whose rates for the three layers go as these powers of width / 64."""

    def make(model: nn.Module) -> torch.optim.Optimizer:
        weights = list(model.parameters())
        ratio = weights[1].shape[0] / BASE
        return kind([{"params": [w], "lr": rate * ratio**p} for w, p in zip(weights, powers, strict=True)], lr=rate)

    return make


SGD, ADAM = torch.optim.SGD, torch.optim.Adam


@pytest.mark.parametrize(
    ("optimizer", "readout", "powers", "change"),
    [
        # One step, by hand: layer l's z changes by rate * delta_l (h . h'), h . h' ~ width but for the input, delta ~
        # width^(-1/2) below a standard readout. Adam's entries are all as large as the rate; the readout's weights are
        # aligned with the change of h below it, width^1, and sum width of them, each width^(-1/2).
        ((SGD, 0.02), -0.5, (0, 0, 0), (-0.5, 0.5, 1.0)),
        ((ADAM, 1e-3), -0.5, (0, 0, 0), (0.0, 1.0, 1.5)),
        # Rates of maximal update, arXiv:2203.03466, table 3 (no change of any exponent is left).
        ((SGD, 0.02), -1.0, (1, 0, -1), (0.0, 0.0, 0.0)),
        ((ADAM, 1e-3), -1.0, (0, -1, -1), (0.0, 0.0, 0.0)),
    ],
)
def test_exponents_of_theory(
    optimizer: tuple[Any, float], readout: float, powers: tuple[float, ...], change: tuple[float, ...]
) -> None:
    check = vl.coordinate_check(
        lambda width: three_layers(width, readout=readout),
        WIDTHS,
        batch(),
        optimizer=rates(*optimizer, powers),
        steps=1,
    )
    assert check.layers == ("0", "2", "4") and check.roles == ("input", "hidden", "readout")
    muP = readout == -1.0
    started = [MAXIMAL_UPDATE[role][:2] if muP else STANDARD[role] for role in check.roles]
    # Exponents of theory are half apart; less than a third of that is left of their approach at these widths.
    for at, quantity in enumerate(("activation_rms", "delta_rms")):
        found = [slope.value for slope in check.slopes(quantity, "start")]
        assert found[:2] == pytest.approx([each[at] for each in started[:2]], abs=0.1)
        assert found[2] == pytest.approx(started[2][at], abs=0.25)  # five numbers an example, few seeds
    assert [slope.value for slope in check.slopes("change_rms")] == pytest.approx(change, abs=0.15)
    assert check.verdict[0] == ("flat" if muP else "grows") and check.flat == muP
    if muP and optimizer[0] is ADAM:
        ratios = [slope.value for slope in check.slopes("update_ratio")]
        assert ratios == pytest.approx([MAXIMAL_UPDATE[role][4] for role in check.roles], abs=0.1)


def test_the_kernel_regime_is_found_not_to_learn_in_its_hidden_layers() -> None:
    # Standard parametrisation at rates / width: the logits move by width^0, hidden layers by width^-1/2.
    check = vl.coordinate_check(
        lambda width: three_layers(width, readout=-0.5), WIDTHS, batch(), optimizer=rates(SGD, 0.02, (0, -1, -1))
    )
    outcome, layers = check.verdict
    assert outcome == "shrinks" and layers == ("0", "2")
    assert check.sentence.startswith("0, 2: Updates move these layers the less, the wider the network")


def test_an_initialisation_that_ignores_the_width_is_found() -> None:
    def build(width: int) -> nn.Sequential:
        model = three_layers(width, readout=-0.5, phi=nn.ReLU)
        nn.init.normal_(model.get_parameter("2.weight"), 0.0, 0.2)
        return model

    outcome, layers = vl.coordinate_check(build, WIDTHS, batch(), seeds=(0, 1)).verdict
    assert outcome == "initialisation" and layers[0] == "2"


def test_a_step_of_adam_is_the_one_computed_by_hand() -> None:
    rate, eps = 1e-3, 1e-8

    def build(width: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(FEATURES, width, bias=False), nn.ReLU(), nn.Linear(width, CLASSES, bias=False)
        ).double()

    x, y = batch(dtype=torch.float64)
    check = vl.coordinate_check(
        build, WIDTHS, (x, y), optimizer=lambda model: ADAM(model.parameters(), lr=rate), steps=1, seeds=(4, 5)
    )
    moved = np.zeros((2, len(WIDTHS), 2))
    for row, seed in enumerate((4, 5)):
        for column, width in enumerate(WIDTHS):
            torch.manual_seed(seed)
            w, v = (each.detach().numpy() for each in build(width).parameters())
            z = x.numpy() @ w.T
            h = np.maximum(z, 0.0)
            f = h @ v.T
            p = np.exp(f - f.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            error = (p - np.eye(CLASSES)[y.numpy()]) / len(x)
            of_v, of_w = error.T @ h, ((error @ v) * (z > 0)).T @ x.numpy()
            # Adam's first step: both moments, unbiased, are g and g^2.
            v, w = v - rate * of_v / (abs(of_v) + eps), w - rate * of_w / (abs(of_w) + eps)
            after = x.numpy() @ w.T
            moved[row, column] = [
                np.sqrt(np.mean((after - z) ** 2)),
                np.sqrt(np.mean((np.maximum(after, 0.0) @ v.T - f) ** 2)),
            ]
    # float64, some hundred operations each
    np.testing.assert_allclose(check.values["change_rms"][:, :, 1], moved, rtol=1e-9)
    assert (check.values["change_rms"][:, :, 0] == 0).all()
    for layer, slope in enumerate(check.slopes("change_rms")):
        mean = np.log(moved[:, :, layer]).mean(axis=0)  # of as many seeds at each width: the same line
        assert slope.value == pytest.approx(np.polyfit(np.log(WIDTHS), mean, 1)[0], rel=1e-9, abs=1e-12)
    assert check.slopes("change_rms")[1].value == pytest.approx(1.0, abs=0.1)  # the logits grow like the width


def test_the_interval_holds_the_slope_as_often_as_it_says() -> None:
    generator, sizes = np.random.default_rng(0), np.array([16, 32, 64, 128])
    held = 0
    for _ in range(1000):
        slope = fit_slope(sizes, sizes**-0.5 * np.exp(0.1 * generator.normal(size=(3, 4))))
        held += slope.low <= -0.5 <= slope.high
    assert abs(held / 1000 - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 1000)


@pytest.mark.parametrize(
    ("slope", "trend"),
    [
        ((0.1, -0.2, 0.2), "flat"),
        ((0.5, 0.3, 0.7), "grows"),
        ((-0.5, -0.7, -0.3), "shrinks"),
        ((0.2, 0.1, 0.3), "unclear"),
        ((math.nan,) * 3, "none"),
    ],
)
def test_a_trend_needs_its_interval(slope: tuple[float, float, float], trend: str) -> None:
    assert Slope(*slope).trend == trend


def test_what_is_no_point_is_left_out() -> None:
    sizes = np.array([8, 16, 32, 64])
    assert fit_slope(sizes, np.array([[1.0, 2.0, 4.0, np.inf], [0.0, 2.0, 4.0, np.nan]])).value == pytest.approx(1.0)
    assert math.isnan(fit_slope(sizes, np.array([[1.0, 2.0, 0.0, 0.0]])).value)


def test_roles_are_those_of_the_shapes() -> None:
    fans = {"input": (0, 1), "hidden": (1, 1), "readout": (1, 0), "fixed": (0, 0)}
    for role, grows in fans.items():
        assert role_of(np.array([[8, 8], [8 * 2 ** grows[0], 8 * 2 ** grows[1]]])) == role

    def build(width: int) -> nn.Module:
        return nn.Sequential(nn.Embedding(7, width), nn.GRU(width, width, batch_first=True), _Last(width))

    tokens = torch.arange(12).reshape(4, 3) % 7, torch.tensor([0, 1, 2, 0])
    check = vl.coordinate_check(build, (4, 8, 16), tokens, steps=1, seeds=(0,))
    assert check.roles == ("input", "hidden", "hidden", "readout")
    assert np.isfinite(check.values["change_rms"]).all() and (check.values["change_rms"][:, :, 1] > 0).all()


class _Last(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, CLASSES)

    def forward(self, found: tuple[Tensor, Tensor]) -> Tensor:
        return self.linear(found[0][:, -1])


def test_dropout_is_drawn_alike_and_generators_are_put_back() -> None:
    def build(width: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(FEATURES, width), nn.Dropout(0.5), nn.Linear(width, CLASSES))

    before = torch.get_rng_state()
    check = vl.coordinate_check(
        build, (4, 8, 16), batch(), optimizer=lambda model: SGD(model.parameters(), lr=0.0), seeds=(0,)
    )
    assert (check.values["change_rms"] == 0).all() and torch.equal(torch.get_rng_state(), before)


def test_a_rate_that_leaves_the_numbers_at_some_width_is_said() -> None:
    check = vl.coordinate_check(
        lambda width: three_layers(width, readout=-0.5, phi=nn.ReLU),
        (8, 16, 1024),
        batch(),
        functional.cross_entropy,
        optimizer=lambda model: SGD(
            model.parameters(), lr=30.0 * (model.get_parameter("0.weight").shape[0] > 100) or 1e-3
        ),
        steps=30,
        seeds=(0,),
    )
    assert check.diverged == (1024,) and check.verdict == ("diverging", ())
    assert np.isnan(check.values["delta_rms"][0, 2, -1]).all() and "range of numbers at some widths" in str(check)


def deep(depth: int, residual: bool) -> nn.Module:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.readout = nn.Linear(16, 32), nn.Linear(32, CLASSES)
            self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(depth))

        def forward(self, x: Tensor) -> Tensor:
            h = self.embed(x)
            for layer in self.layers:
                h = h + layer(h).tanh() / depth**0.5 if residual else torch.sigmoid(layer(h))
            return self.readout(h)

    return Deep()


def test_over_depth_a_signal_that_vanishes_is_told_from_one_that_keeps_its_size() -> None:
    def slower_in_branches(model: Any) -> torch.optim.Optimizer:
        ends = [*model.embed.parameters(), *model.readout.parameters()]
        branches = {"params": list(model.layers.parameters()), "lr": 1e-3 / len(model.layers) ** 0.5}
        return ADAM([{"params": ends}, branches], lr=1e-3)

    kept = vl.coordinate_check(
        lambda depth: deep(depth, True), (4, 8, 16, 32), batch(16), optimizer=slower_in_branches, axis="depth"
    )
    assert kept.layers == ("first layer", "middle layer", "last but one", "last layer") and kept.flat
    assert kept.slopes("delta_rms", "start")[1].value == pytest.approx(-0.5, abs=0.1)  # arXiv:2310.02244
    lost = vl.coordinate_check(lambda depth: deep(depth, False), (4, 8, 16), batch(16), seeds=(0, 1), axis="depth")
    assert lost.verdict == ("initialisation", ("first layer", "middle layer"))
    text = str(lost)
    assert "exponents in depth after 3 steps, 4 to 16, 2 seeds" in text and "maximal update" not in text
    assert "the signal vanishes or explodes on its way" in text


def test_the_table_shows_slopes_and_what_theory_has() -> None:
    text = str(vl.coordinate_check(lambda width: three_layers(width, readout=-1.0), (8, 16, 32), batch(), seeds=(0,)))
    assert "exponents in width after 3 steps, 8 to 32, 1 seeds (95 %)" in text
    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert [row.split("│")[2].strip() for row in rows] == ["input", "hidden", "readout"] * 3
    assert all(row.split("│")[4].count("±") == 1 for row in rows[:3])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sizes": (4, 8)}, r"widths must be 3 or more in rising order, got \(4, 8\)"),
        ({"sizes": (8, 4, 16)}, r"widths must be 3 or more in rising order, got \(8, 4, 16\)"),
        ({"sizes": (0, 4, 8)}, "widths must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"seeds": (1, 1)}, r"seeds must name one or more, each once, got \(1, 1\)"),
        ({"seeds": ()}, r"seeds must name one or more, each once, got \(\)"),
        ({"axis": "height"}, "axis must be one of 'width', 'depth', got 'height'"),
        ({"build": lambda width: width}, "build must return an nn.Module, got int"),
        ({"build": lambda depth: deep(depth, True), "batch": batch(16)},
         "build must return the same layers at every width, got 6 at 4, 10 at 8, 18 at 16: for depths say "
         "axis='depth'"),
        ({"build": lambda depth: nn.Sequential(*[nn.Linear(5, 5) for _ in range(depth // 4)]), "batch": batch(5),
          "axis": "depth"}, "depths must give models of 4 or more layers, got 1"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(changed: dict[str, Any], message: str) -> None:
    given: Any = {"build": lambda width: three_layers(width, readout=-0.5), "sizes": (4, 8, 16), "batch": batch()}
    with pytest.raises(vl.InputError, match=f"^{message}$"):
        vl.coordinate_check(**given | changed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mups_own_check_has_the_same_numbers() -> None:
    mup = pytest.importorskip("mup", reason="pip install mup: held against its get_coord_data")
    from mup.coord_check import get_coord_data  # pyright: ignore[reportMissingImports]

    class Net(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(16, width), nn.Linear(width, width)
            self.readout = mup.MuReadout(width, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.readout(self.second(self.first(x).relu()).relu())

    def build(width: int) -> nn.Module:
        model = Net(width)
        mup.set_base_shapes(model, Net(16), delta=Net(32))
        for weight in (model.first.weight, model.second.weight):
            mup.init.normal_(weight, std=weight.shape[1] ** -0.5 if weight is model.first.weight else 0.25)
        return model

    def make(model: nn.Module) -> torch.optim.Optimizer:
        return mup.MuAdam(model.parameters(), lr=0.01)

    widths, steps = (64, 128, 256, 512), 3
    check = vl.coordinate_check(build, widths, batch(16), optimizer=make, steps=steps, seeds=(0, 1, 2))
    loader = [batch(16)] * (steps + 1)
    for place, width in enumerate(widths):
        frame = get_coord_data(
            {width: lambda width=width: build(width)}, loader, mup=True, optimizer="adam", lr=0.01, nsteps=steps + 1,
            cuda=False, nseeds=1, output_fdict={"l2": "l2"}, show_progress=False,
        )  # fmt: skip
        for layer, name in enumerate(check.layers):
            theirs = frame[frame.module == name].sort_values("t").l2.to_numpy()
            # float32 both: sums of squares in another order
            np.testing.assert_allclose(check.values["activation_rms"][0, place, :, layer], theirs, rtol=1e-5)
    assert check.flat
    assert [slope.value for slope in check.slopes("change_rms")] == pytest.approx([0.0] * 3, abs=0.15)
