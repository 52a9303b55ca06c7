"""How far back in time does the gradient reach, in an RNN, a GRU, and an LSTM whose forget gate is opened by its bias?

Setup   One recurrent layer of 32 units reads sequences of noise of 10, 30 and 100 steps; its last state is read out to
        the sign of the first entry, which only the first step shows. RNN (tanh), GRU and LSTM with PyTorch's
        initialisation, and LSTMs whose forget gates have a bias of 1, 3 and 5. Before training, delta is taken at every
        time step, of an LSTM as dloss/d(h_t, c_t), by PyTorch's own cells in a loop; a curve is its norm over that at
        the last step. Then 300 updates by Adam on fresh sequences, and the accuracy on others. Medians over 3 seeds.
Expect  straight lines, a factor per step that is the same for every length: .60 to .64 for RNN, GRU and LSTM, which
        lose 6 decades over 30 steps and 19 to 22 over 100; .82 at a forget bias of 1, and .99 to 1.01 at 3 and 5. All
        learn over 10 steps, over 30 only the two LSTMs with the opened gates, and over 100 nobody in 300 updates: a
        gradient that arrives is needed, and not enough. With --steps 1500 the LSTM of bias 5 does; that of 3 does not.
Run     python experiments/through_time.py                # a minute on two CPU cores
Writes  results/through_time/: NAME_LENGTH.npz and through_time (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor, nn

from vanishlab import GradientRecorder, Record
from vanishlab.cli.console import run
from vanishlab.cli.tables import print_table
from vanishlab.files import output_folder
from vanishlab.language.numbers import power_of_ten
from vanishlab.language.sentences import say
from vanishlab.plots import save_both
from vanishlab.plots.axes import fit_log_axis
from vanishlab.report import check_extra, write_report

COLORS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#56B4E9", "#000000")  # Okabe and Ito
LEARNED = 0.75  # accuracy that counts as having learned it; guessing gives a half
DROPPED = 2.0**-23  # a weight's gradient is a sum over all steps, in float32


@dataclass(frozen=True)
class Options:
    lengths: tuple[int, ...] = (10, 30, 100)
    """Numbers of time steps."""
    forget_biases: tuple[float, ...] = (1.0, 3.0, 5.0)
    """Biases of the forget gate of further LSTMs, in the place of PyTorch's (0 on average)."""
    width: int = 32
    """Units of the recurrent layer."""
    examples: int = 64
    """Sequences in the batch."""
    learning_rate: float = 0.01
    """Of Adam; the gradient is clipped to norm 1."""
    steps: int = 300
    """Updates."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights and sequences."""
    out: Path = Path("results/through_time")
    """Folder for the records and the picture."""
    report: bool = False
    """Also write report.html there: one file that opens offline (needs vanishlab[report])."""


class Recurrent(nn.Module):
    """A recurrent layer and a readout of its last state."""

    def __init__(self, kind: str, width: int, forget_bias: float | None = None) -> None:
        super().__init__()
        self.layer = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}[kind](1, width, batch_first=True)
        self.readout = nn.Linear(width, 2)
        if forget_bias is not None:  # gates stand as input, forget, cell, output in each of the two biases
            with torch.no_grad():
                self.layer.bias_ih_l0[width : 2 * width] = forget_bias
                self.layer.bias_hh_l0[width : 2 * width] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.layer(x)[0][:, -1])


def delta_by_time(model: Recurrent, x: Tensor, y: Tensor) -> np.ndarray:
    """Return the norm of dloss/dh_t over batch and units, of an LSTM of dloss/d(h_t, c_t): (time,)."""
    layer = model.layer
    cell = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}[layer.mode.split("_")[0]](1, layer.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in layer.state_dict().items()})
    states: list[tuple[Tensor, ...]] = []
    state = None
    for each in x.unbind(1):
        state = cell(each, state)
        states.append(state if isinstance(state, tuple) else (state,))
    loss = nn.functional.cross_entropy(model.readout(states[-1][0]), y)
    flat = [each for state in states for each in state]
    deltas = torch.autograd.grad(loss, flat, allow_unused=True, materialize_grads=True)  # no loss sees the last c_t
    squares = [float(delta.double().square().sum()) for delta in deltas]
    return np.sqrt(np.reshape(squares, (len(states), -1)).sum(1))


def sequences(length: int, examples: int) -> tuple[Tensor, Tensor]:
    """Return noise (example, time, 1) and the sign of each first entry as a class."""
    x = torch.randn(examples, length, 1)
    return x, (x[:, 0, 0] > 0).long()


def networks(options: Options) -> dict[str, tuple[str, float | None]]:
    """Return name to kind and bias of the forget gate."""
    opened = {f"LSTM_{bias:g}": ("LSTM", bias) for bias in options.forget_biases}
    return {"RNN": ("RNN", None), "GRU": ("GRU", None), "LSTM": ("LSTM", None), **opened}


