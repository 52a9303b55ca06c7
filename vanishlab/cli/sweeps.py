"""The output of `vanishlab sweep`: how much there is to do, how far it has come, and what came out."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vanishlab.cli.running import duration
from vanishlab.cli.settings import NAME as SETTINGS
from vanishlab.cli.tables import out_of, print_table
from vanishlab.errors import InputError, first_line
from vanishlab.language.sentences import listed, say
from vanishlab.recording.record import Record
from vanishlab.terminal import terminal
from vanishlab.training.sweep.chunks import Chunk
from vanishlab.training.sweep.plan import Plan, estimate_seconds
from vanishlab.training.sweep.running import Executor, Progress, SweepFailed, run_plan
from vanishlab.training.sweep.saved import NETWORK_FIELDS, Sweep, load_sweep
from vanishlab.training.sweep.store import Store

_ROWS = 40  # of the table; the rest is in runs.csv


def run_and_report(plan: Plan, out: Path, executor: Executor | None = None) -> None:
    """Do what is planned, show it on the way, and print a table; exit with code 1 if something failed."""
    check_folder(out)
    missing = _missing(plan, out)
    runs = _runs(missing)
    seconds = estimate_seconds(plan, missing)
    counts = {"runs": plan.runs, "finished": plan.runs - runs, "left": runs, "chunks": len(missing)}
    print(say("{runs} runs, {finished} of them finished; {left} runs in {chunks} chunks to do", **counts))
    if executor is not None:
        time_said = say("about {time} on one core, less on the cluster", time=duration(seconds))
    else:
        sentence = "about {time} on {workers} process" if plan.workers == 1 else "about {time} on {workers} processes"
        time_said = say(sentence, time=duration(seconds / plan.workers), workers=plan.workers)
    print(time_said, flush=True)
    failed: SweepFailed | None = None
    done = 0
    try:
        with _bar(plan.runs) as show:
            for record in run_plan(plan, out, executor=executor, progress=show):
                done += record.runs
    except SweepFailed as failure:
        failed = failure
    except KeyboardInterrupt:
        kept = plan.runs - _runs(_missing(plan, out))  # Ctrl-C may have come between a file and its being counted
        sentence = "stopped: {kept} of {runs} runs are finished and kept in {out}; the same command goes on from there"
        print("\n" + say(sentence, kept=kept, runs=plan.runs, out=out), file=sys.stderr)
        raise
    if done:
        saved = load_sweep(out)
        keys = {key for chunk in plan.chunks for key in chunk.keys}
        planned = saved.only(keys)
        _print_rows([_row(record) for record in planned], out)
        _draw_map(planned, out)
        print(saved.to_csv(out / "runs.csv"))
    if failed is not None:
        for each in failed.failures:
            print(say("failed: {what}", what=each), file=sys.stderr)
        print(say("details in {folder}; the same command tries again", folder=out / "failures"), file=sys.stderr)
        sys.exit(1)


def check_folder(out: Path) -> None:
    """Raise `InputError` where something that is no file stands in the place of one."""
    Store(out).check("runs.csv", "map.png", "map.svg", SETTINGS)


def _missing(plan: Plan, out: Path) -> list[Chunk]:
    return plan.missing({key for kept in Store(out).finished() for key in kept.keys})


def _runs(chunks: list[Chunk]) -> int:
    return sum(len(chunk.runs) for chunk in chunks)


@contextlib.contextmanager
def dask_executor(address: str | None) -> Iterator[Executor | None]:
    """Give an executor that hands work to the Dask cluster at `address`; None without an address.

    Raises `InputError` without the extra `vanishlab[dask]` and where no scheduler answers.
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("dask needs distributed: pip install 'vanishlab[dask]'") from error
    try:
        client: Any = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"dask must be the address of a scheduler, got {address!r} ({first_line(error)})") from error
    with client:
        yield client.get_executor()


@contextlib.contextmanager
def _bar(runs: int) -> Iterator[Any]:
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    # The speed of the last half hour, since a chunk may take minutes.
    with Bar(*columns, TimeRemainingColumn(), console=terminal(stderr=True), speed_estimate_period=1800) as bar:
        task = bar.add_task(say("{done} of {runs} runs", done=0, runs=runs), total=1.0)
        begun = time.monotonic()

        def show(now: Progress) -> None:
            rate = (now.done - now.before) / max(time.monotonic() - begun, 1e-9)
            parts = [
                say("{done} of {runs} runs", done=now.done, runs=now.runs),
                say("{diverged} diverged", diverged=now.diverged),
                say("{failed} failed", failed=now.failed) if now.failed else "",
                say("{rate:.3g} runs/s", rate=rate) if now.done > now.before else "",
            ]
            bar.update(task, description=listed(parts), completed=now.share)

        yield show


def _draw_map(saved: Sweep, out: Path) -> None:
    """Draw the accuracy as a map where two things vary besides the seed."""
    from vanishlab.plots import save_both, sweep_figure
    from vanishlab.training.sweep.cells import cells_of, varying_axes

    axes = varying_axes(saved)
    if len(axes) != 2:
        return
    y, x = axes  # the learning rate, where it varies, to the right
    cells = cells_of(saved, x, y)
    figure = sweep_figure(
        say("accuracy of {networks} networks", networks=cells.runs.sum()),
        cells.x,
        cells.y,
        cells.values,
        diverged=cells.diverged,
        bounds=(0.0, 1.0),
        label=say("training accuracy, median over seeds"),
        x_label=say(x.replace("_", " ")),
        y_label=say(y.replace("_", " ")),
        log_x=x == "learning_rate",
    )
    print(*save_both(figure, out / "map"))


def _row(record: Record) -> list[object]:
    """Return the network's fields and what became of its runs, medians over seeds at its best learning rate."""
    assert record.network is not None
    ratio = record.over_seeds(record.first_last_ratio("delta_rms")[:, :1])
    tested = len(record.test_step) > 0
    accuracy = record.over_seeds(record.test_accuracy[:, -1] if tested else record.at_end(record.accuracy))
    best = int(np.argmax(np.nan_to_num(accuracy.median, nan=-1.0)))
    fields = [getattr(record.network, name) for name in NETWORK_FIELDS]
    diverged = out_of(int(record.diverged.sum()), record.runs)
    start = float(ratio.median[best, 0]) if ratio.median.shape[1] else np.nan
    return [*fields, float(accuracy.learning_rate[best]), float(accuracy.median[best]), start, diverged]


def _print_rows(rows: list[list[object]], out: Path) -> None:
    """Print a table of the networks, the fields that all have in common left out."""
    rest = (
        say("best learning rate"),
        say("accuracy there"),
        say("first/last delta at start"),
        say("diverged"),
    )
    shown = [place for place in range(len(NETWORK_FIELDS)) if len({str(row[place]) for row in rows}) > 1]
    shown += range(len(NETWORK_FIELDS), len(NETWORK_FIELDS) + len(rest))
    columns = [(*NETWORK_FIELDS, *rest)[place] for place in shown]
    print_table(
        say("networks, medians over seeds ({networks})", networks=len(rows)),
        columns,
        [[row[place] for place in shown] for row in rows[:_ROWS]],
    )
    if len(rows) > _ROWS:
        print(say("{more} more networks in {file}", more=len(rows) - _ROWS, file=out / "runs.csv"))
