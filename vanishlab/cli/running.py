"""Training and predicting behind a progress bar, with the records saved."""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vanishlab.cli.tables import print_table, rate_columns, rate_rows
from vanishlab.config import LossName, NetworkConfig, TrainingConfig
from vanishlab.errors import InputError
from vanishlab.files import output_folder
from vanishlab.language.sentences import say, spoken
from vanishlab.terminal import terminal

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.progress import Progress

    from vanishlab.cli.helpers import Helpers
    from vanishlab.data import Dataset
    from vanishlab.recording.record import Record
    from vanishlab.theory.prediction import Prediction


def train_and_save(
    network: NetworkConfig, training: TrainingConfig, data: "Dataset", path: Path, label: str = "training"
) -> "Record":
    """Train behind a progress bar and save the record; after Ctrl-C save what there is and pass the interrupt on."""
    from vanishlab.training.loop import TrainingInterrupted, train

    with progress(label, training.steps + 1) as advance:
        try:
            record = train(network, training, data, progress=lambda step: advance())
        except TrainingInterrupted as interrupt:
            interrupt.record.save(path)
            _say_saved(interrupt.record, path)
            raise
    record.save(path)
    return record


def _say_saved(record: "Record", path: Path) -> None:
    saved = say("saved {steps} recorded steps to {path}", steps=len(record.step), path=path)
    print(f"\n{saved}", file=sys.stderr)


def first_batch(data: "Dataset", batch_size: int | None) -> "Dataset":
    """Return the first `batch_size` training examples; None is all of them."""
    if batch_size is None:
        return data
    if batch_size > len(data.y):
        raise InputError(f"batch_size must be at most the {len(data.y)} training examples, got {batch_size}")
    return dataclasses.replace(data, x=data.x[:batch_size], y=data.y[:batch_size], classes=data.num_classes)


def predict_behind_status(network: NetworkConfig, data: "Dataset", loss: LossName) -> "Prediction":
    """Predict, with a line on stderr that says so while it lasts."""

    from vanishlab.theory.prediction import predict
    from vanishlab.training.processes import one_blas_thread

    sentence = "predicting {layers} layers on {examples} examples"
    said = say(sentence, layers=network.depth + 1, examples=len(data.y))
    with terminal(stderr=True).status(said), one_blas_thread():
        return predict(network, data, loss, progress=False)


def train_all(
    variants: Mapping[str, tuple[NetworkConfig, TrainingConfig]],
    data: "Dataset",
    out: Path,
    helpers: "Helpers | None" = None,
) -> dict[str, "Record"]:
    """Train every variant, save each record as NAME.npz in `out`, and print one table of them all.

    `helpers` train as well; where none are given, some are started if the work is worth it.
    """
    from vanishlab.cli.helpers import helpers_for
    from vanishlab.training.loop import check_training

    for network, training in variants.values():
        check_training(network, training, data)
    output_folder(out, *(f"{name}.npz" for name in variants))
    with helpers_for(variants, len(data.y)) if helpers is None else contextlib.nullcontext(helpers) as helping:
        if helping is not None and _may_share(variants, data, helping.count + 1):
            records = _train_together(variants, data, out, helping)
        else:
            records = {
                name: train_and_save(network, training, data, out / f"{name}.npz", name)
                for name, (network, training) in variants.items()
            }
    rows = [[name, *row] for name, record in records.items() for row in rate_rows(record)]
    sentence = "{examples} examples of {data}, medians over seeds"
    title = say(sentence, examples=len(data.y), data=data.name)
    print_table(title, (say("network"), *rate_columns()), rows)
    return records


def _may_share(variants: Mapping[str, tuple[NetworkConfig, TrainingConfig]], data: "Dataset", processes: int) -> bool:
    """Whether all is trained on the CPU, and so many networks at once fit into the free memory."""
    from vanishlab.training.loop import device_of
    from vanishlab.training.memory import fit_together

    devices = {device_of(training.device).type for _, training in variants.values()}
    return devices == {"cpu"} and fit_together(list(variants.values()), data, processes)


