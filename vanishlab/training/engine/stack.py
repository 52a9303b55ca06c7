"""`Stack`: the runs of an `MLP`, trained step by step by the compiled passes, and recorded."""

import contextlib
import itertools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from vanishlab.activations import ACTIVATIONS
from vanishlab.compiling import told
from vanishlab.config import TrainingConfig
from vanishlab.language.sentences import say
from vanishlab.network.mlp import MLP
from vanishlab.recording.facts import LayerFacts
from vanishlab.recording.hooks.find_layers import find_layers
from vanishlab.recording.hooks.schedule import Schedule
from vanishlab.recording.recorded_steps import RecordedSteps
from vanishlab.recording.twins import twin_fraction
from vanishlab.training.descent import rate_factor
from vanishlab.training.engine import passes
from vanishlab.training.engine.functions import rows_of
from vanishlab.training.processes import one_blas_thread


class Stack:
    """The runs, in arrays of their own: the parameters as they are and, beside them, as they were or are about to be.

        with Stack(model, training, rates, batch) as stack:
            for step in range(training.steps + 1):
                stack.step(step, x, y)

    At the end of the block the model has the parameters. What is recorded is what `GradientRecorder` records of such a
    model, at the steps that `training` asks for.
    """

    def __init__(self, model: MLP, training: TrainingConfig, rates: list[float], batch: int, threads: int = 1) -> None:
        """Copy the parameters of `model`; `batch` is the number of examples of a step at the most."""
        config = model.config
        activation = ACTIVATIONS[config.activation]
        self._model, self._training = model, training
        self._dtype = np.dtype(config.dtype)
        self._rates = np.array(rates)
        sizes = np.array([model.features, *config.widths, model.readout.weight.shape[1]])
        ends = np.cumsum([each for size in zip(sizes[:-1] * sizes[1:], sizes[1:], strict=True) for each in size])
        starts = np.concatenate([[0], ends[:-1]])
        units = np.concatenate([[0], np.cumsum(batch * sizes[1:])])
        self._shapes = passes.Shapes(sizes, starts[::2].copy(), starts[1::2].copy(), units[:-1].copy())
        self._rules = passes.Rules(
            activation.in_place,
            activation.can_die,
            activation.saturated_below,
            activation.saturated_above,
            training.loss == "mse",
        )
        self._leave = contextlib.ExitStack()
        self._now = np.empty((len(rates), ends[-1]), self._dtype)
        for (weight, bias), layer in zip(self._views(self._now), model.linear_layers, strict=True):
            weight[...] = layer.weight.detach().transpose(1, 2).numpy()
            bias[...] = layer.bias.detach().numpy()
        self._other = self._now.copy()
        self.show()  # the model's own are not needed meanwhile
        self._frozen = np.zeros(len(rates), bool)
        self._known = False  # what does not change from step to step
        self.diverged_step = np.full(len(rates), -1, dtype=np.int64)
        """The step in which each run's loss was no longer finite, (run,), -1 of those whose always was."""
        borders = np.linspace(0, len(rates), max(min(threads, len(rates)), 1) + 1).astype(int)
        self._parts = [slice(*pair) for pair in itertools.pairwise(borders)]
        self._buffers = [self._buffer(int(units[-1]), batch * int(sizes[1:].max())) for _ in self._parts]
        layers, unmeasured = find_layers(model, None, 0)
        self._names = [layer.name for layer in layers]
        self._schedule = Schedule(training.record_every, training.steps)
        self.recorded_steps = RecordedSteps(layers, len(rates), unmeasured)
        """To be made into a `Record`."""

    def __enter__(self) -> "Stack":
        """Compile, or read what was compiled, and start the threads."""
        with told(say("compiling the engine, once on this machine ...")):
            self._train_runs = passes.train_runs(self._dtype.name)
            self._functions = rows_of(self._model.config.activation, self._dtype.name)
        self._leave.enter_context(one_blas_thread())
        self._map = map
        if len(self._parts) > 1:
            self._map = self._leave.enter_context(ThreadPoolExecutor(len(self._parts))).map
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the model the present parameters, and end the threads."""
        self._leave.close()
        for (weight, bias), layer in zip(self._views(self._now), self._model.linear_layers, strict=True):
            layer.weight.data = torch.from_numpy(weight.copy()).transpose(1, 2)
            layer.bias.data = torch.from_numpy(bias.copy())

    def _buffer(self, units: int, widest: int) -> tuple[np.ndarray, ...]:
        """Return what a thread works in: z and h of all layers, two deltas, rows of units, a run's gradients, one W."""
        z = np.empty(units, self._dtype)
        largest = int((self._shapes.sizes[1:] * self._shapes.sizes[:-1]).max())
        h = z if self._rules.in_place else np.empty(units, self._dtype)
        scratch = np.empty((3, int(self._shapes.sizes[1:].max())), self._dtype)
        return (
            z,
            h,
            np.empty((2, widest), self._dtype),
            scratch,
            np.empty_like(self._now[:1]),
            np.empty(largest, self._dtype),
        )

    def _views(self, flat: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield each layer's W (run, fan_in, fan_out) and bias (run, fan_out) in flat parameters."""
        sizes, weights, biases, _ = self._shapes
        for fan_in, fan_out, weight, bias in zip(sizes[:-1], sizes[1:], weights, biases, strict=True):
            yield flat[:, weight:bias].reshape(-1, fan_in, fan_out), flat[:, bias : bias + fan_out]

    def step(self, step: int, x: Tensor, y: Tensor) -> None:
        """Make a step of every run on x (batch, features) and y (batch,), or with a leading run axis; record it.

        After the last step, that of number `training.steps`, the runs stay where they are.
        """
        training, runs = self._training, len(self._rates)
        recorded = self._schedule.is_recorded(step)
        closely = recorded and self._schedule.looks_closely(step)
        first, self._known = recorded and not self._known, self._known or recorded
        rates = self._rates * rate_factor(training.schedule, step, training.steps, training.warmup_steps)
        examples, labels = (
            np.ascontiguousarray(each.numpy() if each.ndim > axes else each.numpy()[None])
            for each, axes in ((x, 2), (y, 1))
        )
        of_run = np.arange(runs) if len(examples) == runs else np.zeros(runs, np.int64)
        gradients = None  # each is needed but once, but for the first look at them
        if first:
            gradients = self._buffers[0][4] if runs == 1 else np.empty_like(self._now)
            gradients.fill(math.nan)  # of a run that has none, because its loss is not finite
        loss, right = np.full(runs, math.nan), np.zeros(runs, np.int64)
        found = np.full((runs, len(self._names), len(passes.MEASURED)), math.nan)

        def make(part: slice, buffer: tuple[np.ndarray, ...]) -> None:
            z, h, deltas, scratch, gradient, turned = buffer
            self._train_runs(
                examples, labels, of_run[part], self._now[part], self._other[part], rates[part].astype(self._dtype),
                self._shapes, self._rules, *self._functions, z, h, deltas,
                gradient if gradients is None else gradients[part], scratch, turned, closely, self._frozen[part],
                loss[part], right[part], found[part],
            )  # fmt: skip

        list(self._map(make, self._parts, self._buffers))
        gone = ~np.isfinite(loss.astype(self._dtype)) & ~self._frozen
        self.diverged_step[gone] = step
        self._frozen |= gone
        if recorded:
            facts = {} if gradients is None else self._facts(x.shape[-2], gradients)
            values = self._values(rates, found, x.shape[-2])
            self.recorded_steps.add_values(step, loss, right / x.shape[-2], values, facts)
        if step < training.steps:
            self._now, self._other = self._other, self._now

    def _facts(self, batch: int, gradients: np.ndarray) -> dict[str, LayerFacts]:
        found = {}
        pairs = zip(self._views(self._now), self._views(gradients), strict=True)
        for place, (name, ((weight, _), (gradient, _))) in enumerate(zip(self._names, pairs, strict=True)):
            rows = [torch.from_numpy(each).transpose(1, 2) for each in (weight, gradient)]
            twins = twin_fraction(rows[0], rows[1], stacked=True)
            activation = self._model.config.activation if place < len(self._names) - 1 else ""
            found[name] = LayerFacts(place, weight.shape[2], batch, activation, twins, self._dtype.name)
        return found

    def _values(self, rates: np.ndarray, found: np.ndarray, batch: int) -> dict[str, np.ndarray]:
        """Return the quantities of a step, (layer, run), by name."""
        by_name = dict(zip(passes.MEASURED, found.transpose(2, 1, 0), strict=True))  # (layer, run)
        entries = (batch * self._shapes.sizes[1:, None]) ** 0.5
        with np.errstate(divide="ignore", invalid="ignore"):
            values = {
                name: by_name[name]
                for name in ("gradient_norm", "bias_gradient_norm", "activation_mean", "saturated_fraction",
                             "weight_norm", "zero_fraction", "subnormal_fraction")
            }  # fmt: skip
            values["applied_gradient_norm"] = by_name["gradient_norm"]
            values["activation_rms"] = by_name["activation_norm"] / entries
            values["delta_rms"] = batch * by_name["delta_norm"] / entries
            values["update_ratio"] = rates * by_name["gradient_norm"] / by_name["weight_norm"]
            if batch > 1:
                values["distinct_share"] = _share(by_name["activation_spread"], by_name["activation_norm"])
                values["delta_distinct_share"] = _share(by_name["delta_spread"], by_name["delta_norm"])
                values["effective_rank"] = by_name["effective_rank"]
                values["gradient_coherence"] = by_name["gradient_coherence"]
        return values

    def show(self) -> None:
        """Let the model's parameters be the present ones, until the next step."""
        for (weight, bias), layer in zip(self._views(self._now), self._model.linear_layers, strict=True):
            layer.weight.data = torch.from_numpy(weight).transpose(1, 2)
            layer.bias.data = torch.from_numpy(bias)


def _share(spread: np.ndarray, norm: np.ndarray) -> np.ndarray:
    return np.minimum((spread / norm) ** 2, 1.0)
