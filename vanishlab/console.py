"""What the `vanishlab` command and the experiments share: flags, one-line errors, exit codes, progress, tables."""

import contextlib
import dataclasses
import functools
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import numpy as np
import tyro

from vanishlab.blocks import at_most
from vanishlab.config import LossName, NetworkConfig, TrainingConfig
from vanishlab.errors import InputError, check_choice, nearest
from vanishlab.files import output_folder
from vanishlab.language import LanguageName

if TYPE_CHECKING:
    from vanishlab.data import Dataset
    from vanishlab.record import Record
    from vanishlab.theory.prediction import Prediction

_INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended
_MISTAKE = 2


def run(
    command: Callable[..., object] | Mapping[str, Callable[..., object]],
    description: str | None = None,
    *,
    translated: bool = True,
) -> None:
    """Call `command` (or one of several, by its name) with arguments from the command line, and exit.

    Each command also has the flag --language, the language that holds while it runs, unless its pictures are not
    `translated`. Exit codes: 0; 2 for a user's mistake, told in one line on stderr; 130 after Ctrl-C.
    """
    program = Path(sys.argv[0]).name.replace("__main__.py", "vanishlab")
    try:
        _parse(command, description, translated)()
    except InputError as error:
        _fail(program, str(error))
    except BrokenPipeError:  # the reader, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)


def _parse(command: Any, description: str | None, translated: bool) -> Callable[[], object]:
    """Return the command with its arguments bound; a mistake in them becomes an `InputError`."""
    calls: list[Callable[[], object]] = []
    if isinstance(command, Mapping) and len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        check_choice("command", sys.argv[1], command)

    def bound(function: Callable[..., object]) -> Callable[..., None]:
        # tyro reads the signature of what it calls; the call itself is left for later, out of its error handling.
        @functools.wraps(function)
        def later(*args: Any, language: str = "en", **kwargs: Any) -> None:
            calls.append(lambda: _call(function, language, *args, **kwargs))

        if translated:
            _add_language(later, function)
        return later

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            if isinstance(command, Mapping):
                commands = {name: bound(function) for name, function in command.items()}
                tyro.extras.subcommand_cli_from_dict(commands, description=description)
            else:
                tyro.cli(bound(command), description=description)
    except SystemExit as stop:
        if not stop.code:
            raise  # --help
        raise InputError(_one_line(said.getvalue())) from None
    return calls[0]


def _add_language(later: Callable[..., None], function: Callable[..., object]) -> None:
    """Let tyro see one more argument of `later` than `function` has: --language."""
    flag = Annotated[LanguageName, tyro.conf.arg(help="Language of what is drawn: English or Chinese.")]
    signature = inspect.signature(function)
    last = inspect.Parameter("language", inspect.Parameter.KEYWORD_ONLY, default="en", annotation=flag)
    vars(later)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), last])
    later.__annotations__ = {**get_type_hints(function, include_extras=True), "language": flag}
    del vars(later)["__wrapped__"]  # where tyro would look for types


def _call(function: Callable[..., object], language: str, *args: Any, **kwargs: Any) -> None:
    if language == "en":  # as it is, without matplotlib
        function(*args, **kwargs)
        return
    from vanishlab import plots

    with plots.language(language):
        function(*args, **kwargs)


def _one_line(box: str) -> str:
    """Return the message in tyro's box of text as one line in the lab's own form."""
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
    if message.startswith("Unrecognized options") and (flag := re.search(r"--[\w-]+", " ".join(paragraphs[1:2]))):
        message += f" (did you mean {flag[0]}?)"
    return message or "the arguments are not of the form that --help describes"


def _field(flag: str) -> str:
    return flag.replace("-", "_")


def _fail(program: str, message: str) -> None:
    print(f"{program}: error: {message}", file=sys.stderr)
    sys.exit(_MISTAKE)


def train_and_save(
    network: NetworkConfig, training: TrainingConfig, data: "Dataset", path: Path, label: str = "training"
) -> "Record":
    """Train behind a progress bar and save the record; after Ctrl-C save what there is and pass the interrupt on."""
    from vanishlab.training import TrainingInterrupted, train

    with progress(label, training.steps + 1) as advance:
        try:
            record = train(network, training, data, progress=lambda step: advance())
        except TrainingInterrupted as interrupt:
            interrupt.record.save(path)
            print(f"\nsaved {len(interrupt.record.step)} recorded steps to {path}", file=sys.stderr)
            raise
    record.save(path)
    return record


