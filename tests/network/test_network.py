"""`MLP`: one run of the stack is an ordinary network, and its bits do not depend on its neighbours."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from comparison import (
    ACTIVATIONS,
    NORMALIZATIONS,
    RESIDUALS,
    assert_close,
    assert_same_bits,
    linear_layers,
    state_of,
    to_array,
)
from torch import nn

import vanishlab as vl
from vanishlab.network.mlp import NORMALIZATIONS as NORMALIZATION_MODULES
from vanishlab.network.mlp import Block

FEATURES, CLASSES = 13, 10
# Each two of the three meet in some network.
COMBINATIONS = [
    pytest.param(activation, normalization, RESIDUALS[(row + column) % 4], id=f"{activation}-{normalization}")
    for row, normalization in enumerate(NORMALIZATIONS)
    for column, activation in enumerate(ACTIVATIONS)
]
Threads = Callable[[int], None]


def inputs(batch: int, dtype: str = "float64", features: int = FEATURES) -> torch.Tensor:
    return torch.randn(batch, features, generator=torch.Generator().manual_seed(batch), dtype=getattr(torch, dtype))


def backward(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Outputs, and the gradients of a loss to which each run adds its own part."""
    model.zero_grad()
    outputs = model(x)
    outputs.square().mean((-2, -1)).sum().backward()
    return outputs.detach()


def gradients_of(module: nn.Module, run: int | None = None) -> dict[str, torch.Tensor]:
    found = {}
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None
        found[name] = parameter.grad if run is None else parameter.grad[run]
    return found


def assert_single_agrees(mlp: vl.MLP, x: torch.Tensor, run: int, relative: float) -> None:
    single = mlp.single(run)
    together, alone = backward(mlp, x), backward(single, x)
    assert_close(alone, together[run], relative, "outputs")
    ours, theirs = gradients_of(mlp, run), gradients_of(single)
    # Both list a hidden layer's parameters in the same order, except that torch's own branch scale comes first.
    sizes = [sorted(float(g.norm()) for g in group.values()) for group in (ours, theirs)]
    assert_close(sizes[0], sizes[1], relative, "gradient norms")
    for layer, module in zip(
        linear_layers(mlp), [m for m in single.modules() if isinstance(m, nn.Linear)], strict=True
    ):
        for name in ("weight", "bias"):
            stacked = to_array(getattr(layer, name).grad[run])
            # A bias before batch norm has gradient 0 but for rounding: judged by its weight's gradient.
            scale = float(to_array(layer.weight.grad[run]).max())
            assert abs(to_array(getattr(module, name).grad) - stacked).max() <= relative * max(
                abs(stacked).max(), scale
            )


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_single_run_has_the_outputs_and_gradients_of_the_stack(
    activation: Any, normalization: Any, residual: Any
) -> None:
    config = vl.NetworkConfig(
        depth=3, width=7, activation=activation, normalization=normalization, residual=residual, dtype="float64"
    )
    mlp = vl.MLP(config, FEATURES, CLASSES, seeds=(4, 5))
    with torch.no_grad():  # scales, shifts and branch scales away from the values that hide a mistake
        for parameter in mlp.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)).double()
    # 1e-12: a few layers' roundings of 1e-16.
    assert_single_agrees(mlp, inputs(9), run=1, relative=1e-12)
    if normalization == "batch":
        for batch in (3, 4, 5):
            mlp(inputs(batch))
        assert_single_agrees(mlp, inputs(9), run=1, relative=1e-12)
        assert_single_agrees(mlp.eval(), inputs(9), run=0, relative=1e-12)
        assert not any(module.training for module in mlp.single(0).modules())


def test_unequal_widths_and_the_residuals_that_fit_them() -> None:
    config = vl.NetworkConfig(depth=3, width=(7, 1, 30), activation="tanh", dtype="float64")
    mlp = vl.MLP(config, FEATURES, CLASSES, seeds=(4, 5))
    for run in (0, 1):
        assert_single_agrees(mlp, inputs(9), run, relative=1e-12)
    # Skip connections need equal sizes: around every hidden layer but the first.
    residual = vl.MLP(vl.NetworkConfig(depth=3, width=4, residual="learned"), 4, 2)
    assert [block.scale is None for block in residual.blocks] == [True, False, False]


