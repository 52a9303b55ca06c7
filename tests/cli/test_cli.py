"""The command line as its users meet it: what it writes, what it says of mistakes, how it stops."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vanishlab as vl
from vanishlab import Record
from vanishlab.cli import commands, running
from vanishlab.cli.tables import print_table
from vanishlab.language.numbers import power_of_ten

pytestmark = pytest.mark.usefixtures("coarse_pictures")
SMALL = ("--depth", "2", "--width", "4", "--steps", "3", "--data", "moons", "--max-examples", "16")


def shell(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vanishlab", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run the command in this process; return the exit code and what it said on stderr."""
    monkeypatch.setattr(sys, "argv", ["vanishlab", *map(str, arguments)])
    code = 0
    try:
        commands.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capsys.readouterr().err


def test_train_then_plot_from_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = shell("train", *SMALL, "--learning-rates", "0.1", "1.0", "--out", "one", folder=tmp_path)
    assert trained.returncode == 0, trained.stderr
    record = Record.load(tmp_path / "one" / "record.npz")
    assert record.gradient_norm.shape == (2, 4, 3)
    assert record.environment["data"] == "moons"
    pictures = {path.name for path in (tmp_path / "one").glob("*.png")}
    assert {"start.png", "end.png", "meaning.png", "history.png", "training.png", "learning_rate.png"} <= pictures
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, capsys, "plot", "one/record.npz") == (0, "")
    assert {path.name for path in (tmp_path / "one" / "record_pictures").glob("*.png")} == pictures


def test_predict_takes_the_flags_of_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (*SMALL, "--learning-rates", "0.1", "1.0", "--momentum", "0.9", "--out", tmp_path)
    monkeypatch.setattr(sys, "argv", ["vanishlab", "predict", *map(str, flags)])
    commands.main()
    said = capsys.readouterr().out
    assert "16 examples of moons, cross_entropy" in said
    assert "phase: ordered, gradients vanish (chi = " in said and "xi_c = " in said
    assert "largest learning rate that is surely stable: " in said
    names = {path.name for path in tmp_path.iterdir()}
    pictures = {f"{name}.{kind}" for name in ("prediction", "meaning", "phase_diagram") for kind in ("png", "svg")}
    assert names == {"prediction.csv", "run.toml", *pictures}
    lines = (tmp_path / "prediction.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].split(",")[:4] == [
        "layer", "log10_activation_rms", "log10_typical_activation_rms", "activation_rms_log_spread",
    ]  # fmt: skip
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]


def test_predict_measures_the_same_batch_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--batch-size", "8", "--seeds", "0", "1", "--loss", "mse", "--normalization", "layer", "--measure")
    monkeypatch.setattr(sys, "argv", ["vanishlab", "predict", *SMALL, *flags, "--out", str(tmp_path)])
    commands.main()
    said = capsys.readouterr().out
    assert "8 examples of moons, mse" in said and "measured" in said and "largest stable learning rate: " in said
    assert "phase: none; mean field needs plain layers" in said
    assert not (tmp_path / "phase_diagram.png").exists()
    record = Record.load(tmp_path / "record.npz")
    assert record.gradient_norm.shape == (2, 1, 3) and record.seed.tolist() == [0, 1]


def test_predict_shows_some_layers_of_a_long_network_and_files_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--depth", "400", "--width", "4", "--data", "moons", "--max-examples", "8", "--out", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["vanishlab", "predict", *flags])
    commands.main()
    said = capsys.readouterr().out
    assert "22 of 401 layers; all of them are in the file" in said
    shown = [int(line.split("│")[1]) for line in said.splitlines() if line.startswith("│")]
    assert len(shown) == 22 and shown[0] == 1 and shown[-1] == 401 and shown == sorted(shown)
    assert "e-3" in said  # a gradient of 1e-340 is printed as such
    assert len((tmp_path / "prediction.csv").read_text(encoding="utf-8").splitlines()) == 402


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--batch-size", "17"), "batch_size must be at most the 16 training examples, got 17"),
        (("--initialization", "gaussian", "--sigma-w", "1e4"), "must be at most 100000"),
        (("--learning-rates", "0"), "learning_rates must be greater than 0, got 0"),
    ],
)
def test_predict_says_what_it_cannot_do_in_one_line(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, error = call(monkeypatch, capsys, "predict", *SMALL, *arguments, "--out", tmp_path)
    assert code == 2 and said in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("log10", "text"),
    [
        (-800.5, "3.16e-801"),
        (0.0, "1"),
        (-43.25, "5.62e-44"),
        (450.25, "1.78e+450"),
        (-np.inf, "0"),
        (np.nan, "unknown"),
    ],
)
def test_powers_of_ten_are_printed_beyond_float64(log10: float, text: str) -> None:
    assert power_of_ten(log10) == text


