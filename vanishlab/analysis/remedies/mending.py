"""`mend(model, remedy)`: a copy of the model with one remedy's change to its modules."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

from vanishlab.analysis.examine import evidence_of_batch
from vanishlab.analysis.remedies import surgery
from vanishlab.errors import InputError, check_choice
from vanishlab.network.activation_modules import activation_of

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
    Weights are drawn from torch's generator.

    Raises `InputError` for any other remedy (a learning rate is no part of a model), and where the model has no place
    for this one, with the reason.
    """
    change = MODULE_CHANGES[check_choice("remedy", remedy, MODULE_CHANGES)]
    mended = copy.deepcopy(model)
    phi, units = listed_activations(model), {}
    if batch is not None:
        evidence, _ = evidence_of_batch(model, loss_fn, batch)
        phi = dict(zip(evidence.names, evidence.phi, strict=True))
        units = dict(zip(evidence.names, evidence.units.tolist(), strict=True))
    try:
        change(mended, phi, units)
    except surgery.NotApplicable as reason:
        raise InputError(f"model must have a place for {remedy!r}: {reason}") from None
    return mended


def listed_activations(model: nn.Module) -> dict[str, str]:
    """Return each layer's activation, by the order in which the modules are listed; "" where none follows."""
    found: dict[str, str] = {}
    last = ""
    for name, module in model.named_modules():
        activation = activation_of(module)
        if activation is not None and last:
            found[last] = found[last] or activation.name
        elif isinstance(weight := getattr(module, "weight", None), Tensor) and (is_lazy(weight) or weight.ndim > 1):
            found[name] = ""
            last = name
    return found
