"""What does the size of the first random weights decide?

Setup   tanh and ReLU networks of 30 hidden layers, width 64, under every initialisation of the lab, three learning
        rates, two seeds, 100 updates on 512 handwritten digits.
Expect  ReLU: delta's square halves per layer under Xavier, LeCun and orthogonal weights (0.707 per layer, 3e-5 over
        30), keeps its size under Kaiming, and shrinks by 0.41 per layer under PyTorch's default. tanh: Xavier, LeCun
        and orthogonal weights keep delta within a factor of ten, Kaiming's gain of 5/3 lets it grow by about ten, and
        PyTorch's default shrinks it by 0.56 per layer.
Run     python experiments/initializations.py             # two minutes on two CPU cores
Writes  results/initializations/: ACTIVATION_INITIALIZATION.npz, delta_rms, gradient_norm (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import tyro

from vanishlab import NetworkConfig, TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.running import train_all
from vanishlab.config import ActivationName, InitializationName
from vanishlab.language.sentences import say
from vanishlab.plots import comparison, save_both
from vanishlab.report import check_extra, write_report


@dataclass(frozen=True)
class Options:
    activations: tuple[ActivationName, ...] = ("tanh", "relu")
    """Activation functions to compare."""
    initializations: tuple[InitializationName, ...] = get_args(InitializationName)
    """Initialisations to compare; orthogonal and gaussian with sigma_w = 1."""
    depth: int = 30
    """Number of hidden layers."""
    width: int = 64
    """Units per hidden layer."""
    learning_rates: tuple[float, ...] = (0.01, 0.03, 0.1)
    """Learning rates to compare."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds to repeat with."""
    steps: int = 100
    """Updates of each network."""
    max_examples: int | None = 512
    """Digits to train on; None is all of them."""
    out: Path = Path("results/initializations")
    """Folder for the records and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    training = TrainingConfig(learning_rates=options.learning_rates, seeds=options.seeds, steps=options.steps)
    variants = {
        f"{activation}_{name}": (NetworkConfig(options.depth, options.width, activation, name), training)
        for activation in options.activations
        for name in options.initializations
    }
    records = train_all(variants, load_data("digits", max_examples=options.max_examples), options.out)
    for quantity in ("delta_rms", "gradient_norm"):
        print(*save_both(comparison(records, quantity, columns=4), options.out / quantity))
    if options.report:
        paths = [options.out / f"{name}.npz" for name in records]
        print(write_report(paths, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
