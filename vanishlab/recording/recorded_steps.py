"""`RecordedSteps`: what the layers have shown at the end of each recorded step, and the `Record` made of it."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.recording.call import Call
from vanishlab.recording.facts import LayerFacts
from vanishlab.recording.layer import Layer
from vanishlab.recording.measure import Value
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record
from vanishlab.recording.sharding import gather
from vanishlab.recording.step_values import COLUMNS, Shape, numbers_of, shape_of, to_host, values_of_calls
from vanishlab.version import __version__

_OF_WEIGHTS = (
    "gradient_norm", "bias_gradient_norm", "weight_norm", "zero_fraction", "subnormal_fraction",
    "applied_gradient_norm", "update_norm",
)  # fmt: skip
"""What is measured of a layer's weights; the last is that of which `update_ratio` is made."""


_MOST_RAW = 2**20


class RecordedSteps:
    """The recorded steps of a stack of runs, a row each: loss, accuracy, every quantity of every layer."""

    def __init__(self, layers: list[Layer], runs: int, unmeasured: dict[str, str]) -> None:
        """Start without a row; `unmeasured` names modules that cannot be measured, with the reason."""
        self._layers = layers
        self._runs = runs
        self._unmeasured = dict(unmeasured)
        self._facts: dict[str, LayerFacts] = {}
        # Step, numbers and the shape of its calls in one list: Ctrl-C must not come between them.
        self._rows: list[tuple[int, np.ndarray, Shape | None]] = []
        self._raw = 0  # numbers of calls that are no quantities yet
        self.skipped = 0
        """Steps that a GradScaler skipped because a gradient was infinite."""

    def add(
        self, step: int, loss: Tensor | None, accuracy: Tensor | None, passes: set[int], why: str | None = None
    ) -> None:
        """Take in what the layers hold at the end of `step`; all of it goes to the host in one transfer.

        `passes` are the backward passes that brought gradients. Where there is a reason `why`, nothing of the step was
        measured.
        """
        own: list[dict[str, Value]] = []
        calls: list[list[Call]] = []
        for layer in self._layers:
            gone = bool(why) or layer.gone  # then whatever its old module and weight have shown is not the layer's
            own.append({} if gone else layer.measured())
            calls.append([] if gone else layer.calls(passes))
            if layer.name not in self._facts and (facts := layer.facts(passes)) is not None:
                self._facts[layer.name] = facts
            if reason := why or layer.why_unmeasured(passes):
                self._unmeasured[layer.name] = reason
        gather(self._layers, own)
        wanted = [loss, accuracy, *(values.get(name) for name in _OF_WEIGHTS for values in own)]
        wanted += [number for theirs in calls for call in theirs for number in numbers_of(call)]
        numbers = to_host(wanted, self._runs)
        self._rows.append((step, numbers, shape_of(calls)))
        self._raw += numbers.size
        if self._raw > _MOST_RAW:
            self._settle()

    def add_values(
        self,
        step: int,
        loss: np.ndarray,
        accuracy: np.ndarray,
        values: Mapping[str, np.ndarray],
        facts: Mapping[str, LayerFacts],
    ) -> None:
        """Take in numbers on the host: loss and accuracy (run,), each quantity (layer, run), by name.

        A quantity that is not named is NaN; `facts` are kept of layers of which nothing was known.
        """
        missing = np.full((len(self._layers), self._runs), math.nan)
        columns = [values.get(name, missing) for name in LAYER_QUANTITIES]
        self._facts = {**facts, **self._facts}
        self._rows.append((step, np.concatenate([[loss], [accuracy], *columns]), None))

    def to_record(
        self,
        *,
        learning_rate: np.ndarray,
        seed: np.ndarray,
        diverged_step: np.ndarray,
        evaluations: Sequence[tuple[int, np.ndarray]] = (),
        sharpness: Sequence[tuple[int, np.ndarray]] = (),
        unmeasured: Mapping[str, str] | None = None,
        held: Mapping[str, str] | None = None,
        remarks: Mapping[str, str] | None = None,
        network: NetworkConfig | None = None,
        training: TrainingConfig | None = None,
        data_name: str = "",
        engine: str = "",
        last: int | None = None,
    ) -> Record:
        """Return the record, with labels (run,) that the layers cannot know; a run is NaN from `diverged_step` on.

        `evaluations` are pairs of a step and the test accuracies (run,) there, `sharpness` likewise; `unmeasured` is
        added to what the layers could not measure, `held` says of layers whether an optimizer holds them. `last` leaves
        all steps out but the first and so many; `engine` is what made the steps of a training by the lab.
        """
        self._settle()
        kept = self._rows if last is None or len(self._rows) <= last else self._rows[:1] + self._rows[-last:]
        test_step, test_accuracy = _history(evaluations, self._runs)
        layers, quantities = len(self._layers), len(LAYER_QUANTITIES)
        step = np.array([step for step, _, _ in kept], dtype=np.int64)
        rows = np.array([numbers for _, numbers, _ in kept]).reshape(len(step), 2 + quantities * layers, self._runs)
        gone = _after_divergence(diverged_step, step)  # (run, step)
        by_quantity = rows[:, 2:].reshape(len(step), quantities, layers, self._runs).transpose(1, 3, 0, 2)
        weight = self._layers[0].weight
        sharpness_step, curve = _history(sharpness, self._runs)
        return Record(
            learning_rate=learning_rate,
            seed=seed,
            diverged_step=diverged_step.copy(),
            step=step,
            layer=np.arange(1, layers + 1),
            loss=np.where(gone, np.nan, rows[:, 0].T),
            accuracy=np.where(gone, np.nan, rows[:, 1].T),
            test_step=test_step,
            sharpness_step=sharpness_step,
            sharpness=np.where(_after_divergence(diverged_step, sharpness_step), np.nan, curve),
            test_accuracy=test_accuracy,
            **{
                name: np.where(gone[:, :, None], np.nan, values)  # (run, step, layer)
                for name, values in zip(LAYER_QUANTITIES, by_quantity, strict=True)
            },
            layer_names=tuple(layer.name for layer in self._layers),
            network=network,
            training=training,
            unmeasured=self._unmeasured | dict(unmeasured or {}),
            facts={name: fact._replace(held=(held or {}).get(name, "")) for name, fact in self._facts.items()},
            remarks=dict(remarks or {}),
            environment={
                "vanishlab": __version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "device": str(weight.device),
                "dtype": str(weight.dtype).removeprefix("torch."),
                "data": data_name,
                **({"engine": engine} if engine else {}),
                **({"skipped_steps": str(self.skipped)} if self.skipped else {}),
            },
        )

    def _settle(self) -> None:
        """Turn what calls have shown into the quantities, for all steps of one shape at once, and once for each."""
        begin = next((place for place, row in enumerate(self._rows) if row[2] is not None), len(self._rows))
        settled = self._rows[:begin]
        for shape, rows in itertools.groupby(self._rows[begin:], lambda row: row[2]):
            group = list(rows)
            if shape is not None:
                numbers = np.stack([each for _, each, _ in group], 1)  # (number, step, run)
                found = self._values(shape, numbers.reshape(len(numbers), -1)).reshape(-1, *numbers.shape[1:])
                group = [(row[0], found[:, place], None) for place, row in enumerate(group)]
            settled += group
        self._rows, self._raw = settled, 0

    def _values(self, shape: Shape, numbers: np.ndarray) -> np.ndarray:
        """Return loss, accuracy and every quantity of every layer, (2 + quantities * layers, run)."""
        layers = len(self._layers)
        start = 2 + len(_OF_WEIGHTS) * layers
        by_name = dict(zip(_OF_WEIGHTS, numbers[2:start].reshape(len(_OF_WEIGHTS), layers, -1), strict=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = by_name["update_norm"] / by_name["weight_norm"]
        calls = values_of_calls(shape, numbers[start:].reshape(-1, COLUMNS, numbers.shape[1]))
        values = {**by_name, "update_ratio": ratio, **calls}
        missing = np.full((layers, numbers.shape[1]), math.nan)
        return np.concatenate([numbers[:2], *(values.get(name, missing) for name in LAYER_QUANTITIES)])


def _after_divergence(diverged_step: np.ndarray, step: np.ndarray) -> np.ndarray:
    return (diverged_step[:, None] >= 0) & (step >= diverged_step[:, None])  # (run, step)


def _history(pairs: Sequence[tuple[int, np.ndarray]], runs: int) -> tuple[np.ndarray, np.ndarray]:
    steps = np.array([step for step, _ in pairs], dtype=np.int64)
    return steps, np.array([each for _, each in pairs], dtype=np.float64).reshape(-1, runs).T  # (run, step)
