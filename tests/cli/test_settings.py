"""run.toml: what a command was told, read back to the same run; each mistake in one line."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import SMALL, call

import vanishlab as vl
from vanishlab.cli import commands
from vanishlab.cli.settings import given_settings, write_settings

DATA = vl.load_data("moons", max_examples=16)


@pytest.mark.parametrize(
    ("network", "training"),
    [
        (vl.NetworkConfig(), vl.TrainingConfig()),
        (
            vl.NetworkConfig(2, (3, 4), "relu", "gaussian", 1.5, 1e-5, "layer"),
            vl.TrainingConfig((1e-30, 1 / 3), (0, 2**63 - 1), 7, "mse", 5, "cosine", 3, 0.9, 0.1, record_every="log"),
        ),
        (vl.NetworkConfig(2, 3, residual=0.5), vl.TrainingConfig(normalize_gradients=True, sharpness_every=3)),
    ],
)
def test_what_was_written_is_read_back(network: Any, training: Any, tmp_path: Path) -> None:
    path = write_settings(tmp_path / "run.toml", DATA, training, network=network)
    found = given_settings(["train", "--config", str(path)])
    assert found == {"data": "moons", "max_examples": 16, "network": network, "training": training}
    assert given_settings(["predict", f"--config={path}"]) == found and given_settings(["plot", str(path)]) == {}


def test_words_of_every_kind_come_back(tmp_path: Path) -> None:
    for name in ('C:\\data\\"moons".npz', "数据\x7f\x01\n.npz", "caf\udce9.npz"):
        data = dataclasses.replace(DATA)
        object.__setattr__(data, "loaded_as", (name, None, 0))
        path = write_settings(tmp_path / "run.toml", data, vl.TrainingConfig(), network=vl.NetworkConfig())
        found = given_settings(["train", "--config", str(path)])
        assert found["data"] == name and "max_examples" not in found


@pytest.mark.slow
def test_the_file_beside_a_result_trains_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (*SMALL, "--learning-rates", "0.1", "0.3", "--width", "3", "--residual", "0.5")
    assert call(monkeypatch, capsys, "train", *flags, "--out", tmp_path / "one")[0] == 0
    again = ("--config", tmp_path / "one" / "run.toml", "--seeds", "3", "4")
    assert call(monkeypatch, capsys, "train", *again[:2], "--out", tmp_path / "two")[0] == 0
    one, two = (vl.Record.load(tmp_path / name / "record.npz") for name in ("one", "two"))
    assert one.network == two.network and one.training == two.training
    np.testing.assert_array_equal(one.gradient_norm, two.gradient_norm)
    assert (tmp_path / "one" / "run.toml").read_bytes() == (tmp_path / "two" / "run.toml").read_bytes()
    assert call(monkeypatch, capsys, "predict", *again, "--out", tmp_path / "three")[0] == 0
    assert given_settings(["train", "--config", str(tmp_path / "three" / "run.toml")])["training"].seeds == (3, 4)


def test_a_sweep_is_written_and_swept_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--depth", "1", "2", "--width", "3", "--seeds", "2", "--steps", "1", "--data", "moons", "--workers", "1")
    assert call(monkeypatch, capsys, "sweep", *flags, "--max-examples", "16", "--out", tmp_path)[0] == 0
    found = given_settings(["sweep", "--config", str(tmp_path / "run.toml")])
    assert found["grid"] == vl.Grid(depth=(1, 2), width=(3,)) and found["seeds"] == 2
    again = ("--config", tmp_path / "run.toml", "--workers", "1", "--out", tmp_path / "again")
    assert call(monkeypatch, capsys, "sweep", *again)[0] == 0
    rows = [(folder / "runs.csv").read_text(encoding="utf-8") for folder in (tmp_path, tmp_path / "again")]
    assert rows[0] == rows[1] and len(rows[0].splitlines()) == 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "config must be a TOML file, got '{path}' (No such file or directory)"),
        ("depth = ", "config must be a TOML file, got '{path}' (Invalid value (at end of document))"),
        ("netwrk = 3", "config '{path}': an entry must be one of 'data', 'max_examples', 'network', 'training', got "
         "'netwrk' (did you mean 'network'?)"),
        ("network = 3", "config '{path}': network must be a table, [network], got 3"),
        ("[network]\ndept = 3", "config '{path}': NetworkConfig has no field 'dept' (did you mean 'depth'?)"),
        ("[network]\ndepth = '3'", "config '{path}': depth must be a whole number, got '3'"),
        ("[training]\nlearning_rates = 0.1", "config '{path}': learning_rates must be a list of numbers, got 0.1"),
        ("[training]\nnormalize_gradients = 'no'",
         "config '{path}': normalize_gradients must be true or false, got 'no'"),
        ("[training]\ndevice = 3", "config '{path}': device must be a name, got 3"),
        ("data = 3", "config '{path}': data must be a name or a path, got 3"),
        ("max_examples = 0", "config '{path}': max_examples must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_one_line(
    text: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    code, error = call(monkeypatch, capsys, "train", "--config", path, "--out", tmp_path / "out")
    assert (code, error) == (2, f"vanishlab: error: {said.format(path=path)}\n")
    assert not (tmp_path / "out").exists()


def test_help_shows_the_values_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_settings(tmp_path / "run.toml", DATA, vl.TrainingConfig(), network=vl.NetworkConfig(depth=77))
    monkeypatch.setattr(sys, "argv", ["vanishlab", "train", "--config", str(path), "--help"])
    with pytest.raises(SystemExit):
        commands.main()
    assert "77" in capsys.readouterr().out


def test_the_shell_completes_what_it_was_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vanishlab", "--tyro-print-completion", "bash"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "--max-examples" in done.stdout and "complete" in done.stdout  # tyro 1.0 leaves out what a config holds
