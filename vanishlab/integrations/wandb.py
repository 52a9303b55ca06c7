"""Weights & Biases: a handful of numbers for each recorded step, and one figure (extra `vanishlab[wandb]`).

with wandb.init(project="my_project") as run:
    writer = WandbWriter(run)
    writer.update(recorder.record)  # as often as you like: only new steps are written
    writer.finish(recorder.record)
"""

from io import BytesIO
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from vanishlab.integrations.dashboard import Dashboard

if TYPE_CHECKING:
    import wandb


class WandbWriter(Dashboard):
    """Write to `run`, as `wandb.init` returns it.

    The numbers have their own axis, PREFIX/step: a run's global step only goes up, and other code logs there too.
    """

    def __init__(self, run: "wandb.Run", prefix: str = "vanishlab") -> None:
        """Declare the axis."""
        super().__init__(prefix)
        self._run: Any = run
        run.define_metric(f"{prefix}/step")
        run.define_metric(f"{prefix}/*", step_metric=f"{prefix}/step")

    def _write_numbers(self, values: dict[str, float], step: int) -> None:
        self._run.log({**values, f"{self._prefix}/step": step})

    def _write_text(self, name: str, text: str, step: int) -> None:
        self._run.log({name: text, f"{self._prefix}/step": step})

    def _write_figure(self, name: str, figure: Figure, step: int) -> None:
        import wandb
        from PIL import Image

        picture = BytesIO()
        figure.savefig(picture, format="png")
        self._run.log({name: wandb.Image(Image.open(picture)), f"{self._prefix}/step": step})
