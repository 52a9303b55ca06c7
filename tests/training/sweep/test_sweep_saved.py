"""A sweep's folder opened again: selected, joined, and turned into tables; and the shell's `sweep`."""

import csv
import dataclasses
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison import assert_equal_records

import vanishlab as vl
from vanishlab.cli import commands, sweeps
from vanishlab.training.sweep import worker
from vanishlab.training.sweep.saved import LABELS, table_of

GRID = vl.Grid(depth=(3, 2), width=(6,), activation=("tanh", "relu"), initialization=("gaussian",), sigma_w=(1.0, 1.5))
TRAINING = vl.TrainingConfig(learning_rates=(0.5, 0.1, 1e30), seeds=(1, 0), steps=3, loss="mse", device="cpu",
                             sharpness_every=2)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: vl.Dataset) -> Path:
    """A sweep of 48 runs, cut so that most networks lie in several files."""
    out = tmp_path_factory.mktemp("sweep")
    list(vl.sweep(GRID, TRAINING, data, out=out, chunk_runs=5))
    return out


def test_a_network_comes_back_as_the_record_that_train_makes(folder: Path, data: vl.Dataset) -> None:
    sweep = vl.load_sweep(folder)
    records = {record.network: record for record in sweep}
    assert len(sweep) == 48 and set(records) == set(GRID) == set(sweep.networks)
    in_order = dataclasses.replace(TRAINING, learning_rates=(0.1, 0.5, 1e30), seeds=(0, 1))
    for network, record in records.items():
        assert network is not None
        assert_equal_records(record, vl.train(network, in_order, data))


def test_runs_are_selected_by_any_field(folder: Path) -> None:
    sweep = vl.load_sweep(folder)
    some = sweep.select(depth=2, activation=("tanh", "relu"), sigma_w=1.5, learning_rate=(0.1, 0.1 + 0.4))
    assert len(some) == 8 and some.values("learning_rate") == [0.1, 0.5] and some.values("seed") == [0, 1]
    assert {(network.depth, network.sigma_w) for network in some.networks} == {(2, 1.5)}
    for record in some:
        assert record.runs == 4 and record.training is not None and record.training.learning_rates == (0.1, 0.5)
    assert len(sweep.select(loss="mse", steps=3, dtype="float32")) == 48
    assert sweep.values("depth") == [2, 3] and sweep.values("batch_size") == [None]
    assert set(LABELS) >= {"depth", "residual", "learning_rate", "seed", "momentum"}
    with pytest.raises(vl.InputError, match=r"^label must be one of .*, got 'dpeth' \(did you mean 'depth'\?\)"):
        sweep.select(dpeth=2)
    with pytest.raises(vl.InputError, match=r"^no run has all of {'depth': 9}; there are depth in 2, 3$"):
        sweep.select(depth=9)


def test_a_runs_row_has_its_last_test_accuracy(folder: Path) -> None:
    record = next(iter(vl.load_sweep(folder)))
    places = np.arange(record.test_accuracy.size, dtype=float).reshape(record.test_accuracy.shape)
    assert len(record.test_step) > 1
    table = table_of(dataclasses.replace(record, test_accuracy=places), "run")
    np.testing.assert_array_equal(table["test_accuracy"], places[:, -1])


@pytest.mark.parametrize("per", ["run", "step", "layer"])
def test_a_data_frame_has_a_row_for_each_run_step_or_layer(per: Any, folder: Path) -> None:
    sweep = vl.load_sweep(folder).select(learning_rate=(0.1, 1e30))
    frame = sweep.to_dataframe(per)
    assert len(frame) == {"run": 32, "step": 32 * 4, "layer": 16 * 4 * (3 + 4)}[per]
    row = frame.iloc[-1]
    network = {name: row[name] for name in ("depth", "activation", "sigma_w")}
    (record,) = sweep.select(**network, seed=int(row["seed"]), learning_rate=float(row["learning_rate"]))
    assert row["diverged_step"] == record.diverged_step[0]
    if per == "run":
        tested = frame[frame.learning_rate == 0.1].iloc[0]
        (calm,) = sweep.select(**{name: tested[name] for name in network}, seed=int(tested["seed"]), learning_rate=0.1)
        assert tested["loss"] == calm.loss[0, -1] and tested["test_accuracy"] == calm.test_accuracy[0, -1]
        assert tested["delta_ratio_at_start"] == calm.first_last_ratio()[0, 0]
        assert tested["delta_ratio"] == calm.first_last_ratio()[0, -1]
        wild = frame[frame.learning_rate == 1e30]
        assert (wild.diverged_step >= 0).all() and np.isfinite(wild.loss).all()  # where it was last finite
    else:
        assert row["step"] == 3
        np.testing.assert_equal(row["loss"], record.loss[0, -1])
    if per == "layer":
        assert row["layer"] == record.layer[-1]
        np.testing.assert_equal(row["gradient_norm"], record.gradient_norm[0, -1, -1])


