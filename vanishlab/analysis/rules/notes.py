"""Notes: what is worth a look and makes no net ill, because somebody may well have meant it so."""

import math

from vanishlab.analysis.evidence import Evidence
from vanishlab.analysis.rules.layers import is_frozen_on_purpose
from vanishlab.analysis.rules.loss import constant_loss
from vanishlab.analysis.rules.modes import notes_on_modes
from vanishlab.analysis.verdict import Thresholds, several
from vanishlab.language.sentences import say


def notes_on(e: Evidence, t: Thresholds) -> list[str]:
    """Return what is to be said of one run beside its verdicts."""
    return [*_zero_start(e), *_frozen(e), *_elsewhere(e), *_answers(e, t), *notes_on_modes(e, t), *_terms(e, t)]


def _zero_start(e: Evidence) -> list[str]:
    if not e.zero_start:
        return []
    sentence = (
        "The weights of {layer} are all zero, so that no gradient passes before the first step: what is said of the "
        "layers before it holds after one."
    )
    return [say(sentence, layer=e.zero_start)]


def _frozen(e: Evidence) -> list[str]:
    if not is_frozen_on_purpose(e):
        return []
    layers = tuple(name for name, why in e.absent.items() if why == "frozen")
    return [say("{layers}: frozen (requires_grad is False), the rest is trained.", layers=several(layers))]


def _elsewhere(e: Evidence) -> list[str]:
    layers = tuple(name for name, held in zip(e.names, e.held, strict=False) if held == "elsewhere")
    if not layers:
        return []
    sentence = "{layers}: changed by something else than the optimizer that the recorder was given, so without updates."
    return [say(sentence, layers=several(layers))]


def _answers(e: Evidence, t: Thresholds) -> list[str]:
    if e.answers is None:
        return []
    said, constant = [], constant_loss(e)
    if e.answers.pairing_ignored and not e.answers.broadcast:
        said.append(say("Exchanging the targets between examples changes nothing in this loss."))
    if len(e.loss) and constant > 0 and not math.isnan(e.answers.spread):
        loss = float(e.loss[0])
        if t.level_constant * constant <= loss <= constant / t.level_constant:
            sentence = (
                "The loss, {loss:.4g}, is that of the best constant answer, {constant:.4g}, and outputs differ between "
                "examples by {spread:.2g} of their size: usual before training, and after it nothing has been learned."
            )
            said.append(say(sentence, loss=loss, constant=constant, spread=e.answers.spread))
    return said


def _terms(e: Evidence, t: Thresholds) -> list[str]:
    whole = sum(abs(term.value) for term in e.terms)
    if not math.isfinite(whole) or not whole > 0:
        return []
    share, place = min((abs(term.value) / whole, place) for place, term in enumerate(e.terms, 1))
    if len(e.terms) < 2 or not share < t.outweighed:
        return []
    sentence = (
        "The loss is a sum of {terms} terms, and term {place} ({operation}) is {share:.2g} of it: unless it is fitted "
        "already, the others outweigh it, and it is not learned before they have fallen as far. Look at each by "
        "itself, and weigh them."
    )
    operation = e.terms[place - 1].operation
    return [say(sentence, terms=len(e.terms), place=place, operation=operation, share=share)]
