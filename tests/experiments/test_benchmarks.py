"""What the benchmarks measure by themselves is what `train` records, and each of them runs."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import vanishlab as vl

FOLDER = Path(__file__).parents[2] / "experiments" / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_shared_weights_give_the_gradients_that_train_records(activation):
    # The same weights in both: float64 rounding, and the norm by (n, n) products.
    data = replace(vl.load_data("digits", max_examples=12), x_test=None, y_test=None)
    network = vl.NetworkConfig(depth=3, width=20, activation=activation, dtype="float64")
    layers = vl.MLP(network, 64, 10, (0,)).linear_layers
    weights, biases = [w.weight[0].detach() for w in layers], [w.bias[0].detach() for w in layers]
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    found = load("prediction").gradient_norms(weights[:-1], biases, activation, x, y, [3], weights[-1])
    for depth, loss, logs in found:
        record = vl.train(network, vl.TrainingConfig(steps=0, seeds=(0,), loss=loss), data)
        assert depth == 3
        np.testing.assert_allclose(np.exp(logs), record.gradient_norm[0, 0], rtol=1e-10)


def test_the_prediction_benchmark_prints_its_worst_case(monkeypatch, capsys):
    words = (
        "--width 12 --seeds 3 --depths 1 2 --activations tanh --initializations torch_default orthogonal --no-others"
    )
    monkeypatch.setattr(sys, "argv", ["prediction.py", *words.split()])
    load("prediction").main()
    printed = capsys.readouterr().out
    assert printed.count("tanh") == 2 * 2 * 2 * 2 + 1 and "worst case" in printed


def test_the_benchmark_of_meaning_prints_a_row_a_network(monkeypatch, capsys):
    words = "--width 16 --depth 2 --seeds 3 --activations tanh"
    monkeypatch.setattr(sys, "argv", ["meaning.py", *words.split()])
    load("meaning").main()
    printed = capsys.readouterr().out
    assert printed.count("tanh") == 5 and " layers in 3 s.e." in printed


def test_the_edge_of_stability_is_found_on_the_grid():
    module = load("largest_learning_rate")
    network = vl.NetworkConfig(depth=1, width=64, activation="linear", initialization="lecun_normal", dtype="float64")
    data = vl.load_data("digits", max_examples=module.EXAMPLES)
    edge = vl.predict(network, data, "mse").largest_learning_rate
    measured, actual = module.climbing_from(network, "mse", edge) * edge, module.actual_edges(network, "mse")
    assert measured.shape == actual.shape == (module.SEEDS,)
    assert (measured * module.STEP >= actual).all()  # no run climbs below its own edge, but for the grid
    assert (np.abs(edge / actual - 1.0) < 3 * 2 / 64**0.5).all()  # the kernel's fluctuation at width 64


def test_the_sweep_benchmark_holds_its_ratios_against_the_bars():
    module = load("sweep")
    network = module.network_of("relu", 32)
    assert module.sweep_seconds(network, 2, 2, 1, True, "autograd") > 0
    assert module.product_seconds(network, 2, 2, True) > 0
    assert module.loop_seconds(network, 2, True, 1, True) > 0
    contenders = {"sweep": 1.0, "sweep, not recorded": 0.9, "(1) loop, hooks": 4.9, "(4) products": 0.75}
    rows = {row[1]: row[-3:] for row in module.rows_of(network, contenders)}
    assert rows["(1) loop, hooks"] == [4.9, 5.0, "no"] and rows["(4) products"] == [0.75, 0.75, "yes"]
    deeper = module.network_of("relu", 32, depth=50)
    assert {row[-1] for row in module.rows_of(deeper, contenders)} == {""}  # the bars are those of 20 layers


@pytest.mark.slow
def test_the_engines_benchmark_counts_what_it_multiplies():
    pytest.importorskip("numba")
    module = load("engine")
    width, *seconds, bmm, dot, tiles, passing, share = module.row_of(32)
    assert width == 32 and len(seconds) == 3
    for taken, speed in zip(seconds, (bmm, dot, tiles), strict=True):
        assert abs(float(speed) * float(taken.split()[0]) - 6e-3 * 256 * 32**2) < 0.05 * 6e-3 * 256 * 32**2 + 40
    assert abs(float(passing.split()[0]) / float(seconds[2].split()[0]) - float(share[:-1]) / 100) < 0.02


def test_the_recording_benchmark_prints_every_contender(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recording.py", "--quick", "--models", "MLP", "--steps", "1"])
    load("recording").main()
    printed = capsys.readouterr().out
    for name in ("bare", "every step", "every 10 steps", ".item() hooks", "histograms", "per-parameter norm"):
        assert name in printed


def test_the_scaling_benchmark_fits_slopes():
    module = load("scaling")
    sizes = np.array([1.0, 10.0, 100.0, 1000.0])
    assert module.slope(sizes, 3.0 * sizes**0.5) == pytest.approx(0.5)
    seconds, memory = module.point(2, 2, 2)
    assert seconds > 0 and memory >= 0


def test_the_benchmark_of_subnormal_numbers_leaves_them_as_they_were():
    module = load("denormals")
    seconds, record = module.measured("flushed", 40, 1, True)
    assert seconds > 0 and (record.subnormal_fraction == 0).all()
    _, record = module.measured("subnormal", 40, 1, True)
    assert (record.subnormal_fraction > 0).any()


def test_the_benchmarks_of_chunks_and_of_a_million_runs_measure_a_step():
    assert load("chunks").seconds(8, 2, 2, 1, True) > 0
    module = load("million")
    data = vl.load_data("digits", max_examples=32)
    (chunk,) = module.plan_sweep([module.NETWORK], module.training_of(2, 2), data, chunk_runs=2, workers=1).chunks
    assert module.step_seconds(chunk, data) > 0


def test_the_benchmark_of_what_trains_counts_and_is_not_told_how_a_run_ended(monkeypatch, tmp_path, capsys):
    module = load("trainable")
    monkeypatch.setattr(module, "RATES", (0.3, 1e6))
    monkeypatch.setattr(module, "SHARES", (0.1, 1.0))
    good, wild = (vl.NetworkConfig(2, 16, "tanh", "xavier_normal"), vl.NetworkConfig(8, 8, "linear", "gaussian", 5.0))
    trained, gone = module.measure([good, wild], tmp_path)
    assert trained.trains and not gone.trains and gone.accuracy == 0.0
    assert not gone.start.diverged.any() and gone.verdicts[0] == "exploding" and trained.verdicts == ("healthy",)
    module.report([trained, gone])
    module.train_exploding([trained, gone])
    module.report_coherence([trained, gone])
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 networks: 100.0 % right, 0.0 % false alarms" in printed and "1 networks called exploding" in printed
    assert "called good, by gradient coherence" in printed
