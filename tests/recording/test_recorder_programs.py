"""Random programs of a training loop: after every step each recorded number is plain autograd's, or is not there.

A program is a chain of what people do between and within steps: parameters and modules are replaced, loaded, frozen,
shared, converted; groups are added; backward passes are left out, made twice, or thrown away; one program in four calls
a compiled model. The oracle never sees the recorder: before each pass it copies the model without hooks, and
differentiates the copy by torch.autograd.grad.

VANISHLAB_PROGRAMS is the number of programs, 40 where it is not set.
"""

import copy
import math
import os
from typing import Any

import hypothesis
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import vanishlab as vl

PROGRAMS = int(os.environ.get("VANISHLAB_PROGRAMS", "40"))
SEED = int(os.environ.get("VANISHLAB_PROGRAMS_SEED", "0"))
CLOSE = {torch.float64: 1e-9, torch.float32: 2e-4}  # other sums, and in float32 gradients of cancelling terms
WIDTH, CLASSES = 4, 3
PLACES = st.integers(0, 3)
COMPARED = ("gradient_norm", "bias_gradient_norm", "weight_norm", "update_ratio", "delta_rms", "activation_rms")


class Body(nn.Module):
    """Layers in a row, whose activations are modules; some may be computed under a checkpoint."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(layers)])
        self.activations = nn.ModuleList([nn.Tanh() for _ in range(layers)])
        self.readout = nn.Linear(WIDTH, CLASSES)
        self.checkpointed: set[int] = set()
        self.skipped: set[int] = set()

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.readout.weight.dtype)
        for place, (layer, activation) in enumerate(zip(self.layers, self.activations, strict=True)):
            if place in self.skipped:
                continue
            if place in self.checkpointed and torch.is_grad_enabled():
                x = checkpoint(lambda x, a=activation, b=layer: a(b(x)), x, use_reentrant=False)  # pyright: ignore
            else:
                x = activation(layer(x))
        return self.readout(x)


class Seen:
    """What copies of the model show of one step: gradients added up, and each call's z, delta and h by layer."""

    def __init__(self) -> None:
        self.gradients: dict[str, Tensor] = {}
        self.deltas: dict[str, list[Tensor]] = {}
        self.activations: dict[str, list[Tensor]] = {}


def differentiated(model: nn.Module, x: Tensor, y: Tensor, kept: int) -> tuple[dict[str, Tensor], Seen]:
    """A copy's gradients by parameter's name, and its deltas and activations, after `kept` passes over one graph."""
    twin = copy.deepcopy(model)
    for part in twin.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    body = next(part for part in twin.modules() if isinstance(part, Body))
    body.checkpointed = set()  # which changes no number
    names = {part: name for name, part in twin.named_modules()}
    z: dict[str, list[Tensor]] = {}
    h: dict[str, list[Tensor]] = {}
    for layer, activation in zip(body.layers, body.activations, strict=True):
        if isinstance(layer, nn.Linear):
            h_of = layer if type(activation) is nn.Identity else activation
            h_of.register_forward_hook(lambda *a, name=names[layer]: h.setdefault(name, []).append(a[-1].detach()))
    h_of = names[body.readout]
    body.readout.register_forward_hook(lambda *a: h.setdefault(h_of, []).append(a[-1].detach()))
    for part, name in names.items():
        if isinstance(part, nn.Linear):
            part.register_forward_hook(lambda *a, name=name: z.setdefault(name, []).append(a[-1]))
    loss = functional.cross_entropy(twin(x), y)
    own = {name: each for name, each in twin.named_parameters() if each.requires_grad}
    flat = [each for calls in z.values() for each in calls if each.requires_grad]
    seen = Seen()
    if not loss.requires_grad:
        return {}, seen
    found = torch.autograd.grad(loss, [*own.values(), *flat], allow_unused=True)
    gradients = {name: kept * g for name, g in zip(own, found, strict=False) if g is not None}
    deltas = {id(each): g for each, g in zip(flat, found[len(own) :], strict=True) if g is not None}
    for name, calls in z.items():
        seen.deltas[name] = [kept * deltas[id(each)] for each in calls if id(each) in deltas]
        seen.activations[name] = h.get(name, [])
    return gradients, seen


