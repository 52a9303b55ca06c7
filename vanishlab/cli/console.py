"""`run`, the frame of every command: its flags, its exit code, and each mistake in one line."""

import contextlib
import errno
import functools
import inspect
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from vanishlab.cli import helping
from vanishlab.errors import InputError, check_choice, nearest
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import LANGUAGES, LanguageName, say, speaking
from vanishlab.terminal import silence

_INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended
_MISTAKE = 2
_NARROWEST = 20  # columns: tyro's help has no end where there are four
_LONGEST = 2000  # characters of a mistake: an argument may be as long as the system allows


def run(
    command: Callable[..., object] | Mapping[str, Callable[..., object]],
    description: str | None = None,
    *,
    version: str | None = None,
    defaults: Callable[[Sequence[str]], Mapping[str, Any]] = lambda arguments: {},
) -> None:
    """Call `command` (or one of several, by its name) with arguments from the command line, and exit.

    Each command also has the flag --language, the language that holds while it runs. Without any argument, one of
    several commands is asked for by printing the help. Exit codes: 0; 2 for a user's mistake, told in one line on
    stderr; 130 after Ctrl-C. `version` is what --version alone prints.
    `defaults` says, of the arguments given, what the command's parameters are where no flag says otherwise.
    """
    program = Path(sys.argv[0]).name.replace("__main__.py", "vanishlab")
    _open_streams()
    try:
        try:
            if version is not None and sys.argv[1:] == ["--version"]:
                print(version)
            else:
                _parse(command, description, defaults(sys.argv[1:]))()
        finally:
            sys.stdout.flush()
    except InputError as error:
        _fail(program, error)
    except BrokenPipeError:  # the reader, `head` say, has had enough
        silence(sys.stdout)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        silence(sys.stdout)
        _fail(program, f"{error.filename or 'what is printed'} must have room to be written to, got {error.strerror}")
    except KeyboardInterrupt:
        with speaking(_asked()):
            print(f"{program}: {say('interrupted')}", file=sys.stderr)
        sys.exit(_INTERRUPTED)


def _open_streams() -> None:
    """Let what is printed arrive on any terminal, as ? where it has no such sign, and nowhere where it is closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _parse(command: Any, english: str | None, defaults: Mapping[str, Any]) -> Callable[[], object]:
    """Return the command with its arguments bound; a mistake in them becomes an `InputError`."""
    calls: list[Callable[[], object]] = []
    helped = _asked() != "en" and not {"-h", "--help"}.isdisjoint(sys.argv[1:]) and _can_print("帮助", sys.stdout)
    if isinstance(command, Mapping) and len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        check_choice("command", sys.argv[1], command)

    def bound(function: Callable[..., object], name: str = "") -> Callable[..., None]:
        # tyro reads the signature of what it calls; the call itself is left for later, out of its error handling.
        @functools.wraps(function)
        def later(*args: Any, language: str = "en", **kwargs: Any) -> None:
            calls.append(lambda: _call(function, language, *args, **kwargs))

        _add_language(later, function)
        if helped:
            helping.translate(later)
        elif name in sys.argv[1:2]:  # the defaults are those of the command that is called
            _set_defaults(later, defaults)
        return later

    def parse() -> str:
        """Return what tyro says of a mistake; nothing where there is none."""
        said = io.StringIO()
        try:
            with (
                contextlib.redirect_stderr(said),
                speaking(_asked()) if helped else contextlib.nullcontext(),
                helping.laid_out() if helped else contextlib.nullcontext(),
            ):
                description = helping.marked(say(english)) if helped and english else english
                if isinstance(command, Mapping):
                    commands = {name: bound(function, name) for name, function in command.items()}
                    given = sys.argv[1:] or ["--help"]
                    tyro.extras.subcommand_cli_from_dict(commands, description=description, args=given)
                else:
                    tyro.cli(bound(command), description=description)
        except SystemExit as stop:
            if not stop.code:
                raise  # --help
        return said.getvalue()

    narrow = shutil.get_terminal_size().columns < _NARROWEST
    with _columns(_NARROWEST) if narrow else contextlib.nullcontext():
        parse()
    if not calls:
        # tyro gives a mistake as a drawn box only. Drawn once more, it is so wide that no line of it is broken.
        with _columns(100_000):
            raise InputError(_one_line(parse()))
    return calls[0]


@contextlib.contextmanager
def _columns(count: int) -> Iterator[None]:
    """Let the terminal seem to have so many columns."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(count)
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def _add_language(later: Callable[..., None], function: Callable[..., object]) -> None:
    """Let tyro see one more argument of `later` than `function` has: --language."""
    flag = Annotated[LanguageName, tyro.conf.arg(help="Language of what is drawn and printed: English or Chinese.")]
    signature = inspect.signature(function)
    last = inspect.Parameter("language", inspect.Parameter.KEYWORD_ONLY, default="en", annotation=flag)
    vars(later)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), last])
    later.__annotations__ = {**get_type_hints(function, include_extras=True), "language": flag}
    del vars(later)["__wrapped__"]  # where tyro would look for types


