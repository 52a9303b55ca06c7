"""`vanishlab examine` on factories that go wrong: one line on what they gave, and their own errors as they are."""

import re
import sys
from pathlib import Path

import pytest

from vanishlab.cli import commands

HEAD = """
import os
import sys

import torch
from torch import nn

model, loss, batch = nn.Linear(3, 2), nn.functional.cross_entropy, (torch.zeros(4, 3), torch.zeros(4).long())


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        if x.shape[1] == 5:
            raise ValueError("five is not my number")
        return self.linear(x)


class InPlace(Own):
    def forward(self, x):
        hidden = self.linear(x).exp()
        return hidden.mul_(2) + hidden


def make():
"""
WANTED = "faulty:make must return (model, loss_fn, batch)"
PARTS = "model an nn.Module, loss_fn a function, batch tensors"
TAKEN = "faulty:make must give a batch that the model and cross_entropy take, got"
TOLD = {
    "raise SystemExit(0)": f"{WANTED}, got SystemExit(0)",
    "sys.exit('bye')": f"{WANTED}, got SystemExit('bye')",
    "return None": f"{WANTED}, got None",
    "return model": f"{WANTED}, got Linear",
    "return model, loss": f"{WANTED}, got (Linear, function)",
    "return loss, model, batch": f"{WANTED}, {PARTS}, got (function, Linear, (Tensor (4, 3), Tensor (4,)))",
    "return model, None, batch": f"{WANTED}, {PARTS}, got (Linear, None, (Tensor (4, 3), Tensor (4,)))",
    "return model, loss, None": f"{WANTED}, {PARTS}, got (Linear, function, None)",
    "return model, loss, (torch.zeros(4, 7), batch[1])": f"{TAKEN} (Tensor (4, 7), Tensor (4,)) "
    "(RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x7 and 3x2))",
    "return Own(), loss, (torch.zeros(4, 7), batch[1])": f"{TAKEN} (Tensor (4, 7), Tensor (4,)) "
    "(RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x7 and 3x2), at faulty.py:19)",
    "return model, loss, (batch[0], torch.zeros(9).long())": f"{TAKEN} (Tensor (4, 3), Tensor (9,))",
    "return model, nn.MSELoss(), (batch[0], None)": f"{TAKEN} (Tensor (4, 3), None)".replace(
        "cross_entropy", "MSELoss"
    ),
    "return model, loss, ()": f"{TAKEN} ()",
    "return model, loss, {'x': batch[0]}": f"{TAKEN} {{'x': Tensor (4, 3)}}",
    "return model, lambda z, y: z, batch": "loss_fn must return one number as a tensor, got shape (4, 2)",
}
OWN = {
    "raise ValueError('mine')": "mine",
    "return 1 / 0": "division by zero",
    "return Own(), loss, (torch.zeros(4, 5), batch[1])": "five is not my number",
    "return model, lambda z, y: z.nothing, batch": "has no attribute 'nothing'",
    "return InPlace(), loss, batch": "has been modified by an inplace operation",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "faulty", raising=False)
    monkeypatch.setattr("vanishlab.plots.save_both", lambda figure, path: (path, path))
    return tmp_path


def examine(monkeypatch: pytest.MonkeyPatch, body: str, *flags: str, name: str = "faulty:make") -> int:
    Path("faulty.py").write_text(f"{HEAD}    {body}\n")
    monkeypatch.setattr(sys, "argv", ["vanishlab", "examine", name, "--out", "seen", *flags])
    try:
        commands.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize("body", TOLD)
def test_what_was_given_and_what_was_expected_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    assert examine(monkeypatch, body) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"vanishlab: error: {TOLD[body]}"), said
    assert not (folder / "seen/record.npz").exists()


@pytest.mark.parametrize("body", OWN)
def test_the_users_own_error_keeps_its_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    with pytest.raises(Exception, match=re.escape(OWN[body])) as error:
        examine(monkeypatch, body)
    assert type(error.value).__name__ != "InputError"


@pytest.mark.parametrize("name", [".faulty:make", "faulty.:make", "a..b:make", ":make", "faulty:", "a/b:make", "..:x"])
def test_a_name_that_is_none_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert examine(monkeypatch, "return model, loss, batch", name=name) == 2
    said = capsys.readouterr().err
    assert said == f"vanishlab: error: factory must be of the form PACKAGE.MODULE:FACTORY, got {name!r}\n"


def test_a_module_that_exits_while_it_is_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examine(monkeypatch, "pass\nsys.exit(0)") == 2
    assert capsys.readouterr().err == "vanishlab: error: faulty must be imported without an exit, got SystemExit(0)\n"


def test_a_factory_that_goes_elsewhere_leaves_the_results_where_they_were_wanted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir()
    assert examine(monkeypatch, "os.chdir('sub'); return model, loss, batch", "--remedies", "--steps", "1") == 0
    assert (folder / "seen/record.npz").is_file() and Path.cwd() == folder and not [*(folder / "sub").iterdir()]


def test_the_seeds_of_remedies_are_other_models_and_one_that_seeds_itself_is_warned_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = "model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)); return model, loss, batch"
    for body, warned in ((new, False), (f"torch.manual_seed(1); {new}", True)):
        monkeypatch.delitem(sys.modules, "faulty", raising=False)
        assert examine(monkeypatch, body, "--remedies", "--steps", "1") == 0
        printed = capsys.readouterr()
        (row,) = [line for line in printed.out.splitlines() if "none (as it is)" in line]
        low, high = re.findall(r"\(([\d.]+) to ([\d.]+)\)", row)[0]
        assert (low == high) is warned and ("warning: build_model must draw other" in printed.out) is warned
        assert printed.err == ""