@pytest.mark.parametrize("arguments", [("--record-every", "never"), ("--steps", "0")])
def test_a_record_of_no_step_or_one_is_printed_and_drawn_as_far_as_it_goes(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, capsys, "train", *SMALL, *arguments, "--out", tmp_path)[0] == 0
    assert Record.load(tmp_path / "record.npz").loss.shape == (1, 0 if "never" in arguments else 1)
    assert (tmp_path / "start.png").exists() == ("never" not in arguments)


def test_help_names_the_commands_and_needs_no_torch(tmp_path: Path) -> None:
    answer = shell("--help", folder=tmp_path)
    assert answer.returncode == 0
    assert all(command in answer.stdout for command in ("train", "predict", "plot"))
    probe = (
        "import sys; from vanishlab.cli.commands import main; sys.argv = ['vanishlab', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.splitlines()[-1] == "[]"


def test_without_arguments_the_help_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for arguments in ((), ("--help",)):
        monkeypatch.setattr(sys, "argv", ["vanishlab", *arguments])
        with pytest.raises(SystemExit) as stop:
            commands.main()
        assert not stop.value.code
        said.append(capsys.readouterr())
    assert said[0] == said[1] and "playground" in said[0].out and not said[0].err


def test_the_version_is_printed_and_needs_no_torch(tmp_path: Path) -> None:
    answer = shell("--version", folder=tmp_path)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"vanishlab {vl.__version__}\n", "")
    probe = (
        "import sys; from vanishlab.cli.commands import main; sys.argv = ['vanishlab', '--version']; main()\n"
        "print([name for name in ('torch', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
    assert loaded.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--depth", "0"), "depth must be at least 1, got 0"),
        (("--depth", "10001"), "depth must be at most 10000, got 10001"),
        (("--depth", "two"), "depth must be a whole number, got 'two'"),
        (("--width", "0"), "width must be at least 1, got 0"),
        (("--width", "3", "4"), "width must be one number or one per hidden layer (depth=20), got 2 numbers"),
        (("--activation", "rleu"), "activation must be one of 'linear', "),
        (("--activation", "rleu"), "got 'rleu' (did you mean 'relu'?)"),
        (("--initialization", "xavier"), "(did you mean 'xavier_normal'?)"),
        (("--residual", "plian"), "residual must be {none,plain,learned}|FLOAT, got 'plian' (did you mean 'plain'?)"),
        (("--learning-rates", "0"), "learning_rates must be greater than 0, got 0"),
        (("--learning-rates", "-1"), "learning_rates must be greater than 0, got -1"),
        (("--learning-rates", "nan"), "learning_rates must be finite, got nan"),
        (("--learning-rates", "fast"), "learning_rates"),
        (("--learning-rates",), "learning_rates must name at least one value, got an empty list"),
        (("--seeds", "-1"), "seeds must be at least 0, got -1"),
        (("--steps", "-1"), "steps must be at least 0, got -1"),
        (("--batch-size", "0"), "batch_size must be at least 1, got 0"),
        (("--batch-size", "17", *SMALL), "batch_size must be at most the 16 training examples, got 17"),
        (("--sigma-w", "2"), "sigma_w and sigma_b apply to initialization 'gaussian' or 'orthogonal' only"),
        (("--data", "digist"), "got 'digist' (did you mean 'digits'?)"),
        (("--data", "absent.npz"), "data file must exist, got 'absent.npz'"),
        (("--device", "warp"), "device must be one that torch can use here, got 'warp'"),
        (("--dpeth", "3"), "(did you mean --depth?)"),
        (("--depth",), "depth must have a value, got none"),
        (("--depth", "a" * 150), f"depth must be a whole number, got '{'a' * 150}'"),  # wider than the terminal
        (("--record-every", "0"), "record_every must be at least 1, got 0"),
        (("--max-examples", "0"), "max_examples must be at least 1, got 0"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, error = call(monkeypatch, capsys, "train", *arguments)
    assert code == 2
    # The progress bar may have been begun where only the training itself can know; the mistake is the last line.
    last = error.strip().splitlines()[-1]
    assert last.startswith("vanishlab: error: ") and said in last
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("*.npz"))


def test_an_argument_like_no_other_brings_no_suggestion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = call(monkeypatch, capsys, "train", "3")
    assert code == 2 and error == "vanishlab: error: Unrecognized options: 3\n"


@pytest.mark.parametrize(
    ("box", "said"),
    [
        (
            "╭─ Oops ───╮\n│ --depth is │\n│ odd        │\n│ ────────── │\n│ See --help │\n╰────────────╯\n",
            "--depth is odd",
        ),
        ("┏━ Oops ━━━━━━━━━┓\n┃ --depth is odd ┃\n┗━━━━━━━━━━━━━━━━┛\n", "Oops --depth is odd"),
        ("\x1b[31m╭────────────────╮\x1b[0m\n╰────────────────╯\n", ""),
        ("Oops\n----------\n--depth is odd\n----------\nSee --help\n", "--depth is odd"),
        ("usage: vanishlab\nerror: --depth is odd\n", "usage: vanishlab error: --depth is odd"),
        ("--depth: no type matching\n", "--depth: no type matching"),
        ("", ""),
    ],
)
def test_a_box_of_a_form_that_is_not_known_is_still_told_in_one_line(
    box: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def drawn(*_: object, **__: object) -> None:
        sys.stderr.write(box)
        sys.exit(2)

    monkeypatch.setattr("tyro.extras.subcommand_cli_from_dict", drawn)
    code, error = call(monkeypatch, capsys, "train")
    said = said or "the arguments are not of the form that --help describes"
    assert code == 2 and error == f"vanishlab: error: {said}\n"


def test_an_unknown_command_suggests_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = call(monkeypatch, capsys, "trian")
    assert code == 2
    options = "'train', 'sweep', 'predict', 'plot', 'report', 'examine', 'playground'"
    assert error == f"vanishlab: error: command must be one of {options}, got 'trian' (did you mean 'train'?)\n"


def test_plot_refuses_damaged_files_before_it_draws_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = call(monkeypatch, capsys, "plot")
    assert code == 2 and "records must name at least one file" in error
    good, damaged = tmp_path / "good" / "record.npz", tmp_path / "damaged.npz"
    good.parent.mkdir()
    training = vl.TrainingConfig(steps=1, device="cpu")
    vl.train(vl.NetworkConfig(2, 4), training, vl.load_data("moons", max_examples=16)).save(good)
    damaged.write_bytes(good.read_bytes()[:-100])
    code, error = call(monkeypatch, capsys, "plot", good, damaged)
    assert code == 2
    assert f"record file must be a whole vanishlab record, got {str(damaged)!r}" in error
    assert not (tmp_path / "good" / "record_pictures").exists()


def test_an_unwritable_folder_is_found_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    monkeypatch.setattr(running, "train_and_save", lambda *_: pytest.fail("training began"))
    monkeypatch.setattr(commands, "train_and_save", lambda *_: pytest.fail("training began"))
    code, error = call(monkeypatch, capsys, "train", *SMALL, "--out", tmp_path / "file" / "inside")
    assert code == 2
    assert "out must be a folder that can be written to" in error
    assert (tmp_path / "file").read_text() == "kept"


def test_a_mistake_leaves_earlier_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("record.npz", "run.toml", "start.png", "start.svg", "report.html"):
        (tmp_path / name).write_bytes(name.encode())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert call(monkeypatch, capsys, "train", *SMALL, "--batch-size", "99", "--out", tmp_path)[0] == 2
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_ctrl_c_saves_what_was_recorded_and_exits_with_130(tmp_path: Path) -> None:
    # A real SIGINT in a real process, sent by itself in the middle of a step so that nothing depends on timing.
    program = """
import signal, sys
from vanishlab.cli import commands
from vanishlab.network import mlp
signal.signal(signal.SIGINT, signal.default_int_handler)
forward, calls = mlp.MLP.forward, []
def interrupted(self, x):
    calls.append(None)
    if len(calls) == 30:
        signal.raise_signal(signal.SIGINT)
    return forward(self, x)
mlp.MLP.forward = interrupted
commands.main()
"""
    command = [sys.executable, "-c", program, "train", *SMALL, "--steps", "1000", "--evaluate-every", "1000"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    record = Record.load(tmp_path / "record.npz")
    assert len(record.step) == 28  # of 30 forward passes the first evaluates and the last is cut short
    assert np.isfinite(record.loss).all()


def test_a_table_shows_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("mean of [h]", ("E[h²]", "n"), [["[bold]E[x]", 1.5]])
    printed = capsys.readouterr().out
    assert "mean of [h]" in printed and "E[h²]" in printed and "[bold]E[x]" in printed and "1.5" in printed
