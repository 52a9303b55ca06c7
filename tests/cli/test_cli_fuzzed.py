"""Seeded fuzz: command lines, environments, records and sweep folders give an answer or one line, and leave no more.

All of it runs in this process, with the work itself left out: what is looked for is a traceback, a second line, a wrong
exit code, memory, or a file that nobody asked for. VANISHLAB_FUZZ is the number of cases of each test, 300 where it is
not set.
"""

import contextlib
import json
import os
import random
import re
import shutil
import sys
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch  # noqa: F401, so that its own address space is not counted

import vanishlab as vl
from vanishlab.cli import commands

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="pipes and links are POSIX's")]

CASES = int(os.environ.get("VANISHLAB_FUZZ", "300"))
MOST = 60e6  # bytes that a refusal may take
ROOM = 2**30  # bytes of address space that a whole test may take, threads' stacks and arenas with them
TRAINING = vl.TrainingConfig(learning_rates=(0.1, 1.0), seeds=(0, 1), steps=3, device="cpu")
FLAGS = [
    "--depth", "--width", "--activation", "--initialization", "--sigma-w", "--sigma-b", "--residual", "--dtype",
    "--learning-rates", "--seeds", "--steps", "--loss", "--batch-size", "--momentum", "--clip-norm", "--record-every",
    "--device", "--data", "--max-examples", "--report", "--workers", "--measure", "--language", "--port", "--seed",
]  # fmt: skip
WORDS = [
    "0", "1", "2", "-1", "3.5", "1e308", "-1e308", "5e-324", "nan", "inf", "None", "none", "", " ", "relu", "rleu",
    "99999999999999999999", "True", "--", "-", "=", "log", "never", "digits", "moons", "/dev/null", "../x", "\udcff",
    "x" * 3000, "[1]", "{}", "a:b", ".a:b", "127.0.0.1", "*", "cuda:99", "meta", "gaussian", "\n", "\t", "zh",
]  # fmt: skip
COMMANDS = ["train", "sweep", "predict", "plot", "report", "examine", "playground", "trian", ""]


class Worked(Exception):
    """The command would have gone to work."""


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """Let the system refuse what is too much: a MemoryError then ends the case."""
    import resource  # which Windows does not have

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def work(*_: Any, **__: Any) -> None:
        raise Worked

    monkeypatch.chdir(tmp_path)
    names = ("cli.commands.train_and_save", "cli.commands.predict_behind_status", "cli.sweeps.run_and_report")
    for name in (*names, "playground.serve.serve", "cli.user_code.UserCode.call", "plots.save_both"):
        monkeypatch.setattr(f"vanishlab.{name}", work)
    return tmp_path


