"""Records in other libraries' hands: each number where it belongs, and back from a file."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn, ones

import vanishlab as vl
from vanishlab.recording.quantities import LAYER_QUANTITIES

xarray: Any = pytest.importorskip("xarray")
polars: Any = pytest.importorskip("polars")


@pytest.fixture(scope="module")
def record() -> vl.Record:
    training = vl.TrainingConfig(learning_rates=(0.1, 1e30), seeds=(3, 5), steps=4, sharpness_every=2, device="cpu")
    data = vl.load_data("moons", max_examples=16)
    return vl.train(vl.NetworkConfig(depth=2, width=3, activation="relu"), training, data)


def test_xarray_has_each_number_under_its_labels(record: vl.Record) -> None:
    data = record.to_xarray()
    assert dict(data.sizes) == {"run": 4, "step": 5, "layer": 3, "test_step": 5, "sharpness_step": 3}
    for name in LAYER_QUANTITIES:
        assert data[name].dims == ("run", "step", "layer") and data[name].attrs["long_name"]
    one = data.isel(run=np.flatnonzero((data.learning_rate == 0.1) & (data.seed == 5))).sel(step=2, layer=3)
    assert one.delta_rms.item() == record.select(learning_rate=0.1, seed=5, step=2, layer=3).delta_rms.item()
    np.testing.assert_array_equal(data.loss, record.loss)
    np.testing.assert_array_equal(data.test_accuracy.sel(test_step=3), record.test_accuracy[:, 3])
    np.testing.assert_array_equal(data.sharpness.sel(sharpness_step=4), record.sharpness[:, 2])
    assert data.layer_name.values.tolist() == list(record.layer_names)
    assert data.diverged_step.values.tolist() == record.diverged_step.tolist()
    assert json.loads(data.attrs["network"])["activation"] == "relu" and data.attrs["data"] == "moons"
    data.delta_rms[:] = 7.0
    assert not (record.delta_rms == 7.0).any()


def test_what_was_not_measured_is_no_axis(record: vl.Record) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    with vl.GradientRecorder(model) as recorder:
        model(ones(5, 3)).sum().backward()
        recorder.end_step()
    data = recorder.record.to_xarray()
    assert dict(data.sizes) == {"run": 1, "step": 1, "layer": 2}
    assert "network" not in data.attrs and list(json.loads(data.attrs["unmeasured"])) == ["0"]
    assert data.layer_name.values.tolist() == ["0", "2"]


def test_a_netcdf_file_gives_the_same_dataset_back(record: vl.Record, tmp_path: Path) -> None:
    pytest.importorskip("h5netcdf")
    data = record.to_xarray()
    data.to_netcdf(tmp_path / "run.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "run.nc", engine="h5netcdf") as read:
        xarray.testing.assert_identical(read.load(), data)


def test_polars_has_the_rows_that_pandas_has(record: vl.Record, tmp_path: Path) -> None:
    frame, expected = record.to_polars(), record.to_dataframe()
    assert frame.columns == list(expected.columns) and frame.shape == expected.shape
    assert frame.schema["layer_name"] == polars.String and frame.schema["seed"] == polars.Int64
    for name in frame.columns:
        np.testing.assert_array_equal(frame[name].to_numpy(), expected[name].to_numpy(), err_msg=name)
    assert frame["loss"].null_count() == 0 and frame["loss"].is_nan().any()
    frame.write_parquet(tmp_path / "rows.parquet")
    assert polars.read_parquet(tmp_path / "rows.parquet").equals(frame)


@pytest.mark.parametrize("per", ["run", "step", "layer"])
def test_a_sweep_has_the_same_rows_in_both(per: Any, tmp_path: Path) -> None:
    networks = [vl.NetworkConfig(1, 3), vl.NetworkConfig(2, (3, 4)), vl.NetworkConfig(2, 3, residual=0.5)]
    training = vl.TrainingConfig(learning_rates=(0.1, 0.3), steps=1, device="cpu")
    for _ in vl.sweep(networks, training, vl.load_data("moons", max_examples=8), out=tmp_path, workers=1):
        pass
    sweep = vl.load_sweep(tmp_path)
    frame, expected = sweep.to_polars(per), sweep.to_dataframe(per)
    assert frame.columns == list(expected.columns) and frame.shape == expected.shape
    for name in frame.columns:
        np.testing.assert_array_equal(frame[name].to_numpy(), expected[name].to_numpy(), err_msg=name)
    assert sorted(set(frame["width"].to_list())) == ["(3, 4)", "3"]


@pytest.mark.parametrize(("library", "method"), [("xarray", "to_xarray"), ("polars", "to_polars")])
def test_a_missing_library_is_named_with_its_extra(
    record: vl.Record, library: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(vl.InputError, match=rf"^{method} needs {library}: pip install 'vanishlab\[{library}\]'$"):
        getattr(record, method)()
