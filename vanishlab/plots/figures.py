"""Whole figures, made of the functions that draw on one `ax`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from vanishlab.errors import InputError, check_integer
from vanishlab.language.sentences import listed, say, wrapped
from vanishlab.plots.axes import (
    LAYER_LABEL,
    fit_log_axis,
    floor_height,
    mark_handles,
    open_floor,
    set_layer_axis,
)
from vanishlab.plots.captions import (
    describe_config,
    describe_divergence,
    describe_network,
    describe_prediction,
    describe_setting,
    describe_step,
)
from vanishlab.plots.fonts import legible
from vanishlab.plots.history import history
from vanishlab.plots.maps import sweep_map
from vanishlab.plots.meaning import looked_at, meaning_profile
from vanishlab.plots.phases import phase_map
from vanishlab.plots.predictions import prediction_profile
from vanishlab.plots.profiles import depth_profile, update_ratio
from vanishlab.plots.rates import RateScale, apart_at, diverged_rates, rate_label
from vanishlab.plots.shown import ShownFigure
from vanishlab.plots.training import accuracy_curves, learning_rate_panel, loss_curves
from vanishlab.recording.quantities import LAYER_QUANTITIES, MEANING, PREDICTED
from vanishlab.recording.record import Record

if TYPE_CHECKING:
    from vanishlab.theory.phases import PhaseDiagram
    from vanishlab.theory.prediction import Prediction


@legible
def three_curves(record: Record, step: int = -1) -> Figure:
    """Return the lab's first picture: activation RMS, delta RMS and gradient norm against the layer, side by side.

    Where the learning rate makes no difference, as before training, there is one curve for all.
    """
    (record,), same = apart_at([record], step, PREDICTED)
    scale = RateScale.of([record])
    figure, axes = _figure(1, 3, 13.0, 4.4)
    kinds: set[str] = set()
    for ax, quantity in zip(axes, PREDICTED, strict=True):
        kinds |= depth_profile(ax, record, quantity, step, scale=scale, key=False).marks.keys()
    _align_floors(axes)
    when = [describe_step([record], step), *same]
    _set_title(figure, listed([describe_network(record), *when]), describe_setting(record))
    _draw_key(figure, axes, scale, [record], kinds, rates=not same)
    return figure


@legible
def meaning_curves(record: Record, step: int = -1) -> Figure:
    """Return the fourth curve, from three sides: distinct share, effective rank and gradient coherence by layer.

    At the last recorded step up to `step` at which examples were compared in pairs (`recording/hooks/schedule.py`).
    Where the learning rate makes no difference, as before training, there is one curve for all.
    """
    at = looked_at(record, step)
    (record,), same = apart_at([record], at, MEANING)
    scale = RateScale.of([record])
    figure, axes = _figure(1, 3, 13.0, 4.4)
    kinds: set[str] = set()
    extra: dict[str, Line2D] = {}
    for ax, quantity in zip(axes, MEANING, strict=True):
        artists = meaning_profile(ax, record, quantity, at, scale=scale, key=False)
        kinds |= artists.marks.keys()
        extra |= {str(line.get_label()): line for line in artists.extra}
    _align_floors(axes)
    when = [describe_step([record], at), *same]
    _set_title(figure, listed([describe_network(record), *when]), describe_setting(record))
    _draw_key(figure, axes, scale, [record], kinds, list(extra.values()), rates=not same)
    return figure


@legible
def update_ratio_figure(record: Record, step: int = -1) -> Figure:
    """Return the update-to-weight ratio against the layer."""
    scale = RateScale.of([record])
    figure, axes = _figure(1, 1, 7.5, 4.8)
    artists = update_ratio(axes[0], record, step, scale=scale, key=False)
    _set_title(figure, listed([describe_network(record), describe_step([record], step)]), describe_setting(record))
    _draw_key(figure, axes, scale, [record], artists.marks, artists.extra)
    return figure


@legible
def history_figure(record: Record, run: int = 0, quantities: Sequence[str] = ("delta_rms", "gradient_norm")) -> Figure:
    """Return heatmaps of one run, layer × step, one for each of the quantities."""
    if len(quantities) == 0:
        raise InputError("quantities must name at least one, got none")
    check_integer("run", run, 0, record.runs - 1)
    figure, axes = _figure(1, len(quantities), 6.2 * len(quantities) + 0.4, 4.8)
    handles = {}
    for ax, quantity in zip(axes, quantities, strict=True):
        handles |= {handle.get_label(): handle for handle in history(ax, record, run, quantity, legend=False).handles}
    one = record.select(run=run)
    which = say("learning rate {rate}", rate=rate_label(one.learning_rate[0]))
    if one.seed[0] >= 0:
        which = listed([which, say("seed {seed}", seed=one.seed[0])])
    if one.diverged[0]:
        which = say("{run} (diverged at step {step})", run=which, step=one.diverged_step[0])
    _set_title(figure, describe_network(record), listed([which, describe_setting(one)]))
    if handles:
        figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=len(handles), frameon=False)
    return figure


@legible
def training_figure(record: Record, *, chance: float | None = None) -> Figure:
    """Return training loss and accuracy against the step; `chance` is the accuracy of guessing."""
    scale = RateScale.of([record])
    figure, axes = _figure(1, 2, 11.5, 4.4)
    loss = loss_curves(axes[0], record, scale=scale, key=False)
    accuracy = accuracy_curves(axes[1], record, chance=chance, scale=scale, key=False)
    _set_title(figure, describe_network(record), describe_setting(record))
    _draw_key(figure, axes, scale, [record], {*loss.marks, *accuracy.marks}, accuracy.extra)
    return figure


@legible
def learning_rate_figure(record: Record, step: int = -1) -> Figure:
    """Return the loss and the first layer's share of the last against the learning rate."""
    figure, axes = _figure(1, 2, 11.0, 4.4)
    artists = learning_rate_panel(axes[0], axes[1], record, step, key=False)
    _set_title(figure, listed([describe_network(record), describe_step([record], step)]), describe_setting(record))
    handles = [*artists.ratios.values(), *mark_handles(artists.marks)]
    figure.legend(handles=handles, loc="outside right center", frameon=False)
    return figure


