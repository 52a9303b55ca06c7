"""Records on disk and in hand: saved whole or not at all, damaged ones refused, selections, summaries, tables."""

import dataclasses
import io
import json
import math
import os
import stat
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from comparison import assert_equal_records

import vanishlab as vl
from vanishlab.recording.facts import LayerFacts
from vanishlab.recording.quantities import LAYER_QUANTITIES

RATES, SEEDS = (0.01, 0.1, 1e30), (3, 7)
MESSAGE = "^record file must be a whole vanishlab record, got "


@pytest.fixture(scope="module")
def record(data: vl.Dataset) -> vl.Record:
    """6 runs of which 2 diverge, 11 recorded steps, 4 layers."""
    network = vl.NetworkConfig(depth=3, width=(4, 5, 6), activation="relu")
    training = vl.TrainingConfig(learning_rates=RATES, seeds=SEEDS, steps=10, loss="mse", device="cpu")
    made = vl.train(network, training, data)
    assert made.diverged.tolist() == [False] * 4 + [True] * 2
    return made


def bare(gradient_norm: Any, subnormal: Any, **changed: Any) -> vl.Record:
    """A record of one learning rate, made by hand from (run, step, layer) gradient norms."""
    norms, part = np.array(gradient_norm, dtype=np.float64), np.array(subnormal, dtype=np.float64)
    runs, steps, layers = norms.shape
    fields: dict[str, Any] = {name: np.zeros(norms.shape) for name in LAYER_QUANTITIES}
    fields |= {"gradient_norm": norms, "subnormal_fraction": part}
    fields |= {
        "learning_rate": np.full(runs, 0.1),
        "seed": np.arange(runs),
        "diverged_step": np.full(runs, -1),
        "step": np.arange(steps),
        "layer": np.arange(1, layers + 1),
        "loss": np.zeros((runs, steps)),
        "accuracy": np.zeros((runs, steps)),
        "test_step": np.zeros(0, dtype=np.int64),
        "test_accuracy": np.zeros((runs, 0)),
        "layer_names": tuple(f"layer {number}" for number in range(1, layers + 1)),
    }
    return vl.Record(**(fields | changed))


# Saving and loading.


