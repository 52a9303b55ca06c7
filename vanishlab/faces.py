"""The public face of a package: names that are imported when they are first used."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, home: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for `package`, whose names are found in the modules that `home` tells.

    Modules are named from `package` on; one that has the name itself is a package with a face of its own.
    """

    def find(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{home[name]}")
        return module if home[name] == name else getattr(module, name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return find, names


def shown_as(card: str) -> Callable[[Any], str]:
    """Return a class's `_repr_html_`, for notebooks: the function `card` of `vanishlab.notebook.cards`.

    What it needs, pictures and verdicts, stands above most classes; so it is imported when a notebook asks.
    """

    def _repr_html_(self: Any) -> str:
        return getattr(importlib.import_module("vanishlab.notebook.cards"), card)(self)

    return _repr_html_
