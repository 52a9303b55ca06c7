"""The `vanishlab` command: parse, call, print."""

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.console import RATE_COLUMNS, output_folder, print_table, rate_rows, run, train_and_save

if TYPE_CHECKING:
    from vanishlab.record import Record

_DESCRIPTION = "A lab for the vanishing-gradient problem: train deep MLPs by gradient descent and look at every layer."


def main() -> None:
    """Run the command line."""
    run({"train": train_command, "plot": plot_command}, description=_DESCRIPTION)


def train_command(
    network: tyro.conf.OmitArgPrefixes[NetworkConfig],
    training: tyro.conf.OmitArgPrefixes[TrainingConfig],
    data: str = "digits",
    max_examples: int | None = None,
    out: Path = Path("results/train"),
) -> None:
    """Train one network per learning rate and seed, record every layer, and draw what was recorded.

    Args:
        network: What is trained.
        training: How it is trained.
        data: Data set: digits, moons, spirals, gaussian_clusters, mnist, fashion_mnist, cifar10, or an .npz file.
        max_examples: Training examples to keep; None is all of them.
        out: Folder for record.npz and the pictures.
    """
    from vanishlab.data import load_data

    dataset = load_data(data, max_examples=max_examples)
    output_folder(out)
    record = train_and_save(network, training, dataset, out / "record.npz")
    print_table(f"{len(dataset.y)} examples of {dataset.name}", RATE_COLUMNS, rate_rows(record))
    _draw(record, out)


def plot_command(
    records: tyro.conf.Positional[tuple[Path, ...]],
    out: Path | None = None,
) -> None:
    """Draw the pictures of saved records again.

    Args:
        records: Record files (.npz), as `vanishlab train` writes them.
        out: Folder for the pictures; None is a folder NAME_pictures beside each record.
    """
    from vanishlab.errors import InputError
    from vanishlab.record import Record

    if not records:
        raise InputError("records must name at least one file, got none")
    loaded = {path: Record.load(path) for path in records}  # all are read before anything is drawn
    for path, record in loaded.items():
        folder = path.with_name(f"{path.stem}_pictures") if out is None else out
        if out is not None and len(loaded) > 1:
            folder = out / path.stem
        _draw(record, output_folder(folder))


def _draw(record: "Record", folder: Path) -> None:
    from vanishlab import plots

    if len(record.step) == 0:
        print("no step was recorded, so there is nothing to draw")
        return
    figures = {
        "start": plots.three_curves(record, 0),
        "end": plots.three_curves(record),
        "history": plots.history_figure(record),
        "training": plots.training_figure(record),
        "update_ratio": plots.update_ratio_figure(record),
    }
    if len(set(record.learning_rate.tolist())) > 1:
        figures["learning_rate"] = plots.learning_rate_figure(record)
    for name, figure in figures.items():
        print(*plots.save_both(figure, folder / name))