def test_a_record_survives_the_disk_bit_for_bit(record: vl.Record, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    assert record.save(path) == path
    assert_equal_records(vl.Record.load(path), record)
    assert_equal_records(vl.Record.load(str(path)), record)
    assert list(tmp_path.iterdir()) == [path]


def test_a_record_of_ones_own_model_survives_too(tmp_path: Path) -> None:
    made = bare([[[1.0, math.nan]]], [[[0.0, math.nan]]], unmeasured={"layer 2": "Gewicht eingefroren – 凍結"})
    assert_equal_records(vl.Record.load(made.save(tmp_path / "own.npz")), made)


def test_records_without_steps_or_test_examples_survive(data: vl.Dataset, tmp_path: Path) -> None:
    untested = vl.Dataset(data.x, data.y)
    made = vl.train(vl.NetworkConfig(depth=1, width=2), vl.TrainingConfig(steps=2, record_every="never"), untested)
    assert_equal_records(vl.Record.load(made.save(tmp_path / "empty.npz")), made)


def test_numbers_at_the_edge_of_float64_survive(tmp_path: Path) -> None:
    made = bare([[[5e-324, 1.7e308, -0.0, math.inf]]], [[[0.1, 1 / 3, 0.0, math.nan]]])
    loaded = vl.Record.load(made.save(tmp_path / "edge.npz"))
    assert loaded.gradient_norm.tobytes() == made.gradient_norm.tobytes()


def test_the_file_is_a_plain_archive_of_arrays_and_json(record: vl.Record, tmp_path: Path) -> None:
    path = record.save(tmp_path / "run.npz")
    with np.load(path, allow_pickle=False) as file:  # nothing pickled, or this would raise
        metadata = json.loads(str(file["metadata"]))
        assert file["gradient_norm"].dtype == np.float64
    assert metadata["network"]["activation"] == "relu" and metadata["training"]["seeds"] == list(SEEDS)
    assert metadata["environment"]["data"] == "drawn" and metadata["layer_names"][-1] == "readout"


def test_a_saved_file_is_as_readable_as_any_other(record: vl.Record, tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    path = record.save(tmp_path / "run.npz")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("moment", ["while writing", "before the move"])
def test_a_failed_write_leaves_the_old_file_and_no_temporary(
    record: vl.Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, moment: str
) -> None:
    path = record.select(run=0).save(tmp_path / "run.npz")
    before = path.read_bytes()

    def half_way(file: Any, **arrays: Any) -> None:
        file.write(b"PK half of it")
        raise error

    def no_move(*_: Any) -> None:
        raise error

    if moment == "while writing":
        monkeypatch.setattr(np, "savez", half_way)
    else:
        monkeypatch.setattr(Path, "replace", no_move)
        monkeypatch.setattr(os, "replace", no_move)
    with pytest.raises(type(error)):
        record.save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_saving_over_a_record_replaces_it(record: vl.Record, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    record.select(run=0).save(path)
    record.save(path)
    assert vl.Record.load(path).runs == 6 and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_told_by_its_path(record: vl.Record, tmp_path: Path) -> None:
    with pytest.raises((vl.InputError, OSError), match=r"nowhere") as caught:
        record.save(tmp_path / "nowhere" / "run.npz")
    assert ".run.npz-" not in str(caught.value)  # the temporary file is nobody's business


# Damaged files.


def test_a_file_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(vl.InputError, match=r"^record file must exist, got '.*nothing\.npz'$"):
        vl.Record.load(tmp_path / "nothing.npz")
    with pytest.raises(vl.InputError, match=MESSAGE + r"'.+' \(it is no regular file \(a folder\)\)$"):
        vl.Record.load(tmp_path)


def test_a_truncated_record_is_refused_at_every_length(record: vl.Record, tmp_path: Path) -> None:
    whole = record.save(tmp_path / "run.npz").read_bytes()
    path = tmp_path / "cut.npz"
    for length in [0, 1, 2, 3, 4, 5, 22, *range(30, len(whole), len(whole) // 150), len(whole) - 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(vl.InputError, match=MESSAGE):
            vl.Record.load(path)


def load_or_none(content: bytes, path: Path) -> vl.Record | None:
    """The record, None where it is refused in the proper way; any other outcome fails the test."""
    path.write_bytes(content)
    try:
        return vl.Record.load(path)
    except vl.InputError as error:
        assert "\n" not in str(error)
        return None


def test_random_damage_is_refused_or_harmless_never_a_wrong_record(record: vl.Record, tmp_path: Path) -> None:
    whole = bytearray(record.save(tmp_path / "run.npz").read_bytes())
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in generator.integers(len(whole), size=generator.integers(1, 4)):
            damaged[place] = generator.integers(256)
        loaded = load_or_none(bytes(damaged), tmp_path / "damaged.npz")
        if loaded is None:
            refused += 1
        else:  # a time stamp, say, or a byte that was drawn as it is
            assert_equal_records(loaded, record)
    assert refused > 200


def headers(content: bytes) -> list[int]:
    """Where each array's description starts in the file."""
    return [place for place in range(len(content)) if content.startswith(b"{'descr'", place)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"'<f8'", b"'<f4'"),
        (b"'<f8'", b"'<i8'"),
        (b"'<i8'", b"'<i4'"),
        (b"'<f8'", b"'>f8'"),
        (b"False", b"True "),
        (b"v\x00{'descr'", b"t\x00{'descr'"),  # one bit of the description's length: the numbers start too early
        (b"v\x00{'descr'", b"v\x40{'descr'"),  # and far too late: numpy's own message is a paragraph
    ],
)
def test_a_damaged_description_of_an_array_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    # A checksum is only compared once an entry has been read to its end, and these leave some of it unread where an
    # array is long: here 115 kB.
    norms = np.random.default_rng(0).normal(size=(6, 600, 4))
    record = bare(norms, np.zeros(norms.shape))
    whole = record.save(tmp_path / "run.npz").read_bytes()
    tried = 0
    for start in headers(whole):
        place = whole.find(old, start - 2, start + 128)
        if place < 0:
            continue
        tried += 1
        loaded = load_or_none(whole[:place] + new + whole[place + len(new) :], tmp_path / "damaged.npz")
        if loaded is not None:
            assert_equal_records(loaded, record)
    assert tried > 2


def rewritten(record: vl.Record, tmp_path: Path, **changed: Any) -> Path:
    """The record's file, written anew with other arrays (None: without) and valid checksums."""
    with np.load(record.save(tmp_path / "run.npz")) as file:
        arrays = {**file, **changed}
    path = tmp_path / "other.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def metadata_of(record: vl.Record, tmp_path: Path) -> dict[str, Any]:
    with np.load(record.save(tmp_path / "run.npz")) as file:
        return json.loads(str(file["metadata"]))


@pytest.mark.parametrize("name", ["metadata", "loss", "gradient_norm", "seed", "test_step"])
def test_a_record_that_lacks_an_array_is_refused(record: vl.Record, tmp_path: Path, name: str) -> None:
    with pytest.raises(vl.InputError, match=MESSAGE + f".*{name}"):
        vl.Record.load(rewritten(record, tmp_path, **{name: None}))


@pytest.mark.parametrize(
    "changed",
    [
        {"loss": np.zeros((6, 10))},
        {"loss": np.zeros(6)},
        {"layer": np.arange(1, 4)},
        {"gradient_norm": np.zeros((6, 11, 5))},
        {"test_accuracy": np.zeros((6, 1))},
        {"loss": np.full((6, 11), "x")},
        {"loss": np.full((6, 11), 1j)},
        {"step": np.full(11, True)},
        {"loss": np.zeros((6, 11), dtype=np.float32)},
        {"seed": np.zeros(6)},
    ],
    ids=lambda changed: ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in changed.items()),
)
def test_arrays_of_another_shape_or_kind_are_refused(
    record: vl.Record, tmp_path: Path, changed: dict[str, Any]
) -> None:
    with pytest.raises(vl.InputError, match=MESSAGE):
        vl.Record.load(rewritten(record, tmp_path, **changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"network": {"depth": 0}},
        {"network": {"colour": "red"}},
        {"network": 3},
        {"training": {"learning_rates": []}},
        {"layer_names": ["a", "b"]},
        {"layer_names": None},
        {"layer_names": [1, 2, 3, 4]},
        {"layer_names": "abcd"},
        {"unmeasured": ["layer 1"]},
        {"facts": ["layer 1"]},
        {"facts": {"layer 1": ["first", 64.0, 32, "tanh", 0.0]}},
        {"facts": {"layer 1": [0, 64.0]}},
        {"environment": None},
    ],
    ids=str,
)
def test_metadata_that_are_not_a_records_are_refused(
    record: vl.Record, tmp_path: Path, changed: dict[str, Any]
) -> None:
    text = json.dumps(metadata_of(record, tmp_path) | changed)
    with pytest.raises(vl.InputError, match=MESSAGE):
        vl.Record.load(rewritten(record, tmp_path, metadata=text))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"format"', "3"])
def test_metadata_that_are_no_json_object_are_refused(record: vl.Record, tmp_path: Path, text: str) -> None:
    with pytest.raises(vl.InputError, match=MESSAGE):
        vl.Record.load(rewritten(record, tmp_path, metadata=text))


LATER = (
    "applied_gradient_norm", "time_ratio", "distinct_share", "delta_distinct_share", "effective_rank",
    "gradient_coherence",
)  # fmt: skip


def test_a_record_from_before_a_quantity_existed_has_nan_there(record: vl.Record, tmp_path: Path) -> None:
    path = record.save(tmp_path / "old.npz")
    with np.load(path) as file:
        arrays = {name: file[name] for name in file if name not in LATER}
    np.savez(path, **arrays)
    old = vl.Record.load(path)
    assert all(np.isnan(getattr(old, name)).all() for name in LATER)
    np.testing.assert_array_equal(old.gradient_norm, record.gradient_norm)


def test_a_record_of_a_later_format_says_so(record: vl.Record, tmp_path: Path) -> None:
    text = json.dumps(metadata_of(record, tmp_path) | {"format": 2})
    with pytest.raises(vl.InputError, match="its format is 2, this version reads 1"):
        vl.Record.load(rewritten(record, tmp_path, metadata=text))


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a record was unpickled",)


def test_pickled_objects_are_refused_and_never_unpickled(record: vl.Record, tmp_path: Path) -> None:
    for name in ("loss", "metadata"):
        with pytest.raises(vl.InputError, match=MESSAGE):
            vl.Record.load(rewritten(record, tmp_path, **{name: np.array([Bomb()], dtype=object)}))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04N.", b"PK\x05\x06" + bytes(18)], ids=repr)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(vl.InputError, match=MESSAGE):
        vl.Record.load(path)


def test_a_single_array_and_another_archive_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros(3))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    for path in (tmp_path / "array.npy", tmp_path / "other.zip"):
        with pytest.raises(vl.InputError, match=MESSAGE):
            vl.Record.load(path)


