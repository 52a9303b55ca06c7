"""`answer_of(gathered)`: what came out, in a paragraph and a pair of small pictures at the top of the page.

Networks are compared at their best learning rate each, a single network at each of its rates. The best ends with the
highest accuracy (on test examples, where there are any), without accuracies with the lowest loss; medians over seeds,
in which a run that diverged is the worst there is.
"""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vanishlab.analysis.verdict import WELL
from vanishlab.language.sentences import listed, paragraph, say
from vanishlab.plots.axes import set_decades, style_axes
from vanishlab.plots.powers import log_scale
from vanishlab.plots.profiles import depth_profile
from vanishlab.plots.rates import rate_label
from vanishlab.plots.training import loss_curves
from vanishlab.recording.over_seeds import median
from vanishlab.recording.quantities import LAYER_QUANTITIES
from vanishlab.report.drawing import Picture, panel_axes, picture
from vanishlab.report.frames import evenly
from vanishlab.report.gathered import Gathered, Network
from vanishlab.report.sentences import number, over_steps, profile

_SHOWN = 12  # networks or learning rates in the picture
_NAME = 26  # characters of a name in it
_GOOD, _ILL = "#0072B2", "#D55E00"
_ALIKE = 0.02  # accuracies that differ by less, and losses that do by less than this share, are not told apart
_FLAT = 1e-300  # what a logarithmic axis shows in the place of a share of zero

ENDS = {
    ("networks", "loss"): "The best is {name}, at learning rate {rate}: it ends at a loss of {loss:.3g}.",
    ("networks", "test"): "The best is {name}, at learning rate {rate}: it ends at a test accuracy of {accuracy:.2f}.",
    ("networks", "training"): (
        "The best is {name}, at learning rate {rate}: it ends at a training accuracy of {accuracy:.2f}."
    ),
    ("alike", "loss"): "All of them end alike, at a loss of {loss:.3g}.",
    ("alike", "test"): "All of them end alike, at a test accuracy of {accuracy:.2f}.",
    ("alike", "training"): "All of them end alike, at a training accuracy of {accuracy:.2f}.",
    ("rates", "loss"): "The best is {name}: it ends at a loss of {loss:.3g}.",
    ("rates", "test"): "The best is {name}: it ends at a test accuracy of {accuracy:.2f}.",
    ("rates", "training"): "The best is {name}: it ends at a training accuracy of {accuracy:.2f}.",
    ("one", "loss"): "It ends at a loss of {loss:.3g}.",
    ("one", "test"): "It ends at a test accuracy of {accuracy:.2f}.",
    ("one", "training"): "It ends at a training accuracy of {accuracy:.2f}.",
}
"""What is said of the best, by what was compared and what was measured."""


@dataclass(frozen=True)
class Contender:
    """A network at a learning rate, medians over its seeds; -inf and inf where most runs diverged."""

    name: str
    network: Network
    rate: float
    accuracy: float
    """NaN where none was measured."""
    tested: bool
    """Whether the accuracy is that of test examples."""
    loss: float
    arrives: float
    """Delta at the first layer over that at the last, before training."""
    well: bool
    """Whether nothing was found that asks for a remedy, in any of these runs."""

    @property
    def score(self) -> float:
        """What is compared; more is better."""
        score = -self.loss if math.isnan(self.accuracy) else self.accuracy
        return -math.inf if math.isnan(score) else score


@dataclass(frozen=True)
class Answer:
    """What the page begins with."""

    text: str
    pictures: list[Picture]


def answer_of(gathered: Gathered) -> Answer:
    """Return what was compared, what came out, and what it is seen by."""
    ranked = sorted(_contenders(gathered), key=lambda each: -each.score)
    sentences = [_compared(gathered), *_outcome(gathered, ranked), *_arrives(gathered, ranked), *_cure(ranked)]
    return Answer(paragraph(sentences), _pictures(gathered, ranked))


def _contenders(gathered: Gathered) -> list[Contender]:
    if len(gathered.networks) == 1:
        (network,) = gathered.networks
        return [
            _contender(network, say("learning rate {rate}", rate=rate_label(rate)), rate) for rate in _rates(network)
        ]
    return [
        max((_contender(network, network.title, rate) for rate in _rates(network)), key=lambda each: each.score)
        for network in gathered.networks
    ]


def _rates(network: Network) -> list[float]:
    return np.unique(network.columns["learning_rate"]).tolist()


