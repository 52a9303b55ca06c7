"""`write_report(given, out)`: the report's file, gathered, drawn and written whole or not at all."""

import base64
import functools
import hashlib
import importlib
import os
import re
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from vanishlab.errors import InputError
from vanishlab.files import output_file, write_whole
from vanishlab.language.sentences import listed, paragraph, say, spoken
from vanishlab.report.sources import Given, Source, open_sources
from vanishlab.report.vega import vega
from vanishlab.training.processes import one_blas_thread
from vanishlab.version import __version__

_NEEDS = ("jinja2", "vl_convert")
_HERE = Path(__file__).parent / "templates"
_GLYPHS = "/* glyphs */"  # in the style: where the rule for the Chinese font goes


def check_extra() -> None:
    """Raise `InputError` where the packages that a report needs are missing."""
    for name in _NEEDS:
        try:
            importlib.import_module(name)
        except ImportError as error:
            package = name.replace("vl_convert", "vl-convert-python")
            raise InputError(f"report needs {package}: pip install 'vanishlab[report]'") from error


def write_report(
    given: Given,
    out: str | os.PathLike[str] = "report.html",
    *,
    title: str | None = None,
    command: str | None = None,
    progress: Callable[[int, int], object] | None = None,
    executor: Executor | None = None,
) -> Path:
    """Write one self-contained HTML file of records and sweeps, and return its path.

    Main arguments
        given     a record file, a folder of records or of a sweep, several of those, a record, or records by name
        out       the file; its folder is made if need be

    Other arguments
        title     of the page; what was run where not given
        command   the command line that made this file; this process's own where not given
        progress  called after each part of the page with how many are done, and of how many
        executor  processes that draw chapters beside this one; matplotlib's settings in them are their own

    It is in the language that holds where it is called: `with plots.language("zh"): write_report(...)`.

    Raises `InputError` without the extra `vanishlab[report]`, for what `open_sources` refuses, and for a file that
    cannot be written.
    """
    check_extra()
    out = Path(out)
    if out.is_dir():
        raise InputError(f"out must be the name of a file, got the folder {str(out)!r}")
    sources = open_sources(given)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        output_file(out, "out")
        text = render(sources, title=title, command=command, progress=progress, executor=executor)
        return write_whole(out, lambda file: file.write(text.encode()))
    except OSError as error:
        raise InputError(f"out must be a file that can be written, got {str(out)!r} ({error.strerror})") from None


def render(
    sources: list[Source],
    *,
    title: str | None = None,
    command: str | None = None,
    progress: Callable[[int, int], object] | None = None,
    executor: Executor | None = None,
) -> str:
    """Return the page as text, in the language that holds."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from vanishlab.analysis.verdict import WELL, named, several
    from vanishlab.plots.web_font import font_face
    from vanishlab.report.page import config_rows, page_of, rates

    with one_blas_thread():
        page = page_of(sources, title=title, command=command, progress=progress, executor=executor)
    # Text of the page can run nothing even where it got past the escaping: only these scripts, by hash, are let run.
    scripts = [*([vega()] if page.players else []), (_HERE / "report.js").read_text(encoding="utf-8")]
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.get_template("report.html").render(
        say=say,
        listed=listed,
        paragraph=paragraph,
        named=named,
        names=lambda network: listed(say(name) for name in network.diagnosis.names),
        stop={"en": ".", "zh": "。"}[spoken()],
        colon={"en": ": ", "zh": "："}[spoken()],
        language={"en": "en", "zh": "zh-CN"}[spoken()],
        page=page,
        config_rows=config_rows,
        rates=rates,
        several=several,
        well=WELL,
        style=_GLYPHS + Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        version=__version__,
    )
    shown = _unescaped(functools.reduce(lambda whole, script: whole.replace(script, ""), scripts, text))
    return text.replace(f"<style>{_GLYPHS}", f"<style>{font_face(shown)}", 1)


def _unescaped(text: str) -> str:
    """Return the text with the letters that JSON writes as numbers, which charts show."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda letter: chr(int(letter[1], 16)), text)


def _policy(scripts: list[str]) -> str:
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; font-src data:"
