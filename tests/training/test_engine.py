"""The compiled engine against autograd, the reference: one step, whole trajectories, and its promises."""

# pyright: reportArgumentType=false
# Names of activations, engines and dtypes come as strings.

import contextlib
import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from threadpoolctl import threadpool_info, threadpool_limits

import vanishlab as vl
from vanishlab.activations import ACTIVATIONS, ActivationName
from vanishlab.errors import InputError
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.training import engine
from vanishlab.training.loop import Run, train_runs
from vanishlab.training.processes import one_blas_thread
from vanishlab.training.sweep.chunks import chunk_of

needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
EXACT = {"float32": 2e-6, "float64": 1e-12}  # relative, of norms


@pytest.fixture(scope="module")
def data() -> vl.Dataset:
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(48, 12))
    return vl.Dataset(x, np.arange(48) % 5, x[:11] + 0.1, np.arange(11) % 5, "drawn")


def both(network: vl.NetworkConfig, data: vl.Dataset, **training: object) -> tuple[vl.Record, vl.Record]:
    """Return what autograd and the compiled engine record of the same training."""
    settings = {"learning_rates": (0.05, 0.01), "seeds": (0, 1), "steps": 2, "device": "cpu"} | training
    records = [vl.train(network, vl.TrainingConfig(**settings, engine=name), data) for name in ("autograd", "fused")]
    assert [record.environment["engine"] for record in records] == ["autograd", "fused"]
    return records[0], records[1]


def assert_close(one: vl.Record, other: vl.Record, rtol: float, last: int | None = None) -> None:
    """Hold every quantity of the first `last` steps (None is all) against each other, to what its rounding allows."""
    steps = slice(last)
    for name in ("loss", "accuracy", *LAYER_QUANTITIES):
        expected, found = getattr(one, name)[:, steps], getattr(other, name)[:, steps]
        np.testing.assert_array_equal(np.isnan(expected), np.isnan(found), name)
        allowed = rtol * np.abs(expected)
        if name == "activation_mean":  # the sum of numbers that cancel
            allowed = rtol * one.activation_rms[:, steps]
        if name in ("distinct_share", "delta_distinct_share", "effective_rank", "gradient_coherence"):
            # What differs between examples carries the rounding of the whole.
            share = (
                one.distinct_share
                if name == "effective_rank"
                else np.minimum(one.distinct_share, one.delta_distinct_share)
            )
            allowed = 20 * rtol * np.abs(expected) / np.sqrt(np.nan_to_num(share[:, steps], nan=1.0))
        difference = np.abs(np.nan_to_num(found - expected))
        far = difference > np.nan_to_num(allowed)
        assert not far.any(), (name, expected[far], found[far], allowed[far])
    assert one.facts == other.facts and one.unmeasured == other.unmeasured


@needs_numba
@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_phi_and_its_slope_are_right_from_end_to_end(activation: ActivationName, dtype: str) -> None:
    from vanishlab.training.engine.functions import rows_of

    phi, slope = rows_of(activation, dtype)
    drawn = np.random.default_rng(1)
    sizes = [*np.logspace(-12, 2, 400), 3e-40, 0.0, 87.3, 88.71, 104.0, 700.0]
    u = np.array([sign * size for size in sizes for sign in (1, -1)]).astype(dtype)
    h, d = u.copy(), drawn.normal(size=len(u)).astype(dtype)
    value, derivative = reference.ACTIVATIONS[activation](u.astype(np.float64))
    given = d.copy()
    phi(u, h)
    slope(h if ACTIVATIONS[activation].in_place else u, h, d)
    eps = np.finfo(dtype).eps
    # Values of size 1 are what can be rounded; what a function takes as a difference of two (gelu's tail) is no better.
    np.testing.assert_allclose(h, value, rtol=8 * eps, atol=8 * eps)
    np.testing.assert_allclose(d, derivative * given, rtol=40 * eps, atol=200 * eps)


@needs_numba
@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_step_is_autograds(activation: ActivationName, loss: str, dtype: str, data: vl.Dataset) -> None:
    network = vl.NetworkConfig(4, (20, 17, 33, 8), activation, "kaiming_normal", dtype=dtype)
    one, other = both(network, data, loss=loss)
    assert_close(one, other, EXACT[dtype], 1)
    if dtype == "float64":
        assert_close(one, other, 1e-10)
        np.testing.assert_allclose(other.test_accuracy, one.test_accuracy)


