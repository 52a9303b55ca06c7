"""`Page`: the report's content in its order, the template's one argument."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass

import numpy as np

from vanishlab.config import TrainingConfig
from vanishlab.language.sentences import listed, say, spoken
from vanishlab.plots.fonts import language
from vanishlab.plots.rates import rate_label
from vanishlab.report.answer import Answer, answer_of
from vanishlab.report.chapter import Chapter, Row, chapter, compared
from vanishlab.report.commands import line, this_command
from vanishlab.report.gathered import Gathered, Network, gather
from vanishlab.report.maps import Map, maps_of
from vanishlab.report.sources import Source
from vanishlab.report.values import value_in_words
from vanishlab.training.processes import one_blas_thread

_ROWS = 2000  # of the table


@dataclass(frozen=True)
class Cell:
    """An entry of the table: what is shown, and what it is sorted by."""

    text: str
    key: str | float


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    summary: str
    answer: Answer
    gathered: Gathered
    facts: list[tuple[str, str]]
    compared: list[Row]
    chapters: list[Chapter]
    maps: list[Map]
    columns: list[str]
    rows: list[list[Cell]]
    left_out: int
    left_out_files: list[str]
    command: str
    again: str | None

    @property
    def players(self) -> bool:
        """Whether anything moves."""
        return any(chapter.player is not None for chapter in self.chapters)


def page_of(
    sources: list[Source],
    *,
    title: str | None,
    command: str | None,
    progress: Callable[[int, int], object] | None = None,
    executor: Executor | None = None,
) -> Page:
    """Read, judge and draw everything; chapters in the executor's processes, too, where there is one."""
    gathered = gather(sources)
    close = gathered.close
    drawn = _begun(executor, close)
    rows = _rows(gathered)
    part = _counted_parts(progress, len(close) + 2)
    side_by_side = [compared(close), compared(close, "gradient_norm", -1)] if len(close) > 1 else []
    next(part)
    maps = maps_of(gathered)
    next(part)
    chapters = {}
    for place in reversed(range(len(close))):  # the executor begins at the other end
        if not drawn or drawn[place].cancel():
            chapters[place] = chapter(close[place], len(close))
            next(part)
    for place in sorted({*range(len(close))} - {*chapters}):
        try:
            chapters[place] = drawn[place].result()
        except BrokenExecutor:
            chapters[place] = chapter(close[place], len(close))
        next(part)
    paths = [source.shown for source in sources if source.shown is not None]
    return Page(
        title=title or _title(gathered, sources),
        summary=_summary(gathered),
        answer=answer_of(gathered),
        gathered=gathered,
        facts=_facts(gathered),
        compared=side_by_side,
        chapters=[chapters[place] for place in range(len(close))],
        maps=maps,
        columns=[say(column) for column in COLUMNS],
        rows=rows[:_ROWS],
        left_out=max(len(rows) - _ROWS, 0),
        left_out_files=[each for source in sources for each in source.left_out],
        command=command or this_command(),
        again=line(["vanishlab", "report", *paths]) if len(paths) == len(sources) else None,
    )


def _begun(executor: Executor | None, close: list[Network]) -> list[Future[Chapter]]:
    """Ask the executor for all chapters; nothing where there is none, or its processes are dead."""
    if executor is None:
        return []
    with contextlib.suppress(BrokenExecutor):
        return [executor.submit(_chapter_there, network, len(close), spoken()) for network in close]
    return []


def _chapter_there(network: Network, players: int, name: str) -> Chapter:
    """Draw in another process, to which neither the language nor the limit on threads comes along."""
    with language(name), one_blas_thread():
        return chapter(network, players)


def _counted_parts(progress: Callable[[int, int], object] | None, parts: int) -> Iterator[None]:
    """Tell `progress` of one more part whenever the next is asked for."""
    for done in range(1, parts + 1):
        if progress is not None:
            progress(done, parts)
        yield


