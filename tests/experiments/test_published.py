"""The published results, in their quick versions, and the runner that makes one table of them."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from vanishlab import MLP, NetworkConfig

FOLDER = Path(__file__).parents[2] / "experiments" / "published"
sys.path.insert(0, str(FOLDER))  # where Python puts a script's own folder

import run_all  # noqa: E402
from claims import Claim, NotMeasuredError, around  # noqa: E402

pytestmark = pytest.mark.usefixtures("coarse_pictures")
# Whose quick version takes some seconds of CPU.
SLOW = ("cohen_2021", "saxe_2014", "schoenholz_2017", "thousand_tanh_layers", "klambauer_2017", "he_2015")


def claim(measured: float, note: str = "") -> Claim:
    return Claim("ratio | of norms", "1/2", 0.5, measured, around(0.5, share=0.02), "±2 %", note)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in run_all.SCRIPTS]
)
def test_a_quick_version_holds_and_draws_its_picture(name: str, tmp_path: Path) -> None:
    script = run_all.load(name)
    try:
        claims = script.measure(True, tmp_path)
    except NotMeasuredError as reason:
        pytest.skip(str(reason))
    assert claims and script.SOURCE
    assert [each for each in claims if not each.holds] == []
    assert (tmp_path / f"{name}.png").stat().st_size > 0
    assert (tmp_path / f"{name}.svg").stat().st_size > 0


def test_nielsen_s_gradients_by_hand_are_those_of_autograd() -> None:
    # His accuracies take minutes, so that no quick version runs these lines.
    script = run_all.load("nielsen_accuracy")
    config = NetworkConfig(3, 6, "sigmoid", "gaussian", sigma_b=1.0, dtype="float64")
    model = MLP(config, 5, 4, seeds=(0, 1))
    draw = torch.Generator().manual_seed(0)
    x, y = torch.rand(7, 5, generator=draw).double(), torch.eye(4).double()[[0, 1, 2, 3, 0, 1, 2]]
    logits = model(x)
    cost = functional.binary_cross_entropy_with_logits(logits, y.expand_as(logits), reduction="none").sum(2).mean(1)
    cost.sum().backward()
    layers = [(layer.weight.detach(), layer.bias.detach()) for layer in model.linear_layers]
    for layer, (weight, bias) in zip(model.linear_layers, script.gradients(layers, x, y), strict=True):
        torch.testing.assert_close(weight, layer.weight.grad, rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(bias, layer.bias.grad, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("measured", "holds"), [(0.5, True), (0.49, True), (0.51, True), (0.489, False), (0.511, False), (math.nan, False)]
)
def test_a_claim_holds_inside_its_range(measured: float, holds: bool) -> None:
    assert claim(measured).holds is holds


def test_the_runner_writes_the_table_and_replaces_the_one_in_a_file(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table -->\nold\n<!-- end of table -->\nafter\n", encoding="utf-8")
    run_all.main(quick=True, only=("sigmoid_slope",), out=tmp_path, write=readme)
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "[Hochreiter 1991" in table and "| yes |" in table and "NO" not in table
    assert readme.read_text(encoding="utf-8") == f"before\n<!-- table -->\n{table}<!-- end of table -->\nafter\n"


def test_a_row_that_does_not_hold_ends_the_runner_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Script:
        SOURCE = "Nobody 1900"

        def measure(self, quick: bool, out: Path) -> list[Claim]:
            return [claim(0.5), claim(0.7, note="too large")]

    monkeypatch.setattr(run_all, "load", lambda name: Script())
    with pytest.raises(SystemExit) as stop:
        run_all.main(only=("sigmoid_slope",), out=tmp_path)
    assert stop.value.code == 1
    printed = capsys.readouterr()
    assert "1 of 2 rows hold" in printed.out and "does not hold: sigmoid_slope" in printed.err
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| ratio \\| of norms | 1/2 | 0.5 | 0.7 | 0.49 to 0.51 (±2 %) | NO |" in table
    assert "*ratio | of norms*: too large." in table


def test_a_script_that_fails_is_told_and_one_that_lacks_its_data_is_not_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(quick: bool, out: Path) -> list[Claim]:
        raise NotMeasuredError("needs MNIST")

    monkeypatch.setattr(run_all.load("sigmoid_slope"), "measure", measure)
    script = sys.modules["published_sigmoid_slope"]
    monkeypatch.setattr(run_all, "load", lambda name: script)
    run_all.main(only=("sigmoid_slope",), out=tmp_path)
    assert "not measured: needs MNIST" in capsys.readouterr().out

    def broken(quick: bool, out: Path) -> list[Claim]:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(script, "measure", broken)
    with pytest.raises(SystemExit):
        run_all.main(only=("sigmoid_slope",), out=tmp_path)
    assert "sigmoid_slope: failed, ZeroDivisionError: by zero" in capsys.readouterr().out


def test_a_mistake_in_the_runner_s_arguments_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only must be one of .*sigmoid_slope.*, got 'sigmoid'"):
        run_all.main(only=("sigmoid",), out=tmp_path)
    with pytest.raises(ValueError, match="write must be a Markdown file with the lines"):
        run_all.main(only=("sigmoid_slope",), out=tmp_path, write=tmp_path / "absent.md")
