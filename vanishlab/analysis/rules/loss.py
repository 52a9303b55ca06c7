"""Rules on the loss: what a constant answer would cost, whether the targets count, and how large everything is."""

import math

import numpy as np

from vanishlab.analysis.evidence import Evidence, late
from vanishlab.analysis.verdict import Thresholds, Verdict
from vanishlab.language.sentences import say
from vanishlab.recording import remarks


def find_targets_ignored(e: Evidence, t: Thresholds) -> Verdict | None:
    """A loss that does not depend on which target belongs to which example, because shapes are broadcast."""
    shapes = e.remarks.get(remarks.BROADCAST, "")
    if e.answers is not None and e.answers.pairing_ignored and e.answers.broadcast:
        output, target = e.answers.shapes
        sentence = (
            "Exchanging the targets changes nothing in the loss: output {output} and target {target} are broadcast, so "
            "that every output is held against every target."
        )
        return Verdict("targets ignored", (), say(sentence, output=output, target=target))
    if not shapes:
        return None
    output, whole = shapes.replace("), (", ")|(").split("|")
    sentence = (
        "The output {output} is broadcast to {whole} where the loss holds it against the targets: every output meets "
        "every target, so that only the targets' mean is learned."
    )
    return Verdict("targets ignored", (), say(sentence, output=output, whole=whole))


def find_softmax_twice(e: Evidence, t: Thresholds) -> Verdict | None:
    """Probabilities handed to a loss that makes probabilities itself."""
    pair = e.remarks.get(remarks.TWICE, "")
    if not pair:
        return None
    inner, outer = pair.split(", ")
    layers = e.names[-1:]
    sentence = (
        "The model ends in {inner}, and the loss begins with {outer}: it is given probabilities where it expects "
        "logits, so that gradients shrink and the loss cannot come near 0."
    )
    return Verdict("softmax twice", layers, say(sentence, inner=inner, outer=outer))


def find_wild_data(e: Evidence, t: Thresholds) -> Verdict | None:
    """Inputs or targets far from unit size."""
    return _wild_inputs(e, t) or _wild_targets(e, t)


