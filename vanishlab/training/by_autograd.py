"""`ByAutograd`: the steps of a stack of runs by torch's autograd, the recorder attached. It is the reference."""

import contextlib

import numpy as np
from torch import Tensor

from vanishlab.config import TrainingConfig
from vanishlab.network.losses import run_losses
from vanishlab.network.mlp import MLP
from vanishlab.recording.recorded_steps import RecordedSteps
from vanishlab.recording.recorder import GradientRecorder
from vanishlab.training.update import Update


class ByAutograd:
    """The runs of an `MLP`, trained where they are; within the `with` block its hooks record."""

    def __init__(self, model: MLP, training: TrainingConfig, rates: list[float]) -> None:
        """Take the model, and a learning rate for each of its runs."""
        self._model, self._training = model, training
        self._update = Update(model, training, rates)
        self._recorder = GradientRecorder(model, every=training.record_every, last_step=training.steps)
        self._leave = contextlib.ExitStack()

    def __enter__(self) -> "ByAutograd":
        """Begin to record."""
        self._leave.enter_context(self._recorder)
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove every hook."""
        self._leave.close()

    def step(self, step: int, x: Tensor, y: Tensor) -> None:
        """Make a step of every run on x (batch, features) and y (batch,), or with a leading run axis; record it."""
        with self._update.step(step, self._recorder):
            logits = self._model(x)  # (run, batch, classes)
            loss = run_losses(logits, y, self._training.loss)  # (run,)
            self._update.freeze_diverged(step, loss)
            loss.sum().backward()
            self._recorder.observe_loss(loss, (logits.detach().argmax(2) == y).double().mean(1))

    def show(self) -> None:
        """Nothing to do: the model has the present parameters."""

    @property
    def diverged_step(self) -> np.ndarray:
        """The step in which each run's loss was no longer finite, (run,), -1 of those whose always was."""
        return self._update.diverged_step

    @property
    def recorded_steps(self) -> RecordedSteps:
        """To be made into a `Record`."""
        return self._recorder.recorded_steps
