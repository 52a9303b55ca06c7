"""Sweeps: what is trained, that each run has the bits of `train`, and that nothing finished is done again."""

import dataclasses
import errno
import json
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison import assert_equal_records

import vanishlab as vl
from vanishlab.training.loop import Run
from vanishlab.training.sweep import memory, plan, running, worker
from vanishlab.training.sweep.chunks import Chunk
from vanishlab.training.sweep.locks import Claims
from vanishlab.training.sweep.plan import plan_sweep
from vanishlab.training.sweep.running import Progress


def training_of(**fields: Any) -> vl.TrainingConfig:
    return vl.TrainingConfig(**({"learning_rates": (0.1, 0.5), "seeds": (0, 3), "steps": 3, "device": "cpu"} | fields))


GRID = vl.Grid(depth=(2, 3), width=(6,), activation=("tanh", "selu"))


def alone(record: vl.Record, place: int, data: vl.Dataset) -> tuple[vl.Record, vl.Record]:
    """One run of a record, and the same run trained by itself."""
    assert record.network is not None and record.training is not None
    rate, seed = float(record.learning_rate[place]), int(record.seed[place])
    training = dataclasses.replace(record.training, learning_rates=(rate,), seeds=(seed,))
    own = dataclasses.replace(record.select(run=place), training=training)
    return own, vl.train(record.network, training, data)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Filled with every run that is really trained."""
    runs: list[Run] = []
    train_runs = worker.train_runs

    def noted(chunk_runs: Any, *arguments: Any, **keywords: Any) -> vl.Record:
        runs.extend(chunk_runs)
        return train_runs(chunk_runs, *arguments, **keywords)

    monkeypatch.setattr(worker, "train_runs", noted)
    return runs


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.npz")}


@pytest.mark.parametrize(
    "fields", [{}, {"batch_size": 10, "momentum": 0.5}, {"learning_rates": (0.1, 1e30), "loss": "mse"}], ids=str
)
@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_a_run_has_the_bits_that_train_gives_it_whatever_is_stacked_with_it(
    normalization: Any, fields: dict[str, Any], data: vl.Dataset, tmp_path: Path
) -> None:
    networks = vl.Grid(
        depth=2,  # pyright: ignore[reportArgumentType]
        width=(7,),
        activation=("selu",),
        initialization=("gaussian", "orthogonal", "kaiming_normal"),
        sigma_w=(1.0, 2.5),
        sigma_b=(0.0, 0.3),
        normalization=(normalization,),
    )
    assert len(networks) == 9
    records = list(vl.sweep(networks, training_of(**fields), data, out=tmp_path, chunk_runs=36))
    assert len(files(tmp_path)) == 1  # all 36 runs were one stack
    assert [record.network for record in records] == list(networks)
    for record in records:
        for place in (0, 3):
            assert_equal_records(*alone(record, place, data))


def test_every_network_is_trained_with_every_rate_and_seed_once(
    data: vl.Dataset, tmp_path: Path, trained: list[Run]
) -> None:
    training = training_of()
    records = list(vl.sweep([*GRID, *GRID], training, data, out=tmp_path, chunk_runs=3))
    expected = [Run(network, rate, seed) for network in GRID for rate, seed in training.runs]
    assert sorted(map(str, trained)) == sorted(map(str, expected))
    yielded = [
        (record.network, rate, seed)
        for record in records
        for rate, seed in zip(record.learning_rate.tolist(), record.seed.tolist(), strict=True)
    ]
    assert sorted(map(str, yielded)) == sorted(str(tuple(run)) for run in expected)
    for record in records:
        assert record.training is not None
        assert set(record.training.learning_rates) == set(record.learning_rate.tolist())
        assert set(record.training.seeds) == set(record.seed.tolist())


def test_runs_are_stacked_by_shape_and_cut_evenly(data: vl.Dataset) -> None:
    networks = [
        vl.NetworkConfig(depth=depth, initialization="gaussian", sigma_w=sigma)
        for sigma in (1.0, 2.0)
        for depth in (3, 9)
    ]
    chunks = plan_sweep(networks, training_of(seeds=(0, 1, 2)), data, chunk_runs=5).chunks
    assert [len(chunk.runs) for chunk in chunks] == [4] * 6
    assert [{run.network.depth for run in chunk.runs} for chunk in chunks] == [{9}] * 3 + [{3}] * 3  # the dearest first
    assert len({chunk.name for chunk in chunks}) == 6


def test_a_few_runs_are_shared_out_to_all_workers(data: vl.Dataset) -> None:
    chunks = plan_sweep([vl.NetworkConfig()], training_of(seeds=tuple(range(8))), data, workers=4).chunks
    assert [len(chunk.runs) for chunk in chunks] == [4] * 4
    assert plan_sweep([vl.NetworkConfig()], training_of(), data).workers == 1  # too little to start processes for
    dear = plan_sweep([vl.NetworkConfig(width=500)], training_of(steps=10_000), data)
    assert dear.workers == min(plan.cpu_cores(), 4)


def test_the_number_of_runs_in_a_chunk_follows_the_cache(data: vl.Dataset) -> None:
    digits = vl.load_data("digits")
    training = training_of(batch_size=256)
    device = plan.device_of("cpu")
    fitting = {
        width: memory.fitting_runs(vl.NetworkConfig(width=width), training, digits, device)
        for width in (8, 64, 256, 5000)
    }
    assert fitting == {8: 64, 64: 32, 256: 8, 5000: 1}


def test_two_threads_of_one_process_share_the_work(data: vl.Dataset, tmp_path: Path, trained: list[Run]) -> None:
    found: list[int] = []

    def sweep_all() -> None:
        found.append(sum(record.runs for record in vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=1)))

    threads = [threading.Thread(target=sweep_all) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [16, 16] and len(trained) == len(set(trained)) == 16


def test_a_sweep_that_was_left_alone_does_not_hold_up_another_one_of_its_thread(tmp_path: Path) -> None:
    name = "0" * 32
    with Claims(tmp_path) as left, Claims(tmp_path) as other:
        assert left.take(name)
        assert other.take(name)  # waiting would be waiting for oneself
        answers: list[bool] = []

        def ask() -> None:
            with Claims(tmp_path) as elsewhere:
                answers.append(elsewhere.take(name))

        for give_up in (left.give_up, other.give_up, None):
            thread = threading.Thread(target=ask)
            thread.start()
            thread.join(60)
            if give_up is not None:
                give_up(name)
    assert answers == [False, False, True]


def test_finished_runs_are_read_and_not_done_again(data: vl.Dataset, tmp_path: Path, trained: list[Run]) -> None:
    first = list(vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=2))
    before = files(tmp_path)
    assert len(trained) == 16
    seen: list[Progress] = []
    again = list(vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=2, progress=seen.append))
    assert len(trained) == 16 and files(tmp_path) == before
    assert seen[-1].done == seen[-1].before == seen[-1].runs == 16
    order = {str(record.network) + str(record.learning_rate): record for record in first}
    assert len(again) == len(first)
    for record in again:
        assert_equal_records(record, order[str(record.network) + str(record.learning_rate)])


def test_a_larger_sweep_in_the_same_folder_does_what_is_new(
    data: vl.Dataset, tmp_path: Path, trained: list[Run]
) -> None:
    list(vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=3))
    trained.clear()
    larger = vl.Grid(depth=(2, 3, 4), width=(6,), activation=("tanh", "selu"))
    training = training_of(learning_rates=(0.1, 0.2, 0.5), seeds=(0, 3))
    records = list(vl.sweep(larger, training, data, out=tmp_path, chunk_runs=5))
    assert sum(record.runs for record in records) == 36 and len(trained) == 20
    assert not [run for run in trained if run.network.depth < 4 and run.learning_rate != 0.2]


@pytest.mark.parametrize("change", [{"steps": 4}, {"momentum": 0.5}, {"batch_size": 10}])
def test_other_settings_are_other_runs(
    change: dict[str, Any], data: vl.Dataset, tmp_path: Path, trained: list[Run]
) -> None:
    list(vl.sweep([vl.NetworkConfig(depth=1, width=4)], training_of(), data, out=tmp_path))
    list(vl.sweep([vl.NetworkConfig(depth=1, width=4)], training_of(**change), data, out=tmp_path))
    assert len(trained) == 8


def test_other_data_are_other_runs(data: vl.Dataset, tmp_path: Path, trained: list[Run]) -> None:
    for x in (data.x, data.x + 1e-9):
        list(vl.sweep([vl.NetworkConfig(depth=1, width=4)], training_of(), vl.Dataset(x, data.y), out=tmp_path))
    assert len(trained) == 8


# Failures.


def break_depth_three(monkeypatch: pytest.MonkeyPatch) -> None:
    train_runs = worker.train_runs

    def sometimes(runs: Any, *arguments: Any, **keywords: Any) -> vl.Record:
        if runs[0].network.depth == 3:
            raise RuntimeError("out of luck\nand more")
        return train_runs(runs, *arguments, **keywords)

    monkeypatch.setattr(worker, "train_runs", sometimes)


def test_a_failing_chunk_does_not_take_the_others_down(
    data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[vl.Record] = []
    seen: list[Progress] = []
    with monkeypatch.context() as patch:
        break_depth_three(patch)
        with pytest.raises(vl.SweepFailed) as caught:
            records += vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=4, progress=seen.append)
    assert {record.network.depth for record in records if record.network} == {2}
    assert (seen[-1].done, seen[-1].failed, seen[-1].share) == (8, 8, 1.0)
    assert [failure.error for failure in caught.value.failures] == ["RuntimeError: out of luck"] * 2
    assert "8 runs failed" in str(caught.value) and "depth=3" in str(caught.value)
    notes = sorted((tmp_path / "failures").glob("*.json"))
    note = json.loads(notes[0].read_text())
    assert len(notes) == 2 and note["error"] == "RuntimeError: out of luck"
    assert [run["learning_rate"] for run in note["runs"]] == [0.1, 0.1, 0.5, 0.5] and note["runs"][0]["depth"] == 3
    assert "RuntimeError: out of luck" in "\n".join(note["traceback"])
    again = list(vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=4))
    assert sum(record.runs for record in again) == 16
    assert not list((tmp_path / "failures").glob("*.json"))


def test_a_full_disk_stops_the_sweep_and_keeps_what_was_finished(
    data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[Run]
) -> None:
    savez, written = np.savez, []

    def full(file: Any, **arrays: Any) -> None:
        savez(file, **arrays)
        written.append(file)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(
        vl.InputError, match=r"got .* \(No space left on device\); every chunk that was finished before"
    ):
        list(vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=4))
    assert len(files(tmp_path)) == 2 and not list(tmp_path.glob(".chunk*"))
    monkeypatch.setattr(np, "savez", savez)
    trained.clear()
    assert sum(record.runs for record in vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=4)) == 16
    assert len(trained) == 8


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "one bit": lambda content: content[:3000] + bytes([content[3000] ^ 1]) + content[3001:],
    "another file": lambda content: b"PK\x05\x06" + b"\0" * 18,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_set_aside_and_redone(
    damage: str, data: vl.Dataset, tmp_path: Path, trained: list[Run]
) -> None:
    list(vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=4))
    before = files(tmp_path)
    path = tmp_path / sorted(before)[1]
    path.write_bytes(DAMAGE[damage](before[path.name]))
    trained.clear()
    with pytest.warns(UserWarning, match=rf"{re.escape(repr(str(path)))}.* set aside as {path.name}\.damaged"):
        records = list(vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=4))
    assert sum(record.runs for record in records) == 16 and len(trained) == 4
    assert files(tmp_path) == before
    assert path.with_name(f"{path.name}.damaged").read_bytes() == DAMAGE[damage](before[path.name])


def test_a_record_that_is_no_chunk_is_not_taken_for_one(data: vl.Dataset, tmp_path: Path) -> None:
    network = vl.NetworkConfig(depth=1, width=4)
    vl.train(network, training_of(), data).save(tmp_path / "chunk-mine.npz")
    vl.train(network, training_of(), data).save(tmp_path / "mine.npz")
    with pytest.warns(UserWarning, match=r"must be a chunk of a sweep, got '.*chunk-mine\.npz'"):
        list(vl.sweep([network], training_of(), data, out=tmp_path))
    assert (tmp_path / "mine.npz").exists() and (tmp_path / "chunk-mine.npz.damaged").exists()


# Executors.


class Elsewhere:
    """A worker on another machine: all it gets and gives is pickled, and it starts without any data."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.worker = worker._Worker()
        self.sizes: list[int] = []
        self.monkeypatch = monkeypatch

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> "Answer":
        payload = pickle.dumps(arguments)
        self.sizes.append(len(payload))
        with self.monkeypatch.context() as patch:
            patch.setattr(worker, "_worker", self.worker)
            return Answer(pickle.dumps(function(*pickle.loads(payload))))


