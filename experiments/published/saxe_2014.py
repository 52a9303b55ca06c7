r"""Do deep linear networks learn as fast as shallow ones, if only their weights start orthogonal?

Claim   With orthogonal initial weights the time to learn, at each depth's best rate, does not grow with depth but for a
        finite delay, with Gaussian weights it does; the best rate falls as 1 / depth (Saxe, McClelland & Ganguli, 2014,
        arXiv:1312.6120).
Theory  For the loss (1 / C) mean_n ||W x - y||^2 with D orthogonal factors and whitened inputs, E[x x^T] = s^2, every
        layer adds 2 s^2 / C to the Hessian's largest eigenvalue: the largest stable rate is 2 / lambda = C / (D s^2).
Setup   512 handwritten digits, whitened to their 32 leading components and scaled by s so that the best linear map has
        a largest singular value of 1, as the weights have; D square factors of width 32, biases held at 0, C = 10.
        Learned: 95 % of what a linear map can explain. Rates on a grid of ratio 1.26 (Gaussian: 1.5); three seeds.
Run     python experiments/published/saxe_2014.py           # a minute on one CPU core
        python experiments/published/saxe_2014.py --quick
Writes  results/published/saxe_2014 (.png, .svg)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from vanishlab import MLP, Dataset, NetworkConfig, TrainingConfig, load_data, train
from vanishlab.config import InitializationName
from vanishlab.language.sentences import say
from vanishlab.plots import save_both

SOURCE = "Saxe et al. 2014: deep linear networks"
WIDTH, CLASSES = 32, 10
LEARNED = 0.05  # of the explainable part of the loss is left


@dataclass(frozen=True)
class Task:
    """The data, their scale s, and the loss of the best linear map and of the map 0."""

    data: Dataset
    scale: float
    best: float
    nothing: float

    def limit(self, depth: int) -> float:
        return CLASSES / (depth * self.scale**2)


def measure(quick: bool, out: Path) -> list[Claim]:
    task = _task(512)
    seeds = (0, 1, 2)
    depths = (4, 8, 16) if quick else (2, 4, 8, 16, 32)
    rates = np.geomspace(0.25, 1.6, 9)  # of the largest stable rate
    orthogonal = np.array([_learn(task, "orthogonal", depth, rates, seeds, steps=25) for depth in depths])
    gaussian_depths = (4, 8) if quick else (2, 4, 8, 16)
    rates, most = (np.geomspace(0.13, 0.66, 5), 100) if quick else (np.geomspace(0.058, 0.66, 7), 400)
    gaussian = np.array([_learn(task, "gaussian", depth, rates, seeds, most) for depth in gaussian_depths])
    print(*save_both(_draw(task, depths, orthogonal, gaussian_depths, gaussian), out / "saxe_2014"))

    slope = float(np.polyfit(np.log(depths), np.log(orthogonal[:, 1]), 1)[0])
    deepest, shared = depths[-1], gaussian_depths[-1]
    steps = dict(zip(depths, orthogonal[:, 0], strict=True))
    return [
        Claim(
            say(
                "slope of log best rate against log depth, {first} to {deepest} layers, orthogonal",
                first=depths[0],
                deepest=deepest,
            ),
            "-1",
            -1.0,
            slope,
            around(-1.0, absolute=0.2 if quick else 0.15),
            say("±0.2: one place on the grid of rates, over a factor of 4 in depth, is 0.17")
            if quick
            else say("±0.15: one place on the grid of rates at either end is 0.08, and 2 layers are few for theory"),
        ),
        Claim(
            say("best rate / largest stable rate, {deepest} layers, orthogonal", deepest=deepest),
            "–",
            1.0,
            float(orthogonal[-1, 1] / task.limit(deepest)),
            (0.75, 1.3),
            say("one place on the grid to either side"),
        ),
        Claim(
            say("steps to learn, {deepest} layers / 4 layers, orthogonal", deepest=deepest),
            say("1, and a finite delay"),
            1.0,
            float(steps[deepest] / steps[4]),
            (0.5, 2.0),
            say("factor 2, where depth and Gaussian weights bring far more"),
            say(
                "{few:.1f} and {many:.1f} steps: the delay is there, and it levels off with depth",
                few=steps[4],
                many=steps[deepest],
            ),
        ),
        Claim(
            say("steps to learn, {shared} layers, Gaussian / orthogonal", shared=shared),
            say("above 1, grows with depth"),
            None,
            float(gaussian[-1, 0] / steps[shared]),
            (3.0 if quick else 8.0, np.inf),
            say("a clear gap; its size depends on the seeds"),
            say(
                "{few:.1f} steps at {first} layers and {many:.0f} at {shared} with Gaussian weights: their product's "
                "singular values lie far apart, so that no one rate fits them",
                few=gaussian[0, 0],
                first=gaussian_depths[0],
                many=gaussian[-1, 0],
                shared=shared,
            ),
        ),
    ]


def _task(examples: int) -> Task:
    digits = load_data("digits", max_examples=examples)
    targets = np.eye(CLASSES)[digits.y]  # (n, class)
    centred = digits.x - digits.x.mean(0)
    whitened = np.linalg.svd(centred, full_matrices=False)[0][:, :WIDTH] * np.sqrt(len(centred))  # (n, component)
    scale = float(np.linalg.norm(whitened.T @ targets / len(centred), 2))
    x = scale * whitened
    fit = x @ np.linalg.lstsq(x, targets, rcond=None)[0]
    return Task(Dataset(x, digits.y, name="whitened digits"), scale, np.mean((fit - targets) ** 2), 1 / CLASSES)


def _learn(
    task: Task, initialization: InitializationName, depth: int, shares: np.ndarray, seeds: tuple[int, ...], steps: int
) -> tuple[float, float]:
    """Steps to learn at the best rate, and that rate; `shares` are rates in units of the largest stable one."""
    rates = task.limit(depth) * shares
    network = NetworkConfig(depth - 1, WIDTH, "linear", initialization)  # the readout is the last factor
    model = MLP(network, WIDTH, CLASSES, seeds * len(rates))
    for layer in model.linear_layers:
        layer.bias.requires_grad_(False)
    training = TrainingConfig(tuple(rates), seeds, steps, loss="mse", device="cpu")
    record = train(network, training, task.data, model=model)
    left = (record.loss - task.best) / (task.nothing - task.best)  # (run, step)
    taken = np.median(np.array([_crossing(run) for run in left]).reshape(len(rates), len(seeds)), axis=1)
    best = int(np.argmin(taken))
    return float(taken[best]), float(rates[best])


def _crossing(left: np.ndarray) -> float:
    """The step, interpolated, at which `left` (step,) first falls to LEARNED; infinite where it never does."""
    below = left <= LEARNED
    if not below.any():
        return np.inf
    step = int(np.argmax(below))
    if step == 0:
        return 0.0
    before, after = np.log(left[step - 1 : step + 1])
    return step - 1 + float((before - np.log(LEARNED)) / (before - after))


def _draw(
    task: Task, depths: tuple[int, ...], orthogonal: np.ndarray, gaussian_depths: tuple[int, ...], gaussian: np.ndarray
) -> Figure:
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for column, ax in enumerate(axes):
        ax.plot(depths, orthogonal[:, column], "o-", label=say("orthogonal weights"))
        ax.plot(gaussian_depths, gaussian[:, column], "s-", label=say("Gaussian weights"))
        ax.set(xscale="log", yscale="log", xlabel=say("layers D"))
        ax.set_xticks(depths, [str(depth) for depth in depths])
        ax.xaxis.set_minor_locator(NullLocator())
    limits = [task.limit(depth) for depth in depths]
    axes[1].plot(depths, limits, "--", color="black", linewidth=1, label=say("largest stable rate C / (D s²)"))
    axes[0].set(ylabel=say("steps"), title=say("Steps to learn, at the best rate"))
    axes[1].set(ylabel=say("learning rate"), title=say("Best rate"))
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
