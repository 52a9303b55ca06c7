"""Does the learning rate of a narrow network hold for a wide one, and which parametrisation makes it so?

Setup   an MLP of four layers with ReLU on the digits, 64 to 1,024 wide, five seeds; three steps of Adam on a batch.
        Once in the standard parametrisation (every weight of variance 1 / fan_in, one rate of 0.003), once in the
        maximal-update one (readout of variance 1 / fan_in^2; the rate of hidden layers and readout times 64 / width).
        Then a plain tanh network and one with residual branches divided by the square root of the depth, 4 to 32 deep.
Expect  under standard parametrisation what the updates do to hidden layers and logits grows with width, by exponents
        0.6 to 0.9; under maximal-update parametrisation every exponent of activations and of their change is near 0.
        Over depth the plain network's delta vanishes (exponent -7 at its first layer); in the residual one delta falls
        by the branches' own 1 / sqrt(depth), and activations and their change keep their size.
Run     python experiments/coordinate_check.py            # half a minute on two CPU cores
Writes  results/coordinate_check/: standard, maximal_update, plain, residual (.png, .svg, .npz)
"""

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from vanishlab import CoordinateCheck, coordinate_check, load_data
from vanishlab.cli.console import run
from vanishlab.files import output_folder, write_whole
from vanishlab.plots import coordinate_figure, save_both

CLASSES, BASE = 10, 64


@dataclass(frozen=True)
class Options:
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024)
    """Widths of the hidden layers."""
    depths: tuple[int, ...] = (4, 8, 16, 32)
    """Numbers of hidden layers."""
    learning_rate: float = 0.003
    """Adam's learning rate, at a width of 64."""
    steps: int = 3
    """Updates."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Seeds of the weights."""
    examples: int = 128
    """Digits in the batch."""
    out: Path = Path("results/coordinate_check")
    """Folder for the pictures."""


def mlp(features: int, width: int, *, maximal_update: bool) -> nn.Sequential:
    sizes = (features, width, width, width, CLASSES)
    layers = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in itertools.pairwise(sizes)]
    for layer in layers:
        smaller = maximal_update and layer is layers[-1]
        nn.init.normal_(layer.weight, 0.0, layer.in_features ** (-1.0 if smaller else -0.5))
        nn.init.zeros_(layer.bias)
    parts = [part for layer in layers for part in (layer, nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def standard_adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=rate)


def maximal_update_adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Return Adam with a rate that falls as 1 / fan-in where that grows (arXiv:2203.03466, table 8)."""
    first, *others = [module for module in model.modules() if isinstance(module, nn.Linear)]
    groups = [{"params": [first.weight, first.bias, *(each.bias for each in others)], "lr": rate}]
    groups += [{"params": [each.weight], "lr": rate * BASE / each.in_features} for each in others]
    return torch.optim.Adam(groups)


class Deep(nn.Module):
    """`depth` tanh layers of width 64, plain or as residual branches divided by the square root of the depth."""

    def __init__(self, features: int, depth: int, *, residual: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(features, BASE)
        self.layers = nn.ModuleList(nn.Linear(BASE, BASE) for _ in range(depth))
        self.readout = nn.Linear(BASE, CLASSES)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        for layer in self.layers:
            branch = layer(h).tanh()
            h = h + branch / len(self.layers) ** 0.5 if self.residual else branch
        return self.readout(h)


def depth_adam(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Return Adam with a rate that falls in the branches as they do, as 1 / sqrt(depth) (arXiv:2310.02244)."""
    assert isinstance(model, Deep)
    ends = [*model.embed.parameters(), *model.readout.parameters()]
    branches = {"params": list(model.layers.parameters()), "lr": rate / len(model.layers) ** 0.5}
    return torch.optim.Adam([{"params": ends, "lr": rate}, branches])


def show(check: CoordinateCheck, out: Path, name: str) -> None:
    print(check)
    arrays: dict[str, Any] = {"sizes": check.sizes, **check.values}
    write_whole(out / f"{name}.npz", lambda file: np.savez(file, **arrays))
    print(*save_both(coordinate_figure(check), out / name))


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    out = output_folder(options.out)
    data = load_data("digits", max_examples=options.examples)
    batch = torch.from_numpy(data.x).float(), torch.from_numpy(data.y)
    features, rate = batch[0].shape[1], options.learning_rate
    check = functools.partial(coordinate_check, batch=batch, steps=options.steps, seeds=options.seeds)
    for name, make in (("standard", standard_adam), ("maximal_update", maximal_update_adam)):
        build = functools.partial(mlp, features, maximal_update=name == "maximal_update")
        found = check(build, options.widths, optimizer=functools.partial(make, rate=rate))
        show(found, out, name)
    for name, make in (("plain", standard_adam), ("residual", depth_adam)):
        deep = functools.partial(Deep, features, residual=name == "residual")
        found = check(deep, options.depths, optimizer=functools.partial(make, rate=rate), axis="depth")
        show(found, out, name)


if __name__ == "__main__":
    run(main)
