"""Whole record files with absurd contents: refused by field, rule and value, before memory is asked for."""

import json
import math
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparison import assert_equal_records

import vanishlab as vl
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.recording.record_files import read_labels

MOST = 30e6  # bytes of memory that a refusal may take
TRAINING = vl.TrainingConfig(learning_rates=(0.1, 1.0), seeds=(0, 1), steps=4, device="cpu", sharpness_every=2)


@pytest.fixture(scope="module")
def record(data: vl.Dataset) -> vl.Record:
    """4 runs, 5 recorded steps, 4 layers."""
    return vl.train(vl.NetworkConfig(depth=3, width=(4, 5, 6)), TRAINING, data)


def contents(record: vl.Record, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with np.load(record.save(tmp_path / "whole.npz")) as file:
        arrays = dict(file)
    return arrays, json.loads(str(arrays.pop("metadata")))


def written(tmp_path: Path, arrays: dict[str, Any], metadata: dict[str, Any]) -> Path:
    np.savez(tmp_path / "absurd.npz", metadata=json.dumps(metadata), **arrays)
    return tmp_path / "absurd.npz"


def refused(path: Path, *, labels: bool = False) -> str:
    """What loading says, within little memory; with `labels`, reading the labels says the same."""
    load: Callable[[Path], object]
    said = []
    for load in (vl.Record.load, *([read_labels] if labels else [])):
        tracemalloc.start()
        try:
            with pytest.raises(vl.InputError) as error:
                load(path)
            assert tracemalloc.get_traced_memory()[1] < MOST
        finally:
            tracemalloc.stop()
        said.append(str(error.value))
    assert len(set(said)) == 1 and "\n" not in said[0] and len(said[0]) < 600
    prefix = f"record file must be a whole vanishlab record, got {str(path)!r} ("
    assert said[0].startswith(prefix)
    return said[0].removeprefix(prefix).removesuffix(")")


# How large.


def test_a_file_that_unpacks_to_more_than_it_is(record: vl.Record, tmp_path: Path) -> None:
    arrays, metadata = contents(record, tmp_path)
    for name, value in (("loss", np.zeros((4, 4_000_000))), ("metadata", " " * 50_000_000)):
        members = {"metadata": json.dumps(metadata), **arrays, name: value}
        np.savez_compressed(tmp_path / "bomb.npz", **members)
        assert (tmp_path / "bomb.npz").stat().st_size < 2e6
        said = refused(tmp_path / "bomb.npz", labels=True)
        assert said.startswith("its members must be stored uncompressed, got ")


def with_declared(path: Path, name: str, size: int, content: bytes = b"x") -> Path:
    """Let the file say that its member `name` has `size` bytes; one that is not there is added."""
    with zipfile.ZipFile(path, "a") as archive:
        if name not in archive.namelist():
            archive.writestr(name, content)
        info = archive.getinfo(name)
        info.file_size = info.compress_size = size
        archive._didModify = True  # pyright: ignore[reportAttributeAccessIssue]
    return path


@pytest.mark.parametrize("size", [1, 20 * 2**30])
def test_a_member_that_is_not_a_records(record: vl.Record, tmp_path: Path, size: int) -> None:
    for name in ("extra.npy", "pickle.pkl", "../../escape.npy", "x" * 5000):
        path = with_declared(record.save(tmp_path / "record.npz"), name, size)
        assert refused(path).startswith(
            f"its members must be a record's arrays, got {name.removesuffix('.npy')[:20]!r}"[:60]
        )


@pytest.mark.parametrize("name", ["loss", "gradient_norm", "test_accuracy", "layer", "sharpness"])
def test_an_array_larger_than_its_labels_allow(record: vl.Record, tmp_path: Path, name: str) -> None:
    path = with_declared(record.save(tmp_path / "record.npz"), f"{name}.npy", 20 * 2**30)
    said = refused(path)
    assert said.startswith(f"{name} must have at most ") and said.endswith(f", got {20 * 2**30}")


def test_metadata_without_end(record: vl.Record, tmp_path: Path) -> None:
    path = with_declared(record.save(tmp_path / "record.npz"), "metadata.npy", 2 * 2**30)
    assert refused(path, labels=True) == f"its metadata must have at most {128 * 2**20} bytes, got {2 * 2**30}"


def test_two_members_of_one_name(record: vl.Record, tmp_path: Path) -> None:
    path = record.save(tmp_path / "record.npz")
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        archive.writestr("loss.npy", b"x")
    assert refused(path, labels=True) == "its members must have names of their own, got 'loss.npy' twice"


# Which values.


def changed(array: np.ndarray, value: float, place: tuple[int, ...]) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


SHARES = (
    "accuracy", "saturated_fraction", "zero_fraction", "test_accuracy", "distinct_share", "delta_distinct_share",
    "gradient_coherence",
)  # fmt: skip
ABSURD = [(name, -3.0, "at least 0") for name, each in LAYER_QUANTITIES.items() if each.never_negative]
ABSURD += [(name, -math.inf, "at least 0") for name in ("gradient_norm", "weight_norm", "delta_rms")]
ABSURD += [(name, 7.0, "from 0 to 1") for name in SHARES]
ABSURD += [("accuracy", -0.5, "from 0 to 1"), ("learning_rate", -0.1, "at least 0"), ("seed", -2, "at least -1")]
ABSURD += [("diverged_step", -5, "at least -1"), ("step", -1, f"from 0 to {2**50}"), ("layer", 0, f"from 1 to {2**50}")]


@pytest.mark.parametrize(("name", "value", "rule"), ABSURD)
def test_a_value_that_nothing_can_have_measured(
    record: vl.Record, tmp_path: Path, name: str, value: float, rule: str
) -> None:
    arrays, metadata = contents(record, tmp_path)
    place = tuple(0 for _ in arrays[name].shape)
    arrays[name] = changed(arrays[name], value, place)
    said = refused(written(tmp_path, arrays, metadata))
    assert said == f"{name} must be {rule}, got {value:g} at {list(place)}"


@pytest.mark.parametrize("name", ["step", "layer", "test_step", "sharpness_step"])
def test_labels_that_do_not_rise(record: vl.Record, tmp_path: Path, name: str) -> None:
    for order in (slice(None, None, -1), [0] * len(getattr(record, name))):
        arrays, metadata = contents(record, tmp_path)
        arrays[name] = arrays[name][order]
        said = refused(written(tmp_path, arrays, metadata))
        first, second = arrays[name][:2].tolist()
        assert said == f"{name} must rise from entry to entry, got {first} and then {second}"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("network", [], "its metadata must hold a NetworkConfig or null, got []"),
        ("network", 0, "its metadata must hold a NetworkConfig or null, got 0"),
        ("network", "", "its metadata must hold a NetworkConfig or null, got ''"),
        ("training", False, "its metadata must hold a TrainingConfig or null, got False"),
        ("layer_names", ["a", "b", "\ud800", "d"], "its words must be text, got a lone surrogate in '\\ud800'"),
        ("unmeasured", {"\udfff": "x"}, "its words must be text, got a lone surrogate in '\\udfff'"),
        ("unmeasured", {"x": "\udfff"}, "its words must be text, got a lone surrogate in '\\udfff'"),
        ("environment", {"data": "\udcff"}, "its words must be text, got a lone surrogate in '\\udcff'"),
    ],
)
def test_metadata_of_the_right_form_and_absurd(
    record: vl.Record, tmp_path: Path, field: str, value: Any, sentence: str
) -> None:
    arrays, metadata = contents(record, tmp_path)
    assert refused(written(tmp_path, arrays, metadata | {field: value})) == sentence


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 10**9}, "network.width must be that of layer 1, 4, got 1000000000"),
        ({"width": [4, 5, 10**9]}, "network.width must be that of layer 3, 6, got 1000000000"),
        ({"depth": 10**4, "width": 4}, "network.depth must be that of layer 4, 'readout', got 10000"),
        (
            {"depth": 10**4, "width": 4, "residual": "plain"},
            "network.depth must be that of layer 4, 'readout', got 10000",
        ),
        ({"depth": 1, "width": 4}, "network.depth must be that of layer 3, 'blocks.2.linear', got 1"),
    ],
)
def test_a_network_that_is_not_the_one_that_was_measured(
    record: vl.Record, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    arrays, metadata = contents(record, tmp_path)
    metadata["network"] |= changes
    assert refused(written(tmp_path, arrays, metadata)) == sentence


def test_what_is_possible_is_loaded(record: vl.Record, tmp_path: Path) -> None:
    part = record.select(layer=(1, 4), step=(0, 2))
    assert_equal_records(vl.Record.load(part.save(tmp_path / "part.npz")), part)
    arrays, metadata = contents(record, tmp_path)
    for value in (math.nan, math.inf, 1e308, 5e-324, 0.0):
        for name in LAYER_QUANTITIES:
            if not name.endswith(("fraction", "share", "coherence")):
                arrays[name] = np.full_like(arrays[name], value)
        loaded = vl.Record.load(written(tmp_path, arrays, metadata))
        np.testing.assert_array_equal(loaded.gradient_norm, arrays["gradient_norm"])
    assert_equal_records(vl.Record.load(record.save(tmp_path / "again.npz")), record)


@pytest.mark.parametrize("values", [(1e308,), (5e-324,), (1e308, 5e-324), (math.inf, 5e-324), (0.0, 1e308)], ids=str)
def test_extremes_that_are_possible_are_judged(record: vl.Record, tmp_path: Path, values: tuple[float, ...]) -> None:
    arrays, metadata = contents(record, tmp_path)
    for name in (*LAYER_QUANTITIES, "loss"):
        if not name.endswith(("fraction", "share", "coherence")):
            arrays[name] = np.resize(np.array(values), arrays[name].shape)
    loaded = vl.Record.load(written(tmp_path, arrays, metadata))
    assert str(vl.diagnose(loaded))
    ratio = loaded.first_last_ratio()
    assert ratio.shape == (4, 5) and not (ratio < 0).any()
