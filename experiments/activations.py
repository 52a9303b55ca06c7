"""Which activation functions let the gradient through, and do their networks train?

Setup   every activation of the lab in 20 hidden layers of width 64, weights from Kaiming's rule with the activation's
        own gain, three learning rates, two seeds, 100 updates on 512 handwritten digits.
Expect  sigmoid and softplus push all activations to one side: their networks do not train. ReLU and its relatives keep
        delta within a factor of a few at the start; saturating functions (tanh, hardtanh, softsign, erf) do as long as
        the gain keeps them out of saturation.
Run     python experiments/activations.py                 # about a minute on two CPU cores
Writes  results/activations/: ACTIVATION.npz, delta_rms, activation_rms (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import tyro

from vanishlab import NetworkConfig, TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.running import train_all
from vanishlab.config import ActivationName, InitializationName
from vanishlab.plots import comparison, save_both
from vanishlab.report import check_extra, write_report


@dataclass(frozen=True)
class Options:
    activations: tuple[ActivationName, ...] = get_args(ActivationName)
    """Activation functions to compare."""
    depth: int = 20
    """Number of hidden layers."""
    width: int = 64
    """Units per hidden layer."""
    initialization: InitializationName = "kaiming_normal"
    """How weights are drawn."""
    learning_rates: tuple[float, ...] = (0.01, 0.03, 0.1)
    """Learning rates to compare."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds to repeat with."""
    steps: int = 100
    """Updates of each network."""
    max_examples: int | None = 512
    """Digits to train on; None is all of them."""
    out: Path = Path("results/activations")
    """Folder for the records and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    training = TrainingConfig(learning_rates=options.learning_rates, seeds=options.seeds, steps=options.steps)
    variants = {
        activation: (NetworkConfig(options.depth, options.width, activation, options.initialization), training)
        for activation in options.activations
    }
    records = train_all(variants, load_data("digits", max_examples=options.max_examples), options.out)
    for quantity in ("delta_rms", "activation_rms"):
        print(*save_both(comparison(records, quantity, columns=4), options.out / quantity))
    if options.report:
        paths = [options.out / f"{name}.npz" for name in records]
        print(write_report(paths, options.out / "report.html", title=str(__doc__).splitlines()[0]))


if __name__ == "__main__":
    run(main)
