"""Sharpness against whole Hessians by another route, against closed forms, and in the middle of training."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comparison import NORMALIZATIONS, assert_equal_records, assert_same_bits, state_of, to_array
from torch import Tensor
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn import functional

import vanishlab as vl
from vanishlab.network.curvature import hessian_product, largest_eigenvalues, sharpness


def mlp_of(data: vl.Dataset, seeds: tuple[int, ...] = (0, 5), **fields: Any) -> vl.MLP:
    settings: dict[str, Any] = {"depth": 2, "width": 3, "activation": "tanh", "dtype": "float64"} | fields
    return vl.MLP(vl.NetworkConfig(**settings), data.features, data.num_classes, seeds)


def whole_hessian(mlp: vl.MLP, run: int, data: vl.Dataset, loss: str) -> Tensor:
    """Of one run as ordinary modules, by torch's own function, in one flat vector of its parameters."""
    single = mlp.single(run)
    names = [name for name, _ in single.named_parameters()]
    shapes = [parameter.shape for _, parameter in single.named_parameters()]
    flat = torch.cat([parameter.detach().flatten() for _, parameter in single.named_parameters()])
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)

    def value(vector: Tensor) -> Tensor:
        pieces = vector.split([shape.numel() for shape in shapes])
        parameters = {name: piece.view(shape) for name, piece, shape in zip(names, pieces, shapes, strict=True)}
        logits = functional_call(single, parameters, (x,))
        if loss == "mse":
            return functional.mse_loss(logits, functional.one_hot(y, 3).to(logits.dtype))
        return functional.cross_entropy(logits, y)

    matrix = hessian(value, flat)
    assert isinstance(matrix, Tensor)
    return matrix


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize(
    ("activation", "normalization", "residual"),
    [("sigmoid", "none", "none"), ("gelu", "layer", "plain"), ("tanh", "rms", "learned"), ("silu", "batch", 0.5)],
)
def test_it_is_the_largest_eigenvalue_of_the_whole_hessian(
    activation: str, normalization: str, residual: Any, loss: Any, data: vl.Dataset
) -> None:
    mlp = mlp_of(data, activation=activation, normalization=normalization, residual=residual)
    found = sharpness(mlp, data.x, data.y, loss, tolerance=1e-7)
    usual = sharpness(mlp, data.x, data.y, loss)
    for run in range(2):
        eigenvalues = to_array(torch.linalg.eigvalsh(whole_hessian(mlp, run, data, loss)))
        # The error is about the residual's square over the gap: 1e-14 and 1e-6 of the eigenvalue where gaps are wide.
        np.testing.assert_allclose(found.value[run], eigenvalues[-1], rtol=1e-9)
        np.testing.assert_allclose(usual.value[run], eigenvalues[-1], rtol=1e-3)
    assert found.converged.all() and (found.residual <= 1e-7 * 100).all()


def test_a_product_is_that_of_each_runs_own_hessian(data: vl.Dataset) -> None:
    mlp = mlp_of(data)
    product = hessian_product(mlp, data.x, data.y, "mse")
    size = sum(parameter[0].numel() for parameter in mlp.parameters())
    rows = torch.stack([product(row.expand(2, size)) for row in torch.eye(size, dtype=torch.float64)], 1)
    for run in range(2):
        expected = torch.linalg.eigvalsh(whole_hessian(mlp, run, data, "mse"))
        torch.testing.assert_close(torch.linalg.eigvalsh(rows[run]), expected, rtol=1e-10, atol=1e-14)


