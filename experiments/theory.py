"""Does theory know the gradients before the network exists?

Setup   three networks of 50 hidden layers, width 64, in float64: sigmoid with PyTorch's default initialisation, ReLU
        with Kaiming's, tanh on its critical line (sigma_b = 0.3); 20 seeds at step 0 on 256 handwritten digits. Theory
        takes the configs and the digits, and never sees a weight.
Expect  the line through the dots, over the 43 decades that sigmoid's gradient loses on its way from the readout to
        layer 1: there the two differ by a factor of 1.3. Theory is exact for infinite width, and off by the order of
        depth / width: at width 64, ReLU's gradients are up to 1.7 times the predicted ones, and 9 % of their dots and
        29 % of delta's lie outside the band; at --width 1024 --seeds 6 --max-examples 64 they are at most 1.1 times the
        predicted ones, and every dot of ReLU is in the band.
Run     python experiments/theory.py                      # half a minute on two CPU cores
Writes  results/theory/: NAME.npz and, for each network, NAME (.png, .svg)
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from vanishlab import NetworkConfig, Prediction, Record, TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.running import predict_behind_status, train_and_save
from vanishlab.cli.tables import print_table
from vanishlab.files import output_folder
from vanishlab.language.numbers import power_of_ten
from vanishlab.language.sentences import say
from vanishlab.plots import prediction_figure, save_both
from vanishlab.report import check_extra, write_report
from vanishlab.theory import critical_point

QUANTITIES = ("activation_rms", "delta_rms", "gradient_norm")
COLUMNS = ("network", "quantity", "layer 1, predicted", "measured", "decades from layer 1 to the readout",
           "mean log ratio, worst layer", "its standard error", "dots in the band")  # fmt: skip


@dataclass(frozen=True)
class Options:
    depth: int = 50
    """Number of hidden layers."""
    width: int = 64
    """Units per hidden layer."""
    sigma_b: float = 0.3
    """Bias scale of the tanh network, whose weights are then critical."""
    seeds: int = 20
    """Networks of each kind to measure."""
    max_examples: int | None = 256
    """Digits in the batch; None is all of them."""
    out: Path = Path("results/theory")
    """Folder for the records and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def compare(name: str, prediction: Prediction, record: Record) -> list[list[object]]:
    """Return a row per quantity: the log ratio of measurement to the typical prediction, over seeds."""
    rows: list[list[object]] = []
    for quantity in QUANTITIES:
        typical = prediction.log10_typical(quantity) * math.log(10)  # (layer,)
        spread = getattr(prediction, f"{quantity.split('_')[0]}_log_spread")
        ratio = np.log(record.layer_quantity(quantity)[:, 0]) - typical  # (seed, layer)
        worst = int(np.abs(ratio.mean(axis=0)).argmax())
        error = float(ratio[:, worst].std(ddof=1)) / math.sqrt(len(ratio))
        first, last = typical[0] / math.log(10), typical[-1] / math.log(10)
        measured = power_of_ten(first + float(ratio[:, 0].mean()) / math.log(10))
        inside = f"{float((np.abs(ratio) <= 2 * spread).mean()):.0%}"
        rows.append([name, quantity, power_of_ten(first), measured, float(last - first),
                     f"{ratio.mean(axis=0)[worst]:+.3f} (layer {worst + 1})", error, inside])  # fmt: skip
    return rows


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    depth, width = options.depth, options.width
    critical = critical_point("tanh", options.sigma_b).sigma_w
    networks = {
        "sigmoid": NetworkConfig(depth, width, "sigmoid", "torch_default", dtype="float64"),
        "relu": NetworkConfig(depth, width, "relu", "kaiming_normal", dtype="float64"),
        "tanh": NetworkConfig(depth, width, "tanh", "gaussian", critical, options.sigma_b, dtype="float64"),
    }
    training = TrainingConfig(seeds=tuple(range(options.seeds)), steps=0)
    data = load_data("digits", max_examples=options.max_examples)
    output_folder(options.out)
    rows = []
    for name, network in networks.items():
        prediction = predict_behind_status(network, data, training.loss)
        record = train_and_save(network, training, data, options.out / f"{name}.npz", name)
        rows += compare(name, prediction, record)
        print(*save_both(prediction_figure(prediction, record), options.out / name))
    title = say(
        "{examples} examples of {data}, {seeds} seeds at step 0",
        examples=len(data.y),
        data=data.name,
        seeds=options.seeds,
    )
    print_table(title, [say(column) for column in COLUMNS], rows)
    if options.report:
        paths = [options.out / f"{name}.npz" for name in networks]
        print(write_report(paths, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
