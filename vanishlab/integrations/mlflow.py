"""MLflow: a handful of metrics for each recorded step, and one figure (extra `vanishlab[mlflow]`).

with mlflow.start_run() as run:
    writer = MlflowWriter(run)
    writer.update(recorder.record)  # as often as you like: only new steps are written
    writer.finish(recorder.record)
"""

import time
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from vanishlab.integrations.dashboard import Dashboard

if TYPE_CHECKING:
    import mlflow


class MlflowWriter(Dashboard):
    """Write to `run`, as `mlflow.start_run` returns it, at the tracking server that holds now.

    The figure is an artifact, PREFIX/three_curves.png. MLflow keeps an infinite number as the largest one.
    """

    def __init__(self, run: "mlflow.ActiveRun", prefix: str = "vanishlab") -> None:
        """Open a client. Raises `ImportError` without MLflow."""
        super().__init__(prefix)
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise ImportError("MlflowWriter needs MLflow: pip install 'vanishlab[mlflow]'") from error
        self._client = MlflowClient()
        self._run = run.info.run_id

    def _write_numbers(self, values: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = round(1000 * time.time())  # milliseconds
        self._client.log_batch(self._run, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def _write_text(self, name: str, text: str, step: int) -> None:
        self._client.set_tag(self._run, name, text)  # the latest one stands

    def _write_figure(self, name: str, figure: Figure, step: int) -> None:
        self._client.log_figure(self._run, figure, f"{name}.png")
