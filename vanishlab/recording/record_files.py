"""Record files: the fields of a `Record` as one .npz, its arrays under their names, the rest as JSON under "metadata".

Nothing is pickled, so nothing in a record file can run. A file appears whole or not at all.
"""

import contextlib
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vanishlab.config import NetworkConfig, TrainingConfig, config_from_dict, config_to_dict
from vanishlab.errors import InputError, first_line
from vanishlab.files import open_arrays, open_file, write_whole
from vanishlab.recording.contents import check_metadata_size, check_sizes, check_words
from vanishlab.recording.facts import LayerFacts

_FORMAT = 1


def write_fields(
    path: Path, arrays: Collection[str], fields: Mapping[str, Any], labels: Mapping[str, Any] | None = None
) -> Path:
    """Write a record's fields, those `arrays` among them; `labels` are JSON values of a reader's own, kept beside."""
    metadata = {
        "format": _FORMAT,
        "layer_names": fields["layer_names"],
        "network": config_to_dict(fields["network"]) if fields["network"] else None,
        "training": config_to_dict(fields["training"]) if fields["training"] else None,
        "unmeasured": fields["unmeasured"],
        "facts": fields["facts"],
        "environment": fields["environment"],
        "remarks": fields["remarks"],
        "labels": dict(labels or {}),
    }
    kept = {name: fields[name] for name in arrays}
    return write_whole(path, lambda file: np.savez(file, metadata=json.dumps(metadata), **kept))


def read_fields(
    path: Path, arrays: Mapping[str, tuple[str, ...]], optional: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a record's fields, those `arrays` among them, and the labels; checksums are compared.

    `arrays` are given with the names of their axes; `optional` ones may be missing. What the file says of its members'
    sizes is checked before any is read. Raises, inside `reading`, `InputError`.
    """
    found: list[dict[str, Any]] = []

    def check_members(archive: zipfile.ZipFile) -> None:
        check_metadata_size(archive)
        found.append(_metadata(archive))
        check_sizes(archive, arrays, len(_words(found[0]["layer_names"])))

    with open_arrays(path, check_members) as file:
        (metadata,) = found
        fields: dict[str, Any] = {name: file[name] for name in arrays if name in file or name not in optional}
    fields |= {
        "layer_names": _words(metadata["layer_names"]),
        "network": _config(NetworkConfig, metadata["network"]),
        "training": _config(TrainingConfig, metadata["training"]),
        "unmeasured": _labelled_words(metadata["unmeasured"]),
        "facts": _facts(metadata.get("facts", {})),
        "environment": _labelled_words(metadata["environment"]),
        "remarks": _labelled_words(metadata.get("remarks", {})),
    }
    return fields, metadata.get("labels", {})


def read_labels(path: Path) -> dict[str, Any]:
    """Return a record file's labels alone, none of its numbers read. Raises `InputError` as `Record.load` does."""
    with reading(path), open_file(path) as opened, zipfile.ZipFile(opened) as archive:
        check_metadata_size(archive)
        return _metadata(archive).get("labels", {})


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make one `InputError` of whatever a damaged file raises in the block: a damaged zip has a handful of classes."""
    if not path.exists() and not path.is_symlink():  # a link may lead to itself
        raise InputError(f"record file must exist, got {str(path)!r}")
    try:
        yield
    except Exception as error:
        raise InputError(
            f"record file must be a whole vanishlab record, got {str(path)!r} ({first_line(error)})"
        ) from error


def _metadata(archive: zipfile.ZipFile) -> dict[str, Any]:
    with archive.open("metadata.npy") as member:
        metadata = json.loads(str(np.lib.format.read_array(member, allow_pickle=False)))
    if metadata["format"] != _FORMAT:
        raise InputError(f"its format is {metadata['format']!r}, this version reads {_FORMAT}")
    return metadata


def _words(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(f"its metadata must hold a list of words, got {values!r}")
    check_words(values)
    return tuple(values)


def _config(kind: type, values: Any) -> Any:
    if values is not None and not isinstance(values, dict):
        raise InputError(f"its metadata must hold a {kind.__name__} or null, got {values!r}")
    return None if values is None else config_from_dict(kind, values)


def _labelled_words(values: Any) -> dict[str, str]:
    if not isinstance(values, dict):
        raise InputError(f"its metadata must hold labelled words, got {values!r}")
    return dict(zip(_words(list(values)), _words(list(values.values())), strict=True))


def _facts(values: Any) -> dict[str, LayerFacts]:
    kinds = (int, (int, float), int, str, (int, float), str, (int, float), str)
    facts = {name: LayerFacts(*entries) for name, entries in values.items()}
    check_words([*facts, *(str(word) for each in facts.values() for word in (each.activation, each.dtype, each.held))])
    if not all(isinstance(entry, kind) for each in facts.values() for entry, kind in zip(each, kinds, strict=True)):
        raise InputError(f"its metadata must hold facts of layers, got {values!r}")
    return facts
