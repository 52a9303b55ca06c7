"""Can a larger (or smaller) learning rate save the first layers of a deep sigmoid network?

Setup   sigmoid (Xavier initialisation) against ReLU (Kaiming), 1, 5, 20 and 50 hidden layers of width 64, five learning
        rates, two seeds; plain full-batch gradient descent on 512 of scikit-learn's handwritten digits.
Expect  sigmoid: delta falls by a factor of about 4 per layer whatever the learning rate: to 1e-13 at layer 1 of 20
        hidden layers and 2e-32 of 50, far below what a float32 sum of squares can tell from 0. One hidden layer trains;
        from 5 on the loss stays at log 10 = 2.3. ReLU: delta keeps its size within a factor of ten from end to end, and
        the learning rate decides whether the network trains or diverges.
Run     python experiments/learning_rates.py              # about a minute on two CPU cores
        python experiments/learning_rates.py --depths 3 --steps 20
Writes  results/learning_rates/: ACTIVATION_DEPTH.npz, the picture of it all, story, gradient_norm and
        delta_rms_at_start of all networks, and for the deepest ones three_curves, history, training and learning_rate
        (.png, .svg)
"""

import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tyro

from vanishlab import NetworkConfig, TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.helpers import helpers_for
from vanishlab.cli.running import save_all, train_all
from vanishlab.config import ActivationName, InitializationName
from vanishlab.language.sentences import listed, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vanishlab.data import Dataset
    from vanishlab.recording.record import Record

COLORS: dict[ActivationName, str] = {"sigmoid": "#D55E00", "relu": "#0072B2"}
INITIALIZATIONS: dict[ActivationName, InitializationName] = {"sigmoid": "xavier_normal", "relu": "kaiming_normal"}


