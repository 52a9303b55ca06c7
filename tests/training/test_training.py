"""Training against the hand-written oracle and torch's own optimizer; divergence, interruption, and bad input."""

import itertools
import math
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import torch
from comparison import (
    ACTIVATIONS,
    NORMALIZATIONS,
    RESIDUALS,
    as_reference,
    assert_close,
    assert_equal_records,
    assert_same_bits,
    linear_layers,
    state_of,
    to_array,
)
from torch import nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.activations import ACTIVATIONS as PHI
from vanishlab.network.losses import run_losses
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.training.loop import TrainingInterrupted

MEASURES = (*reference.MEASURES, "loss", "accuracy")
SHARES_OF_DELTA = ("delta_distinct_share", "gradient_coherence")
STRATEGIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "clip": {"clip_norm": 0.05},
    "normalize": {"normalize_gradients": True},
    "warmup": {"schedule": "linear_warmup", "warmup_steps": 3},
    "cosine": {"schedule": "cosine", "warmup_steps": 2},
    "mini-batches": {"batch_size": 10},
    "all of them": {"momentum": 0.5, "clip_norm": 0.1, "schedule": "cosine", "batch_size": 8},
}
# Each two of the three meet in some network, and all three where phi overwrites what it is given.
NETWORKS = [
    pytest.param(*network, id="-".join(map(str, network)))
    for network in itertools.product(ACTIVATIONS, NORMALIZATIONS, RESIDUALS)
    if PHI[network[0]].in_place
    or (ACTIVATIONS.index(network[0]) + NORMALIZATIONS.index(network[1]) - RESIDUALS.index(network[2])) % 4 == 0
]


def network_of(**fields: Any) -> vl.NetworkConfig:
    return vl.NetworkConfig(**({"depth": 3, "width": 6, "dtype": "float64"} | fields))


def training_of(**fields: Any) -> vl.TrainingConfig:
    return vl.TrainingConfig(**({"steps": 5, "device": "cpu"} | fields))


def stack_for(network: vl.NetworkConfig, training: vl.TrainingConfig, data: vl.Dataset) -> vl.MLP:
    return vl.MLP(network, data.features, data.num_classes, tuple(seed for _, seed in training.runs))


def watch_batches(mlp: vl.MLP, data: vl.Dataset) -> list[list[np.ndarray]]:
    """Filled while `mlp` trains: the places in the data of each run's examples, step by step."""
    place = {example.tobytes(): index for index, example in enumerate(to_array(torch.from_numpy(data.x)))}
    seen: list[list[np.ndarray]] = []

    def hook(module: nn.Module, arguments: Any) -> None:
        if module.training:
            x = arguments[0].expand(mlp.runs, -1, -1)
            seen.append([np.array([place[to_array(example).tobytes()] for example in run]) for run in x])

    mlp.register_forward_pre_hook(hook)
    return seen


def factor_of(training: vl.TrainingConfig) -> Callable[[int], float]:
    """The schedules once more, written apart from the lab's."""
    warmup, rest = training.warmup_steps, training.steps - training.warmup_steps

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return math.cos(math.pi / 2 * (step - warmup) / rest) ** 2 if training.schedule == "cosine" else 1.0

    return factor


def assert_agrees_with_the_oracle(network: vl.NetworkConfig, training: vl.TrainingConfig, data: vl.Dataset) -> None:
    mlp = stack_for(network, training, data)
    start = [as_reference(mlp, run) for run in range(mlp.runs)]
    batches = watch_batches(mlp, data)
    record = vl.train(network, training, data, model=mlp)
    assert record.step.tolist() == list(range(training.steps + 1))
    assert not record.diverged.any()
    for run, (rate, _) in enumerate(training.runs):
        expected = reference.train(
            start[run],
            data.x,
            data.y,
            loss=training.loss,
            learning_rate=rate,
            steps=training.steps,
            momentum=training.momentum,
            clip_norm=training.clip_norm,
            normalize_gradients=training.normalize_gradients,
            rate_factor=factor_of(training),
            batches=[step[run] for step in batches],
        )
        # 1e-10, float64 autograd against float64 by hand: 1e-16 a rounding, grown by a few layers and updates.
        for name in MEASURES:
            assert_close(getattr(record, name)[run], expected[name], 1e-10, name)
        for name in reference.IN_PAIRS:
            measured = getattr(record, name)[run]
            looked_at = ~np.isnan(measured).all(axis=1)
            assert looked_at[[0, 1, 2, -1]].all() or training.steps < 2, "the first steps and the last"
            assert_close(measured[looked_at], expected[name][looked_at], 1e-10, name)
        for layer, block in zip(linear_layers(mlp), expected["blocks"], strict=True):
            # Together: a bias before batch norm stays at 0 but for rounding.
            ours = np.column_stack([to_array(layer.weight[run]), to_array(layer.bias[run])])
            assert_close(ours, np.column_stack([block["W"], block["b"]]), 1e-10, "weights and biases")


