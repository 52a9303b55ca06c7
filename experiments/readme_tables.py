"""Which figures do README's tables hold, and which of them would another seed move?

Setup   the networks of learning_rates.py and the remedies of remedies.py, as they are there, but eight seeds each and
        recorded only at the start and at the end. Where training is chaotic two seeds are an anecdote, and the same
        seed ends elsewhere on another processor: such cells are marked.
Expect  deep sigmoid networks stay at chance in every seed. ReLU's accuracies at the edge of divergence are marked ~;
        what diverges in all eight seeds, or stays at chance in all, is not.
Run     python experiments/readme_tables.py               # README's learning rates: about six minutes on one CPU core
        python experiments/readme_tables.py --language zh # README.zh-CN.md's
        python experiments/readme_tables.py --tables remedies --seeds 0 1
Writes  results/readme_tables/: the records, TABLE_NAME.npz
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import learning_rates
import numpy as np
import remedies
import tyro

from vanishlab import NetworkConfig, Record, TrainingConfig, load_data
from vanishlab.cli.console import run
from vanishlab.cli.running import train_and_save
from vanishlab.files import output_folder
from vanishlab.language.sentences import spoken

MOVES = 0.06
"""A cell is marked where the test accuracies of its best and its worst seed are further apart."""
TableName = Literal["learning_rates", "remedies"]
ROUNDING = 2.0**-46
"""The square of float32's rounding: a smaller share is what rounding has put between the examples."""
HEADS = {
    "en": {
        "learning_rates": ("hidden layers", "delta, first / last layer, at the start", "accuracy at rate {rate}"),
        "remedies": ("remedy", "test accuracy", "delta, first / last layer: at the start", "after training",
                     "share of the last hidden layer that differs between examples, at the start"),
    },
    "zh": {
        "learning_rates": ("隐藏层", "训练前首层与末层 δ 之比", "学习率 {rate} 时的准确率"),
        "remedies": ("办法", "测试准确率", "首层与末层 δ 之比：训练前", "训练后",
                     "训练前，最后一个隐藏层中因样本而异的份额"),
    },
}  # fmt: skip
WORDS = {
    "en": {"layers": "{depth}, {name}", "all": "diverged", "some": "{kept} ({gone} of {runs} diverged)"},
    "zh": {"layers": "{depth}，{name}", "all": "发散", "some": "{kept}（{runs} 次中 {gone} 次发散）"},
}
ACTIVATIONS = {"sigmoid": "sigmoid", "relu": "ReLU"}
REMEDIES = {
    "none (the patient)": ("none", "不作处理"),
    "initialisation: Xavier": ("Xavier's initialisation", "Xavier 初始化"),
    "initialisation: orthogonal, 4 Q": ("orthogonal weights, four times larger", "正交权重，放大到四倍"),
    "activation: tanh, Xavier": ("tanh, Xavier's initialisation", "tanh，Xavier 初始化"),
    "activation: ReLU, Kaiming": ("ReLU, Kaiming's initialisation", "ReLU，Kaiming 初始化"),
    "activation: SELU, LeCun": ("SELU, LeCun's initialisation", "SELU，LeCun 初始化"),
    "normalisation: batch": ("batch normalisation", "批归一化"),
    "normalisation: layer": ("layer normalisation", "层归一化"),
    "normalisation: RMS": ("RMS normalisation", "RMS 归一化"),
    "residual: plain": ("residual connections", "残差连接"),
    "residual: learned from 0": ("residual connections, branch scale learned from 0", "残差连接，分支系数从 0 学起"),
    "residual + layer norm": ("residual connections and layer normalisation", "残差连接加层归一化"),
    "schedule: linear warm-up": ("warm-up", "学习率预热"),
    "schedule: cosine": ("cosine schedule", "余弦调度"),
    "momentum 0.9": ("momentum", "动量"),
    "optimiser: Adam": ("Adam", "Adam 优化器"),
    "clipping to norm 1": ("clipping", "梯度裁剪"),
    "gradient normalised per layer": ("every layer's gradient divided by its norm", "每层的梯度除以自身的范数"),
}
"""README's words, English and Chinese, for the names in remedies.py."""


@dataclass(frozen=True)
class Options:
    tables: tuple[TableName, ...] = ("learning_rates",)
    """Tables to print."""
    seeds: tuple[int, ...] = tuple(range(8))
    """Seeds to repeat with."""
    depths: tuple[int, ...] = learning_rates.Options.depths
    """Numbers of hidden layers in the table of learning rates."""
    remedies: tuple[str, ...] = tuple(REMEDIES)
    """Remedies to try, by their names in remedies.py."""
    steps: int = learning_rates.Options.steps
    """Updates of each network."""
    max_examples: int | None = learning_rates.Options.max_examples
    """Digits to train on; None is all of them."""
    out: Path = Path("results/readme_tables")
    """Folder for the records."""


