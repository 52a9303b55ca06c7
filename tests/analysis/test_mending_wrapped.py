"""Mending models as people have them: wrapped, parametrised, with parts in two places, held by plain lists."""

import copy
import threading
import types
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from zoo_models import clusters, mlp

import vanishlab as vl

BATCH = clusters()
REMEDIES = {
    "matched initialisation": "matched initialisation",
    "activation swap: ReLU": "activation swap",
    "normalisation": "normalisation",
    "residual connections": "residual connections",
    "scaled residual connections": "scaled residual connections",
}


def sick() -> nn.Sequential:
    torch.manual_seed(0)
    return mlp(8, 16, nn.Sigmoid, "default")


def shared_activation() -> nn.Sequential:
    torch.manual_seed(0)
    phi, readout = nn.Sigmoid(), nn.Linear(16, 5)
    hidden = [nn.Linear(20, 16), *(nn.Linear(16, 16) for _ in range(7))]
    return nn.Sequential(*(part for linear in hidden for part in (linear, phi)), readout)


def weight_normed() -> nn.Sequential:
    model = sick()
    for part in model:
        if isinstance(part, nn.Linear):
            parametrizations.weight_norm(part)
    return model


def compiled_within() -> nn.Sequential:
    torch.manual_seed(0)
    body = torch.compile(mlp(8, 16, nn.Sigmoid, "default", classes=16), backend="eager")
    return nn.Sequential(cast(nn.Module, body), nn.Linear(16, 5))


class InBox(nn.Module):
    """A stack that `forward` reaches by way of an object that is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = sick()
        self.box = types.SimpleNamespace(stack=self.stack)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.box.stack(x)


MODELS: dict[str, Callable[[], Any]] = {
    "DataParallel": lambda: nn.DataParallel(sick()),
    "compiled": lambda: torch.compile(sick(), backend="eager"),
    "both": lambda: torch.compile(nn.DataParallel(sick()), backend="eager"),
    "compiled within": compiled_within,
    "one activation": shared_activation,
    "weight norm": weight_normed,
    "in a box": InBox,
}


def pasted(model: nn.Module, code: str) -> nn.Module:
    names = {"torch": torch, "nn": nn, "model": model}
    torch.manual_seed(1)
    exec(code, names)
    assert isinstance(names["model"], nn.Module)
    return names["model"]


@pytest.mark.parametrize("remedy", REMEDIES)
@pytest.mark.parametrize("kind", MODELS)
def test_with_and_without_a_batch_and_by_the_lines_the_same_comes_of_it(kind: str, remedy: str) -> None:
    model = MODELS[kind]()
    diagnosis = vl.examine(model, functional.cross_entropy, BATCH)
    assert "vanishing" in diagnosis.names
    before = copy.deepcopy(model.state_dict())
    made = []
    for batch in (None, BATCH):
        torch.manual_seed(1)
        made.append(vl.mend(model, remedy, batch))
    by_hand = pasted(MODELS[kind](), diagnosis.code[REMEDIES[remedy]])
    found = [vl.examine(each, functional.cross_entropy, BATCH) for each in (*made, by_hand)]
    for each in found:
        assert "vanishing" not in each.names
        assert each.decay.total == pytest.approx(found[0].decay.total, abs=1e-3)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())
    assert not isinstance(made[0], nn.DataParallel) and not hasattr(made[0], "_orig_mod")


def test_a_module_in_two_places_is_replaced_in_both() -> None:
    layer, phi = nn.Linear(20, 20), nn.Tanh()
    model = nn.Sequential(layer, phi, layer, phi, nn.Linear(20, 5))
    swapped: Any = vl.mend(model, "activation swap: ReLU")
    assert isinstance(swapped[1], nn.ReLU) and isinstance(swapped[3], nn.ReLU) and swapped[0] is swapped[2]
    normed: Any = vl.mend(model, "normalisation")
    # Two calls in one pass: batch statistics would be those of both.
    assert normed[0] is normed[2] and isinstance(normed[0][1], nn.LayerNorm)
    skipped: Any = vl.mend(model, "residual connections")
    assert len(skipped) == 3 and skipped[0].branch[0] is skipped[1].branch[0]
    code = vl.examine(model, functional.cross_entropy, BATCH).code
    for name in ("activation swap", "normalisation", "residual connections"):
        by_hand = pasted(copy.deepcopy(model), code[name])
        assert by_hand(BATCH[0]).isfinite().all()
        assert not name.startswith("activation") or not any(isinstance(each, nn.Tanh) for each in by_hand.modules())


def test_new_modules_are_in_the_model_s_mode() -> None:
    model = sick().eval()
    for remedy in REMEDIES:
        assert not any(module.training for module in vl.mend(model, remedy).modules())


def test_what_a_forward_pass_has_left_in_an_attribute_is_no_obstacle() -> None:
    model: Any = sick()
    model.seen = [model(BATCH[0])]
    assert model.seen[0].grad_fn is not None
    mended: Any = vl.mend(model, "matched initialisation")
    assert torch.equal(mended.seen[0], model.seen[0]) and mended.seen[0].grad_fn is None


def test_the_copy_of_a_model_that_is_recorded_is_not_recorded() -> None:
    model = sick()
    with vl.GradientRecorder(model):
        mended = vl.mend(model, "matched initialisation", BATCH)
        assert any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in mended.modules())


def test_nothing_is_changed_by_looking_at_spectral_norm() -> None:
    model = sick()
    parametrizations.spectral_norm(model[2])
    before = copy.deepcopy(model.state_dict())
    code = vl.examine(model, functional.cross_entropy, BATCH).code
    for remedy in REMEDIES:
        if "skip" in remedy or "residual" in remedy or remedy == "normalisation":
            assert vl.mend(model, remedy)(BATCH[0]).isfinite().all()
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in before.items())
    assert "matched initialisation" not in code
    with pytest.raises(vl.InputError, match="weight of 2 does not take any values: its parametrisation is Spectral"):
        vl.mend(model, "matched initialisation")


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_the_old_weight_norm_is_refused_with_the_new_one_s_name() -> None:
    model = sick()
    nn.utils.weight_norm(model[2])
    with pytest.raises(vl.InputError, match=r"where torch\.nn\.utils\.parametrizations\.weight_norm makes it"):
        vl.mend(model, "matched initialisation", BATCH)
    assert vl.mend(model, "residual connections", BATCH)(BATCH[0]).isfinite().all()
    pruned = sick()
    prune.l1_unstructured(pruned[2], "weight", amount=1)
    with pytest.raises(vl.InputError, match="the weight of 2 is made of other parameters$"):
        vl.mend(pruned, "matched initialisation", BATCH)


class Held(nn.Module):
    """Its layers in a list beside the modules, which `forward` goes through."""

    def __init__(self) -> None:
        super().__init__()
        self.body = sick()
        self.order = {"all": list(self.body)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self.order["all"]:
            x = part(x)
        return x


def test_what_forward_may_reach_past_the_modules_is_not_replaced() -> None:
    with pytest.raises(vl.InputError, match=r"order holds body\.\d+ too, and forward may call that one"):
        vl.mend(Held(), "normalisation")
    code = vl.examine(Held(), functional.cross_entropy, BATCH).code
    assert "matched initialisation" in code and not {"normalisation", "residual connections"} & {*code}


class Listed(nn.Module):
    """All layers first, then their activations."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(20, 16), *(nn.Linear(16, 16) for _ in range(7))])
        self.phis = nn.ModuleList([nn.Sigmoid() for _ in range(8)])
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, phi in zip(self.layers, self.phis, strict=True):
            x = phi(layer(x))
        return self.head(x)