def find_level(e: Evidence, t: Thresholds) -> Verdict | None:
    """A loss that has come to rest without having been fitted."""
    loss = e.loss[np.isfinite(e.loss)]
    if len(loss) < t.level_steps or e.updates < t.level_updates or not e.loss[0] > 0:
        return None
    end, share = late(loss), late(loss) / float(e.loss[0])
    fall, error = _fall(loss[len(loss) // 2 :])
    if not end > 0 or not fall <= t.level_rest * end or not error <= t.level_error * end:
        return None
    constant = constant_loss(e)
    if not math.isnan(constant) and constant > 0:
        numbers = {"last loss / first": share, "last loss / best constant's": end / constant}
        if end >= t.level_constant * constant:
            sentence = (
                "The loss has levelled out at {end:.4g}, and the best answer that is the same for every example costs "
                "{constant:.4g}: a gradient flows, but nothing of the examples is learned."
            )
            return Verdict("stalled", (), say(sentence, end=end, constant=constant), numbers)
    else:
        numbers = {"last loss / first": share}
        if share >= t.level_share:
            sentence = (
                "The loss has levelled out at {share:.0%} of the first one: in {updates} updates next to nothing was "
                "learned. Compare it with that of the best constant answer."
            )
            return Verdict("stalled", (), say(sentence, share=share, updates=e.updates), numbers)
    sentence = "The loss has levelled out at {share:.0%} of the first one, without the examples being fitted."
    return Verdict("levelled out", (), say(sentence, share=share), numbers)


def _fall(loss: np.ndarray) -> tuple[float, float]:
    """Return by how much `loss` (step,) falls from end to end by a least-squares line, and the standard error."""
    steps = np.linspace(-0.5, 0.5, len(loss))
    slope, level = np.polyfit(steps, loss, 1)
    rest = loss - (level + slope * steps)
    return -float(slope), math.sqrt(float(rest @ rest) / max(len(loss) - 2, 1) / float(steps @ steps))


def constant_loss(e: Evidence) -> float:
    """Return the loss of the best constant answer, NaN where nobody knows."""
    if e.answers is not None and not math.isnan(e.answers.constant):
        return e.answers.constant
    return float(e.remarks.get(remarks.CONSTANT, "nan"))


def find_wild_start(e: Evidence, t: Thresholds) -> Verdict | None:
    """A first loss far above that of a constant answer."""
    constant = constant_loss(e)
    if not len(e.loss) or e.first_step != 0 or not constant > 0 or not e.loss[0] > 0:
        return None
    ratio = float(e.loss[0]) / constant
    classes = e.remarks.get(remarks.CLASSES) == "yes" or (e.answers is not None and e.answers.classes)
    jump, layer, weights = _largest_gain(e, t)
    alone = jump >= t.wild_gain and weights >= t.wild_weights and ratio >= t.wild_jump
    if not ratio >= (t.wild_loss if classes else t.wild_square) and not alone:
        return None
    size = float(e.activation[0, -1]) if e.activation.size else math.nan
    sentence = (
        "The loss starts at {loss:.4g}, {ratio:.3g} times that of the best constant answer ({constant:.4g}), and the "
        "last layer's outputs have a root mean square of {size:.3g}: look at the scale of the weights of {layer}, "
        "which multiplies what it is given by {gain:.3g}, and at that of the inputs."
    )
    said = say(sentence, loss=float(e.loss[0]), ratio=ratio, constant=constant, layer=layer, size=size, gain=jump)
    numbers = {"first loss / best constant's": ratio, "largest gain of a layer": jump}
    return Verdict("wild scale", (layer,), said, numbers)


def _largest_gain(e: Evidence, t: Thresholds) -> tuple[float, str, float]:
    # Of a layer's outputs over those of the layer before, which are its inputs in a chain; and what its weights alone
    # multiply by, sigma sqrt(fan_in), or less where units stand at several places. Neighbours whose weights all are
    # wild are at fault together, by the product of their gains.
    if not e.activation.size:
        return math.nan, "", math.nan
    size = e.activation[0]
    known = np.flatnonzero(np.isfinite(size) & (size > 0))
    if len(known) < 2:
        return math.nan, e.names[-1], math.nan
    gains = size[known[1:]] / size[known[:-1]]
    layer = int(known[1:][int(np.argmax(gains))])
    return float(gains.max()), e.names[layer], float(e.weight[0, layer]) / math.sqrt(max(e.units[layer], 1.0))


def _wild_inputs(e: Evidence, t: Thresholds) -> Verdict | None:
    if e.answers is None or not e.answers.inputs > t.wild_input or not e.activation.size:
        return None
    first = float(e.activation[0, 0])
    if not first > t.wild_input / 10:  # normalised before they get anywhere
        return None
    sentence = (
        "The inputs have a root mean square of {inputs:.3g}, and {layer} hands on {first:.3g}: bring them to about 1 "
        "(subtract the mean, divide by the standard deviation), and targets likewise."
    )
    said = say(sentence, inputs=e.answers.inputs, layer=e.names[0], first=first)
    return Verdict("wild scale", e.names[:1], said, {"root mean square of the inputs": e.answers.inputs}, "inputs")


def _wild_targets(e: Evidence, t: Thresholds) -> Verdict | None:
    a = e.answers
    if a is None or not a.targets > t.wild_input or not a.targets > t.wild_input * a.outputs:
        return None
    sentence = (
        "The targets have a root mean square of {targets:.3g} and the outputs one of {outputs:.3g}: bring the targets "
        "to about 1, or it takes the last layer's bias alone most of the training to get there."
    )
    said = say(sentence, targets=a.targets, outputs=a.outputs)
    return Verdict("wild scale", e.names[-1:], said, {"root mean square of the targets": a.targets}, "targets")