@needs_numba
def test_exp_is_right_over_its_whole_range() -> None:
    from numba import njit

    from vanishlab.training.engine.functions import exp

    @njit
    def of_all(x: np.ndarray, found: np.ndarray) -> None:
        for place in range(len(x)):
            found[place] = exp(x[place])

    for dtype, edge in (("float32", 104.0), ("float64", 746.0)):
        x = np.linspace(-edge, edge, 100_001).astype(dtype)
        x = np.concatenate([x, np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)])
        found = np.empty_like(x)
        of_all(x, found)
        info = np.finfo(dtype)
        with np.errstate(over="ignore", under="ignore"):
            expected = np.exp(x.astype(np.longdouble)).astype(dtype)
        np.testing.assert_allclose(found, expected, rtol=4 * float(info.eps), atol=float(info.smallest_subnormal))


@needs_numba
@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "cosine", "warmup_steps": 5, "loss": "mse"},
        {"batch_size": 20, "steps": 31},  # 20, 20 and 8 examples
        {"record_every": "log", "learning_rates": (0.3,)},
        {"record_every": "never", "batch_size": 48},
    ],
)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_whole_trajectories_are_autograds(settings: dict[str, object], activation: str, data: vl.Dataset) -> None:
    network = vl.NetworkConfig(6, 16, activation, "kaiming_normal", dtype="float64")
    one, other = both(network, data, **({"steps": 40} | settings))
    assert_close(one, other, 1e-8)
    np.testing.assert_array_equal(one.step, other.step)
    np.testing.assert_array_equal(one.test_accuracy, other.test_accuracy)


@needs_numba
def test_what_is_subnormal_is_right_to_its_last_digit(data: vl.Dataset) -> None:
    # Products of W and delta below the smallest normal number keep a few digits, and each sum of 16 rounds 16 times.
    one, other = both(vl.NetworkConfig(75, 16, "sigmoid"), data, steps=0)
    step = 2.0**-149 * 48  # of delta, times the number of examples
    assert ((one.delta_rms[0, 0] > 0) & (one.delta_rms[0, 0] < 1e-38)).sum() > 4
    np.testing.assert_allclose(other.delta_rms, one.delta_rms, rtol=1e-5, atol=4 * step)  # 76 layers of rounding
    np.testing.assert_allclose(other.gradient_norm, one.gradient_norm, rtol=1e-5, atol=2.0**-149 * 16 * 4)
    np.testing.assert_allclose(other.zero_fraction + other.subnormal_fraction,
                               one.zero_fraction + one.subnormal_fraction, atol=0.02)  # fmt: skip


@needs_numba
@pytest.mark.parametrize("sigma", [1e-12, 1e8])
def test_norms_are_exact_where_squares_are_not(sigma: float, data: vl.Dataset) -> None:
    network = vl.NetworkConfig(3, 16, "linear", "gaussian", sigma_w=sigma)
    one, other = both(network, data, steps=0)
    assert one.activation_rms.min() < 1e-30 or one.activation_rms.max() > 1e30
    assert_close(one, other, 2e-6)


@needs_numba
def test_a_run_that_diverges_stays_in_its_last_finite_state(data: vl.Dataset) -> None:
    network = vl.NetworkConfig(4, 16, "relu", "kaiming_normal", dtype="float64")
    models = []
    for name in ("autograd", "fused"):
        training = vl.TrainingConfig((1e150, 0.01), steps=6, engine=name, loss="mse", device="cpu")
        models.append(vl.MLP(network, data.features, 5, (0, 0)))
        record = vl.train(network, training, data, model=models[-1])
        assert record.diverged_step[0] in (1, 2) and record.diverged_step[1] == -1
        assert np.isnan(record.loss[0, record.diverged_step[0] :]).all() and np.isfinite(record.loss[1]).all()
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(other.detach(), one.detach(), rtol=1e-9, atol=1e-12)
        assert other.stride() == one.stride()


