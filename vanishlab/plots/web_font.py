"""Chinese glyphs for a page: the characters that it needs, cut out of the font that the extra `chinese` brings.

A browser may have no Chinese font, and a picture in an <img> sees none of the page's: each of them brings its own.
Without the extra a page is left to the fonts of the reader's machine.
"""

import base64
import functools
import importlib
import io
from pathlib import Path

from vanishlab.language.chinese import CHINESE
from vanishlab.language.chinese_refusals import REFUSALS
from vanishlab.plots import fonts

WEB_FAMILY = "vanishlab-chinese"
"""The family's name. It comes first in a list of fonts and has Chinese characters alone: where it comes later, Chromium
looks for it once it has already drawn the first text of each size without it."""
_FACE = "Noto Sans CJK SC"  # of the collection, the one with the shapes used on the Chinese mainland


def font_face(text: str, *, alone: bool = False) -> str:
    """Return the CSS rule with the glyphs of every Chinese character in `text`; empty without one, or the extra.

    With `alone` no other text is expected to follow, and nothing is made ready for it.
    """
    path = fonts.packaged_font()
    letters = "".join(sorted({letter for letter in text if "\u2e80" <= letter <= "\uffef"}))
    if path is None or not letters:
        return ""
    rule = f"font-family:{WEB_FAMILY};src:url({_address(path, letters, alone)});unicode-range:U+2E80-FFEF"
    return f"@font-face{{{rule}}}"


@functools.lru_cache(maxsize=256)
def _address(path: str, letters: str, alone: bool) -> str:
    """Return the font of these letters as a data: address; pictures of a page often need the same ones."""
    shared = not alone and set(letters) <= set(_catalogue())
    font = _of_catalogue(path) if shared else Path(path).read_bytes()
    kind = "woff2" if _has_brotli() else "woff"
    return f"data:font/{kind};base64,{base64.b64encode(_subset(font, letters, kind)).decode()}"


@functools.cache
def _catalogue() -> str:
    said = "".join((*CHINESE.values(), *REFUSALS.values()))
    return "".join(sorted({letter for letter in said if "\u2e80" <= letter <= "\uffef"}))


@functools.lru_cache(maxsize=1)
def _of_catalogue(path: str) -> bytes:
    """Return the font with the catalogue's characters alone: to cut a few out of all 20 MB takes 0.2 s each."""
    return _subset(Path(path).read_bytes(), _catalogue())


def _subset(font: bytes, letters: str, kind: str | None = None) -> bytes:
    """Return the font of these letters, packed as `kind`, None as a plain OpenType font."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTCollection, TTFont

    if font.startswith(b"ttcf"):
        faces = TTCollection(io.BytesIO(font), lazy=True).fonts
        face = next((each for each in faces if each["name"].getDebugName(1) == _FACE), faces[0])
    else:
        face = TTFont(io.BytesIO(font), lazy=True)
    options = Options(layout_features=[], name_IDs=[1, 2], notdef_outline=True, hinting=False, desubroutinize=True)
    subsetter = Subsetter(options)
    subsetter.populate(text=letters)
    subsetter.subset(face)
    face.flavor = kind
    face.recalcTimestamp = False  # the same text gives the same bytes at any time
    made = io.BytesIO()
    face.save(made)
    return made.getvalue()


def _has_brotli() -> bool:
    try:
        importlib.import_module("brotli")
    except ImportError:
        return False
    return True
