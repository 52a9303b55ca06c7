"""Rules on train and eval mode: running statistics that do not fit, and passes that cannot be made again."""

from vanishlab.analysis.evidence import Evidence
from vanishlab.analysis.rules.loss import constant_loss
from vanishlab.analysis.verdict import Thresholds, Verdict, several
from vanishlab.language.sentences import say


def find_stale_statistics(e: Evidence, t: Thresholds) -> Verdict | None:
    """A batch that is learned in train mode, and in eval mode lost by batch norm's running statistics."""
    m, constant = e.modes, constant_loss(e)
    if m is None or not constant > 0 or not m.train <= t.mode_learned * constant or not m.eval >= constant:
        return None
    if not m.batch_statistics <= t.mode_learned * constant:
        return None
    sentence = (
        "The loss of this batch is {train:.4g} in train mode and {eval:.4g} in eval mode, where the best constant "
        "answer costs {constant:.4g}: the running statistics of batch norm ({layers}) do not fit these examples."
    )
    said = say(sentence, train=m.train, eval=m.eval, constant=constant, layers=several(m.norms))
    return Verdict("stale statistics", m.norms, said, {"loss in eval mode / in train mode": m.eval / m.train})


def notes_on_modes(e: Evidence, t: Thresholds) -> list[str]:
    """Return what is to be said of a second pass, and of the other mode, where it is no illness."""
    m = e.modes
    if m is None:
        return []
    said, constant = [], constant_loss(e)
    least = 0.1 * constant if constant > 0 else 0.0
    apart = m.eval >= t.mode_factor * m.train and m.eval - m.train >= least
    if apart and find_stale_statistics(e, t) is None:
        sentence = "The loss of this batch is {train:.4g} in train mode and {eval:.4g} in eval mode."
        if m.batch_statistics < m.train + 0.1 * (m.eval - m.train):
            sentence = (
                "The loss of this batch is {train:.4g} in train mode and {eval:.4g} in eval mode: the running "
                "statistics of batch norm ({layers}) are not those of the batch."
            )
        said.append(say(sentence, train=m.train, eval=m.eval, layers=several(m.norms)))
    if m.why == "random" and m.dropout and m.again >= t.drowned:
        sentence = (
            "Two passes over this batch differ by {again:.2g} times as much as its examples do: dropout ({layers}) "
            "drowns what it should blur."
        )
        said.append(say(sentence, again=m.again, layers=several(m.dropout)))
    if m.why == "random" and not m.dropout:
        sentence = (
            "Two passes over this batch differ, by {again:.2g} of what its examples differ by, and no dropout module "
            "is at work: forward draws random numbers."
        )
        said.append(say(sentence, again=m.again))
    if m.why == "state":
        sentence = (
            "Two passes over this batch differ, by {again:.2g} of what its examples differ by, and no random numbers "
            "are why: forward keeps something from one call to the next that is no buffer, such as a hidden state."
        )
        said.append(say(sentence, again=m.again))
    return said