def accuracy_after(model: Recurrent, length: int, options: Options) -> float:
    """Train on fresh sequences by Adam with clipping, and return the accuracy on 1,000 others."""
    optimizer = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    for _ in range(options.steps):
        x, y = sequences(length, options.examples)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    x, y = sequences(length, 1000)
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


@dataclass(frozen=True)
class Outcome:
    """What became of one network at one length, medians over seeds."""

    curve: np.ndarray  # (time,)
    """Delta before training over that at the last step."""
    accuracy: float
    """After training."""


def measure(kind: str, bias: float | None, length: int, options: Options, path: Path) -> Outcome:
    """Measure and train one network of each seed; the record of the first one's first step goes to `path`."""
    curves, accuracies = [], []
    for seed in options.seeds:
        torch.manual_seed(seed)
        model = Recurrent(kind, options.width, bias)
        x, y = sequences(length, options.examples)
        delta = delta_by_time(model, x, y)
        curves.append(delta / delta[-1])
        if seed == options.seeds[0]:
            record(model, x, y).save(path)
        accuracies.append(accuracy_after(model, length, options))
    return Outcome(np.median(curves, axis=0), float(np.median(accuracies)))


def record(model: Recurrent, x: Tensor, y: Tensor) -> Record:
    """Return the record of the model as it is; its `time_ratio` is the curve's first value over the last."""
    with GradientRecorder(model) as recorder:
        nn.functional.cross_entropy(model(x), y).backward()
        recorder.end_step()
    model.zero_grad()
    return recorder.record


def draw(outcomes: dict[tuple[str, int], Outcome], options: Options) -> Figure:
    """Draw a panel for each length, with a curve for each network."""
    figure = Figure(figsize=(4.2 * len(options.lengths), 4.6), layout="constrained")
    axes = figure.subplots(1, len(options.lengths), squeeze=False, sharey=True)[0]
    labels = {name: kind if bias is None else say("{kind}, forget bias {bias:g}", kind=kind, bias=bias)
              for name, (kind, bias) in networks(options).items()}  # fmt: skip
    for ax, length in zip(axes, options.lengths, strict=True):
        for name, color in zip(labels, COLORS, strict=False):
            one = outcomes[name, length]
            ax.plot(np.arange(1, length + 1), one.curve, color=color, linewidth=1.8)
            learned = one.accuracy >= LEARNED
            ax.plot(1, one.curve[0], "o", color=color, markerfacecolor=color if learned else "white", zorder=3)
        ax.axhline(DROPPED, color="0.4", linewidth=1.2, linestyle="--", zorder=1)
        ax.set_title(say("{length} time steps", length=length), loc="left", fontsize="medium")
        ax.set_xlabel(say("time step"))
        ax.set_yscale("log")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="0.9", linewidth=0.6)
    axes[0].set_ylabel(say("delta / delta at the last time step"))
    fit_log_axis(axes)
    rim: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": "0.3"}
    handles = [Line2D([], [], color=color, linewidth=1.8, label=label)
               for label, color in zip(labels.values(), COLORS, strict=False)]  # fmt: skip
    handles += [
        Line2D([], [], label=say("learns the first step's sign"), **rim),
        Line2D([], [], markerfacecolor="white", label=say("does not"), **rim),
        Line2D([], [], color="0.4", linestyle="--", label=say("2⁻²³: float32 drops it beside the last step's")),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    figure.suptitle(say("what reaches each time step before training"))
    return figure


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    if options.report:
        check_extra()
    out = output_folder(options.out)
    outcomes: dict[tuple[str, int], Outcome] = {}
    rows: list[list[object]] = []
    paths: list[Path] = []
    for name, (kind, bias) in networks(options).items():
        for length in options.lengths:
            paths.append(out / f"{name}_{length}.npz")
            outcomes[name, length] = measure(kind, bias, length, options, paths[-1])
        found = [outcomes[name, length] for length in options.lengths]
        longest = max(found, key=lambda one: len(one.curve)).curve
        factor = longest[0] ** (1 / max(len(longest) - 1, 1))
        told = [f"{power_of_ten(float(np.log10(one.curve[0])))}; {one.accuracy:.2f}" for one in found]
        rows.append([name, f"{factor:.2f}", *told])
    columns = (
        say("network"),
        say("delta's factor per step"),
        *(say("first / last of {length}; accuracy", length=length) for length in options.lengths),
    )
    title = say(
        "{width} units, {steps} updates, medians over {seeds} seeds",
        width=options.width, steps=options.steps, seeds=len(options.seeds),
    )  # fmt: skip
    print_table(title, columns, rows)
    print(*save_both(draw(outcomes, options), out / "through_time"))
    if options.report:
        print(write_report(paths, out / "report.html", title=say(str(__doc__).splitlines()[0])))


if __name__ == "__main__":
    run(main)