@needs_numba
@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
def test_a_runs_bits_depend_on_nothing_but_the_run(
    activation: str, data: vl.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = vl.NetworkConfig(5, (24, 17, 16, 40, 9), activation)
    runs = [Run(network, rate, seed) for rate in (0.01, 1e30, 0.3) for seed in (0, 1, 2)]

    def final(chosen: list[Run], threads: int = 1, every: int | str = 1) -> list[np.ndarray]:
        monkeypatch.setattr("vanishlab.training.loop._threads_for", lambda *_: threads)
        model = vl.MLP(network, data.features, 5, tuple(run.seed for run in chosen))
        training = vl.TrainingConfig((0.1,), steps=12, engine="fused", record_every=every, batch_size=20, device="cpu")
        record = train_runs(chosen, training, data, model=model)
        return [parameter.detach().numpy() for parameter in model.parameters()] + [record.gradient_norm[:, -1:]]

    together = final(runs)
    for others in (final(runs, threads=3), final(runs, every=12)):
        for one, other in zip(together, others, strict=True):
            np.testing.assert_array_equal(one, other)
    for place in (0, 5, 8):
        for one, other in zip(together, final([runs[place]]), strict=True):
            np.testing.assert_array_equal(one[place], other[0])


def test_autograd_does_what_the_engine_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, training = vl.NetworkConfig(), vl.TrainingConfig(device="cpu")
    monkeypatch.setattr(engine, "numba_works", lambda: True)
    assert engine.engine_of(plain, training, 1e12) == "fused"
    assert engine.engine_of(plain, training, 1e6) == "autograd"  # its start would take longer
    foreign = [
        (dataclasses.replace(plain, normalization="layer"), training, "normalization layer"),
        (dataclasses.replace(plain, residual="plain"), training, "residual plain"),
        (plain, dataclasses.replace(training, momentum=0.9), "momentum 0.9"),
        (plain, dataclasses.replace(training, clip_norm=1.0), "clip_norm 1"),
        (plain, dataclasses.replace(training, normalize_gradients=True), "normalize_gradients True"),
        (plain, dataclasses.replace(training, optimizer="adam"), "optimizer adam"),
        (plain, dataclasses.replace(training, sharpness_every=5), "sharpness_every 5"),
        (plain, dataclasses.replace(training, device="cuda"), "'cuda'"),
    ]
    for network, other, said in foreign:
        assert engine.engine_of(network, other, 1e12) == "autograd"
        with pytest.raises(InputError, match=said):
            engine.engine_of(network, dataclasses.replace(other, engine="fused"), 1.0)
    monkeypatch.setattr(engine, "numba_works", lambda: False)
    assert engine.engine_of(plain, training, 1e12) == "autograd"
    with pytest.raises(InputError, match=r"needs numba: pip install 'vanishlab\[fast\]'"):
        engine.engine_of(plain, dataclasses.replace(training, engine="fused"), 1e12)


@needs_numba
def test_every_activation_has_a_compiled_form() -> None:
    from vanishlab.training.engine.functions import has_rows

    assert all(map(has_rows, ACTIVATIONS))
    assert not has_rows("prelu")


@needs_numba
def test_hooks_of_a_given_model_are_called(data: vl.Dataset) -> None:
    network = vl.NetworkConfig(2, 8)
    calls: list[int] = []
    model = vl.MLP(network, data.features, 5, (0,))
    model.readout.register_forward_hook(lambda *_: calls.append(1))
    training = vl.TrainingConfig(steps=2, device="cpu", engine="fused")
    with pytest.raises(InputError, match="without hooks"):
        vl.train(network, training, data, model=model)
    vl.train(network, dataclasses.replace(training, engine="auto"), data, model=model)
    assert len(calls) >= 3


@needs_numba
@pytest.mark.parametrize("change", ["tensor hook", "frozen", "another dtype"])
def test_autograd_trains_a_given_model_that_is_more_than_its_config(change: str, data: vl.Dataset) -> None:
    model = vl.MLP(vl.NetworkConfig(2, 8), data.features, 5, (0,))
    if change == "tensor hook":
        model.readout.weight.register_hook(lambda gradient: None)
    elif change == "frozen":
        model.readout.bias.requires_grad_(False)
    else:
        model.double()
    training = vl.TrainingConfig(steps=2, device="cpu", engine="fused")
    with pytest.raises(InputError, match="without hooks and frozen parameters, of its config's dtype"):
        vl.train(model.config, training, data, model=model)


@needs_numba
@pytest.mark.parametrize("dtype", EXACT)
def test_examples_may_lie_in_memory_as_they_like(dtype: str, data: vl.Dataset) -> None:
    turned = dataclasses.replace(data, x=np.asfortranarray(data.x.astype(dtype)), y=data.y.astype(np.int32))
    one, other = both(vl.NetworkConfig(2, 8, dtype=dtype), turned)
    assert_close(one, other, EXACT[dtype], 1)


@needs_numba
def test_facts_of_a_run_without_a_gradient_are_none(data: vl.Dataset) -> None:
    huge = dataclasses.replace(data, x=data.x * 1e30)
    for seeds in ((0,), (0, 1)):
        one, other = both(vl.NetworkConfig(2, 8, "linear"), huge, loss="mse", seeds=seeds, learning_rates=(0.1,))
        assert (other.diverged_step == 0).all() and one.facts == other.facts


@needs_numba
def test_a_folder_never_mixes_engines(data: vl.Dataset, tmp_path: Path) -> None:
    network, training = vl.NetworkConfig(2, 8), vl.TrainingConfig(steps=3, device="cpu")
    names = [chunk_of([Run(network, 0.1, 0)], training, "", each).name for each in ("autograd", "fused")]
    assert names[0] != names[1]
    trained: list[str] = []
    for name in ("autograd", "fused", "fused", "autograd"):
        chosen = dataclasses.replace(training, engine=name)
        before = len(list(tmp_path.glob("*.npz")))
        records = list(vl.sweep([network], chosen, data, out=tmp_path))
        trained += [name] * (len(list(tmp_path.glob("*.npz"))) - before)
        assert records[0].environment["engine"] == name and records[0].training == chosen
        alone = vl.train(network, chosen, data)
        np.testing.assert_array_equal(records[0].gradient_norm, alone.gradient_norm)
    assert trained == ["autograd", "fused"]


@needs_numba
def test_it_works_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    from vanishlab.training.engine import functions

    real: Callable[..., object] = numba.njit
    kept: list[bool] = []  # numba compiles some functions of its own, too

    def njit(*arguments: Any, cache: bool = False, **options: Any) -> object:
        kept.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*arguments, **options)

    monkeypatch.setattr(numba, "njit", njit)
    functions.rows_of.cache_clear()
    phi, _ = functions.rows_of("relu", "float32")
    h = np.array([-1.0, 2.0], np.float32)
    phi(h, h)
    assert h.tolist() == [0.0, 2.0] and kept.count(True) == 2  # phi and its slope
    functions.rows_of.cache_clear()