# Selecting.


def test_selecting_by_each_label_keeps_its_part_of_every_array(record: vl.Record) -> None:
    part = record.select(learning_rate=0.1, seed=(3, 7), step=(0, 5, 10), layer=(1, 4))
    assert part.learning_rate.tolist() == [0.1, 0.1] and part.seed.tolist() == [3, 7]
    assert part.step.tolist() == [0, 5, 10] and part.layer.tolist() == [1, 4]
    assert part.layer_names == (record.layer_names[0], record.layer_names[3])
    for name in LAYER_QUANTITIES:
        expected = getattr(record, name)[2:4][:, [0, 5, 10]][:, :, [0, 3]]
        np.testing.assert_array_equal(getattr(part, name), expected)
    np.testing.assert_array_equal(part.loss, record.loss[2:4][:, [0, 5, 10]])
    np.testing.assert_array_equal(part.test_accuracy, record.test_accuracy[2:4])
    assert part.network == record.network and part.environment == record.environment


def test_selecting_everything_or_nothing_in_particular_is_the_record_itself(record: vl.Record) -> None:
    assert_equal_records(record.select(), record)
    everything = record.select(learning_rate=RATES, seed=SEEDS, run=range(6), step=record.step, layer=record.layer)
    assert_equal_records(everything, record)


