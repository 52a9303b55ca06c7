"""The cards: what was run, what came out, and a picture, in HTML. Each function is some class's `_repr_html_`."""

from typing import TYPE_CHECKING

import numpy as np

from vanishlab.analysis.diagnosis import COLUMNS, diagnose
from vanishlab.language.sentences import listed, say
from vanishlab.notebook.markup import card, code_block, drawn, lines, table
from vanishlab.plots.captions import (
    describe_config,
    describe_divergence,
    describe_network,
    describe_prediction,
    describe_setting,
)
from vanishlab.plots.figures import prediction_figure, three_curves
from vanishlab.plots.rates import rate_label

if TYPE_CHECKING:
    from vanishlab.analysis.diagnosis import Diagnosis
    from vanishlab.analysis.remedies.table import RemedyTable
    from vanishlab.recording.record import Record
    from vanishlab.theory.prediction import Prediction
    from vanishlab.training.sweep.saved import Sweep

_SHOWN = 8  # values of a list; the rest is counted


def of_record(record: "Record") -> str:
    """Return what was run, the verdict in a line, and the three curves."""
    rates = [rate_label(rate) for rate in np.unique(record.learning_rate)]
    counts = [say("runs: {runs}", runs=record.runs), say("layers: {layers}", layers=len(record.layer))]
    counts.append(say("recorded steps: {steps}", steps=len(record.step)))
    told = [describe_setting(record), listed(counts), say("learning rates: {rates}", rates=_some(rates))]
    if record.diverged.any():
        told.append(say("diverged: {rates}", rates=listed(describe_divergence(record).values())))
    if record.unmeasured:
        told.append(say("not measured: {names}", names=_some(list(record.unmeasured))))
    if len(record.step) == 0 or len(record.layer) == 0:
        return card(describe_network(record), lines(told))
    diagnosis = diagnose(record)
    verdict = say("verdict: {names}", names=listed(map(say, diagnosis.names)))
    picture = drawn(lambda: three_curves(record))
    return card(describe_network(record), lines([*told, verdict, diagnosis.headline]), picture)


def of_diagnosis(diagnosis: "Diagnosis") -> str:
    """Return the table of verdicts, what to change, and notes."""
    below = [lines([told]) + (code_block(code) if code else "") for told, code in diagnosis.advice()]
    return card(diagnosis.headline, table(list(map(say, COLUMNS)), diagnosis.rows()), *below)


def of_prediction(prediction: "Prediction") -> str:
    """Return what was predicted of which network, and theory's three curves."""
    told = [describe_prediction(prediction)]
    if prediction.chi is not None:
        told.append(say("χ = {chi:.3g}", chi=prediction.chi))
    return card(describe_config(prediction.network), lines(told), drawn(lambda: prediction_figure(prediction)))


def of_sweep(sweep: "Sweep") -> str:
    """Return how much there is, and what varies in it; none of its files is read."""
    counts = say(
        "runs: {runs}, networks: {networks}, in {folder}",
        runs=len(sweep), networks=len(sweep.networks), folder=str(sweep.folder),
    )  # fmt: skip
    rows = [(name, _some(list(map(str, values)))) for name, values in sweep.varying().items()]
    return card(say("sweep"), lines([counts]), table([say("what varies"), say("values")], rows) if rows else "")


def of_remedies(remedies: "RemedyTable") -> str:
    """Return what each remedy did, the best first."""
    return card(remedies.title, table(list(map(say, remedies.columns)), remedies.rows()), lines(remedies.remarks()))


def _some(values: list[str]) -> str:
    more = len(values) - _SHOWN
    return listed([*values[:_SHOWN], say("and {more} more", more=more)] if more > 0 else values)
