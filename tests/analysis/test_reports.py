"""What people bring: causes, places and remedies of what no layer shows, and notes that make no net ill."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import zoo
from torch import Tensor, nn
from torch.nn import functional
from zoo_models import clusters, mlp, regression
from zoo_reports import Between, Hidden, unsafe_root

import vanishlab as vl
from vanishlab.analysis.looks.answers import look_at_answers
from vanishlab.analysis.objective import compute_loss

BATCH = clusters()
cross_entropy, mse = functional.cross_entropy, functional.mse_loss


def trained(
    model: nn.Module, optimizer: Any, steps: int = 4, batch: Any = BATCH, loss: Any = cross_entropy
) -> vl.Record:
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(steps):
            model.zero_grad()
            loss(model(batch[0]), batch[1]).backward()
            optimizer.step()
    return recorder.record


def test_an_operation_without_slope_is_named_with_its_place() -> None:
    torch.manual_seed(0)
    (verdict,) = vl.examine(Between(torch.round), cross_entropy, BATCH).verdicts
    assert (verdict.name, verdict.cause, verdict.layers) == ("no gradient", "flat", ("lower.0", "lower.2", "lower.4"))
    assert "from round back, between lower.4 and upper.0" in verdict.sentence
    in_loss = vl.examine(mlp(3), lambda o, t: cross_entropy(torch.sign(o), t), BATCH)
    assert "from sign back, between 6 and the loss" in in_loss.verdicts[0].sentence
    assert [remedy.name for remedy in in_loss.remedies] == ["a slope"]


def test_the_operation_that_breaks_a_gradient_is_named_with_its_place() -> None:
    torch.manual_seed(0)
    (verdict,) = vl.examine(Between(unsafe_root), cross_entropy, BATCH).verdicts
    assert (verdict.name, verdict.cause) == ("not finite", "backward")
    assert "sqrt between lower.4 and upper.0" in verdict.sentence
    (forward,) = vl.examine(mlp(3), lambda o, t: torch.log(o).mean(), BATCH).verdicts
    assert (forward.cause, forward.layers) == ("forward", ("6",)) and "log in or after 6" in forward.sentence


def test_a_mean_of_nothing_is_named() -> None:
    class Empty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) + x[:0].mean()

    (verdict,) = vl.examine(Empty(), cross_entropy, BATCH).verdicts
    assert (verdict.name, verdict.cause) == ("not finite", "forward") and ": mean in or after" in verdict.sentence


@pytest.mark.parametrize("where", ["list", "dict", "tensor", "made"])
def test_weights_that_the_model_does_not_know_are_named_where_that_is_possible(where: str) -> None:
    (verdict,) = vl.examine(Hidden(where), cross_entropy, BATCH).verdicts
    named = {"list": "layers[0].weight", "dict": "layers[0].weight", "tensor": "weight", "made": "(32, 20)"}[where]
    assert verdict.name == "unregistered weights" and named in verdict.sentence


def test_a_weight_of_the_shape_of_the_tokens_is_no_copy_of_them() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.head = nn.Embedding(7, 8), nn.Linear(8, 5)
            self.gate = torch.rand(64, 3, requires_grad=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.head((self.embedding(x) * self.gate[:, :, None]).mean(1))

    tokens = torch.arange(64 * 3).reshape(64, 3) % 7
    found = {verdict.name: verdict for verdict in vl.examine(Tokens(), cross_entropy, (tokens, BATCH[1])).verdicts}
    assert "gate" in found["unregistered weights"].sentence


def test_weights_that_the_optimizer_was_given_need_no_place_in_the_model() -> None:
    model = Hidden("list")
    hidden = [p for each in model.layers for p in each.parameters()]
    record = trained(model, torch.optim.SGD([*model.parameters(), *hidden], lr=0.01))
    assert "outside" not in record.remarks
    assert "layers" in trained(Hidden("list"), torch.optim.SGD(model.parameters(), lr=0.01)).remarks["outside"]


def test_the_optimizers_parameters_are_compared_with_the_models() -> None:
    model, other = mlp(3), mlp(3)
    assert vl.examine(model, cross_entropy, BATCH, optimizer=torch.optim.SGD(model.parameters(), lr=0.1)).healthy
    diagnosis = vl.examine(model, cross_entropy, BATCH, optimizer=torch.optim.SGD(other.parameters(), lr=0.1))
    assert [(each.name, each.cause) for each in diagnosis.verdicts] == [("frozen updates", "not held")]
    assert [remedy.name for remedy in diagnosis.remedies] == ["optimizer's parameters"]
    two = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (model[:4], model[4:])]
    assert vl.examine(model, cross_entropy, BATCH, optimizer=two).healthy


def test_frozen_on_purpose_is_a_note_and_all_frozen_a_verdict() -> None:
    diagnosis = vl.examine(zoo.frozen(mlp(4), "0.", "2."), cross_entropy, BATCH)
    assert diagnosis.healthy and diagnosis.notes[0].startswith("0, 2: frozen") and "Note: 0, 2" in str(diagnosis)
    (verdict,) = vl.examine(zoo.frozen(mlp(4), ""), cross_entropy, BATCH).verdicts
    assert (verdict.name, verdict.cause) == ("no gradient", "frozen")


def test_the_best_constant_costs_what_is_known_in_closed_form() -> None:
    torch.manual_seed(0)
    shares = torch.bincount(BATCH[1]) / len(BATCH[1])
    entropy, y = float(torch.special.entr(shares).sum()), regression()[1]
    first = (BATCH[1] == 0)[:, None].float()
    p = float(first.mean())
    probability, logs = nn.Sequential(*mlp(2, classes=1), nn.Sigmoid()), nn.Sequential(*mlp(2), nn.LogSoftmax(1))
    wanted = {
        cross_entropy: (BATCH[1], entropy, mlp(2)),
        functional.nll_loss: (BATCH[1], entropy, logs),
        mse: (y, float(y.var(correction=0)), mlp(2, classes=1)),
        functional.l1_loss: (y, float((y - y.median()).abs().mean()), mlp(2, classes=1)),
        functional.binary_cross_entropy: (first, -p * math.log(p) - (1 - p) * math.log(1 - p), probability),
    }
    for loss, (y, cost, model) in wanted.items():
        found = look_at_answers(compute_loss(model, loss, (BATCH[0], y)), loss, (BATCH[0], y))
        line = 1e-3 if loss is functional.l1_loss else 1e-5  # where a median lies flat or not, descent stops before it
        assert found.constant == pytest.approx(cost, rel=line), loss.__name__


def test_outputs_of_one_axis_have_a_constant_too() -> None:
    torch.manual_seed(0)
    x, y = regression()
    flat = nn.Sequential(*mlp(2, classes=1), nn.Flatten(0))
    found = look_at_answers(compute_loss(flat, mse, (x, y[:, 0])), mse, (x, y[:, 0]))
    assert found.constant == pytest.approx(float(y.var(correction=0)), rel=1e-5)
    assert found.shapes == ("(64,)", "(64,)") and not found.pairing_ignored


@pytest.mark.parametrize("factor", [1e-4, 1.0, 1e4])
def test_a_loss_that_holds_weights_of_one_dtype_sees_the_pairing_at_any_scale(factor: float) -> None:
    torch.manual_seed(0)
    weight = torch.linspace(0.5, 1.5, 5)  # float32: nothing in float64 can be asked

    def weighted(o: Tensor, t: Tensor) -> Tensor:
        return factor * cross_entropy(o, t, weight=weight)

    assert not look_at_answers(compute_loss(mlp(2), weighted, BATCH), weighted, BATCH).pairing_ignored


def test_a_pairing_that_moves_the_seventh_digit_counts() -> None:
    torch.manual_seed(0)
    x, y = regression()

    def faint(o: Tensor, t: Tensor) -> Tensor:
        return 1.0 + (o.mean() - t.mean()).square() + 1e-6 * mse(o, t)

    assert not look_at_answers(compute_loss(mlp(2, classes=1), faint, (x, y)), faint, (x, y)).pairing_ignored


def test_an_untrained_net_whose_loss_is_a_constants_gets_a_note_and_its_record_knows_the_constant() -> None:
    torch.manual_seed(0)
    model = mlp(2)
    with torch.no_grad():
        next(model[-1].parameters()).mul_(1e-2)
    assert any("usual before training" in note for note in vl.examine(model, cross_entropy, BATCH).notes)
    record = trained(model, torch.optim.SGD(model.parameters(), lr=0.1))
    entropy = float(torch.special.entr(torch.bincount(BATCH[1]) / len(BATCH[1])).sum())
    assert float(record.remarks["constant"]) == pytest.approx(entropy, rel=1e-4)


def test_a_loss_that_ignores_the_pairing_is_told_from_one_that_ignores_the_targets() -> None:
    torch.manual_seed(0)
    model, (x, y) = mlp(2, classes=1), regression()

    def look(loss: Any, y: Tensor) -> Any:
        return look_at_answers(compute_loss(model, loss, (x, y)), loss, (x, y))

    flat = look(lambda o, t: (o - t).square().mean(), y[:, 0])
    assert flat.pairing_ignored and flat.broadcast and flat.shapes == ("(64, 1)", "(64,)")
    means = look(lambda o, t: (o.mean() - t.mean()).square(), y)
    assert means.pairing_ignored and not means.broadcast
    assert not look(mse, y).pairing_ignored and not look(lambda o, t: o.mean(), y).pairing_ignored
    assert math.isnan(look(lambda o, t: o.mean(), y).constant)
    diagnosis = vl.examine(model, lambda o, t: (o.mean() - t.mean()).square(), (x, y))
    assert any("Exchanging the targets" in note for note in diagnosis.notes)


def test_a_plateau_is_stalled_where_a_constant_does_as_well_and_a_slow_run_is_none() -> None:
    torch.manual_seed(0)
    x, y = regression()
    model = mlp(2, 16, nn.Tanh, 1.0, classes=1)
    stuck = trained(model, torch.optim.SGD(model.parameters(), lr=0.1), 120, (0 * x, y), mse)
    assert vl.diagnose(stuck).names == ("stalled",)
    assert float(stuck.remarks["constant"]) == pytest.approx(float(y.var(correction=0)), rel=1e-5)
    slow = mlp(2, 16, nn.Tanh, 1.0, classes=1)
    record = trained(slow, torch.optim.SGD(slow.parameters(), lr=1e-4), 120, (x, y), mse)
    assert 0.8 < record.loss[0, -1] / record.loss[0, 0] < 1 and vl.diagnose(record).names == ("healthy",)


@pytest.mark.slow
def test_what_people_bring_is_named_in_other_draws_too() -> None:
    wrong = []
    for one in zoo.BROUGHT:
        for seed in (1, 2):
            names = zoo.look(one, seed).diagnosis.names
            if names[0] != one.label or (one.label in ("healthy", "levelled out") and len(names) > 1):
                wrong.append((one.name, seed, names))
    assert len(wrong) <= 0.02 * 2 * len(zoo.BROUGHT), wrong


def broken(values: Tensor, with_what: float) -> Tensor:
    return values.index_fill(0, torch.tensor([3]), with_what)


@pytest.mark.parametrize("what", [math.nan, math.inf])
def test_what_was_not_finite_before_the_pass_is_named(what: float) -> None:
    x, y = BATCH
    (found,) = vl.examine(mlp(3), cross_entropy, (broken(x, what), y)).verdicts
    assert (found.name, found.cause) == ("not finite", "data") and found.sentence.startswith(
        "The inputs are not finite"
    )
    assert found.evidence["share that is not finite"] == pytest.approx(1 / len(x))
    targets = torch.randn(len(x), 5)
    (found,) = vl.examine(mlp(3), functional.mse_loss, (x, broken(targets, what))).verdicts
    assert found.cause == "data" and found.sentence.startswith("The targets are not finite")
    model = mlp(3)
    nn.init.constant_(model[2].bias, what)  # pyright: ignore[reportArgumentType]
    diagnosis = vl.examine(model, cross_entropy, BATCH)
    assert diagnosis.verdicts[0].cause == "weights" and diagnosis.verdicts[0].layers == ("2",)
    assert [remedy.name for remedy in diagnosis.remedies] == ["finite weights"]


def test_a_mask_of_minus_infinity_in_the_inputs_is_none_of_these() -> None:
    x, y = BATCH
    mask = torch.zeros(len(x), 5).index_fill(1, torch.tensor([2]), -math.inf)

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(3)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return torch.log((self.body(x) + mask).softmax(1) * 0)

    (found,) = vl.examine(Masked(), lambda o, t: -o.mean(), (x, mask, y)).verdicts
    assert found.cause == "forward" and "log" in found.sentence


AFTER: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "log of what is 0": (
        lambda h: torch.log(h.relu()),
        "log in or after 2 makes -inf of finite numbers, and linear makes NaN",
    ),
    "0 to the power of -1": (lambda h: h.relu() ** -1.0, ": pow in or after 2 is given"),
    "one over 0": (lambda h: 1 / h.relu(), ": div in or after 2 is given"),
    "in place": (lambda h: (h * 0).div_(0.0), ": div in or after 2 is given"),
}


@pytest.mark.parametrize("kind", AFTER)
def test_the_first_function_that_makes_it_is_named_by_its_plain_name(kind: str) -> None:
    function, said = AFTER[kind]

    class Between(nn.Sequential):
        def forward(self, input: Tensor) -> Tensor:
            for place, part in enumerate(self):
                input = function(part(input)) if place == 2 else part(input)
            return input

    model = Between(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 16), nn.Linear(16, 5))
    (found,) = vl.examine(model, cross_entropy, BATCH).verdicts
    assert found.name == "not finite" and said in found.sentence


def test_a_half_power_of_zero_breaks_the_gradient_as_a_square_root_does() -> None:
    loss = lambda o, t: ((o - o.detach()) ** 2).sum() ** 0.5 + cross_entropy(o, t)  # noqa: E731
    (found,) = vl.examine(mlp(3), loss, BATCH).verdicts
    assert found.cause == "backward" and ": pow between 6 and the loss" in found.sentence


def test_where_numbers_left_the_range_is_told() -> None:
    found = vl.examine(mlp(3), lambda o, t: torch.exp(1e4 * o).mean(), BATCH).verdicts[0]
    assert found.name == "overflow" and "first in exp in or after 6, where the largest was" in found.sentence
    half = mlp(3).half()
    found = vl.examine(half, lambda o, t: (o.abs() + 1e3).sum(), (BATCH[0].half(), BATCH[1])).verdicts[0]
    assert found.name == "overflow" and "float16, first in sum in or after 6" in found.sentence
    found = vl.examine(half, lambda o, t: (1e8 * o.float()).mean(), (BATCH[0].half(), BATCH[1])).verdicts[0]
    assert found.name == "overflow" and "The gradient left the range of float16, first in" in found.sentence
