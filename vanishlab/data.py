"""Labelled examples by name: `load_data("digits") -> Dataset`. Seeded, checked, numpy only.

Digits come with scikit-learn; moons, spirals and Gaussian clusters are drawn; MNIST, Fashion-MNIST and CIFAR-10 come
from OpenML once and stay in scikit-learn's cache on disk: they alone import it, which takes a second. The folder that
the environment variable VANISHLAB_DATA names is looked into first, for `NAME.npz` with x_train, y_train, x_test and
y_test; the path of such a file is a name as well.
"""

import hashlib
import importlib.util
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from vanishlab.drawn_data import clusters, moons, spirals
from vanishlab.errors import InputError, check_array, check_choice, check_integer, first_line
from vanishlab.files import open_arrays
from vanishlab.splitting import stratified

ENVIRONMENT_VARIABLE = "VANISHLAB_DATA"
_TEST_SHARE = 0.2
_LARGEST_CLASS = 1_000_000
_LARGEST_SEED = 2**32 - 1  # scikit-learn's
_OPENML = {  # name: (OpenML's name, version, number of training examples: the sets' usual split is by position)
    "mnist": ("mnist_784", 1, 60_000),
    "fashion_mnist": ("Fashion-MNIST", 1, 60_000),
    "cifar10": ("CIFAR_10", 1, 50_000),
}
OFFLINE_NAMES = ("digits", "moons", "spirals", "gaussian_clusters")  # they come with scikit-learn or are drawn
DATA_NAMES = (*OFFLINE_NAMES, *_OPENML)
_FILE_KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples to train on, and to test on where there are any.

    x (n, features) is kept as float64, y (n,) as int64 class numbers 0 .. classes - 1; further axes of x (image rows
    and columns) are flattened. Raises `InputError` for shapes that do not match, NaN or infinite entries, and labels
    that are not class numbers.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    name: str = "custom"
    classes: int | None = None
    """Number of classes; one more than the largest label where not given."""
    loaded_as: tuple[str, int | None, int] | None = None
    """Name, max_examples and seed that `load_data` gives this very set for; None for a set from elsewhere."""

    def __post_init__(self) -> None:
        """Check the arrays against each other and flatten the inputs."""
        x, y = _checked_pair("x", self.x, "y", self.y)
        labels = [y]
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        if (self.x_test is None) != (self.y_test is None):
            raise InputError("x_test and y_test must be given together, got one of them")
        if self.x_test is not None and self.y_test is not None:
            x_test, y_test = _checked_pair("x_test", self.x_test, "y_test", self.y_test)
            if x_test.shape[1] != x.shape[1]:
                raise InputError(
                    f"x_test must have the {x.shape[1]} features of x, got {x_test.shape[1]} (shape {x_test.shape})"
                )
            labels.append(y_test)
            object.__setattr__(self, "x_test", x_test)
            object.__setattr__(self, "y_test", y_test)
        largest = max(int(label.max()) for label in labels)
        classes = max(largest + 1, 2) if self.classes is None else check_integer("classes", self.classes, 2)
        if largest >= classes:
            raise InputError(f"y must be class numbers from 0 to {classes - 1}, got {largest}")
        object.__setattr__(self, "classes", classes)

    @property
    def fingerprint(self) -> str:
        """A hash of every number in the set, and of its name, which records repeat: 32 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=16)
        for array in (self.x, self.y, self.x_test, self.y_test):
            digest.update(repr(None if array is None else array.shape).encode())
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
        digest.update(repr((self.num_classes, self.name)).encode())
        return digest.hexdigest()

    @property
    def features(self) -> int:
        """Number of input features."""
        return self.x.shape[1]

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        assert self.classes is not None  # __post_init__ has filled it in
        return self.classes


def load_data(name: str = "digits", *, max_examples: int | None = None, seed: int = 0) -> Dataset:
    """Return the data set `name`, inputs scaled to about unit size, split into training and test examples.

    Images have pixels in [0, 1]; drawn sets lie about the origin, with coordinates of order 1. `max_examples` keeps
    that many training examples, chosen at random; `seed` decides the draw, the split (where the set has none of its
    own) and the choice.

    Raises `InputError` for an unknown name, a file that is not of the form, or a set that is neither on this machine
    nor to be had from OpenML.

    >>> digits = load_data("digits")
    >>> digits.x.shape, digits.x_test.shape, digits.num_classes
    ((1437, 64), (360, 64), 10)
    """
    check_integer("seed", seed, 0, _LARGEST_SEED)
    if max_examples is not None:
        check_integer("max_examples", max_examples, 1)
    dataset = _find(str(name), seed)
    if max_examples is not None and max_examples < len(dataset.y):
        chosen = np.sort(np.random.default_rng(seed).permutation(len(dataset.y))[:max_examples])
        dataset = Dataset(
            dataset.x[chosen], dataset.y[chosen], dataset.x_test, dataset.y_test, dataset.name, dataset.num_classes
        )
    object.__setattr__(dataset, "loaded_as", (str(name), max_examples, seed))
    return dataset


def _find(name: str, seed: int) -> Dataset:
    folder = os.environ.get(ENVIRONMENT_VARIABLE)
    if folder and (path := Path(folder) / f"{name}.npz").is_file():
        return _read_file(path, name)
    if name.endswith(".npz"):
        return _read_file(Path(name), Path(name).stem)
    if name in _OPENML:
        return _fetch(name)
    check_choice("data (or the path of an .npz file)", name, DATA_NAMES)
    return _split(*_draw(name, seed), name=name, seed=seed)


def _draw(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if name == "digits":
        pixels, labels = _digits()
        return pixels / 16.0, labels
    return {"moons": moons, "spirals": spirals, "gaussian_clusters": clusters}[name](seed)


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits, (1797, 64) and (1797,), from its file: without its import, where the file is found.

    `find_spec` looks for the package and does not run it.
    """
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations or ()) if package is not None else ():
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            table = np.loadtxt(file, delimiter=",")
            return table[:, :-1], table[:, -1].astype(int)
    from sklearn.datasets import load_digits

    return cast(tuple[np.ndarray, np.ndarray], load_digits(return_X_y=True))


