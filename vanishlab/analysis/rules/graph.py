"""Rules on the graph: where the gradient turns into NaN or into nothing, and weights that the model does not know."""

import numpy as np

from vanishlab.analysis.evidence import Evidence
from vanishlab.analysis.looks import forwards
from vanishlab.analysis.looks.backwards import Place
from vanishlab.analysis.looks.forwards import Source
from vanishlab.analysis.verdict import Thresholds, Verdict, several
from vanishlab.language.sentences import say
from vanishlab.recording import remarks

_PRODUCTS = {
    "mm", "addmm", "bmm", "baddbmm", "addmv", "mv", "matmul", "linear", "conv1d", "conv2d", "conv3d", "convolution",
    "mul", "sum", "mean", "add", "sub", "to_copy", "mse_loss", "exp", "pow", "square", "cumsum", "einsum", "softplus",
    "embedding", "scaled_dot_product_attention", "multi_head_attention_forward", "relu", "selu", "float", "half", "to",
    "type_as", "layer_norm", "batch_norm", "var", "std", "norm", "linalg_vector_norm", "cross_entropy",
}  # fmt: skip
"""Operations that leave the dtype's range by the size of what they are given."""
_POWERS = ("pow", "float_power")
_FACTOR = 1e3  # above which what a product is given counts as large


def find_broken_gradient(e: Evidence, t: Thresholds) -> Verdict | None:
    """A gradient that is not finite behind a loss that is: the work of one operation, and not of growth."""
    if e.backwards is not None:
        place = e.backwards.broken
        return None if place is None or _by_size(place) else _told(e, place)
    broken = np.flatnonzero(e.broken)
    if not len(broken):
        return None
    step = int(broken[0])
    if not np.isfinite(e.loss[step]) or not e.overflowed[step].any() or not np.isfinite(_largest(e.activation[step])):
        return None
    # What grows layer by layer leaves deltas near the end of the dtype's range behind; what breaks does not.
    known = e.delta[step][np.isfinite(e.delta[step])]
    before = e.gradient[:step][np.isfinite(e.gradient[:step])]
    if e.dtype == "float16" or (len(known) and known.max() > _LARGE) or (before.size and before.max() > 10.0**_LARGE):
        return None
    return _told_by_layers(e, step)


def find_broken_forward(e: Evidence, t: Thresholds) -> Verdict | None:
    """A loss that is not finite by one function's doing, of finite numbers."""
    if e.source is not None:
        return _told_by_source(e.source)
    place = e.forwards
    if place is None or _left_range(place):
        return None
    sentence = "The loss is not finite: {operation} in or after {layer} is given finite numbers and returns others."
    if not place.after:
        sentence = "The loss is not finite: {operation} is given finite numbers and returns others."
    if place.then:
        sentence = (
            "The loss is not finite: {operation} in or after {layer} makes -inf of finite numbers, and {then} makes "
            "NaN or infinity of that."
        )
        if not place.after:
            sentence = (
                "The loss is not finite: {operation} makes -inf of finite numbers, and {then} makes NaN or infinity of "
                "that."
            )
    said = say(sentence, operation=place.operation, layer=place.after, then=place.then)
    return Verdict(
        "not finite", (place.after,) if place.after else (), said, {"largest input": place.largest}, "forward"
    )


def _told_by_source(source: Source) -> Verdict:
    sentence = "The weights of {layers} are not finite before the pass begins: an earlier update has broken them."
    if source.what == "inputs":
        sentence = "The inputs are not finite: {share:.2g} of their entries are NaN or infinite before any layer."
    elif source.what == "targets":
        sentence = "The targets are not finite: {share:.2g} of their entries are NaN or infinite."
    said = say(sentence, layers=several(source.names), share=source.share)
    cause = "weights" if source.what == "weights" else "data"
    return Verdict("not finite", source.names, said, {"share that is not finite": source.share}, cause)


def _left_range(place: forwards.Place) -> bool:
    """Whether numbers grew until the dtype's range had an end, and no operation is at fault by itself."""
    if place.operation not in _PRODUCTS or (place.nan and place.largest < _FACTOR):
        return False
    # 0 ** -1 is infinite as 1 / 0 is; of numbers this small a power leaves float32 in no other way.
    return not (place.operation in _POWERS and place.largest < _FACTOR)


