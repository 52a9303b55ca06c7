"""`vanishlab examine`: it runs the user's factory, says so, prints the verdict and leaves record and picture."""

import sys
from pathlib import Path

import numpy as np
import pytest

from vanishlab import Record
from vanishlab.cli import commands

FACTORY = """
import torch
from torch import nn

def make():
    layers = [part for _ in range(8) for part in (nn.Linear(6, 6), nn.Sigmoid())]
    batch = torch.randn(9, 6), torch.arange(9) % 2
    return nn.Sequential(*layers, nn.Linear(6, 2)), nn.functional.cross_entropy, batch

def make_two():
    return make()[:2]

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a_users_module.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "a_users_module", raising=False)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["vanishlab", "examine", *arguments])
    try:
        commands.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_verdict_is_printed_and_the_picture_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "a_users_module:make", "--out", "seen", "--remedies", "--steps", "2") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("importing and running a_users_module:make")
    assert "vanishing" in printed and "none (as it is)" in printed
    assert (folder / "seen/three_curves.png").read_bytes().startswith(b"\x89PNG")
    assert Record.load(folder / "seen/record.npz").delta_rms.shape == (1, 1, 9)


def test_a_batch_may_come_from_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(folder / "batch.npz", x=np.random.default_rng(0).normal(size=(4, 6)), y=np.arange(4) % 2)
    assert call(monkeypatch, "a_users_module:make_two", "--batch", "batch.npz", "--out", "seen") == 0
    assert next(iter(Record.load(folder / "seen/record.npz").facts.values())).examples == 4
    assert "vanishing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a_users_module",), "factory must be of the form PACKAGE.MODULE:FACTORY, got 'a_users_module'"),
        (("no_such_module:make",), "factory must name a module that can be imported, got 'no_such_module'"),
        (("a_users_module:number",), "factory must be a function of a_users_module, got 'number'"),
        (
            ("a_users_module:make_two",),
            "a_users_module:make_two must return (model, loss_fn, batch), got (Sequential, function)",
        ),
        (("a_users_module:make", "--batch", "none.npz"), "batch must be an .npz file that exists, got 'none.npz'"),
        (("a_users_module:make", "--batch", "a_users_module.py"), "batch must hold arrays x and y, got"),
    ],
)
def test_mistakes_are_told_in_one_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert call(monkeypatch, *arguments) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