def first_batch(data: "Dataset", batch_size: int | None) -> "Dataset":
    """Return the first `batch_size` training examples; None is all of them."""
    if batch_size is None:
        return data
    if batch_size > len(data.y):
        raise InputError(f"batch_size must be at most the {len(data.y)} training examples, got {batch_size}")
    return dataclasses.replace(data, x=data.x[:batch_size], y=data.y[:batch_size], classes=data.num_classes)


def predict_behind_status(network: NetworkConfig, data: "Dataset", loss: LossName) -> "Prediction":
    """Predict, with a line on stderr that says so while it lasts."""
    from rich.console import Console

    from vanishlab.theory.prediction import predict

    with Console(stderr=True).status(f"predicting {network.depth + 1} layers on {len(data.y)} examples"):
        return predict(network, data, loss)


def train_all(
    variants: Mapping[str, tuple[NetworkConfig, TrainingConfig]], data: "Dataset", out: Path
) -> dict[str, "Record"]:
    """Train every variant, save each record as NAME.npz in `out`, and print one table of them all."""
    output_folder(out)
    records = {
        name: train_and_save(network, training, data, out / f"{name}.npz", name)
        for name, (network, training) in variants.items()
    }
    rows = [[name, *row] for name, record in records.items() for row in rate_rows(record)]
    print_table(f"{len(data.y)} examples of {data.name}, medians over seeds", ("network", *RATE_COLUMNS), rows)
    return records


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on stderr and give a function that moves it on by one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers to the right, each float with three significant digits."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text  # what stands in brackets is text here, not markup

    rows = [list(row) for row in rows]
    table = Table(title=Text(title), title_justify="left")
    for index, column in enumerate(columns):
        words = bool(rows) and all(isinstance(row[index], str) for row in rows)
        table.add_column(Text(column), justify="left" if words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{entry:.3g}" if isinstance(entry, float) else str(entry)) for entry in row))
    # A pipe or a log gets the whole table: rich would cut it to 80 columns there.
    console = Console() if sys.stdout.isatty() else Console(width=int(os.environ.get("COLUMNS", "160")))
    console.print(table)


_TABLE_ROWS = 40


def layer_rows(record: "Record", quantities: Sequence[str], step: int = 0) -> list[list[object]]:
    """Return a row for each layer of one run: its name and the quantities at the recorded step nearest before `step`.

    Hundreds of layers are grouped: a row for each block, or several, its name and number of layers, and the median.
    """
    place = record.at_step(step)
    values = [record.layer_quantity(quantity)[0, place] for quantity in quantities]  # (layer,) each
    rows: list[list[object]] = []
    for block in at_most(record.layer_names, _TABLE_ROWS):
        parts = [each[block.first : block.last] for each in values]
        medians = [float(np.median(known)) if (known := part[~np.isnan(part)]).size else np.nan for part in parts]
        layers = block.last - block.first
        rows.append([block.name if layers == 1 else f"{block.name} ({layers} layers)", *medians])
    return rows


RATE_COLUMNS = (
    "learning rate", "loss at start", "at end", "test accuracy", "first/last delta at start", "at end", "diverged",
)  # fmt: skip


def rate_rows(record: "Record") -> list[list[object]]:
    """Return a row for each learning rate, medians over seeds, for `print_table` under `RATE_COLUMNS`."""
    ratio = record.first_last_ratio("delta_rms")  # (run, step)
    test = record.test_accuracy[:, -1] if len(record.test_step) else np.full(record.runs, np.nan)
    first = record.select(step=record.step[:1])  # without a step where none was recorded
    start, ratio_start = first.at_end(first.loss), first.at_end(first.first_last_ratio("delta_rms"))
    columns = [start, record.at_end(record.loss), test, ratio_start, record.at_end(ratio)]
    medians = [record.over_seeds(column).median for column in columns]
    rows: list[list[object]] = []
    for place, rate in enumerate(np.unique(record.learning_rate)):
        diverged = record.diverged[record.learning_rate == rate]
        rows.append(
            [float(rate), *(float(median[place]) for median in medians), f"{diverged.sum()} of {len(diverged)}"]
        )
    return rows