def _contender(network: Network, name: str, rate: float) -> Contender:
    columns = network.columns
    rates = columns["learning_rate"]
    runs = np.flatnonzero((rates == rate) | (np.isnan(rates) & math.isnan(rate)))
    gone = columns["diverged_step"][runs] >= 0
    tested = not np.isnan(columns["test_accuracy"]).all()
    accuracy = columns["test_accuracy" if tested else "accuracy"][runs]
    unmeasured = np.isnan(accuracy[~gone]).all() and not gone.all()
    if unmeasured or np.isnan(columns["accuracy"]).all():
        accuracy = np.full(len(runs), math.nan)
    else:
        accuracy = np.where(gone, -math.inf, accuracy)
    return Contender(
        name=name,
        network=network,
        rate=rate,
        accuracy=_middle(accuracy),
        tested=tested,
        loss=_middle(np.where(gone, math.inf, columns["loss"][runs])),
        arrives=_middle(columns["delta_ratio_at_start"][runs]),
        well={verdict.name for run in runs for verdict in network.verdicts_of(int(run))} <= {*WELL},
    )


def _middle(values: np.ndarray) -> float:
    """Return the median of what is known; of two in the middle the worse where one is infinite."""
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan
    ends = known[np.isinf(known)]
    middle = np.sort(known)[[(len(known) - 1) // 2, len(known) // 2]]
    return float(ends[0]) if np.isinf(middle).any() else float(median(known))


def _compared(gathered: Gathered) -> str:
    rates = {rate for network in gathered.networks for rate in _rates(network)}
    numbers = {"networks": len(gathered.networks), "rates": len(rates), "runs": gathered.runs}
    if len(gathered.networks) > 1 and len(rates) > 1:
        return say("Compared were {networks} networks at {rates} learning rates, {runs} runs in all.", **numbers)
    if len(gathered.networks) > 1:
        return say("Compared were {networks} networks at one learning rate, {runs} runs in all.", **numbers)
    network = gathered.networks[0].description
    if len(rates) > 1:
        return say("{network}: trained at {rates} learning rates, {runs} runs in all.", network=network, **numbers)
    if math.isnan(next(iter(rates))):
        return say("{network}: what was recorded of its training.", network=network)
    rate = rate_label(next(iter(rates)))
    return say("{network}: trained at learning rate {rate}.", network=network, rate=rate)


def _outcome(gathered: Gathered, ranked: list[Contender]) -> list[str]:
    best, worst = ranked[0], ranked[-1]
    rated = len({rate for network in gathered.networks for rate in _rates(network)}) > 1
    values = {"name": best.name, "rate": rate_label(best.rate), "accuracy": best.accuracy, "loss": best.loss}
    if math.isinf(best.score):
        return [] if math.isnan(best.loss) else [say("Every run diverged.")]
    among = "networks" if len(gathered.networks) > 1 else "rates" if len(ranked) > 1 else "one"
    among = "alike" if among != "one" and _alike(best, worst) else among
    measure = "loss" if math.isnan(best.accuracy) else "test" if best.tested else "training"
    found = [say(ENDS[among, measure], **values)]
    if math.isinf(worst.score):
        found.append(say("The worst is {name}: it diverged.", name=worst.name))
    elif among in ("alike", "one") or math.isnan(best.accuracy) or math.isnan(worst.accuracy):
        pass
    elif len(gathered.networks) > 1 and rated:
        worst_at = "The worst is {name}: no learning rate takes it beyond {accuracy:.2f}."
        found.append(say(worst_at, name=worst.name, accuracy=worst.accuracy))
    else:
        found.append(say("The worst is {name}, with {accuracy:.2f}.", name=worst.name, accuracy=worst.accuracy))
    return found


def _alike(best: Contender, worst: Contender) -> bool:
    """Whether the best and the worst cannot be told apart."""
    if math.isnan(best.accuracy) or math.isnan(worst.accuracy):
        return best.score - worst.score < _ALIKE * abs(best.score)
    return best.accuracy - worst.accuracy < _ALIKE


def _arrives(gathered: Gathered, ranked: list[Contender]) -> list[str]:
    known = sorted((each for each in ranked if not math.isnan(each.arrives)), key=lambda each: each.arrives)
    if not known:
        return []
    least, most = known[0], known[-1]
    if len(gathered.networks) == 1:
        share = number(float(median(np.array([each.arrives for each in known]))))
        return [say("Before training the first layer gets {share} times the last layer's delta.", share=share)]
    sentence = (
        "Before training the first layer gets {least} times the last layer's delta in {network}, and {most} times in "
        "{other}."
    )
    names = {"network": least.name, "other": most.name}
    return [say(sentence, least=number(least.arrives), most=number(most.arrives), **names)]


def _cure(ranked: list[Contender]) -> list[str]:
    """Return what to change in the network that came out worst, where its verdicts say."""
    worst = ranked[-1]
    if worst.network.diagnosis.healthy or not worst.network.diagnosis.remedies:
        return []
    remedy = worst.network.diagnosis.remedies[0]
    return [
        say(
            "The first thing to change in {network} is {remedy}: {change}.",
            network=worst.network.title,
            remedy=say(remedy.name),
            change=say(remedy.change),
        )
    ]


def _pictures(gathered: Gathered, ranked: list[Contender]) -> list[Picture]:
    (only, *others), record = gathered.networks, gathered.networks[0].record
    shown = [ranked[place] for place in evenly(len(ranked), _SHOWN)]
    drawn = []
    if len(ranked) > 1:
        drawn.append(_scores(shown, len(ranked)))
    elif record is not None:
        figure, ax = panel_axes()
        loss_curves(ax, record, key=False)
        title = say("training loss")
        drawn.append(picture(figure, title, over_steps(record, title.capitalize(), record.step, record.loss)))
    if others:
        return [*drawn, _shares(shown)]
    if record is not None:
        figure, ax = panel_axes()
        first = record.learning_rate[0]  # NaN of a record of one's own loop, which knows none
        runs = np.flatnonzero((record.learning_rate == first) | np.isnan(first))
        depth_profile(ax, record.select(run=runs), "delta_rms", 0, key=False)
        title = say("What each layer is told before training: {quantity}", quantity=_delta())
        drawn.append(picture(figure, title, profile(only.record or record, "delta_rms", 0)))
    return drawn


def _delta() -> str:
    quantity = "delta_rms"
    return say(LAYER_QUANTITIES[quantity].label)


def _scores(shown: list[Contender], of: int) -> Picture:
    """Draw a bar for each: its accuracy, or where none was measured its loss."""
    rated = not math.isnan(max(shown, key=lambda each: each.score).accuracy)
    values = np.array([each.accuracy if rated else each.loss for each in shown])
    figure, ax = _ranking(shown)
    finite = np.where(np.isfinite(values), values, 0.0)
    ax.barh(np.arange(len(shown)), finite, color=[_GOOD if each.well else _ILL for each in shown], height=0.7)
    longest = float(finite.max(initial=0.0)) or 1.0
    told = []
    for place, (each, value) in enumerate(zip(shown, values, strict=True)):
        label = say("diverged") if not math.isfinite(value) else f"{value:.2f}" if rated else f"{value:.3g}"
        if each.name == each.network.title and math.isfinite(value):
            label = say("{value} (learning rate {rate})", value=label, rate=rate_label(each.rate))
        told.append(say("{whole}: {part}", whole=each.name, part=label))
        inside = finite[place] > 0.6 * longest
        ax.text(
            finite[place] - 0.02 * longest if inside else finite[place] + 0.02 * longest, place, label,
            ha="right" if inside else "left", va="center", size="small", color="white" if inside else "black",
        )  # fmt: skip
    ax.set_xlim(0.0, 1.0 if rated else 1.05 * longest)
    accuracy = "test accuracy" if shown[0].tested else "training accuracy"
    name = say(accuracy) if rated else say("loss at end")
    ax.set_xlabel(name)
    title = say("Who learns: {value} at the end", value=name)
    if len(shown) < of:
        title = say("Who learns: {value} at the end ({shown} of {all}, evenly chosen)", value=name, shown=len(shown),
                    all=of)  # fmt: skip
    return picture(figure, title, say("{picture}: {found}.", picture=title, found=listed(told, ";")))


def _shares(shown: list[Contender]) -> Picture:
    """Draw a dot for each: how much of delta reaches the first layer, before training."""
    figure, ax = _ranking(shown)
    values = np.array([each.arrives for each in shown])
    known = np.isfinite(values) & (values > _FLAT)
    low = 10.0 ** math.floor(math.log10(values[known].min(initial=0.1)))
    high = 10.0 ** math.ceil(math.log10(values[known].max(initial=1.0)) + 0.1)
    log_scale(ax.xaxis)
    ax.set_xlim(low, high)
    set_decades(ax.xaxis, low, high)
    ax.axvline(1.0, color="#4d4d4d", linewidth=1.0)
    for place, each in enumerate(shown):
        if known[place]:
            color = _GOOD if each.well else _ILL
            ax.plot([values[place], 1.0], [place, place], color=color, linewidth=2.0)
            ax.plot([values[place]], [place], "o", color=color, markersize=7.0)
        else:
            what = say("zero") if values[place] == 0 else say("not measured")
            ax.text(low, place, what, size="small", ha="left", va="center")
    ax.set_xlabel(say("delta before training, first layer / last layer"))
    title = say("What reaches the first layer: delta before training, as a share of the last layer's")
    told = [say("{whole}: {part}", whole=each.name, part=number(each.arrives)) for each in shown]
    return picture(figure, title, say("{picture}: {found}.", picture=title, found=listed(told, ";")))


def _ranking(shown: list[Contender]) -> tuple[Figure, Axes]:
    """Return a figure whose y axis has the names, the best at the top."""
    figure, ax = panel_axes(1.25, max(0.5, (0.9 + 0.27 * len(shown)) / 3.3))
    names = [each.name if len(each.name) <= _NAME else f"…{each.name[1 - _NAME :]}" for each in shown]
    ax.set_yticks(np.arange(len(shown)), names)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    style_axes(ax)
    ax.grid(False, axis="y")
    return figure, ax