@pytest.mark.parametrize(("activation", "normalization", "residual"), NETWORKS)
def test_every_recorded_quantity_is_the_oracles_for_every_network(
    activation: Any, normalization: Any, residual: Any, data: vl.Dataset
) -> None:
    index = (ACTIVATIONS.index(activation) + RESIDUALS.index(residual)) % 2
    network = network_of(activation=activation, normalization=normalization, residual=residual)
    training = training_of(
        steps=3, learning_rates=(0.05, 0.3), seeds=(2,), loss=("cross_entropy", "mse")[index], evaluate_every=2
    )
    assert_agrees_with_the_oracle(network, training, data)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("activation", "residual", "width"), [("selu", "none", (7, 4, 9)), ("sigmoid", "learned", 6), ("relu", "plain", 7)]
)
def test_every_recorded_quantity_is_the_oracles_for_every_strategy(
    activation: Any, residual: Any, width: Any, strategy: str, loss: Any, data: vl.Dataset
) -> None:
    index = list(STRATEGIES).index(strategy)
    network = network_of(
        activation=activation,
        width=width,
        residual=residual,
        normalization=NORMALIZATIONS[index % 4],
        initialization="gaussian",
        sigma_w=1.5,
        sigma_b=0.3,
    )
    training = training_of(steps=7, learning_rates=(0.02, 0.1), seeds=(0, 9), loss=loss, **STRATEGIES[strategy])
    assert_agrees_with_the_oracle(network, training, data)


def test_the_oracles_test_can_fail(data: vl.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vanishlab.training.update.clip_factor", lambda norm, clip: (1 + 1e-8) * clip / norm)
    with pytest.raises(AssertionError, match="update_ratio"):
        assert_agrees_with_the_oracle(network_of(), training_of(clip_norm=1e-3), data)


@pytest.mark.parametrize("strategy", ["plain", "momentum", "warmup", "cosine", "normalize", "clip"])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_each_step_is_that_of_an_ordinary_network_under_torchs_own_sgd(
    normalization: Any, strategy: str, data: vl.Dataset
) -> None:
    network = network_of(activation="tanh", normalization=normalization, residual="learned", width=5)
    training = training_of(learning_rates=(0.5, 0.2), seeds=(3,), **STRATEGIES[strategy])
    mlp = stack_for(network, training, data)
    single = mlp.single(1)
    optimizer = torch.optim.SGD(single.parameters(), lr=0.2, momentum=training.momentum)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    losses: list[float] = []
    seen: list[int] = []

    def follow(step: int) -> None:
        seen.append(step)
        for group in optimizer.param_groups:
            group["lr"] = 0.2 * factor_of(training)(len(losses))
        optimizer.zero_grad()
        loss = functional.cross_entropy(single(x), y)
        losses.append(loss.item())
        loss.backward()
        gradients = [p.grad for p in single.parameters() if p.grad is not None]
        if training.clip_norm is not None:  # torch's own adds 1e-6 to the norm
            norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients]))
            for gradient in gradients:
                gradient.mul_(min(1.0, training.clip_norm / float(norm)))
        if training.normalize_gradients:
            for layer in single:
                own = [p.grad for p in layer.parameters() if p.grad is not None]
                if isinstance(layer, nn.Linear):  # its layer is the linear map with the normalisation that follows
                    own += [p.grad for p in after(layer).parameters() if p.grad is not None]
                elif not hasattr(layer, "branch"):
                    continue
                norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in own]))
                for gradient in own:
                    gradient.div_(norm)
        if len(losses) <= training.steps:
            optimizer.step()
        ours = [layer.weight for layer in linear_layers(mlp)]
        theirs = [module.weight for module in single.modules() if isinstance(module, nn.Linear)]
        for mine, other in zip(ours, theirs, strict=True):
            # Six steps of roundings of 1e-16; batch norm amplifies them the most.
            assert_close(to_array(mine[1]), to_array(other), 1e-11)

    def after(layer: nn.Module) -> nn.Module:
        modules = list(single)
        following = modules[modules.index(layer) + 1] if modules.index(layer) + 1 < len(modules) else nn.Identity()
        return nn.Identity() if hasattr(following, "branch") else following

    record = vl.train(network, training, data, model=mlp, progress=follow)
    assert_close(record.loss[1], losses, 1e-11)
    assert seen == list(range(training.steps + 1))


