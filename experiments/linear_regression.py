"""What does one learning rate too small, right, or too large do to gradient descent?

Setup   linear regression, y = 2 + 3 x + noise, 100 points with x in (0, 2); the mean squared error's gradient; 40
        updates `x -= learning_rate * gradient` from (-1, 3).
Expect  learning rates below 2 / (largest eigenvalue of X^T X / n) = 0.83 converge: after 40 updates 0.01 is still on
        its way, 0.5 has reached the least-squares solution, 0.84 zigzags outward.
Run     python experiments/linear_regression.py           # two seconds
Writes  results/linear_regression/path.png, path.svg, path.npz
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from matplotlib.figure import Figure

from vanishlab import gradient_descent, linear_regression_gradient
from vanishlab.cli.console import run
from vanishlab.cli.tables import print_table
from vanishlab.files import output_folder, write_whole
from vanishlab.language.sentences import say
from vanishlab.plots import save_both

TRUTH = (2.0, 3.0)  # intercept and slope
START = (-1.0, 3.0)

COLUMNS = ("learning rate", "intercept", "slope", "distance to least squares")


@dataclass(frozen=True)
class Options:
    learning_rates: tuple[float, ...] = (0.01, 0.5, 0.84)
    """Learning rates, each with a panel of its own."""
    iterations: int = 40
    """Updates with each of them."""
    examples: int = 100
    """Points to fit."""
    seed: int = 0
    """Seed of the points."""
    out: Path = Path("results/linear_regression")
    """Folder for the picture and the paths."""


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    out = output_folder(options.out)
    generator = np.random.default_rng(options.seed)
    x = generator.uniform(0, 2, options.examples)
    features = np.stack([np.ones_like(x), x], axis=1)  # (n, 2)
    targets = features @ TRUTH + generator.normal(0, 0.5, options.examples)
    solution = np.linalg.lstsq(features, targets, rcond=None)[0]
    gradient = linear_regression_gradient(features, targets)
    limit = 2 / np.linalg.eigvalsh(features.T @ features / len(x))[-1]

    paths = {
        rate: gradient_descent(START, gradient, rate, options.iterations, return_trajectory=True).path
        for rate in options.learning_rates
    }
    rows = [
        [rate, float(path[-1, 0]), float(path[-1, 1]), float(np.linalg.norm(path[-1] - solution))]
        for rate, path in paths.items()
    ]
    title = say(
        "least squares: {intercept:.3f} + {slope:.3f} x; stable below {limit:.3f}",
        intercept=solution[0],
        slope=solution[1],
        limit=limit,
    )
    print_table(title, [say(column) for column in COLUMNS], rows)
    arrays = {f"path_{rate:g}": path for rate, path in paths.items()}
    write_whole(out / "path.npz", lambda file: np.savez(file, solution=solution, **arrays))
    print(*save_both(draw(paths, features, targets, solution), out / "path"))


def draw(paths: dict[float, np.ndarray], features: np.ndarray, targets: np.ndarray, solution: np.ndarray) -> Figure:
    figure = Figure(figsize=(4.2 * len(paths), 4.2), layout="constrained")
    axes = figure.subplots(1, len(paths), sharex=True, sharey=True, squeeze=False)[0]
    intercept, slope = np.meshgrid(np.linspace(-1.5, 6, 120), np.linspace(-1.5, 6, 120))
    weights = np.stack([intercept.ravel(), slope.ravel()])  # (2, points)
    loss = ((features @ weights - targets[:, None]) ** 2).mean(0).reshape(intercept.shape) / 2
    for ax, (rate, path) in zip(axes, paths.items(), strict=True):
        ax.contourf(intercept, slope, np.log10(loss), levels=20, cmap="cividis")
        ax.plot(path[:, 0], path[:, 1], "o-", color="white", markersize=3, linewidth=0.7)
        ax.plot(*path[0], "s", color="white", markersize=7)
        ax.plot(*solution, "*", color="#D55E00", markersize=14)
        ax.set(title=say("learning rate {rate}", rate=f"{rate:g}"), xlim=(-1.5, 6), ylim=(-1.5, 6))
        ax.set_xlabel(say("intercept"))
    axes[0].set_ylabel(say("slope"))
    figure.suptitle(
        say("Gradient descent on log₁₀ of the mean squared error; from the square; the star is least squares")
    )
    return figure


if __name__ == "__main__":
    run(main)
