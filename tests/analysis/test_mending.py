"""Mended copies, and the lines to paste: executed, they leave the model as the surgery does, and `examine` agrees."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from zoo_models import clusters, convnet, mlp

import vanishlab as vl
from vanishlab.analysis.remedies import surgery
from vanishlab.analysis.remedies.advice import REMEDIES

BATCH = clusters()


def pasted(model: nn.Module, code: str, **known: object) -> nn.Module:
    """Return what a user has after pasting `code` below a model of this name."""
    names = {"torch": torch, "nn": nn, "model": copy.deepcopy(model), **known}
    torch.manual_seed(1)
    exec(code, names)
    made = names["model"]
    assert isinstance(made, nn.Module)
    return made


def sick(kind: str) -> nn.Sequential:
    torch.manual_seed(0)
    if kind == "nested":
        return nn.Sequential(nn.Linear(20, 16), mlp(8, 16, nn.Sigmoid, "default", features=16))
    return mlp(8, 16, nn.Sigmoid if kind == "sigmoid" else nn.ReLU, "default")


IN_MODULES = {
    "matched initialisation": "matched initialisation",
    "activation swap": "activation swap: ReLU",
    "normalisation": "normalisation",
    "residual connections": "residual connections",
    "scaled residual connections": "scaled residual connections",
}


@pytest.mark.parametrize("kind", ["sigmoid", "relu", "nested"])
@pytest.mark.parametrize("remedy", IN_MODULES)
def test_after_the_paste_examine_agrees_with_the_surgery(remedy: str, kind: str) -> None:
    model = sick(kind)
    diagnosis = vl.examine(model, functional.cross_entropy, BATCH)
    assert not diagnosis.healthy
    if kind == "relu" and remedy == "activation swap":
        assert remedy not in diagnosis.code
        return
    code = diagnosis.code[remedy]
    assert max(map(len, code.splitlines())) <= 80
    by_hand = pasted(model, code)
    torch.manual_seed(1)
    mended = vl.mend(model, IN_MODULES[remedy], BATCH)
    for ours, theirs in zip(mended.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)  # the lines show six digits
    ours, theirs = (vl.examine(each, functional.cross_entropy, BATCH) for each in (mended, by_hand))
    assert ours.names == theirs.names
    assert ours.decay.total == pytest.approx(theirs.decay.total, rel=1e-4, abs=1e-4)
    assert ours.decay.total < diagnosis.decay.total


def test_lines_of_the_loop_do_what_they_say() -> None:
    model = sick("sigmoid")
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    code = vl.examine(model, functional.cross_entropy, BATCH).code
    pasted(model, code["smaller learning rate"], optimizer=optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    pasted(model, code["larger learning rate"], optimizer=optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1.0)
    pasted(model, code["warm-up"], optimizer=optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    weight = model.get_parameter("0.weight")
    weight.grad = torch.full_like(weight, 3.0)
    exec(code["clipping"], {"torch": torch, "model": model})
    assert float(weight.grad.norm()) == pytest.approx(1.0, rel=1e-5)


def test_half_precision_and_frozen_layers_have_lines_of_their_own() -> None:
    model = mlp(2, 8)
    model[0].requires_grad_(False)
    code = vl.examine(model, functional.cross_entropy, BATCH).code
    assert "loss scaling" not in code and "wider dtype" not in code
    assert all(each.requires_grad for each in pasted(model, code["unfreezing"]).parameters())
    half = mlp(2, 8).to(torch.bfloat16)
    code = vl.examine(half, functional.cross_entropy, (BATCH[0].bfloat16(), BATCH[1])).code
    assert pasted(half, code["wider dtype"]).get_parameter("0.weight").dtype == torch.float32
    optimizer = torch.optim.SGD(half.parameters(), lr=1.0)
    loss = functional.cross_entropy(half(BATCH[0].bfloat16()), BATCH[1])
    before = half.get_parameter("0.weight").detach().clone()
    exec(code["loss scaling"], {"torch": torch, "model": half, "optimizer": optimizer, "loss": loss})
    assert not torch.equal(half.get_parameter("0.weight"), before)
    assert "unfreezing" not in code


def test_every_automatic_remedy_has_lines_somewhere() -> None:
    frozen = sick("sigmoid").half()
    frozen[0].requires_grad_(False)
    code = vl.examine(frozen, functional.cross_entropy, (BATCH[0].half(), BATCH[1])).code
    assert set(code) == {name for name, remedy in REMEDIES.items() if remedy.automatic}


def test_the_verdicts_table_shows_the_lines() -> None:
    diagnosis = vl.examine(sick("sigmoid"), functional.cross_entropy, BATCH)
    shown = str(diagnosis)
    for remedy in diagnosis.remedies:
        assert all(line in shown for line in diagnosis.code.get(remedy.name, "").splitlines())
    assert "'1', '3', '5', '7'" in shown and "nn.init.normal_(layer.weight, std=0.353553)" in shown


def test_a_model_is_mended_without_a_batch_and_stays_as_it_was() -> None:
    model = convnet(2)
    before = copy.deepcopy(model.state_dict())
    images = torch.randn(4, 1, 8, 8), torch.arange(4)
    torch.manual_seed(3)
    blind = vl.mend(model, "matched initialisation")
    torch.manual_seed(3)
    seen = vl.mend(model, "matched initialisation", images)
    for key, value in seen.state_dict().items():
        assert torch.equal(blind.state_dict()[key], value)
        assert torch.equal(model.state_dict()[key], before[key])
    assert not torch.equal(seen.state_dict()["0.weight"], before["0.weight"])


def test_mistakes_are_told_in_one_line() -> None:
    with pytest.raises(vl.InputError, match="^remedy must be one of 'matched initialisation', .*, got 'clipping'"):
        vl.mend(mlp(2), "clipping")
    with pytest.raises(vl.InputError, match="^model must have a place for 'unfreezing': nothing is frozen$"):
        vl.mend(mlp(2), "unfreezing")


def test_layers_that_cannot_be_drawn_have_no_lines_and_a_reason() -> None:
    model = mlp(2, 8)
    nn.utils.parametrizations.orthogonal(model[2])
    code = vl.examine(model, functional.cross_entropy, BATCH).code
    assert "matched initialisation" not in code and "clipping" in code
    with pytest.raises(
        vl.InputError, match="the weight of 2 does not take any values: its parametrisation is Orthogonal"
    ):
        vl.mend(model, "matched initialisation")
    with pytest.raises(vl.InputError, match="0 has no shape before its first batch"):
        vl.mend(nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(5)), "matched initialisation")


@pytest.mark.parametrize(("phi", "second"), [("relu", 2.0), ("tanh", 1.0)])
@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ConvTranspose2d(64, 32, 3, 1), nn.Conv2d(64, 128, 3),
        nn.ConvTranspose1d(128, 64, 8, 4, groups=2), nn.Linear(256, 512), nn.Linear(512, 256),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_drawn_weights_give_each_unit_the_variance_of_the_gain(layer: nn.Module, phi: str, second: float) -> None:
    torch.manual_seed(0)
    surgery.draw_weights(nn.Sequential(layer), {"0": phi})
    shape = {nn.Linear: (), nn.ConvTranspose1d: (24,)}.get(type(layer), (16, 16))
    units: Any = getattr(layer, "in_channels", None) or layer.in_features
    with torch.no_grad():
        z = layer(torch.randn(64, units, *shape))
    inside = z[(..., *(slice(4, -4) for _ in shape))]  # the edges meet fewer inputs
    assert float(inside.square().mean()) == pytest.approx(second, rel=0.1)