def test_normalised_gradients_of_very_deep_networks_still_have_norm_one(data: vl.Dataset) -> None:
    # 400 sigmoid layers shrink the gradient to the last subnormals of float64, and some layers' to zero.
    network, training = network_of(depth=400, width=8), training_of(steps=2, normalize_gradients=True)
    record = vl.train(network, training, data)
    tiny = record.gradient_norm[0, 0] < 1e-308
    assert tiny.any() and not tiny.all()
    assert not record.diverged.any()
    lengths = (record.update_ratio * record.weight_norm)[0, 0] / 0.1
    # A subnormal keeps few bits, so norms near the floor are coarse; a layer whose gradient is all zero stays put.
    assert np.all((lengths < 1.5) & ((lengths > 0.1) | (record.gradient_norm[0, 0] < 1e-320)))


@pytest.mark.parametrize("strategy", ["plain", "momentum", "normalize", "clip"])
def test_a_frozen_layer_of_a_model_given_is_left_alone_and_said_to_be_unmeasured(
    strategy: str, data: vl.Dataset
) -> None:
    network, training = network_of(activation="tanh"), training_of(**STRATEGIES[strategy])
    mlp = stack_for(network, training, data)
    frozen = linear_layers(mlp)[1].weight.requires_grad_(False)
    before = frozen.clone()
    record = vl.train(network, training, data, model=mlp)
    assert torch.equal(frozen, before)
    assert record.unmeasured == {"blocks.1.linear": "the weight is frozen"}
    assert np.isnan(record.gradient_norm[:, :, 1]).all()
    assert (record.update_ratio[:, :, [0, 2, 3]] > 0).all() and not (record.update_ratio[:, :, 1] > 0).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_run_losses_are_torchs(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 20, 4, generator=generator, dtype=dtype)
    shared = torch.randint(4, (20,), generator=generator)
    own = torch.randint(4, (3, 20), generator=generator)
    for y in (shared, own):
        for run in range(3):
            labels = y.expand(3, 20)[run]
            onehot = functional.one_hot(labels, 4).to(dtype)
            # A mean of 80 terms in another order: some roundings of the dtype.
            rtol = 1e-6 if dtype == torch.float32 else 1e-14
            expected = functional.cross_entropy(logits[run], labels)
            torch.testing.assert_close(run_losses(logits, y, "cross_entropy")[run], expected, rtol=rtol, atol=0.0)
            expected = functional.mse_loss(logits[run], onehot)
            torch.testing.assert_close(run_losses(logits, y, "mse")[run], expected, rtol=rtol, atol=0.0)


@pytest.mark.parametrize(
    ("record_every", "steps", "expected"),
    [
        (1, 4, [0, 1, 2, 3, 4]),
        (3, 7, [0, 3, 6, 7]),
        (3, 6, [0, 3, 6]),
        (100, 5, [0, 5]),
        ("log", 12, [*range(11), 12]),
        ("never", 5, []),
        (1, 0, [0]),
        ("log", 0, [0]),
    ],
)
def test_the_recorded_steps_are_those_asked_for_and_the_last(
    record_every: Any, steps: int, expected: list[int], data: vl.Dataset
) -> None:
    whole = vl.train(network_of(), training_of(steps=steps), data)
    record = vl.train(network_of(), training_of(steps=steps, record_every=record_every), data)
    assert record.step.tolist() == expected
    for name in LAYER_QUANTITIES:
        values, wanted = getattr(record, name), getattr(whole, name)[:, expected]
        if name in reference.IN_PAIRS:  # looked at less often, by a schedule that depends on what is recorded
            values, wanted = np.where(np.isnan(wanted), np.nan, values), np.where(np.isnan(values), np.nan, wanted)
        np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(record.loss, whole.loss[:, expected])
    np.testing.assert_array_equal(record.test_accuracy, whole.test_accuracy)


