"""The output of `vanishlab predict`: a prediction in words and numbers, and its table of all layers as a file."""

import csv
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vanishlab.config import NetworkConfig
from vanishlab.errors import InputError
from vanishlab.files import write_whole
from vanishlab.language.numbers import power_of_ten
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import say
from vanishlab.recording.quantities import LAYER_QUANTITIES, MEANING, PREDICTED

if TYPE_CHECKING:
    from vanishlab.recording.record import Record
    from vanishlab.theory.meanfield.fixed_points import MeanField
    from vanishlab.theory.prediction import Prediction

_SHOWN = 22  # layers that a terminal shows at once
_ALL = 30  # up to so many are all shown
_TRAINABLE = 6  # depth in units of xi_c to which networks train (Schoenholz et al., 2017, arXiv:1611.01232)
PHASES = {
    "ordered": "phase: ordered, gradients vanish (chi = {chi:.4g} per layer of delta's mean square) at "
    "sigma_w = {sigma_w:.4g}, sigma_b = {sigma_b:.4g}",
    "critical": "phase: critical, gradients keep their size (chi = {chi:.4g} per layer of delta's mean square) at "
    "sigma_w = {sigma_w:.4g}, sigma_b = {sigma_b:.4g}",
    "chaotic": "phase: chaotic, gradients explode (chi = {chi:.4g} per layer of delta's mean square) at "
    "sigma_w = {sigma_w:.4g}, sigma_b = {sigma_b:.4g}",
}
DELTAS = {
    "ordered": "delta shrinks by a factor of e within {layers:.3g} layers on its way back",
    "critical": "delta keeps its size on its way back",
    "chaotic": "delta grows by a factor of e within {layers:.3g} layers on its way back",
}


def shown_layers(layers: int) -> np.ndarray:
    """Return which layers a terminal shows, as places: all up to 30, else the first, the last and 20 between."""
    if layers <= _ALL:
        return np.arange(layers)
    return np.unique(np.linspace(0, layers - 1, _SHOWN).round().astype(int))


def layer_table(prediction: "Prediction", record: "Record | None" = None) -> tuple[list[str], list[list[object]]]:
    """Return columns and rows for `print_table`: typical value and spread of each quantity, and what was measured.

    The spread is one standard deviation over seeds, as a factor; the measurement the median over the seeds of step 0.
    """
    columns = [say("layer")]
    entries: list[list[str]] = []  # (column, layer)
    for quantity in (*PREDICTED, "distinct_share"):
        spread = prediction.log_spread(quantity)
        typical = prediction.log10_typical(quantity)
        columns.append(say(LAYER_QUANTITIES[quantity].title))
        entries.append([_with_spread(value, by) for value, by in zip(typical, spread, strict=True)])
        if record is not None:
            columns.append(say("measured"))
            start = record.select(step=0).layer_quantity(quantity)[:, 0]
            # Before the first update only a run whose loss is not finite has no value.
            entries.append(
                [say("diverged") if math.isnan(value) else f"{value:.3g}" for value in np.median(start, axis=0)]
            )
    layers = shown_layers(len(prediction.layer))
    return columns, [[int(prediction.layer[at]), *(column[at] for column in entries)] for at in layers]


def spread_text() -> str:
    """Return what the table's two numbers are."""
    return say("typical value (exp of the mean log over seeds) ×÷ one standard deviation over seeds, as a factor")


def phase_text(network: NetworkConfig) -> str:
    """Return phase, chi and depth scales at the network's (sigma_w, sigma_b), or the sentence that says why not."""
    from vanishlab.theory.meanfield.fixed_points import network_mean_field

    try:
        field = network_mean_field(network)
    except InputError as refusal:
        return say("phase: none; {reason}", reason=in_words(refusal))
    scales = {"xi_q": field.xi_q, "xi_c": field.xi_c, "xi_grad": field.xi_grad}
    if math.isfinite(field.xi_c):
        depths = say(
            "depth scales: xi_q = {xi_q:.3g}, xi_c = {xi_c:.3g}, xi_grad = {xi_grad:.3g} layers; trainable to about "
            "{times} xi_c = {layers:.3g} layers",
            **scales,
            times=_TRAINABLE,
            layers=_TRAINABLE * field.xi_c,
        )
    else:
        depths = say(
            "depth scales: xi_q = {xi_q:.3g}, xi_c = {xi_c:.3g}, xi_grad = {xi_grad:.3g} layers; xi_c sets no bound on "
            "the depth",
            **scales,
        )
    lines = (
        say(PHASES[field.phase], chi=field.chi, sigma_w=field.sigma_w, sigma_b=field.sigma_b),
        say("fixed points: {q_star}, {c_star}", q_star=_q_star(field), c_star=_c_star(field)),
        depths,
        say(DELTAS[field.phase], layers=field.xi_delta),
        _examples(field),
    )
    return "\n".join(lines)


def _q_star(field: "MeanField") -> str:
    kept = math.isnan(field.q_star)
    text = say("every variance is kept") if kept else say("q_star = {q:.4g}", q=field.q_star)
    for other in field.other_q_stars:
        if math.isinf(other):
            text = say("{q_star} (inputs from elsewhere may settle at variances without bound)", q_star=text)
        else:
            text = say("{q_star} (inputs from elsewhere may settle at q = {q:.4g})", q_star=text, q=other)
    return text


def _c_star(field: "MeanField") -> str:
    return say("every correlation is kept") if math.isnan(field.c_star) else say("c_star = {c:.4g}", c=field.c_star)


def _examples(field: "MeanField") -> str:
    if math.isnan(field.c_star):
        return say("examples stay as alike as they are")
    if math.isinf(field.xi_c):
        return say("examples become alike, but only as a power of depth")
    if field.c_star == 1.0:
        return say(
            "examples become alike: their correlation's distance to 1 falls e-fold within {layers:.3g} layers",
            layers=field.xi_c,
        )
    return say(
        "examples come to a correlation of {c:.3g}: their distance to it falls e-fold within {layers:.3g} layers",
        c=field.c_star,
        layers=field.xi_c,
    )


def rate_text(prediction: "Prediction") -> str:
    """Return the largest stable learning rate, with what it means for the loss."""
    rate = power_of_ten(prediction.log10_largest_learning_rate)
    if prediction.loss == "mse":
        return say("largest stable learning rate: {rate} (the linearised network diverges above it)", rate=rate)
    return say(
        "largest learning rate that is surely stable: {rate} (the linearised network cannot diverge below it)",
        rate=rate,
    )


def write_layers(prediction: "Prediction", path: Path) -> Path:
    """Write all layers as CSV and return the path.

    For each quantity the log10 of its root mean square over seeds and of its typical value, since the values themselves
    may be below every float, and the standard deviation over seeds of its natural log.
    """
    columns: dict[str, Any] = {"layer": prediction.layer}
    for quantity in (*PREDICTED, *MEANING):
        columns[f"log10_{quantity}"] = getattr(prediction, f"log10_{quantity}")
        columns[f"log10_typical_{quantity}"] = prediction.log10_typical(quantity)
        columns[f"{quantity}_log_spread"] = prediction.log_spread(quantity)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return write_whole(path, lambda file: file.write(text.getvalue().encode()))


def _with_spread(log10: float, spread: float) -> str:
    value = power_of_ten(log10)
    return value if math.isnan(spread) or not math.isfinite(log10) else f"{value} ×÷ {math.exp(spread):.3g}"
