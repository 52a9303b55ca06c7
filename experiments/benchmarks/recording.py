"""What does the recorder cost on an ordinary model, beside what people write instead?

Setup   An MLP (20 hidden layers of width 64, batch 256), a small convolutional net (3 convolutions, batch 64 of
        3 x 32 x 32) and a small transformer encoder (4 layers of width 128, batch 16 of 64 tokens), trained by SGD on
        random data on one thread. CPU time of a block of steps far enough into training that examples are compared in
        pairs hardly ever any more (the rank and the coherence are taken five times in a decade of steps), relative to
        the bare loop; every contender has its turn in every round, and the median over rounds counts.
        every step          `GradientRecorder` with its compiled passes: norms, means, saturation, deltas, how far
                            examples differ, lost entries, updates of every layer
        by torch            the same without numba
        never               a recorder that records no step: what its hooks cost by being there
        .item() hooks       hooks that call .norm().item() on each leaf module's output and its gradient, and on each
                            parameter's gradient
        histograms          a histogram of each parameter's gradient with 64 bins, as wandb.watch makes it
        per-parameter norm  Lightning's `grad_norm`: a loop of .norm().item() over the gradients; nothing else
        At the end, what it takes to measure one activation of 256 examples and 64 units, by wall time.
Expect  at most 1.5 (MLP), 1.10 (convolutional net) and 1.15 (transformer) at every step, 1.02 at every tenth.
Run     python experiments/benchmarks/recording.py             # five minutes on one core
        python experiments/benchmarks/recording.py --quick
"""

import argparse
import contextlib
import statistics
import time
import timeit
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from vanishlab import GradientRecorder
from vanishlab.cli.tables import print_table
from vanishlab.recording.measure import Measure

COLUMNS = ("model", "contender", "ms per step", "relative to bare", "bar", "met")
EVERY: dict[str, int | str] = {
    "every step": 1, "every 10 steps": 10, "by torch, every step": 1, "never": "never",
}  # fmt: skip
BARS = {
    ("MLP", "every step"): 1.5,
    ("convolutional net", "every step"): 1.10,
    ("transformer", "every step"): 1.15,
    ("convolutional net", "every 10 steps"): 1.02,
    ("transformer", "every 10 steps"): 1.02,
}


class Transformer(nn.Module):
    """Four encoder layers and a readout of the mean over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.readout = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.encoder(x).mean(1))


def mlp() -> tuple[nn.Module, Tensor]:
    hidden = [part for _ in range(19) for part in (nn.Linear(64, 64), nn.ReLU())]
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), *hidden, nn.Linear(64, 10)), torch.randn(256, 64)


def convolutional() -> tuple[nn.Module, Tensor]:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1024, 10),
    )  # fmt: skip
    return model, torch.randn(64, 3, 32, 32)


def transformer() -> tuple[nn.Module, Tensor]:
    return Transformer(), torch.randn(16, 64, 128)


MODELS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "MLP": mlp, "convolutional net": convolutional, "transformer": transformer,
}  # fmt: skip


@contextlib.contextmanager
def item_hooks(model: nn.Module, kept: list[float]) -> Iterator[None]:
    """Look at outputs and their gradients the way a first attempt does."""

    def look(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            kept.append(output.norm().item())
            output.register_hook(lambda delta: kept.append(delta.norm().item()))

    handles = [module.register_forward_hook(look) for module in model.modules() if not list(module.children())]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def norms(model: nn.Module, kept: list[float]) -> None:
    kept += [parameter.grad.norm().item() for parameter in model.parameters() if parameter.grad is not None]


def histograms(model: nn.Module, kept: list[float]) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            flat = parameter.grad.flatten()
            low, high = flat.min().item(), flat.max().item()
            kept += flat.histc(64, low, high).tolist()


def seconds(name: str, build: Callable[[], tuple[nn.Module, Tensor]], steps: int, warm: int) -> float:
    """Return the CPU seconds per step of one contender on a freshly drawn model."""
    torch.manual_seed(0)
    model, x = build()
    y = torch.randint(10, (len(x),))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()
    kept: list[float] = []
    every = EVERY.get(name)
    after = {".item() hooks": norms, "per-parameter norm": norms, "histograms": histograms}.get(name)
    with contextlib.ExitStack() as stack:
        if every is not None:
            compiled = "by torch" not in name
            stack.enter_context(GradientRecorder(model, optimizer, every=every, compiled=compiled))
        if name == ".item() hooks":
            stack.enter_context(item_hooks(model, kept))
        start = 0.0
        for step in range(steps + warm):
            if step == warm:
                start = time.process_time()
            optimizer.zero_grad()
            loss_of(model(x), y).backward()
            if after is not None:
                after(model, kept)
            optimizer.step()
    return (time.process_time() - start) / steps


def look_us(compiled: bool) -> float:
    """Return the microseconds of one look at an activation, the least of some blocks."""
    measure, h = Measure(stacked=False, compiled=compiled), torch.relu(torch.randn(256, 64))
    return 1e6 * min(timeit.repeat(lambda: measure.moments(h), number=200, repeat=9)) / 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 steps after 20, 3 rounds: rank and coherence weigh in")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--steps", type=int, help="steps of a block, a multiple of ten")
    options = parser.parse_args()
    steps, rounds, warm = (10, 3, 20) if options.quick else (30, 5, 80)  # a close look is at the 119th step
    steps = options.steps or steps
    torch.set_num_threads(1)
    contenders = ("bare", *EVERY, ".item() hooks", "histograms", "per-parameter norm")
    rows: list[list[object]] = []
    for model in options.models:
        found = [{name: seconds(name, MODELS[model], steps, warm) for name in contenders} for _ in range(rounds)]
        for name in contenders:
            ratio = statistics.median(each[name] / each["bare"] for each in found)
            bar = BARS.get((model, name))
            rows.append([model, name, 1e3 * statistics.median(each[name] for each in found), ratio,
                         bar or "", "" if bar is None else ("yes" if ratio <= bar else "no")])  # fmt: skip
    print_table("the recorder beside its alternatives, one thread", COLUMNS, rows)
    print(f"one activation: {look_us(True):.3g} us by compiled passes, {look_us(False):.3g} us by torch")


if __name__ == "__main__":
    main()