def _train_together(
    variants: Mapping[str, tuple[NetworkConfig, TrainingConfig]], data: "Dataset", out: Path, helpers: "Helpers"
) -> dict[str, "Record"]:
    """Train as `train_all` does, in the helpers and here, a bar for each network; the records have the same bits."""
    import torch

    from vanishlab.cli.helpers import dearest_first, train_there
    from vanishlab.training.loop import TrainingInterrupted, train

    names = dearest_first(variants)
    paths = {name: out / f"{name}.npz" for name in names}
    tasks = {name: (train_there, (*variants[name], data, paths[name], names.index(name))) for name in names}

    def keep_part(path: Path, record: "Record") -> None:
        record.save(path)
        _say_saved(record, path)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the helpers have the other cores
    try:
        with progress_bars({name: variants[name][1].steps + 1 for name in names}) as show:

            def look() -> None:
                show(dict(zip(names, helpers.counters, strict=False)))
                helpers.hand_over()

            def here(name: str) -> "tuple[Record, bool]":
                def tell(step: int) -> None:
                    helpers.counters[names.index(name)] = step + 1
                    look()

                try:
                    record = train(*variants[name], data, progress=tell)
                except TrainingInterrupted as interrupt:
                    keep_part(paths[name], interrupt.record)
                    raise
                record.save(paths[name])
                return record, True

            try:
                results = helpers.share(tasks, here, look)
            except KeyboardInterrupt:
                for name, result in helpers.stop().items():
                    if result is not None and not result[1]:
                        keep_part(paths[name], result[0])
                raise
            look()
    finally:
        torch.set_num_threads(threads)
    return {name: results[name][0] for name in variants}


def save_all(figures: "Mapping[Path, Callable[[], Figure]]", helpers: "Helpers | None" = None) -> None:
    """Draw each figure, save it as PATH.png and PATH.svg, and print these names; `helpers` draw as well."""
    from vanishlab.cli.helpers import draw_there
    from vanishlab.plots import save_both

    if helpers is None:
        for path, draw in figures.items():
            print(*save_both(draw(), path))
        return
    named = {str(path): (draw, path) for path, draw in figures.items()}
    tasks = {name: (draw_there, (*task, spoken())) for name, task in named.items()}
    for paths in helpers.share(tasks, lambda name: save_both(named[name][0](), named[name][1])).values():
        print(*paths)


def duration(seconds: float) -> str:
    """Return seconds in words of two digits.

    >>> duration(0.2), duration(75), duration(9000)
    ('a second', '75 seconds', '2.5 hours')
    """
    if seconds >= 48 * 3600:
        return say("{days:.2g} days", days=seconds / 86400)
    if seconds >= 2 * 3600:
        return say("{hours:.2g} hours", hours=seconds / 3600)
    if seconds >= 120:
        return say("{minutes:.2g} minutes", minutes=seconds / 60)
    return say("{seconds:.2g} seconds", seconds=seconds) if seconds >= 1.5 else say("a second")


_LONG = 600.0  # seconds, from where on the time that something takes is said in a line
_TIMED = 2.0  # seconds, of which that is told


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on stderr and give a function that moves it on by one; what takes long says so in a line."""
    begun, done, told = time.monotonic(), 0, False
    with _bars() as bars:
        task = bars.add_task(label, total=total)

        def advance() -> None:
            nonlocal done, told
            bars.advance(task)
            done += 1
            if not told and (taken := time.monotonic() - begun) > _TIMED:
                told = True
                if (left := taken / done * (total - done)) > _LONG:
                    sentence = "{label} takes about {time}; Ctrl-C ends it and keeps what there is"
                    bars.console.print(say(sentence, label=label, time=duration(left)), soft_wrap=True)

        yield advance


@contextlib.contextmanager
def progress_bars(totals: Mapping[str, int]) -> Iterator[Callable[[Mapping[str, int]], None]]:
    """Give a function that is told how far each has come and shows the bars, on stderr, of those that have begun."""
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def show(done: Mapping[str, int]) -> None:
            for name, count in done.items():
                if count and name not in tasks:
                    tasks[name] = bars.add_task(name, total=totals[name])
                if name in tasks:
                    bars.update(tasks[name], completed=count)

        yield show


def _bars() -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=terminal(stderr=True))


@contextlib.contextmanager
def counted(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr where a terminal watches; the function given is told what is done, of how many."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
