"""`say`, and the language that holds: it fills a whole English sentence, or another language's sentence for it.

    say("after {steps} steps", steps=200)                      # "after 200 steps"
    with speaking("zh"):
        say("after {steps} steps", steps=200)                  # "训练 200 步之后"

The English sentence, with named places for what varies, is the key of the catalogue. Word order and counting are the
catalogue's: no sentence is glued from translated words. What a user wrote (a title, a layer's name) is a value that is
filled in, never a key. A test reads every call of `say` and fails on a sentence that a catalogue lacks.
"""

import contextlib
import functools
import re
import textwrap
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Literal, get_args

from vanishlab.errors import check_choice

LanguageName = Literal["en", "zh"]
LANGUAGES: tuple[str, ...] = get_args(LanguageName)

_spoken: ContextVar[str] = ContextVar("language", default="en")


@contextlib.contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say everything in `language` inside the `with` block: "en" or "zh".

    It holds for the thread or asynchronous task that entered the block; a new thread starts in English.
    Raises `InputError` for any other language.
    """
    before = _spoken.set(check_choice("language", language, LANGUAGES))
    try:
        yield
    finally:
        _spoken.reset(before)


def spoken() -> str:
    """Return the language that holds here, "en" unless a `with` block says otherwise."""
    return _spoken.get()


def say(sentence: str, /, **values: object) -> str:
    """Return the sentence in the language that holds, its named places filled with `values`.

    A sentence that the catalogue lacks is said in English, with a warning.

    >>> say("after {steps} steps", steps=200)
    'after 200 steps'
    """
    if _spoken.get() != "en":
        translated = _chinese().get(sentence)
        if translated is None:
            warnings.warn(f"no translation into {_spoken.get()!r} of {sentence!r}", stacklevel=2)
        sentence = translated or sentence
    return sentence.format(**values)


@functools.cache
def _chinese() -> dict[str, str]:
    """Return the catalogue, which a session in English need not read."""
    from vanishlab.language.chinese import CHINESE

    return CHINESE


def listed(parts: Iterable[str], stop: Literal[",", ";"] = ",") -> str:
    """Return the parts one after the other, with the language's comma or semicolon between; empty ones are left out."""
    between = {",": "，", ";": "；"}[stop] if _spoken.get() == "zh" else f"{stop} "
    return between.join(part for part in parts if part)


def paragraph(sentences: Iterable[str]) -> str:
    """Return the sentences one after the other; in English each begins with a capital."""
    if _spoken.get() == "zh":
        return "".join(sentences)
    return " ".join(sentence[:1].upper() + sentence[1:] for sentence in sentences)


def wrapped(text: str, columns: int) -> str:
    """Return `text` in lines of at most so many columns. A Chinese character is two wide and may end a line.

    >>> with speaking("zh"):
    ...     print(wrapped("临界线在图外：它从 sigma_w = 1 处开始。", 20))
    临界线在图外：它从
    sigma_w = 1 处开始。
    """
    if _spoken.get() != "zh":
        return textwrap.fill(text, columns)
    lines, used = [""], 0
    # What stays together: a run of Latin letters, digits and signs, or one character and the stops after it.
    for piece in re.findall(r"[!-~\u00a1-\u2fff]+|\s+|[^\s][，。：；、）]*", text):
        wide = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in piece)
        if used and used + wide > columns:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
            used = 0
        if used or not piece.isspace():
            lines[-1] += piece
            used += wide
    return "\n".join(lines)