@legible
def comparison(
    records: Mapping[str, Record], quantity: str = "gradient_norm", step: int = -1, *, columns: int | None = None
) -> Figure:
    """Return depth profiles of several records as small multiples, with one y axis and one key for all.

    `records` is title to record; they fill rows of `columns` panels in their order, so that activations × depths, say,
    become rows × columns. Where the learning rate makes no difference to any of them, as before training, each has one
    curve for all rates. Raises `InputError` for no records and what `depth_profile` raises it for.
    """
    if not records:
        raise InputError("records must hold at least one, got none")
    columns = min(check_integer("columns", min(len(records), 3) if columns is None else columns, 1), len(records))
    rows = math.ceil(len(records) / columns)
    apart, same = apart_at(records.values(), step, [quantity])
    records = dict(zip(records, apart, strict=True))
    scale = RateScale.of(records.values())
    figure, axes = _figure(rows, columns, 3.3 * columns + 1.9, 2.5 * rows + 1.1, sharey=True)
    kinds: set[str] = set()
    for ax, (title, record) in zip(axes, records.items(), strict=False):
        kinds |= depth_profile(ax, record, quantity, step, scale=scale, key=False).marks.keys()
        gone = diverged_rates(record)
        ax.set_title(
            f"{title}\n{_diverged_note(gone, len(RateScale.of([record]).rates))}" if gone else title, fontsize="medium"
        )
        set_layer_axis(ax, record.layer, ticks=4)
    for ax in axes[len(records) :]:
        ax.set_axis_off()
    drawn = axes[: len(records)]
    fit_log_axis(drawn)
    _align_floors(drawn)
    for place, ax in enumerate(drawn):
        ax.set_xlabel(say(LAYER_LABEL) if place + columns >= len(drawn) else "")
        ax.set_ylabel(say(LAYER_QUANTITIES[quantity].label) if place % columns == 0 else "")
    settings = {describe_setting(record) for record in records.values()}
    _set_title(
        figure,
        listed([say(LAYER_QUANTITIES[quantity].label), describe_step(records.values(), step), *same]),
        settings.pop() if len(settings) == 1 else "",
    )
    _draw_key(figure, drawn, scale, list(records.values()), kinds, rates=not same)
    return figure