def _set_defaults(later: Callable[..., None], defaults: Mapping[str, Any]) -> None:
    """Let tyro see these defaults of the parameters that `later` has."""
    signature = inspect.signature(later)
    parameters = [
        each.replace(default=defaults[name]) if name in defaults else each
        for name, each in signature.parameters.items()
    ]
    vars(later)["__signature__"] = signature.replace(parameters=parameters)


def _call(function: Callable[..., object], language: str, *args: Any, **kwargs: Any) -> None:
    if language == "en":  # as it is, without matplotlib
        function(*args, **kwargs)
        return
    from vanishlab import plots

    with plots.language(language):
        function(*args, **kwargs)


def _one_line(box: str) -> str:
    """Return the message in tyro's box of text as one line in the lab's own form.

    A message that is not known keeps tyro's words; a box that is not known is given whole, without its frame.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", box)
    lines = [line.strip(" │") for line in text.splitlines() if not re.match(r"\s*[╭╰]", line)]
    paragraphs = " ".join("\n" if re.fullmatch("─+|-{5,}", line) else line for line in lines).split("\n")
    if "╭" not in text:  # where the terminal has no box characters the title is a paragraph of its own
        paragraphs = paragraphs[1:]
    message = " ".join(" ".join(paragraphs[:1]).split())
    message = re.sub(r"^Error parsing (?!-)\S+: ", "", message)
    message = re.sub(r"^Error parsing ", "", message)
    if match := re.match(r"invalid choice '(.*?)' for argument '--([\w-]+)'\. Expected one of \((.*)\)", message):
        options = re.findall(r"'(.*?)'", match[3])
        wanted = f"one of {', '.join(map(repr, options))}"
        return f"{_field(match[2])} must be {wanted}, got {match[1]!r}{nearest(match[1], options)}"
    if match := re.match(r"--([\w-]+): no type matching (.*?) could be instantiated from \['(.*?)'\]", message):
        options = [name for group in re.findall(r"{(.*?)}", match[2]) for name in group.split(",")]
        return f"{_field(match[1])} must be {match[2]}, got {match[3]!r}{nearest(match[3], options)}"
    if match := re.match(
        r"--([\w-]+): (?:invalid literal for int.*?|could not convert string to float): (.*)", message
    ):
        kind = "a whole number" if "int()" in message else "a number"
        return f"{_field(match[1])} must be {kind}, got {match[2]}"
    if match := re.match(r"--([\w-]+): Could not find valid parse for arguments: \[(.*)\]", message):
        return f"{_field(match[1])} must be of the form that --help shows, got {match[2]}"
    if match := re.match(r"Missing value for argument '\W*--([\w-]+)", message):
        return f"{_field(match[1])} must have a value, got none"
    hint = " ".join(paragraphs[1:2]).strip()
    if message.startswith("Unrecognized options") and not hint.startswith("For full helptext"):
        message += f" (did you mean {flag[0]}?)" if (flag := re.search(r"--[\w-]+", hint)) else ""
    whole = " ".join(re.sub("[\u2500-\u259f]|-{5,}", " ", text).split())  # every character that draws lines
    return message or whole or "the arguments are not of the form that --help describes"


def _field(flag: str) -> str:
    return flag.replace("-", "_")


def _asked() -> str:
    """Return the language that the arguments ask for, whether they can be parsed or not."""
    given = " ".join(sys.argv[1:])
    found = re.search(r"(?:^| )--language[ =](\w+)", given)
    return found[1] if found is not None and found[1] in LANGUAGES else "en"


def _can_print(text: str, stream: Any) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _fail(program: str, refusal: object) -> None:
    with speaking(_asked()):
        message, error = in_words(refusal), say("error")
    if not _can_print(error + message, sys.stderr):  # in English rather than in question marks
        message, error = str(refusal), "error"
    if len(message) > _LONGEST:
        message = f"{message[: _LONGEST // 2]} … {message[-_LONGEST // 2 :]}"
    print(f"{program}: {error}: {message}", file=sys.stderr)
    sys.exit(_MISTAKE)