def test_labels_add_up_and_the_order_is_the_records(record: vl.Record) -> None:
    assert record.select(run=(5, 0)).seed.tolist() == [3, 7]
    assert record.select(learning_rate=(0.1, 0.01), seed=7).learning_rate.tolist() == [0.01, 0.1]
    assert record.select(seed=np.array([7])).runs == 3
    assert record.select(layer=4).gradient_norm.shape == (6, 11, 1)


def test_a_rate_is_found_through_its_last_digits(record: vl.Record) -> None:
    assert record.select(learning_rate=0.1 * (1 + 1e-12)).runs == 2  # np.logspace's 0.1 is not always 0.1
    with pytest.raises(vl.InputError):
        record.select(learning_rate=0.1001)


@pytest.mark.parametrize("seeds", [(10**10, 10**10 + 1), (2**63 - 2, 2**63 - 1)], ids=str)
def test_neighbouring_large_seeds_are_told_apart(data: vl.Dataset, seeds: tuple[int, int]) -> None:
    training = vl.TrainingConfig(seeds=seeds, steps=0, device="cpu")
    made = vl.train(vl.NetworkConfig(depth=1, width=2), training, data)
    assert made.seed.tolist() == list(seeds)
    assert made.select(seed=seeds[1]).seed.tolist() == [seeds[1]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"learning_rat": 0.1}, "label must be one of 'learning_rate', .* got 'learning_rat' .did you mean 'learning"),
        ({"colour": 1}, "label must be one of .* got 'colour'"),
        ({"seed": 4}, "^seed must be one of 3, 7, got 4$"),
        ({"learning_rate": 0.5}, r"^learning_rate must be one of 0\.01, 0\.1, 1e\+30, got 0\.5$"),
        ({"learning_rate": math.nan}, "^learning_rate must be one of .* got nan$"),
        ({"run": 6}, "^run must be one of 0, 1, 2, 3, 4, 5, got 6$"),
        ({"run": -1}, "^run must be one of .* got -1$"),
        ({"step": 11}, "^step must be one of .* got 11$"),
        ({"layer": 0}, "^layer must be one of 1, 2, 3, 4, got 0$"),
        ({"layer": "readout"}, "^layer must be a number, got 'readout'$"),
        ({"seed": None}, "^seed must be a number, got None$"),
        ({"seed": [3, None]}, "^seed must be a number, got None$"),
        ({"run": ()}, r"^no run has all of \{'run': \(\)\}$"),
        ({"run": 0, "seed": 7}, r"^no run has all of \{'run': 0, 'seed': 7\}$"),
    ],
    ids=str,
)
def test_labels_that_are_not_there_are_told_in_one_line(
    record: vl.Record, labels: dict[str, Any], message: str
) -> None:
    with pytest.raises(vl.InputError, match=message):
        record.select(**labels)