def test_many_examples_are_taken_in_parts_but_not_under_batch_norm(
    data: vl.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    for normalization in NORMALIZATIONS:
        mlp = mlp_of(data, normalization=normalization)
        whole = sharpness(mlp, data.x, data.y, tolerance=1e-6).value
        monkeypatch.setattr("vanishlab.network.curvature._EXAMPLES", 10)
        np.testing.assert_allclose(sharpness(mlp, data.x, data.y, tolerance=1e-6).value, whole, rtol=1e-9)
        monkeypatch.undo()


def test_linear_regression_has_the_largest_eigenvalue_of_its_covariance(data: vl.Dataset) -> None:
    mlp = mlp_of(data, depth=1, width=5, activation="linear", seeds=(0,))
    mlp.blocks.requires_grad_(False)  # leaves the readout: a linear regression on h
    h = np.column_stack([to_array(mlp.blocks[0](torch.from_numpy(data.x)[None])[0]), np.ones(37)])
    expected = 2 / (37 * 3) * np.linalg.eigvalsh(h.T @ h)[-1]  # of the mean over 37 examples and 3 classes
    np.testing.assert_allclose(sharpness(mlp, data.x, data.y, "mse", tolerance=1e-6).value, [expected], rtol=1e-9)


# Matrices by themselves.


def of_matrices(*matrices: np.ndarray, tolerance: float = 1e-6, start: Tensor | None = None) -> Any:
    stack = torch.from_numpy(np.stack(matrices))
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(stack.shape[:2], generator=generator, dtype=torch.float64) if start is None else start
    return largest_eigenvalues(lambda v: torch.bmm(stack, v[:, :, None])[:, :, 0], start, tolerance, 1000)


def rotated(*eigenvalues: float) -> np.ndarray:
    basis = np.linalg.qr(np.random.default_rng(3).normal(size=(len(eigenvalues),) * 2))[0]
    return basis @ np.diag(eigenvalues) @ basis.T


SPREAD = tuple(np.linspace(0.0, 1.0, 37))


@pytest.mark.parametrize(
    ("eigenvalues", "largest"),
    [
        ((-100.0, 3.0, *SPREAD), 3.0),  # plain power iteration would find -100
        ((-3.0, 3.0, *SPREAD), 3.0),  # and here nothing
        ((3.0, 3.0, 2.999, *SPREAD), 3.0),
        (tuple(-1.0 - k for k in range(40)), -1.0),
        ((-2.0, -2.0, -2.0), -2.0),
        ((0.0,) * 20, 0.0),
        ((5.0,), 5.0),
        ((1e-30, 2e-30, -3e-30, 0.0), 2e-30),
        ((1e30, 2e30, -3e30, 0.0), 2e30),
    ],
)
def test_negative_double_and_zero_eigenvalues(eigenvalues: tuple[float, ...], largest: float) -> None:
    found = of_matrices(rotated(*eigenvalues))
    assert found.converged.all()
    # The residual is a bound of the error; it is 1e-6 of the largest magnitude.
    scale = max(map(abs, eigenvalues))
    assert abs(found.value[0] - largest) <= 1e-6 * scale and found.residual[0] <= 1e-6 * scale


def test_a_run_has_the_bits_that_it_has_alone() -> None:
    easy, hard = rotated(10.0, *SPREAD), rotated(1.0001, *SPREAD)
    start = torch.randn(38, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = of_matrices(easy, hard, start=start.expand(2, -1))
    alone = of_matrices(easy, start=start[None])
    assert together.products > alone.products
    np.testing.assert_allclose(together.value[0], alone.value[0], rtol=1e-15)  # bmm of one matrix sums in another order


def test_a_run_that_is_not_finite_is_nan_and_disturbs_no_neighbour() -> None:
    broken = np.full((38, 38), np.inf)
    found = of_matrices(rotated(10.0, *SPREAD), broken)
    assert np.isnan(found.value[1])
    np.testing.assert_allclose(found.value[0], 10.0, rtol=1e-9)


def test_a_search_without_convergence_is_told_with_its_last_residual(data: vl.Dataset) -> None:
    mlp = mlp_of(data)
    with pytest.raises(
        vl.InputError, match=r"^sharpness must converge within max_products=2, got a residual of \d.* r"
    ):
        sharpness(mlp, data.x, data.y, max_products=2, tolerance=1e-12)
    found = largest_eigenvalues(hessian_product(mlp, data.x, data.y), torch.ones(2, 42, dtype=torch.float64), 1e-12, 2)
    assert not found.converged.any() and found.products == 2 and (found.residual > 0).all()


def test_a_later_search_starts_from_the_vectors_of_an_earlier_one(data: vl.Dataset) -> None:
    mlp = mlp_of(data, width=20, depth=4)
    first = sharpness(mlp, data.x, data.y, tolerance=1e-9)
    again = sharpness(mlp, data.x, data.y, start=first.vector)
    np.testing.assert_allclose(again.value, first.value, rtol=1e-6)
    with pytest.raises(vl.InputError, match=r"^start must have shape \(2, \d+\), got \(1, 3\)$"):
        sharpness(mlp, data.x, data.y, start=torch.ones(1, 3))


def test_nothing_in_the_network_changes(data: vl.Dataset) -> None:
    mlp = mlp_of(data, normalization="batch")
    before = state_of(mlp)
    sharpness(mlp, data.x, data.y)
    assert_same_bits(state_of(mlp), before)
    assert all(parameter.grad is None for parameter in mlp.parameters())
    with pytest.raises(vl.InputError, match="^model must have a trainable parameter, all of them are frozen$"):
        sharpness(mlp.requires_grad_(False), data.x, data.y)


# In training.


@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_recording_it_changes_no_bit_of_training_and_of_the_record(normalization: Any, data: vl.Dataset) -> None:
    network = vl.NetworkConfig(3, 6, "tanh", normalization=normalization)
    training = vl.TrainingConfig((0.1, 0.5), (0, 1), steps=7, batch_size=10, momentum=0.5, device="cpu")
    with_it = dataclasses.replace(training, sharpness_every=2)
    models = [vl.MLP(network, data.features, data.num_classes, (0, 1, 0, 1)) for _ in range(2)]
    without, record = (
        vl.train(network, settings, data, model=model)
        for settings, model in zip((training, with_it), models, strict=True)
    )
    assert_same_bits(state_of(models[1]), state_of(models[0]))
    blank = dataclasses.replace(
        record, training=training, sharpness=without.sharpness, sharpness_step=without.sharpness_step
    )
    assert_equal_records(blank, without)
    assert without.sharpness.shape == (4, 0) and without.sharpness_step.shape == (0,)
    assert record.sharpness_step.tolist() == [0, 2, 4, 6, 7]
    assert record.sharpness.shape == (4, 5) and record.sharpness.dtype == np.float64
    assert np.isfinite(record.sharpness).all()


def test_it_is_the_sharpness_of_the_network_at_that_step(data: vl.Dataset) -> None:
    network = vl.NetworkConfig(2, 6, "tanh", dtype="float64")
    training = vl.TrainingConfig((0.1, 2.0), (3,), steps=6, loss="mse", batch_size=9, sharpness_every=3, device="cpu")
    record = vl.train(network, training, data)
    for place, steps in enumerate((0, 3, 6)):
        model = vl.MLP(network, data.features, data.num_classes, (3, 3))
        vl.train(network, dataclasses.replace(training, steps=steps, sharpness_every=None), data, model=model)
        expected = sharpness(model, data.x, data.y, "mse", tolerance=1e-8).value
        # Converged to 1e-3 of the eigenvalue in the residual: about its square in the value.
        np.testing.assert_allclose(record.sharpness[:, place], expected, rtol=1e-4)


def test_a_run_that_diverged_has_none_and_its_neighbour_keeps_its_own(data: vl.Dataset) -> None:
    network = vl.NetworkConfig(2, 6, "relu")
    training = vl.TrainingConfig((0.1, 1e30), steps=10, loss="mse", sharpness_every=1, device="cpu")
    record = vl.train(network, training, data)
    gone = int(record.diverged_step[1])
    assert gone > 0 and np.isnan(record.sharpness[1, gone:]).all() and np.isfinite(record.sharpness[0]).all()
    alone = vl.train(network, dataclasses.replace(training, learning_rates=(0.1,)), data)
    np.testing.assert_allclose(alone.sharpness[0], record.sharpness[0], rtol=1e-5)


def test_what_did_not_converge_is_said_to_be_unmeasured(data: vl.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vanishlab.network.curvature.MAX_PRODUCTS", 1)
    training = vl.TrainingConfig(steps=2, sharpness_every=2, device="cpu")
    record = vl.train(vl.NetworkConfig(2, 6, "tanh"), training, data)
    assert np.isnan(record.sharpness).all()
    assert record.unmeasured["sharpness"].startswith("no convergence in 1 Hessian-vector products (run 0, step 2: res")
    assert (record.gradient_state == "measured").all()


def test_it_is_saved_loaded_selected_and_shown_as_a_column(data: vl.Dataset, tmp_path: Path) -> None:
    training = vl.TrainingConfig((0.1, 0.5), steps=6, sharpness_every=3, record_every=2, device="cpu")
    record = vl.train(vl.NetworkConfig(2, 6, "tanh"), training, data)
    assert_equal_records(vl.Record.load(record.save(tmp_path / "run.npz")), record)
    np.testing.assert_array_equal(record.select(learning_rate=0.5).sharpness, record.sharpness[1:])
    table = record.to_dataframe()
    rows = table[(table.run == 1) & (table.layer == 1)]
    np.testing.assert_array_equal(rows.sharpness, [record.sharpness[1, 0], np.nan, np.nan, record.sharpness[1, 2]])


def test_a_file_from_before_there_was_sharpness_is_read(data: vl.Dataset, tmp_path: Path) -> None:
    record = vl.train(vl.NetworkConfig(2, 6, "tanh"), vl.TrainingConfig((0.1, 0.5), steps=1, device="cpu"), data)
    with np.load(record.save(tmp_path / "new.npz")) as file:
        arrays = {name: file[name] for name in file.files if not name.startswith("sharpness")}
    metadata = str(arrays["metadata"])
    assert '"sharpness_every": null, ' in metadata
    arrays["metadata"] = np.array(metadata.replace('"sharpness_every": null, ', ""))
    np.savez(tmp_path / "old.npz", **arrays)
    assert_equal_records(vl.Record.load(tmp_path / "old.npz"), record)
