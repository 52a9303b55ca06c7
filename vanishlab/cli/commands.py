"""The commands of `vanishlab`, a function each: what is given on the command line, done and printed."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import tyro

from vanishlab.cli.console import run
from vanishlab.cli.pictures import (
    draw_record,
    draw_report,
    draw_theory,
    pictures_of_record,
    pictures_of_theory,
)
from vanishlab.cli.running import first_batch, predict_behind_status, train_and_save
from vanishlab.cli.settings import NAME as SETTINGS
from vanishlab.cli.settings import SweptTraining, given_settings, write_settings
from vanishlab.cli.tables import print_table, rate_columns, rate_rows
from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.data import DATA_NAMES
from vanishlab.errors import InputError
from vanishlab.files import output_folder
from vanishlab.language.sentences import listed, say, spoken
from vanishlab.training.sweep.grid import Grid
from vanishlab.version import __version__

_DataName = Annotated[str, tyro.conf.arg(help=f"Data set: {', '.join(DATA_NAMES)}, or an .npz file.")]
_Config = Annotated[
    Path | None, tyro.conf.arg(help="A run.toml, as this command leaves one: its values instead of the defaults.")
]
_MOST_SEEDS = 1_000_000  # of a sweep; a range of more would not fit into memory before anybody could say so
_DESCRIPTION = (
    "A lab for the vanishing-gradient problem: train deep MLPs, look at every layer, predict it beforehand. "
    "`vanishlab --version` prints the version."
)


def main() -> None:
    """Run the command line."""
    commands = {
        "train": train_command,
        "sweep": sweep_command,
        "predict": predict_command,
        "plot": plot_command,
        "report": report_command,
        "examine": examine_command,
        "playground": playground_command,
    }
    run(commands, description=_DESCRIPTION, version=f"vanishlab {__version__}", defaults=given_settings)


def train_command(
    network: tyro.conf.OmitArgPrefixes[NetworkConfig],
    training: tyro.conf.OmitArgPrefixes[TrainingConfig],
    data: _DataName = "digits",
    max_examples: int | None = None,
    out: Path = Path("results/train"),
    report: bool = False,
    config: _Config = None,
) -> None:
    """Train one network per learning rate and seed, record every layer, and draw what was recorded.

    Args:
        network: What is trained.
        training: How it is trained.
        max_examples: Training examples to keep; None is all of them.
        out: Folder for record.npz, run.toml and the pictures.
        report: Also write report.html there, as `vanishlab report` does.
    """
    from vanishlab.data import load_data
    from vanishlab.report import check_extra
    from vanishlab.training.loop import check_training

    if report:
        check_extra()
    dataset = load_data(data, max_examples=max_examples)
    check_training(network, training, dataset)
    pictures = pictures_of_record(len(training.learning_rates))
    output_folder(out, "record.npz", SETTINGS, *pictures, *(["report.html"] if report else []))
    write_settings(out / SETTINGS, dataset, training, network=network)
    record = train_and_save(network, training, dataset, out / "record.npz", say("training"))
    counted = say("{examples} examples of {data}", examples=len(dataset.y), data=dataset.name)
    print_table(counted, rate_columns(), rate_rows(record))
    draw_record(record, out)
    if report:
        draw_report([out / "record.npz"], out / "report.html")


def predict_command(
    network: tyro.conf.OmitArgPrefixes[NetworkConfig],
    training: tyro.conf.OmitArgPrefixes[TrainingConfig],
    data: _DataName = "digits",
    max_examples: int | None = None,
    measure: bool = False,
    out: Path = Path("results/predict"),
    config: _Config = None,
) -> None:
    """Predict every layer at step 0 without building a network, from the flags of `vanishlab train`.

    Args:
        network: What is predicted.
        training: The flags of `vanishlab train`; loss and batch_size matter here, seeds and device with --measure.
        max_examples: Training examples to keep, at most 4096; None is all of them.
        measure: Also build the networks of all seeds, and draw what they show at step 0 beneath the theory.
        out: Folder for prediction.csv, run.toml and the pictures, and with --measure record.npz.
    """
    from vanishlab.cli.predictions import layer_table, phase_text, rate_text, spread_text, write_layers
    from vanishlab.data import load_data

    loaded = load_data(data, max_examples=max_examples)
    dataset = first_batch(loaded, training.batch_size)
    output_folder(out, "prediction.csv", SETTINGS, *pictures_of_theory(), *(["record.npz"] if measure else []))
    prediction = predict_behind_status(network, dataset, training.loss)
    write_settings(out / SETTINGS, loaded, training, network=network)
    record = None
    if measure:
        start = replace(training, learning_rates=training.learning_rates[:1], steps=0, batch_size=None, record_every=1)
        record = train_and_save(network, start, dataset, out / "record.npz", say("measuring"))
    columns, rows = layer_table(prediction, record)
    batch = say("{examples} examples of {data}", examples=prediction.examples, data=prediction.data_name)
    print_table(listed([batch, prediction.loss]), columns, rows)
    if len(rows) < len(prediction.layer):
        layers = len(prediction.layer)
        print(say("{shown} of {layers} layers; all of them are in the file", shown=len(rows), layers=layers))
    print(spread_text(), phase_text(network), rate_text(prediction), sep="\n")
    print(write_layers(prediction, out / "prediction.csv"))
    draw_theory(prediction, record, out)


def sweep_command(
    grid: tyro.conf.OmitArgPrefixes[Grid],
    training: tyro.conf.OmitArgPrefixes[SweptTraining],
    seeds: int = 1,
    data: _DataName = "digits",
    max_examples: int | None = None,
    out: Path = Path("results/sweep"),
    workers: int | None = None,
    chunk_runs: int | None = None,
    dask: str | None = None,
    report: bool = False,
    config: _Config = None,
) -> None:
    """Train every combination of the values given; what is finished in the folder is not done again.

    Args:
        grid: What is trained: every field takes several values.
        training: How it is trained.
        seeds: Number of seeds, 0 to N - 1 (`vanishlab train` takes the seeds themselves).
        max_examples: Training examples to keep; None is all of them.
        out: Folder for the chunks, runs.csv, run.toml, and what failed; an interrupted sweep goes on from there.
        workers: Processes of this machine; None is one per core where the work is worth it.
        chunk_runs: Runs trained side by side; None is chosen by cache (CPU) or memory (GPU).
        dask: Address of a Dask scheduler, such as tcp://10.0.0.1:8786; its workers train instead of this machine.
        report: Also write report.html into the folder, of everything that is finished there.
    """
    from vanishlab.cli.sweeps import check_folder, dask_executor, run_and_report
    from vanishlab.data import load_data
    from vanishlab.errors import check_integer
    from vanishlab.report import check_extra
    from vanishlab.training.sweep.memory import check_chunks
    from vanishlab.training.sweep.plan import plan_sweep

    if report:
        check_extra()
    training = replace(training, seeds=tuple(range(check_integer("seeds", seeds, 1, _MOST_SEEDS))))
    dataset = load_data(data, max_examples=max_examples)
    plan = plan_sweep(grid, training, dataset, chunk_runs=chunk_runs, workers=workers)
    if dask is None:
        check_chunks(plan.chunks, plan.data, plan.workers)
    check_folder(out)
    output_folder(out, *(["report.html"] if report else []))
    write_settings(out / SETTINGS, dataset, training, seeds=seeds, grid=grid)
    with dask_executor(dask) as executor:
        run_and_report(plan, out, executor)
    if report:
        draw_report([out], out / "report.html")


def plot_command(
    records: tyro.conf.Positional[tuple[Path, ...]],
    out: Path | None = None,
) -> None:
    """Draw the pictures of saved records again.

    Args:
        records: Record files (.npz), as `vanishlab train` writes them.
        out: Folder for the pictures; None is a folder NAME_pictures beside each record.
    """
    from vanishlab.recording.record import Record

    if not records:
        raise InputError("records must name at least one file, got none")
    loaded = {path: Record.load(path) for path in records}  # all are read before anything is drawn
    folders: dict[Path, Record] = {}
    for path, record in loaded.items():
        folder = path.with_name(f"{path.stem}_pictures") if out is None else out
        if out is not None and len(loaded) > 1:
            folder = out / path.stem
        if folder in folders:
            raise InputError(f"records must have names of their own, got {path.stem!r} twice")
        folders[folder] = record
    for folder, record in folders.items():
        output_folder(folder, *pictures_of_record(len(set(record.learning_rate.tolist()))))
    for folder, record in folders.items():
        draw_record(record, folder)


def report_command(
    paths: tyro.conf.Positional[tuple[Path, ...]],
    out: Path = Path("report.html"),
) -> None:
    """Write one HTML file that shows records and sweeps, opens offline, and can be mailed.

    Args:
        paths: Record files (.npz), folders of them, and folders of sweeps.
        out: The file.
    """
    draw_report(list(paths), out)


def examine_command(
    factory: tyro.conf.Positional[str],
    batch: Path | None = None,
    seed: int = 0,
    remedies: bool = False,
    learning_rate: float = 0.05,
    steps: int = 30,
    out: Path = Path("results/examine"),
) -> None:
    """Import and RUN your code to get a model, its loss and a batch, and say which layers get no gradient, and why.

    Args:
        factory: PACKAGE.MODULE:FACTORY, a function without arguments that returns (model, loss_fn, batch), or with
            --batch (model, loss_fn). Its module is imported from the current folder or the environment.
        batch: An .npz file with arrays x and y to use instead of the factory's batch.
        seed: Seed of torch before the factory is called.
        remedies: Also try every remedy on copies of the model, each trained for some steps.
        learning_rate: Learning rate of these trials.
        steps: Steps of each trial.
        out: Folder for record.npz and the picture of the three curves.
    """
    from vanishlab import plots
    from vanishlab.analysis.examine import conclude_with_code, evidence_of_batch, with_modes
    from vanishlab.analysis.remedies.trial import try_remedies
    from vanishlab.cli.user_code import UserCode

    print(say("importing and running {factory}", factory=factory))
    code = UserCode(factory, batch, seed)
    output_folder(out, "record.npz", "three_curves.png", "three_curves.svg")
    model, loss_fn, one = code.call()
    with code.at_work(loss_fn, one):
        evidence, record = evidence_of_batch(model, loss_fn, one)
        evidence = with_modes(evidence, model, loss_fn, one)
    print(conclude_with_code(evidence, model))
    record.save(out / "record.npz")
    print(*plots.save_both(plots.three_curves(record), out / "three_curves"))
    if remedies:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the table says it too
            print(try_remedies(code.model, loss_fn, [one], learning_rate=learning_rate, steps=steps))


def playground_command(
    host: str = "127.0.0.1",
    port: int = 2718,
    browser: bool = True,
) -> None:
    """Open a page in the browser that trains, predicts and draws whenever a slider moves; it has seven short lessons.

    Args:
        host: Address to serve at; 127.0.0.1 is for this machine only.
        port: Port to serve at.
        browser: Whether to open the page; its address is printed in any case.
    """
    from vanishlab.playground.serve import serve

    serve(host, port, spoken(), browser=browser)