def _split(x: np.ndarray, y: np.ndarray, *, name: str, seed: int) -> Dataset:
    train, test = stratified(y, _TEST_SHARE, seed)
    return Dataset(x[train], y[train], x[test], y[test], name)


def _fetch(name: str) -> Dataset:
    from sklearn.datasets import fetch_openml

    openml_name, version, train = _OPENML[name]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of each retry; the error below says it once
            x, y = fetch_openml(openml_name, version=version, return_X_y=True, as_frame=False, parser="liac-arff")
        x, y = np.asarray(x, dtype=np.float64) / 255.0, np.asarray(y, dtype=np.int64)
    except Exception as error:  # the network fails in many ways, and each of them means the same here
        raise InputError(
            f"data {name!r} is not on this machine and could not be fetched from OpenML "
            f"({type(error).__name__}: {' '.join(str(error).split())[:120]}); connect once to let it be cached, or put "
            f"{name}.npz with {', '.join(_FILE_KEYS)} into a folder and name that folder in {ENVIRONMENT_VARIABLE}"
        ) from error
    return Dataset(x[:train], y[:train], x[train:], y[train:], name)


def _read_file(path: Path, name: str) -> Dataset:
    if not path.is_file():
        raise InputError(f"data file must exist, got {str(path)!r}")
    try:
        with open_arrays(path) as file:
            arrays = {key: file[key] for key in _FILE_KEYS if key in file}
    except Exception as error:  # a damaged zip shows as any of five exception classes
        raise InputError(f"data file must be a readable .npz, got {str(path)!r} ({first_line(error)})") from error
    missing = [key for key in _FILE_KEYS if key not in arrays]
    if missing:
        raise InputError(f"data file {str(path)!r} must hold {', '.join(_FILE_KEYS)}, lacks {', '.join(missing)}")
    for key in ("x_train", "x_test"):
        if arrays[key].dtype == np.uint8:  # images as bytes
            arrays[key] = arrays[key] / 255.0
    return Dataset(*(arrays[key] for key in _FILE_KEYS), name=name)


def _checked_pair(x_name: str, x: ArrayLike, y_name: str, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = check_array(x_name, x).astype(np.float64), check_array(y_name, y)
    if inputs.ndim < 2:
        raise InputError(f"{x_name} must have axes (n, features), got shape {inputs.shape}")
    if labels.ndim != 1 or len(labels) != len(inputs):
        raise InputError(f"{y_name} must have shape ({len(inputs)},) to match {x_name}, got {labels.shape}")
    if inputs.size == 0:
        raise InputError(f"{x_name} must not be empty, got shape {inputs.shape}")
    inputs = inputs.reshape(len(inputs), -1)
    finite = np.isfinite(inputs)
    if not finite.all():
        row, column = (int(index) for index in np.argwhere(~finite)[0])
        raise InputError(f"{x_name} must be finite, got {inputs[row, column]} at example {row}, feature {column}")
    if not np.isfinite(labels).all() or (labels != np.floor(labels)).any():
        wrong = labels[~(np.isfinite(labels) & (labels == np.floor(labels)))][0]
        raise InputError(f"{y_name} must be class numbers, got {wrong}")
    if labels.min() < 0:
        raise InputError(f"{y_name} must be class numbers from 0, got {labels.min()}")
    if labels.max() > _LARGEST_CLASS:
        raise InputError(f"{y_name} must be class numbers up to {_LARGEST_CLASS}, got {labels.max()}")
    return inputs, labels.astype(np.int64)
