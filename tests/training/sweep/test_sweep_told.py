"""What a sweep tells on its way: the logger of every chunk, a bar where one is wanted."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from test_sweep import GRID, break_depth_three, training_of

import vanishlab as vl


def test_the_logger_is_told_of_every_chunk_and_failure(
    data: vl.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_depth_three(monkeypatch)
    with caplog.at_level(logging.INFO, "vanishlab"), pytest.raises(vl.SweepFailed):
        list(vl.sweep(GRID, training_of(), data, out=tmp_path, workers=1))
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == f"sweep into {tmp_path}: 16 runs, 0 of them finished; 4 chunks to do"
    assert lines[-1] == f"sweep into {tmp_path}: ended with 8 of 16 runs finished"
    assert sum(": 4 runs trained, 0 diverged" in line for line in lines) == 2
    failed = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(failed) == 2 and all("failed: " in record.getMessage() for record in failed)
    assert all("out of luck" in record.getMessage() and record.name == "vanishlab" for record in failed)


def test_nobody_who_has_not_asked_is_told_anything() -> None:
    code = "import logging, vanishlab.training.sweep.running; logging.getLogger('vanishlab').warning('a chunk failed')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == done.stderr == ""


def test_a_wrong_folder_is_told_at_once_with_a_bar_too(data: vl.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(vl.InputError, match="^out must be a folder"):
        vl.sweep(GRID, training_of(), data, out=tmp_path / "file", progress=True)
