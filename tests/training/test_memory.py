"""What training takes of memory: told from configs before anything is built, and true."""

import dataclasses
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import vanishlab as vl
from vanishlab.cli import running
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.training import memory

HUGE = [
    (vl.NetworkConfig(20, 10_000_000), vl.TrainingConfig(steps=0), "a smaller width"),
    (vl.NetworkConfig(10_000, 10_000), vl.TrainingConfig(steps=0), "a smaller width"),
    (vl.NetworkConfig(20, 64), vl.TrainingConfig(steps=10**12), "fewer steps (now 1000000000000)"),
    (
        vl.NetworkConfig(3, 256),
        vl.TrainingConfig(seeds=tuple(range(20_000)), steps=0),
        "fewer learning rates and seeds",
    ),
]
GB = 1e9


@pytest.mark.parametrize(("network", "training", "advice"), HUGE)
def test_what_does_not_fit_is_refused_before_anything_is_built(
    network: vl.NetworkConfig,
    training: vl.TrainingConfig,
    advice: str,
    data: vl.Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vanishlab.training.loop.MLP", None)
    monkeypatch.setattr(memory, "free_memory", lambda device=None: int(16 * GB))
    with pytest.raises(vl.InputError, match=r"memory must hold .* about .* GB, got 16 GB free") as error:
        vl.train(network, training, data)
    assert advice in str(error.value)


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_the_shell_refuses_it_in_one_line_and_leaves_nothing(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vanishlab.cli.commands import main

    out = tmp_path / "out"
    flags = ["--width", "10000000", "--steps", "1", "--data", "moons", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["vanishlab", command, *flags])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    assert stop.value.code == 2 and not out.exists() and said.out == ""
    assert len(said.err.splitlines()) == 1 and "memory must hold" in said.err


def test_what_takes_long_says_so_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter(range(100))
    # The module's own clock alone: what rich does with the real one is nobody's business here.
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    with running.progress("training", 10**6) as advance:
        for _ in range(10):
            advance()
    said = capsys.readouterr().err
    assert said.count("training takes about 12 days; Ctrl-C ends it and keeps what there is") == 1
    with running.progress("training", 100) as advance:
        for _ in range(10):
            advance()
    assert "takes about" not in capsys.readouterr().err


MEASURED = """
    from pathlib import Path
    import vanishlab as vl
    data = vl.load_data("digits", max_examples={examples})
    vl.train(vl.NetworkConfig(2, 8), vl.TrainingConfig(steps=1, device="cpu"), data)
    def peak(): return Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    before = peak()
    network = vl.NetworkConfig({network})
    training = vl.TrainingConfig({training}, device="cpu", engine="autograd")
    record = vl.train(network, training, data)
    print(before, peak())
"""
"""The peak before and after training, kB; `ru_maxrss` would have the peak of the process that started this one."""

SHAPES = [
    ("5, 2000", "steps=1", 1000),
    ("20, 1000", "steps=1", 256),
    ("100, 64", "steps=1, seeds=tuple(range(20))", 512),
    ("10, 500", "steps=1, seeds=tuple(range(10)), batch_size=700", 1437),
    ("10, 1000, normalization='layer'", "steps=1, seeds=(0, 1)", 1437),
    ("10, 1000, residual='plain'", "steps=1, seeds=(0, 1)", 1437),
    ("5, 2000", "steps=1, momentum=0.9", 1000),
    ("10, 800, dtype='float64'", "steps=1, seeds=(0, 1)", 1000),
    ("30, 128, activation='relu'", "steps=1, seeds=tuple(range(20))", 1000),
    ("20, 512, normalization='batch'", "steps=1", 1437),
]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's own peak there")
@pytest.mark.slow
@pytest.mark.parametrize(("network", "training", "examples"), SHAPES)
def test_the_estimate_is_within_a_half_of_the_measured_peak(network: str, training: str, examples: int) -> None:
    code = textwrap.dedent(MEASURED).format(network=network, training=training, examples=examples)
    config = eval(f"vl.NetworkConfig({network})", {"vl": vl})
    trained = eval(f"vl.TrainingConfig({training})", {"vl": vl})
    estimate = len(trained.runs) * memory.run_bytes(config, trained, vl.load_data("digits", max_examples=examples))

    # As users run it: threads, which the tests' own processes have but one of, need memory too.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "OPENBLAS_"))}

    def peak() -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        before, after = (float(each) * 1024 for each in done.stdout.split())
        assert after - before > 1e8, "too small to tell from the process itself"
        return after - before

    # The same program's peak moves by a third, with what the allocator gives back in time: at most a half above the
    # highest of them, or below the lowest.
    peaks = [peak()]
    if not 1 / 1.4 < estimate / peaks[0] < 1.4:
        peaks += [peak(), peak()]
    assert min(peaks) / 1.5 < estimate < max(peaks) * 1.5, (estimate, peaks)


def test_the_estimate_is_a_sum_of_what_its_docstring_lists(data: vl.Dataset) -> None:
    """37 examples of 5 features, 11 more to test on, float32; a step of 8 examples, two hidden layers of 10 units."""
    plain, steps = vl.NetworkConfig(2, 10, "tanh"), vl.TrainingConfig(steps=10)

    def need(training: vl.TrainingConfig = steps, **changes: object) -> float:
        return memory.run_bytes(dataclasses.replace(plain, **changes), training, data)  # type: ignore[arg-type]

    def trained(**changes: object) -> float:
        return need(dataclasses.replace(steps, **changes))  # type: ignore[arg-type]

    weights, units = 6 * 10 + 11 * 10 + 11 * 3, 23
    assert trained(momentum=0.9) - need() == 4 * 2 * weights
    assert trained(optimizer="adam") - need() == 4 * 4 * weights
    assert need(residual="plain") - need() == pytest.approx(4 * 2 * 37 * units)
    assert need(normalization="rms") - need() == pytest.approx(4 * 6 * 37 * units)
    bare = dataclasses.replace(data, x_test=None, y_test=None)
    assert need() - memory.run_bytes(plain, steps, bare) == 4 * 11 * 10 * 3
    never = dataclasses.replace(steps, record_every="never")
    assert need(never, dtype="float64") == 2 * need(never)
    rows = (need() - need(never)) / (3 * 8 * 3 * len(LAYER_QUANTITIES))
    assert rows == pytest.approx(memory.recorded_steps(steps)) and rows >= 11


def test_free_memory_is_what_the_machine_has() -> None:
    assert 1e6 < memory.free_memory(torch.device("cpu")) == pytest.approx(memory.free_memory(), rel=0.2)


@pytest.mark.parametrize("version", range(2))
def test_a_container_s_limit_counts_and_what_it_keeps_of_files_does_not(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, used, statistics, cached = memory._CONTAINER[version]
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    for name, text in ((limit, "5000000"), (used, "4000000"), (statistics, f"anon 1000000\n{cached} 2500000")):
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.free_memory() == 3_500_000
    (tmp_path / statistics).unlink()
    assert memory.free_memory() == 1_000_000
    (tmp_path / limit).write_text("max\n")
    assert memory.free_memory() > 1e8
