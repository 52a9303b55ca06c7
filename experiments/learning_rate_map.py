"""Which learning rates train a network of which depth, for sigmoid and for ReLU?

Setup   Networks of width 32 and depth 1 to 32 under PyTorch's default initialisation (sigmoid) and He's (ReLU), 24
        learning rates from 1e-3 to 1e3 (sigmoid) and 1e-4 to 1e1 (ReLU), 2 seeds: 576 networks each. Full-batch
        gradient descent on 256 handwritten digits, 150 steps. Maps of the training accuracy at the end, diverged
        networks white.
Expect  ReLU: rates between 0.03 and 0.2 fit the digits up to six layers; with depth the largest rate that trains falls,
        and the share of what is learnt within these steps as well. Sigmoid: one layer trains at rates from 0.5 to 8,
        two at about 2.5, and from three on no rate does, because each layer takes a factor of five to eight from delta:
        no single rate suits the first layer and the last.
Run     python experiments/learning_rate_map.py           # two minutes on two CPU cores; killed, it goes on from there
        python experiments/learning_rate_map.py --depths 1 4 16 --rates 8
Writes  results/learning_rate_map/: a folder of chunks and runs.csv for each activation, sigmoid and relu (.png, .svg)
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro

from vanishlab import TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.sweeps import run_and_report
from vanishlab.language.sentences import say
from vanishlab.plots import save_both, sweep_figure
from vanishlab.report import check_extra, write_report
from vanishlab.training.sweep.cells import cells_of
from vanishlab.training.sweep.grid import Grid
from vanishlab.training.sweep.plan import plan_sweep
from vanishlab.training.sweep.saved import load_sweep

INITIALIZATIONS = {"sigmoid": "torch_default", "relu": "kaiming_normal"}
RANGES = {"sigmoid": (1e-3, 1e3), "relu": (1e-4, 1e1)}


@dataclass(frozen=True)
class Options:
    depths: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 23, 32)
    """Numbers of hidden layers."""
    rates: int = 24
    """Learning rates of each activation."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds to repeat with."""
    width: int = 32
    """Units per hidden layer."""
    steps: int = 150
    """Updates."""
    max_examples: int | None = 256
    """Digits to train on; None is all of them."""
    out: Path = Path("results/learning_rate_map")
    """Folder for the runs and the pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    data = replace(load_data("digits", max_examples=options.max_examples), x_test=None, y_test=None)
    for activation, initialization in INITIALIZATIONS.items():
        rates = tuple(float(f"{rate:.3g}") for rate in np.geomspace(*RANGES[activation], options.rates))
        networks = Grid(options.depths, options.width, activation, initialization)  # pyright: ignore[reportArgumentType]
        training = TrainingConfig(rates, options.seeds, steps=options.steps, record_every=max(options.steps, 1))
        plan = plan_sweep(networks, training, data)
        folder = options.out / activation
        run_and_report(plan, folder)
        keys = {key for chunk in plan.chunks for key in chunk.keys}
        cells = cells_of(load_sweep(folder).only(keys), "learning_rate", "depth")
        figure = sweep_figure(
            say(
                "{networks} {activation} networks of width {width} after {steps} steps",
                networks=cells.runs.sum(),
                activation=activation,
                width=options.width,
                steps=options.steps,
            ),
            cells.x,
            [str(depth) for depth in cells.y],
            cells.values,
            diverged=cells.diverged,
            bounds=(0.0, 1.0),
            label=say("training accuracy, median over seeds"),
            x_label=say("learning rate"),
            y_label=say("hidden layers"),
            log_x=True,
        )
        print(*save_both(figure, options.out / activation))
    if options.report:
        folders = [options.out / name for name in INITIALIZATIONS]
        print(write_report(folders, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
