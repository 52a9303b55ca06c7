"""`examine(model, loss_fn, batch) -> Diagnosis`: the verdict on any model from one batch, which leaves it as it was."""

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vanishlab.analysis.copies import copy_inside
from vanishlab.analysis.diagnosis import Diagnosis, conclude
from vanishlab.analysis.evidence import Evidence, evidence_of
from vanishlab.analysis.looks.answers import look_at_answers
from vanishlab.analysis.looks.backwards import Follow, Outputs
from vanishlab.analysis.looks.forwards import Forwards, Place, not_finite_before
from vanishlab.analysis.looks.modes import look_at_modes
from vanishlab.analysis.looks.terms import Values, terms_of
from vanishlab.analysis.looks.zero_start import after_a_step
from vanishlab.analysis.objective import compute_loss, copied
from vanishlab.analysis.probe import Probe
from vanishlab.analysis.remedies.snippets import lines_to_paste
from vanishlab.analysis.remedies.surgery import by_module
from vanishlab.analysis.rules.depth import blocked_by_zero_weights
from vanishlab.analysis.verdict import Thresholds
from vanishlab.errors import InputError
from vanishlab.language.sentences import say
from vanishlab.progress import Advance, progress_bar
from vanishlab.recording.hooks.find_layers import find_layers, unwrapped
from vanishlab.recording.hooks.held_parameters import Optimizers, as_tuple, held_parameters
from vanishlab.recording.record import Record
from vanishlab.recording.recorder import GradientRecorder


def examine(
    model: nn.Module,
    loss_fn: Callable[..., Tensor],
    batch: Any,
    *,
    optimizer: Optimizers = None,
    thresholds: Thresholds | None = None,
    progress: bool | None = None,
) -> Diagnosis:
    """Return the verdict on `model` from one forward and one backward pass, and a few forwards without gradients.

    A batch (inputs, targets) gives loss_fn(model(inputs), targets); `objective.compute_loss` says what else it may be.
    The pass is made on a copy of the model, of the one inside where it is in DataParallel, DistributedDataParallel or
    torch.compile, in the mode (train or eval) that it is in: its parameters, buffers and gradients, the batch and the
    states of the random generators are the same afterwards. Of `optimizer`, or of several, it is
    asked whether they hold the model's parameters. `progress` says whether to show a bar; None is where somebody
    watches.

    One batch shows neither a learning rate nor a history, so "diverging" and updates that are too small need a record.

    Raises `InputError` for a model without layers and for a loss that is not one number.
    """
    with progress_bar(say("examining"), progress) as advance:
        evidence, _ = evidence_of_batch(model, loss_fn, batch, advance)
        evidence = _past_zeros(evidence, model, loss_fn, batch)
        evidence = with_modes(evidence, model, loss_fn, batch)
    if optimizer is not None:
        evidence = replace(evidence, held=_held(model, optimizer, evidence.names))
    return conclude_with_code(evidence, model, thresholds)


def _past_zeros(evidence: Evidence, model: nn.Module, loss_fn: Callable[..., Tensor], batch: Any) -> Evidence:
    # Where a layer's weights are all zero, what lies before it is told after that layer's first step.
    name = blocked_by_zero_weights(evidence, evidence.tail)
    if name is None:
        return evidence
    with torch.inference_mode(False), _random_states_kept(model), contextlib.suppress(InputError):
        twin = after_a_step(model, loss_fn, batch, name)
        later = None if twin is None else evidence_of_batch(twin, loss_fn, batch)[0]
        if later is not None and blocked_by_zero_weights(later, later.tail) is None:
            first = {each: getattr(evidence, each) for each in ("loss", "answers", "exchanged_loss", "terms")}
            return replace(later, **first, zero_start=name)
    return evidence


