"""How far is `predict` from measurement, for every activation, initialisation, loss, data set and depth?

Setup   Networks at step 0 over 20 seeds, width 1024, depths 2, 10 and 50, 32 examples of digits and of moons, float64.
        Per layer the mean over seeds of log(measured / predicted gradient norm), prediction at its typical value,
        beside its standard error and finite width's term (half the variance that width gives the log of the square;
        5 sum 1/n / 2 for ReLU). Weights are drawn once a seed and serve every activation, loss, data set and depth:
        initialisations of one family differ by a factor. Then unequal widths, normalisations and residual branches,
        as networks of the lab. What has been measured is kept, seed by seed, and not measured again.
Expect  |mean log ratio| within the width term and 1 standard error holds for two thirds of all layers by chance alone
        where that term is small, within 3 for all: the last columns say how many hold each. Worst case last.
Run     python experiments/benchmarks/prediction.py --quick     # width 256, depths 2 and 10, 10 seeds
        python experiments/benchmarks/prediction.py             # about an hour on one core, 2 GB
        python experiments/benchmarks/prediction.py --activations relu tanh --depths 50   # a part of it
Writes  results/prediction/*.npz, the logs of the measured norms
"""

import argparse
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from vanishlab import MLP, Dataset, InputError, NetworkConfig, load_data, predict
from vanishlab.activations import ACTIVATIONS
from vanishlab.config import ActivationName, InitializationName, LossName
from vanishlab.network.activation_modules import activation_module
from vanishlab.network.losses import run_losses

EXAMPLES = 32
FAMILIES = {
    "normal": ("xavier_normal", "kaiming_normal", "lecun_normal", "gaussian"),
    "uniform": ("torch_default", "xavier_uniform", "kaiming_uniform"),
    "orthogonal": ("orthogonal",),
}
UNEQUAL = (1024, 512, 1536, 256, 1024, 768)
OTHERS: tuple[dict[str, Any], ...] = (
    {"activation": "relu", "initialization": "kaiming_normal", "width": UNEQUAL},
    {"activation": "tanh", "initialization": "orthogonal", "width": UNEQUAL},
    {"activation": "gelu", "initialization": "xavier_uniform", "width": UNEQUAL},
    *({"activation": "relu", "initialization": "kaiming_normal", "normalization": kind} for kind in ("layer", "rms")),
    {"activation": "tanh", "initialization": "orthogonal", "normalization": "layer"},
    {"activation": "relu", "initialization": "kaiming_normal", "normalization": "batch"},
    {"activation": "tanh", "initialization": "lecun_normal", "normalization": "batch"},
    {"activation": "silu", "initialization": "lecun_normal", "residual": "plain"},
    {"activation": "tanh", "initialization": "xavier_uniform", "residual": "plain"},
    {"activation": "relu", "initialization": "kaiming_normal", "residual": 0.3},
    {"activation": "gelu", "initialization": "orthogonal", "residual": "learned"},
    {"activation": "relu", "initialization": "kaiming_normal", "residual": 0.3, "normalization": "layer"},
    {"activation": "sigmoid", "residual": "plain", "normalization": "batch"},
)
HEADER = f"{'case':<62}{'worst layer':>11}{'mean log ratio':>16}{'std. error':>11}{'width term':>11}"
Case = tuple[str, str, str, int, str]  # activation, initialisation, data, depth, loss


def draw(family: str, fan_out: int, fan_in: int, generator: torch.Generator) -> Tensor:
    """Return a weight of variance 1 (orthogonal: the matrix itself), (fan_out, fan_in)."""
    weight = torch.empty(fan_out, fan_in, dtype=torch.float64)
    if family == "uniform":
        return weight.uniform_(-(3**0.5), 3**0.5, generator=generator)
    if family == "orthogonal":
        return torch.nn.init.orthogonal_(weight, generator=generator)
    return weight.normal_(generator=generator)


def scale(initialization: str, activation: str, weight: Tensor) -> float:
    """Return what a drawn weight is multiplied by."""
    fan_out, fan_in = weight.shape
    kind = initialization.split("_")[0]
    gain = ACTIVATIONS[activation].gain
    rules = {
        "xavier": 2 / (fan_in + fan_out),
        "kaiming": gain**2 / fan_in,
        "torch": 1 / (3 * fan_in),
        "orthogonal": 1.0,
    }
    return math.sqrt(rules.get(kind, 1 / fan_in))


