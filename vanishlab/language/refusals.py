"""`in_words(refusal)`: what an `InputError` says, in the language that holds.

What is refused is said in English where it is raised, deep down, where no language is known; whoever shows it (the
command line, the playground, the report) passes it through here. A refusal is known by its form: `chinese_refusals` has
a sentence for each, with named places, and a test reads every `InputError` that these can meet.
"""

import functools
import re
import string

from vanishlab.language.chinese_refusals import REFUSALS
from vanishlab.language.sentences import spoken

_NEAREST = re.compile(r" \(did you mean ('.*'|--[\w-]+)\?\)$")
_NAME = r"[\w. ]*?"  # of a field: a whole refusal before a colon is none
_NESTED = ("why",)  # places that hold a refusal of their own


def in_words(refusal: object) -> str:
    """Return the refusal's text in the language that holds; in English where its form is not known.

    >>> from vanishlab.language import speaking
    >>> with speaking("zh"):
    ...     in_words("depth must be at least 1, got 0")
    'depth 必须至少为 1，而不是 0'
    """
    text = str(refusal)
    if spoken() == "en":
        return text
    near = _NEAREST.search(text)
    if near is not None:
        return f"{_translated(text[: near.start()])}（是不是想写 {near[1]}？）"
    return _translated(text)


def known(text: str) -> bool:
    """Whether the text has the form of a refusal that is translated."""
    return any(form.fullmatch(text) for form, _ in _forms())


def _translated(text: str) -> str:
    for form, chinese in _forms():
        if (found := form.fullmatch(text)) is not None:
            values = {name: in_words(value) if name in _NESTED else value for name, value in found.groupdict().items()}
            return chinese.format(**values)
    return text


@functools.cache
def _forms() -> list[tuple[re.Pattern[str], str]]:
    """Return the form of every refusal, with its translation, the most particular first."""
    by_letters = sorted(REFUSALS, key=lambda sentence: -len(re.sub(r"\{.*?\}", "", sentence)))
    return [(_form(sentence), REFUSALS[sentence]) for sentence in by_letters]


def _form(sentence: str) -> re.Pattern[str]:
    parts = []
    for literal, name, _, _ in string.Formatter().parse(sentence):
        parts.append(re.escape(literal))
        if name is not None:
            parts.append(f"(?P<{name}>{_NAME if name == 'field' else '.*?'})")
    return re.compile("".join(parts), re.DOTALL)
