"""From which learning rate on does gradient descent climb, and does `predict` know it beforehand?

Setup   Full-batch gradient descent on 32 digits, 3 seeds, float64, 17 learning rates side by side from 0.5 to 4 times
        the predicted one (16 times for cross-entropy); linear, ReLU and tanh networks, depth 1 to 5, width 256 to 1024.
        Three columns per network, each a median over the seeds:
        predicted  2 / lambda_max of the Hessian that the wide network's tangent kernel gives; for cross-entropy the
                   bound 4 n / lambda_max of that kernel
        sharpness  2 / the largest eigenvalue of the Hessian of the very network that is trained, at its start
        measured   the smallest rate of the grid at which the loss rises in any of the first 10 steps
        Near the start the loss is quadratic: below 2 / sharpness no step raises it by the top mode, above it that mode
        grows by (rate * sharpness - 1)^2 a step. But a rate a little above may carry a network to a flatter place
        before the loss has risen (the "catapult" of arXiv:2003.02218), the sooner the narrower and
        deeper it is; so measured may exceed 2 / sharpness, and only the first steps count.
Expect  mse: measured at least 2 / sharpness, but for the grid's step of 14 %, in every run; predicted / (2 / sharpness)
        within 3 (depth + 1) / sqrt(width) of 1, as the largest eigenvalue of a finite network fluctuates by some
        1 / sqrt(width) per layer of weights. It lies above the wide network's on average: the errors' part of the
        Hessian, and weights that meet their own signal on the way back (10 classes over the width, per layer).
        cross-entropy: measured and 2 / sharpness at least predicted in every run: it is a bound.
Run     python experiments/benchmarks/largest_learning_rate.py      # two minutes on one core
        python experiments/benchmarks/largest_learning_rate.py --loss cross_entropy --quick
"""

import argparse
import dataclasses
import itertools
from typing import get_args

import numpy as np

from vanishlab import MLP, NetworkConfig, TrainingConfig, load_data, predict, train
from vanishlab.config import ActivationName, InitializationName, LossName
from vanishlab.network.curvature import sharpness

EXAMPLES, STEPS, SEEDS = 32, 10, 3
FACTORS = {"mse": np.geomspace(0.5, 4.0, 17), "cross_entropy": np.geomspace(0.5, 16.0, 17)}
STEP = float(FACTORS["mse"][1] / FACTORS["mse"][0])
NETWORKS: tuple[tuple[ActivationName, InitializationName, int, int], ...] = (
    ("linear", "lecun_normal", 1, 1024),
    ("linear", "lecun_normal", 3, 256),
    ("relu", "kaiming_normal", 1, 512),
    ("relu", "kaiming_normal", 3, 512),
    ("relu", "kaiming_normal", 5, 256),
    ("tanh", "xavier_normal", 1, 512),
    ("tanh", "xavier_normal", 3, 256),
    ("tanh", "xavier_normal", 5, 256),
)


def climbing_from(network: NetworkConfig, loss: LossName, edge: float) -> np.ndarray:
    """Return, per seed, the smallest rate / `edge` at which the loss rises within the first steps, infinite if none."""
    data = dataclasses.replace(load_data("digits", max_examples=EXAMPLES), x_test=None, y_test=None)
    rates = tuple(float(factor * edge) for factor in FACTORS[loss])
    training = TrainingConfig(learning_rates=rates, seeds=tuple(range(SEEDS)), steps=STEPS, loss=loss)
    losses = train(network, training, data).loss.reshape(len(rates), SEEDS, -1)  # (rate, seed, step)
    climbs = ~(np.diff(losses, axis=2) <= 0).all(axis=2)  # a run that diverged climbs as well
    return np.where(climbs.any(axis=0), FACTORS[loss][np.argmax(climbs, axis=0)], np.inf)  # (seed,)


def actual_edges(network: NetworkConfig, loss: LossName) -> np.ndarray:
    """Return 2 / sharpness of the networks that are trained, (seed,)."""
    data = load_data("digits", max_examples=EXAMPLES)
    model = MLP(network, data.features, data.num_classes, tuple(range(SEEDS)))
    return 2.0 / sharpness(model, data.x, data.y, loss).value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="depth 1 alone")
    parser.add_argument("--loss", choices=get_args(LossName), nargs="+", default=get_args(LossName))
    options = parser.parse_args()
    networks = [network for network in NETWORKS if not options.quick or network[2] == 1]
    data = load_data("digits", max_examples=EXAMPLES)
    print(f"{'loss':<15}{'network':<38}{'predicted':>10}{'sharpness':>10}{'measured':>10}  ", end="")
    print(f"{'measured / (2 / sharpness)':<27}{'predicted / (2 / sharpness)':<28}holds")
    for loss, (activation, name, depth, width) in itertools.product(options.loss, networks):
        network = NetworkConfig(depth=depth, width=width, activation=activation, initialization=name, dtype="float64")
        edge = predict(network, data, loss).largest_learning_rate
        actual = actual_edges(network, loss)  # (seed,)
        measured = climbing_from(network, loss, edge) * edge
        if loss == "mse":
            holds = bool((measured * STEP >= actual).all())
            holds = holds and bool((np.abs(edge / actual - 1.0) <= 3.0 * (depth + 1) / np.sqrt(width)).all())
        else:
            holds = bool((measured >= edge).all() and (actual >= edge).all())
        label = f"{activation} {name} depth {depth} width {width}"
        ratios, shown = (" ".join(f"{value:.2f}" for value in values) for values in (measured / actual, edge / actual))
        medians = "".join(f"{value:>10.4g}" for value in (edge, np.median(actual), np.median(measured)))
        print(f"{loss:<15}{label:<38}{medians}  {ratios:<27}{shown:<28}{holds}", flush=True)


if __name__ == "__main__":
    main()