def test_log_records_about_twenty_steps_a_decade(data: vl.Dataset) -> None:
    network = vl.NetworkConfig(depth=1, width=1)
    steps = vl.train(network, training_of(steps=1200, record_every="log"), data).step
    assert steps[0] == 0 and steps[-1] == 1200
    assert np.sum((steps >= 100) & (steps < 1000)) == 20 and 15 <= np.sum((steps >= 10) & (steps < 100)) <= 20
    # Evenly in the logarithm: neighbours differ by 10^(1/20) = 1.12, within a whole step.
    late = steps[(steps >= 30) & (steps < 1200)].astype(float)
    assert np.all(np.abs(late[1:] - late[:-1] * 10**0.05) <= 0.13 * late[:-1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_recording_changes_no_bit_of_the_training(strategy: str, dtype: Any, data: vl.Dataset) -> None:
    network = network_of(activation="gelu", normalization="batch", dtype=dtype)
    states = []
    for record_every in (1, 3, "log", "never"):
        training = training_of(
            learning_rates=(0.1, 0.5), seeds=(1, 2), record_every=record_every, **STRATEGIES[strategy]
        )
        mlp = stack_for(network, training, data)
        vl.train(network, training, data, model=mlp)
        states.append(state_of(mlp))
    for state in states[1:]:
        assert_same_bits(state, states[0])


def test_the_same_configs_give_the_same_bits_again(data: vl.Dataset) -> None:
    network, training = network_of(), training_of(seeds=(0, 1), batch_size=7)
    assert_equal_records(vl.train(network, training, data), vl.train(network, training, data))


def test_training_leaves_generators_threads_and_data_as_they_were(data: vl.Dataset, set_threads: Any) -> None:
    set_threads(2)
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002  # pyright: ignore
    x, y = data.x.copy(), data.y.copy()
    vl.train(network_of(), training_of(batch_size=7), data)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002  # pyright: ignore
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_array_equal(data.y, y)
    assert torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError):
        vl.train(network_of(), training_of(), data, progress=lambda step: 1 // 0)
    assert torch.get_num_threads() == 2


def test_no_hook_and_no_gradient_outlives_the_training(data: vl.Dataset) -> None:
    network, training = network_of(normalization="batch"), training_of()
    mlp = stack_for(network, training, data)
    vl.train(network, training, data, model=mlp)
    for module in mlp.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks and not module._backward_hooks
    for parameter in mlp.parameters():
        assert not parameter._post_accumulate_grad_hooks and not parameter._backward_hooks
        assert parameter.grad is None


def test_the_record_holds_what_it_takes_to_run_it_again(data: vl.Dataset) -> None:
    network, training = network_of(), training_of(learning_rates=(0.1, 0.2), seeds=(4, 5))
    record = vl.train(network, training, data)
    assert record.network == network and record.training == training
    assert record.learning_rate.tolist() == [0.1, 0.1, 0.2, 0.2] and record.seed.tolist() == [4, 5, 4, 5]
    assert record.diverged_step.tolist() == [-1] * 4 and record.unmeasured == {}
    assert record.layer.tolist() == [1, 2, 3, 4] and record.layer_names[-1] == "readout"
    expected = {"vanishlab": vl.__version__, "torch": torch.__version__, "numpy": np.__version__,
                "device": "cpu", "dtype": "float64", "data": "drawn",
                "engine": "autograd"}  # fmt: skip
    assert record.environment == expected


def test_zero_fractions_count_what_the_gradient_lost(data: vl.Dataset) -> None:
    # A dark pixel is a true zero; a sigmoid net of 60 layers underflows float32 long before the input.
    dark = vl.Dataset(data.x * [0, 1, 1, 1, 1], data.y)
    record = vl.train(network_of(depth=1, dtype="float32"), training_of(steps=0), dark)
    assert record.zero_fraction[0, 0].tolist() == [1 / 5, 0.0] and not record.subnormal_fraction.any()
    deep = vl.train(network_of(depth=60, width=16, dtype="float32"), training_of(steps=0), data)
    zero, subnormal = deep.zero_fraction[0, 0], deep.subnormal_fraction[0, 0]
    assert zero[0] == 1.0 and deep.gradient_norm[0, 0, 0] == 0.0 and zero[-1] == subnormal[-1] == 0.0
    begun = subnormal > 0
    assert begun.any() and (deep.gradient_norm[0, 0][begun] > 0).all() and deep.gradient_norm[0, 0][begun].max() < 1e-34
    assert (deep.gradient_state[0, 0][zero == 1.0] == "underflow").all()


def test_a_gradient_of_1e_40_is_reported_as_such(data: vl.Dataset) -> None:
    # The same net in float64 says what float32 should have seen; half a subnormal's spacing is 7e-46.
    fields: dict[str, Any] = {"depth": 20, "width": 4, "initialization": "gaussian", "sigma_w": 0.04}
    single = vl.train(network_of(dtype="float32", **fields), training_of(steps=0), data)
    double = vl.train(network_of(dtype="float64", **fields), training_of(steps=0), data)
    # Another dtype draws other numbers, so only the size can be compared: the float64 one within a factor of 100.
    tiny = (single.gradient_norm > 1e-44) & (single.gradient_norm < 1e-23)
    assert tiny.any()
    assert np.all(np.abs(np.log10(single.gradient_norm[tiny] / double.gradient_norm[tiny])) < 4)


@pytest.mark.parametrize("evaluate_every", [None, 1, 2, 100])
def test_the_test_accuracy_is_that_of_the_network_at_that_step(evaluate_every: int | None, data: vl.Dataset) -> None:
    network = network_of(activation="tanh", normalization="batch")
    training = training_of(steps=5, learning_rates=(0.5, 2.0), evaluate_every=evaluate_every)
    mlp = stack_for(network, training, data)
    assert data.x_test is not None and data.y_test is not None
    x, y = torch.from_numpy(data.x_test), torch.from_numpy(data.y_test)

    def accuracy() -> list[float]:
        singles = [mlp.single(run).eval() for run in range(mlp.runs)]
        return [(single(x).argmax(1) == y).double().mean().item() for single in singles]

    expected = {0: accuracy()}

    def note(step: int) -> None:
        expected[step + 1] = accuracy()

    record = vl.train(network, training, data, model=mlp, progress=note)
    every = evaluate_every or 1
    assert record.test_step.tolist() == sorted({*range(0, 6, every), 5})
    assert record.test_accuracy.T.tolist() == [expected[step] for step in record.test_step]
    assert mlp.training


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_networks_that_come_back_are_those_whose_test_accuracy_is_the_last(
    normalization: Any, data: vl.Dataset
) -> None:
    network, training = network_of(normalization=normalization), training_of(learning_rates=(0.5, 2.0))
    mlp = stack_for(network, training, data)
    tested: list[torch.Tensor] = []

    def note(module: nn.Module, inputs: Any, logits: Any) -> None:
        if not module.training:
            tested.append(logits)

    mlp.register_forward_hook(note)
    vl.train(network, training, data, model=mlp)
    assert data.x_test is not None
    last = tested[-1]
    with torch.no_grad():
        again = mlp.eval()(torch.from_numpy(data.x_test))
    # The same product once more, perhaps on another number of threads: a rounding or two.
    torch.testing.assert_close(again, last, rtol=1e-13, atol=1e-14)


def test_long_trainings_are_evaluated_about_twenty_times(data: vl.Dataset) -> None:
    record = vl.train(vl.NetworkConfig(depth=1, width=1), training_of(steps=101, record_every="never"), data)
    assert record.test_step.tolist() == [*range(0, 101, 6), 101]


def test_without_test_examples_there_is_no_test_accuracy(data: vl.Dataset) -> None:
    record = vl.train(network_of(), training_of(seeds=(0, 1)), vl.Dataset(data.x, data.y))
    assert record.test_step.shape == (0,) and record.test_accuracy.shape == (2, 0)


def test_mini_batches_go_through_all_examples_in_an_order_of_the_seed_alone(data: vl.Dataset) -> None:
    network, training = network_of(), training_of(
        learning_rates=(0.1, 0.9), seeds=(5, 6), batch_size=10, steps=11
    )  # fmt: skip
    mlp = stack_for(network, training, data)
    batches = watch_batches(mlp, data)
    vl.train(network, training, data, model=mlp)
    assert [[len(run) for run in step] for step in batches] == [[10] * 4, [10] * 4, [10] * 4, [7] * 4] * 3
    orders = [
        [np.concatenate([step[run] for step in batches[e : e + 4]]).tolist() for e in (0, 4, 8)] for run in range(4)
    ]
    for run in range(4):
        for epoch in orders[run]:
            assert sorted(epoch) == list(range(37))
        assert orders[run][0] != orders[run][1]
    assert orders[0] == orders[2] and orders[1] == orders[3] and orders[0] != orders[1]
    alone = stack_for(network, training_of(learning_rates=(0.3,), seeds=(6,)), data)
    seen = watch_batches(alone, data)
    vl.train(network, training_of(learning_rates=(0.3,), seeds=(6,), batch_size=10, steps=3), data, model=alone)
    assert np.concatenate([step[0] for step in seen]).tolist() == orders[1][0]


# Divergence. The loss of the middle run overflows within a few steps; which step that is, each test finds out itself.

WILD = 1e30


def wild_network(**fields: Any) -> vl.NetworkConfig:
    return network_of(**({"activation": "relu", "dtype": "float32", "width": 8} | fields))


DIVERGING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {"loss": "mse"}),
    "batch norm": ({"normalization": "batch"}, {"loss": "mse", "momentum": 0.9}),
    "layer norm": ({"normalization": "layer", "residual": "learned"}, {"loss": "mse"}),
    "momentum": ({}, {"loss": "mse", "momentum": 0.9}),
    "mini-batches": ({"normalization": "batch"}, {"loss": "mse", "batch_size": 10}),
    "cross entropy": ({"activation": "linear"}, {}),
    "clip": ({}, {"loss": "mse", "clip_norm": 10.0}),
    "adam": ({}, {"loss": "mse", "optimizer": "adam"}),
}


