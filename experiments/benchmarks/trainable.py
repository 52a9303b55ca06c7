"""Does the verdict on a network that has not been trained yet foretell whether it can be?

Setup   Random MLPs: any of the lab's activations and initialisations (sigma_w 0.8 to 3.5 where they have one), 6 to 40
        layers of 32 units, two fifths normalised, a third with skip connections; three initialisations of each shape.
        Truth: twice the test accuracy of chance after 150 full-batch steps on 128 digits, at the best of six learning
        rates. The verdict sees step 0 alone, and is right if it is good for a network that trains and calls for a
        remedy where none does. Thresholds were set on every second shape; the table is that of the others. With
        --exploding the networks that are called so are trained at rates up to the one that their verdict names; with
        --coherence those called good are told apart by whether their examples' gradients are strangers.
Expect  at least 95 % of the held-out half right, at most 2 % of it false alarms: networks that train, called ill. Some
        that explode train at the right rate, none at a rate above the one named. Strangers train as others do.
Run     python experiments/benchmarks/trainable.py            # 120 networks, three minutes on one core
        python experiments/benchmarks/trainable.py --quick    # 12 networks
        python experiments/benchmarks/trainable.py --draw 1   # networks that nothing was set by
        python experiments/benchmarks/trainable.py --exploding --coherence
"""

import argparse
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

import vanishlab as vl
from vanishlab.activations import ACTIVATIONS
from vanishlab.cli.tables import print_table
from vanishlab.config import SCALED_INITIALIZATIONS, InitializationName
from vanishlab.recording.examples import compared_examples

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
WELL = ("healthy", "converged", "not enough evidence")
STRANGERS = 1.3
"""Gradient coherence times the number of examples, below which these are called strangers: 1 is what chance gives."""
SHARES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Of the rate that an exploding network's verdict names."""


@dataclass(frozen=True)
class Outcome:
    """What became of one network, and what its verdict had been."""

    network: vl.NetworkConfig
    accuracy: float
    """On the test set, at the best rate."""
    start: vl.Record
    """One run of it, at step 0."""
    chance: float

    @property
    def trains(self) -> bool:
        return self.accuracy >= 2 * self.chance

    @property
    def verdicts(self) -> tuple[str, ...]:
        return vl.diagnose(self.start).names


def draw_networks(shapes: int, draw: int) -> list[vl.NetworkConfig]:
    """Return random networks, three initialisations of each shape; a longer list begins with the shorter one.

    Two initialisations may be the same, and so may shapes: a network is then in it twice.
    """
    random = np.random.default_rng([14, draw])
    return [network for _ in range(shapes) for network in draw_shape(random)]


def draw_shape(random: np.random.Generator) -> list[vl.NetworkConfig]:
    activation: Any = random.choice(list(ACTIVATIONS))
    normalization: Any = random.choice(["none"] * 9 + ["batch"] * 2 + ["layer"] * 2 + ["rms"] * 2)
    residual = [*["none"] * 10, "plain", "plain", "learned", 0.3, 0.1][int(random.integers(15))]
    depth = round(float(np.exp(random.uniform(np.log(6), np.log(40)))))
    shape = vl.NetworkConfig(depth, 32, activation, normalization=normalization, residual=residual)
    return [replace(shape, **draw_initialization(random)) for _ in range(3)]


def draw_initialization(random: np.random.Generator) -> dict[str, Any]:
    name = str(random.choice(get_args(InitializationName)))
    sigma_w, sigma_b = random.uniform(0.8, 3.5), random.choice([0.0, 0.0, random.uniform(0.0, 0.5)])
    scales = {"sigma_w": round(float(sigma_w), 3), "sigma_b": round(float(sigma_b), 3)}
    return {"initialization": name, **(scales if name in SCALED_INITIALIZATIONS else {})}


def measure(networks: list[vl.NetworkConfig], out: Path) -> list[Outcome]:
    """Train every network at every rate; what `out` holds already is read."""
    data = vl.load_data("digits", max_examples=128)
    training = vl.TrainingConfig(RATES, steps=150, record_every=150, evaluate_every=150)
    parts: dict[vl.NetworkConfig, list[vl.Record]] = {}
    for record in vl.sweep(dict.fromkeys(networks), training, data, out=out, workers=1):
        assert record.network is not None
        parts.setdefault(record.network, []).append(record)
    outcomes = []
    for network in networks:
        records = parts[network]
        # A run that diverged has lost what it had learned by then.
        kept = [np.where(one.diverged, 0.0, one.test_accuracy[:, -1]) for one in records]
        # The verdict is not told how this run ended.
        start = replace(records[0].select(run=0, step=0), diverged_step=np.array([-1]))
        outcomes.append(Outcome(network, float(np.concatenate(kept).max()), start, 1 / data.num_classes))
    return outcomes


