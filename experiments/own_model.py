"""Which layers of *my* model get no gradient? The recorder around an ordinary torch model and training loop.

Setup   a small convolutional network for the digits as 8 × 8 images, written as anyone would write it: four
        convolutions, each followed by tanh, and three linear layers with sigmoid; torch.optim.SGD, mini-batches of 64.
Expect  each sigmoid layer cuts delta down by a factor of 7 to 18 (from `13` over `11` to `9`); tanh over the
        convolutions about halves it per layer, so `0` starts with a delta 4,000 times smaller than the readout's.
Run     python experiments/own_model.py                   # five seconds on two CPU cores
Writes  results/own_model/: record.npz, three_curves, update_ratio, history (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import nn

from vanishlab import GradientRecorder, load_data
from vanishlab.cli.console import run
from vanishlab.cli.running import progress
from vanishlab.cli.tables import layer_rows, print_table
from vanishlab.files import output_folder
from vanishlab.language.sentences import say
from vanishlab.plots import history_figure, save_both, three_curves, update_ratio_figure
from vanishlab.report import check_extra, write_report

COLUMNS = ("layer", "gradient norm", "delta RMS", "activation RMS", "update ratio", "saturated")


@dataclass(frozen=True)
class Options:
    learning_rate: float = 0.1
    """The learning rate."""
    steps: int = 200
    """Updates."""
    record_every: int = 5
    """Steps between recordings."""
    seed: int = 0
    """Seed of the weights and of the order of examples."""
    out: Path = Path("results/own_model")
    """Folder for the record and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


def build_model() -> nn.Sequential:
    convolutions: list[nn.Module] = []
    for channels in (1, 8, 8, 8):
        convolutions += [nn.Conv2d(channels, 8, kernel_size=3, padding=1), nn.Tanh()]
    linear = [nn.Linear(512, 64), nn.Sigmoid(), nn.Linear(64, 64), nn.Sigmoid(), nn.Linear(64, 10)]
    return nn.Sequential(*convolutions, nn.Flatten(), *linear)


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    out = output_folder(options.out)
    data = load_data("digits")
    images = torch.from_numpy(data.x).float().view(-1, 1, 8, 8)
    labels = torch.from_numpy(data.y)
    torch.manual_seed(options.seed)
    model = build_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=options.learning_rate)

    with (
        GradientRecorder(model, optimizer, every=options.record_every) as recorder,
        progress("SGD", options.steps) as advance,
    ):
        for _ in range(options.steps):
            batch = torch.randint(len(labels), (64,))
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            recorder.observe_loss(loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            advance()

    record = recorder.record
    record.save(out / "record.npz")
    columns = [say(column) for column in COLUMNS]
    quantities = ("gradient_norm", "delta_rms", "activation_rms", "update_ratio", "saturated_fraction")
    print_table(say("first step, by the module's name"), columns, layer_rows(record, quantities))
    figures = {
        "three_curves": three_curves(record, 0),
        "update_ratio": update_ratio_figure(record, 0),
        "history": history_figure(record),
    }
    for name, figure in figures.items():
        print(*save_both(figure, out / name))
    if options.report:
        print(write_report(out / "record.npz", out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