def train_watched(network: vl.NetworkConfig, training: vl.TrainingConfig, data: vl.Dataset) -> tuple[vl.Record, vl.MLP]:
    mlp = stack_for(network, training, data)
    return vl.train(network, training, data, model=mlp), mlp


@pytest.mark.parametrize("case", DIVERGING)
def test_a_diverged_run_is_recorded_as_such_and_its_neighbours_never_notice(case: str, data: vl.Dataset) -> None:
    fields, strategy = DIVERGING[case]
    network = wild_network(**fields)
    with_it, mlp = train_watched(network, training_of(steps=9, learning_rates=(0.01, WILD, 0.02), **strategy), data)
    without, calm = train_watched(network, training_of(steps=9, learning_rates=(0.01, 0.02), **strategy), data)
    assert with_it.diverged.tolist() == [False, True, False] and not without.diverged.any()
    step = int(with_it.diverged_step[1])
    assert 1 <= step <= 9
    for name in (*LAYER_QUANTITIES, "loss", "accuracy"):
        values = getattr(with_it, name)
        np.testing.assert_array_equal(values[[0, 2]], getattr(without, name))
        assert np.isnan(values[1, step:]).all(), name
        # No layer here is called twice, and where delta is 0 there is no share of it.
        undefined = name == "time_ratio" or (name in SHARES_OF_DELTA and (with_it.delta_rms[1, 0] == 0).any())
        assert undefined or np.isfinite(values[1, 0]).all(), name
    assert np.isfinite(with_it.loss[1, :step]).all()
    np.testing.assert_array_equal(with_it.test_accuracy[[0, 2]], without.test_accuracy)
    for run, other in ((0, 0), (2, 1)):
        assert_same_bits(state_of(mlp, run), state_of(calm, other))