@dataclass(frozen=True)
class Cell:
    """The test accuracies at the end of the runs that differ in their seed only."""

    median: float  # of the runs that did not diverge
    spread: float  # the best less the worst of them
    diverged: int
    runs: int

    @property
    def moves(self) -> bool:
        return 0 < self.diverged < self.runs or self.spread > MOVES

    def __str__(self) -> str:
        words = WORDS[spoken()]
        if self.diverged == self.runs:
            return words["all"]
        kept = f"{'~' if self.moves else ''}{self.median:.2f}"
        return words["some"].format(kept=kept, gone=self.diverged, runs=self.runs) if self.diverged else kept


def cell(record: Record, rate: float) -> Cell:
    place = record.learning_rate == rate
    gone = record.diverged[place]
    kept = record.test_accuracy[place, -1][~gone]
    median, spread = (float(np.median(kept)), float(np.ptp(kept))) if kept.size else (np.nan, 0.0)
    return Cell(median, spread, int(gone.sum()), len(gone))


def rate_records(options: Options) -> dict[str, Record]:
    lab = learning_rates.Options(depths=options.depths)
    training = recorded_at_the_ends(options, lab.learning_rates)
    data = load_data(lab.data, max_examples=options.max_examples)
    return {
        name: train_and_save(network, training, data, options.out / f"learning_rates_{name}.npz", name)
        for name, network in learning_rates.networks(lab).items()
    }


def remedy_records(options: Options) -> dict[str, Record]:
    lab = remedies.Options()
    plain = recorded_at_the_ends(options, lab.learning_rates)
    tried = remedies.remedies(NetworkConfig(lab.depth, lab.width), plain)
    data = load_data("digits", max_examples=options.max_examples)
    return {
        name: train_and_save(*tried[name], data, options.out / f"remedies_{remedies.file_name(name)}.npz", name)
        for name in options.remedies
    }


def recorded_at_the_ends(options: Options, rates: tuple[float, ...]) -> TrainingConfig:
    last = max(options.steps, 1)
    return TrainingConfig(rates, options.seeds, steps=options.steps, record_every=last, evaluate_every=last)


def rate_rows(records: dict[str, Record]) -> list[tuple[str, float, list[Cell]]]:
    """Return for each network README's name of it, delta's ratio at the start, and a cell for each rate."""
    rows = []
    for record in records.values():
        network = record.network
        assert network is not None
        name = WORDS[spoken()]["layers"].format(depth=network.depth, name=ACTIVATIONS[network.activation])
        ratio = float(np.median(record.first_last_ratio("delta_rms")[:, 0]))
        rows.append((name, ratio, [cell(record, rate) for rate in np.unique(record.learning_rate)]))
    return rows


def remedy_rows(records: dict[str, Record]) -> list[tuple[str, Cell, float, float, float]]:
    """Return for each remedy README's name of it, its cell at the best rate, delta's ratio before and after, and the
    distinct share of the last hidden layer before."""
    rows = []
    for name, record in records.items():
        _, rate, _, _, start, end = remedies.league_row(name, record)
        share = float(np.median(record.distinct_share[:, 0, -2]))
        rows.append((REMEDIES[name][spoken() == "zh"], cell(record, rate), start, end, share))
    return sorted(rows, key=lambda row: -row[1].median)


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join("| " + " | ".join(str(entry) for entry in line) + " |" for line in lines)
    return text.replace("| " + " | ".join(["---"] * len(head)) + " |", "|" + "---|" * len(head))


def ratio_text(ratio: float) -> str:
    """Return two digits: 0.31, 0.056, 3.8e-4."""
    if ratio >= 1e-2:
        return f"{ratio:.2g}" if ratio >= 1 or len(f"{ratio:.2g}") > 3 else f"{ratio:.2f}"
    mantissa, exponent = f"{ratio:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def share_text(share: float) -> str:
    return ratio_text(share) if share >= ROUNDING else "< 1e-14"


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    output_folder(options.out)
    heads = HEADS[spoken()]
    if "learning_rates" in options.tables:
        rates = learning_rates.Options.learning_rates
        layers, delta, accuracy = heads["learning_rates"]
        columns = (layers, delta, accuracy.format(rate=f"{rates[0]:g}"), *(f"{rate:g}" for rate in rates[1:]))
        rows = rate_rows(rate_records(options))
        print(markdown(columns, [(name, ratio_text(ratio), *cells) for name, ratio, cells in rows]), end="\n\n")
    if "remedies" in options.tables:
        rows = remedy_rows(remedy_records(options))
        cells = [(name, at, ratio_text(a), ratio_text(b), share_text(share)) for name, at, a, b, share in rows]
        print(markdown(heads["remedies"], cells))


if __name__ == "__main__":
    run(main)