def test_batch_norms_running_statistics_are_torchs() -> None:
    config = vl.NetworkConfig(depth=2, width=7, normalization="batch", dtype="float64")
    mlp = vl.MLP(config, FEATURES, CLASSES, seeds=(1, 2))
    single = mlp.single(1)
    for batch in (9, 5, 37):
        mlp(inputs(batch))
        single(inputs(batch))
    norms = [module for module in single.children() if isinstance(module, nn.BatchNorm1d)]
    for block, norm in zip(mlp.blocks, norms, strict=True):
        assert isinstance(block, Block) and block.norm is not None
        mean, variance = block.norm.statistics
        torch.testing.assert_close(mean[1], norm.running_mean, rtol=1e-13, atol=1e-15)  # three updates' roundings
        torch.testing.assert_close(variance[1], norm.running_var, rtol=1e-13, atol=1e-15)


def test_a_single_run_is_made_of_ordinary_modules_with_copies_of_the_parameters() -> None:
    config = vl.NetworkConfig(depth=2, width=7, activation="relu", normalization="layer")
    mlp = vl.MLP(config, FEATURES, CLASSES, seeds=(1, 2))
    single = mlp.single(1)
    kinds = [nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear]
    assert [type(module) for module in single] == kinds
    before = state_of(mlp)
    with torch.no_grad():
        for parameter in single.parameters():
            assert parameter.requires_grad and parameter.is_contiguous()
            parameter.fill_(9.0)
    assert_same_bits(state_of(mlp), before)


def test_a_single_learned_branch_scale_is_trained() -> None:
    mlp = vl.MLP(vl.NetworkConfig(depth=2, width=7, activation="tanh", residual="learned"), FEATURES, CLASSES)
    single = mlp.single()
    backward(single, inputs(5, "float32"))
    (scale,) = [parameter for name, parameter in single.named_parameters() if name.endswith("scale")]
    assert scale.tolist() == 0.0 and scale.grad is not None and scale.grad.tolist() != 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("activation", "normalization", "residual"), COMBINATIONS)
def test_outputs_and_gradients_have_the_same_bits_alone_and_among_63_others(
    activation: Any, normalization: Any, residual: Any, dtype: Any, set_threads: Threads
) -> None:
    set_threads(1)  # `train` sees to it that no product is shared by threads; here the test does
    width: Any = (30, 7, 30) if residual == "none" else 30
    config = vl.NetworkConfig(
        depth=3, width=width, activation=activation, normalization=normalization, residual=residual, dtype=dtype
    )
    mlp, x = vl.MLP(config, FEATURES, CLASSES, seeds=tuple(range(64))), inputs(37, dtype)
    together = backward(mlp, x)
    for run in (0, 17, 63):
        alone = vl.MLP(config, FEATURES, CLASSES, seeds=(run,))
        assert torch.equal(backward(alone, x)[0], together[run])
        assert_same_bits(gradients_of(alone, 0), gradients_of(mlp, run))
        assert_same_bits(state_of(alone, 0), state_of(mlp, run))


@pytest.fixture
def threads_for_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """`train` takes one thread for small products; here it shall take what it is given."""
    monkeypatch.setattr("vanishlab.training.loop._SMALL_PRODUCT", 0)


@pytest.mark.usefixtures("threads_for_every_size")
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [2, 7, 30, (30, 7)], ids=str)
def test_training_has_the_same_bits_alone_and_among_63_others(
    width: Any, dtype: Any, batch_size: int | None, threads: int, set_threads: Threads, data: vl.Dataset
) -> None:
    set_threads(threads)
    config = vl.NetworkConfig(depth=2, width=width, activation="gelu", dtype=dtype)
    assert_trains_alike(config, data, seeds=tuple(range(16)), chosen=(5,), steps=3, batch_size=batch_size)