@pytest.mark.parametrize("case", DIVERGING)
def test_a_diverged_run_stays_in_its_last_finite_state(case: str, data: vl.Dataset) -> None:
    fields, strategy = DIVERGING[case]
    network = wild_network(**fields)
    training = training_of(steps=9, learning_rates=(0.01, WILD), evaluate_every=1, **strategy)
    record, mlp = train_watched(network, training, data)
    step = int(record.diverged_step[1])
    assert step >= 1

    def state_after(steps: int) -> dict[str, torch.Tensor]:
        shorter = training_of(steps=steps, learning_rates=(0.01, WILD), evaluate_every=1, **strategy)
        return state_of(train_watched(network, shorter, data)[1], 1)

    # It stays: whatever the neighbours do in the remaining steps. And it stays where its loss was last finite, which is
    # after step - 1 updates; batch norm's statistics have seen that state's own forward pass or not, as they like.
    assert_same_bits(state_of(mlp, 1), state_after(step))
    parameters = {name: state_of(mlp, 1)[name] for name, _ in mlp.named_parameters()}
    earlier = state_after(step - 1)
    assert_same_bits(parameters, {name: earlier[name] for name in parameters})
    assert all(bool(torch.isfinite(value).all()) for value in state_of(mlp, 1).values())
    frozen = record.test_accuracy[1, record.test_step > step]
    assert (frozen == frozen[0]).all() and np.isfinite(record.test_accuracy).all()


