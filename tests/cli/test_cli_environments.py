"""The command line under odd terminals, streams and arguments: one line, the right exit code, nothing left behind."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vanishlab as vl
from vanishlab.cli import commands, console, tables
from vanishlab.training.loop import device_of

POSIX = pytest.mark.skipif(os.name != "posix", reason="shells and /dev/full are POSIX's")
TRAIN = "train --depth 1 --width 2 --steps 1 --max-examples 16 --data moons --out out"


def shell(arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    line = f"{sys.executable} -m vanishlab {arguments}"
    known = {"PYTHONPATH": str(Path(vl.__file__).parents[1]), "MPLBACKEND": "agg"}
    return subprocess.run(
        ["sh", "-c", line], cwd=cwd, env=os.environ | known | environment, capture_output=True, timeout=300
    )


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "COLUMNS": "abc"},  # others are in test_cli_fuzzed.py, within one process
        {"PYTHONIOENCODING": "ascii", "TERM": "dumb"},
    ],
)
def test_an_odd_terminal_gets_the_table(environment: dict[str, str], tmp_path: Path) -> None:
    done = shell(TRAIN, tmp_path, **environment)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert b"record" not in done.stderr and (tmp_path / "out" / "record.npz").is_file()


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_do_not_stop_the_work(streams: str, tmp_path: Path) -> None:
    done = shell(f"{TRAIN} {streams}", tmp_path)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert (tmp_path / "out" / "record.npz").is_file()


@POSIX
@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_device_is_told_in_one_line(tmp_path: Path) -> None:
    for arguments in ("predict --depth 1 --width 2 --max-examples 8 --data moons --out out", "--version", "--help"):
        done = shell(f"{arguments} >/dev/full", tmp_path)
        assert done.returncode == 2, arguments
        assert len(done.stderr.splitlines()) == 1 and b"room to be written to" in done.stderr


def test_a_full_disk_is_told_with_the_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fill() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "out/record.npz")

    monkeypatch.setattr(sys, "argv", ["vanishlab"])
    monkeypatch.setattr(console, "silence", lambda stream: None)
    with pytest.raises(SystemExit) as stop:
        console.run(fill)
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said == "vanishlab: error: out/record.npz must have room to be written to, got No space left on device\n"


def test_other_faults_of_the_system_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error", "out/record.npz")

    monkeypatch.setattr(sys, "argv", ["vanishlab"])
    with pytest.raises(OSError, match="Input/output error"):
        console.run(fail)


@POSIX
def test_an_argument_of_any_length_is_not_echoed_whole(tmp_path: Path) -> None:
    done = shell(f"train --activation {'x' * 100_000} --out out", tmp_path)
    assert done.returncode == 2 and len(done.stderr) < 3000 and len(done.stderr.splitlines()) == 1
    assert b"activation must be one of" in done.stderr and not (tmp_path / "out").exists()


@POSIX
def test_a_mistake_in_a_process_leaves_no_folder_and_no_other_line(tmp_path: Path) -> None:
    done = shell(f"{TRAIN} --batch-size 99999", tmp_path)
    assert done.returncode == 2 and done.stdout == b"" and not list(tmp_path.iterdir())
    assert len(done.stderr.splitlines()) == 1 and b"must" in done.stderr


@POSIX
@pytest.mark.parametrize("flags", ["--device meta", "--device warp", "--batch-size 99999", "--out /dev/null/x"])
def test_a_mistake_leaves_no_folder_and_no_other_line(
    flags: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["vanishlab", *f"{TRAIN} {flags}".split()])
    with pytest.raises(SystemExit) as stop:
        commands.main()
    said = capfd.readouterr()
    assert stop.value.code == 2 and not said.out and not list(tmp_path.iterdir())
    assert len(said.err.splitlines()) == 1 and "must" in said.err


def test_columns_that_are_no_number_are_not_believed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "abc")
    tables.print_table("title", ["name"], [["x" * 100]])
    assert "x" * 100 in capsys.readouterr().out


def test_a_device_without_values_is_refused() -> None:
    with pytest.raises(vl.InputError, match="^device must be one that torch can use here, got 'meta'"):
        device_of("meta")
