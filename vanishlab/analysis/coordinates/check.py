"""`coordinate_check`: networks of several widths or depths, trained for a few steps and measured at each."""

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vanishlab.analysis.coordinates.expected import Role, role_of
from vanishlab.analysis.coordinates.scaling import AXES, PLACES, QUANTITIES, CoordinateCheck
from vanishlab.analysis.coordinates.slopes import LEAST_SIZES
from vanishlab.analysis.objective import compute_loss, copied
from vanishlab.errors import InputError, check_choice, check_integer
from vanishlab.recording.hooks.find_layers import find_layers
from vanishlab.recording.hooks.module_hooks import first_tensor
from vanishlab.recording.layer import Layer
from vanishlab.recording.recorder import GradientRecorder

MakeOptimizer = Callable[[nn.Module], torch.optim.Optimizer]
_RATE = 0.01  # of Adam, as mup's own check has it


def adam(model: nn.Module) -> torch.optim.Optimizer:
    """Return torch's Adam at rate 0.01, one rate for all parameters."""
    return torch.optim.Adam(model.parameters(), lr=_RATE)


def coordinate_check(
    build: Callable[[int], nn.Module],
    sizes: Sequence[int],
    batch: Any,
    loss_fn: Callable[..., Tensor] = functional.cross_entropy,
    *,
    optimizer: MakeOptimizer = adam,
    steps: int = 3,
    seeds: Sequence[int] = (0, 1, 2),
    axis: str = "width",
) -> CoordinateCheck:
    """Return how activations, delta and updates scale with the width of `build(width)`, over a few steps on one batch.

        check = vl.coordinate_check(build_model, (64, 128, 256, 512), (x, y))
        print(check)  # a slope for each layer, with its interval, and what they mean

    For each seed and size torch's generator is seeded, `build(size)` makes a new model and `optimizer(model)` its
    optimizer (Adam at rate 0.01 where none is given); the model is trained on `batch` for so many `steps`. A learning
    rate found at one width holds at others where no layer's activations grow, and the updates' effect on each layer
    neither grows nor shrinks: the condition of maximal-update parametrisation (arXiv:2203.03466). What is drawn at
    random in the forward pass (dropout) is drawn alike at every step.

    With `axis="depth"`, `build(depth)` makes deeper models, and activations and delta should be flat as well. Models
    whose layers bear other names at other depths are compared at four places: first, middle, last but one and last.

    Main arguments
        batch      as for `examine`: (inputs, targets) gives loss_fn(model(inputs), targets)
        sizes      three or more widths or depths, in rising order

    The states of torch's generators are put back. Raises `InputError` for fewer sizes, for numbers out of range, and
    for models whose layers change in number with the width.
    """
    check_choice("axis", axis, AXES)
    check_integer("steps", steps, 1)
    numbers = [check_integer(f"{axis}s", size, 1) for size in sizes]
    if len(numbers) < LEAST_SIZES or sorted(set(numbers)) != numbers:
        raise InputError(f"{axis}s must be {LEAST_SIZES} or more in rising order, got {tuple(numbers)}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"seeds must name one or more, each once, got {tuple(seeds)}")
    runs: list[list[_Run]] = []
    with torch.random.fork_rng():
        for seed in seeds:
            runs.append([_Run(build, size, batch, loss_fn, optimizer, steps, seed) for size in numbers])
    names, places = _alike(runs[0], axis)
    values = {
        name: np.array([[run.values[name][:, at] for run, at in zip(row, places, strict=True)] for row in runs])
        for name in QUANTITIES
    }  # (seed, size, step, layer)
    fans = np.array([run.fans[at] for run, at in zip(runs[0], places, strict=True)])  # (size, layer, 2)
    roles: tuple[Role, ...] = tuple(role_of(fans[:, layer]) for layer in range(len(names)))
    lost = sorted({run.size for row in runs for run in row if run.diverged})
    return CoordinateCheck(axis, np.array(numbers), tuple(seeds), steps, names, roles, values, tuple(lost))


def _alike(runs: Sequence["_Run"], axis: str) -> tuple[tuple[str, ...], list[list[int]]]:
    """Return the names of the layers to compare, and for each size their places in its forward pass."""
    named = [run.names for run in runs]
    if all(set(names) == set(named[0]) for names in named):
        return named[0], [[names.index(name) for name in named[0]] for names in named]
    if axis == "width":
        counts = ", ".join(f"{len(names)} at {run.size}" for run, names in zip(runs, named, strict=True))
        raise InputError(f"build must return the same layers at every width, got {counts}: for depths say axis='depth'")
    if len(named[0]) < len(PLACES):
        raise InputError(f"depths must give models of {len(PLACES)} or more layers, got {len(named[0])}")
    return PLACES, [[0, (len(names) - 1) // 2, len(names) - 2, len(names) - 1] for names in named]


class _Run:
    """One network, trained and measured."""

    def __init__(
        self,
        build: Callable[[int], nn.Module],
        size: int,
        batch: Any,
        loss_fn: Callable[..., Tensor],
        make_optimizer: MakeOptimizer,
        steps: int,
        seed: int,
    ) -> None:
        self.size = size
        torch.manual_seed(seed)
        model = build(size)
        if not isinstance(model, nn.Module):
            raise InputError(f"build must return an nn.Module, got {type(model).__name__}")
        optimizer = make_optimizer(model)
        layers = {layer.name: layer for layer in find_layers(model)[0]}
        outputs = _Outputs(layers.values())
        try:
            with GradientRecorder(model, optimizer) as recorder:
                for _ in range(steps + 1):
                    torch.manual_seed(seed)
                    outputs.begin_step()
                    optimizer.zero_grad()
                    loss = compute_loss(model, loss_fn, copied(batch)).loss
                    recorder.observe_loss(loss)
                    self.diverged = not bool(torch.isfinite(loss))
                    if self.diverged:
                        break
                    loss.backward()
                    optimizer.step()
        finally:
            outputs.remove()
        record = recorder.record
        place = {name: record.facts[name].place if name in record.facts else math.inf for name in record.layer_names}
        order = sorted(range(len(place)), key=lambda at: place[record.layer_names[at]])
        self.names = tuple(record.layer_names[at] for at in order)
        self.fans = np.array([_fans(layers[name]) for name in self.names])  # (layer, 2)
        self.values: dict[str, np.ndarray] = {}
        """Quantity to (step, layer); NaN after divergence."""
        for name in QUANTITIES:
            self.values[name] = np.full((steps + 1, len(order)), math.nan)
            if name == "change_rms":
                done = outputs.change_rms(self.names)[: len(record.step)]
            else:
                done = record.layer_quantity(name)[0][:, order]
            self.values[name][: len(done)] = done


class _Outputs:
    """How far each layer's output z has moved from what it was at the first step, as a root mean square."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._steps: list[dict[str, tuple[float, int]]] = []
        self._first: dict[tuple[str, int], Tensor] = {}
        self._calls: Counter[str] = Counter()
        self._handles = []
        for layer in layers:
            if layer.site is not None:
                note = functools.partial(self._note, layer.name)
                self._handles.append(layer.site.module.register_forward_hook(note))

    def begin_step(self) -> None:
        self._calls.clear()
        self._steps.append({})

    def remove(self) -> None:
        while self._handles:
            self._handles.pop().remove()

    def change_rms(self, names: Sequence[str]) -> np.ndarray:  # (step, layer)
        found = [[step.get(name, (math.nan, 1)) for name in names] for step in self._steps]
        return np.array([[math.sqrt(squares / entries) for squares, entries in step] for step in found])

    def _note(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        z = first_tensor(output)
        if z is None:
            return
        z = z.detach()
        call = name, self._calls[name]  # of a layer that is called several times, each call by itself
        self._calls[name] += 1
        first = self._first.setdefault(call, z.clone() if len(self._steps) == 1 else z)
        if first.shape != z.shape:
            return
        squares, entries = self._steps[-1].get(name, (0.0, 0))
        norm = float(torch.linalg.vector_norm(z - first, dtype=torch.float64))
        self._steps[-1][name] = squares + norm * norm, entries + z.numel()


def _fans(layer: Layer) -> tuple[int, int]:
    # A parametrised weight is made of several; the largest has its shape.
    weight = max(layer.weights, key=lambda each: each.numel())
    fan_out, fan_in = len(weight), weight[0].numel()
    embedding = layer.site is not None and isinstance(layer.site.module, nn.Embedding)
    return (fan_out, fan_in) if embedding else (fan_in, fan_out)