def with_modes(evidence: Evidence, model: nn.Module, loss_fn: Callable[..., Tensor], batch: Any) -> Evidence:
    """Return the evidence with what came of the same batch again, in train and in eval mode.

    Of a model that cannot be copied, or a loss that is not finite, nothing is asked.
    """
    if not len(evidence.loss) or not np.isfinite(evidence.loss[0]):
        return evidence
    with torch.inference_mode(False), _random_states_kept(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the model has said what it has to say
        try:
            return replace(evidence, modes=look_at_modes(copy_inside(model), loss_fn, batch))
        except Exception:  # a model may be unable to run in the other mode, without gradients, or a second time
            return evidence


def conclude_with_code(evidence: Evidence, model: nn.Module, thresholds: Thresholds | None = None) -> Diagnosis:
    """Return the diagnosis of one pass through `model`, with the lines that make each remedy's change to it."""
    seen = by_module(unwrapped(model), evidence.names, evidence.phi, evidence.units.tolist())
    return replace(conclude([evidence], thresholds), code=lines_to_paste(model, *seen))


def evidence_of_batch(
    model: nn.Module, loss_fn: Callable[..., Tensor], batch: Any, advance: Advance = lambda share: None
) -> tuple[Evidence, Record]:
    """Return the evidence of one pass over `batch`, and its record of one step. Raises as `examine`.

    `advance` is told after the copy, the forward and the backward pass how far it is, by the time that each takes.
    """
    with torch.inference_mode(False), torch.enable_grad():
        with _random_states_kept(model), _copy_to_examine(model) as copied_model:
            advance(0.05)
            with GradientRecorder(copied_model) as recorder:
                outputs = Outputs(copied_model)
                try:
                    with Probe(copied_model) as probe, Values() as values:
                        found = compute_loss(copied_model, loss_fn, copied(batch))
                finally:
                    outputs.remove()
                advance(0.4)
                recorder.observe_loss(found.loss)
                terms = terms_of(found.loss, values.made, outputs.made)
                with Follow(found.loss, outputs.made) as follow:
                    if found.loss.requires_grad:
                        found.loss.backward()
                advance(0.8)
                harmed = any(not _is_finite(parameter.grad) for parameter in copied_model.parameters())
                recorder.end_step()
                record = recorder.record
            evidence = _joined(evidence_of(record, 0), probe)
            finite = bool(torch.isfinite(found.loss))
            answers = look_at_answers(found, loss_fn, batch)
        return replace(
            evidence,
            answers=answers,
            exchanged_loss=answers.exchanged,
            terms=terms,
            forwards=None if finite else _first_not_finite(model, loss_fn, batch),
            source=None if finite else not_finite_before(unwrapped(model), batch),
            # A NaN that a later operation replaces, as clamp does outside its range, reaches no weight and is no harm.
            backwards=follow.found(harmed) if finite else None,
        ), record


def _is_finite(gradient: Tensor | None) -> bool:
    if gradient is None:
        return True
    return bool(torch.isfinite(gradient.coalesce().values() if gradient.is_sparse else gradient).all())


def _first_not_finite(model: nn.Module, loss_fn: Callable[..., Tensor], batch: Any) -> Place | None:
    # A pass of its own: to look at every function takes longer than the pass, and few losses ask for it.
    with _random_states_kept(model), _copy_to_examine(model) as copied_model, Forwards(copied_model) as forwards:
        compute_loss(copied_model, loss_fn, copied(batch))
    return forwards.first or forwards.minus


def _held(model: nn.Module, optimizer: Optimizers, names: tuple[str, ...]) -> tuple[str, ...]:
    owned = set(map(id, held_parameters(as_tuple(optimizer))))
    layers, _ = find_layers(model)
    held = {layer.name: any(id(weight) in owned for weight in layer.weights) for layer in layers}
    return tuple("yes" if held[name] else "no" for name in names)


def _joined(evidence: Evidence, probe: Probe) -> Evidence:
    phi, saturated, functions = list(evidence.phi), evidence.saturated.copy(), evidence.functions.copy()
    for layer, name in enumerate(evidence.names):
        if not phi[layer] and name in probe.saturated:
            phi[layer], saturated[:, layer] = probe.saturated[name]
            functions[layer] = True
    return replace(
        evidence,
        phi=tuple(phi),
        saturated=saturated,
        functions=functions,
        absent=probe.absent(),
        through_time=evidence.through_time | probe.through_time,
        sharp={
            tuple(name for name in evidence.names if _within(name, layers)): share
            for layers, share in probe.sharp.items()
        },
    )


def _within(name: str, layers: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{layer}.") for layer in layers)


@contextlib.contextmanager
def _copy_to_examine(model: nn.Module) -> Iterator[nn.Module]:
    """Give a copy of the model; where it cannot be copied, the model itself, put back afterwards."""
    try:
        twin = copy_inside(model)
    except InputError:
        model = unwrapped(model)
    else:
        yield twin
        return
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    values = [(tensor, tensor.detach().clone()) for tensor in [*model.parameters(), *model.buffers()]]
    modes = [(module, module.training) for module in model.modules()]
    try:
        for parameter, _ in gradients:
            parameter.grad = None
        yield model
    finally:
        with torch.no_grad():
            for tensor, value in values:
                if not torch.equal(tensor, value):
                    tensor.copy_(value)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def _random_states_kept(model: nn.Module) -> Iterator[None]:
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002, the global one is what a model may use
    try:
        with torch.random.fork_rng(devices=[device.index for device in devices]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