def is_well(names: tuple[str, ...]) -> bool:
    return set(names) <= set(WELL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4 shapes instead of 40")
    parser.add_argument("--shapes", type=int, help="number of shapes")
    parser.add_argument("--draw", type=int, default=0, help="which networks: thresholds have seen half of 0")
    parser.add_argument("--out", type=Path, help="folder for the records; what it holds is not trained again")
    parser.add_argument("--exploding", action="store_true", help="train those too, at rates below the one named")
    parser.add_argument("--coherence", action="store_true", help="also say whether strangers train")
    options = parser.parse_args()
    networks = draw_networks(options.shapes or (4 if options.quick else 40), options.draw)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = measure(networks, options.out or Path(folder))
    shown = [each for place, each in enumerate(outcomes) if options.draw or place // 3 % 2]
    report(list({each.network: each for each in shown}.values()))
    different = list({each.network: each for each in outcomes}.values())
    if options.exploding:
        train_exploding(different)
    if options.coherence:
        report_coherence(different)


def report(outcomes: list[Outcome]) -> None:
    confusion = Counter((is_well(each.verdicts), each.trains) for each in outcomes)
    total = len(outcomes)
    right = confusion[True, True] + confusion[False, False]
    names = {"good": True, "calls for a remedy": False}
    rows = [[name, confusion[well, True], confusion[well, False]] for name, well in names.items()]
    rates = 100 * right / total, 100 * confusion[False, True] / total
    print_table(
        f"{total} networks: {rates[0]:.1f} % right, {rates[1]:.1f} % false alarms",
        ("verdict at step 0", "trains", "does not"),
        rows,
    )
    wrong = [each for each in outcomes if is_well(each.verdicts) != each.trains]
    for each in wrong:
        print(f"{', '.join(each.verdicts)}, accuracy {each.accuracy:.2f}: {described(each.network)}")


def train_exploding(outcomes: list[Outcome]) -> None:
    """Train what is called exploding at shares of the learning rate that its verdict names, and print what came of it.

    One update at that rate changes the fastest layer by half of its weights.
    """
    data, rows = vl.load_data("digits", max_examples=128), []
    for each in outcomes:
        found = [one for one in vl.diagnose(each.start).verdicts if one.name == "exploding"]
        if not found:
            continue
        rate = found[0].evidence["learning rate of wild updates"]
        training = vl.TrainingConfig(tuple(share * rate for share in SHARES), steps=150, record_every=150,
                                     evaluate_every=150)  # fmt: skip
        record = vl.train(each.network, training, data)
        accuracy = np.where(record.diverged, 0.0, record.test_accuracy[:, -1])
        learned = [f"{share:g}" for share, one in zip(SHARES, accuracy, strict=True) if one >= 2 * each.chance]
        lost = -found[0].evidence["decades, last to first layer"]
        rows.append([described(each.network), lost, rate, f"{accuracy.max():.2f}", ", ".join(learned)])
    columns = ("network", "decades gained", "rate named", "accuracy at the best share", "shares at which it trains")
    print_table(f"{len(rows)} networks called exploding", columns, rows)


def report_coherence(outcomes: list[Outcome]) -> None:
    """Print how many of the networks called good train, by the median coherence over their hidden layers."""
    rows = []
    well = [each for each in outcomes if is_well(each.verdicts)]
    examples = [compared_examples(each.start) or 1 for each in well]
    level = [float(np.nanmedian(each.start.gradient_coherence[0, 0, :-1])) * n
             for each, n in zip(well, examples, strict=True)]  # fmt: skip
    for name, strangers in (("strangers", True), ("others", False)):
        chosen = [each for each, one in zip(well, level, strict=True) if (one < STRANGERS) == strangers]
        middle = float(np.median([each.accuracy for each in chosen] or [np.nan]))
        rows.append([name, len(chosen), sum(each.trains for each in chosen), f"{middle:.2f}"])
    print_table("called good, by gradient coherence", ("examples are", "networks", "train", "median accuracy"), rows)


def described(network: vl.NetworkConfig) -> str:
    plain = vl.NetworkConfig()
    shown = {name: value for name, value in vars(network).items() if value != getattr(plain, name)}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


if __name__ == "__main__":
    main()