def called(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int | None:
    """The exit code of the command line; None where it would have gone to work."""
    monkeypatch.setattr(sys, "argv", ["vanishlab", *arguments])
    try:
        commands.main()
    except Worked:
        return None
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_command_lines(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(17)
    answers = []
    for case in range(CASES):
        arguments = [chance.choice(COMMANDS[:3] * 3 + COMMANDS)]
        for _ in range(chance.randrange(5)):
            arguments.append(chance.choice(FLAGS))
            arguments += chance.choices(WORDS, k=chance.choice((0, 1, 1, 1, 2)))
        arguments += ["--out", "out"] * (arguments[0] != "playground") + ["--depth", "2"] * chance.randrange(2)
        code = called(monkeypatch, arguments)
        said = capsys.readouterr()
        told = f"case {case}: {arguments}\n{said.err[:600]}"
        answers.append(code)
        assert code in (None, 0, 2), told
        if code == 2:
            assert said.err.count("\n") == 1 and said.err.startswith("vanishlab: error: "), told
            assert "Traceback" not in said.err and len(said.err) < 5000, told
            assert not [each for each in folder.iterdir() if each.name != "out"], told
            assert not (folder / "out").exists() or not any((folder / "out").iterdir()), told
        shutil.rmtree(folder / "out", ignore_errors=True)
    assert answers.count(2) > len(answers) / 4


TINY = "--depth 1 --width 2 --max-examples 16 --data moons --out out"
WORK = {
    "--version": 0,
    "--help": 0,
    "train --help": 0,
    f"train --steps 1 {TINY}": 0,
    f"train --steps 1 --activation 喂 {TINY}": 2,
    f"predict {TINY}": 0,
    f"predict --language zh {TINY}": 0,
    "plot nowhere.npz": 2,
    "report": 2,
}
ENVIRONMENT = {
    "COLUMNS": ["", "0", "1", "-7", "abc", "40", "99999", "1e3"],
    "LINES": ["0", "abc", "-1"],
    "TERM": ["", "dumb", "xterm-256color", "喂"],
    "NO_COLOR": ["", "1"],
    "FORCE_COLOR": ["1", "x"],
    "LC_ALL": ["C", "xx_YY", "zh_CN.GBK"],
    "PYTHONIOENCODING": ["ascii", "nonsense"],
    "TZ": ["", "Mars/Olympus"],
}
ENCODINGS = ["utf-8", "ascii", "latin-1", "cp1252", "gbk", "utf-16", "cp037"]


def stream(kind: str, encoding: str, path: Path) -> Any:
    """A stream of the operating system's; None is what Python has where one was closed at its start."""
    if kind == "closed":
        return None
    if kind == "read by nobody":
        there, end = os.pipe()
        os.close(there)
        return os.fdopen(end, "w", encoding=encoding)
    return (Path("/dev/full") if kind == "full" else path).open("w", encoding=encoding)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("draw_record", "draw_theory"):
        monkeypatch.setattr(f"vanishlab.cli.commands.{name}", lambda *_: None)
    chance = random.Random(20)
    for case in range(CASES):
        line, code = chance.choice([*WORK.items()])
        kinds = chance.choices(["file", "closed", "full", "read by nobody"], weights=(6, 1, 1, 1), k=2)
        encodings = chance.choices(ENCODINGS, k=2)
        told = f"case {case}: {line} {kinds} {encodings}"
        with monkeypatch.context() as now:
            for name in chance.sample([*ENVIRONMENT], chance.randrange(4)):
                now.setenv(name, chance.choice(ENVIRONMENT[name]))
            paths = [tmp_path / "stdout", tmp_path / "stderr"]
            now.setattr(sys, "stdout", stream(kinds[0], encodings[0], paths[0]))
            now.setattr(sys, "stderr", stream(kinds[1], encodings[1], paths[1]))
            got, forced = called(now, line.split()), "FORCE_COLOR" in os.environ
            wanted = 2 if kinds[0] == "full" and code == 0 else code
            if sys.stdout is not None:
                sys.stdout.close()  # as Python does at its end; what cannot be flushed would raise here
            if sys.stderr is not None:
                with contextlib.suppress(OSError):  # which Python ignores there
                    sys.stderr.close()
        assert got == wanted, told
        said = paths[1].read_text(encodings[1]) if kinds[1] == "file" else ""
        if wanted == 2 and kinds[1] == "file":
            *before, last = re.sub(r"\x1b\[[?\d]*\w", "", said).splitlines()
            assert last.startswith(("vanishlab: error: ", "vanishlab: 错误: ")), (told, said)
            assert forced or code == 0 or not before, (told, said)  # FORCE_COLOR asks for bars in a file too
        assert "Traceback" not in said and not (tmp_path / "results").exists(), told
        assert (tmp_path / "out").exists() == (code == 0 and "--out" in line), told
        for path in (*paths, tmp_path / "out"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


VALUES: list[Any] = [None, [], {}, "", 0, -1, 2**63, 1.5, True, "x" * 5000, ["a"], {"a": 1}, [[]], "\ud800", 1e308]


def mutated(arrays: dict[str, Any], metadata: dict[str, Any], chance: random.Random) -> None:
    """Change one thing of a record that is whole: another dtype, shape or value, or another entry of its metadata."""
    name = chance.choice([*arrays])
    array = arrays[name]
    what = chance.randrange(8)
    if what == 0:
        with np.errstate(all="ignore"):  # the mutation's own
            arrays[name] = array.astype(chance.choice(["f4", "i4", "c16", "U3", "?", "M8[s]"]))
    elif what == 1:
        arrays[name] = array[..., None] if chance.random() < 0.5 else array[:-1]
    elif what == 2 and array.size:
        number = chance.choice([-1.0, 1e308, 5e-324, 0.0, 2**50, 7.0])
        with np.errstate(all="ignore"):
            array.flat[chance.randrange(array.size)] = number if array.dtype.kind == "f" else int(min(number, 2**50))
    elif what == 3 and array.dtype.kind == "f":
        array.fill(chance.choice([np.nan, np.inf, -np.inf, 1e308, 5e-324, 0.0]))
    elif what == 4:
        del arrays[name]
    elif what == 5:
        metadata[chance.choice([*metadata])] = chance.choice(VALUES)
    elif what == 6:
        config = metadata[chance.choice(["network", "training"])]
        config[chance.choice([*config, "unknown"])] = chance.choice(VALUES)
    else:
        arrays[chance.choice(["x", "../y", "metadata2", "loss/loss"])] = np.zeros(3)


def test_records(folder: Path, data: vl.Dataset) -> None:
    with np.load(vl.train(vl.NetworkConfig(depth=2, width=4), TRAINING, data).save("whole.npz")) as file:
        whole = dict(file)
    metadata = json.loads(str(whole.pop("metadata")))
    chance = random.Random(18)
    loaded = 0
    for case in range(CASES):
        arrays, words = {name: each.copy() for name, each in whole.items()}, json.loads(json.dumps(metadata))
        for _ in range(chance.choice((1, 1, 2, 4))):
            mutated(arrays, words, chance)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, while it writes
            np.savez("odd.npz", metadata=json.dumps(words), **arrays)
        tracemalloc.start()
        try:
            record = vl.Record.load("odd.npz")
        except vl.InputError as error:
            assert str(error).startswith("record file must be a whole vanishlab record"), (case, error)
            assert "\n" not in str(error) and len(str(error)) < 7000, (case, error)
            record = None
        finally:
            assert tracemalloc.get_traced_memory()[1] < MOST, case
            tracemalloc.stop()
        if record is not None:
            loaded += 1
            assert str(vl.diagnose(record)), case
    assert [path.name for path in sorted(folder.iterdir())] == ["odd.npz", "whole.npz"]
    assert CASES / 20 < loaded < CASES / 2


def test_sweep_folders(folder: Path, data: vl.Dataset) -> None:
    grid = vl.Grid(depth=(1, 2), width=(2,))
    list(vl.sweep(grid, TRAINING, data, out="whole", workers=1))
    names = [path.name for path in Path("whole").iterdir()]
    names += ["chunk-zz.npz", ".chunk-zz.npz-a", ".claims", "failures", "chunk-.npz", "x.npz", "chunk-a.npz.damaged"]
    chance = random.Random(19)
    for case in range(CASES):
        shutil.copytree("whole", "odd")
        for name in chance.sample(names, chance.choice((1, 1, 2))):
            place, kind = Path("odd") / name, chance.randrange(6)
            if place.is_dir():
                shutil.rmtree(place)
            place.unlink(missing_ok=True)
            if kind == 0:
                place.mkdir()
                (place / "mine").touch()
            elif kind == 1:
                os.mkfifo(place)
            elif kind == 2:
                place.symlink_to(chance.choice([place.name, "nowhere", "/dev/zero"]))
            elif kind == 3:
                place.write_bytes(chance.randbytes(chance.choice((0, 10, 5000))))
            elif kind == 4:
                whole = next(Path("whole").glob("chunk-*.npz")).read_bytes()
                place.write_bytes(whole[: chance.randrange(len(whole))])
            else:
                place.write_text("{}")
        before = {path.name: path.lstat().st_mode for path in Path("odd").iterdir()}
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            for act in (
                lambda: list(vl.load_sweep("odd")),
                lambda: list(vl.sweep(grid, TRAINING, data, out="odd", workers=1)),
            ):
                try:
                    records = act()
                    assert all(np.isfinite(record.loss).all() for record in records), case
                except vl.InputError as error:
                    assert "\n" not in str(error) and len(str(error)) < 700, (case, error)
        kept = {path.name: path.lstat().st_mode for path in Path("odd").iterdir()}
        odd = [
            name
            for name, mode in before.items()
            if name not in kept and f"{name}.damaged" not in kept and mode & 0o040000
        ]
        assert not odd, (case, odd)
        shutil.rmtree("odd")
