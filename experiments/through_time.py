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

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from torch import Tensor, nn

from vanishlab import GradientRecorder, Record
from vanishlab.cli.console import run
from vanishlab.cli.tables import print_table
from vanishlab.files import output_folder
from vanishlab.language.numbers import power_of_ten
from vanishlab.language.sentences import say
from vanishlab.network.recurrent import Recurrent, RecurrentKind, delta_by_time
from vanishlab.plots import save_both
from vanishlab.plots.axes import fit_log_axis
from vanishlab.plots.through_time import time_key, time_profile
from vanishlab.report import check_extra, write_report
from vanishlab.training.recall import LEARNED, learn_first_sign, sequences


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


def networks(options: Options) -> dict[str, tuple[RecurrentKind, float | None]]:
    """Return name to kind and bias of the forget gate."""
    opened: dict[str, tuple[RecurrentKind, float | None]] = {
        f"LSTM_{bias:g}": ("LSTM", bias) for bias in options.forget_biases
    }
    return {"RNN": ("RNN", None), "GRU": ("GRU", None), "LSTM": ("LSTM", None), **opened}


@dataclass(frozen=True)
class Outcome:
    """What became of one network at one length, medians over seeds."""

    curve: np.ndarray  # (time,)
    """Delta before training over that at the last step."""
    accuracy: float
    """After training."""


def measure(kind: RecurrentKind, bias: float | None, length: int, options: Options, path: Path) -> Outcome:
    """Measure and train one network of each seed; the record of the first one's first step goes to `path`."""
    curves, accuracies = [], []
    for seed in options.seeds:
        generator = torch.Generator().manual_seed(seed)
        model = Recurrent(kind, options.width, bias, generator=generator)
        x, y = sequences(length, options.examples, generator)
        delta = delta_by_time(model, x, y)
        curves.append(delta / delta[-1])
        if seed == options.seeds[0]:
            record(model, x, y).save(path)
        accuracies.append(
            learn_first_sign(model, length, generator, steps=options.steps, examples=options.examples,
                             learning_rate=options.learning_rate)
        )  # fmt: skip
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
    wide = len(options.lengths) > 2
    figure = Figure(figsize=(4.2 * len(options.lengths), 4.6 if wide else 6.0), layout="constrained")
    axes = figure.subplots(1, len(options.lengths), squeeze=False, sharey=True)[0]
    labels = {name: kind if bias is None else say("{kind}, forget bias {bias:g}", kind=kind, bias=bias)
              for name, (kind, bias) in networks(options).items()}  # fmt: skip
    drawn = []
    for ax, length in zip(axes, options.lengths, strict=True):
        found = {label: outcomes[name, length] for name, label in labels.items()}
        learned = [label for label, one in found.items() if one.accuracy >= LEARNED]
        drawn.append(time_profile(ax, {label: one.curve for label, one in found.items()}, learned))
        ax.set_title(say("{length} time steps", length=length), loc="left", fontsize="medium")
    axes[0].set_ylabel(say("delta / delta at the last time step"))
    fit_log_axis(axes)
    columns = 5 if wide else len(axes)
    figure.legend(handles=time_key(drawn[-1]), loc="outside lower center", ncols=columns, frameon=False)
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
