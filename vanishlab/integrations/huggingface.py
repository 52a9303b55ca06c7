"""Hugging Face: a `TrainerCallback` that records every layer in `Trainer.train` (extra `vanishlab[huggingface]`).

    with GradientCallback(every=10) as callback:
        Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()
    callback.record.delta_rms  # (1, step, layer)

The block makes sure that no hook stays where training ends by an exception, of which a callback is not told.
"""

from collections.abc import Iterable
from typing import Any

import torch

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise ImportError(
        "vanishlab.integrations.huggingface needs transformers: pip install 'vanishlab[huggingface]'"
    ) from error

from torch.utils.hooks import RemovableHandle

from vanishlab.analysis.watcher import Watcher
from vanishlab.integrations.dashboard import Dashboard
from vanishlab.integrations.following import Follower
from vanishlab.recording.record import Record


class GradientCallback(TrainerCallback):
    """Record every `every`-th update; `dashboard` is brought up to date whenever the trainer logs.

    The loss is the one that the model returns (`outputs.loss`); NaN for a model that returns none. A training that is
    resumed from a checkpoint goes on with the numbers of its steps. `watch` has illnesses told by a warning while it
    trains: True for all of them, or the names of verdicts; one in `stop_on` ends the training. `watcher` has what was
    found.
    """

    def __init__(
        self,
        every: int | str = 10,
        dashboard: Dashboard | None = None,
        *,
        watch: bool | str | Iterable[str] = False,
        stop_on: str | Iterable[str] = (),
    ) -> None:
        """Take the recorder's settings."""
        self._follower = Follower(every, dashboard, watch, stop_on)
        self._handle: RemovableHandle | None = None

    def __enter__(self) -> "GradientCallback":
        """Return the callback itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove every hook."""
        self._close()

    @property
    def record(self) -> Record:
        """What has been recorded so far. Raises `InputError` before training has begun."""
        return self._follower.record

    @property
    def watcher(self) -> Watcher | None:
        """What watches over the training; None before it has begun, and where nothing is watched."""
        return self._follower.watcher

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Set the hooks."""
        self._close()
        optimizer = kwargs["optimizer"]
        self._follower.resume_at(state.global_step)
        # accelerate wraps the optimizer; the hooks belong on the one that updates the weights.
        self._follower.start(kwargs["model"], [getattr(optimizer, "optimizer", optimizer)])
        self._handle = kwargs["model"].register_forward_hook(self._note_loss)

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """A new step begins."""
        self._follower.end_step()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End the training where it is ill."""
        control.should_training_stop = control.should_training_stop or self._follower.should_stop

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Bring the dashboard up to date."""
        self._follower.report()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remove every hook."""
        self._close()

    def _note_loss(self, model: Any, inputs: Any, outputs: Any) -> None:
        loss = getattr(outputs, "loss", None)
        if isinstance(loss, torch.Tensor) and loss.requires_grad:
            self._follower.observe_loss(loss)

    def _close(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        self._follower.close()
