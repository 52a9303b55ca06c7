"""`try_remedies`: each remedy on copies of the model, trained for the same few steps, ranked by what came of it."""

import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from vanishlab.analysis.copies import copy_inside
from vanishlab.analysis.diagnosis import conclude
from vanishlab.analysis.evidence import evidence_of
from vanishlab.analysis.examine import evidence_of_batch
from vanishlab.analysis.objective import compute_loss, copied
from vanishlab.analysis.remedies import surgery
from vanishlab.analysis.remedies.descent import Descent, Setting
from vanishlab.analysis.remedies.mending import MODULE_CHANGES, ModuleChange, check_runs
from vanishlab.analysis.remedies.table import RemedyTable, Trial
from vanishlab.analysis.rules.loss import constant_loss
from vanishlab.analysis.rules.meaning import last_share
from vanishlab.analysis.verdict import WELL
from vanishlab.errors import InputError, check_integer, check_number
from vanishlab.language.sentences import say
from vanishlab.progress import progress_bar
from vanishlab.recording.recorder import GradientRecorder

_LARGEST_UPDATE = 0.01
"""Of the rate that is set by the updates: one per cent of the weights in the fastest layer, ten times the customary
1e-3, as there are few steps."""
_CLIP_NORM = 1.0
_RECORDED = 10  # steps of a trial that are looked at
_LOSS_SCALE = 2.0**15  # the largest power of two in float16; halved where a gradient is not finite, as GradScaler does

UNTOUCHED = "none (as it is)"
NOT_TRIED = {
    "reconnecting": "where a layer should be called, or the graph joined, only you know",
    "gates": "a recurrent cell of another kind is another model",
    "finite slopes": "where a slope is infinite, only you know what should stand",
    "a slope": "what should stand for a step function, only you know",
    "registration": "where the model keeps its weights is a matter of its code",
    "equal shapes": "which of the shapes is meant, only you know",
    "logits": "whether the model should end before, only you know",
    "smaller weights": "how much smaller, what they are given must say",
    "finite data": "what should stand in the data, only you know",
    "finite weights": "what was there before they broke, only you know",
    "statistics anew": "training in a trial makes them anew by itself",
    "scaled data": "the batches are taken as they are given",
    "optimizer's parameters": "here the optimizer holds every parameter that asks for a gradient",
}
"""Why a remedy is never tried, by its name."""


Change = Callable[[nn.Module, Setting], Setting]


def try_remedies(
    build_model: Callable[[], nn.Module],
    loss_fn: Callable[..., Tensor],
    batches: Iterable[Any],
    *,
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    learning_rate: float = 0.05,
    steps: int = 30,
    seeds: Sequence[int] = (0, 1, 2),
    progress: bool | None = None,
) -> RemedyTable:
    """Apply every remedy that fits to a fresh model, train each for a few steps, and rank what came of it.

    For each seed, torch's generator is seeded before `build_model()`, and what it returns, or the model inside its
    DataParallel or torch.compile, is copied before anything is done to it. Batches are as for `examine`; they are taken
    in turn, the first `steps` of them at most. Training is by plain gradient descent, or by your own `optimizer`: a
    class such as `torch.optim.Adam`, or a function that is called with a list of parameters and `lr=`. A remedy mends
    the model if no verdict is found at the end but a good one, and its median loss is lower than without it in any
    seed, and than what a model pays that has learned nothing.
    `progress` says whether to show a bar; None is where somebody watches. The states of torch's generators are put
    back. Where two seeds begin with the same weights, a warning says so.

    Raises `InputError` for no batches, no seeds, numbers out of range, what makes no optimizer, and a model that cannot
    be copied.
    """
    check_integer("steps", steps, 1)
    check_number("learning_rate", learning_rate, above=0.0)
    kept = [copied(batch) for batch in itertools.islice(batches, steps)]
    if not kept:
        raise InputError("batches must hold at least one batch, got none")
    if not seeds:
        raise InputError("seeds must name at least one seed, got none")
    if optimizer is not None and not callable(optimizer):
        raise InputError(f"optimizer must be a class of optimizers or a function that makes one, got {optimizer!r}")
    plain = Setting(learning_rate, optimizer=optimizer)
    not_tried = dict(NOT_TRIED)
    trials = []
    with torch.random.fork_rng(), progress_bar(say("trying remedies"), progress) as advance:
        if warning := _why_alike(build_model, seeds):
            warnings.warn(warning, stacklevel=2)
        nothing_learned = _nothing_learned(build_model, loss_fn, kept[0], seeds[0])
        untouched = _trial(UNTOUCHED, None, plain, build_model, loss_fn, kept, steps, seeds)
        all_changes = changes(loss_fn, kept[0], steps)
        for place, (name, change) in enumerate(all_changes.items(), 1):
            advance(place / (len(all_changes) + 1))
            try:
                trials.append(_trial(name, change, plain, build_model, loss_fn, kept, steps, seeds))
            except surgery.NotApplicable as reason:
                not_tried[name] = str(reason)
    table = RemedyTable(untouched, tuple(trials), not_tried, steps, warning, nothing_learned)
    ranked = sorted(trials, key=lambda trial: (not table.mends(trial), trial.median_loss))
    return replace(table, trials=tuple(ranked))


