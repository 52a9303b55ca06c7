"""Every data set by name, the files that stand in for one, and what is refused."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import sklearn.model_selection

import vanishlab as vl
from vanishlab import drawn_data
from vanishlab.data import DATA_NAMES, ENVIRONMENT_VARIABLE, OFFLINE_NAMES
from vanishlab.splitting import stratified

DATA_FOLDER = os.environ.get(ENVIRONMENT_VARIABLE)


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


def arrays(n: int = 6, features: int = 3) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.normal(size=(n, features)),
        "y_train": np.arange(n) % 2,
        "x_test": generator.normal(size=(4, features)),
        "y_test": np.arange(4) % 2,
    }


def write(path: Path, **changed: Any) -> Path:
    kept: dict[str, Any] = {key: value for key, value in (arrays() | changed).items() if value is not None}
    np.savez(path, **kept)
    return path


@pytest.mark.parametrize(
    ("name", "features", "classes", "train", "test"),
    [
        ("digits", 64, 10, 1437, 360),
        ("moons", 2, 2, 800, 200),
        ("spirals", 2, 3, 800, 200),
        ("gaussian_clusters", 10, 10, 800, 200),
    ],
)
def test_each_bundled_set_has_its_shape_its_scale_and_all_its_classes(
    name: str, features: int, classes: int, train: int, test: int
) -> None:
    dataset = vl.load_data(name)
    assert dataset.x_test is not None and dataset.y_test is not None
    assert dataset.name == name and dataset.num_classes == classes and dataset.features == features
    assert dataset.x.shape == (train, features) and dataset.x_test.shape == (test, features)
    assert dataset.x.dtype == dataset.x_test.dtype == np.float64
    assert dataset.y.dtype == dataset.y_test.dtype == np.int64
    for labels in (dataset.y, dataset.y_test):
        share = np.bincount(labels, minlength=classes) / len(labels) * classes
        # Split class by class: each has its share; digits itself is uneven by 3 % and 360 examples round by 1.5 %.
        np.testing.assert_allclose(share, 1.0, atol=0.06)
    rms = np.sqrt(np.mean(dataset.x**2))
    assert 0.3 < rms < 2.0 and np.abs(dataset.x).max() < 5.0
    if name == "digits":
        assert dataset.x.min() == 0.0 and dataset.x.max() == 1.0
    else:  # centred: 800 examples of unit size err by 0.04, but the ten clusters' own centres by 0.6 / sqrt(10)
        assert np.abs(dataset.x.mean(axis=0)).max() < (0.5 if name == "gaussian_clusters" else 0.1)


def test_digits_are_scikit_learns_each_example_once() -> None:
    dataset = vl.load_data("digits")
    assert dataset.x_test is not None and dataset.y_test is not None
    bunch: Any = sklearn.datasets.load_digits()
    ours = np.column_stack([np.vstack([dataset.x, dataset.x_test]) * 16, np.concatenate([dataset.y, dataset.y_test])])
    theirs = np.column_stack([bunch.data, bunch.target])
    np.testing.assert_array_equal(np.unique(ours, axis=0), np.unique(theirs, axis=0))
    assert len(ours) == len(theirs) == 1797


@pytest.mark.parametrize("name", ["digits", "moons", "spirals", "gaussian_clusters"])
def test_the_seed_decides_everything(name: str) -> None:
    first, again, other = vl.load_data(name, seed=3), vl.load_data(name, seed=3), vl.load_data(name, seed=4)
    for field in ("x", "y", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, field), getattr(again, field))
    assert not np.array_equal(first.x, other.x)


def test_spirals_are_three_arms_that_a_straight_line_cannot_part() -> None:
    dataset = vl.load_data("spirals")
    radius = np.linalg.norm(dataset.x, axis=1)
    assert radius.min() > 0.0 and radius.max() < 2.01
    onehot = np.eye(3)[dataset.y]
    inputs = np.column_stack([dataset.x, np.ones(len(dataset.x))])
    linear = np.argmax(inputs @ np.linalg.lstsq(inputs, onehot, rcond=None)[0], axis=1)
    assert np.mean(linear == dataset.y) < 0.6


@pytest.mark.parametrize("name", ["moons", "gaussian_clusters"])
def test_the_easy_sets_are_mostly_told_apart_by_their_nearest_neighbour(name: str) -> None:
    dataset = vl.load_data(name)
    assert dataset.x_test is not None
    distances = np.linalg.norm(dataset.x_test[:, None] - dataset.x[None], axis=2)
    assert np.mean(dataset.y[distances.argmin(axis=1)] == dataset.y_test) > 0.85


def test_max_examples_takes_that_many_training_examples_and_leaves_the_test_set() -> None:
    whole, part = vl.load_data("digits", seed=1), vl.load_data("digits", seed=1, max_examples=30)
    assert whole.x_test is not None and part.x_test is not None
    assert part.x.shape == (30, 64) and part.num_classes == 10 and part.name == "digits"
    np.testing.assert_array_equal(part.x_test, whole.x_test)
    rows = {example.tobytes(): label for example, label in zip(whole.x, whole.y, strict=True)}
    assert [rows[example.tobytes()] for example in part.x] == part.y.tolist()
    assert len({example.tobytes() for example in part.x}) == 30
    other = vl.load_data("digits", seed=2, max_examples=30)
    assert not np.array_equal(part.x, other.x)
    assert len(vl.load_data("digits", max_examples=10**9).y) == 1437


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_examples": 0}, "max_examples must be at least 1, got 0"),
        ({"max_examples": -5}, "max_examples must be at least 1, got -5"),
        ({"max_examples": 2.5}, "max_examples must be a whole number, got 2.5"),
        ({"max_examples": 1e9}, "max_examples must be a whole number, got 1000000000.0"),
        ({"max_examples": "5"}, "max_examples must be a whole number, got '5'"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"seed": 0.5}, "seed must be a whole number, got 0.5"),
    ],
)
def test_wrong_numbers_are_told_in_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(vl.InputError, match=f"^{re.escape(message)}$"):
        vl.load_data("moons", **arguments)


@pytest.mark.parametrize("seed", [2**32, 2**63 - 1])
def test_every_seed_that_training_takes_is_a_seed_here_or_is_told_in_one_line(seed: int) -> None:
    try:
        dataset = vl.load_data("moons", seed=seed)
    except vl.InputError as error:
        assert str(error).startswith("seed must be at most")
    else:
        assert len(dataset.y) == 800


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(vl.InputError, match=r"'digits'.*got 'digit' \(did you mean 'digits'\?\)$"):
        vl.load_data("digit")


def test_the_names_are_these() -> None:
    assert set(DATA_NAMES) == {"digits", "moons", "spirals", "gaussian_clusters", "mnist", "fashion_mnist", "cifar10"}


def test_the_names_stand_in_one_file_of_the_package() -> None:
    package = Path(vl.__file__).parent
    naming = {path.name for path in package.rglob("*.py") if "gaussian_clusters" in path.read_text(encoding="utf-8")}
    assert naming == {"data.py"}


def test_a_file_in_the_data_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    write(tmp_path / "digits.npz")
    write(tmp_path / "mine.npz", x_train=np.zeros((6, 2, 2)), x_test=np.zeros((4, 2, 2)))
    assert vl.load_data("digits").x.shape == (6, 3)
    assert vl.load_data("mine").x.shape == (6, 4) and vl.load_data("mine").name == "mine"
    assert vl.load_data("moons").x.shape == (800, 2)  # not in the folder, so as ever


def test_a_folder_that_does_not_exist_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "/nowhere/at/all")
    assert len(vl.load_data("moons").y) == 800


def test_the_path_of_a_file_is_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.npz")
    dataset, by_text = vl.load_data(path), vl.load_data(str(path))  # pyright: ignore[reportArgumentType]
    assert dataset.name == by_text.name == "mine"
    np.testing.assert_array_equal(dataset.x, arrays()["x_train"])
    np.testing.assert_array_equal(dataset.y_test, arrays()["y_test"])


def test_bytes_become_pixels_between_zero_and_one_and_other_numbers_stay(tmp_path: Path) -> None:
    pixels = np.array([[0, 51, 255]] * 6, dtype=np.uint8)
    dataset = vl.load_data(str(write(tmp_path / "images.npz", x_train=pixels)))
    np.testing.assert_array_equal(dataset.x[0], [0.0, 0.2, 1.0])
    dataset = vl.load_data(str(write(tmp_path / "numbers.npz", x_train=pixels.astype(np.int64))))
    np.testing.assert_array_equal(dataset.x[0], [0.0, 51.0, 255.0])


@pytest.mark.skipif(
    not (DATA_FOLDER and (Path(DATA_FOLDER) / "mnist.npz").is_file()),
    reason=f"{ENVIRONMENT_VARIABLE} names no folder with mnist.npz",
)
def test_mnist_from_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(DATA_FOLDER))
    dataset = vl.load_data("mnist")
    assert dataset.x_test is not None and dataset.x.shape == (60_000, 784) and dataset.x_test.shape == (10_000, 784)
    assert dataset.num_classes == 10 and dataset.x.min() == 0.0 and dataset.x.max() == 1.0
    assert np.bincount(dataset.y)[:2].tolist() == [5923, 6742]  # as LeCun's files have them


def test_without_network_and_cache_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*arguments: Any, **named: Any) -> Any:
        raise OSError("Name or service\nnot known")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", offline)
    with pytest.raises(vl.InputError) as caught:
        vl.load_data("mnist")
    message = str(caught.value)
    assert message.startswith("data 'mnist' is not on this machine and could not be fetched from OpenML (OSError: Name")
    assert ENVIRONMENT_VARIABLE in message and "mnist.npz" in message and "x_train, y_train, x_test, y_test" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "openml_name", "train"),
    [
        ("mnist", "mnist_784", 60_000),
        ("fashion_mnist", "Fashion-MNIST", 60_000),
        ("cifar10", "CIFAR_10", 50_000),
    ],
)
def test_what_openml_sends_is_split_by_position_and_scaled(
    name: str, openml_name: str, train: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(wanted: str, **named: Any) -> tuple[np.ndarray, np.ndarray]:
        asked.append(wanted)
        x = np.full((train + 3, 2), 255.0)
        x[train:] = 51.0
        y = np.array([str(label % 10) for label in range(train + 3)], dtype=object)  # OpenML's labels are words
        return x, y

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    dataset = vl.load_data(name, max_examples=None)
    assert dataset.x_test is not None and dataset.y_test is not None
    assert asked == [openml_name] and dataset.name == name and dataset.num_classes == 10
    assert dataset.x.shape == (train, 2) and (dataset.x == 1.0).all()
    np.testing.assert_array_equal(dataset.x_test, np.full((3, 2), 0.2))
    np.testing.assert_array_equal(dataset.y_test, np.arange(train, train + 3) % 10)


def test_a_broken_answer_of_openml_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = np.zeros((70_000, 2)), np.array(["cat"] * 70_000, dtype=object)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: answer)
    with pytest.raises(vl.InputError):
        vl.load_data("mnist")


def test_a_file_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(vl.InputError, match=r"^data file must exist, got '.*nothing\.npz'$"):
        vl.load_data(str(tmp_path / "nothing.npz"))


@pytest.mark.parametrize("keys", [("y_test",), ("x_train", "y_test")])
def test_missing_arrays_are_named(tmp_path: Path, keys: tuple[str, ...]) -> None:
    path = write(tmp_path / "part.npz", **dict.fromkeys(keys))
    message = f"must hold x_train, y_train, x_test, y_test, lacks {', '.join(keys)}"
    with pytest.raises(vl.InputError, match=f"{message}$"):
        vl.load_data(str(path))


def test_a_truncated_file_is_told_at_every_length(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "cut.npz"
    for length in [0, 1, 3, 4, 30, *range(64, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(vl.InputError, match=r"^data file must be a readable \.npz, got "):
            vl.load_data(str(path))


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a data file was unpickled",)


def test_pickled_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.npz", x_train=np.array([Bomb()] * 6, dtype=object))
    with pytest.raises(vl.InputError, match=r"^data file must be a readable \.npz, got .*pickle"):
        vl.load_data(str(path))


def test_a_text_file_with_the_right_ending_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.npz"
    path.write_text("x_train, y_train\n")
    with pytest.raises(vl.InputError, match=r"^data file must be a readable \.npz, got "):
        vl.load_data(str(path))


X, Y = np.zeros((3, 2)), np.array([0, 1, 1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"x": np.zeros(3)}, "x must have axes (n, features), got shape (3,)"),
        ({"y": np.array([0, 1])}, "y must have shape (3,) to match x, got (2,)"),
        ({"y": np.zeros((3, 2))}, "y must have shape (3,) to match x, got (3, 2)"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "x must not be empty, got shape (0, 2)"),
        ({"x": np.zeros((3, 0))}, "x must not be empty, got shape (3, 0)"),
        ({"x": np.array([[0, 1], [0, np.nan], [0, 0]])}, "x must be finite, got nan at example 1, feature 1"),
        ({"x": np.array([[0, 1], [0, 0], [-np.inf, 0]])}, "x must be finite, got -inf at example 2, feature 0"),
        ({"x": np.array([["a", "b"]] * 3)}, "x must hold numbers, got dtype <U1"),
        ({"x": np.full((3, 2), 1j)}, "x must hold numbers, got dtype complex128"),
        ({"x": np.full((3, 2), None)}, "x must hold numbers, got dtype object"),
        ({"y": np.array(["0", "1", "1"])}, "y must hold numbers, got dtype <U1"),
        ({"y": np.array([0.0, 0.5, 1.0])}, "y must be class numbers, got 0.5"),
        ({"y": np.array([0.0, np.nan, 1.0])}, "y must be class numbers, got nan"),
        ({"y": np.array([0.0, np.inf, 1.0])}, "y must be class numbers, got inf"),
        ({"y": np.array([0, -1, 1])}, "y must be class numbers from 0, got -1"),
        ({"classes": 1}, "classes must be at least 2, got 1"),
        ({"classes": 2, "y": np.array([0, 1, 2])}, "y must be class numbers from 0 to 1, got 2"),
        ({"x_test": X}, "x_test and y_test must be given together, got one of them"),
        ({"y_test": Y}, "x_test and y_test must be given together, got one of them"),
        ({"x_test": np.zeros((3, 5)), "y_test": Y}, "x_test must have the 2 features of x, got 5 (shape (3, 5))"),
        ({"x_test": X, "y_test": np.array([0])}, "y_test must have shape (3,) to match x_test, got (1,)"),
        ({"x_test": X + np.nan, "y_test": Y}, "x_test must be finite, got nan at example 0, feature 0"),
        (
            {"x_test": X, "y_test": np.array([0, 1, 7]), "classes": 3},
            "y must be class numbers from 0 to 2, got 7",
        ),
    ],
)
def test_data_that_do_not_fit_are_told_in_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(vl.InputError, match=f"^{re.escape(message)}$"):
        vl.Dataset(**({"x": X, "y": Y} | fields))


@pytest.mark.parametrize("labels", [[0.0, 1.0, 1e300], [0, 1, 2**40]], ids=str)
def test_a_label_too_large_for_a_class_number_is_told_in_one_line(labels: list[float]) -> None:
    with pytest.raises(vl.InputError, match=r"^y must be class numbers"):
        vl.Dataset(X, np.array(labels), classes=2)


def test_ragged_rows_are_told_in_one_line() -> None:
    with pytest.raises(vl.InputError, match=r"^x must "):
        vl.Dataset([[0.0, 1.0], [0.0], [1.0, 1.0]], Y)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int32, np.float32, list])
def test_labels_of_any_kind_of_number_become_int64(kind: Any) -> None:
    labels = Y.tolist() if kind is list else Y.astype(kind)
    dataset = vl.Dataset(X.tolist(), labels)  # pyright: ignore[reportArgumentType]
    assert dataset.y.dtype == np.int64 and dataset.y.tolist() == [0, 1, 1]


def test_the_number_of_classes_counts_the_test_labels_and_may_be_given() -> None:
    assert vl.Dataset(X, Y * 0).num_classes == 2
    assert vl.Dataset(X, Y, X, Y + 2).num_classes == 4
    assert vl.Dataset(X, Y, classes=9).num_classes == 9


def test_a_dataset_is_its_own_copy_and_images_are_flattened() -> None:
    x = np.zeros((3, 2, 4))
    dataset = vl.Dataset(x, Y)
    x[:] = 1
    assert dataset.x.shape == (3, 8) and (dataset.x == 0).all() and dataset.features == 8


def test_a_fingerprint_tells_sets_apart_by_every_number_and_the_name() -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
    sets = [
        vl.Dataset(x, y),
        vl.Dataset(x + 1e-15, y),
        vl.Dataset(x, 1 - y),
        vl.Dataset(x, y, name="other"),
        vl.Dataset(x, y, classes=3),
        vl.Dataset(x, y, x, y),
        vl.Dataset(x[:3], y[:3], x[3:], y[3:]),
        vl.Dataset(x.reshape(3, 4), y[:3]),
    ]
    assert len({each.fingerprint for each in sets}) == len(sets)
    assert vl.Dataset(x.copy(), y.copy()).fingerprint == sets[0].fingerprint and len(sets[0].fingerprint) == 32


def test_a_set_says_what_it_was_loaded_as() -> None:
    assert vl.load_data("moons", max_examples=20, seed=3).loaded_as == ("moons", 20, 3)
    assert vl.load_data("moons").loaded_as == ("moons", None, 0)
    assert vl.Dataset(np.zeros((2, 1)), np.zeros(2)).loaded_as is None


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_digits_and_their_split_are_scikit_learns_number_for_number(seed: int) -> None:
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    theirs: Any = sklearn.model_selection.train_test_split(x / 16.0, y, test_size=0.2, random_state=seed, stratify=y)
    dataset = vl.load_data("digits", seed=seed)
    ours = (dataset.x, dataset.x_test, dataset.y, dataset.y_test)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.asarray(one), other)


@pytest.mark.parametrize("seed", range(20))
def test_a_split_is_scikit_learns_whatever_the_classes(seed: int) -> None:
    draw = np.random.default_rng(seed)
    classes = int(draw.integers(2, 12))
    y = np.concatenate([np.arange(classes).repeat(2), draw.integers(0, classes, int(draw.integers(60, 300)))])
    share = float(draw.uniform(0.2, 0.6))
    theirs: Any = sklearn.model_selection.train_test_split(
        np.arange(len(y)), test_size=share, random_state=seed, stratify=y
    )
    for ours, expected in zip(stratified(y, share, seed), theirs, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("seed", [*range(10), 12345, 2**32 - 1])
def test_moons_and_clusters_are_scikit_learns_number_for_number(seed: int) -> None:
    x, y = sklearn.datasets.make_moons(1000, noise=0.1, random_state=seed)
    theirs = {"moons": (x - np.array([0.5, 0.25]), y)}
    theirs["gaussian_clusters"] = sklearn.datasets.make_blobs(
        1000, n_features=10, centers=10, center_box=(-1, 1), cluster_std=0.5, random_state=seed
    )[:2]
    for name, (x, y) in theirs.items():
        ours = {"moons": drawn_data.moons, "gaussian_clusters": drawn_data.clusters}[name](seed)
        np.testing.assert_array_equal(ours[0], x)
        np.testing.assert_array_equal(ours[1], y)
        expected: Any = sklearn.model_selection.train_test_split(x, y, test_size=0.2, random_state=seed, stratify=y)
        dataset = vl.load_data(name, seed=seed)
        for one, other in zip((dataset.x, dataset.x_test, dataset.y, dataset.y_test), expected, strict=True):
            np.testing.assert_array_equal(np.asarray(one), other)


def test_sets_without_a_download_need_no_import_of_scikit_learn() -> None:
    loaded = f"[vl.load_data(name) for name in {OFFLINE_NAMES}]"
    code = f"import sys, vanishlab as vl; {loaded}; print('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"]


def test_digits_fall_back_on_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    found = vl.load_data("digits")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert vl.load_data("digits").fingerprint == found.fingerprint
