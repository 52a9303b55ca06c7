"""`Chapter`: one network's rows of pictures, each panel small enough for a phone, with the command that draws it."""

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vanishlab.errors import InputError
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import listed, say
from vanishlab.plots.axes import fit_log_axis, mark_handles
from vanishlab.plots.captions import describe_divergence, describe_step
from vanishlab.plots.history import history
from vanishlab.plots.meaning import looked_at, meaning_profile
from vanishlab.plots.predictions import prediction_profile
from vanishlab.plots.profiles import depth_profile
from vanishlab.plots.rates import RateScale, rate_label
from vanishlab.plots.training import accuracy_curves, learning_rate_panel, loss_curves
from vanishlab.recording.quantities import LAYER_QUANTITIES, MEANING, PREDICTED
from vanishlab.recording.record import Record
from vanishlab.report import sentences
from vanishlab.report.commands import Commands
from vanishlab.report.cures import Cures, cures_of
from vanishlab.report.drawing import Picture, key, panel_axes, picture
from vanishlab.report.forecast import Forecast, forecast, left_out
from vanishlab.report.gathered import Network
from vanishlab.report.player import Player, player
from vanishlab.theory.prediction import Prediction


@dataclass(frozen=True)
class Row:
    """Pictures that belong together."""

    title: str
    text: str
    pictures: list[Picture]
    keys: list[Picture]
    commands: list[str]
    wide: bool = False
    """Whether its pictures need more room than those of other rows."""


@dataclass(frozen=True)
class Chapter:
    """Everything that is shown of one network."""

    network: Network
    before: Row
    player: Player | None
    player_text: str
    after: list[Row]
    commands: Commands
    cures: Cures | None
    """None where nothing has to be changed."""


def chapter(network: Network, players: int) -> Chapter:
    """Draw what is to be seen of a network that is looked at closely."""
    record = network.record
    assert record is not None
    commands = Commands.of(record, network.source)
    expected = forecast(record)
    after = _meaning(record, expected.prediction, commands)
    after += [_end(record, commands)] if len(record.step) > 1 else []
    after += [_training(record, commands), *_against_rate(record, commands), _heatmaps(record, commands)]
    moving = player(record, expected.prediction, players)
    theory = say("The dashed line is theory's, of step 0.") if expected.prediction is not None else ""
    marks = "Marks on the strip at the bottom are zeros and underflows; at the top, infinities."
    marked = say(marks) if moving is not None and moving.marked else ""
    text = " ".join(filter(None, (theory, marked)))
    cures = cures_of(record) if network.diagnosis.remedies else None
    return Chapter(network, _start(record, expected, commands), moving, text, after, commands, cures)


def _start(record: Record, expected: Forecast, commands: Commands) -> Row:
    if expected.prediction is not None:
        try:
            row = _over_theory(record, expected.prediction, PREDICTED)
            return replace(row, text=expected.note, commands=commands.theory)
        except InputError as refusal:
            expected = left_out(in_words(refusal))
    row = _profiles(record, 0, _three_curves(record, 0), commands.start)
    return Row(row.title, expected.note, row.pictures, row.keys, row.commands)


def _over_theory(record: Record, prediction: Prediction, quantities: tuple[str, ...]) -> Row:
    pictures, handles, marks = [], {}, set()
    for quantity in quantities:
        figure, ax = panel_axes()
        drawn = prediction_profile(ax, prediction, quantity, record, key=False)
        handles |= {str(handle.get_label()): handle for handle in drawn.handles}
        marks |= drawn.marks.keys()
        alt = sentences.profile(record, quantity, 0, prediction)
        pictures.append(picture(figure, say(LAYER_QUANTITIES[quantity].label), alt))
    entries = [*handles.values(), *mark_handles(marks)]
    title = say("The three curves before training, theory over measurement")
    return Row(title, "", pictures, [_key(entries, "")], [])


def _end(record: Record, commands: Commands) -> Row:
    return _profiles(record, -1, _three_curves(record, -1), commands.end)


def _three_curves(record: Record, step: int) -> str:
    return say("The three curves {when}", when=describe_step([record], step))


def _profiles(record: Record, step: int, title: str, shell: list[str]) -> Row:
    scale, pictures, marks = RateScale.of([record]), [], set()
    for quantity in PREDICTED:
        figure, ax = panel_axes()
        marks |= depth_profile(ax, record, quantity, step, scale=scale, key=False).marks.keys()
        label = say(LAYER_QUANTITIES[quantity].label)
        pictures.append(picture(figure, label, sentences.profile(record, quantity, step)))
    return Row(title, "", pictures, _rate_keys(record, scale, marks), shell)


def _meaning(record: Record, prediction: Prediction | None, commands: Commands) -> list[Row]:
    """Return the fourth curve at the first step, nothing for a record that was made before it was measured."""
    step = looked_at(record, 0)
    if all(np.isnan(record.layer_quantity(quantity)).all() for quantity in MEANING):
        return []
    title = say("Whether the gradient still says anything, {when}", when=describe_step([record], step))
    text = say(
        "A share near 0 is that of examples which have become one vector; a coherence of 1 is that of one voice."
    )
    if prediction is not None:
        with contextlib.suppress(InputError):  # the three curves' row says why theory is left out
            row = _over_theory(record, prediction, MEANING)
            return [replace(row, title=title, text=text, commands=commands.meaning)]
    scale, pictures, marks, extra = RateScale.of([record]), [], set(), {}
    for quantity in MEANING:
        figure, ax = panel_axes()
        drawn = meaning_profile(ax, record, quantity, step, scale=scale, key=False)
        marks |= drawn.marks.keys()
        extra |= {str(line.get_label()): line for line in drawn.extra}
        label = say(LAYER_QUANTITIES[quantity].label)
        pictures.append(picture(figure, label, sentences.profile(record, quantity, step)))
    keys = _rate_keys(record, scale, marks)
    return [Row(title, text, pictures, [*keys, _key(list(extra.values()), "")] if extra else keys, commands.meaning)]


