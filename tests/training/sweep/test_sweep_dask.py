"""Sweeps on a Dask cluster: a scheduler and two workers, processes of their own that talk over loopback."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vanishlab as vl
from vanishlab.training.sweep.running import Progress

distributed: Any = pytest.importorskip("distributed", reason="needs the extra vanishlab[dask]")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Dask's own warnings are its own affair

GRID = vl.Grid(depth=(2, 4), width=(8,), activation=("relu", "tanh"))
TRAINING = vl.TrainingConfig(learning_rates=(0.1, 0.5), seeds=(0, 1), steps=30, device="cpu")


class Cluster:
    """A scheduler and its workers, one thread each, without a nanny that would start a killed one again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        paths = (Path(vl.__file__).parent.parent, Path(__file__).parent, Path(__file__).parents[2])
        self.environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
        file = folder / "scheduler.json"
        self.start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        deadline = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.client = distributed.Client(scheduler_file=str(file), timeout=60)
        self.address: str = self.client.scheduler.address

    def start(self, module: str, *arguments: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"distributed.cli.{module}", *map(str, arguments)]
        with (self.folder / f"log-{len(self.processes)}").open("wb") as log:
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def add_workers(self, count: int) -> None:
        for _ in range(count):
            self.start("dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        self.client.wait_for_workers(count, timeout=60)

    def close(self) -> None:
        self.client.close()
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.add_workers(2)
        yield made
    finally:
        made.close()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.npz")}


def loads() -> int:
    """On a worker: how often it has loaded or been given data."""
    from vanishlab.training.sweep import worker as work

    return work._worker.times_given


@pytest.mark.parametrize("source", ["by name", "of one's own"])
def test_a_cluster_gives_the_same_bits_as_this_machine(
    source: str, cluster: Cluster, tmp_path: Path, data: vl.Dataset
) -> None:
    used = vl.load_data("moons", max_examples=40) if source == "by name" else data
    list(vl.sweep(GRID, TRAINING, used, out=tmp_path / "here", chunk_runs=1))
    executor = cluster.client.get_executor()
    before = cluster.client.run(loads)
    records = list(vl.sweep(GRID, TRAINING, used, out=tmp_path / "there", chunk_runs=1, executor=executor))
    assert sum(record.runs for record in records) == 16
    assert files(tmp_path / "there") == files(tmp_path / "here") and len(files(tmp_path / "here")) == 16
    after = cluster.client.run(loads)
    if source == "by name":  # each worker has fetched them once
        assert {after[worker] - before[worker] for worker in after} == {1}


def test_the_shell_connects_to_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    arguments = f"--depth 2 3 --width 8 --steps 3 --data moons --dask {cluster.address} --out {tmp_path / 'out'}"
    done = subprocess.run(
        [sys.executable, "-m", "vanishlab", "sweep", *arguments.split()],
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert len(vl.load_sweep(tmp_path / "out")) == 2


def test_a_worker_killed_in_the_middle_of_a_chunk_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    moons = vl.load_data("moons", max_examples=40)
    long = vl.TrainingConfig(learning_rates=(0.1, 0.5), seeds=(0, 1), steps=200, device="cpu")
    list(vl.sweep(GRID, long, moons, out=tmp_path / "here", chunk_runs=1))
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if progress.done == 2 and not killed:
            victim = cluster.processes[-1]
            # It has been handed several chunks at once, so that it is in the middle of one.
            victim.send_signal(signal.SIGKILL)
            killed.append(victim.pid)

    records = list(
        vl.sweep(
            GRID,
            long,
            moons,
            out=tmp_path / "there",
            chunk_runs=1,
            executor=cluster.client.get_executor(),
            progress=kill_one,
        )
    )
    assert killed and sum(record.runs for record in records) == 16
    assert files(tmp_path / "there") == files(tmp_path / "here")
