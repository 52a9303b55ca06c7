"""`RecordedSteps`: what the layers have shown at the end of each recorded step, and the `Record` made of it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.recording.facts import LayerFacts
from vanishlab.recording.layer import Layer
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record import Record
from vanishlab.recording.sharding import gather
from vanishlab.version import __version__

_MEASURED = (*(name for name in LAYER_QUANTITIES if name != "update_ratio"), "update_norm")


class RecordedSteps:
    """The recorded steps of a stack of runs, a row each: loss, accuracy, every quantity of every layer."""

    def __init__(self, layers: list[Layer], runs: int, unmeasured: dict[str, str]) -> None:
        """Start without a row; `unmeasured` names modules that cannot be measured, with the reason."""
        self._layers = layers
        self._runs = runs
        self._unmeasured = dict(unmeasured)
        self._facts: dict[str, LayerFacts] = {}
        # Step and numbers (2 + quantities * layers, run) in one list: Ctrl-C must not come between the two.
        self._rows: list[tuple[int, np.ndarray]] = []
        self.skipped = 0
        """Steps that a GradScaler skipped because a gradient was infinite."""

    def or_nan(self, value: Tensor | None) -> Tensor:
        """Return `value`, or NaN for each run where there is none."""
        if value is not None:
            return value
        return torch.full((self._runs,), math.nan, dtype=torch.float64, device=self._layers[0].weight.device)

    def add(
        self, step: int, loss: Tensor | None, accuracy: Tensor | None, passes: set[int], why: str | None = None
    ) -> None:
        """Take in what the layers hold at the end of `step`; all of it goes to the host in one transfer.

        `passes` are the backward passes that brought gradients. Where there is a reason `why`, nothing of the step was
        measured.
        """
        missing = self.or_nan(None)
        found = []
        for layer in self._layers:
            values = layer.measured(passes)
            if why or layer.gone:  # and whatever its old module and weight have shown is not the layer's
                values = {}
            found.append({name: values.get(name, missing) for name in _MEASURED})
            if layer.name not in self._facts and (facts := layer.facts(passes)) is not None:
                self._facts[layer.name] = facts
            if reason := why or layer.why_unmeasured(passes):
                self._unmeasured[layer.name] = reason
        gather(self._layers, found)
        norms = [torch.stack([values[name] for values in found]) for name in ("update_norm", "weight_norm")]
        for values, ratio in zip(found, norms[0] / norms[1], strict=True):
            values["update_ratio"] = ratio
        columns = [values[name] for name in LAYER_QUANTITIES for values in found]
        device = columns[-1].device
        columns = [self.or_nan(value).to(device, torch.float64) for value in (loss, accuracy)] + columns
        numbers = torch.stack(columns).cpu().numpy()
        self._rows.append((step, numbers))

    def add_values(
        self,
        step: int,
        loss: np.ndarray,
        accuracy: np.ndarray,
        values: Mapping[str, np.ndarray],
        facts: Mapping[str, LayerFacts],
    ) -> None:
        """Take in what was measured without hooks: loss and accuracy (run,), each quantity (layer, run), by name.

        A quantity that is not named is NaN; `facts` are kept of layers of which nothing was known.
        """
        missing = np.full((len(self._layers), self._runs), math.nan)
        columns = [values.get(name, missing) for name in LAYER_QUANTITIES]
        self._facts = {**facts, **self._facts}
        self._rows.append((step, np.concatenate([[loss], [accuracy], *columns])))

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
        kept = self._rows if last is None or len(self._rows) <= last else self._rows[:1] + self._rows[-last:]
        test_step, test_accuracy = _history(evaluations, self._runs)
        layers, quantities = len(self._layers), len(LAYER_QUANTITIES)
        step = np.array([step for step, _ in kept], dtype=np.int64)
        rows = np.array([numbers for _, numbers in kept]).reshape(len(step), 2 + quantities * layers, self._runs)
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


def _after_divergence(diverged_step: np.ndarray, step: np.ndarray) -> np.ndarray:
    return (diverged_step[:, None] >= 0) & (step >= diverged_step[:, None])  # (run, step)


def _history(pairs: Sequence[tuple[int, np.ndarray]], runs: int) -> tuple[np.ndarray, np.ndarray]:
    steps = np.array([step for step, _ in pairs], dtype=np.int64)
    return steps, np.array([each for _, each in pairs], dtype=np.float64).reshape(-1, runs).T  # (run, step)