# Summaries.


def test_over_seeds_is_the_median_and_the_range_of_each_rate(record: vl.Record) -> None:
    summary = record.over_seeds(record.gradient_norm)
    assert summary.learning_rate.tolist() == list(RATES)
    for index in range(2):
        values = record.gradient_norm[2 * index : 2 * index + 2]
        np.testing.assert_array_equal(summary.median[index], np.median(values, axis=0))
        np.testing.assert_array_equal(summary.low[index], values.min(axis=0))
        np.testing.assert_array_equal(summary.high[index], values.max(axis=0))
    assert np.isnan(summary.median[2, -1]).all() and np.isfinite(summary.median[2, 0]).all()


def test_over_seeds_leaves_out_what_was_not_measured() -> None:
    made = bare([[[1.0, math.nan]], [[math.nan, math.nan]], [[3.0, math.nan]]], np.zeros((3, 1, 2)))
    summary = made.over_seeds(made.gradient_norm)
    assert summary.median.tolist()[0][0][0] == 2.0 and np.isnan(summary.median[0, 0, 1])
    assert (summary.low[0, 0, 0], summary.high[0, 0, 0]) == (1.0, 3.0)
    alone = made.over_seeds(np.array([1.0, math.nan, 5.0]))
    assert alone.median.tolist() == [3.0]


def test_the_gradient_state_tells_zeros_apart() -> None:
    norms = [[[0.0, 0.0, 1e-42, 1.0]], [[0.0, 1.0, 1.0, 1.0]], [[1.0, 0.0, 0.0, 1.0]], [[math.nan, 1.0, 0.0, 0.0]]]
    subnormal = [[[0.0, 0.0, 0.5, 0.0]], [[0.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.1]], [[math.nan, 0.0, 0.0, 0.0]]]
    assert bare(norms, subnormal).gradient_state[:, 0].tolist() == [
        ["underflow", "underflow", "underflow", "measured"],
        ["zero", "measured", "measured", "measured"],
        ["measured", "underflow", "underflow", "underflow"],
        ["overflow", "measured", "zero", "zero"],
    ]
    # A NaN with a reason is a gradient that is not there.
    explained = dataclasses.replace(
        bare(norms, subnormal), unmeasured={bare(norms, subnormal).layer_names[0]: "frozen"}
    )
    assert explained.gradient_state[3, 0].tolist() == ["none", "measured", "zero", "zero"]


def test_the_first_to_last_ratio_may_be_zero_infinite_or_nan() -> None:
    made = bare([[[1.0, 5.0, 4.0]], [[0.0, 1.0, 4.0]], [[1.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]]], np.zeros((4, 1, 3)))
    ratios = made.first_last_ratio("gradient_norm")[:, 0].tolist()
    assert ratios[:3] == [0.25, 0.0, math.inf] and math.isnan(ratios[3])
    with pytest.raises(vl.InputError, match=r"quantity must be one of .* got 'delta' .did you mean 'delta_rms'"):
        made.first_last_ratio("delta")


def test_at_step_finds_the_last_recorded_step_not_after_it(record: vl.Record) -> None:
    sparse = record.select(step=(0, 4, 10))
    assert [sparse.at_step(step) for step in (0, 3, 4, 9, 10, 99, -1)] == [0, 0, 1, 1, 2, 2, 2]
    later = record.select(step=(4, 10))
    assert later.at_step(0) == 0
    empty = bare(np.zeros((1, 0, 2)), np.zeros((1, 0, 2)))
    with pytest.raises(vl.InputError, match=r"^the record holds no steps$"):
        empty.at_step(0)