@legible
def sweep_figure(title: str, x: ArrayLike, y: ArrayLike, values: ArrayLike, **options: Any) -> Figure:
    """Return a `sweep_map` under a title; arguments and errors are those of `sweep_map`."""
    figure, axes = _figure(1, 1, 7.2, 5.2)
    handles = sweep_map(axes[0], x, y, values, **options, legend=False).handles
    _set_title(figure, title)
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False)
    return figure


@legible
def prediction_figure(
    prediction: "Prediction", record: Record | None = None, quantities: Sequence[str] = PREDICTED
) -> Figure:
    """Return theory's three curves against the layer, over what a record measured at step 0 where one is given.

    `quantities` may name others that are predicted; `MEANING` are those of the fourth curve.
    """
    if len(quantities) == 0:
        raise InputError("quantities must name at least one, got none")
    figure, axes = _figure(1, len(quantities), 4.3 * len(quantities), 4.6)
    marks: dict[str, list[Line2D]] = {}
    handles: dict[str, Artist] = {}
    for ax, quantity in zip(axes, quantities, strict=True):
        artists = prediction_profile(ax, prediction, quantity, record, key=False)
        marks |= artists.marks
        handles |= {str(handle.get_label()): handle for handle in artists.handles}
    _align_floors(axes)
    title = "{network}: theory, before training"
    if record is not None:
        title = "{network}: theory over measurement, before training"
    _set_title(figure, say(title, network=describe_config(prediction.network)), describe_prediction(prediction))
    everything = [*handles.values(), *mark_handles(marks)]
    figure.legend(handles=everything, loc="outside lower center", ncols=len(everything), frameon=False)
    return figure


@legible
def phase_figure(
    diagram: "PhaseDiagram", points: Mapping[str, tuple[float, float]] | None = None, *, depth: int | None = None
) -> Figure:
    """Return the phase diagram with networks as points in it, label to (sigma_w, sigma_b).

    With a `depth` what is dotted in it loses its examples' difference over so many layers, or explodes (`phase_map`).
    """
    figure, axes = _figure(1, 1, 8.6, 6.4)
    handles = phase_map(axes[0], diagram, points, depth=depth, legend=False).handles
    _set_title(figure, say("phase diagram of wide random {activation} networks", activation=diagram.activation))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _figure(rows: int, columns: int, width: float, height: float, *, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    figure = ShownFigure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    axes = figure.subplots(rows, columns, sharey=sharey, squeeze=False)
    return figure, list(axes.flat)


def _set_title(figure: Figure, *lines: str) -> None:
    # Of large letters about eleven fill an inch, of Chinese ones, which count twice, six.
    columns = int(10 * figure.get_figwidth())
    figure.suptitle("\n".join(wrapped(line, columns) for line in lines if line), fontsize="large")


def _align_floors(axes: Sequence[Axes]) -> None:
    """Give all axes the strip of the one with the tallest, so that their frames line up."""
    points = max(floor_height(ax) for ax in axes)
    for ax in axes:
        if points > 0:
            open_floor(ax, points)


def _draw_key(
    figure: Figure,
    axes: Sequence[Axes],
    scale: RateScale,
    records: Sequence[Record],
    kinds: Iterable[str],
    extra: Sequence[Line2D] = (),
    *,
    rates: bool = True,
) -> None:
    """Draw the learning rates to the right of the axes, and below them what marks and further lines mean."""
    kinds = set(kinds)
    if rates and scale.many:
        gone = sorted({rate for record in records for rate in diverged_rates(record)})
        scale.draw_colorbar(axes, gone)
        kinds |= {"diverged"} if gone else set()
    elif rates:
        labels = describe_divergence(records[0]) if len(records) == 1 else {}
        if keys := scale.handles(labels):
            figure.legend(handles=keys, loc="outside right center", title=say("learning rate"),
                          frameon=False, alignment="left")  # fmt: skip
    handles = [*extra, *mark_handles(kinds)]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def _diverged_note(rates: Sequence[float], of: int) -> str:
    if len(rates) > 3:
        return say("diverged: {diverged} of {rates} learning rates", diverged=len(rates), rates=of)
    return say("diverged: {rates}", rates=listed(rate_label(rate) for rate in rates))