def test_a_gradient_that_overflows_before_the_loss_does_is_not_called_a_missing_one(data: vl.Dataset) -> None:
    # Layer norm's variance overflows float32 a step before the loss: the loss is 5e29, the gradient NaN.
    network = network_of(activation="relu", normalization="layer", dtype="float32")
    training = training_of(learning_rates=(3.0,), steps=12, loss="mse", momentum=0.9)
    record = vl.train(network, training, data)
    assert record.diverged[0]
    reached = record.step < record.diverged_step[0]
    assert not (record.gradient_state[0, reached] == "none").any()


def test_a_run_that_is_lost_from_the_start_diverges_at_step_zero(data: vl.Dataset) -> None:
    network = network_of(depth=30, activation="linear", dtype="float32", initialization="gaussian", sigma_w=1e4)
    record, mlp = train_watched(network, training_of(learning_rates=(0.1, 0.2)), data)
    assert record.diverged_step.tolist() == [0, 0]
    assert np.isnan(record.loss).all() and np.isnan(record.delta_rms).all()
    fresh = stack_for(network, training_of(learning_rates=(0.1, 0.2)), data)
    assert_same_bits(state_of(mlp), state_of(fresh))


def test_several_runs_diverge_each_at_its_own_step(data: vl.Dataset) -> None:
    rates = (0.01, 1e3, 1e8, 1e30)
    network, strategy = wild_network(), {"loss": "mse", "steps": 12}
    together, stack = train_watched(network, training_of(learning_rates=rates, **strategy), data)
    assert len(set(together.diverged_step.tolist())) >= 3
    for run, rate in enumerate(rates):
        alone, single = train_watched(network, training_of(learning_rates=(rate,), **strategy), data)
        assert alone.diverged_step[0] == together.diverged_step[run]
        np.testing.assert_array_equal(alone.loss[0], together.loss[run])
        assert_same_bits(state_of(single, 0), state_of(stack, run))


def test_divergence_between_recordings_is_found_at_its_own_step(data: vl.Dataset) -> None:
    strategy: dict[str, Any] = {"learning_rates": (0.01, WILD), "loss": "mse", "steps": 9}
    each = vl.train(wild_network(), training_of(**strategy), data)
    rare = vl.train(wild_network(), training_of(record_every=4, **strategy), data)
    never = vl.train(wild_network(), training_of(record_every="never", **strategy), data)
    assert each.diverged_step.tolist() == rare.diverged_step.tolist() == never.diverged_step.tolist()
    np.testing.assert_array_equal(rare.loss, each.loss[:, rare.step])


# Interruption.


def interrupt_at(last: int) -> Callable[[int], None]:
    def progress(step: int) -> None:
        if step == last:
            raise KeyboardInterrupt

    return progress


