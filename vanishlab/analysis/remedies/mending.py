"""`mend(model, remedy)`: a copy of the model with one remedy's change to its modules."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from vanishlab.analysis.copies import copy_inside
from vanishlab.analysis.examine import evidence_of_batch
from vanishlab.analysis.objective import compute_loss, copied
from vanishlab.analysis.remedies import surgery
from vanishlab.errors import InputError, check_choice, first_line
from vanishlab.network.activation_modules import activation_of
from vanishlab.recording.hooks.find_layers import find_layers, unwrapped

Phi = Mapping[str, str]
Units = Mapping[str, float]
ModuleChange = Callable[[nn.Module, Phi, Units], None]

MODULE_CHANGES: dict[str, ModuleChange] = {
    "matched initialisation": lambda model, phi, units: surgery.draw_weights(model, phi),
    "activation swap: ReLU": lambda model, phi, units: surgery.swap_activations(model, phi, nn.ReLU),
    "activation swap: SELU": lambda model, phi, units: surgery.swap_activations(model, phi, nn.SELU),
    "normalisation": surgery.normalise,
    "residual connections": lambda model, phi, units: surgery.add_skips(model, learned=False),
    "scaled residual connections": lambda model, phi, units: surgery.add_skips(model, learned=True),
    "unfreezing": lambda model, phi, units: surgery.unfreeze(model),
    "wider dtype": lambda model, phi, units: surgery.widen(model),
}
"""What can be done to a model's modules, by name; each is given its layers' activations and units, by their names."""
_BY_ACTIVATION = ("matched initialisation", "activation swap: ReLU", "activation swap: SELU", "normalisation")
"""What cannot be done where these are not known."""


def mend(
    model: nn.Module,
    remedy: str,
    batch: Any = None,
    loss_fn: Callable[..., Tensor] = functional.cross_entropy,
) -> nn.Module:
    """Return a copy of `model` with the change that `remedy` names; the model itself stays as it is.

        mended = vl.mend(model, "matched initialisation")

    Which activation follows a layer is seen in a pass over `batch`, as for `examine`. Without one it is the activation
    module that comes next in the order in which modules are listed, which serves where that is the order of the pass.
    Weights are drawn from torch's generator. Of a model in DataParallel, DistributedDataParallel or torch.compile the
    one inside is copied and changed, to be wrapped again.

    Raises `InputError` for any other remedy (a learning rate is no part of a model), for a model that cannot be copied,
    where the model has no place for this one, with the reason, and where a batch is needed to know.
    """
    change = MODULE_CHANGES[check_choice("remedy", remedy, MODULE_CHANGES)]
    inside = unwrapped(model)
    if isinstance(inside, torch.jit.ScriptModule):
        find_layers(inside)  # it says what to hand over instead
    mended = copy_inside(inside)
    if batch is None:
        why = _why_a_batch(mended) if remedy in _BY_ACTIVATION else ""
        if why:
            raise InputError(f"batch must be given for {remedy!r}: {why}")
        phi, units = listed_activations(mended), {}
    else:
        evidence, _ = evidence_of_batch(inside, loss_fn, batch)
        phi, units = surgery.by_module(mended, evidence.names, evidence.phi, evidence.units.tolist())
    try:
        change(mended, phi, units)
        if batch is not None:
            check_runs(mended, loss_fn, batch)
    except surgery.NotApplicable as reason:
        raise InputError(f"model must have a place for {remedy!r}: {reason}") from None
    return mended


def check_runs(model: nn.Module, loss_fn: Callable[..., Tensor], batch: Any) -> None:
    """Raise `NotApplicable` where a changed model's `forward` fails, as one does that reads its layers' attributes."""
    with torch.random.fork_rng(), torch.no_grad():
        try:
            compute_loss(copy_inside(model), loss_fn, copied(batch))
        except Exception as error:
            raise surgery.NotApplicable(f"its forward fails then ({first_line(error)})") from error


def listed_activations(model: nn.Module) -> dict[str, str]:
    """Return each layer's activation, by the order in which the modules are listed; "" where none follows."""
    found = {layer: "" for layer, _ in _listed(model)}
    for layer, activation in _listed(model):
        known = activation_of(model.get_submodule(activation)) if activation else None
        found[layer] = found[layer] or (known.name if known is not None else "")
    return found


def _listed(model: nn.Module) -> list[tuple[str, str]]:
    """Return the layers in the order in which they are listed, each with the name of the activation that comes next.

    A layer in two places is there twice, by its first name.
    """
    found: list[tuple[str, str]] = []
    names: dict[nn.Module, str] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if activation_of(module) is not None:
            if found and not found[-1][1]:
                found[-1] = (found[-1][0], name)
        elif _has_weight(module):
            found.append((names.setdefault(module, name), ""))
    return found


def _why_a_batch(model: nn.Module) -> str:
    """Return why the order of listing does not say which activation follows a layer, "" where it does."""
    listed = _listed(model)
    if len(listed) > 1 and not any(activation for _, activation in listed):
        return "no activation module is listed behind a layer"
    for (before, bare), (layer, activation) in itertools.pairwise(listed):
        parent = activation.rpartition(".")[0]
        together = layer.rpartition(".")[0] == parent and isinstance(model.get_submodule(parent), nn.Sequential)
        embeds = isinstance(model.get_submodule(before), nn.Embedding | nn.EmbeddingBag)
        if activation and not bare and not together and not embeds and before != layer:
            return f"{activation} is listed behind {before} and {layer}, and may follow either"
    return ""


def _has_weight(module: nn.Module) -> bool:
    if parametrize.is_parametrized(module, "weight"):
        return True  # to look at it may change it: spectral norm makes an iteration each time
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and (is_lazy(weight) or weight.ndim > 1)
