"""Chinese glyphs for pictures in Chinese: which font has them, and every text of a figure with that font.

The extra `chinese` brings one; without it a font of the system serves.

The font comes after a text's own fonts, for the characters that those lack: Latin letters, digits and signs look as
they do in English. Nothing here touches matplotlib's global settings, so that figures in two languages may be drawn
side by side in two threads.
"""

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

from vanishlab.errors import InputError
from vanishlab.language.sentences import speaking, spoken

P = ParamSpec("P")
R = TypeVar("R")

FAMILIES = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC",
    "Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Heiti SC", "STHeiti", "DengXian", "SimHei",
    "Sarasa Gothic SC", "HarmonyOS Sans SC", "Droid Sans Fallback", "Noto Serif CJK SC", "Noto Serif SC",
    "Source Han Serif SC", "Songti SC", "STSong", "SimSun", "Arial Unicode MS", "AR PL UMing CN", "AR PL UKai CN",
    # Matplotlib before 3.11 sees the first face of a collection alone, which in Noto's is the Japanese one.
    "Noto Sans CJK JP", "Noto Serif CJK JP",
)  # fmt: skip
"""Families that are looked for, the best first: those without serifs, in the shapes used on the Chinese mainland."""

NO_FONT = (
    "language 'zh' needs a font with Chinese characters, and matplotlib finds none here: install one with "
    "`pip install 'vanishlab[chinese]'`; or on Debian and Ubuntu with `sudo apt install fonts-noto-cjk`, on Fedora "
    "with `sudo dnf install google-noto-sans-cjk-fonts`, on macOS with `brew install --cask font-noto-sans-cjk-sc`, "
    "on Windows under Settings, Optional features, 'Chinese (Simplified) Supplemental Fonts'; or put NotoSansSC from "
    "https://fonts.google.com/noto/specimen/Noto+Sans+SC among your fonts"
)


@contextlib.contextmanager
def language(name: str) -> Iterator[None]:
    """Draw pictures in this language inside the `with` block: "en" or "zh".

        with plots.language("zh"):
            plots.save_both(plots.three_curves(record), "pictures/sigmoid")

    It holds for the thread or asynchronous task that entered the block. Text of your own (titles, labels, names of
    layers) is shown as it is. Raises `InputError` for another language, and where no font has its characters.
    """
    with speaking(name):
        if name == "zh":
            chinese_font()
        yield


def chinese_font() -> str:
    """Return the family of a font that has every Chinese character of the pictures.

    The font of the extra `chinese` is told to matplotlib first: pictures then look the same on any machine. Raises
    `InputError`, with what to install, where there is none.
    """
    packaged = packaged_font()
    if packaged is not None:
        _tell_matplotlib([packaged])
    found = _first_with_glyphs()
    if found is None:
        _tell_matplotlib(font_manager.findSystemFonts())  # installed after it made its list, which it keeps for good
        found = _first_with_glyphs()
    if found is None:
        raise InputError(NO_FONT)
    return found


def legible(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a function that draws on axes, or returns a figure, leave its texts in a font that has their characters."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        result = draw(*args, **kwargs)
        if spoken() != "en":
            drawn_in: Any = result  # artists, which know their figure
            make_legible(result if isinstance(result, Figure) else drawn_in.figure)
        return result

    return drawn


def make_legible(figure: Figure) -> None:
    """Give every text of the figure the Chinese font as well where pictures are in Chinese; do nothing in English."""
    if spoken() == "en":
        return
    font = chinese_font()
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        families = text.get_fontfamily()
        if font not in families:
            text.set_fontfamily([*families, font])
    for ax in figure.axes:  # the labels of ticks are made anew while a figure is drawn
        ax.tick_params(which="both", labelfontfamily=[*rcParams["font.family"], font])


def families(text: str) -> list[str]:
    """Return the families in which a text is drawn: matplotlib's own, and the Chinese one where it needs that."""
    own = list(rcParams["font.family"])
    return [*own, chinese_font()] if any(letter >= "\u2e80" for letter in text) else own


def _first_with_glyphs() -> str | None:
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    known = [family for family in FAMILIES if family in installed]
    return next((family for family in known if _has_glyphs(family)), None)


def _has_glyphs(family: str) -> bool:
    try:
        path = font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False)
        font = font_manager.get_font(path)
    except (OSError, RuntimeError, ValueError):  # a file that is gone by now, or that matplotlib cannot read
        return False
    return all(font.get_char_index(ord(glyph)) for glyph in _glyphs())


@functools.cache
def _glyphs() -> list[str]:
    """Return the Chinese characters that pictures may need."""
    from vanishlab.language.chinese import CHINESE  # only now: a session in English need not read it

    return sorted({letter for text in CHINESE.values() for letter in text if "\u3000" <= letter <= "\uffef"})


def packaged_font() -> str | None:
    """Return the path of the font that the extra `chinese` installs, None without it."""
    try:
        path = Path(str(importlib.import_module("noto_cjk_sans_otc").FONT_PATH))
    except ImportError:
        return None
    return str(path) if path.is_file() else None


def _tell_matplotlib(paths: Iterable[str]) -> None:
    """Add these font files to the list that matplotlib keeps in memory, those that it has not got yet."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in paths:
        if path not in known:
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                font_manager.fontManager.addfont(path)
