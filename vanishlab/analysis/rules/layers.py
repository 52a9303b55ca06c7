"""Rules on single layers: units that are copies, dead or saturated; gradients lost to underflow or never asked for."""

import math

import numpy as np

from vanishlab.activations import ACTIVATIONS
from vanishlab.analysis.evidence import Evidence, is_recurrent, late
from vanishlab.analysis.rules.loss import constant_loss
from vanishlab.analysis.verdict import Thresholds, Verdict, several
from vanishlab.language.sentences import say
from vanishlab.recording import remarks

ABSENT = {
    "frozen": "No gradient reaches the weights of {layers}: no gradient is asked for (requires_grad is False).",
    "unused": "No gradient reaches the weights of {layers}: they were not called in the forward pass.",
    "detached": "No gradient reaches the weights of {layers}: they were called, but the graph is cut between them and "
    "the loss.",
}
"""What is said of weights without any gradient, by the cause."""


def find_twins(e: Evidence, t: Thresholds) -> Verdict | None:
    """Units with equal weights and equal gradients, which stay copies of each other."""
    hit = e.twins >= t.twins
    if not hit.any():
        return None
    layers = e.named(hit)
    return Verdict(
        "symmetric",
        layers,
        say(
            "In {layers} units have the same weights and the same gradient, so they remain copies of each other.",
            layers=several(layers),
        ),
        {"share of units with a twin": float(e.twins[hit].max())},
    )


def find_dead(e: Evidence, t: Thresholds) -> Verdict | None:
    """ReLU layers most of whose units are silent for every example."""
    share = e.typical(e.saturated, e.tail)
    units = np.where(e.units > 0, e.units, 16.0)
    line = np.maximum(t.dead, np.minimum(0.5 + t.dead_deviations * np.sqrt(0.25 / units), 1.0))
    hit = np.array([_can_die(phi) for phi in e.phi], dtype=bool) & (share >= line)
    if not hit.any():
        return None
    layers = e.named(hit)
    return Verdict(
        "dead",
        layers,
        say(
            "In {layers} {share:.0%} of the ReLU units are not positive for any example; no gradient passes them.",
            layers=several(layers),
            share=share[hit].max(),
        ),
        {"share of dead units": float(share[hit].max())},
    )


def find_saturation(e: Evidence, t: Thresholds) -> Verdict | None:
    """Layers whose activation is flat at most of its inputs."""
    share = e.typical(e.saturated, e.tail)
    line = np.array([t.saturated + (1 - t.saturated) * _healthy_share(phi) for phi in e.phi])
    hit = np.array([phi != "" and not _can_die(phi) for phi in e.phi], dtype=bool) & (share >= line)
    # What is larger than a bounded phi can be has come past it, by a skip connection, and so does the gradient. The
    # stream may begin with less: where one layer is passed by, those of its width are.
    bounded = np.array([phi in ACTIVATIONS and ACTIVATIONS[phi].bounded for phi in e.phi], dtype=bool)
    passed = bounded & ~e.functions & (e.typical(e.activation, e.tail) > 1.0)
    hit &= ~(bounded & np.isin(e.units, e.units[passed]))
    if not hit.any():
        return None
    layers = e.named(hit)
    return Verdict(
        "saturated",
        layers,
        say(
            "In {layers} up to {share:.0%} of the activation's inputs lie where it is flat.",
            layers=several(layers),
            share=share[hit].max(),
        ),
        {"share saturated": float(share[hit].max())},
    )


def find_saturated_gates(e: Evidence, t: Thresholds) -> Verdict | None:
    """Recurrent layers whose sigmoids and tanhs are flat at most of what they are given."""
    share = e.typical(e.saturated, e.tail)
    hit = np.array([is_recurrent(name) for name in e.names], dtype=bool) & (share >= t.saturated)
    if not hit.any():
        return None
    layers, most = e.named(hit), float(share[hit].max())
    sentence = "In {layers} up to {share:.0%} of what the gates are given lies where sigmoid and tanh are flat."
    said = say(sentence, layers=several(layers), share=most)
    return Verdict("saturated", layers, said, {"share saturated": most}, "gate")


def find_sharp_softmax(e: Evidence, t: Thresholds) -> Verdict | None:
    """A softmax inside the model, that of attention, with all weight on one entry before anything was learned."""
    found = {layers: share for layers, share in e.sharp.items() if share >= t.saturated and layers}
    constant = constant_loss(e)  # a trained head may well look at one place alone
    if not found or not len(e.loss) or not e.loss[0] >= t.level_constant * constant:
        return None
    hit = {name for layers in found for name in layers}
    layers, most = tuple(name for name in e.names if name in hit), max(found.values())
    sentence = (
        "In the softmax after {layers} up to {share:.0%} of the rows put all their weight on one entry: next to no "
        "gradient passes. What it is given is too large."
    )
    said = say(sentence, layers=several(layers), share=most)
    return Verdict("saturated", layers, said, {"share of rows": most}, "softmax")


