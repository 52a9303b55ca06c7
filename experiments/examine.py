"""Which layers of a model that is not an MLP get no gradient, why, and what mends it?

Setup   a small transformer without skip connections, as one writes it when the residual is forgotten: eight blocks of
        self-attention and a sigmoid layer over the rows of the digits' 8 × 8 images, read out by their mean. One batch
        of 128 for the verdict; then every remedy on copies, 40 steps of gradient descent each, three seeds.
Expect  `examine` finds delta vanishing by nine decades over the blocks. Steps of another size, warm-up and clipping
        change nothing of it; ReLU in place of sigmoid and weights drawn for the activation restore it.
Run     python experiments/examine.py                     # a minute on two CPU cores
Writes  results/examine/: record.npz, three_curves (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import Tensor, nn

from vanishlab import load_data, try_remedies
from vanishlab.analysis.diagnosis import conclude
from vanishlab.analysis.examine import evidence_of_batch
from vanishlab.cli.console import run
from vanishlab.files import output_folder
from vanishlab.language.sentences import say
from vanishlab.plots import save_both, three_curves
from vanishlab.report import check_extra, write_report


@dataclass(frozen=True)
class Options:
    blocks: int = 8
    """Blocks of attention and a sigmoid layer."""
    width: int = 32
    """Features of each row."""
    examples: int = 128
    """Digits in the batch."""
    learning_rate: float = 0.1
    """Learning rate of the trials."""
    steps: int = 40
    """Steps of each trial."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the trials."""
    out: Path = Path("results/examine")
    """Folder for the record and pictures."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


class Attention(nn.Module):
    """Single-head self-attention, without the skip connection around it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, h: Tensor) -> Tensor:
        weights = (self.query(h) @ self.key(h).transpose(1, 2) / h.shape[2] ** 0.5).softmax(2)  # (image, row, row)
        return weights @ self.value(h)


class Rows(nn.Module):
    """An image's rows as a sequence: embedding, blocks, the mean over rows, classes."""

    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.place = nn.Parameter(0.5 * torch.randn(8, width))
        self.blocks = nn.Sequential(
            *(nn.Sequential(Attention(width), nn.Linear(width, width), nn.Sigmoid()) for _ in range(blocks))
        )
        self.head = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(images) + self.place).mean(1))


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    out = output_folder(options.out)
    data = load_data("digits", max_examples=options.examples)
    batch = torch.from_numpy(data.x).float().view(-1, 8, 8), torch.from_numpy(data.y)
    loss = nn.functional.cross_entropy

    def build() -> nn.Module:
        return Rows(options.blocks, options.width)

    torch.manual_seed(0)
    evidence, record = evidence_of_batch(build(), loss, batch)
    print(conclude([evidence]))
    record.save(out / "record.npz")
    print(*save_both(three_curves(record), out / "three_curves"))
    table = try_remedies(
        build, loss, [batch], learning_rate=options.learning_rate, steps=options.steps, seeds=options.seeds
    )
    print(table)
    if options.report:
        print(write_report(out / "record.npz", out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