@needs_numba
@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("rows", [1, 5, 8, 19])
@pytest.mark.parametrize("inner", [1, 7, 64])
@pytest.mark.parametrize("columns", [1, 10, 16, 32, 48, 128, 144, 256, 272])
def test_products_are_numpys(rows: int, inner: int, columns: int, dtype: str) -> None:
    from vanishlab.training.engine.products import multiply, multiply_by_turned, multiply_turned

    drawn = np.random.default_rng(3)
    a, b = drawn.normal(size=(rows, inner)).astype(dtype), drawn.normal(size=(inner, columns)).astype(dtype)
    out, turned = np.full((rows, columns), np.nan, dtype), np.empty(inner * columns, dtype)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    close = 1e-5 if dtype == "float32" else 1e-13
    multiply(a, b, out)
    np.testing.assert_allclose(out, expected, rtol=close, atol=close)
    out[:] = np.nan
    multiply_turned(np.ascontiguousarray(a.T), b, out)
    np.testing.assert_allclose(out, expected, rtol=close, atol=close)
    out[:] = np.nan
    multiply_by_turned(a, np.ascontiguousarray(b.T), turned, out)
    np.testing.assert_allclose(out, expected, rtol=close, atol=close)


def test_the_limit_on_blas_threads_is_lifted_by_the_last_block() -> None:
    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        one, other = one_blas_thread(), one_blas_thread()
        with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
            first.enter_context(one)
            second.enter_context(other)
            assert threads() == {1}
            first.close()
            assert threads() == {1}
            second.close()
            assert threads() == {2}
