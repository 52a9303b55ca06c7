"""How deep a tanh network can be trained, and does theory's depth scale know it beforehand?

Setup   tanh networks of depth 2 to 60 and width 64, Gaussian weights with 35 values of sigma_w from 0.8 to 4.0 and
        sigma_b^2 = 0.05, one seed: 1,050 networks. Full-batch gradient descent on 64 handwritten digits, 100 steps at
        one learning rate for all. A map of the training accuracy at the end, over it 6 xi_c: xi_c is the number of
        layers in which the correlation of two inputs comes nearer to its fixed point by e; Schoenholz et al. (2017,
        arXiv:1611.01232) found that networks train up to about six times that depth.
Expect  Networks train in a wedge around sigma_w = 1.3, where xi_c is largest. On its left, in the ordered phase, the
        border lies on the curve; on its right, in the chaotic phase, at about half of it: one learning rate for all is
        too large for gradients that grow with depth. (At width 64; theory is of infinite width.)
Run     python experiments/trainability.py                # four minutes on two CPU cores; killed, it goes on from there
        python experiments/trainability.py --depths 5 20 50 --sigma-w 1.0 1.5 2.0
Writes  results/trainability/: the sweep's chunks, runs.csv, trainability (.png, .svg)
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
from vanishlab.theory import mean_field
from vanishlab.training.sweep.cells import cells_of
from vanishlab.training.sweep.grid import Grid
from vanishlab.training.sweep.plan import plan_sweep
from vanishlab.training.sweep.saved import load_sweep

SIGMA_B = 0.05**0.5


@dataclass(frozen=True)
class Options:
    depths: tuple[int, ...] = tuple(range(2, 61, 2))
    """Numbers of hidden layers."""
    sigma_w: tuple[float, ...] = tuple(np.linspace(0.8, 4.0, 35).round(3).tolist())
    """Weight scales."""
    width: int = 64
    """Units per hidden layer."""
    learning_rate: float = 0.03
    """The one learning rate."""
    steps: int = 100
    """Updates."""
    max_examples: int | None = 64
    """Digits to train on; None is all of them."""
    out: Path = Path("results/trainability")
    """Folder for the runs and the picture."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    networks = Grid(options.depths, (options.width,), ("tanh",), ("gaussian",), options.sigma_w, (SIGMA_B,))
    training = TrainingConfig((options.learning_rate,), (0,), steps=options.steps, record_every=max(options.steps, 1))
    data = replace(load_data("digits", max_examples=options.max_examples), x_test=None, y_test=None)
    plan = plan_sweep(networks, training, data)
    run_and_report(plan, options.out)
    keys = {key for chunk in plan.chunks for key in chunk.keys}
    cells = cells_of(load_sweep(options.out).only(keys), "sigma_w", "depth")
    scales = np.linspace(min(options.sigma_w), max(options.sigma_w), 200)
    depth_scales = [6.0 * mean_field("tanh", float(scale), SIGMA_B).xi_c for scale in scales]
    figure = sweep_figure(
        say(
            "{networks} {activation} networks of width {width} after {steps} steps",
            networks=cells.runs.sum(),
            activation="tanh",
            width=options.width,
            steps=options.steps,
        ),
        cells.x,
        cells.y,
        cells.values,
        diverged=cells.diverged,
        bounds=(0.0, 1.0),
        curves={say("6 xi_c, theory"): (scales, np.array(depth_scales))},
        label=say("training accuracy"),
        x_label="sigma_w",
        y_label=say("hidden layers"),
    )
    print(*save_both(figure, options.out / "trainability"))
    if options.report:
        print(write_report(options.out, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