class Answer:
    """No future of concurrent.futures, as submitit's jobs are none: done only after a while."""

    def __init__(self, payload: bytes) -> None:
        self.payload, self.asked = payload, 0

    def done(self) -> bool:
        self.asked += 1
        return self.asked > 1

    def result(self) -> Any:
        return pickle.loads(self.payload)

    def exception(self) -> None:
        return None

    def cancel(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_PATIENCE", 0.01)


def test_a_worker_elsewhere_is_sent_the_data_once(
    data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = Elsewhere(monkeypatch)
    here = list(vl.sweep(GRID, training_of(), data, out=tmp_path / "here", chunk_runs=4))
    there = list(vl.sweep(GRID, training_of(), data, out=tmp_path / "there", chunk_runs=4, executor=executor))
    assert files(tmp_path / "here") == files(tmp_path / "there")
    assert len(there) == len(here)
    # Chunks under way at once ask for the data each; later ones find them there.
    payload = len(pickle.dumps(data))
    small = [size for size in executor.sizes if size < payload]
    assert len(small) == 4 and max(small) < 2500
    executor.sizes.clear()
    training = training_of(seeds=(7,))
    list(vl.sweep(GRID, training, data, out=tmp_path / "there", chunk_runs=4, executor=executor))
    assert executor.sizes and max(executor.sizes) < payload


def test_a_worker_elsewhere_loads_by_itself_what_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moons = vl.load_data("moons", max_examples=50)
    loads: list[Any] = []

    def noted(name: str, **keywords: Any) -> vl.Dataset:
        loads.append(name)
        return vl.load_data(name, **keywords)

    monkeypatch.setattr(worker, "load_data", noted)
    executor = Elsewhere(monkeypatch)
    list(vl.sweep(GRID, training_of(), moons, out=tmp_path, chunk_runs=4, executor=executor))
    assert loads == ["moons"] and len(executor.sizes) == 4


@pytest.mark.parametrize("there", ["gone", "different"])
def test_a_file_that_is_another_one_elsewhere_is_sent_instead(
    there: str, data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.npz"
    arrays = {"x_train": data.x, "y_train": data.y, "x_test": data.x_test, "y_test": data.y_test}
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    mine = vl.load_data(str(path))
    expected = list(vl.sweep(GRID, training_of(), mine, out=tmp_path / "here"))
    path.unlink()
    if there == "different":
        np.savez(path, **(arrays | {"x_train": data.x + 1}))  # pyright: ignore[reportArgumentType]
    executor = Elsewhere(monkeypatch)
    records = list(vl.sweep(GRID, training_of(), mine, out=tmp_path / "there", executor=executor))
    assert len(records) == len(expected)
    assert files(tmp_path / "here") == files(tmp_path / "there")


def test_an_executors_own_error_is_a_failure_of_the_chunk(data: vl.Dataset, tmp_path: Path) -> None:
    class Lost(Answer):
        def result(self) -> Any:
            raise ConnectionError("the worker is gone")

    class Losing:
        def submit(self, function: Any, /, chunk: Chunk, *arguments: Any) -> Answer:
            lost = chunk.runs[0].network.depth == 3
            return (Lost if lost else Answer)(pickle.dumps(function(chunk, *arguments)))

    with pytest.raises(vl.SweepFailed, match="ConnectionError: the worker is gone"):
        list(vl.sweep(GRID, training_of(), data, out=tmp_path, executor=Losing()))
    assert len(vl.load_sweep(tmp_path)) == 8


def test_a_sweep_that_is_left_early_keeps_what_is_finished(
    data: vl.Dataset, tmp_path: Path, trained: list[Run]
) -> None:
    records = vl.sweep(GRID, training_of(), data, out=tmp_path, chunk_runs=4)
    assert isinstance(records, Iterator)
    assert not list(tmp_path.iterdir())
    next(records)
    records.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert len(files(tmp_path)) == 1 and len(trained) == 4


# Mistakes.


@pytest.mark.parametrize(
    ("networks", "training", "options", "message"),
    [
        ([], {}, {}, "networks must name at least one network, got none"),
        (GRID, {"batch_size": 38}, {}, "batch_size must be at most the 37 training examples, got 38"),
        (GRID, {"device": "warp"}, {}, "device must be one that torch can use here, got 'warp'"),
        (GRID, {}, {"chunk_runs": 0}, "chunk_runs must be at least 1, got 0"),
        (GRID, {}, {"workers": 0}, "workers must be at least 1, got 0"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    networks: Any, training: dict[str, Any], options: dict[str, Any], message: str, data: vl.Dataset, tmp_path: Path
) -> None:
    with pytest.raises(vl.InputError, match=f"^{re.escape(message)}"):
        vl.sweep(networks, training_of(**training), data, out=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_too_little_memory_is_told_before_anything_runs(
    data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 10**6

    monkeypatch.setattr("vanishlab.training.memory.psutil.virtual_memory", lambda: Memory)
    assert [len(chunk.runs) for chunk in plan_sweep([vl.NetworkConfig()], training_of(), data).chunks] == [1] * 4
    with pytest.raises(
        vl.InputError, match=r"^memory must hold 1 chunk of about .* GB side by side, got 0\.001 GB free"
    ):
        vl.sweep([vl.NetworkConfig(width=500)], training_of(), data, out=tmp_path)