@pytest.mark.usefixtures("threads_for_every_size")
@pytest.mark.parametrize(("activation", "normalization", "residual"), COMBINATIONS)
def test_training_has_the_same_bits_alone_and_among_others_for_every_network(
    activation: Any, normalization: Any, residual: Any, set_threads: Threads, data: vl.Dataset
) -> None:
    index = ACTIVATIONS.index(activation)
    set_threads(1 + index % 3 // 2)
    config = vl.NetworkConfig(
        depth=2,
        width=30,
        activation=activation,
        normalization=normalization,
        residual=residual,
        dtype=("float32", "float64")[index % 2],
    )
    assert_trains_alike(
        config, data, seeds=(3, 4, 5), chosen=(4,), steps=3, batch_size=(None, 11)[index % 3 == 0], momentum=0.5
    )


def assert_trains_alike(
    config: vl.NetworkConfig, data: vl.Dataset, seeds: tuple[int, ...], chosen: tuple[int, ...], **strategy: Any
) -> None:
    rates = (0.1, 0.3, 0.2, 0.4)  # together with 16 seeds: 64 runs

    def train(rates: tuple[float, ...], seeds: tuple[int, ...]) -> vl.MLP:
        training = vl.TrainingConfig(learning_rates=rates, seeds=seeds, record_every="never", device="cpu", **strategy)
        mlp = vl.MLP(config, data.features, data.num_classes, tuple(seed for _, seed in training.runs))
        vl.train(config, training, data, model=mlp)
        return mlp

    together = train(rates, seeds)
    initial = vl.MLP(config, data.features, data.num_classes, chosen)
    for seed in chosen:
        run = 2 * len(seeds) + seeds.index(seed)
        alone = train((rates[2],), (seed,))
        assert_same_bits(state_of(alone, 0), state_of(together, run))
        assert not torch.equal(alone.readout.weight[0], initial.readout.weight[chosen.index(seed)])  # it did train


@pytest.mark.slow
@pytest.mark.usefixtures("threads_for_every_size")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("activation", "normalization"), [("sigmoid", "none"), ("softplus", "batch"), ("silu", "layer")]
)
def test_training_on_digits_has_the_same_bits_alone_and_among_63_others(
    activation: Any, normalization: Any, dtype: Any, threads: int, set_threads: Threads
) -> None:
    set_threads(threads)
    config = vl.NetworkConfig(depth=5, width=64, activation=activation, normalization=normalization, dtype=dtype)
    assert_trains_alike(
        config, vl.load_data("digits", max_examples=200), seeds=tuple(range(16)), chosen=(0, 15), steps=10
    )