def test_ctrl_c_gives_the_record_of_every_step_that_had_ended(data: vl.Dataset) -> None:
    network, training = network_of(normalization="batch"), training_of(steps=50, learning_rates=(0.1, 0.2))
    mlp = stack_for(network, training, data)
    with pytest.raises(TrainingInterrupted) as caught:
        vl.train(network, training, data, model=mlp, progress=interrupt_at(3))
    assert isinstance(caught.value, KeyboardInterrupt)
    record, whole = caught.value.record, vl.train(network, training, data)
    assert record.step.tolist() == [0, 1, 2, 3] and record.training == training
    for name in (*LAYER_QUANTITIES, "loss", "accuracy"):
        np.testing.assert_array_equal(getattr(record, name), getattr(whole, name)[:, :4])
    np.testing.assert_array_equal(record.test_accuracy, whole.test_accuracy[:, : len(record.test_step)])
    for module in mlp.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_ctrl_c_at_any_line_of_the_lab_gives_a_whole_record(data: vl.Dataset, set_threads: Any) -> None:
    network, training = network_of(depth=2, normalization="batch"), training_of(steps=3, momentum=0.5, batch_size=10)
    set_threads(1)
    whole = vl.train(network, training, data)
    under_way = False

    def note_end(step: int) -> None:
        nonlocal under_way
        under_way = step < training.steps

    def run(limit: int) -> tuple[int, BaseException | None]:
        """Train until `limit` lines of the lab have run in the loop, then press Ctrl-C there."""
        nonlocal under_way
        under_way, lines = False, 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal lines, under_way
            filename, name = frame.f_code.co_filename, frame.f_code.co_name
            if "/vanishlab/" not in filename.replace("\\", "/"):
                return None
            if name == "__enter__":  # of the recorder: the loop begins
                under_way = True
            if event == "line" and under_way:
                lines += 1
                if lines == limit:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            vl.train(network, training, data, progress=note_end)
        except BaseException as error:
            return lines, error
        finally:
            sys.settrace(before)
            torch.set_grad_enabled(True)  # the trace can strike between a `with` block's last line and its exit
        return lines, None

    total, error = run(-1)
    assert error is None and total > 1000
    wrong = []
    for limit in range(1, total, 101):  # 101: a prime, so that every part of a step is hit
        _, error = run(limit)
        if not isinstance(error, TrainingInterrupted):
            wrong.append((limit, repr(error)))
            continue
        steps = len(error.record.step)
        assert error.record.step.tolist() == list(range(steps))
        for name in (*LAYER_QUANTITIES, "loss"):
            np.testing.assert_array_equal(getattr(error.record, name), getattr(whole, name)[:, :steps])
    assert wrong == []


def test_another_error_passes_through_unchanged(data: vl.Dataset) -> None:
    def broken(step: int) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match=r"^mine$"):
        vl.train(network_of(), training_of(), data, progress=broken)


# Bad input.


@pytest.mark.parametrize(
    ("network", "training", "message"),
    [
        ({}, {"batch_size": 38}, "batch_size must be at most the 37 training examples, got 38"),
        (
            {"normalization": "batch"},
            {"batch_size": 1},
            "batch_size must be at least 2 with normalization 'batch', got 1",
        ),
    ],
)
def test_settings_that_do_not_fit_the_data_are_told_in_one_line(
    network: dict[str, Any], training: dict[str, Any], message: str, data: vl.Dataset
) -> None:
    with pytest.raises(vl.InputError, match=f"^{re.escape(message)}$"):
        vl.train(network_of(**network), training_of(**training), data)


@pytest.mark.parametrize("device", ["nowhere", "cuda:99", "", "cpu:x", None, 3], ids=repr)
def test_a_device_that_is_not_there_is_told_in_one_line(device: Any, data: vl.Dataset) -> None:
    with pytest.raises(vl.InputError, match=r"^device must be ") as caught:
        vl.train(network_of(), training_of(device=device), data)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_kind_is_refused(data: vl.Dataset) -> None:
    network, training = network_of(), training_of(seeds=(0, 1))
    for model in (
        vl.MLP(network, 5, 3, (0,)),
        vl.MLP(network_of(depth=2), 5, 3, (0, 1)),
        vl.MLP(network, 6, 3, (0, 1)),
        vl.MLP(network, 5, 2, (0, 1)),
    ):
        with pytest.raises(vl.InputError, match=r"^model must "):
            vl.train(network, training, data, model=model)


def test_a_whole_batch_is_the_same_with_and_without_its_size(data: vl.Dataset) -> None:
    one = vl.train(network_of(), training_of(batch_size=37), data)
    np.testing.assert_array_equal(one.loss, vl.train(network_of(), training_of(), data).loss)
