"""Processes that help this one to train and to draw: the same bytes, the same words, and nobody left behind."""

import functools
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import vanishlab as vl
from vanishlab import plots
from vanishlab.cli import helpers as helping
from vanishlab.cli.helpers import Helpers, helper_to_draw, helpers_for
from vanishlab.cli.pictures import draw_report
from vanishlab.cli.running import save_all, train_all
from vanishlab.language.sentences import speaking
from vanishlab.report import gathered

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "learning_rates.py"
TRAINING = vl.TrainingConfig(learning_rates=(0.1, 1.0), seeds=(0, 1), steps=4, device="cpu")
VARIANTS = {f"d{depth}": (vl.NetworkConfig(depth, 5), TRAINING) for depth in (1, 2, 3, 4)}


def own_pid(name: str) -> int:
    return os.getpid()


def start(helpers: Helpers) -> int:
    """Wait until a helper is there, and return its process."""
    return helpers.share({"here": (os.getpid, ()), "there": (os.getpid, ())}, own_pid)["there"]


def bytes_of(folder: Path, ending: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(f"*{ending}")}


@pytest.mark.slow
def test_helpers_and_this_process_share_training_and_drawing_and_change_no_byte(
    data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    records = train_all(VARIANTS, data, alone)
    table = capsys.readouterr().out
    trained_here: list[int] = []
    train = vl.train

    def noted(network: vl.NetworkConfig, *arguments: Any, **options: Any) -> vl.Record:
        trained_here.append(network.depth)
        time.sleep(0.3)
        return train(network, *arguments, **options)

    monkeypatch.setattr("vanishlab.training.loop.train", noted)
    with Helpers(1, len(VARIANTS)) as helpers:
        assert start(helpers) != os.getpid()
        shared = train_all(VARIANTS, data, together, helpers)
        assert capsys.readouterr().out == table and list(shared) == list(records)
        assert 4 in trained_here and 0 < len(trained_here) < 4
        assert list(helpers.counters) == [5, 5, 5, 5]
        assert bytes_of(together, ".npz") == bytes_of(alone, ".npz") and len(bytes_of(alone, ".npz")) == 4
        for folder, hands in ((alone, None), (together, helpers)):
            with speaking("zh"):
                save_all(
                    {folder / name: functools.partial(plots.three_curves, records[name]) for name in records}, hands
                )
    assert bytes_of(together, "g") == bytes_of(alone, "g") and len(bytes_of(alone, "g")) == 8
    lines = capsys.readouterr().out.split()
    assert [Path(line).name for line in lines[8:]] == [Path(line).name for line in lines[:8]]


@pytest.mark.slow
def test_what_a_helper_that_dies_was_at_is_done_here() -> None:
    with Helpers(1) as helpers:
        assert start(helpers) != os.getpid()
        tasks = {name: (os._exit, (1,)) for name in "abc"}
        assert helpers.share(tasks, str.upper) == {"a": "A", "b": "B", "c": "C"}
        assert helpers.share(tasks, str.lower) == {"a": "a", "b": "b", "c": "c"}  # nobody is left to help


@pytest.mark.slow
def test_a_mistake_that_a_helper_meets_is_told_as_its_own(
    data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vanishlab.training.loop.check_training", lambda *_: None)  # here: it would be told before
    wrong = vl.TrainingConfig(steps=1, batch_size=99, device="cpu")
    variants = {"right": (vl.NetworkConfig(9, 5), TRAINING), "wrong": (vl.NetworkConfig(1, 5), wrong)}
    with (
        pytest.raises(vl.InputError, match="batch_size must be at most the 37 training examples, got 99"),
        Helpers(1, 2) as helpers,
    ):
        train_all(variants, data, tmp_path, helpers)
    assert vl.Record.load(tmp_path / "right.npz").runs == 4


@pytest.mark.slow
def test_a_report_of_several_networks_is_the_same_with_a_helper(
    data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vl_convert", reason="the extra vanishlab[report] is not installed")
    record = vl.train(vl.NetworkConfig(2, 4), TRAINING, data)
    folder = tmp_path / "records"
    folder.mkdir()
    for place in range(4):
        record.save(folder / f"{place}.npz")
    pages: list[str] = []
    with speaking("zh"):
        for cores in (2, 1):
            monkeypatch.setattr(helping, "cpu_cores", lambda cores=cores: cores)
            draw_report([folder], tmp_path / "report.html")
            pages.append((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert pages[0] == pages[1]


@pytest.mark.parametrize(("records", "cores", "count"), [(3, 2, 0), (4, 2, 1), (8, 2, 1), (9, 2, 0), (4, 1, 0)])
def test_a_helper_draws_chapters_where_there_are_enough(
    records: int, cores: int, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    for place in range(records):
        (folder / f"{place}.npz").touch()
    monkeypatch.setattr(helping, "cpu_cores", lambda: cores)
    for paths in ([folder], sorted(folder.iterdir())):
        helper = helper_to_draw(paths)
        assert (helper.count if isinstance(helper, Helpers) else 0) == count


def test_what_has_a_chapter_is_what_a_helper_is_started_for() -> None:
    assert helping.CHAPTERS[-1] == gathered.CLOSE


@pytest.mark.slow
def test_helpers_that_are_not_needed_after_all_are_not_waited_for() -> None:
    children: list[psutil.Process] = []
    with pytest.raises(vl.InputError, match="mine"), Helpers(1):
        children += [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
        raise vl.InputError("mine")
    assert len(children) == 1 and not children[0].is_running()


def test_help_is_for_work_that_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    long = vl.TrainingConfig(steps=10**5)
    deep, wide = vl.NetworkConfig(20, 64), vl.NetworkConfig(10, 64)

    def count(cores: int = 8, /, **variants: Any) -> int:
        monkeypatch.setattr(helping, "cpu_cores", lambda: cores)
        helpers = helpers_for(variants, 500)
        return helpers.count if isinstance(helpers, Helpers) else 0

    assert count(a=(deep, long), b=(wide, long)) == 1  # as many processes as leave none idle for long
    assert count(**{str(place): (deep, long) for place in range(20)}) == 7
    assert count(1, a=(deep, long), b=(wide, long)) == 0
    assert count(a=(deep, long)) == 0
    assert count(a=(deep, TRAINING), b=(wide, TRAINING)) == 0
    assert count(a=(deep, vl.TrainingConfig(steps=10**5, device="cuda")), b=(wide, long)) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals to groups of processes are POSIX's")
@pytest.mark.slow
def test_ctrl_c_keeps_what_every_process_was_at(tmp_path: Path) -> None:
    flags = "--depths 9 10 --width 64 --steps 3000 --max-examples 100 --seeds 0 --learning-rates 0.1 --out"
    process = subprocess.Popen(
        [sys.executable, "-c", CTRL_C, str(EXPERIMENT), *flags.split(), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130, error
    assert "Traceback" not in error and error.rstrip().endswith("learning_rates.py: interrupted")
    assert error.count("recorded steps to") == 2
    parts = [vl.Record.load(path) for path in tmp_path.glob("*.npz")]
    assert len(parts) == 2 and all(0 < len(part.step) < 3001 for part in parts)
    assert not list(tmp_path.glob(".*"))
    deadline = time.monotonic() + 60
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)


# Runs the experiment with one helper, and presses Ctrl-C, for the whole group, once both are at work.
CTRL_C = """
import os, runpy, signal, sys, threading, time
from vanishlab.cli import helpers

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
helpers.cpu_cores = lambda: 2
started = []
init = helpers.Helpers.__init__

def noted(self, *arguments):
    init(self, *arguments)
    started.append(self)

def press():
    while not started or sum(count > 5 for count in started[0].counters) < 2:
        time.sleep(0.02)
    os.killpg(0, signal.SIGINT)

helpers.Helpers.__init__ = noted
if __name__ == "__main__":
    threading.Thread(target=press, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
