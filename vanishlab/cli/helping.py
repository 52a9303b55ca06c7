"""The help in Chinese: what tyro reads of a command is translated before, and what it lays out is mended after.

tyro takes its sentences from docstrings and counts every letter as one column. So each sentence is looked up by `say`,
its wide letters are followed by a mark that counts as their second column, and places where a line may end are opened
between them; the marks are taken out of what tyro has drawn, and its frames are closed again.
"""

import ast
import contextlib
import dataclasses
import inspect
import io
import re
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator
from typing import Annotated, Any, get_args, get_origin

import tyro

from vanishlab.language.sentences import say

_SECOND, _BREAK = "\u2061", "\u2060"  # invisible, and in no sentence: the second column, and where a line may end
_STOPS = "，。：；、）"
_TOGETHER = 4  # pieces that are not parted: a place to part them costs tyro a column
_ANSI = r"\x1b\[[0-9;]*m"


def sentences(command: Callable[..., object]) -> list[str]:
    """Return every English sentence of a command's help, those of the configs that it takes among them."""
    summary, arguments = documented(command.__doc__)
    found = [summary, *arguments.values()]
    for hint in command.__annotations__.values():
        config, others = _parts(hint)
        found += [each.help for each in others if getattr(each, "help", None)]
        if dataclasses.is_dataclass(config):
            found += _fields(config).values()
    return found


def documented(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Return a docstring's summary, and what it says under Args by the argument's name."""
    summary, _, listed = inspect.cleandoc(docstring or "").partition("\nArgs:\n")
    arguments = {}
    for each in re.split(r"\n(?=\w)", textwrap.dedent(listed)):
        name, _, text = each.partition(":")
        if text:
            arguments[name] = " ".join(text.split())
    return " ".join(summary.split()), arguments


def fields_of(config: ast.ClassDef) -> dict[str, str]:
    """Return what stands beneath each field of a dataclass, by its name."""
    return {
        ast.unparse(field.target): " ".join(str(text.value.value).split())
        for field, text in zip(config.body, config.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def translate(command: Callable[..., object]) -> None:
    """Let tyro read this function's help in the language that holds. It cannot be called any more with a config."""
    summary, arguments = documented(command.__doc__)
    signature, parameters, hints = inspect.signature(command), [], {}
    for name, parameter in signature.parameters.items():
        config, others = _parts(command.__annotations__[name])
        text = next((each.help for each in others if getattr(each, "help", None)), arguments.get(name, ""))
        kept = [each for each in others if not getattr(each, "help", None)]
        if dataclasses.is_dataclass(config):
            config = _said_config(config, text)
        elif text:
            kept.append(_flag(text, parameter.default))
        hint = Annotated[(config, *kept)] if kept else config
        parameters.append(parameter.replace(annotation=hint))
        hints[name] = hint
    vars(command)["__signature__"] = signature.replace(parameters=parameters)
    command.__annotations__ = hints
    command.__doc__ = marked(say(summary))


@contextlib.contextmanager
def laid_out() -> Iterator[None]:
    """Print what tyro prints within the block as it should look, its own words in the language that holds."""
    drawn = _Drawn()
    try:
        with contextlib.redirect_stdout(drawn):
            yield
    finally:
        for line in drawn.getvalue().splitlines():
            print(_mended(line))


def marked(text: str) -> str:
    """Return the text with the marks by which tyro counts its columns and ends its lines."""
    marked, together = "", 0
    # What stays together: a run of Latin letters or one Chinese character, an opening bracket before, stops after it.
    for piece in re.findall(r"\s+|（?(?:[!-~\u00a1-\u2fff]+|[^\s])[，。：；、）]*", text):
        if together >= _TOGETHER:
            marked, together = f"{marked}{_BREAK} ", 0
        marked += "".join(each + _SECOND * (_columns(each) - 1) for each in piece)
        together = 0 if piece.isspace() else _TOGETHER if piece[-1] in _STOPS else together + 1
    return marked


class _Drawn(io.StringIO):
    """Where tyro draws: it asks whether that is a terminal, for colours, and takes box characters for granted."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self._watched = sys.stdout.isatty()

    def isatty(self) -> bool:
        return self._watched


def _mended(line: str) -> str:
    columns = len(re.sub(_ANSI, "", line))
    text = re.sub(f"{_BREAK} ?|{_SECOND}", "", line)
    text = text.replace("usage: ", say("usage: ")).replace("(required)", say("(required)"))
    text = text.replace("show this help message and exit", say("show this help message and exit"))
    for title in re.findall(r"╭─ ([\w ]+) ─", text):
        known = {
            "options": say("options"),
            "network options": say("network options"),
            "training options": say("training options"),
            "grid options": say("grid options"),
            "subcommands": say("subcommands"),
            "positional arguments": say("positional arguments"),
        }
        text = text.replace(f"─ {title} ─", f"─ {known.get(title, title)} ─")
    end = max(text.rfind("│"), text.rfind("╮"))
    if end > 0:
        missing = columns - _columns(re.sub(_ANSI, "", text))
        text = text[:end] + ("─" if text[end] == "╮" else " ") * missing + text[end:]
    return text


def _columns(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type, and what it is annotated with."""
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _flag(text: str, default: object) -> Any:
    known = default not in (inspect.Parameter.empty, dataclasses.MISSING)
    return tyro.conf.arg(help=marked(say(text)), help_behavior_hint=_default if known else "")


def _default(value: str) -> str:
    return marked(say("(default: {value})", value=value))


def _said_config(config: Any, text: str) -> Any:
    """Return a dataclass of the same fields, whose help is in the language that holds."""
    texts, fields = _fields(config), []
    for field in dataclasses.fields(config):
        base, others = _parts(inspect.get_annotations(config).get(field.name, field.type))
        hint = Annotated[(base, *others, _flag(texts[field.name], field.default))]
        fields.append((field.name, hint, dataclasses.field(default=field.default)))
    made = dataclasses.make_dataclass(config.__name__, fields)
    made.__doc__ = marked(say(text)) if text else None
    return made


def _fields(config: Any) -> dict[str, str]:
    """Return what stands beneath each field, those of the classes that it inherits from among them."""
    found: dict[str, str] = {}
    for each in reversed(config.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(body, ast.ClassDef)
        found |= fields_of(body)
    return found