def test_an_input_for_each_run_is_the_same_as_one_for_all() -> None:
    mlp = vl.MLP(vl.NetworkConfig(depth=2, width=7), FEATURES, CLASSES, seeds=(1, 2))
    x = inputs(5, "float32")
    # Not bit for bit asked for: torch may choose another product for a repeated matrix.
    torch.testing.assert_close(mlp(x.repeat(2, 1, 1)), mlp(x), rtol=1e-6, atol=1e-6)
    each = torch.stack([x, -x])
    torch.testing.assert_close(mlp(each)[1], mlp(-x)[1], rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_a_thousand_layers_build_train_record_and_stand_alone(data: vl.Dataset) -> None:
    config = vl.NetworkConfig(depth=1000, width=2, activation="tanh", initialization="orthogonal")
    training = vl.TrainingConfig(steps=1, learning_rates=(1e-3, 1e-2), device="cpu")
    mlp = vl.MLP(config, data.features, data.num_classes, (0, 0))
    record = vl.train(config, training, data, model=mlp)
    assert record.delta_rms.shape == (2, 2, 1001) and (record.delta_rms > 0).all()
    single = mlp.single(1)
    x = torch.from_numpy(data.x).float()
    optimizer = torch.optim.SGD(single.parameters(), lr=0.01)
    with vl.GradientRecorder(single, optimizer) as recorder:
        outputs = single(x)
        nn.functional.cross_entropy(outputs, torch.from_numpy(data.y)).backward()
        optimizer.step()
    assert recorder.record.delta_rms.shape == (1, 1, 1001)
    # 1,000 layers' float32 roundings, which tanh at its critical point neither damps nor grows: 1e-4 is ample.
    assert_close(outputs.detach(), mlp(x)[1].detach(), 1e-3)
    assert "Linear" in repr(single) and len(list(single.parameters())) == 2002


def test_ten_thousand_layers_build_and_run() -> None:
    mlp = vl.MLP(vl.NetworkConfig(depth=10_000, width=1, activation="linear"), 1, 1)
    assert len(mlp.blocks) == 10_000
    assert backward(mlp, torch.ones(2, 1)).shape == (1, 2, 1)
    del mlp  # the graph and the modules are taken apart without recursion, too


def test_a_copy_of_an_mlp_is_an_mlp_of_its_own() -> None:
    mlp = vl.MLP(vl.NetworkConfig(depth=2, width=7, normalization="batch"), FEATURES, CLASSES, seeds=(1, 2))
    mlp(inputs(5, "float32"))
    other = copy.deepcopy(mlp)
    fresh = vl.MLP(mlp.config, FEATURES, CLASSES, seeds=(3, 4))
    fresh.load_state_dict(mlp.state_dict())
    for model in (other, fresh):
        assert_same_bits(state_of(model), state_of(mlp))
        assert torch.equal(model(inputs(9, "float32")), copy.deepcopy(mlp)(inputs(9, "float32")))


@pytest.mark.parametrize("shape", [(5, FEATURES + 1), (FEATURES,), (3, 5, FEATURES), (1, 2, 5, FEATURES)], ids=str)
def test_a_wrong_input_is_told_in_one_line(shape: tuple[int, ...]) -> None:
    mlp = vl.MLP(vl.NetworkConfig(depth=1, width=2), FEATURES, CLASSES, seeds=(1, 2))
    with pytest.raises(vl.InputError) as caught:
        mlp(torch.zeros(shape))
    assert str(caught.value) == f"x must have shape (batch, 13) or (2, batch, 13), got {shape}"


def test_wrong_sizes_seeds_and_runs_are_told_in_one_line() -> None:
    config = vl.NetworkConfig(depth=1, width=2)
    with pytest.raises(vl.InputError, match=r"^features must be at least 1, got 0$"):
        vl.MLP(config, 0, 2)
    with pytest.raises(vl.InputError, match=r"^classes must be at least 1, got 0$"):
        vl.MLP(config, 2, 0)
    with pytest.raises(vl.InputError, match=r"^seeds must name at least one seed, got none$"):
        vl.MLP(config, 2, 2, ())
    mlp = vl.MLP(config, 2, 2, (1, 2))
    with pytest.raises(vl.InputError, match=r"^run must be at most 1, got 2$"):
        mlp.single(2)
    with pytest.raises(vl.InputError, match=r"^run must be at least 0, got -1$"):
        mlp.single(-1)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_a_hook_that_keeps_a_pre_activation_gets_its_own_gradient(activation: Any) -> None:
    model = vl.MLP(vl.NetworkConfig(2, 64, activation, dtype="float64"), features=64, classes=2)
    kept: list[torch.Tensor] = []
    for linear in model.linear_layers:
        linear.register_forward_hook(lambda module, inputs, z: (z.retain_grad(), kept.append(z))[0])
    x = torch.randn(64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model(x).square().sum().backward()
    z, delta = kept[0].detach(), kept[0].grad
    first = model.linear_layers[0]
    assert torch.equal(z, torch.baddbmm(first.bias[:, None], x[None], first.weight.mT))
    assert delta is not None
    # dloss/db is the sum of dloss/dz over examples, exact but for the order of additions.
    torch.testing.assert_close(delta.sum(1), first.bias.grad, rtol=1e-10, atol=1e-12)


def test_every_normalisation_of_torch_is_known_as_one() -> None:
    named = {name: value for name, value in vars(nn).items() if name.endswith(("Norm", "Norm1d", "Norm2d", "Norm3d"))}
    assert len(named) > 10
    unknown = {name for name, kind in named.items() if not issubclass(kind, NORMALIZATION_MODULES)}
    assert unknown == {"LocalResponseNorm"}  # it has neither parameters nor statistics over units
