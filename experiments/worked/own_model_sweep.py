"""How do all learning rates and seeds of *my* model fare, trained side by side by torch.func?

Setup   eight tanh layers written as anyone would write them; 4 learning rates × 3 seeds are one stack of parameters
        (`torch.func.stack_module_state`), and one step of all is `vmap` of `grad`. Hooks add a perturbation, zero
        everywhere, to each layer's z: the loss's gradient with respect to it is dloss/dz, which is delta.
Expect  the same numbers as `GradientRecorder` around a loop for each; the saturated fraction and what compares examples
        are unmeasured (NaN).
Run     python experiments/worked/own_model_sweep.py     # ten seconds on two CPU cores
Writes  results/own_model_sweep/: record.npz, three_curves, training (.png, .svg)
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from vanishlab import Record, load_data
from vanishlab.cli.console import run
from vanishlab.cli.tables import print_table, rate_columns, rate_rows
from vanishlab.files import output_folder
from vanishlab.language.sentences import say
from vanishlab.plots import save_both, three_curves, training_figure

MEASURED = (
    "gradient_norm", "bias_gradient_norm", "delta_rms", "activation_mean", "activation_rms", "weight_norm",
    "update_ratio", "zero_fraction", "subnormal_fraction",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    learning_rates: tuple[float, ...] = (0.01, 0.1, 0.5, 2.0)
    """Learning rates, each with every seed."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the weights."""
    steps: int = 100
    """Updates."""
    max_examples: int = 256
    """Training examples."""
    out: Path = Path("results/own_model_sweep")
    """Folder for the record and pictures."""


def build_model() -> nn.Sequential:
    sizes = [64, *[32] * 8]
    hidden = [(nn.Linear(*pair), nn.Tanh()) for pair in itertools.pairwise(sizes)]
    return nn.Sequential(*itertools.chain(*hidden), nn.Linear(32, 10))


def seeded_model(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return build_model()


def sweep(rates: tuple[float, ...], seeds: tuple[int, ...], steps: int, x: Tensor, y: Tensor) -> Record:
    """Train the model with each rate and seed, and return what can be measured of it, step by step."""
    runs = list(itertools.product(rates, seeds))
    stacked, buffers = stack_module_state([seeded_model(seed) for _, seed in runs])
    parameters: dict[str, Tensor] = {name: value.detach() for name, value in stacked.items()}
    rate = torch.tensor([rate for rate, _ in runs])
    shell = build_model()  # only its structure is used
    layers = {name: module for name, module in shell.named_modules() if isinstance(module, nn.Linear)}
    perturbations = {name: torch.zeros(len(x), linear.out_features) for name, linear in layers.items()}
    passing: dict[str, Any] = {}  # within one call: the perturbations on their way in, h on its way out
    for name, linear in layers.items():
        linear.register_forward_hook(lambda module, inputs, z, name=name: z + passing["perturbations"][name])
        after = str(int(name) + 1) if str(int(name) + 1) in dict(shell.named_modules()) else name
        shell.get_submodule(after).register_forward_hook(
            lambda module, inputs, h, name=name: passing["h"].__setitem__(name, h)
        )

    def loss_of(parameters: Any, perturbations: Any, buffers: Any) -> tuple[Tensor, Any]:
        passing.update(perturbations=perturbations, h={})
        logits = functional_call(shell, (parameters, buffers), (x,))
        loss = nn.functional.cross_entropy(logits, y)
        accuracy = (logits.argmax(1) == y).double().mean()
        return loss, (loss, accuracy, dict(passing["h"]))

    slopes = vmap(grad(loss_of, argnums=(0, 1), has_aux=True), in_dims=(0, None, 0))
    rows: list[dict[str, Any]] = []
    for _ in range(steps + 1):
        (gradients, deltas), (loss, accuracy, h) = slopes(parameters, perturbations, buffers)
        updates = {name: rate.reshape(-1, *[1] * (g.ndim - 1)) * g for name, g in gradients.items()}
        measured = [_measure(name, parameters, gradients, updates, len(x) * deltas[name], h[name]) for name in layers]
        columns = {each: np.stack([layer[each] for layer in measured], axis=1) for each in MEASURED}  # (run, layer)
        rows.append({"loss": loss.detach().double().numpy(), "accuracy": accuracy.numpy(), **columns})
        parameters = {name: value - updates[name] for name, value in parameters.items()}
    arrays: dict[str, Any] = {
        name: np.stack([row[name] for row in rows], axis=1) for name in rows[0]
    }  # (run, step, ...)
    return Record(
        learning_rate=np.array([rate for rate, _ in runs]),
        seed=np.array([seed for _, seed in runs]),
        diverged_step=_first_not_finite(arrays["loss"]),
        step=np.arange(steps + 1),
        layer=np.arange(1, len(layers) + 1),
        test_step=np.zeros(0, dtype=np.int64),
        test_accuracy=np.zeros((len(runs), 0)),
        layer_names=tuple(layers),
        saturated_fraction=np.full((len(runs), steps + 1, len(layers)), np.nan),
        **arrays,
    )


def _measure(
    name: str, parameters: Any, gradients: Any, updates: Any, delta: Tensor, h: Tensor
) -> dict[str, np.ndarray]:
    """Return a layer's quantities by name, each (run,); in float64, where no square of a float32 underflows."""
    weight, g = parameters[f"{name}.weight"], gradients[f"{name}.weight"]
    tiny = torch.finfo(g.dtype).tiny
    values = {
        "gradient_norm": _norm(g),
        "bias_gradient_norm": _norm(gradients[f"{name}.bias"]),
        "delta_rms": _norm(delta) / delta[0].numel() ** 0.5,
        "activation_mean": h.double().flatten(1).mean(1),
        "activation_rms": _norm(h) / h[0].numel() ** 0.5,
        "weight_norm": _norm(weight),
        "update_ratio": _norm(updates[f"{name}.weight"]) / _norm(weight),
        "zero_fraction": (g == 0).double().flatten(1).mean(1),
        "subnormal_fraction": ((g != 0) & (g.abs() < tiny)).double().flatten(1).mean(1),
    }
    return {each: value.numpy() for each, value in values.items()}


def _norm(values: Tensor) -> Tensor:
    return values.double().flatten(1).norm(dim=1)


def _first_not_finite(loss: np.ndarray) -> np.ndarray:
    gone = ~np.isfinite(loss)  # (run, step)
    return np.where(gone.any(axis=1), gone.argmax(axis=1), -1)


def main(options: tyro.conf.OmitArgPrefixes[Options]) -> None:
    out = output_folder(options.out)
    data = load_data("digits", max_examples=options.max_examples)
    x, y = torch.from_numpy(data.x).float(), torch.from_numpy(data.y)
    record = sweep(options.learning_rates, options.seeds, options.steps, x, y)
    record.save(out / "record.npz")
    title = say("{examples} examples of {data}, medians over seeds", examples=len(y), data=data.name)
    print_table(title, rate_columns(), rate_rows(record))
    for name, figure in {"three_curves": three_curves(record), "training": training_figure(record)}.items():
        print(*save_both(figure, out / name))


if __name__ == "__main__":
    run(main)
