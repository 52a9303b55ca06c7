"""MLflow and trackio against the real packages, each with a store of its own on this machine and no network."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_integrations import FOREIGN, plain_record

from vanishlab.integrations.dashboard import summarise


@FOREIGN
@pytest.mark.slow
def test_mlflow_reads_the_numbers_and_one_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow: Any = pytest.importorskip("mlflow")
    from vanishlab.integrations.mlflow import MlflowWriter

    monkeypatch.chdir(tmp_path)  # artifacts go to the working directory
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    record, _ = plain_record(1)
    with mlflow.start_run() as run:
        writer = MlflowWriter(run)
        writer.update(record.select(step=0))
        writer.finish(record)
    client = mlflow.MlflowClient()
    assert set(client.get_run(run.info.run_id).data.metrics) == {f"vanishlab/{name}" for name in summarise(record)}
    history = client.get_metric_history(run.info.run_id, "vanishlab/first_last_delta_ratio")
    assert [(each.step, each.value) for each in history] == list(enumerate(record.first_last_ratio()[0].tolist()))
    files = [each.path for each in client.list_artifacts(run.info.run_id, "vanishlab")]
    assert files == ["vanishlab/three_curves.png"]
    picture = Path(client.download_artifacts(run.info.run_id, files[0], str(tmp_path)))
    assert picture.read_bytes().startswith(b"\x89PNG")


@FOREIGN
@pytest.mark.slow
def test_trackio_reads_the_numbers_and_one_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))  # read when it is imported
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    trackio: Any = pytest.importorskip("trackio")
    from vanishlab.integrations.trackio import TrackioWriter

    record, _ = plain_record(1)
    run = trackio.init(project="test", name="one", embed=False, auto_log_cpu=False, auto_log_gpu=False)
    writer = TrackioWriter(run)
    writer.update(record.select(step=0))
    writer.finish(record)
    trackio.finish()
    logs = importlib.import_module("trackio.sqlite_storage").SQLiteStorage.get_logs("test", "one")
    numbers = [entry for entry in logs if "vanishlab/loss" in entry]
    assert [entry["step"] for entry in numbers] == [0, 1, 2]
    [verdict] = [entry["vanishlab/verdict"] for entry in logs if "vanishlab/verdict" in entry]
    assert verdict.startswith("healthy: Delta") and len(logs) == 5  # and the figure
    for entry in numbers:
        expected = {f"vanishlab/{name}": value for name, value in summarise(record, entry["step"]).items()}
        assert {name: value for name, value in entry.items() if name.startswith("vanishlab/")} == expected
    (figure,) = [entry for entry in logs if "vanishlab/three_curves" in entry]
    assert figure["step"] == 2
    (file,) = tmp_path.glob("media/**/*.png")
    assert file.read_bytes().startswith(b"\x89PNG") and np.isfinite(record.loss).all()