def _nothing_learned(
    build_model: Callable[[], nn.Module], loss_fn: Callable[..., Tensor], batch: Any, seed: int
) -> float:
    """Return the loss of the best constant answer, or where that is not known the model's own before training."""
    torch.manual_seed(seed)
    evidence, _ = evidence_of_batch(build_model(), loss_fn, batch)
    known = (constant_loss(evidence), float(evidence.loss[0]))
    return next((loss for loss in known if math.isfinite(loss)), math.inf)


def _why_alike(build_model: Callable[[], nn.Module], seeds: Sequence[int]) -> str:
    """Return a warning where two seeds begin with the same weights, "" where none do."""
    if len(set(seeds)) < 2:
        return ""
    begun = []
    for seed in list(dict.fromkeys(seeds))[:2]:
        torch.manual_seed(seed)
        begun.append([each.detach().clone() for each in build_model().parameters() if not is_lazy(each)])
    alike = all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(*begun, strict=False))
    if not alike or len(begun[0]) != len(begun[1]):
        return ""
    return (
        f"build_model must draw other weights for each seed, got the same for seeds {', '.join(map(str, seeds))}: "
        "it may set a seed of its own, and the range over seeds says nothing"
    )


def changes(loss_fn: Callable[..., Tensor], batch: Any, steps: int) -> dict[str, Change]:
    """Return what can be tried, by name."""

    def modules(change: ModuleChange) -> Change:
        def apply(model: nn.Module, setting: Setting) -> Setting:
            evidence, _ = evidence_of_batch(model, loss_fn, batch)
            change(model, *surgery.by_module(model, evidence.names, evidence.phi, evidence.units.tolist()))
            check_runs(model, loss_fn, batch)
            return setting

        return apply

    def only(**fields: Any) -> Change:
        return lambda model, setting: Setting(**{**vars(setting), **fields})

    def rate(factor: float) -> Change:
        return lambda model, setting: Setting(**{**vars(setting), "learning_rate": factor * setting.learning_rate})

    def rate_by_updates(model: nn.Module, setting: Setting) -> Setting:
        if setting.optimizer is not None:
            raise surgery.NotApplicable("what an update will be is known of plain gradient descent alone")
        evidence, _ = evidence_of_batch(model, loss_fn, batch)
        with np.errstate(divide="ignore", invalid="ignore"):
            speed = evidence.gradient[0] / evidence.weight[0]
        speed = speed[np.isfinite(speed) & (speed > 0)]
        if not len(speed):
            raise surgery.NotApplicable("no layer has both weights and a gradient")
        return Setting(**{**vars(setting), "learning_rate": float(_LARGEST_UPDATE / speed.max())})

    def scaled(model: nn.Module, setting: Setting) -> Setting:
        if not surgery.is_half(model):
            raise surgery.NotApplicable("it computes in float32 or float64")
        return Setting(**{**vars(setting), "loss_scale": _LOSS_SCALE})

    def wider(model: nn.Module, setting: Setting) -> Setting:
        surgery.widen(model)
        return Setting(**{**vars(setting), "wide": True})

    return {
        **{name: modules(change) for name, change in MODULE_CHANGES.items() if name != "wider dtype"},
        "smaller learning rate: / 10": rate(0.1),
        "larger learning rate: x 10": rate(10.0),
        "learning rate: by the updates": rate_by_updates,
        "warm-up": only(warm_up=max(steps // 3, 1)),
        "clipping": only(clip_norm=_CLIP_NORM),
        "loss scaling": scaled,
        "wider dtype": wider,
    }


def _trial(
    name: str,
    change: Change | None,
    plain: Setting,
    build_model: Callable[[], nn.Module],
    loss_fn: Callable[..., Tensor],
    batches: list[Any],
    steps: int,
    seeds: Sequence[int],
) -> Trial:
    found = []
    for seed in seeds:
        torch.manual_seed(seed)
        model = copy_inside(build_model())
        setting = plain if change is None else change(model, plain)
        given = [_floats(batch) for batch in batches] if setting.wide else batches
        found.append(_train_and_look(model, loss_fn, given, steps, setting))
    loss, ratio, rate, distinct, verdicts = zip(*found, strict=True)
    return Trial(name, loss, ratio, rate, distinct, verdicts)


def _train_and_look(
    model: nn.Module, loss_fn: Callable[..., Tensor], batches: list[Any], steps: int, setting: Setting
) -> tuple[float, float, float, float, tuple[str, ...]]:
    """Return the loss at the end, delta's first/last ratio and decay, the distinct share, and what the verdicts say."""
    descent = Descent(model, setting)
    gone = False
    with GradientRecorder(model, descent, max(steps // _RECORDED, 1)) as recorder:
        for step in range(steps):
            descent.zero_grad()
            loss = compute_loss(model, loss_fn, copied(batches[step % len(batches)])).loss
            recorder.observe_loss(loss)
            if loss.requires_grad:
                (loss * descent.loss_scale).backward()
            gone = not bool(torch.isfinite(loss))
            if gone:
                recorder.end_step()
                break
            descent.step()
    scaled = _times(descent.loss_scale, loss_fn)
    live, _ = evidence_of_batch(model, scaled, batches[0])
    last = conclude([live])
    # What the run did, and what the model is now: a finding of either counts.
    course = conclude([evidence_of(recorder.record, 0)])
    said = dict.fromkeys((*(("diverging",) if gone else ()), *course.names, *last.names))
    names = tuple(name for name in said if name not in WELL) or last.names
    with torch.no_grad():
        losses = [float(compute_loss(model, loss_fn, copied(batch)).loss) for batch in batches]
    end = float(np.mean(losses))
    decay = last.decay
    ratio = 10.0 ** -min(max(decay.total, -300.0), 300.0) if decay.layers > 1 else math.nan
    return end if math.isfinite(end) else math.inf, ratio, decay.rate, last_share(live, live.tail), names


def _times(scale: float, loss_fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    if scale == 1.0:
        return loss_fn

    def scaled(outputs: Any, targets: Any) -> Tensor:
        return scale * loss_fn(outputs, targets)

    return scaled


def _floats(batch: Any) -> Any:
    if isinstance(batch, Tensor):
        return batch.float() if batch.is_floating_point() else batch
    if isinstance(batch, dict):
        return {name: _floats(value) for name, value in batch.items()}
    return tuple(map(_floats, batch)) if isinstance(batch, (tuple, list)) else batch