class Programs(RuleBasedStateMachine):
    """One program, its model, its optimizer and a recorder; `wanted` is what autograd showed of each step."""

    @initialize(
        layers=st.integers(1, 3),
        nested=st.booleans(),
        momentum=st.booleans(),
        every=st.integers(1, 2),
        seed=st.integers(0, 9),
        compiled=st.sampled_from([*["never"] * 6, "before", "within"]),
    )
    def begin(self, layers: int, nested: bool, momentum: bool, every: int, seed: int, compiled: str) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.body = Body(layers).double()
        self.model: Any = nn.Sequential(self.body) if nested else self.body
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9 if momentum else 0.0)
        self.called: Any = self.model
        if compiled == "before":
            self.compile()
        self.recorder = vl.GradientRecorder(self.model, self.optimizer, every=every)
        self.recorder.__enter__()
        if compiled == "within":
            self.compile()
        self.homes = {name: self.model.get_submodule(name) for name in self.recorder.record.layer_names}
        self.every, self.step = every, 0
        self.seen = Seen()
        self.used: dict[str, Tensor] = {}  # the weight of each layer in the last pass

    def teardown(self) -> None:
        if hasattr(self, "recorder"):
            self.recorder.__exit__(None, None, None)
            for part in self.model.modules():
                assert not part._forward_hooks and not part._forward_pre_hooks
            for each in self.model.parameters():
                assert not each._backward_hooks and not each._post_accumulate_grad_hooks

    def compile(self) -> None:
        torch._dynamo.reset()
        self.called = torch.compile(self.model, backend="eager")

    def layer(self, place: int) -> Any:
        return [*self.body.layers, self.body.readout][place % (len(self.body.layers) + 1)]

    def random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=self.body.readout.weight.dtype)

    # What is done to the model.

    @rule(place=PLACES, in_optimizer=st.booleans())
    def replace_a_parameter(self, place: int, in_optimizer: bool) -> None:
        layer = self.layer(place)
        if isinstance(layer, nn.Linear):
            layer.weight = nn.Parameter(self.random(*layer.weight.shape))
            if in_optimizer:
                self.optimizer.add_param_group({"params": [layer.weight]})

    @rule(place=PLACES)
    def replace_a_bias(self, place: int) -> None:
        layer = self.layer(place)
        if isinstance(layer, nn.Linear):
            layer.bias = nn.Parameter(self.random(*layer.bias.shape)) if layer.bias is not None else None  # pyright: ignore[reportAttributeAccessIssue]

    @rule(assign=st.booleans())
    def load(self, assign: bool) -> None:
        state = {name: self.random(*value.shape) for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(state, assign=assign)

    @rule(place=PLACES, frozen=st.booleans())
    def freeze(self, place: int, frozen: bool) -> None:
        self.layer(place).requires_grad_(not frozen)

    @rule(place=PLACES, other=PLACES)
    def share(self, place: int, other: int) -> None:
        one, two = self.layer(place), self.layer(other)
        if isinstance(one, nn.Linear) and isinstance(two, nn.Linear) and one.weight.shape == two.weight.shape:
            two.weight = one.weight

    @rule(dtype=st.sampled_from([torch.float32, torch.float64]))
    def convert(self, dtype: torch.dtype) -> None:
        self.zero_grad(to_none=True)
        self.optimizer.state.clear()
        self.model.to(dtype)

    @rule(place=PLACES, nested=st.booleans())
    def replace_a_module(self, place: int, nested: bool) -> None:
        at = place % len(self.body.layers)
        new: nn.Module = nn.Linear(WIDTH, WIDTH).to(self.body.readout.weight.dtype)
        self.body.layers[at] = nn.Sequential(new, nn.Tanh()) if nested else new

    @rule(place=PLACES)
    def put_a_module_back(self, place: int) -> None:
        at = place % len(self.body.layers)
        old = next((module for name, module in self.homes.items() if name.endswith(f"layers.{at}")), None)
        if old is not None:
            self.body.layers[at] = old.to(self.body.readout.weight.dtype)

    @rule(place=PLACES, kind=st.sampled_from([nn.Tanh, nn.ReLU, nn.Sigmoid, nn.Identity]))
    def other_activation(self, place: int, kind: type[nn.Module]) -> None:
        self.body.activations[place % len(self.body.layers)] = kind()

    @rule(place=PLACES)
    def checkpoint_or_not(self, place: int) -> None:
        self.body.checkpointed ^= {place % len(self.body.layers)}

    @rule(place=PLACES)
    def use_a_layer_or_not(self, place: int) -> None:
        self.body.skipped ^= {place % len(self.body.layers)}

    # What is done in a step.

    def forget(self) -> None:
        self.seen = Seen()

    def forget_replaced(self) -> None:
        """What earlier passes of the step sent back through a weight that is another one now went with its gradient."""
        weights = {name: self.now(name) for name in self.homes}
        for name, there in weights.items():
            if there is not None and self.used.get(name) is not there[0]:
                self.seen.deltas.pop(name, None)
                self.seen.activations.pop(name, None)
                self.used[name] = there[0]

    @rule(to_none=st.booleans())
    def zero_grad(self, to_none: bool) -> None:
        for part in (self.model, *self.homes.values()):  # of which some have been taken out, and may come back
            part.zero_grad(set_to_none=to_none)
        self.forget()

    @rule(examples=st.integers(1, 4), twice=st.booleans())
    def backward(self, examples: int, twice: bool) -> None:
        x = torch.randn(examples, WIDTH, generator=self.generator)
        y = torch.randint(CLASSES, (examples,), generator=self.generator)
        _, seen = differentiated(self.model, x, y, 1 + twice)
        self.forget_replaced()
        loss = functional.cross_entropy(self.called(x), y)
        if loss.requires_grad:
            if twice:
                loss.backward(retain_graph=True)
            loss.backward()
            for name in seen.deltas:
                self.seen.deltas.setdefault(name, []).extend(d * examples for d in seen.deltas[name])
                self.seen.activations.setdefault(name, []).extend(seen.activations[name])

    @rule()
    def forward_alone(self) -> None:
        self.model(torch.randn(2, WIDTH, generator=self.generator))

    @rule(grad=st.booleans())
    def evaluate(self, grad: bool) -> None:
        with torch.no_grad() if not grad else torch.enable_grad():
            self.model(torch.randn(2, WIDTH, generator=self.generator))

    @rule()
    def empty_batch(self) -> None:
        loss = self.model(torch.zeros(0, WIDTH)).sum()
        if loss.requires_grad:
            loss.backward()

    @rule()
    def update(self) -> None:
        recorded = self.step % self.every == 0
        before = {name: self.now(name) for name in self.homes}
        gradients = {name: each and [gradient(p) for p in each] for name, each in before.items()}
        weights = {name: each and [p.detach().clone() for p in each] for name, each in before.items()}
        self.optimizer.step()
        if recorded:
            self.compare(before, gradients, weights)
        self.step += 1
        self.forget()

    def now(self, name: str) -> list[Tensor] | None:
        """The weight and bias of a layer where it is still in its place, else None."""
        module = self.homes[name]
        try:
            there = self.model.get_submodule(name)
        except AttributeError:
            return None
        if there is not module:
            return None
        return [module.weight] + ([module.bias] if module.bias is not None else [])

    def compare(self, parameters: Any, gradients: Any, weights: Any) -> None:
        record = self.recorder.record
        close = CLOSE[self.body.readout.weight.dtype]
        for place, name in enumerate(record.layer_names):
            got = {quantity: float(getattr(record, quantity)[0, -1, place]) for quantity in COMPARED}
            wanted = dict.fromkeys(got, math.nan)
            if parameters[name] is not None:
                weight, *bias = parameters[name]
                wanted["gradient_norm"] = norm(gradients[name][0])
                wanted["bias_gradient_norm"] = norm(gradients[name][1]) if bias else math.nan
                wanted["weight_norm"] = norm(weights[name][0])
                wanted["update_ratio"] = norm(weight.detach() - weights[name][0]) / norm(weights[name][0])
                deltas, h = self.seen.deltas.get(name), self.seen.activations.get(name)
                if deltas:
                    wanted["delta_rms"] = rms(deltas)
                    wanted["activation_rms"] = rms(h or [])
            for quantity, value in got.items():
                told = f"{name} {quantity} at step {self.step}: {value} for {wanted[quantity]}"
                if math.isnan(value):
                    missing = not math.isnan(wanted[quantity]) and wanted[quantity] != 0
                    assert not missing or name in record.unmeasured, f"silently missing: {told}"
                else:
                    assert value == pytest.approx(wanted[quantity], rel=close, abs=1e-12), told


def gradient(parameter: Tensor) -> Tensor | None:
    return None if parameter.grad is None else parameter.grad.detach().clone()


def norm(tensor: Tensor | None) -> float:
    return math.nan if tensor is None else float(tensor.double().norm())


def rms(tensors: list[Tensor]) -> float:
    entries = sum(each.numel() for each in tensors)
    return (
        float(torch.cat([each.double().flatten() for each in tensors]).norm()) / entries**0.5 if entries else math.nan
    )


@pytest.mark.slow
def test_every_number_of_every_program_is_autograds_or_is_not_there() -> None:
    chosen = settings(
        max_examples=PROGRAMS,
        stateful_step_count=30,
        deadline=None,
        derandomize=SEED == 0,
        database=None,
        suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
        print_blob=False,
    )
    machine = Programs if SEED == 0 else hypothesis.seed(SEED)(Programs)
    run_state_machine_as_test(machine, settings=chosen)
