"""How fast does the gradient fall as a sigmoid network gets deeper?

Setup   sigmoid networks of 1 to 50 hidden layers, width 64, PyTorch's default initialisation, five seeds, in float64
        (in float32 the gradient is lost on the way from about layer 40 down); 512 handwritten digits, 50 updates.
Expect  exponentially: each layer multiplies delta by sigmoid's slope (at most 1/4) and the weights' size (variance
        1 / (3 * 64), times 64 of them): at most 0.577 / 4 = 0.144 per layer, whatever the depth.
Run     python experiments/depth.py                       # half a minute on two CPU cores
Writes  results/depth/: sigmoid_DEPTH.npz, delta_rms, gradient_norm (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from vanishlab import NetworkConfig, TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.running import train_all
from vanishlab.cli.tables import print_table
from vanishlab.config import ActivationName, InitializationName
from vanishlab.language.sentences import say
from vanishlab.plots import comparison, save_both
from vanishlab.report import check_extra, write_report

COLUMNS = ("depth", "median", "lowest", "highest")


@dataclass(frozen=True)
class Options:
    depths: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    """Numbers of hidden layers to compare."""
    width: int = 64
    """Units per hidden layer."""
    activation: ActivationName = "sigmoid"
    """The activation function."""
    initialization: InitializationName = "torch_default"
    """How weights are drawn."""
    learning_rate: float = 0.1
    """The learning rate."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds to repeat with."""
    steps: int = 50
    """Updates of each network."""
    max_examples: int | None = 512
    """Digits to train on; None is all of them."""
    out: Path = Path("results/depth")
    """Folder for the records and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    training = TrainingConfig(learning_rates=(options.learning_rate,), seeds=options.seeds, steps=options.steps)
    variants = {
        f"{options.activation}_{depth}": (
            NetworkConfig(depth, options.width, options.activation, options.initialization, dtype="float64"),
            training,
        )
        for depth in options.depths
    }
    records = train_all(variants, load_data("digits", max_examples=options.max_examples), options.out)
    rows = []
    for depth, record in zip(options.depths, records.values(), strict=True):
        if depth > 1:
            # From the last hidden layer to the first there are depth - 1 factors; the readout's delta has no phi.
            factors = (record.delta_rms[:, 0, 0] / record.delta_rms[:, 0, -2]) ** (1 / (depth - 1))  # (run,)
            rows.append([depth, float(np.median(factors)), float(factors.min()), float(factors.max())])
    title = say("factor of delta per hidden layer, at the start")
    print_table(title, [say(column) for column in COLUMNS], rows)
    titled = {
        say("{activation}, depth {depth}", activation=network.activation, depth=network.depth): records[name]
        for name, (network, _) in variants.items()
    }
    for quantity in ("delta_rms", "gradient_norm"):
        print(*save_both(comparison(titled, quantity), options.out / quantity))
    if options.report:
        paths = [options.out / f"{name}.npz" for name in records]
        print(write_report(paths, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
