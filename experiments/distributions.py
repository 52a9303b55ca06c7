"""How large are the numbers themselves: activations, deltas, gradients and weights of every layer, octave by octave?

Setup   20 hidden layers of width 64 on 256 handwritten digits: sigmoid with PyTorch's default initialisation, tanh with
        Xavier's, ReLU with Kaiming's; before training and after 100 full-batch updates at a rate of 0.1. Every entry
        is counted in its octave, from one power of two to the next, by its exponent.
Expect  sigmoid: columns of deltas and gradients that sink by 17 decades towards layer 1, each as wide as another, and
        weights that hardly move; after training the gradients of the first eight layers level out, near 1e-20: that is
        the rounding of examples that cancel. tanh: level columns. ReLU: level as well, and crosses, for half of its
        activations and deltas are exactly 0.
Run     python experiments/distributions.py               # twenty seconds on two CPU cores
Writes  results/distributions/: NAME.npz and, for each network, NAME (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from vanishlab import MLP, NetworkConfig, TrainingConfig, layer_octaves, load_data, train
from vanishlab.cli.console import run
from vanishlab.cli.tables import print_table
from vanishlab.files import output_folder
from vanishlab.language.numbers import power_of_ten
from vanishlab.language.sentences import say
from vanishlab.network.octaves import COUNTED, Octaves
from vanishlab.plots import describe_network, octaves_figure, save_both
from vanishlab.report import check_extra, write_report

COLUMNS = ("network", "entries", "when", "middle octave: layer 1", "last layer", "decades of 90 % of layer 1",
           "exactly 0 in layer 1")  # fmt: skip


@dataclass(frozen=True)
class Options:
    depth: int = 20
    """Number of hidden layers."""
    width: int = 64
    """Units per hidden layer."""
    learning_rate: float = 0.1
    """The one learning rate."""
    steps: int = 100
    """Updates between the two looks."""
    max_examples: int | None = 256
    """Digits in the batch; None is all of them."""
    out: Path = Path("results/distributions")
    """Folder for the records and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def quantile(octaves: Octaves, layer: int, share: float) -> float:
    """Return log10 of the size below which this share of a layer's entries that are not 0 lies, to one octave."""
    total = np.cumsum(octaves.share[layer])
    if not total[-1:].any():
        return float("nan")
    return float(octaves.exponent[np.searchsorted(total, share * total[-1])] * np.log10(2.0))


def rows_of(name: str, when: str, octaves: dict[str, Octaves]) -> list[list[object]]:
    rows: list[list[object]] = []
    for entries in COUNTED:
        each = octaves[entries]
        middle = [power_of_ten(quantile(each, layer, 0.5)) for layer in (0, -1)]
        wide = quantile(each, 0, 0.95) - quantile(each, 0, 0.05)
        rows.append([name, entries, when, *middle, wide, f"{each.zero[0]:.0%}"])
    return rows


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    networks = {
        "sigmoid": NetworkConfig(options.depth, options.width, "sigmoid", "torch_default"),
        "tanh": NetworkConfig(options.depth, options.width, "tanh", "xavier_normal"),
        "relu": NetworkConfig(options.depth, options.width, "relu", "kaiming_normal"),
    }
    training = TrainingConfig((options.learning_rate,), steps=options.steps, device="cpu")
    data = load_data("digits", max_examples=options.max_examples)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    output_folder(options.out)
    rows: list[list[object]] = []
    for name, network in networks.items():
        model = MLP(network, data.features, data.num_classes, training.seeds)
        before = layer_octaves(model, x, y)
        record = train(network, training, data, model=model)
        record.save(options.out / f"{name}.npz")
        after = layer_octaves(model, x, y)
        rows += rows_of(name, say("before"), before) + rows_of(name, say("after"), after)
        states = {say("before training"): before, say("after {steps} steps", steps=options.steps): after}
        print(*save_both(octaves_figure(states, describe_network(record)), options.out / name))
    title = say(
        "{examples} examples of {data}, {steps} updates", examples=len(data.y), data=data.name, steps=options.steps
    )
    print_table(title, [say(column) for column in COLUMNS], rows)
    if options.report:
        paths = [options.out / f"{name}.npz" for name in networks]
        print(write_report(paths, options.out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
