"""What may stand in a record's file: which members, how large, and which values. Asked before it is read or believed.

The lab stores its arrays as they are, so a file never unpacks to more than its own size; and what its labels say (runs,
steps, layers) says how large each of its arrays is. No torch here.
"""

import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from vanishlab.errors import InputError
from vanishlab.recording.quantities import LAYER_QUANTITIES

_MOST_METADATA = 128 * 2**20  # bytes, at four a character: a sweep's chunk of 100,000 runs has 20 MB
_MOST_HEADER = 2**16  # bytes of an array's own description; the lab's have 128
_SHARES = ("accuracy", "test_accuracy", "saturated_fraction", "zero_fraction", "subnormal_fraction", "distinct_share",
           "delta_distinct_share", "gradient_coherence")  # fmt: skip
_LAST = 2**50  # step or layer; float64, in which pictures count, still holds the middle between two of them
_ROUNDING = 1e-9  # of a share that was summed up from parts


def check_metadata_size(archive: zipfile.ZipFile) -> None:
    """Raise `InputError` for members that unpack to more than they are, or stand twice, and for endless metadata."""
    names: set[str] = set()
    for each in archive.infolist():
        if each.compress_type != zipfile.ZIP_STORED or each.file_size != each.compress_size:
            raise InputError(f"its members must be stored uncompressed, got {each.filename[:80]!r} compressed")
        if each.filename in names:
            raise InputError(f"its members must have names of their own, got {each.filename[:80]!r} twice")
        names.add(each.filename)
        if each.filename == "metadata.npy" and each.file_size > _MOST_METADATA:
            raise InputError(f"its metadata must have at most {_MOST_METADATA} bytes, got {each.file_size}")


def check_sizes(archive: zipfile.ZipFile, axes: Mapping[str, tuple[str, ...]], layers: int) -> None:
    """Raise `InputError` for members other than the arrays named in `axes`, and for one longer than its axes are."""
    sizes = {each.filename.removesuffix(".npy"): each.file_size for each in archive.infolist()}
    for name in sizes:
        if name not in axes and name != "metadata":
            raise InputError(f"its members must be a record's arrays, got {name[:80]!r}")
    labels = {"run": "learning_rate", "step": "step", "evaluation": "test_step", "curvature": "sharpness_step"}
    # No label has more entries than its member has bytes for.
    longest = {axis: sizes.get(name, 0) // 8 for axis, name in labels.items()} | {"layer": layers}
    for name, own in axes.items():
        most = 8 * math.prod(longest[axis] for axis in own) + _MOST_HEADER
        if sizes.get(name, 0) > most:
            raise InputError(
                f"{name} must have at most {most} bytes, as its axes ({', '.join(own)}) do, got {sizes[name]}"
            )


def check_values(record: Any) -> None:
    """Raise `InputError` for a value in a `Record` that nothing can have measured."""
    for name, quantity in LAYER_QUANTITIES.items():
        if quantity.never_negative:
            _check(name, getattr(record, name), lambda values: values >= 0, "at least 0")
    for name in _SHARES:
        _check(name, getattr(record, name), lambda values: (values >= 0) & (values <= 1 + _ROUNDING), "from 0 to 1")
    _check("learning_rate", record.learning_rate, lambda values: values >= 0, "at least 0")
    for name in ("seed", "diverged_step"):
        _check(name, getattr(record, name), lambda values: values >= -1, "at least -1")
    for name, least in (("step", 0), ("layer", 1), ("test_step", 0), ("sharpness_step", 0)):
        values = getattr(record, name)
        rule = f"from {least} to {_LAST}"
        _check(name, values, lambda values, least=least: (values >= least) & (values <= _LAST), rule)
        if (fallen := np.flatnonzero(values[1:] <= values[:-1])).size:
            pair = values[fallen[0] : fallen[0] + 2].tolist()
            raise InputError(f"{name} must rise from entry to entry, got {pair[0]} and then {pair[1]}")
    _check_network(record)


def check_words(words: Any) -> None:
    """Raise `InputError` for a word that no file and no page can hold."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InputError(f"its words must be text, got a lone surrogate in {ascii(word)[:80]}") from None


def _check_network(record: Any) -> None:
    if record.network is None:
        return
    depth, width = record.network.depth, record.network.width
    layers = list(zip(record.layer_names, record.layer.tolist(), strict=True))
    for name, layer in layers:
        if layer > depth + 1 or (name == "readout" and layer != depth + 1):
            raise InputError(f"network.depth must be that of layer {layer}, {name!r}, got {depth}")
    for name, layer in layers:
        own = width[layer - 1] if isinstance(width, tuple) and layer <= depth else width
        facts = record.facts.get(name)
        if layer <= depth and facts is not None and facts.units not in (0, own):
            raise InputError(f"network.width must be that of layer {layer}, {facts.units:g}, got {own}")


def _check(name: str, values: np.ndarray, holds: Any, rule: str) -> None:
    wrong = np.argwhere(~(holds(values) | np.isnan(values)))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise InputError(f"{name} must be {rule}, got {values[place]:g} at {list(place)}")
