"""The shell commands that make a record, and each picture of it, again: quoted, so that they can be pasted."""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vanishlab.config import NetworkConfig, TrainingConfig
from vanishlab.data import DATA_NAMES
from vanishlab.language.sentences import say
from vanishlab.recording.examples import examples_of
from vanishlab.recording.record import Record
from vanishlab.report.sources import Source, shown_path
from vanishlab.training.sweep.saved import NETWORK_FIELDS

_ALWAYS = ("depth", "width", "activation", "initialization", "learning_rates", "seeds", "steps")


@dataclass(frozen=True)
class Commands:
    """Lines for a shell, by what they draw; a line that begins with # is a remark."""

    train: list[str]
    theory: list[str]
    _load: str
    _pictures: str | None
    """The folder in which `vanishlab plot` leaves them."""
    _plot: str

    @staticmethod
    def of(record: Record, source: Source) -> "Commands":
        """Return the commands for a record from this source."""
        flags = _flags_of(record)
        pictures = None
        if source.path is None:
            saving = say(
                "the record was handed over in memory: save it first, {code}", code="record.save('record.npz')"
            )
            load, plot = "", f"# {saving}"
        elif source.sweep is not None and record.network is not None:
            fields = {name: getattr(record.network, name) for name in NETWORK_FIELDS}
            wanted = ", ".join(
                f"{name}={value!r}"
                for name, value in fields.items()
                if len(source.sweep.values(name)) > 1 and not isinstance(value, tuple)
            )
            select = f".select({wanted})" if wanted else ""
            load, plot = f"next(iter(vl.load_sweep({source.shown!r}){select}))", ""
        else:
            shown = shown_path(source.path)
            load = f"vl.Record.load({shown!r})"
            pictures = str(Path(shown).with_name(f"{source.path.stem}_pictures"))
            plot = line(["vanishlab", "plot", shown])
        if flags is None:
            made = say("the code around your own model made this record; see {file}", file="experiments/own_model.py")
            return Commands([f"# {made}"], [], load, pictures, plot)
        train, predict = ["vanishlab", "train", *flags], ["vanishlab", "predict", *flags, "--measure"]
        remarks = []
        if (data := record.environment.get("data", "")) not in DATA_NAMES:
            remarks = ["# " + say("the data {data!r} must be given by the path of its .npz file", data=data)]
        return Commands([*remarks, line(train)], [*remarks, line(predict)], load, pictures, plot)

    @property
    def start(self) -> list[str]:
        """Of the three curves before training."""
        return self._drawn("start", "plots.three_curves(record, 0)")

    @property
    def end(self) -> list[str]:
        """Of the three curves after training."""
        return self._drawn("end", "plots.three_curves(record)")

    @property
    def meaning(self) -> list[str]:
        """Of what the gradient still says."""
        return self._drawn("meaning", "plots.meaning_curves(record, 0)")

    @property
    def training(self) -> list[str]:
        """Of loss and accuracy."""
        return self._drawn("training", "plots.training_figure(record)")

    @property
    def learning_rate(self) -> list[str]:
        """Of loss and first layer's share against the learning rate."""
        return self._drawn("learning_rate", "plots.learning_rate_figure(record)")

    def heatmap(self, run: int) -> list[str]:
        """Of one run's heatmaps."""
        return self._by_python("history", f"plots.history_figure(record, {run})")

    def _drawn(self, name: str, call: str) -> list[str]:
        if self._pictures is not None:
            return [self._plot + "  # " + shlex.quote(str(Path(self._pictures) / f"{name}.png"))]
        return self._by_python(name, call)

    def _by_python(self, name: str, call: str) -> list[str]:
        if not self._load:
            return [self._plot]
        code = f"import vanishlab as vl; from vanishlab import plots; record = {self._load}; "
        return [line(["python", "-c", f"{code}plots.save_both({call}, {name!r})"])]


def line(words: Sequence[str]) -> str:
    """Return words as one line for a POSIX shell."""
    return shlex.join(words)


def this_command() -> str:
    """Return the command line of this process, with paths as the page shows them."""
    program, *rest = map(_shown_word, sys.argv)
    name = Path(program).name
    if name in ("vanishlab", "vanishlab.exe", "__main__.py"):
        return line(["vanishlab", *rest])
    return line(["python", program, *rest])


def _shown_word(word: str) -> str:
    flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return flag + equals + (shown_path(value) if Path(value).is_absolute() else value)


def flags_of(config: NetworkConfig | TrainingConfig) -> list[str]:
    """Return the flags of `vanishlab train` that make this config: what is not the default, and what always matters.

    >>> " ".join(flags_of(NetworkConfig(depth=5, residual=0.5)))
    '--depth 5 --width 64 --activation sigmoid --initialization torch_default --residual 0.5'
    """
    words: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == field.default and field.name not in _ALWAYS:
            continue
        flag = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *map(_word, value if isinstance(value, tuple) else (value,))]
    return words


def call_of(config: NetworkConfig | TrainingConfig) -> str:
    """Return the line of Python that makes this config, what is the default left out.

    >>> call_of(NetworkConfig(depth=5, activation="relu"))
    'vl.NetworkConfig(depth=5, activation="relu")'
    """
    given = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    changed = [field.name for field in dataclasses.fields(config) if given[field.name] != field.default]
    arguments = ", ".join(f"{name}={given[name]!r}".replace("'", '"') for name in changed)
    return f"vl.{type(config).__name__}({arguments})"


def _flags_of(record: Record) -> list[str] | None:
    if record.network is None or record.training is None:
        return None
    words = [*flags_of(record.network), *flags_of(record.training)]
    words += ["--data", record.environment.get("data", "digits")]
    examples = examples_of(record)
    if record.training.batch_size is None and examples is not None:
        words += ["--max-examples", str(examples)]
    return words


def _word(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
