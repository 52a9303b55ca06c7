"""Bars where somebody watches: on a terminal, in a notebook, nowhere else."""

import contextlib
import inspect
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import vanishlab as vl
from vanishlab import progress
from vanishlab.language import speaking


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_QUIET", -1.0)
    monkeypatch.setattr(progress, "_OFTEN", -1.0)


def train(wanted: Any) -> vl.Record:
    training = vl.TrainingConfig(steps=2, device="cpu")
    return vl.train(vl.NetworkConfig(1, 2), training, vl.load_data("moons", max_examples=8), progress=wanted)


def test_nothing_is_shown_where_nobody_watches_unless_it_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(None)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    train(False)
    assert terminal.getvalue() == ""
    train(None)
    assert "training" in terminal.getvalue() and "100 %" in terminal.getvalue()


@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_predict_examine_and_remedies_have_one(normalization: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    vl.predict(vl.NetworkConfig(2, 8, normalization=normalization), vl.load_data("moons", max_examples=8))
    batch = torch.ones(4, 2), torch.ones(4, 1)
    vl.examine(nn.Linear(2, 1), nn.functional.mse_loss, batch)
    for words in ("predicting", "examining"):
        assert words in terminal.getvalue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seeds that are alike
        vl.try_remedies(lambda: nn.Linear(2, 1), nn.functional.mse_loss, [batch], steps=1, seeds=(0,))
    assert "trying remedies" in terminal.getvalue()


def test_a_callable_is_called_as_ever() -> None:
    seen: list[int] = []
    train(seen.append)
    assert seen == [0, 1, 2]


def test_what_is_quick_stays_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_QUIET", 1000.0)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    train(True)
    assert terminal.getvalue() == ""


def test_a_notebook_has_a_bar_below_the_cell_that_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    handle = SimpleNamespace(update=shown.append)

    def display(page: str, display_id: bool) -> Any:
        shown.append(page)
        return handle

    module = SimpleNamespace(display=display, HTML=str)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", module)  # type: ignore[arg-type]
    train(None)
    assert shown[0].startswith("<label>training <progress") and "100 %" in shown[-2] and shown[-1] == ""


def test_a_sweep_has_one_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    data = vl.load_data("moons", max_examples=8)
    training = vl.TrainingConfig(steps=1, seeds=(0, 1), device="cpu")
    assert len(list(vl.sweep([vl.NetworkConfig(1, 2)], training, data, out=tmp_path, workers=1, progress=True))) == 1
    assert "sweeping 2 runs" in terminal.getvalue()


def test_bars_of_training_speak_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    data = vl.load_data("moons", max_examples=8)
    training = vl.TrainingConfig(steps=1, device="cpu")
    with speaking("zh"):
        train(None)
        list(vl.sweep([vl.NetworkConfig(1, 2)], training, data, out=tmp_path, workers=1, progress=True))
    assert "训练" in terminal.getvalue() and "扫描 1 次训练" in terminal.getvalue()
    assert "training" not in terminal.getvalue() and "sweeping" not in terminal.getvalue()


class Marimo:
    """What is asked of marimo, and what it is told."""

    def __init__(self, runs: bool) -> None:
        self.runs, self.told = runs, []
        self.status = SimpleNamespace(progress_bar=self.progress_bar)

    def running_in_notebook(self) -> bool:
        return self.runs

    @contextlib.contextmanager
    def progress_bar(self, *, total: int, title: str, remove_on_exit: bool) -> Iterator[Any]:
        assert remove_on_exit
        self.told += [title, total]
        yield SimpleNamespace(update=lambda increment: self.told.append(increment))


def test_a_marimo_notebook_has_its_own_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    for runs in (True, False):
        monkeypatch.setitem(sys.modules, "marimo", marimo := Marimo(runs))
        train(None)
        title, total, *steps = marimo.told or ["", 0]
        assert (title, total, sum(steps)) == (("training", 100, 100) if runs else ("", 0, 0))


def test_marimo_has_the_bar_that_it_is_asked_for() -> None:
    marimo = pytest.importorskip("marimo", reason="the extra vanishlab[playground] is not installed")
    assert not marimo.running_in_notebook()
    assert {"total", "title", "remove_on_exit"} <= set(inspect.signature(marimo.status.progress_bar).parameters)