def _training(record: Record, commands: Commands) -> Row:
    scale, marks = RateScale.of([record]), set()
    figures = [panel_axes(), panel_axes()]
    drawn = loss_curves(figures[0][1], record, scale=scale, key=False)
    accuracy = accuracy_curves(figures[1][1], record, scale=scale, key=False)
    marks |= {*drawn.marks, *accuracy.marks}
    tested = len(record.test_step) > 0
    step, values = (record.test_step, record.test_accuracy) if tested else (record.step, record.accuracy)
    what, loss = say("test accuracy" if tested else "training accuracy"), say("training loss")
    alts = (
        sentences.over_steps(record, loss.capitalize(), record.step, record.loss),
        sentences.over_steps(record, what.capitalize(), step, values),
    )
    pictures = [picture(figures[0][0], loss, alts[0]), picture(figures[1][0], what, alts[1])]
    return Row(say("Loss and accuracy"), "", pictures, _rate_keys(record, scale, marks), commands.training)


def _against_rate(record: Record, commands: Commands) -> list[Row]:
    if not RateScale.of([record]).comparable:
        return []
    figures = [panel_axes(), panel_axes()]
    both = learning_rate_panel(figures[0][1], figures[1][1], record, key=False)
    titles = (say("training loss"), say("first layer / last layer"))
    pictures = [
        picture(figure, title, alt)
        for (figure, _), title, alt in zip(figures, titles, sentences.against_rate(record), strict=True)
    ]
    keys = [_key([*both.ratios.values(), *mark_handles(both.marks)], "")]
    title = say("Against the learning rate, {when}", when=describe_step([record], -1))
    return [Row(title, "", pictures, keys, commands.learning_rate)]


def _heatmaps(record: Record, commands: Commands) -> Row:
    run = best_run(record)
    pictures, handles = [], {}
    for quantity in ("delta_rms", "gradient_norm"):
        figure, ax = panel_axes(1.25)
        handles |= {handle.get_label(): handle for handle in history(ax, record, run, quantity, legend=False).handles}
        label, text = say(LAYER_QUANTITIES[quantity].label), sentences.heatmap(record, run, quantity)
        pictures.append(picture(figure, label, text, cells=True))
    rate = rate_label(float(record.learning_rate[run]))
    sentence = "The run with the lowest loss at the end: learning rate {rate}."
    if record.seed[run] >= 0:
        sentence = "The run with the lowest loss at the end: learning rate {rate}, seed {seed}."
    text = say(sentence, rate=rate, seed=record.seed[run])
    keys = [_key(list(handles.values()), "", cells=True)] if handles else []
    return Row(say("Layer by step"), text, pictures, keys, commands.heatmap(run), wide=True)


def best_run(record: Record) -> int:
    """Return the place of the run that ended with the lowest loss; of runs that all diverged, the last to do so."""
    loss = np.where(record.diverged, np.inf, record.at_end(record.loss))
    if np.isfinite(loss).any():
        return int(np.nanargmin(np.where(np.isnan(loss), np.inf, loss)))
    return int(np.argmax(record.diverged_step))


def _rate_keys(record: Record, scale: RateScale, marks: set[str]) -> list[Picture]:
    keys = [_key(scale.handles(describe_divergence(record)), say("learning rate"))]
    return [*keys, _key(mark_handles(marks), "")] if mark_handles(marks) else keys


def _key(handles: list[Any], title: str, *, cells: bool = False) -> Picture:
    labels = listed(str(handle.get_label()) for handle in handles)
    sentence = "Key to the pictures: {title}: {labels}." if title else "Key to the pictures: {labels}."
    return key(handles, title, say(sentence, title=title, labels=labels), cells=cells)


def compared(networks: list[Network], quantity: str = "delta_rms", step: int = 0) -> Row:
    """Return the depth profiles of several networks side by side, on one axis."""
    records = [network.record for network in networks if network.record is not None]
    scale = RateScale.of(records)
    figures, marks = [panel_axes(0.8) for _ in records], set()
    for record, (_, ax) in zip(records, figures, strict=True):
        marks |= depth_profile(ax, record, quantity, step, scale=scale, key=False).marks.keys()
    fit_log_axis([ax for _, ax in figures])
    pictures = [
        picture(
            figure,
            network.title,
            say("{whole}: {part}", whole=network.title, part=sentences.profile(record, quantity, step)),
        )
        for network, record, (figure, _) in zip(networks, records, figures, strict=True)
    ]
    keys = [_key([*scale.handles({}), *mark_handles(marks)], say("learning rate"))]
    label, when = say(LAYER_QUANTITIES[quantity].label), describe_step(records, step)
    title = say("Side by side: {quantity}, {when}", quantity=label, when=when)
    return Row(title, say("All have one vertical axis."), pictures, keys, [])
