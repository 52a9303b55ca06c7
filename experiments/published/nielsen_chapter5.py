r"""Nielsen's chapter 5: how much slower do the early layers of a deep sigmoid network learn?

Claim   On MNIST, with sigmoid hidden layers of 30, the norm of delta falls by a factor of four to five per layer
        towards the input, and keeps doing so during training (Nielsen, Neural Networks and Deep Learning, 2015,
        chapter 5; the norms are those of his book's repository).
Setup   His conventions: cross-entropy behind sigmoid outputs, pixels / 256, weights N(0, 1 / fan_in), biases N(0, 1),
        the first 1,000 training images; delta is averaged over them before the norm is taken, so it is the gradient
        with respect to the bias. His networks were one seed each; here are 200, and his value has to lie where they do.
        Training: 500 full-batch updates at rate 0.1, weights shrunk by rate * 5 / 1000 in each (lambda = 5); 10 seeds.
Theory  ||delta_l|| / ||delta_{l+1}|| = sqrt(E[sigmoid'(z)^2]), z of variance q_1 = 1 + mean(x^2), q_{l+1} = 1 +
        E[sigmoid(z)^2].
Run     python experiments/published/nielsen_chapter5.py           # 20 seconds on one CPU core; downloads MNIST (15 MB)
        python experiments/published/nielsen_chapter5.py --quick   # the start only, and only with MNIST on disk
Writes  results/published/nielsen_chapter5 (.png, .svg)
"""

import os
from pathlib import Path

import numpy as np
import torch
from claims import Claim, NotMeasuredError, around, run_script
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn import functional

from vanishlab import MLP, InputError, NetworkConfig, load_data
from vanishlab.data import ENVIRONMENT_VARIABLE
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import say
from vanishlab.plots import save_both
from vanishlab.theory import second_moment, slope_second_moment
from vanishlab.training.descent import descend

SOURCE = "Nielsen 2015, chapter 5: early layers learn slowly"
NORMS = {2: (0.0657, 0.3092), 3: (0.0118, 0.0600, 0.2831), 4: (0.0030, 0.0171, 0.0695, 0.2851)}  # layer 1 first
FIRST_LAST = {"before": 0.0104, "after": 0.0089}  # four hidden layers, 500 epochs
EXAMPLES, EPOCHS, RATE, LAMBDA = 1000, 500, 0.1, 5.0


def measure(quick: bool, out: Path) -> list[Claim]:
    x, y = _mnist(quick)
    count = 150 if quick else 200
    # Seeds of their own for each depth: networks of one seed share their first layer.
    norms = {depth: _gradients(_model(depth, 1000 * depth, count), x, y)[1] for depth in NORMS}  # (run, layer)
    claims = [claim for depth in NORMS for claim in _start(depth, norms[depth])]
    claims += _neighbours(norms, float(x.square().mean()))
    history = None if quick else _train(_model(4, 0, 10), x, y)  # (epoch, run, layer)
    if history is not None:
        for when, epoch in (("before", 0), ("after", -1)):
            published, ratios = FIRST_LAST[when], history[epoch, :, 0] / history[epoch, :, -1]  # (run,)
            claims.append(
                Claim(
                    say("4 hidden layers: first norm / last, {when} 500 epochs", when=say(when)),
                    f"{published:.4f}",
                    None,
                    float(np.exp(np.log(ratios).mean())),
                    (published / 2, published * 2),
                    say("factor 2: his is one seed"),
                    say("the seeds lie between {low:.4f} and {high:.4f}", low=ratios.min(), high=ratios.max()),
                )
            )
    print(*save_both(_draw(norms, history), out / "nielsen_chapter5"))
    return claims


def _mnist(quick: bool) -> tuple[Tensor, Tensor]:
    """Return the first images (1000, 784), pixels / 256, and one-hot labels (1000, 10)."""
    folder = os.environ.get(ENVIRONMENT_VARIABLE)
    if quick and not (folder and (Path(folder) / "mnist.npz").is_file()):
        raise NotMeasuredError(
            say("needs MNIST: mnist.npz in a folder that {variable} names", variable=ENVIRONMENT_VARIABLE)
        )
    try:
        data = load_data("mnist")
    except InputError as error:
        raise NotMeasuredError(say("needs MNIST: {error}", error=in_words(error))) from error
    x = torch.from_numpy(data.x[:EXAMPLES] * (255 / 256)).float()
    return x, functional.one_hot(torch.from_numpy(data.y[:EXAMPLES]), 10).float()


def _model(depth: int, first_seed: int, count: int) -> MLP:
    config = NetworkConfig(depth, 30, "sigmoid", "gaussian", sigma_w=1.0, sigma_b=1.0)
    return MLP(config, 784, 10, tuple(range(first_seed, first_seed + count)))