def find_cut(e: Evidence, t: Thresholds) -> Verdict | None:
    """A delta that is exactly zero from some layer back, because an operation there has no slope."""
    zero = np.isneginf(e.typical(e.delta, e.tail))
    if not zero.any():
        return None
    last = int(np.flatnonzero(zero)[-1])
    alive = np.isfinite(e.typical(e.delta, e.tail))
    if alive[: last + 1].any():  # a gated branch
        return None
    layers = e.named(zero)
    numbers = {"layers": float(zero.sum())}
    place = _cut_at(e, set(layers))
    following = e.names[last + 1] if last + 1 < len(e.names) else ""
    if place is None:
        sentence = (
            "Delta is exactly zero from {layer} back: what lies between it and {next} has no slope (a step function "
            "such as round, sign or a comparison, a clamp, or an activation that is flat there)."
        )
        if not following:
            sentence = (
                "Delta is exactly zero from {layer} back: what lies between it and the loss has no slope (a step "
                "function such as round, sign or a comparison, a clamp, or an activation that is flat there)."
            )
        said = say(sentence, layer=e.names[last], next=following)
    else:
        sentence = (
            "The gradient is exactly zero from {operation} back, between {layer} and {next}: it has no slope there (a "
            "step function such as round or sign, a clamp, a saturated activation), and {layers} learn nothing."
        )
        if not place.before:
            sentence = (
                "The gradient is exactly zero from {operation} back, between {layer} and the loss: it has no slope "
                "there (a step function such as round or sign, a clamp, a saturated activation), and {layers} learn "
                "nothing."
            )
        after = several(place.after) or e.names[last]
        said = say(sentence, operation=place.operation, layer=after, next=place.before, layers=several(layers))
    return Verdict("no gradient", layers, said, numbers, "flat")


def find_unregistered(e: Evidence, t: Thresholds) -> Verdict | None:
    """Tensors that ask for gradients in the forward pass and are no parameters of the model."""
    names = e.remarks.get(remarks.OUTSIDE, "")
    if not names:
        return None
    sentence = (
        "The forward pass uses tensors that ask for gradients and are no parameters of this model, so "
        "model.parameters() does not hand them to the optimizer: {names}."
    )
    return Verdict("unregistered weights", (), say(sentence, names=names), {})


_LARGE = 15.0
"""Decades, of a gradient in float32, from which on growth may have broken it: a few layers more and it is infinite."""


def _largest(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else 0.0


def _by_size(place: Place) -> bool:
    if place.operation in _POWERS and place.largest < _FACTOR:
        return False
    return place.operation in _PRODUCTS and (place.infinite or place.largest >= _FACTOR)


def _told(e: Evidence, place: Place) -> Verdict:
    sentence = (
        "The loss is finite, its gradient is not: {operation} between {layer} and {next} turns a finite gradient into "
        "NaN or infinity; its slope is infinite, or is multiplied by 0, at some of what it is given."
    )
    if not place.before:
        sentence = (
            "The loss is finite, its gradient is not: {operation} between {layer} and the loss turns a finite gradient "
            "into NaN or infinity; its slope is infinite, or is multiplied by 0, at some of what it is given."
        )
    after = several(place.after) or say("the input")
    said = say(sentence, operation=place.operation, layer=after, next=place.before)
    return Verdict("not finite", place.after, said, {"largest gradient before": place.largest}, "backward")


def _told_by_layers(e: Evidence, step: int) -> Verdict:
    lost = np.flatnonzero(e.overflowed[step])
    layer, following = e.names[lost[-1]], e.names[lost[-1] + 1] if lost[-1] + 1 < len(e.names) else ""
    sentence = (
        "The loss is finite, its gradient is not, from {layer} back: look between it and {next} for sqrt, norm, log, "
        "a division or a masked softmax, also behind torch.where, whose slope is infinite at some of what it is given."
    )
    if not following:
        sentence = (
            "The loss is finite, its gradient is not, from {layer} back: look between it and the loss, and in the "
            "loss, for sqrt, norm, log, a division or a masked softmax, also behind torch.where, whose slope is "
            "infinite at some of what it is given."
        )
    said = say(sentence, layer=layer, next=following)
    return Verdict("not finite", e.named(e.overflowed[step]), said, {"first step": float(step)}, "backward")


def _cut_at(e: Evidence, layers: set[str]) -> Place | None:
    cuts = e.backwards.cuts if e.backwards is not None else ()
    fitting = [cut for cut in cuts if layers & set(cut.after)]
    return next(iter([cut for cut in fitting if cut.before not in layers] or fitting or list(cuts)), None)
