"""`Follower`: a recorder that somebody else's training loop starts and stops."""

from collections.abc import Iterable, Sequence
from types import TracebackType

from torch import Tensor, nn
from torch.optim import Optimizer

from vanishlab.analysis.watcher import Finding, Watcher, verdict_names
from vanishlab.errors import InputError
from vanishlab.integrations.dashboard import Dashboard
from vanishlab.recording.record import Record
from vanishlab.recording.recorder import GradientRecorder


class Follower:
    """Keeps a `GradientRecorder` on a model from `start` to `close`, and hands its record to a dashboard.

    As a context manager it closes at the end of the block, also where the loop raised and never said so.
    """

    def __init__(
        self,
        every: int | str = 10,
        dashboard: Dashboard | None = None,
        watch: bool | str | Iterable[str] = False,
        stop_on: str | Iterable[str] = (),
    ) -> None:
        """Take the recorder's settings; nothing is hooked yet.

        `watch` has illnesses told while it trains, all of them or those that it names; one in `stop_on` sets
        `should_stop`, which the loop obeys.
        """
        self._every = every
        self._dashboard = dashboard
        self._stop_on = verdict_names("stop_on", stop_on)
        named = () if isinstance(watch, bool) else verdict_names("watch", watch)
        self._on = None if watch is True else (*named, *self._stop_on)
        self.watcher: Watcher | None = None
        """What has been found so far; None before training has begun, and where nothing is watched."""
        self.should_stop = False
        self._recorder: GradientRecorder | None = None
        self._active = False
        self._losses: list[Tensor] = []
        self._made = 0

    def __enter__(self) -> "Follower":
        """Return the follower itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove every hook."""
        self.close()

    @property
    def record(self) -> Record:
        """What has been recorded so far. Raises `InputError` before training has begun."""
        if self._recorder is None:
            raise InputError("nothing is recorded yet: training has not begun")
        return self._recorder.record

    @property
    def steps(self) -> int:
        """The number of updates made so far, those before a resumption among them."""
        return self._made if self._recorder is None else self._recorder.step

    def resume_at(self, steps: int) -> None:
        """Let the training that starts next begin after so many updates."""
        self._made = steps

    def start(self, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        """Begin anew, on `model` and its optimizers; after `resume_at`, with the step that it named."""
        self.close()
        self._recorder = GradientRecorder(model, optimizers, self._every)
        self._recorder.step, self._made = self._made, 0
        self.should_stop = False
        self.watcher = self._watch_over(self._recorder)
        self._recorder.__enter__()
        self._active = True

    def _watch_over(self, recorder: GradientRecorder) -> Watcher | None:
        def call(finding: Finding) -> None:
            finding.warn()
            self.should_stop |= finding.verdict.name in self._stop_on

        return Watcher(recorder, on=self._on, call=call) if self._on != () else None

    def observe_loss(self, loss: Tensor) -> None:
        """Note one backward pass's loss; a step's loss is the mean of those since the last update."""
        if self._recorder is not None and self._recorder.recording:
            self._losses.append(loss.detach())
            self._recorder.observe_loss(sum(self._losses[1:], self._losses[0]) / len(self._losses))

    def end_step(self) -> None:
        """Forget the losses of the step that has ended."""
        self._losses.clear()

    def report(self) -> None:
        """Hand what is new to the dashboard."""
        if self._dashboard is not None and self._recorder is not None:
            self._dashboard.update(self._recorder.record)

    def close(self) -> None:
        """Remove every hook, and draw the dashboard's picture; does nothing where nothing is active."""
        if not self._active or self._recorder is None:
            return
        self._active = False
        self._recorder.__exit__()
        self._losses.clear()
        if self._dashboard is not None:
            self._dashboard.finish(self._recorder.record)
