"""TensorBoard: a handful of scalars for each recorded step, and one figure (extra `vanishlab[tensorboard]`).

writer = TensorBoardWriter("runs/my_model")
writer.update(recorder.record)  # as often as you like: only new steps are written
writer.finish(recorder.record)
"""

import os
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vanishlab.integrations.dashboard import Dashboard

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class TensorBoardWriter(Dashboard):
    """Write to `target`, a log folder or a `SummaryWriter` of your own (which stays open)."""

    def __init__(self, target: "str | os.PathLike[str] | SummaryWriter", prefix: str = "vanishlab") -> None:
        """Open the log folder. Raises `ImportError` without TensorBoard."""
        super().__init__(prefix)
        self._own = isinstance(target, (str, os.PathLike))
        if isinstance(target, (str, os.PathLike)):
            try:
                from torch.utils.tensorboard.writer import SummaryWriter
            except ImportError as error:
                raise ImportError(
                    "TensorBoardWriter needs TensorBoard: pip install 'vanishlab[tensorboard]'"
                ) from error
            self._writer = SummaryWriter(os.fspath(target))
        else:
            self._writer = target

    def close(self) -> None:
        """Flush, and close the writer if it was opened here."""
        self._writer.flush()
        if self._own:
            self._writer.close()

    def _write_numbers(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def _write_text(self, name: str, text: str, step: int) -> None:
        self._writer.add_text(name, text, step)

    def _write_figure(self, name: str, figure: Figure, step: int) -> None:
        FigureCanvasAgg(figure)  # TensorBoard draws on the figure's own canvas
        self._writer.add_figure(name, figure, step, close=False)
