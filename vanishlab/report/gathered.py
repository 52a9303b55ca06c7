"""`gather(sources)`: every run as a row of the table, every network's verdict, and the records to look at closely."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from vanishlab.analysis.diagnosis import Diagnosis, diagnose
from vanishlab.analysis.verdict import WELL, Verdict
from vanishlab.language.sentences import listed, say
from vanishlab.plots.captions import describe_network, describe_setting
from vanishlab.plots.rates import rate_label
from vanishlab.recording.over_seeds import median
from vanishlab.recording.record import Record
from vanishlab.report.sources import Source
from vanishlab.training.sweep.saved import Per, table_of

CLOSE = 8
"""Records that have a chapter of their own; of more, three are chosen."""
_RUN_COLUMNS = ("loss", "accuracy", "test_accuracy", "delta_ratio_at_start", "delta_ratio", "diverged_step")


@dataclass(frozen=True, eq=False)
class Network:
    """What is kept of one record after it was read."""

    title: str
    source: Source
    description: str
    setting: str
    diagnosis: Diagnosis
    columns: dict[str, np.ndarray]
    """One entry per run, see `training.sweep.saved.table_of`."""
    start: float
    """Median over runs of delta at the first layer over delta at the last, at the first recorded step."""
    environment: dict[str, str]
    record: Record | None
    """Where it is to be looked at closely."""

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.columns["seed"])

    def verdicts_of(self, run: int) -> list[Verdict]:
        """Return the verdicts that hold of the run."""
        return [verdict for verdict in self.diagnosis.verdicts if run in verdict.runs]

    def rates_of(self, verdict: Verdict) -> str:
        """Return the learning rates of which a verdict holds, in words."""
        rates = self.columns["learning_rate"]
        hit = rates[list(verdict.runs)]
        if len(hit) == len(rates):
            return say("all")
        words = []
        for rate in np.unique(hit):
            of = int((np.equal(rates, rate) | (np.isnan(rates) & np.isnan(rate))).sum())
            got = int((np.equal(hit, rate) | (np.isnan(hit) & np.isnan(rate))).sum())
            label = rate_label(float(rate))
            words.append(say("{rate} ({got} of {of} seeds)", rate=label, got=got, of=of) if got < of else label)
        return listed(words)


@dataclass(frozen=True, eq=False)
class Gathered:
    """Everything that the report shows, records only where they are looked at closely."""

    networks: list[Network]
    chosen: str
    """How the networks to look at closely were chosen, where not all are."""

    @property
    def close(self) -> list[Network]:
        """The networks to look at closely."""
        return [network for network in self.networks if network.record is not None]

    @property
    def runs(self) -> int:
        """Number of runs in all."""
        return sum(network.runs for network in self.networks)

    def tables(self, per: Per = "run", /) -> Iterator[dict[str, np.ndarray]]:
        """Yield the columns of each network's runs, as `Sweep.tables("run")` does."""
        assert per == "run"
        for network in self.networks:
            yield network.columns

    def counted(self) -> list[tuple[str, int, bool]]:
        """Return each verdict's name, the number of runs of which it holds, and whether all is well then."""
        counts: dict[str, int] = {}
        for network in self.networks:
            for run in range(network.runs):
                for name in {verdict.name for verdict in network.verdicts_of(run)}:
                    counts[name] = counts.get(name, 0) + 1
        return [(name, count, name in WELL) for name, count in sorted(counts.items(), key=lambda each: -each[1])]


def gather(sources: list[Source]) -> Gathered:
    """Read every source once, sweeps network by network, and again the few networks of a sweep that are chosen."""
    networks = [_network(source, title, record) for source in sources for title, record in source.records()]
    if len(sources) > 1:  # two sweeps may have a network each of the same depth
        networks = [
            each if each.title == each.source.name else replace(each, title=_within(each.source.name, each.title))
            for each in networks
        ]
    chosen, how = _choose(networks)
    if all(source.sweep is None for source in sources):
        kept = [network if place in chosen else replace(network, record=None) for place, network in enumerate(networks)]
        return Gathered(kept, how)
    again = (record for source in sources for _, record in source.records())
    kept = [
        replace(network, record=record if place in chosen else None)
        for place, (network, record) in enumerate(zip(networks, again, strict=True))
    ]
    return Gathered(kept, how)


def _network(source: Source, title: str, record: Record) -> Network:
    columns = table_of(record, "run")
    start = columns["delta_ratio_at_start"]
    known = start[~np.isnan(start)]
    return Network(
        title=title,
        source=source,
        description=describe_network(record),
        setting=describe_setting(record),
        diagnosis=diagnose(record),
        columns=columns,
        start=float(median(known)) if len(known) else float("nan"),
        environment=record.environment,
        record=record if source.sweep is None else None,  # a sweep may be larger than memory
    )


def _choose(networks: list[Network]) -> tuple[set[int], str]:
    if len(networks) <= CLOSE:
        return set(range(len(networks))), ""
    order = sorted(range(len(networks)), key=lambda place: (np.isnan(networks[place].start), networks[place].start))
    known = sum(not np.isnan(network.start) for network in networks) or len(order)
    chosen = {order[0], order[known // 2], order[known - 1]}
    return chosen, say(
        "Of {networks} networks, {chosen} are looked at closely: those in which the first layer's share of the last "
        "layer's delta is, before training, the smallest, the median and the largest. All are in the table.",
        networks=len(networks),
        chosen=len(chosen),
    )


def _within(source: str, title: str) -> str:
    return say("{whole}: {part}", whole=source, part=title)