@dataclass(frozen=True)
class Options:
    depths: tuple[int, ...] = (1, 5, 20, 50)
    """Numbers of hidden layers to compare."""
    width: int = 64
    """Units per hidden layer."""
    learning_rates: tuple[float, ...] = (0.01, 0.1, 0.3, 1.0, 3.0)
    """Learning rates to compare."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds to repeat with."""
    steps: int = 100
    """Updates of each network."""
    data: str = "digits"
    """Data set, by name or path."""
    max_examples: int | None = 512
    """Training examples to keep; None is all of them."""
    out: Path = Path("results/learning_rates")
    """Folder for the records and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def networks(options: Options) -> dict[str, NetworkConfig]:
    """Return every activation at every depth, by the name of its record."""
    return {
        f"{activation}_{depth}": NetworkConfig(depth, options.width, activation, initialization)
        for activation, initialization in INITIALIZATIONS.items()
        for depth in options.depths
    }


def story(records: "dict[str, Record]", options: Options, data: "Dataset") -> "Figure":
    """Draw what each layer of the deepest networks is told before training, and what sigmoid networks learn of it."""
    from matplotlib.figure import Figure

    from vanishlab.plots import prediction_profile
    from vanishlab.plots.axes import fit_decade_axis, mark_handles, set_rate_axis, style_axes
    from vanishlab.theory.prediction import predict

    figure = Figure(figsize=(11.0, 4.4), layout="constrained")
    told, learned = figure.subplots(1, 2, width_ratios=(1.15, 1))
    depth = max(options.depths)
    marks: set[str] = set()
    for activation, color in COLORS.items():
        record = records[f"{activation}_{depth}"]
        assert record.network is not None
        start = record.select(learning_rate=record.learning_rate[:1])  # before training no rate has had an effect
        drawn = prediction_profile(told, predict(record.network, data, progress=False), "delta_rms", start, key=False)
        for artist in (drawn.line, drawn.band, drawn.dots, *itertools.chain(*drawn.marks.values())):
            if artist is not None:
                artist.set_color(color)
        marks |= drawn.marks.keys()
        middle = len(record.layer) // 2
        height = float(np.asarray(drawn.line.get_ydata())[middle])
        name = say("{activation}, depth {depth}", activation=activation, depth=depth)
        below = activation == "sigmoid"
        told.annotate(name, (record.layer[middle], height), (8 if below else 0, -14), textcoords="offset points",
                      ha="left" if below else "center", va="top", color=color)  # fmt: skip
    fit_decade_axis([told])
    if marks:
        figure.legend(handles=mark_handles(marks), loc="outside lower left", ncols=len(marks), frameon=False)
    told.set_title(say("What each layer is told, before training"), loc="left")
    rates = np.unique(options.learning_rates)
    for place, layers in enumerate(options.depths):
        record = records[f"sigmoid_{layers}"]
        accuracy = record.over_seeds(record.at_end(record.accuracy))
        shade = 1.0 - 0.6 * place / len(options.depths)
        learned.plot(accuracy.learning_rate, accuracy.median, "o-", color=COLORS["sigmoid"], alpha=shade, linewidth=2)
    learned.set_ylim(0.0, 1.0)
    set_rate_axis(learned, rates)
    style_axes(learned)
    for height, layers in _ends(records, options.depths):
        words = say("{depth} sigmoid layer" if layers == "1" else "{depth} sigmoid layers", depth=layers)
        # beyond the end, where no curve is
        learned.annotate(words, (rates[-1], height), (10, 0), textcoords="offset points", va="center",
                         color=COLORS["sigmoid"])  # fmt: skip
    learned.set_ylabel(say("training accuracy"))
    learned.set_title(say("What sigmoid networks learn in {steps} steps", steps=options.steps), loc="left")
    return figure


def _ends(records: "dict[str, Record]", depths: tuple[int, ...]) -> list[tuple[float, str]]:
    """Return where the curves of accuracy end at the right, with the depths of those that end there."""
    ends: list[tuple[float, list[int]]] = []
    for depth in depths:
        record = records[f"sigmoid_{depth}"]
        height = float(record.over_seeds(record.at_end(record.accuracy)).median[-1])
        if np.isnan(height):
            continue
        near = next((known for end, known in ends if abs(end - height) < 0.05), None)
        if near is None:
            ends.append((height, [depth]))
        else:
            near.append(depth)
    return [(height, listed(map(str, known))) for height, known in ends]


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        from vanishlab.report import check_extra

        check_extra()
    training = TrainingConfig(learning_rates=options.learning_rates, seeds=options.seeds, steps=options.steps)
    named = networks(options)
    variants = {name: (network, training) for name, network in named.items()}
    with helpers_for(variants, options.max_examples) as helpers:  # they start while this process imports the rest
        data = load_data(options.data, max_examples=options.max_examples)
        records = train_all(variants, data, options.out, helpers)
        from vanishlab.plots import (
            comparison,
            history_figure,
            learning_rate_figure,
            save_both,
            three_curves,
            training_figure,
        )

        columns = len(options.depths)
        titled = {
            say("{activation}, depth {depth}", activation=network.activation, depth=network.depth): records[name]
            for name, network in named.items()
        }
        figures = {
            "delta_rms_at_start": partial(comparison, titled, "delta_rms", 0, columns=columns),
            "gradient_norm": partial(comparison, titled, "gradient_norm", columns=columns),
        }
        for activation in INITIALIZATIONS:
            name = f"{activation}_{max(options.depths)}"
            figures |= {
                f"{name}_three_curves": partial(three_curves, records[name], 0),
                f"{name}_history": partial(history_figure, records[name]),
                f"{name}_training": partial(training_figure, records[name], chance=1 / data.num_classes),
                f"{name}_learning_rate": partial(learning_rate_figure, records[name]),
            }
        print(*save_both(story(records, options, data), options.out / "story"))
        save_all({options.out / name: draw for name, draw in figures.items()}, helpers)
    if options.report:
        from vanishlab.report import write_report

        paths = [options.out / f"{name}.npz" for name in records]
        print(write_report(paths, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
