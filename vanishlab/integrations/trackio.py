"""trackio: a handful of numbers for each recorded step, and one figure (extra `vanishlab[trackio]`).

run = trackio.init(project="my_project")
writer = TrackioWriter(run)
writer.update(recorder.record)  # as often as you like: only new steps are written
writer.finish(recorder.record)
trackio.finish()
"""

import importlib
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

from vanishlab.integrations.dashboard import Dashboard


class TrackioWriter(Dashboard):
    """Write to `run`, as `trackio.init` returns it, each step under its own number."""

    def __init__(self, run: Any, prefix: str = "vanishlab") -> None:
        """Take the run."""
        super().__init__(prefix)
        self._run = run

    def _write_numbers(self, values: dict[str, float], step: int) -> None:
        self._run.log(values, step=step)

    def _write_text(self, name: str, text: str, step: int) -> None:
        self._run.log({name: text}, step=step)

    def _write_figure(self, name: str, figure: Figure, step: int) -> None:
        from PIL import Image

        trackio = importlib.import_module("trackio")
        picture = BytesIO()
        figure.savefig(picture, format="png")
        self._run.log({name: trackio.Image(Image.open(picture))}, step=step)
