"""Lightning: a `Callback` that records every layer while `Trainer.fit` runs (extra `vanishlab[lightning]`).

    callback = GradientCallback(every=10)
    Trainer(callbacks=[callback]).fit(module, loader)
    callback.record.delta_rms  # (1, step, layer)

Lightning hands over the loss before each backward pass and says when training ends, also by an exception; the
recorder's hooks on the model and the optimizer do the rest.
"""

from collections.abc import Iterable
from typing import Any

import torch

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise ImportError("vanishlab.integrations.lightning needs Lightning: pip install 'vanishlab[lightning]'") from error

from vanishlab.analysis.watcher import Watcher
from vanishlab.integrations.dashboard import Dashboard
from vanishlab.integrations.following import Follower
from vanishlab.recording.record import Record


class GradientCallback(Callback):
    """Record every `every`-th step of a module.

    `dashboard` is brought up to date after each epoch. A training that is resumed from a checkpoint goes on with the
    numbers of its steps; what was recorded before is in the earlier callback's record. `watch` has illnesses told by a
    warning while it trains: True for all of them, or the names of verdicts; one in `stop_on` ends the training.
    `watcher` has what was found.
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
        super().__init__()
        self._follower = Follower(every, dashboard, watch, stop_on)

    @property
    def watcher(self) -> Watcher | None:
        """What watches over the training; None before it has begun, and where nothing is watched."""
        return self._follower.watcher

    @property
    def record(self) -> Record:
        """What has been recorded so far. Raises `InputError` before training has begun."""
        return self._follower.record

    def state_dict(self) -> dict[str, Any]:
        """Return the place in the training, for a checkpoint."""
        return {"steps": self._follower.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the place that a checkpoint kept."""
        self._follower.resume_at(state_dict["steps"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the hooks."""
        self._follower.start(pl_module, trainer.optimizers)

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        """Note the loss; Lightning has divided it by the number of batches that one step accumulates."""
        self._follower.observe_loss(loss * trainer.accumulate_grad_batches)

    def on_before_zero_grad(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """A new step begins."""
        self._follower.end_step()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the training where it is ill."""
        trainer.should_stop = trainer.should_stop or self._follower.should_stop

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the dashboard up to date."""
        self._follower.report()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove every hook."""
        self._follower.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove every hook."""
        self._follower.close()
