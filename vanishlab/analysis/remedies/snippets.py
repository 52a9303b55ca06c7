"""The lines that make a remedy's change to one model, to be pasted where `model`, `optimizer` and `loss` are known.

What `surgery` does to a copy is written out here, layer by layer, from the same plan.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping

from torch import nn

from vanishlab.analysis.remedies import surgery
from vanishlab.recording.hooks.find_layers import unwrapped, way_inside

_COLUMNS = 76
_BEFORE = "# before the optimizer is made, which has to hold the new parameters"
_RESIDUAL = """\
class Residual(nn.Module):
    def __init__(self, *branch):
        super().__init__()
        self.branch = nn.Sequential(*branch){scale}

    def forward(self, h):
        return h + {factor}self.branch(h)
"""
OF_THE_LOOP = {
    "smaller learning rate": 'for group in optimizer.param_groups:\n    group["lr"] /= 10',
    "larger learning rate": 'for group in optimizer.param_groups:\n    group["lr"] *= 10',
    "warm-up": "# call warm_up.step() after each optimizer.step()\n"
    "warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=10)",
    "clipping": "# between loss.backward() and optimizer.step()\n"
    "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
}
"""Remedy to the lines that change the training loop, which are the same for every model."""


_SCALED = """\
# once, and in place of loss.backward() and optimizer.step():
scaler = torch.amp.GradScaler(next(model.parameters()).device.type)
scaler.scale(loss).backward()
scaler.step(optimizer)
scaler.update()"""


def lines_to_paste(model: nn.Module, phi: Mapping[str, str], units: Mapping[str, float]) -> dict[str, str]:
    """Return for each automatic remedy that has a place in `model` the lines that make its change.

    `phi` and `units` are the activation and the number of units of each layer, by the names of modules in the model
    inside its wrappers. What changes the modules begins with the line that takes it out of them.
    """
    way, model = way_inside(model), unwrapped(model)
    writers: dict[str, Callable[[], str]] = {
        "matched initialisation": lambda: _draws(surgery.weight_draws(model, phi), model),
        "activation swap": lambda: _swap(model, phi, nn.ReLU()),
        "normalisation": lambda: _norms(surgery.norms_to_add(model, phi, units), model),
        "residual connections": lambda: _skips(surgery.skips_to_add(model), model, learned=False),
        "scaled residual connections": lambda: _skips(surgery.skips_to_add(model), model, learned=True),
        "unfreezing": lambda: _each(surgery.frozen_parameters(model), "model.get_parameter(name).requires_grad_(True)"),
        "wider dtype": lambda: _wider(model),
    }
    opening = f"model = {'.'.join(('model', *way))}  # wrap it again afterwards\n" if way else ""
    found = {}
    for name, write in writers.items():
        with contextlib.suppress(surgery.NotApplicable):
            found[name] = opening + write()
    return found | ({"loss scaling": _SCALED} if surgery.is_half(model) else {}) | OF_THE_LOOP


def _draws(draws: Iterable[surgery.Draw], model: nn.Module) -> str:
    def alike(draw: surgery.Draw) -> tuple[bool, float, bool, bool]:
        bias = getattr(model.get_submodule(draw.layer), "bias", None) is not None
        return draw.orthogonal, draw.size, draw.assigned, bias

    lines = []
    for (orthogonal, size, assigned, bias), group in itertools.groupby(draws, alike):
        how = f"orthogonal_({{weight}}, gain={size:.6g})" if orthogonal else f"normal_({{weight}}, std={size:.6g})"
        drawn = "nn.init." + how.format(weight="torch.empty_like(layer.weight)" if assigned else "layer.weight")
        body = ["layer = model.get_submodule(name)", f"layer.weight = {drawn}" if assigned else drawn]
        lines.append(_each([draw.layer for draw in group], *body, *["nn.init.zeros_(layer.bias)"] * bias))
    return "\n".join(lines)


def _swap(model: nn.Module, phi: Mapping[str, str], new: nn.Module) -> str:
    old = surgery.activations_to_swap(model, new)
    swapped = _each(old, f"model.set_submodule(name, nn.{type(new).__name__}())")
    return f"{swapped}\n{_draws(surgery.weight_draws(model, surgery.phi_after_swap(phi, new)), model)}"


def _norms(norms: Mapping[str, nn.Module], model: nn.Module) -> str:
    def written(norm: nn.Module) -> str:
        features = norm.normalized_shape[0] if isinstance(norm, nn.LayerNorm) else norm.num_features
        return f"nn.{type(norm).__name__}({features})"

    lines = [_BEFORE]
    for norm, group in itertools.groupby(norms, lambda name: written(norms[name])):
        names = list(group)
        put = f"model.set_submodule(name, nn.Sequential(layer, {norm}))"
        lines.append(_each(names, "layer = model.get_submodule(name)", put))
        for name in names:
            if others := surgery.places_of(model, name)[1:]:  # the same layer has other names
                lines.append(_each(others, f"model.set_submodule(name, model.get_submodule({name!r}))"))
    return "\n".join(lines)


def _skips(skips: Mapping[str, list[int]], model: nn.Module, *, learned: bool) -> str:
    scale = "\n        self.scale = nn.Parameter(torch.zeros(()))" if learned else ""
    lines = [_BEFORE] * learned + [_RESIDUAL.format(scale=scale, factor="self.scale * " if learned else "")]
    for name, starts in skips.items():
        sequence = model.get_submodule(name)
        assert isinstance(sequence, nn.Sequential)
        places = [place for place in range(len(sequence)) if place - 1 not in starts]
        parts = [f"Residual(parts[{at}], parts[{at + 1}])" if at in starts else f"parts[{at}]" for at in places]
        lines += [
            f"sequence = model.get_submodule({name!r})" if name else "sequence = model",
            "parts = list(sequence)",
            "del sequence[:]",
            f"sequence.extend([{_wrapped(parts)}])",
        ]
    return "\n".join(lines)


def _wider(model: nn.Module) -> str:
    if not surgery.is_half(model):
        raise surgery.NotApplicable("it computes in float32 or float64")
    return "model.float()  # and the inputs: x.float()"


def _each(names: list[str], *body: str) -> str:
    head = f"for name in ({_wrapped([repr(name) for name in names])}{',' * (len(names) == 1)}):"
    return "\n".join([head, *(f"    {line}" for line in body)])


def _wrapped(parts: list[str]) -> str:
    if sum(map(len, parts)) + 2 * len(parts) <= _COLUMNS - 40:
        return ", ".join(parts)
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1]) + len(part) > _COLUMNS:
            lines.append("")
        lines[-1] += f" {part}," if lines[-1] else f"    {part},"
    return "\n" + "\n".join(lines) + "\n"
