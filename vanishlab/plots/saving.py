"""Picture files: a figure as PNG and SVG, laid out once, whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from vanishlab.errors import InputError
from vanishlab.files import write_whole
from vanishlab.plots.fonts import make_legible

FORMATS = ("png", "svg")
_DPI = 160


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write the figure as the PNG or SVG that the name ends in, whole or not at all, and return the path.

    Raises `InputError` for another ending and for a folder that is not there.
    """
    path = Path(path)
    make_legible(figure)  # it may have been made by hand
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise InputError(f"picture file must end in .png or .svg, got {str(path)!r}")
    if not path.parent.is_dir():
        raise InputError(f"folder for pictures must exist, got {str(path.parent)!r}")
    # Neither the date nor random ids: the same record gives the same file.
    metadata = {"Date": None} if suffix == "svg" else {}
    with rc_context({"svg.hashsalt": "vanishlab"}), _laid_out(figure):
        return write_whole(path, lambda file: figure.savefig(file, format=suffix, dpi=_DPI, metadata=metadata))


def save_both(figure: Figure, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write the figure as PATH.png and PATH.svg (an ending of either kind is replaced) and return the two paths."""
    path = Path(path)
    make_legible(figure)  # before it is laid out
    stem = path.stem if path.suffix.lower().removeprefix(".") in FORMATS else path.name
    with _laid_out(figure):
        png, svg = (save_figure(figure, path.with_name(f"{stem}.{suffix}")) for suffix in FORMATS)
    return png, svg


@contextlib.contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Lay the figure out as its PNG is, and leave it so: with an engine, matplotlib draws twice for each file.

    A block within such a block does nothing.
    """
    engine, dpi = figure.get_layout_engine(), figure.get_dpi()
    if engine is None:
        yield
        return
    try:
        figure.set_dpi(_DPI)
        engine.execute(figure)
    finally:
        figure.set_dpi(dpi)
    with rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):  # else None is one of these
        figure.set_layout_engine(None)
        try:
            yield
        finally:
            figure.set_layout_engine(engine)