def find_saturated_output(e: Evidence, t: Thresholds) -> Verdict | None:
    """A sigmoid or tanh at the output that is nearly flat before anything was learned, and where nothing has been."""
    if e.first_step != 0 or not len(e.loss) or remarks.SLOPE not in e.remarks:
        return None
    phi, number = e.remarks[remarks.SLOPE].split(", ")
    slope = float(number)
    constant = constant_loss(e)
    learned = e.loss[0] < constant if not math.isnan(constant) else late(e.loss) < t.done_rest * e.loss[0]
    if not slope < t.output_slope or learned:
        return None
    sentence = (
        "The {phi} at the output passes on {slope:.0%} of what it could: the outputs of {layer} before it are too "
        "large."
    )
    said = say(sentence, phi=phi, slope=slope, layer=e.names[-1])
    return Verdict("saturated", e.names[-1:], said, {"mean slope / largest": slope})


def find_underflow(e: Evidence, t: Thresholds) -> Verdict | None:
    """Gradients so small that the dtype cannot hold them."""
    zero, subnormal = e.typical(e.zero, e.tail), e.typical(e.subnormal, e.tail)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(zero < 1, subnormal / (1 - zero), 0.0)
    hit = (share >= t.subnormal) & (subnormal > 0)
    if len(e.loss):
        hit |= (zero == 1) & (e.underflowed[e.tail].mean(axis=0) >= 0.5)
        # In half precision the loss's own gradient may be lost, before any layer shows a subnormal entry.
        lost_loss = e.exchanged_loss == 0  # no answer is as good as any other, so this loss is not a number any more
        if "float16" in (e.dtype, e.half) and (zero[~np.isnan(zero)] == 1).all() and (e.loss[0] > 0 or lost_loss):
            hit |= zero == 1
    if e.half and e.half != e.dtype:  # within autocast, which shows in delta alone
        share = np.fmax(share, e.coarse)
        hit |= e.coarse >= t.subnormal
        gone = np.isneginf(e.typical(e.delta, e.tail))
        for layer in range(len(hit) - 2, -1, -1):  # the way back: what was lost stays lost
            hit[layer] |= gone[layer] and hit[layer + 1]
    if not hit.any():
        return None
    layers = e.named(hit)
    return Verdict(
        "underflow",
        layers,
        say(
            "In {layers} the gradient's entries are below what {dtype} holds in full: bits, or all, are lost.",
            layers=several(layers),
            dtype=e.half or e.dtype,
        ),
        {
            "share of non-zero entries subnormal": float(np.nanmax(share[hit])),
            "share zero": float(np.nanmax(np.nan_to_num(zero[hit]))),
        },
    )


RULES = (find_dead, find_saturation, find_saturated_gates, find_sharp_softmax, find_saturated_output, find_underflow)
"""What may hold of a layer that gets a gradient; it also explains a delta that is exactly zero behind it."""


def find_absent(e: Evidence) -> list[Verdict]:
    """Weights without any gradient, by the reason."""
    found = []
    for cause, reason in ABSENT.items():
        if cause == "frozen" and is_frozen_on_purpose(e):
            continue
        layers = tuple(name for name, why in e.absent.items() if why == cause)
        if layers:
            sentence = say(reason, layers=several(layers))
            found.append(Verdict("no gradient", layers, sentence, {"layers": float(len(layers))}, cause))
    return found


def is_frozen_on_purpose(e: Evidence) -> bool:
    """Return whether some weights are frozen and others are left to train."""
    frozen = [name for name, why in e.absent.items() if why == "frozen"]
    return bool(frozen) and bool(np.isfinite(e.gradient).any())


def _can_die(phi: str) -> bool:
    return phi in ACTIVATIONS and ACTIVATIONS[phi].can_die


def _healthy_share(phi: str) -> float:
    # Share of inputs of unit variance beyond phi's bounds: 32 % for hardtanh, next to nothing for the other bounded
    # ones. A phi that is flat on one side alone becomes ReLU as its inputs grow, and that has half of them there.
    known = ACTIVATIONS.get(phi)
    if known is None:
        return 0.0
    if math.isfinite(known.saturated_below) and not math.isfinite(known.saturated_above):
        return 0.5
    tails = (-known.saturated_below, known.saturated_above)
    return sum(0.5 * math.erfc(bound / math.sqrt(2.0)) for bound in tails)