@pytest.mark.parametrize("per", ["run", "layer"])
def test_csv_and_parquet_hold_the_rows_of_the_data_frame(per: Any, folder: Path, tmp_path: Path) -> None:
    import pandas

    sweep = vl.load_sweep(folder)
    frame = sweep.to_dataframe(per)
    path = sweep.to_csv(tmp_path / "rows.csv", per)
    # float() by ourselves: the reader of old pandas loses the last digit, and new pandas warns of its option.
    exact = {name: lambda text: float(text or "nan") for name in frame.select_dtypes("float").columns}
    read = pandas.read_csv(path, keep_default_na=False, na_values=[""], dtype={"width": str}, converters=exact)
    pandas.testing.assert_frame_equal(read, frame, check_dtype=False, check_exact=True)
    with path.open(newline="") as file:
        assert len(list(csv.reader(file))) == len(frame) + 1
    pytest.importorskip("pyarrow", reason="needs the extra vanishlab[parquet]")
    read = pandas.read_parquet(sweep.to_parquet(tmp_path / "rows.parquet", per))
    pandas.testing.assert_frame_equal(read, frame, check_dtype=False, check_exact=True)


def test_what_is_not_installed_is_told_with_its_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "pyarrow", "distributed"):
        monkeypatch.setitem(sys.modules, name, None)
    sweep = vl.load_sweep(folder)
    with pytest.raises(vl.InputError, match=re.escape("pip install 'vanishlab[dataframe]'")):
        sweep.to_dataframe()
    with pytest.raises(vl.InputError, match=re.escape("pip install 'vanishlab[parquet]'")):
        sweep.to_parquet(folder / "rows.parquet")
    with (
        pytest.raises(vl.InputError, match=re.escape("pip install 'vanishlab[dask]'")),
        sweeps.dask_executor("tcp://127.0.0.1:1"),
    ):
        pass


def test_records_of_other_steps_stay_apart(data: vl.Dataset, tmp_path: Path) -> None:
    network = vl.NetworkConfig(depth=1, width=4)
    for steps in (2, 3):
        list(vl.sweep([network], dataclasses.replace(TRAINING, steps=steps), data, out=tmp_path))
    assert sorted(len(record.step) for record in vl.load_sweep(tmp_path)) == [3, 4]
    assert len(vl.load_sweep(tmp_path).select(steps=2)) == 6


def test_a_damaged_file_is_left_out_and_named(data: vl.Dataset, tmp_path: Path) -> None:
    list(vl.sweep(GRID, TRAINING, data, out=tmp_path, chunk_runs=6))
    path = sorted(tmp_path.glob("*.npz"))[2]
    path.write_bytes(path.read_bytes()[:999])
    with pytest.warns(UserWarning, match=rf"got {re.escape(repr(str(path)))}.*; it is left out"):
        assert len(vl.load_sweep(tmp_path)) == 42
    assert path.exists()  # looking changes nothing
    with pytest.raises(vl.InputError, match="^folder of a sweep must hold finished chunks, got "):
        vl.load_sweep(tmp_path / "nowhere")


# From the shell.

SMALL = ("--depth", "2", "3", "--width", "4", "--activation", "relu", "tanh", "--steps", "3", "--data", "moons",
         "--max-examples", "16", "--learning-rates", "0.1", "1.0", "--seeds", "3")  # fmt: skip


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["vanishlab", "sweep", *map(str, arguments)])
    code = 0
    try:
        commands.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_shell_sweeps_and_says_how_much_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, _ = call(monkeypatch, capsys, *SMALL, "--out", tmp_path)
    assert code == 0
    lines = said.splitlines()
    assert lines[0] == "24 runs, 0 of them finished; 24 runs in 4 chunks to do"
    assert re.fullmatch(r"about .* on 1 process", lines[1])
    assert "best learning rate" in said and said.count("0 of 6") == 4 and "sigma_w" not in said
    sweep = vl.load_sweep(tmp_path)
    assert len(sweep) == 24 and sweep.values("seed") == [0, 1, 2]
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 24
    code, said, _ = call(monkeypatch, capsys, *SMALL, "--out", tmp_path)
    assert code == 0 and said.startswith("24 runs, 24 of them finished; 0 runs in 0 chunks to do")