def _gradients(model: MLP, x: Tensor, y: Tensor) -> tuple[dict[Tensor, Tensor], np.ndarray]:
    """Return each parameter's gradient, and the norms of the hidden layers' bias gradients, (run, layer)."""
    logits = model(x)  # (run, batch, class)
    cost = functional.binary_cross_entropy_with_logits(logits, y.expand_as(logits), reduction="none").sum(2).mean(1)
    parameters: list[Tensor] = list(model.parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(cost.sum(), parameters), strict=True))
    biases = [gradients[layer.bias] for layer in model.linear_layers[:-1]]
    return gradients, torch.stack([bias.double().norm(dim=1) for bias in biases], 1).numpy()


def _train(model: MLP, x: Tensor, y: Tensor) -> np.ndarray:
    """Train on the full batch and return the norms before each update, (epoch, run, layer)."""
    history = []
    for _ in range(EPOCHS):
        gradients, norms = _gradients(model, x, y)
        history.append(norms)
        for parameter, gradient in gradients.items():
            shrunk = parameter.data * (1 - RATE * LAMBDA / len(x)) if parameter.ndim == 3 else parameter.data
            parameter.data = descend(shrunk, gradient, RATE)
    return np.stack(history)


def _start(depth: int, norms: np.ndarray) -> list[Claim]:
    claims = []
    for layer, published in enumerate(NORMS[depth]):
        low, high = np.percentile(norms[:, layer], [2.5, 97.5])
        claims.append(
            Claim(
                say(
                    "{depth} hidden layers, layer {layer}: share of the seeds whose norm is below his",
                    depth=depth,
                    layer=layer + 1,
                ),
                say("norm {published:.4f}", published=published),
                None,
                float((norms[:, layer] < published).mean()),
                (0.025, 0.975),
                say("inside the band of 95 % of the seeds, {low:.4f} to {high:.4f}", low=low, high=high),
            )
        )
    return claims


def _neighbours(norms: dict[int, np.ndarray], mean_square: float) -> list[Claim]:
    q, claims = 1.0 + mean_square, []
    for name, part in (("layers 1 and 2", slice(0, 1)), ("later layers", slice(1, None))):
        theory = float(slope_second_moment("sigmoid", q)) ** 0.5
        logs = [np.log(values[:, :-1] / values[:, 1:])[:, part].ravel() for values in norms.values()]
        his = [np.log(np.divide(values[:-1], values[1:]))[part] for values in NORMS.values()]
        claims.append(
            Claim(
                say("ratio of neighbouring norms, {name}, geometric mean", name=say(name)),
                f"{np.exp(np.concatenate(his).mean()):.3f}",
                theory,
                float(np.exp(np.concatenate(logs).mean())),
                around(theory, share=0.05),
                say("±5 % of theory: at width 30 the mean log lies some 2 % below the log of the mean square"),
                say("published is the geometric mean over his three networks, one seed each"),
            )
        )
        q = 1.0 + float(second_moment("sigmoid", q))  # settled from layer 2 on, to 1 in 200
    return claims


def _draw(norms: dict[int, np.ndarray], history: np.ndarray | None) -> Figure:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    axes = figure.subplots(1, 1 if history is None else 2, squeeze=False)[0]
    handles = []
    for place, (depth, values) in enumerate(norms.items()):
        layers = np.arange(1, depth + 1) + 0.12 * (place - 1)
        low, middle, high = np.percentile(values, [2.5, 50, 97.5], axis=0)
        bar = axes[0].errorbar(layers, middle, (middle - low, high - middle), fmt="_", markersize=10)
        axes[0].plot(layers, NORMS[depth], "o", color=bar[0].get_color())
        handles.append(
            Line2D([], [], color=bar[0].get_color(), label=say("{depth} hidden layers, 95 % of the seeds", depth=depth))
        )
    handles.append(Line2D([], [], color="0.3", marker="o", linestyle="none", label="Nielsen"))
    axes[0].set(xlabel=say("layer (1 = nearest the input)"), ylabel=say("‖mean delta‖ at the start"), yscale="log")
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(handles=handles, frameon=False, loc="lower right")
    if history is not None:
        epochs = np.arange(len(history))
        for layer in range(history.shape[2]):
            low, middle, high = np.percentile(history[:, :, layer], [10, 50, 90], axis=1)
            axes[1].fill_between(epochs, low, high, alpha=0.2)
            axes[1].plot(epochs, middle, label=say("layer {layer}", layer=layer + 1))
        axes[1].set(
            xlabel=say("epoch (one update)"), ylabel=say("‖mean delta‖, median and 80 % of the seeds"), yscale="log"
        )
        axes[1].legend(frameon=False, ncols=2)
    figure.suptitle(say("Sigmoid layers of 30 on MNIST: early layers get less to learn from"))
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