class Functions(Listed):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert isinstance(self.layers[0].in_features, int)
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return self.head(x)


def test_where_the_list_does_not_say_what_follows_a_batch_is_asked_for() -> None:
    for remedy in ("matched initialisation", "activation swap: SELU", "normalisation"):
        said = r"phis\.0 is listed behind layers\.6 and layers\.7, and may follow either"
        with pytest.raises(vl.InputError, match=f"batch must be given for '{remedy}': {said}"):
            vl.mend(Listed(), remedy)
    torch.manual_seed(0)
    mended = vl.mend(Listed(), "matched initialisation", BATCH)
    assert vl.examine(mended, functional.cross_entropy, BATCH).healthy
    bare = Functions()
    del bare.phis
    with pytest.raises(vl.InputError, match="no activation module is listed behind a layer"):
        vl.mend(bare, "matched initialisation")
    with pytest.raises(vl.InputError, match=r"forward fails then \('Sequential' object has no attribute 'in_features'"):
        vl.mend(bare, "normalisation", BATCH)


def test_what_cannot_be_copied_or_seen_is_said() -> None:
    model: Any = sick()
    model.lock = threading.Lock()
    with pytest.raises(vl.InputError, match=r"must be one that copy.deepcopy can copy, got a Sequential .*lock"):
        vl.mend(model, "matched initialisation")
    with pytest.raises(vl.InputError, match="copy.deepcopy"):
        vl.try_remedies(lambda: model, functional.cross_entropy, [BATCH], steps=2, seeds=(0,))
    assert "vanishing" in vl.examine(model, functional.cross_entropy, BATCH).names
    with pytest.raises(vl.InputError, match="not TorchScript"), pytest.warns(DeprecationWarning, match="torch.jit"):
        vl.mend(torch.jit.trace(sick(), BATCH[0]), "matched initialisation")  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_remedies_are_tried_on_the_model_inside() -> None:
    tables = [
        vl.try_remedies(build, functional.cross_entropy, [BATCH], steps=2, seeds=(0,))
        for build in (sick, lambda: nn.DataParallel(sick()))
    ]
    assert [(each.name, each.loss) for each in tables[0].trials] == [
        (each.name, each.loss) for each in tables[1].trials
    ]


def test_a_remedy_with_which_forward_fails_is_not_tried() -> None:
    def build() -> nn.Module:
        model = Functions()
        del model.phis
        return model

    table = vl.try_remedies(build, functional.cross_entropy, [BATCH], steps=2, seeds=(0,))
    assert "its forward fails then" in table.not_tried["normalisation"]


@pytest.mark.slow
def test_one_process_of_distributed_data_parallel(tmp_path: Any) -> None:
    torch.distributed.init_process_group("gloo", f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(sick())
        functional.cross_entropy(model(BATCH[0]), BATCH[1]).backward()
        diagnosis = vl.examine(model, functional.cross_entropy, BATCH)
        assert "vanishing" in diagnosis.names
        for remedy, name in REMEDIES.items():
            mended = vl.mend(model, remedy, BATCH)
            again = nn.parallel.DistributedDataParallel(mended)
            assert "vanishing" not in vl.examine(again, functional.cross_entropy, BATCH).names
            by_hand = pasted(nn.parallel.DistributedDataParallel(sick()), diagnosis.code[name])
            assert not isinstance(by_hand, nn.parallel.DistributedDataParallel)
            assert "vanishing" not in vl.examine(by_hand, functional.cross_entropy, BATCH).names
    finally:
        torch.distributed.destroy_process_group()
