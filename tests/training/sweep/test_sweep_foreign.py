"""What is no file in a sweep's folder, under the names of its files: one line before the work, and nothing waits."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from comparison import assert_equal_records
from not_files import KINDS, foreign

import vanishlab as vl
from vanishlab.cli import commands

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pipes among the files of Windows")

GRID = vl.Grid(depth=(2, 3), width=(4,))
TRAINING = vl.TrainingConfig(learning_rates=(0.1,), seeds=(0,), steps=2, device="cpu")


@pytest.fixture
def folder(tmp_path: Path, data: vl.Dataset) -> Path:
    """Half of a sweep."""
    list(vl.sweep(vl.Grid(depth=(2,), width=(4,)), TRAINING, data, out=tmp_path / "sweep"))
    return tmp_path / "sweep"


def contents(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else path.lstat().st_ino
        for path in folder.rglob("*")
    }


@foreign
@pytest.mark.parametrize("name", ["chunk-zz.npz", ".chunk-00.npz-abc", "chunk-zz.npz.damaged", ".claims"])
def test_a_sweep_says_so_before_it_works_and_touches_nothing(
    folder: Path, data: vl.Dataset, foreign: Callable[[Path], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / name).unlink(missing_ok=True)
    foreign(folder / name)
    before = contents(folder)
    monkeypatch.setattr("vanishlab.training.sweep.running.train_chunk", lambda *_: pytest.fail("it went to work"))
    with pytest.raises(vl.InputError) as error:
        list(vl.sweep(GRID, TRAINING, data, out=folder, workers=1))
    rule = f"out must be a folder where {name} is a regular file"
    assert str(error.value) == f"{rule}, got {str(folder / name)!r} ({KINDS[foreign]})"
    assert contents(folder) == before


def test_a_file_in_the_place_of_the_folder_of_failures_is_told_too(folder: Path, data: vl.Dataset) -> None:
    (folder / "failures").touch()
    with pytest.raises(vl.InputError, match=r"^out must be a folder where failures is a folder, got '.+' \(a file\)$"):
        list(vl.sweep(GRID, TRAINING, data, out=folder))


@foreign
def test_the_place_of_a_chunk_that_is_yet_to_come_is_looked_at_too(
    folder: Path, data: vl.Dataset, foreign: Callable[[Path], None], tmp_path: Path
) -> None:
    list(vl.sweep(GRID, TRAINING, data, out=folder))
    for path in folder.glob("chunk-*.npz"):
        other = tmp_path / path.name
        other.mkdir()
        foreign(other / path.name)
        with pytest.raises(vl.InputError, match=rf"^out must be a folder where {path.name} is a regular file"):
            list(vl.sweep(GRID, TRAINING, data, out=other))


@foreign
def test_an_open_sweep_leaves_it_out_by_name(folder: Path, foreign: Callable[[Path], None]) -> None:
    whole = list(vl.load_sweep(folder))
    foreign(folder / "chunk-zz.npz")
    with pytest.warns(UserWarning, match=rf"chunk-zz\.npz' \(it is no regular file \({KINDS[foreign]}\)\); it is left"):
        sweep = vl.load_sweep(folder)
    for one, other in zip(sweep, whole, strict=True):
        assert_equal_records(one, other)


@foreign
def test_a_record_that_is_no_file_is_told_and_not_waited_for(tmp_path: Path, foreign: Callable[[Path], None]) -> None:
    foreign(tmp_path / "record.npz")
    with pytest.raises(vl.InputError, match=r"^record file must "):
        vl.Record.load(tmp_path / "record.npz")


@foreign
def test_tables_are_written_whole_and_never_over_what_is_no_file(folder: Path, foreign: Callable[[Path], None]) -> None:
    sweep = vl.load_sweep(folder)
    for name, write in (("runs.csv", sweep.to_csv), ("runs.parquet", sweep.to_parquet)):
        foreign(folder / name)
        with pytest.raises(vl.InputError, match=r"^file to be written must be a regular file, got .+"):
            write(folder / name)
        (folder / "elsewhere").mkdir(exist_ok=True)
        (folder / f"link-{name}").symlink_to(f"elsewhere/{name}")
        write(folder / f"link-{name}")
        assert (folder / "elsewhere" / name).stat().st_size > 100 and (folder / f"link-{name}").is_symlink()


COMMANDS = {
    "train": ("record.npz", "report.html", "start.png", "end.svg", "learning_rate.png"),
    "predict": ("prediction.csv", "record.npz", "prediction.png", "phase_diagram.svg"),
    "sweep": ("runs.csv", "map.png", "report.html", ".claims", "chunk-zz.npz"),
}


@foreign
@pytest.mark.parametrize(("command", "name"), [(key, name) for key, names in COMMANDS.items() for name in names])
def test_the_shell_says_so_in_one_line_before_the_work(
    tmp_path: Path,
    foreign: Callable[[Path], None],
    command: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    foreign(tmp_path / name)
    before = contents(tmp_path)
    flags = ["--depth", "2", "--width", "4", "--data", "moons", "--max-examples", "16", "--out", str(tmp_path)]
    flags += ["--measure"] if command == "predict" else ["--steps", "2", "--report"]
    flags += ["--learning-rates", "0.1", "1.0"] if command == "train" else []
    monkeypatch.setattr(sys, "argv", ["vanishlab", command, *flags])
    for work in ("training.loop.train", "training.sweep.running.train_chunk", "theory.prediction.predict"):
        monkeypatch.setattr(f"vanishlab.{work}", lambda *_, **__: pytest.fail("it went to work"))
    with pytest.raises(SystemExit) as stop:
        commands.main()
    said = capsys.readouterr()
    assert stop.value.code == 2 and said.err.count("\n") == 1
    assert said.err.startswith("vanishlab: error: ") and name in said.err and KINDS[foreign] in said.err
    assert contents(tmp_path) == before


@foreign
@pytest.mark.parametrize("place", ["one_pictures", "two_pictures/history.png", "two_pictures/learning_rate.svg"])
def test_plot_says_so_before_the_first_picture(
    tmp_path: Path,
    data: vl.Dataset,
    foreign: Callable[[Path], None],
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rates = vl.TrainingConfig(learning_rates=(0.1, 1.0), steps=1, device="cpu")
    record = vl.train(vl.NetworkConfig(depth=1, width=2), rates, data)
    paths = [record.save(tmp_path / f"{name}.npz") for name in ("one", "two")]
    if place == "one_pictures" and KINDS[foreign] == "a folder":
        pytest.skip("a folder is what should be there")
    (tmp_path / place).parent.mkdir(exist_ok=True)
    foreign(tmp_path / place)
    before = contents(tmp_path / place) if KINDS[foreign] == "a folder" else (tmp_path / place).lstat().st_ino
    monkeypatch.setattr(sys, "argv", ["vanishlab", "plot", *map(str, paths)])
    monkeypatch.setattr("vanishlab.plots.save_both", lambda *_: pytest.fail("it went to work"))
    with pytest.raises(SystemExit) as stop:
        commands.main()
    said = capsys.readouterr()
    assert stop.value.code == 2 and said.err.count("\n") == 1 and Path(place).name in said.err
    assert before == (contents(tmp_path / place) if KINDS[foreign] == "a folder" else (tmp_path / place).lstat().st_ino)


def test_plot_draws_no_record_over_another(
    tmp_path: Path, data: vl.Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = vl.train(vl.NetworkConfig(depth=1, width=2), TRAINING, data)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        record.save(tmp_path / name / "record.npz")
    arguments = [str(tmp_path / name / "record.npz") for name in ("a", "b")]
    monkeypatch.setattr(sys, "argv", ["vanishlab", "plot", *arguments, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as stop:
        commands.main()
    assert stop.value.code == 2 and not (tmp_path / "out").exists()
    assert capsys.readouterr().err == "vanishlab: error: records must have names of their own, got 'record' twice\n"
