"""Sweeps that are killed, interrupted, run twice at once, or spread over processes: real processes, real signals."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import vanishlab as vl
from vanishlab.training.sweep.locks import Claims
from vanishlab.training.sweep.running import Progress

DESPAIR = 300  # seconds; nothing here waits for a time, and a machine may be slow
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
posix = pytest.mark.skipif(os.name != "posix", reason="signals to groups of processes are POSIX's")

# What every process here sweeps: 12 runs in 6 chunks.
SWEEP = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
import vanishlab as vl
from vanishlab.training.sweep import worker

def records(out, **options):
    grid = vl.Grid(depth=(1, 2, 3), width=(5,))
    training = vl.TrainingConfig(learning_rates=(0.1, 0.2), seeds=(0, 1), steps=20, device="cpu")
    x = np.random.default_rng(0).normal(size=(30, 2))
    data = vl.Dataset(x, (x.sum(1) > 0).astype(int))
    return vl.sweep(grid, training, data, out=out, **({"chunk_runs": 2} | options))

"""


def python(program: str, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(Path(vl.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def sweep_here(out: Path, **options: Any) -> list[vl.Record]:
    names: dict[str, Any] = {}
    exec(SWEEP, names)
    return list(names["records"](out, **options))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.npz")}


def wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + DESPAIR
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


KILLED = """
kill = getattr(signal, "SIGKILL", signal.SIGTERM)
savez, train_runs, count = np.savez, worker.train_runs, [0]

def half_written(file, **arrays):
    count[0] += 1
    if count[0] == 3:
        file.write(b"half a file")
        file.flush()
        os.kill(os.getpid(), kill)
    savez(file, **arrays)

def half_trained(runs, training, data, progress):
    count[0] += 1
    def die(step):
        if count[0] == 3 and step == 10:
            os.kill(os.getpid(), kill)
        progress(step)
    return train_runs(runs, training, data, progress=die)

if sys.argv[2] == "write":
    np.savez = half_written
else:
    worker.train_runs = half_trained
list(records(Path(sys.argv[1])))
"""


def test_a_sweep_killed_at_any_moment_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    sweep_here(whole)
    for moment, finished in (("write", 2), ("train", 4)):  # one after the other, in the same folder
        process = python(SWEEP + KILLED, cut, moment)
        _, error = process.communicate(timeout=DESPAIR)
        assert process.returncode not in (0, 1), error
        assert len(files(cut)) == finished
        assert len(list(cut.glob(".chunk-*"))) == (moment == "write")
    seen: list[Progress] = []
    assert sum(record.runs for record in sweep_here(cut, progress=seen.append)) == 12
    assert seen[-1].before == 8
    assert files(cut) == files(whole) and not list(cut.glob(".chunk-*"))


SHARED = """
folder, me = Path(sys.argv[1]), sys.argv[2]
train_runs = worker.train_runs

def noted(runs, *arguments, **keywords):
    print("trained", *[f"{run.network.depth}/{run.learning_rate}/{run.seed}" for run in runs])
    meet("begun")  # neither goes on until the other has a chunk too
    return train_runs(runs, *arguments, **keywords)

def meet(where):
    (folder / f"{where}-{me}").touch()
    while len(list(folder.glob(f"{where}-*"))) < 2:
        time.sleep(0.01)

worker.train_runs = noted
meet("ready")
print("records", sum(record.runs for record in records(folder / "sweep", chunk_runs=1)))
"""


@pytest.mark.slow
def test_two_processes_that_sweep_into_one_folder_share_the_work(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    sweep_here(whole, chunk_runs=1)
    both = [python(SWEEP + SHARED, tmp_path, name) for name in "ab"]
    said = [process.communicate(timeout=DESPAIR) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    words = [output.split() for output, _ in said]
    trained = [[word for word in each if "/" in word] for each in words]
    assert len(trained[0]) > 0 and len(trained[1]) > 0
    assert len(trained[0] + trained[1]) == len({*trained[0], *trained[1]}) == 12  # none twice
    assert [each[-2:] for each in words] == [["records", "12"]] * 2  # both have seen all
    assert files(tmp_path / "sweep") == files(whole)


CLAIMING = """
import sys, time
from pathlib import Path
from vanishlab.training.sweep.locks import Claims
with Claims(Path(sys.argv[1])) as claims:
    print(claims.take("0" * 31 + "1"), flush=True)
    time.sleep(600)  # until it is killed
"""


def test_a_claim_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    other = python(CLAIMING, tmp_path)
    assert other.stdout is not None and other.stdout.readline() == "True\n"
    with Claims(tmp_path) as claims:
        assert not claims.take("0" * 31 + "1")
        assert claims.take("f" * 32) and claims.take("f" * 32)
        other.send_signal(KILL)
        other.communicate(timeout=DESPAIR)
        assert claims.take("0" * 31 + "1")
        claims.give_up("0" * 31 + "1")
        third = python(CLAIMING, tmp_path)
        assert third.stdout is not None and third.stdout.readline() == "True\n"
        assert not claims.take("0" * 31 + "1")
        third.kill()
        third.communicate(timeout=DESPAIR)


# One process per core.


def spawned() -> list[psutil.Process]:
    """The worker processes of this process."""
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_processes_make_the_same_files_as_this_one(tmp_path: Path) -> None:
    sweep_here(tmp_path / "here")
    records = sweep_here(tmp_path / "there", workers=2)
    assert sum(record.runs for record in records) == 12
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert spawned() == []


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if not killed:
            victim = spawned()[0]
            killed.append(victim.pid)
            victim.send_signal(KILL)

    sweep_here(tmp_path / "here")
    records = sweep_here(tmp_path / "there", workers=2, progress=kill_one)
    assert killed and sum(record.runs for record in records) == 12
    assert files(tmp_path / "there") == files(tmp_path / "here")


class Deadly(vl.NetworkConfig):
    """A network that takes down whichever process it is sent to."""

    def __reduce__(self) -> Any:
        return os._exit, (1,)


@pytest.mark.slow
def test_a_chunk_that_takes_its_worker_down_is_a_failure_and_the_others_are_not(tmp_path: Path) -> None:
    data = vl.Dataset([[0.0, 1.0], [1.0, 0.0]], [0, 1])  # pyright: ignore[reportArgumentType]
    networks = [vl.NetworkConfig(1, 5), Deadly(2, 5), vl.NetworkConfig(3, 5), vl.NetworkConfig(4, 5)]
    training = vl.TrainingConfig(steps=5, device="cpu")
    with pytest.raises(vl.SweepFailed, match="depth=2.*: the worker process died") as caught:
        list(vl.sweep(networks, training, data, out=tmp_path, workers=2))
    assert len(caught.value.failures) == 1
    assert sorted(network.depth for network in vl.load_sweep(tmp_path).networks) == [1, 3, 4]
    assert spawned() == []


@pytest.mark.slow
def test_without_a_guarded_main_the_sweep_goes_on_in_this_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SWEEP + "print(sum(record.runs for record in records(sys.argv[1], workers=2)))")
    environment = os.environ | {"PYTHONPATH": str(Path(vl.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, script, tmp_path / "out"], env=environment, capture_output=True, text=True, timeout=DESPAIR
    )
    assert done.stdout == "12\n"
    assert "needs the line `if __name__ == '__main__':`" in done.stderr


# The command line, but once a first chunk is finished every other one stops in the middle of its training:
# on no machine, however fast, is such a sweep over before it is interrupted. Workers run this file's top too.
HELD = """
import signal, sys, time
from pathlib import Path
from vanishlab import cli
from vanishlab.training.sweep import worker

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
train_runs, out = worker.train_runs, Path(sys.argv[-1])

def held(runs, training, data, progress):
    def wait(step):
        while step == 10 and any(out.glob("*.npz")):
            time.sleep(0.01)
        progress(step)
    return train_runs(runs, training, data, progress=wait)

worker.train_runs = held
if __name__ == "__main__":
    cli.main()
"""


def start(out: Path, *program: object) -> "subprocess.Popen[str]":
    arguments = "--depth 1 2 3 --width 5 --learning-rates 0.1 0.2 --seeds 4 --steps 400 --data moons --chunk-runs 1"
    command = [*(program or ("-m", "vanishlab")), "sweep", *arguments.split(), "--workers", "2", "--out", out]
    environment = os.environ | {"PYTHONPATH": str(Path(vl.__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start_held(out: Path) -> "subprocess.Popen[str]":
    script = out.parent / "held.py"
    script.write_text(HELD)
    return start(out, script)


def group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@posix
@pytest.mark.slow
def test_ctrl_c_stops_every_process_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    process = start_held(out)
    wait_for(lambda: files(out), "the first chunk")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all
    _, error = process.communicate(timeout=DESPAIR)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    told = re.search(r"stopped: (\d+) of 24 runs are finished .*; the same command goes on from there", error)
    assert told and int(told[1]) == len(files(out)) < 24
    wait_for(lambda: group_is_gone(process.pid), "the end of the workers")
    again = start(out)
    said, error = again.communicate(timeout=DESPAIR)
    assert again.returncode == 0, error
    assert f"24 runs, {told[1]} of them finished" in said
    assert len(vl.load_sweep(out)) == 24


@posix
@pytest.mark.slow
def test_workers_do_not_outlive_a_sweep_that_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    process = start_held(out)
    wait_for(lambda: files(out), "the first chunk")
    process.kill()
    process.communicate(timeout=DESPAIR)
    wait_for(lambda: group_is_gone(process.pid), "the end of the workers")