def test_the_shell_reports_what_failed_and_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train_runs = worker.train_runs

    def sometimes(runs: Any, *arguments: Any, **keywords: Any) -> vl.Record:
        if runs[0].network == vl.NetworkConfig(depth=3, width=4, activation="relu"):
            raise MemoryError("no room")
        return train_runs(runs, *arguments, **keywords)

    monkeypatch.setattr(worker, "train_runs", sometimes)
    code, said, error = call(monkeypatch, capsys, *SMALL, "--out", tmp_path)
    assert code == 1
    assert re.search(r"failed: NetworkConfig\(depth=3.* and 5 more runs: MemoryError: no room", error)
    assert str(tmp_path / "failures") in error and "Traceback" not in error
    assert said.count("0 of 6") == 3 and len(vl.load_sweep(tmp_path)) == 18


def test_ctrl_c_in_the_shell_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train_runs = worker.train_runs

    def interrupted(runs: Any, *arguments: Any, **keywords: Any) -> vl.Record:
        if list(tmp_path.glob("chunk-*.npz")):
            raise KeyboardInterrupt
        return train_runs(runs, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "train_runs", interrupted)
        code, _, error = call(monkeypatch, capsys, *SMALL, "--out", tmp_path)
    assert code == 130
    assert f"stopped: 6 of 24 runs are finished and kept in {tmp_path}; the same command goes on from there" in error
    code, said, _ = call(monkeypatch, capsys, *SMALL, "--out", tmp_path)
    assert code == 0 and said.startswith("24 runs, 6 of them finished; 18 runs in 3 chunks to do")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "0"), "seeds must be at least 1, got 0"),
        (("--depth", "3", "0"), "depth must be at least 1, got 0"),
        (("--depth", "3", "3"), "depth must not repeat a value, got 3 twice"),
        (("--activation", "relu", "rleu"), "(did you mean 'relu'?)"),
        (("--workers", "0"), "workers must be at least 1, got 0"),
        (("--sigma-w", "1", "2"), "sigma_w and sigma_b apply to initialization"),
        (("--dask", "nonsense"), "dask must be the address of a scheduler, got 'nonsense'"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "--dask" in arguments:
        pytest.importorskip("distributed", reason="needs the extra vanishlab[dask]")
    monkeypatch.chdir(tmp_path)
    code, _, error = call(monkeypatch, capsys, *SMALL, *arguments)
    assert code == 2 and "Traceback" not in error
    last = error.strip().splitlines()[-1]
    assert last.startswith("vanishlab: error: ") and said in last
    assert not list(tmp_path.rglob("*.npz"))


def test_the_estimate_grows_with_what_there_is_to_do(data: vl.Dataset) -> None:
    # No time is asserted: only that ten times the steps are ten times the seconds, for the same two measured steps.
    from vanishlab.training.sweep import plan

    grid = dataclasses.replace(GRID, depth=(2, 9))

    def seconds(steps: int) -> float:
        planned = plan.plan_sweep(grid, dataclasses.replace(TRAINING, steps=steps, evaluate_every=1), data)
        return plan.estimate_seconds(planned, planned.chunks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_step_seconds", lambda plan, chunk: 0.01 * chunk.runs[0].network.depth)
        assert math.isclose(seconds(99), 10 * seconds(9))
        # A chunk for each of two depths and two activations; an evaluation is forward only and on 11 of 37 examples.
        assert math.isclose(seconds(9), 2 * (0.02 + 0.09) * 10 * (1 + 11 / (3 * 37)))
        assert plan.estimate_seconds(plan.plan_sweep(GRID, TRAINING, data), []) == 0.0
        planned = plan.plan_sweep(grid, dataclasses.replace(TRAINING, steps=9, evaluate_every=1), data)
        assert planned.chunks[0].runs[0].network.depth == 9  # the dearest first
        assert math.isclose(plan.estimate_seconds(planned, planned.chunks[:1]), 0.09 * 10 * (1 + 11 / (3 * 37)))
