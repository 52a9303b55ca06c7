"""Which remedy mends a sigmoid network of 20 layers that does not train, and by how much?

Setup   the patient: 20 hidden sigmoid layers, width 64, PyTorch's default initialisation. Each remedy changes one thing
        (or the two that belong together); every one gets the same five learning rates, two seeds and 100 updates on 512
        handwritten digits. The league table takes, for each remedy, the learning rate with the lowest final loss.
Expect  what works on the optimiser alone (warm-up, momentum, clipping, Adam, normalised gradients) leaves delta's ratio
        near 1e-18 or below and the accuracy at chance. A mere rescaling of the signal (initialisation, layer and RMS
        norm) does too, although the ratio gains many orders of magnitude. What lets the examples stay apart and the
        gradient pass (SELU, tanh or ReLU with their initialisations, batch norm, residual connections) trains.
Run     python experiments/remedies.py                    # about three minutes on two CPU cores
Writes  results/remedies/: NAME.npz, league.png, league.svg
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from matplotlib.figure import Figure

from vanishlab import NetworkConfig, Record, TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.running import train_all
from vanishlab.cli.tables import print_table
from vanishlab.language.sentences import listed, say
from vanishlab.plots import save_both
from vanishlab.report import check_extra, write_report

COLUMNS = ("remedy", "best learning rate", "test accuracy", "loss", "first/last delta at start", "at end")


@dataclass(frozen=True)
class Options:
    depth: int = 20
    """Number of hidden layers of the patient."""
    width: int = 64
    """Units per hidden layer."""
    learning_rates: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    """Learning rates that each remedy may choose from."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds to repeat with."""
    steps: int = 100
    """Updates of each network."""
    max_examples: int | None = 512
    """Digits to train on; None is all of them."""
    out: Path = Path("results/remedies")
    """Folder for the records and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def remedies(patient: NetworkConfig, plain: TrainingConfig) -> dict[str, tuple[NetworkConfig, TrainingConfig]]:
    """Return the patient and the patient with each remedy, by name."""
    warmup = max(plain.steps // 5, 1)
    networks = {
        "none (the patient)": patient,
        "initialisation: Xavier": replace(patient, initialization="xavier_normal"),
        "initialisation: orthogonal, 4 Q": replace(patient, initialization="orthogonal", sigma_w=4.0),
        "activation: tanh, Xavier": replace(patient, activation="tanh", initialization="xavier_normal"),
        "activation: ReLU, Kaiming": replace(patient, activation="relu", initialization="kaiming_normal"),
        "activation: SELU, LeCun": replace(patient, activation="selu", initialization="lecun_normal"),
        "normalisation: batch": replace(patient, normalization="batch"),
        "normalisation: layer": replace(patient, normalization="layer"),
        "normalisation: RMS": replace(patient, normalization="rms"),
        "residual: plain": replace(patient, residual="plain"),
        "residual: learned from 0": replace(patient, residual="learned"),
        "residual + layer norm": replace(patient, residual="plain", normalization="layer"),
    }
    trainings = {
        "schedule: linear warm-up": replace(plain, schedule="linear_warmup", warmup_steps=warmup),
        "schedule: cosine": replace(plain, schedule="cosine"),
        "momentum 0.9": replace(plain, momentum=0.9),
        "optimiser: Adam": replace(plain, optimizer="adam"),
        "clipping to norm 1": replace(plain, clip_norm=1.0),
        "gradient normalised per layer": replace(plain, normalize_gradients=True),
    }
    return {name: (network, plain) for name, network in networks.items()} | {
        name: (patient, training) for name, training in trainings.items()
    }


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    plain = TrainingConfig(learning_rates=options.learning_rates, seeds=options.seeds, steps=options.steps)
    named = remedies(NetworkConfig(options.depth, options.width), plain)
    data = load_data("digits", max_examples=options.max_examples)
    records = train_all({file_name(name): variant for name, variant in named.items()}, data, options.out)
    league = sorted((league_row(name, records[file_name(name)]) for name in named), key=lambda row: -row[2])
    title = say("league table: medians over seeds at each remedy's best learning rate")
    print_table(title, [say(column) for column in COLUMNS], [[say(row[0]), *row[1:]] for row in league])
    print(*save_both(draw(league, chance=1 / data.num_classes), options.out / "league"))
    if options.report:
        paths = [options.out / f"{name}.npz" for name in records]
        print(write_report(paths, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


def file_name(name: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())


def league_row(name: str, record: Record) -> list:
    ratio = record.first_last_ratio("delta_rms")  # (run, step)
    loss = record.over_seeds(record.at_end(record.loss))
    # A learning rate of which a run diverged is no remedy, whatever the loss was before.
    usable = record.over_seeds(record.diverged.astype(float)).high == 0
    best = int(np.argmin(np.where(usable & np.isfinite(loss.median), loss.median, np.inf)))
    columns = (record.test_accuracy[:, -1], record.at_end(record.loss), ratio[:, 0], record.at_end(ratio))
    return [name, float(loss.learning_rate[best]), *(float(record.over_seeds(c).median[best]) for c in columns)]


def undrawn(ratio: float) -> str:
    """Return why a ratio has no place on a log axis, nothing where it has one."""
    if ratio == 0:
        return say("0 in float32 (below 1e-45)")
    return "" if np.isfinite(ratio) and ratio > 0 else say("diverged")


def draw(league: list[list], chance: float) -> Figure:
    figure = Figure(figsize=(11, 0.34 * len(league) + 1.8), layout="constrained")
    accuracy, delta = figure.subplots(1, 2, sharey=True)
    place = np.arange(len(league))[::-1]
    accuracy.barh(place, [row[2] for row in league], color="#0072B2")
    accuracy.axvline(chance, color="black", linestyle=":", label=say("chance; level delta"))
    accuracy.set(xlabel=say("test accuracy"), xlim=(0, 1), yticks=place, yticklabels=[say(row[0]) for row in league])
    marks = {"delta at start": {"marker": "o", "markersize": 11, "markerfacecolor": "none", "color": "#D55E00"},
             "delta at end": {"marker": "D", "markersize": 5, "color": "#009E73"}}  # fmt: skip
    for column, (label, mark) in enumerate(marks.items(), start=4):
        values = np.array([row[column] for row in league])
        shown = np.isfinite(values) & (values > 0)
        delta.plot(values[shown], place[shown], linestyle="none", label=say(label), **mark)
    for height, row in zip(place, league, strict=True):
        words = listed(dict.fromkeys(filter(None, map(undrawn, row[4:]))))
        # Beside the axis, where a dot of the same row can hardly be.
        delta.annotate(words, (0, height), (5, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                       va="center", fontsize="small", color="0.35")  # fmt: skip
    delta.axvline(1.0, color="black", linestyle=":")
    delta.set(xscale="log", xlabel=say("delta at the first layer / at the last"))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(say("What mends a sigmoid network that does not train"))
    return figure


if __name__ == "__main__":
    run(main)