def test_at_end_takes_the_last_step_before_a_run_diverged(record: vl.Record) -> None:
    ends = record.at_end(record.loss)
    for run in range(6):
        reached = record.loss[run][np.isfinite(record.loss[run])]
        assert ends[run] == reached[-1]
    assert record.at_end(record.gradient_norm).shape == (6, 4)
    lost = bare(np.full((1, 2, 1), math.nan), np.full((1, 2, 1), math.nan), diverged_step=np.array([0]))
    assert np.isnan(lost.at_end(lost.gradient_norm)).all()
    assert np.isnan(bare(np.zeros((2, 0, 1)), np.zeros((2, 0, 1))).at_end(np.zeros((2, 0)))).all()


# Tables.


def test_the_table_has_a_row_for_every_run_step_and_layer(record: vl.Record) -> None:
    table = record.to_dataframe()
    assert isinstance(table, pandas.DataFrame) and len(table) == 6 * 11 * 4
    labels = ["run", "learning_rate", "seed", "diverged_step", "step", "layer", "layer_name", "loss", "accuracy"]
    assert list(table.columns) == [*labels, *LAYER_QUANTITIES]
    for run, step, layer in [(0, 0, 0), (3, 7, 2), (5, 10, 3)]:
        chosen = table[(table.run == run) & (table.step == step) & (table.layer == layer + 1)]
        assert len(chosen) == 1
        row = chosen.iloc[0]
        assert row["learning_rate"] == record.learning_rate[run] and row["seed"] == record.seed[run]
        assert row["diverged_step"] == record.diverged_step[run] and row["layer_name"] == record.layer_names[layer]
        np.testing.assert_array_equal(row["loss"], record.loss[run, step])
        for name in LAYER_QUANTITIES:
            np.testing.assert_array_equal(row[name], getattr(record, name)[run, step, layer])


def test_without_pandas_the_table_says_what_to_install(record: vl.Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(vl.InputError, match=r"^to_dataframe needs pandas: pip install 'vanishlab\[dataframe\]'$"):
        record.to_dataframe()


# The record itself.


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": np.zeros(2)}, r"^loss must have axes \(run, step\), got shape \(2,\)$"),
        ({"loss": np.zeros((2, 2))}, r"^loss must have 3 entries on axis step, got shape \(2, 2\)$"),
        ({"delta_rms": np.zeros((2, 3, 5))}, r"^delta_rms must have 4 entries on axis layer, got shape \(2, 3, 5\)$"),
        ({"layer_names": ("a",)}, r"^layer must have 1 entries on axis layer, got shape \(4,\)$"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_arrays_that_do_not_fit_together_are_told_by_axis(changed: dict[str, Any], message: str) -> None:
    made = bare(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)))
    with pytest.raises(vl.InputError, match=message):
        dataclasses.replace(made, **changed)


def test_a_record_is_frozen(record: vl.Record) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.loss = np.zeros(1)  # pyright: ignore[reportAttributeAccessIssue]


def test_the_checks_of_damage_notice_a_changed_number(record: vl.Record, tmp_path: Path) -> None:
    # Shown once: a file whose checksums were made to fit a wrong number is loaded, and found different.
    loss = record.loss.copy()
    loss[0, 0] += 1e-15
    loaded = vl.Record.load(rewritten(record, tmp_path, loss=loss))
    with pytest.raises(AssertionError, match="loss"):
        assert_equal_records(loaded, record)


def test_no_handle_stays_open_after_a_refusal(tmp_path: Path) -> None:
    # An open file shows as a ResourceWarning once it is collected, and warnings are errors here.
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    path = tmp_path / "cut.npz"
    path.write_bytes(buffer.getvalue()[:-30])
    with pytest.raises(vl.InputError):
        vl.Record.load(path)


def test_facts_of_layers_are_saved_and_wrong_ones_refused(tmp_path: Path) -> None:
    facts = {"layer 1": LayerFacts(place=0, units=64.0, examples=32, activation="tanh", twins=0.25)}
    made = bare([[[1.0, 2.0]]], [[[0.0, 0.0]]], facts=facts)
    assert vl.Record.load(made.save(tmp_path / "record.npz")).facts == facts
