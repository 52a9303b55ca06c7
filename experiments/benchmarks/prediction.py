"""How far is `predict` from measurement, for every activation, initialisation, loss, data set and depth?

Setup   Networks at step 0 over 20 seeds, width 1024, depths 2, 10 and 50, 128 examples of digits and of moons, float64.
        Per layer the mean over seeds of log(measured / predicted gradient norm), prediction at its typical value,
        beside its standard error and the band allowed: finite width's order (half the variance that it gives the log
        of the square; 5 sum 1/n / 2 for ReLU) plus one standard error.
Expect  Without finite-width error beyond the band, 1 standard error holds for two thirds of all layers by chance alone
        and 3 for all: the last columns say how many hold each. Worst case last.
Run     python experiments/benchmarks/prediction.py --quick     # width 256, depths 2 and 10, 10 seeds
        python experiments/benchmarks/prediction.py             # hours on two cores
        python experiments/benchmarks/prediction.py --activations relu tanh --depths 50   # a part of it
"""

import argparse
import itertools
import math
from dataclasses import replace
from typing import get_args

import numpy as np

from vanishlab import Dataset, InputError, NetworkConfig, TrainingConfig, load_data, train
from vanishlab.config import ActivationName, InitializationName, LossName
from vanishlab.theory.prediction import predict

EXAMPLES = 128
HEADER = f"{'activation':<11}{'initialization':<17}{'loss':<14}{'data':<8}{'depth':>5}  {'worst layer':>11}  "


def compare(network: NetworkConfig, data: Dataset, loss: LossName, seeds: int) -> tuple[np.ndarray, ...]:
    """Return mean log ratio, its standard error, and finite width's term, each (layer,)."""
    prediction = predict(network, data, loss)
    training = TrainingConfig(learning_rates=(1.0,), seeds=tuple(range(seeds)), steps=0, loss=loss)
    measured = train(network, training, replace(data, x_test=None, y_test=None)).gradient_norm[:, 0]  # (run, layer)
    ratio = np.log10(measured) - prediction.log10_typical("gradient_norm")
    ratio *= math.log(10.0)
    return ratio.mean(0), ratio.std(0, ddof=1) / math.sqrt(seeds), 0.5 * prediction.width_log_variance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="width 256, depths 2 and 10, 10 seeds")
    parser.add_argument("--width", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--depths", type=int, nargs="+")
    parser.add_argument("--activations", nargs="+", default=list(get_args(ActivationName)))
    parser.add_argument("--initializations", nargs="+", default=list(get_args(InitializationName)))
    parser.add_argument("--data", nargs="+", default=["digits", "moons"])
    parser.add_argument("--losses", nargs="+", default=list(get_args(LossName)))
    options = parser.parse_args()
    width = options.width or (256 if options.quick else 1024)
    seeds = options.seeds or (10 if options.quick else 20)
    depths = options.depths or ([2, 10] if options.quick else [2, 10, 50])
    data = {name: load_data(name, max_examples=EXAMPLES) for name in options.data}
    print(f"width {width}, {seeds} seeds, {EXAMPLES} examples")
    print(HEADER + f"{'mean log ratio':>14}{'std. error':>11}{'width term':>11}{'in 1 s.e.':>10}{'in 3 s.e.':>10}")
    rows = []
    for activation, initialization, name, depth, loss in itertools.product(
        options.activations, options.initializations, options.data, depths, options.losses
    ):
        network = NetworkConfig(
            depth=depth, width=width, activation=activation, initialization=initialization, dtype="float64"
        )
        label = f"{activation:<11}{initialization:<17}{loss:<14}{name:<8}{depth:>5}  "
        try:
            mean, error, term = compare(network, data[name], loss, seeds)
        except InputError as refusal:
            print(f"{label}refused: {refusal}")
            continue
        excess = (np.abs(mean) - term) / error
        worst = int(np.argmax(excess))
        line = (
            f"{label}{worst + 1:>11}  {mean[worst]:>14.4f}{error[worst]:>11.4f}{term[worst]:>11.4f}"
            f"{(excess <= 1).sum():>6}/{len(mean)}{(excess <= 3).sum():>6}/{len(mean)}"
        )
        rows.append((float(excess[worst]), line, (excess <= 1).sum(), (excess <= 3).sum(), len(mean)))
        print(line, flush=True)
    one, three, layers = (sum(row[place] for row in rows) for place in (2, 3, 4))
    print(f"\n{layers} layers of {len(rows)} networks: {one / layers:.1%} in 1 s.e., {three / layers:.1%} in 3 s.e.")
    print(f"worst case ({max(rows)[0]:.1f} s.e. beyond the width term):\n{max(rows)[1]}")


if __name__ == "__main__":
    main()