def gradient_norms(
    weights: list[Tensor],
    biases: list[Tensor],
    activation: str,
    x: Tensor,
    y: Tensor,
    depths: list[int],
    readout: Tensor,
) -> Iterator[tuple[int, str, np.ndarray]]:
    """Yield depth, loss and logs of the layers' gradient norms, (layer,), of the networks cut off at each of `depths`.

    All of them share their first layers and the readout (its bias comes last). ||delta^T h||^2 = sum (delta delta^T)
    (h h^T) needs no gradient.
    """
    phi = activation_module(activation)  # pyright: ignore[reportArgumentType]
    inputs, slopes = [x], []
    for weight, bias in zip(weights[: max(depths)], biases, strict=False):
        z = torch.addmm(bias, inputs[-1], weight.T).requires_grad_()
        h = phi(z)
        slopes.append(torch.autograd.grad(h.sum(), z)[0])
        inputs.append(h.detach())
    grams = [h @ h.T for h in inputs]
    for depth, loss in itertools.product(depths, get_args(LossName)):
        logits = torch.addmm(biases[-1], inputs[depth], readout.T).requires_grad_()
        delta = torch.autograd.grad(run_losses(logits[None], y, loss).sum(), logits)[0]
        squares = []
        back = readout
        for layer in range(depth, -1, -1):
            # Kept at size 1: products of tiny deltas underflow.
            size = float(delta.abs().max()) or 1.0
            unit = delta / size
            squares.append(0.5 * math.log(max(float(((unit @ unit.T) * grams[layer]).sum()), 1e-300)) + math.log(size))
            if layer > 0:
                delta = (delta @ back) * slopes[layer - 1]
                back = weights[layer - 1]
        yield depth, loss, np.array(squares[::-1])


def measure_seed(
    options: argparse.Namespace, data: dict[str, Dataset], family: str, seed: int, wanted: set[tuple[str, str, str]]
) -> dict[Case, np.ndarray]:
    """Return the logs of the gradient norms, (layer,), of the `wanted` (activation, initialisation, data)."""
    found: dict[Case, np.ndarray] = {}
    generator = torch.Generator().manual_seed(seed)
    hidden = [draw(family, options.width, options.width, generator) for _ in range(max(options.depths) - 1)]
    biases = torch.empty(max(options.depths) + 1, options.width, dtype=torch.float64).uniform_(
        -1, 1, generator=generator
    )
    for name, dataset in data.items():
        first = draw(family, options.width, dataset.features, generator)
        readout = draw(family, dataset.num_classes, options.width, generator)
        x, y = torch.from_numpy(dataset.x), torch.from_numpy(dataset.y)
        for activation, initialization, _ in sorted(case for case in wanted if case[2] == name):
            layers = [first, *hidden]
            factors = [scale(initialization, activation, weight) for weight in [*layers, readout]]
            shift = [weight.shape[1] ** -0.5 if initialization == "torch_default" else 0.0 for weight in layers]
            bias = [b * s for b, s in zip(biases, shift, strict=False)]
            bias.append(biases[-1, : dataset.num_classes] * (options.width**-0.5 if shift[0] else 0.0))
            scaled = [weight * factor for weight, factor in zip(layers, factors, strict=False)]
            norms = gradient_norms(scaled, bias, activation, x, y, options.depths, readout * factors[-1])
            found |= {(activation, initialization, name, depth, loss): logs for depth, loss, logs in norms}
    return found


def measure(options: argparse.Namespace, data: dict[str, Dataset], family: str) -> dict[Case, np.ndarray]:
    """Return the logs of the gradient norms of every case of one family, (seed, layer), kept ones where there are."""
    members = [name for name in FAMILIES[family] if name in options.initializations]
    triples = set(itertools.product(options.activations, members, data))
    rows: dict[Case, list[np.ndarray]] = {}
    for seed in range(options.seeds):
        path = options.folder / f"{family}_width{options.width}_seed{seed}.npz"
        kept = load(path)
        known: dict[Case, np.ndarray] = {}
        for key, logs in kept.items():
            activation, initialization, name, depth, loss = key.split()
            known[activation, initialization, name, int(depth), loss] = logs
        missing = {
            triple
            for triple in triples
            if not all((*triple, *rest) in known for rest in itertools.product(options.depths, get_args(LossName)))
        }
        if missing:
            known |= measure_seed(options, data, family, seed, missing)
            save(path, {" ".join(map(str, case)): logs for case, logs in known.items()})
        for triple, depth, loss in itertools.product(sorted(triples), options.depths, get_args(LossName)):
            rows.setdefault((*triple, depth, loss), []).append(known[(*triple, depth, loss)])
    return {case: np.stack(logs) for case, logs in rows.items()}


def measure_network(network: NetworkConfig, data: Dataset, seeds: int, path: Path) -> dict[str, np.ndarray]:
    """Return the logs of the gradient norms of the lab's own networks for each loss, (seed, layer)."""
    kept = load(path)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    for seed in range(seeds):
        if f"{get_args(LossName)[-1]} {seed}" in kept:
            continue
        model = MLP(network, data.features, data.num_classes, (seed,))
        weights, logits = [layer.weight for layer in model.linear_layers], model(x)
        for loss in get_args(LossName):
            gradients = torch.autograd.grad(run_losses(logits, y, loss).sum(), weights, retain_graph=True)
            norms = np.array([float(gradient.norm()) for gradient in gradients])
            with np.errstate(divide="ignore"):  # a branch that starts at 0 hands nothing down
                kept[f"{loss} {seed}"] = np.log(norms)
        save(path, kept)
    return {loss: np.stack([kept[f"{loss} {seed}"] for seed in range(seeds)]) for loss in get_args(LossName)}