def _title(gathered: Gathered, sources: Sequence[Source]) -> str:
    if len(gathered.networks) == 1:
        return gathered.networks[0].description
    names = listed([*(source.name for source in sources[:3]), "…" if len(sources) > 3 else ""])
    return say("{networks} networks: {names}", networks=len(gathered.networks), names=names)


def _summary(gathered: Gathered) -> str:
    networks, runs = len(gathered.networks), gathered.runs
    diverged = sum(int((network.columns["diverged_step"] >= 0).sum()) for network in gathered.networks)
    return listed(
        [
            say("{networks} network" if networks == 1 else "{networks} networks", networks=networks),
            say("{runs} run" if runs == 1 else "{runs} runs", runs=runs),
            say("{diverged} diverged", diverged=diverged) if diverged else "",
        ]
    )


FACTS = ("device", "dtype", "data", "engine", "skipped steps")
"""What a record's environment says that is no library's version. Others' records may hold more."""


def _facts(gathered: Gathered) -> list[tuple[str, str]]:
    """Return versions and settings: each once where all records agree, else every value that occurs."""
    seen: dict[str, list[str]] = {}
    for network in gathered.networks:
        for name, value in network.environment.items():
            if value and value not in seen.setdefault(name, []):
                seen[name].append(value)
    labels = {name: name.replace("_", " ") for name in seen}
    return [
        (say(label) if label in FACTS else label, listed(value_in_words(name, value) for value in seen[name]))
        for name, label in labels.items()
        if seen[name]
    ]


COLUMNS = (
    "network", "learning rate", "seed", "verdict", "loss at end", "training accuracy", "test accuracy",
    "first/last delta at start", "at end", "diverged at step",
)  # fmt: skip
"""Of the table of all runs."""


def _rows(gathered: Gathered) -> list[list[Cell]]:
    rows = []
    for network in gathered.networks:
        columns = network.columns
        for run in range(network.runs):
            seed, gone = int(columns["seed"][run]), int(columns["diverged_step"][run])
            verdicts = listed(say(verdict.name) for verdict in network.verdicts_of(run))
            rate = float(columns["learning_rate"][run])
            rows.append([
                Cell(network.title, network.title), Cell(rate_label(rate), _key(rate)),
                Cell(str(seed) if seed >= 0 else say("unknown"), seed), Cell(verdicts, verdicts),
                *(_number(float(columns[name][run]))
                  for name in ("loss", "accuracy", "test_accuracy", "delta_ratio_at_start", "delta_ratio")),
                Cell(str(gone) if gone >= 0 else "", gone if gone >= 0 else float("inf")),
            ])  # fmt: skip
    return rows


def _number(value: float) -> Cell:
    return Cell("" if np.isnan(value) else f"{value:.3g}", _key(value))


def _key(value: float) -> float:
    return float("inf") if np.isnan(value) else value


def config_rows(network: Network) -> list[tuple[str, str]]:
    """Return a network's config and training as label and value; one's own model has none."""
    record = network.record
    if record is None or record.network is None:
        return []
    fields = [record.network, *([record.training] if record.training is not None else [])]
    return [
        (say(name.replace("_", " ")), value_in_words(name, value) if isinstance(value, str) else _shown(value))
        for config in fields
        for name, value in vars(config).items()
        if not (isinstance(config, TrainingConfig) and value is None)
    ]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, tuple):
        words = [f"{each:g}" if isinstance(each, float) else str(each) for each in value]
        return listed(words) if len(words) <= 12 else f"{listed([*words[:5], '…'])} {words[-1]} ({len(words)})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def rates(network: Network) -> str:
    """Return a network's learning rates in words."""
    words = [rate_label(float(rate)) for rate in np.unique(network.columns["learning_rate"])]
    if len(words) <= 8:
        return listed(words)
    return say("{first} to {last} ({values})", first=words[0], last=words[-1], values=len(words))
