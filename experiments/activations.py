"""Which activation functions let the gradient through, and do their networks train?

Setup   every activation of the lab in 20 hidden layers of width 64, weights from Kaiming's rule with the activation's
        own gain, three learning rates, two seeds, 100 updates on 512 handwritten digits.
Expect  sigmoid and softplus push all activations to one side: their networks do not train. ReLU and its relatives keep
        delta within a factor of a few at the start; saturating functions (tanh, hardtanh, softsign, erf) do as long as
        the gain keeps them out of saturation.
Run     python experiments/activations.py                 # about a minute on two CPU cores
Writes  results/activations/: ACTIVATION.npz, delta_rms, activation_rms, shapes (.png, .svg); shapes are phi and phi',
        with the share of its inputs that the untrained network puts where phi is flat
"""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import tyro
from matplotlib.figure import Figure

from vanishlab import NetworkConfig, Record, TrainingConfig, load_data
from vanishlab.activations import ACTIVATIONS
from vanishlab.cli.console import run
from vanishlab.cli.running import train_all
from vanishlab.config import ActivationName, InitializationName
from vanishlab.language.sentences import say
from vanishlab.plots import comparison, save_both
from vanishlab.report import check_extra, write_report

REACH = 5.0
"""The shapes are drawn for inputs up to this size."""


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


def draw_shapes(records: dict[str, Record]) -> Figure:
    """Return phi and phi' of each network's activation, the flat part grey, and how much of its inputs lies there."""
    columns = min(len(records), 5)
    rows = -(-len(records) // columns)
    figure = Figure(figsize=(2.7 * columns + 0.4, 2.3 * rows + 1.0), layout="constrained")
    axes = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    u = np.linspace(-REACH, REACH, 1001)
    for ax, (name, record) in zip(axes, records.items(), strict=False):
        phi = ACTIVATIONS[name]
        for low, high in ((-REACH, phi.saturated_below), (phi.saturated_above, REACH)):
            if low < high:
                ax.axvspan(low, high, color="0.9", linewidth=0)
        ax.plot(u, phi.phi(u), color="#0072B2", label="φ")
        ax.plot(u, phi.slope(u), color="#D55E00", linestyle="--", label="φ'")
        share = float(np.median(record.saturated_fraction[:, 0, :-1]))
        sentence = "{share:.1%} of units dead" if phi.can_die else "{share:.1%} of inputs where it is flat"
        ax.set_title(f"{name}\n{say(sentence, share=share)}", fontsize="small")
        ax.set(xlim=(-REACH, REACH), ylim=(-1.8, 3.2))
        ax.grid(color="0.92", linewidth=0.6)
    for place, ax in enumerate(axes):
        if place >= len(records):
            ax.set_axis_off()
        elif place + columns >= len(records):  # nothing stands below, so the axis is told here
            ax.tick_params(labelbottom=True)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(say("Activations, their slopes, and what an untrained network makes of them"))
    return figure


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
    print(*save_both(draw_shapes(records), options.out / "shapes"))
    if options.report:
        paths = [options.out / f"{name}.npz" for name in records]
        print(write_report(paths, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