def load(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays kept at `path`, none where there is no file."""
    if not path.exists():
        return {}
    with np.load(path) as file:
        return dict(file)


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the arrays in one go: a run that is cut off leaves the old file."""
    part = path.with_suffix(".part.npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(part, **arrays)  # pyright: ignore[reportArgumentType]
    part.replace(path)


class Table:
    """Prints one line per case and keeps what the summary needs."""

    def __init__(self) -> None:
        print(HEADER + f"{'in 1 s.e.':>10}{'in 3 s.e.':>10}")
        self.rows: list[tuple[float, str, int, int, int]] = []

    def add(self, label: str, network: NetworkConfig, data: Dataset, loss: LossName, logs: np.ndarray) -> None:
        try:
            prediction = predict(network, data, loss)
        except InputError as refusal:
            print(f"{label:<62}refused: {refusal}")
            return
        expected = math.log(10.0) * prediction.log10_typical("gradient_norm")
        with np.errstate(invalid="ignore"):
            ratio = np.where(np.isneginf(logs) & np.isneginf(expected), 0.0, logs - expected)  # both exactly 0
        mean, error = ratio.mean(0), ratio.std(0, ddof=1) / math.sqrt(len(logs))
        term = 0.5 * prediction.width_log_variance + prediction.sampling_log_error
        excess = (np.abs(mean) - term) / np.maximum(error, 1e-12)
        worst = int(np.argmax(excess))
        one, three = int((excess <= 1).sum()), int((excess <= 3).sum())
        line = (
            f"{label:<62}{worst + 1:>11}{mean[worst]:>16.4f}{error[worst]:>11.4f}{term[worst]:>11.4f}"
            f"{one:>6}/{len(mean)}{three:>6}/{len(mean)}"
        )
        self.rows.append((float(excess[worst]), line, one, three, len(mean)))
        print(line, flush=True)

    def summarise(self) -> None:
        one, three, layers = (sum(counts) for counts in zip(*(row[2:] for row in self.rows), strict=True))
        print(f"\n{layers} layers of {len(self.rows)} networks: ", end="")
        print(f"{one / layers:.1%} in the width term and 1 s.e., {three / layers:.1%} in 3 s.e.")
        print(f"worst case ({max(self.rows)[0]:.1f} s.e. beyond the width term):\n{max(self.rows)[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="width 256, depths 2 and 10, 10 seeds")
    parser.add_argument("--width", type=int)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--depths", type=int, nargs="+")
    parser.add_argument("--activations", nargs="+", default=list(get_args(ActivationName)))
    parser.add_argument("--initializations", nargs="+", default=list(get_args(InitializationName)))
    parser.add_argument("--data", nargs="+", default=["digits", "moons"])
    parser.add_argument("--no-others", action="store_true", help="leave out unequal widths, normalisation, residuals")
    parser.add_argument("--folder", type=Path, default=Path("results/prediction"))
    options = parser.parse_args()
    options.width = options.width or (256 if options.quick else 1024)
    options.seeds = options.seeds or (10 if options.quick else 20)
    options.depths = options.depths or ([2, 10] if options.quick else [2, 10, 50])
    data = {name: replace(load_data(name, max_examples=EXAMPLES), x_test=None, y_test=None) for name in options.data}
    print(f"width {options.width}, {options.seeds} seeds, {EXAMPLES} examples")
    table = Table()
    for family, members in FAMILIES.items():
        if not set(members) & set(options.initializations):
            continue
        start = time.process_time()
        for (activation, initialization, name, depth, loss), logs in measure(options, data, family).items():
            network: Any = {"depth": depth, "width": options.width, "activation": activation}
            network = NetworkConfig(**network, initialization=initialization, dtype="float64")  # pyright: ignore
            label = f"{activation} {initialization} {name} {depth} {loss}"
            table.add(label, network, data[name], loss, logs)  # pyright: ignore[reportArgumentType]
        print(f"({family}: {time.process_time() - start:.0f} s of CPU)")
    for settings, depth, name in () if options.no_others else itertools.product(OTHERS, options.depths, data):
        width = settings.get("width", options.width)
        if isinstance(width, tuple) and depth != options.depths[0]:
            continue
        size = {"depth": len(width) if isinstance(width, tuple) else depth, "width": width, "dtype": "float64"}
        network = NetworkConfig(**{**size, **settings})
        changed = {key: value for key, value in settings.items() if key not in ("activation", "initialization")}
        words = " ".join(
            "unequal widths" if isinstance(value, tuple) else f"{key} {value}" for key, value in changed.items()
        )
        label = f"{network.activation} {network.initialization} {words} {name} {network.depth}"
        path = options.folder / f"{label.replace(' ', '_')}_width{options.width}.npz"
        for loss, logs in measure_network(network, data[name], options.seeds, path).items():
            table.add(f"{label} {loss}", network, data[name], loss, logs)  # pyright: ignore[reportArgumentType]
    table.summarise()


if __name__ == "__main__":
    main()
