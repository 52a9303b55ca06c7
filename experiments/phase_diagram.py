"""Which phase does an initialisation put a network in: do its gradients vanish, keep their size, or explode?

Setup   tanh networks under each named initialisation, and one on the critical line at sigma_b = 0.3; chi from theory,
        beside the factor by which the mean square of delta changes per layer in networks of 20 hidden layers, width
        256, float64, five seeds at step 0 on 64 handwritten digits.
Expect  PyTorch's default is deep in the ordered phase, Kaiming's gain of 5/3 in the chaotic one. Xavier, LeCun and
        orthogonal weights stand at (1, 0), where the critical line begins: there activations still shrink as a power of
        depth, so the measured factor is below 1, 0.88 to 0.94. Elsewhere chi is met within 2 %. Dotted in the
        picture is where examples become alike over these 20 layers, or delta explodes: PyTorch's default, of whose last
        layer 9e-9 differs between examples, .13 to .80 with the others.
Run     python experiments/phase_diagram.py               # twenty seconds on two CPU cores
        python experiments/phase_diagram.py --activation relu
Writes  results/phase_diagram/: INITIALIZATION.npz, phase_diagram (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from vanishlab import InputError, NetworkConfig, Record, TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.running import train_and_save
from vanishlab.cli.tables import print_table
from vanishlab.config import ActivationName, InitializationName
from vanishlab.files import output_folder
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import say
from vanishlab.plots import phase_figure, save_both
from vanishlab.report import check_extra, write_report
from vanishlab.theory import critical_point, mean_field, network_point, phase_diagram

COLUMNS = ("initialisation", "sigma_w", "sigma_b", "phase", "chi", "factor measured", "q_star", "6 xi_c, in layers",
           "share of the last layer that differs")  # fmt: skip


@dataclass(frozen=True)
class Options:
    activation: ActivationName = "tanh"
    """The activation function."""
    initializations: tuple[InitializationName, ...] = (
        "torch_default", "xavier_normal", "kaiming_normal", "lecun_normal", "orthogonal",
    )  # fmt: skip
    """Initialisations to place in the diagram."""
    sigma_b: float = 0.3
    """Bias scale of the network on the critical line, where the activation has one."""
    depth: int = 20
    """Number of hidden layers."""
    width: int = 256
    """Units per hidden layer."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds to repeat with."""
    max_examples: int | None = 64
    """Digits in the batch; None is all of them."""
    out: Path = Path("results/phase_diagram")
    """Folder for the records and the picture."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def measured_factor(record: Record) -> float:
    """Return the factor of delta's mean square per layer over the first half of the hidden layers, median over seeds.

    They are the last that delta reaches, and q has settled in all but the first few.
    """
    delta = record.delta_rms[:, 0]  # (seed, layer)
    layers = delta.shape[1]
    first = min(2, max(layers - 3, 0))
    last = max(layers // 2, first + 1)
    return float(np.median((delta[:, first] / delta[:, last]) ** (2 / (last - first))))


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    sizes = options.depth, options.width, options.activation
    networks = {name: NetworkConfig(*sizes, name, dtype="float64") for name in options.initializations}
    try:
        sigma_w = critical_point(options.activation, options.sigma_b).sigma_w
        networks["critical"] = NetworkConfig(*sizes, "gaussian", sigma_w, options.sigma_b, dtype="float64")
    except InputError as refusal:
        print(in_words(refusal))
    training = TrainingConfig(seeds=options.seeds, steps=0)
    data = load_data("digits", max_examples=options.max_examples)
    output_folder(options.out)
    rows: list[list[object]] = []
    points = {name: network_point(network) for name, network in networks.items()}
    for name, network in networks.items():
        record = train_and_save(network, training, data, options.out / f"{name}.npz", name)
        theory: list[object] = [say("variance without bound"), "", measured_factor(record), "", ""]
        try:
            field = mean_field(options.activation, *points[name])
            theory = [say(field.phase), field.chi, measured_factor(record), field.q_star, 6 * field.xi_c]
        except InputError as refusal:
            print(in_words(refusal))
        rows.append([name, *points[name], *theory, float(np.median(record.distinct_share[:, 0, -2]))])
    title = say("{activation}, width {width}", activation=options.activation, width=options.width)
    print_table(title, [say(column) for column in COLUMNS], rows)
    diagram = phase_diagram(
        options.activation, around=(max(w for w, _ in points.values()), max(b for _, b in points.values()))
    )
    shown = {say("critical") if name == "critical" else name: point for name, point in points.items()}
    print(*save_both(phase_figure(diagram, shown, depth=options.depth), options.out / "phase_diagram"))
    if options.report:
        paths = [options.out / f"{name}.npz" for name in networks]
        print(write_report(paths, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
