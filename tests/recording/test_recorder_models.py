"""`GradientRecorder` on models of every kind, in float64 against plain autograd on a copy of the model."""

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from comparison import assert_same_bits, state_of
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import vanishlab as vl
from vanishlab.recording import reasons

CLOSE = 1e-10  # float64, the same sums in another order
Loss = Callable[[Any], Tensor]


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return build().double()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def recorded(model: nn.Module, loss: Loss, steps: int = 1, **options: Any) -> vl.Record:
    """Train `model` by SGD with the recorder on."""
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.1)
    with vl.GradientRecorder(model, optimizer, **options) as recorder:
        for _ in range(steps):
            optimizer.zero_grad()
            loss(model).backward()
            optimizer.step()
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
    return recorder.record


def value(record: vl.Record, quantity: str, name: str, step: int = 0) -> float:
    return float(getattr(record, quantity)[0, step, record.layer_names.index(name)])


def assert_gradients(record: vl.Record, model: nn.Module, loss: Loss, weights: dict[str, str]) -> None:
    """Norms of gradients and weights, by layer name and parameter name, on `model` as it was before the step."""
    twin = copy.deepcopy(model)
    loss(twin).backward()
    for name, key in weights.items():
        parameter = twin.get_parameter(key)
        assert parameter.grad is not None
        expected = {"gradient_norm": parameter.grad.norm(), "weight_norm": parameter.detach().norm()}
        expected |= {"applied_gradient_norm": parameter.grad.norm()}
        expected |= {"update_ratio": 0.1 * parameter.grad.norm() / parameter.detach().norm()}
        for quantity, wanted in expected.items():
            # The update is a difference of weights, in which digits cancel.
            close = 1e-6 if quantity == "update_ratio" else CLOSE
            assert value(record, quantity, name) == pytest.approx(float(wanted), rel=close), quantity


def rms(tensor: Tensor) -> float:
    return float(tensor.detach().square().mean().sqrt())


# Every parameter is accounted for, and layers are chosen.


class Odd(nn.Module):
    """A module with parameters of its own beside layers."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.ones(4, 5))
        self.scale = nn.Parameter(torch.ones(5))
        self.first, self.norm, self.last = nn.Linear(5, 5), nn.LayerNorm(5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x + self.position)) * self.scale)


def test_what_is_no_layer_is_named_and_can_be_chosen() -> None:
    model = seeded(Odd)
    x = drawn(3, 4, 5)
    start = copy.deepcopy(model)

    def loss(model: Any) -> Tensor:
        return model(x).square().mean()

    record = recorded(model, loss)
    assert record.layer_names == ("first", "last")
    assert record.unmeasured == dict.fromkeys(("position", "scale", "norm"), reasons.NOT_A_LAYER)
    record = recorded(copy.deepcopy(start), loss, layers=("position", nn.LayerNorm, "l*"))
    assert record.layer_names == ("position", "norm", "last") and record.unmeasured == {
        "position": reasons.OWN_PARAMETER
    }
    assert_gradients(record, start, loss, {"position": "position", "norm": "norm.weight", "last": "last.weight"})
    assert np.isnan(value(record, "delta_rms", "position")) and value(record, "delta_rms", "norm") > 0
    assert np.isfinite(record.first_last_ratio()).all()  # from the first layer that has a delta


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("0", ("0",)),
        ("encoder.*", ("encoder.0", "encoder.2")),
        (nn.Conv2d, ("encoder.0",)),
        ((nn.Conv2d, "hea?"), ("encoder.0", "head")),
        ([nn.Module], ("0", "encoder.0", "encoder.2", "head")),
    ],
    ids=str,
)
def test_layers_are_chosen_by_name_or_type(layers: Any, expected: tuple[str, ...]) -> None:
    model = nn.Module()
    model.add_module("0", nn.Linear(2, 2))
    model.add_module("encoder", nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Linear(2, 2)))
    model.add_module("head", nn.Linear(2, 2))
    assert vl.GradientRecorder(model, layers=layers).record.layer_names == expected


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("encodr", "layers must match the name of a layer, such as '0', '2', got 'encodr'"),
        (nn.Conv2d, "layers must be types of modules with parameters in the model, got Conv2d"),
        (3, "layers must be names, types of modules or several of them, got 3"),
        ((), "layers must name at least one layer, got none"),
    ],
    ids=str,
)
def test_a_choice_that_names_no_layer_is_refused(layers: Any, message: str) -> None:
    with pytest.raises(vl.InputError, match=f"^{message}"):
        vl.GradientRecorder(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)), layers=layers)


def test_a_stack_of_the_labs_own_networks_can_be_chosen_from_too() -> None:
    mlp = vl.MLP(vl.NetworkConfig(depth=3, width=4), 5, 2, (0, 1))
    with vl.GradientRecorder(mlp, layers="readout") as recorder:
        mlp(torch.ones(3, 5)).sum().backward()
        recorder.end_step()
    assert recorder.record.layer_names == ("readout",) and recorder.record.gradient_norm.shape == (2, 1, 1)


def test_a_model_with_parameters_that_do_not_exist_yet_is_refused() -> None:
    with pytest.raises(vl.InputError, match=r"^model must have been called once before .*, 0.weight is not init"):
        vl.GradientRecorder(nn.Sequential(nn.LazyLinear(3)))


# Attention.


ATTENTION = {
    "packed": {},
    "unpacked": {"kdim": 3, "vdim": 5},
    "no bias": {"bias": False, "add_bias_kv": True},
    "time first": {"batch_first": False},
}


@pytest.mark.parametrize("need_weights", [True, False], ids=["weights", "fused"])
@pytest.mark.parametrize("across", [False, True], ids=["self", "across"])
@pytest.mark.parametrize("kind", ATTENTION)
def test_attention(kind: str, across: bool, need_weights: bool) -> None:
    options = {"batch_first": True} | ATTENTION[kind]
    attention: Any = seeded(lambda: nn.MultiheadAttention(4, 2, **options))
    start = copy.deepcopy(attention)
    q = drawn(3, 6, 4)
    k, v = (drawn(3, 5, options.get(key, 4), seed=place) for place, key in ((1, "kdim"), (2, "vdim")))
    if kind != "unpacked" and not across:
        k = v = q
    if kind == "time first":
        q, k, v = (each.transpose(0, 1).contiguous() for each in (q, k, v))
        k, v = (q, q) if not across else (k, v)
    target = drawn(*q.shape, seed=3)

    def loss(model: Any) -> Tensor:
        return (model(q, k, value=v, need_weights=need_weights)[0] - target).square().mean()

    record = recorded(attention, loss)
    inner = [key for key in record.layer_names if key != "out_proj"]
    assert inner == (["q_proj_weight", "k_proj_weight", "v_proj_weight"] if kind == "unpacked" else ["in_proj_weight"])
    assert_gradients(record, start, loss, {key: key for key in inner} | {"out_proj": "out_proj.weight"})
    # The same attention, its projections written out, so that autograd can be asked for each.
    twin = copy.deepcopy(start)
    weights = twin.in_proj_weight.chunk(3) if twin.in_proj_weight is not None else [getattr(twin, key) for key in inner]
    biases = [None] * 3 if twin.in_proj_bias is None else twin.in_proj_bias.chunk(3)
    projected = [
        functional.linear(each, weight, bias) for each, weight, bias in zip((q, k, v), weights, biases, strict=True)
    ]
    heads = [each if options["batch_first"] else each.transpose(0, 1) for each in projected]
    if twin.bias_k is not None:
        heads[1:] = [
            torch.cat([each, bias.expand(3, 1, 4)], 1)
            for each, bias in zip(heads[1:], (twin.bias_k, twin.bias_v), strict=True)
        ]
    split = [each.unflatten(2, (2, 2)).transpose(1, 2) for each in heads]
    mixed = functional.scaled_dot_product_attention(split[0], split[1], split[2]).transpose(1, 2).flatten(2)
    out = functional.linear(mixed, twin.out_proj.weight, twin.out_proj.bias)
    wanted = target if options["batch_first"] else target.transpose(0, 1)
    *deltas, last = torch.autograd.grad((out - wanted).square().mean(), [*projected, out])
    assert value(record, "delta_rms", "out_proj") == pytest.approx(3 * rms(last), rel=CLOSE)
    assert value(record, "activation_rms", "out_proj") == pytest.approx(rms(out), rel=CLOSE)
    expected = (
        [3 * rms(each) for each in deltas]
        if kind == "unpacked"
        else [3 * rms(torch.cat([each.flatten() for each in deltas]))]
    )
    for name, delta in zip(inner, expected, strict=True):
        assert value(record, "delta_rms", name) == pytest.approx(delta, rel=CLOSE)
        assert np.isnan(value(record, "activation_rms", name)) and record.unmeasured[name] == reasons.NO_ACTIVATION


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_transformer_counts_its_examples_where_they_are(batch_first: bool) -> None:
    def build() -> nn.Module:
        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=batch_first)
        return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    model: Any = seeded(build)
    start, x = copy.deepcopy(model), drawn(3, 6, 4)
    record = recorded(model, lambda model: model(x if batch_first else x.transpose(0, 1)).square().mean())
    assert record.layer_names[:4] == tuple(
        f"layers.0.{name}" for name in ("self_attn.in_proj_weight", "self_attn.out_proj", "linear1", "linear2")
    )
    hidden: list[Tensor] = []
    start.layers[1].linear1.register_forward_hook(lambda module, inputs, z: hidden.append(z))
    out = start(x if batch_first else x.transpose(0, 1)).square().mean()
    (delta,) = torch.autograd.grad(out, hidden)
    assert value(record, "delta_rms", "layers.1.linear1") == pytest.approx(3 * rms(delta), rel=CLOSE)
    assert np.isfinite(record.delta_rms).all()
    # In the order of their calls; decay is read along it.
    assert [record.facts[name].place for name in record.layer_names] == list(range(8))


def test_an_evaluation_of_a_transformer_has_its_values_and_leaves_no_trace() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
    model: Any = seeded(lambda: nn.TransformerEncoder(layer, 2)).eval()
    x = drawn(3, 6, 4)
    with torch.no_grad():
        fast = model(x)
    with vl.GradientRecorder(model) as recorder, torch.no_grad():
        slow = model(x)
        recorder.end_step()
    torch.testing.assert_close(slow, fast, rtol=1e-12, atol=1e-12)  # another path through the same sums
    assert set(recorder.record.unmeasured.values()) <= {reasons.NO_AUTOGRAD, reasons.NOT_A_LAYER}


# Recurrent layers.


class Loop(nn.Module):
    """A recurrent module, its cells called one after the other: what torch's fused kernels compute."""

    def __init__(self, fused: Any) -> None:
        super().__init__()
        self.fused = fused
        self.directions = 2 if fused.bidirectional else 1

    def forward(self, x: Tensor, given: list[Tensor] | None) -> tuple[Tensor, list[list[Tensor]], list[list[Tensor]]]:
        """x (time, batch, feature): the outputs, the last states and every h by layer and direction."""
        steps, lasts = [], []
        self.states: list[list[list[Tensor]]] = []  # h, and an LSTM's c, by layer and direction and time
        self.slopes: list[list[tuple[Tensor, ...]]] = []  # of each gate over its largest one, likewise
        inputs = list(x)
        for layer in range(self.fused.num_layers):
            outputs = []
            for direction in range(self.directions):
                suffix = f"_l{layer}" + ("_reverse" if direction else "")
                names = [f"{kind}_{part}{suffix}" for kind in ("weight", "bias") for part in ("ih", "hh")]
                weights = [getattr(self.fused, name, None) for name in names]
                width = self.fused.hidden_size
                place = layer * self.directions + direction
                state = [each[place] for each in given] if given else [x.new_zeros(x.shape[1], width)] * 2
                hidden = []
                self.states.append([])
                self.slopes.append([])
                for each in reversed(inputs) if direction else inputs:
                    state = self.cell(each, state, *weights)
                    hidden.append(state[0])
                    self.states[-1].append(state[: 2 if self.fused.mode == "LSTM" else 1])
                steps.append(hidden)
                lasts.append(state)
                outputs.append(hidden[::-1] if direction else hidden)
            inputs = [torch.cat(each, 1) for each in zip(*outputs, strict=True)]
        return torch.stack(inputs), lasts, steps

    def cell(self, x: Tensor, state: list[Tensor], *weights: Any) -> list[Tensor]:
        w_ih, w_hh, b_ih, b_hh = weights
        a, b = functional.linear(x, w_ih, b_ih), functional.linear(state[0], w_hh, b_hh)
        if self.fused.mode == "LSTM":
            i, f, g, o = (a + b).chunk(4, 1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            self.slopes[-1].append((4 * i * (1 - i), 4 * f * (1 - f), 1 - g * g, 4 * o * (1 - o)))
            c = f * state[1] + i * g
            return [o * c.tanh(), c]
        if self.fused.mode == "GRU":
            (ar, az, an), (br, bz, bn) = a.chunk(3, 1), b.chunk(3, 1)
            r, z = (ar + br).sigmoid(), (az + bz).sigmoid()
            n = (an + r * bn).tanh()
            self.slopes[-1].append((4 * r * (1 - r), 4 * z * (1 - z), 1 - n * n))
            return [(1 - z) * n + z * state[0]]
        if self.fused.mode == "RNN_RELU":
            return [(a + b).relu()]
        self.slopes[-1].append((1 - (a + b).tanh() ** 2,))
        return [(a + b).tanh()]

    def flat_share(self, place: int) -> float:
        """The share of slopes below 1 % of the largest, over all gates; NaN where there are none."""
        slopes = [gate for step in self.slopes[place] for gate in step]
        return float((torch.stack(slopes) < 0.01).double().mean()) if slopes else math.nan


RECURRENT = {
    "RNN": functools.partial(nn.RNN, 3, 4),
    "RNN of ReLU": functools.partial(nn.RNN, 3, 4, nonlinearity="relu"),
    "GRU": functools.partial(nn.GRU, 3, 4, num_layers=2, dropout=0.0, batch_first=True),
    "LSTM": functools.partial(nn.LSTM, 3, 4, num_layers=2, bidirectional=True),
    "LSTM without bias": functools.partial(nn.LSTM, 3, 4, bias=False, batch_first=True),
}


@pytest.mark.parametrize("given", [False, True], ids=["from zero", "from a state"])
@pytest.mark.parametrize("kind", RECURRENT)
def test_fused_recurrent_layers_show_delta_through_time(kind: str, given: bool) -> None:
    fused: Any = seeded(RECURRENT[kind])
    with torch.no_grad():
        for name, weight in fused.named_parameters():
            if "weight_ih" in name:
                weight.mul_(9.0)  # so that some gates are shut
    start, x = copy.deepcopy(fused), drawn(6, 5, 3)  # (time, batch, feature)
    places = fused.num_layers * (2 if fused.bidirectional else 1)
    states = [drawn(places, 5, 4, seed=seed) for seed in (1, 2)][: 2 if fused.mode == "LSTM" else 1]
    goal = drawn(6, 5, 4 * (2 if fused.bidirectional else 1), seed=3)

    def total(output: Tensor, h: Tensor) -> Tensor:
        return (output - goal).square().mean() + h.cos().mean()

    def loss(model: Any) -> Tensor:
        hx = (states[0] if len(states) == 1 else tuple(states)) if given else None
        output, last = model(x.transpose(0, 1) if model.batch_first else x, hx)
        return total(output.transpose(0, 1) if model.batch_first else output, last if fused.mode != "LSTM" else last[1])

    record = recorded(fused, loss)
    assert_gradients(record, start, loss, {name: name for name in record.layer_names})
    loop = Loop(start)
    output, lasts, steps = loop(x, states if given else None)
    expected = total(output, torch.stack([last[-1 if fused.mode == "LSTM" else 0] for last in lasts]))
    assert len(record.layer_names) == 2 * places
    for place, hidden in enumerate(steps):
        deltas = torch.autograd.grad(expected, hidden, retain_graph=True)
        ends = [loop.states[place][time] for time in (0, -1)]
        first, last = (torch.stack(torch.autograd.grad(expected, state, retain_graph=True)) for state in ends)
        for name in record.layer_names[2 * place : 2 * place + 2]:
            assert value(record, "delta_rms", name) == pytest.approx(5 * rms(torch.stack(deltas)), rel=CLOSE)
            assert value(record, "time_ratio", name) == pytest.approx(rms(first) / rms(last), rel=CLOSE)
            assert value(record, "activation_rms", name) == pytest.approx(rms(torch.stack(hidden)), rel=CLOSE)
            share = loop.flat_share(place)
            assert value(record, "saturated_fraction", name) == pytest.approx(share, nan_ok=True)
            assert math.isnan(share) or 0.01 < share < 0.99  # a share that says something
    assert record.unmeasured == {}


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_cells_in_a_loop_show_the_same_as_the_fused_layer(cell: Any) -> None:
    class Unrolled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            state, outputs = None, []
            for each in x:
                state = self.cell(each, state)
                outputs.append(state[0] if isinstance(state, tuple) else state)
            return torch.stack(outputs)

    unrolled: Any = seeded(Unrolled)
    unrolled.cell.weight_ih.data *= 9.0  # so that some gates are shut
    fused = {nn.RNNCell: nn.RNN, nn.GRUCell: nn.GRU, nn.LSTMCell: nn.LSTM}[cell](3, 4).double()
    fused.load_state_dict({f"{key}_l0": value for key, value in unrolled.cell.state_dict().items()})
    x, goal = drawn(7, 5, 3), drawn(7, 5, 4, seed=1)
    by_cell = recorded(unrolled, lambda model: (model(x) - goal).square().mean())
    by_layer = recorded(fused, lambda model: (model(x)[0] - goal).square().mean())
    assert by_cell.layer_names == ("cell.weight_ih", "cell.weight_hh")
    for quantity in (
        "gradient_norm",
        "bias_gradient_norm",
        "delta_rms",
        "activation_rms",
        "time_ratio",
        "update_ratio",
        "saturated_fraction",
    ):
        np.testing.assert_allclose(getattr(by_cell, quantity), getattr(by_layer, quantity), rtol=1e-7, err_msg=quantity)
    assert (by_cell.time_ratio != 1).all() and (by_cell.saturated_fraction > 0.01).all()


def test_an_example_alone_and_a_batch_of_one_are_the_same_to_a_recurrent_layer() -> None:
    records = []
    for x in (drawn(6, 3), drawn(6, 3)[:, None]):
        model: Any = seeded(lambda: nn.LSTM(3, 4))
        records.append(recorded(model, lambda model, x=x: model(x)[0].square().sum()))
    for quantity in ("delta_rms", "time_ratio", "activation_rms", "gradient_norm"):
        np.testing.assert_allclose(getattr(records[0], quantity), getattr(records[1], quantity), rtol=CLOSE)


@pytest.mark.parametrize("why", ["packed", "dropout", "projected"])
def test_recurrent_layers_that_cannot_be_recomputed_say_why(why: str) -> None:
    options: dict[str, Any] = {"dropout": {"num_layers": 2, "dropout": 0.5}, "projected": {"proj_size": 2}}.get(why, {})
    model: Any = seeded(lambda: nn.LSTM(3, 4, **options))
    x = drawn(6, 5, 3)

    def loss(model: Any) -> Tensor:
        if why == "packed":
            packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([6, 5, 5, 3, 1]))
            return model(packed)[0].data.square().mean()
        return model(x)[0].square().mean()

    record = recorded(model, loss)
    wanted = {"packed": reasons.PACKED, "dropout": reasons.DROPOUT, "projected": reasons.PROJECTED}[why]
    assert set(record.unmeasured) == set(record.layer_names) and set(record.unmeasured.values()) == {wanted}
    assert (record.gradient_norm > 0).all() and np.isnan(record.delta_rms).all() and np.isnan(record.time_ratio).all()


def test_a_step_inside_the_backward_pass_takes_the_gradient_away_and_changes_the_weights() -> None:
    model: Any = seeded(lambda: nn.ModuleDict({"rnn": nn.RNN(3, 4), "head": nn.Linear(4, 2)}))

    def step(parameter: Tensor) -> None:
        with torch.no_grad():
            parameter -= 0.1 * parameter.grad  # pyright: ignore[reportOperatorIssue]
        parameter.grad = None

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    with vl.GradientRecorder(model) as recorder:
        model["head"](model["rnn"](drawn(6, 5, 3))[0]).square().mean().backward()
        recorder.end_step()
    record = recorder.record
    assert set(record.unmeasured.values()) == {reasons.NOT_ACCUMULATED} and len(record.unmeasured) == 3
    assert np.isnan(record.gradient_norm).all() and np.isnan(record.delta_rms[0, 0]).tolist() == [True, True, False]


# Reparametrised, shared, unused.


def test_a_parametrised_weight_stands_for_its_originals() -> None:
    model = seeded(lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(5, 4)), nn.Tanh(), nn.Linear(4, 3)))
    twin, x = copy.deepcopy(model), drawn(6, 5)
    record = recorded(model, lambda model: model(x).square().mean())
    assert record.layer_names == ("0", "2") and record.unmeasured == {}
    hidden: list[Tensor] = []
    twin[0].register_forward_hook(lambda module, inputs, z: hidden.append(z))  # pyright: ignore
    twin(x).square().mean().backward(retain_graph=True)
    originals = [each for name, each in twin.named_parameters() if "original" in name]
    together = torch.stack([each.grad.norm() for each in originals]).norm()  # pyright: ignore
    assert len(originals) == 2 and value(record, "gradient_norm", "0") == pytest.approx(float(together), rel=CLOSE)
    (delta,) = torch.autograd.grad(twin(x).square().mean(), hidden[-1:])
    assert value(record, "delta_rms", "0") == pytest.approx(6 * rms(delta), rel=CLOSE)


class Branches(nn.Module):
    """Every way in which a layer can go without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        names = ("frozen", "detached", "left_out", "unused", "blind", "used")
        self.layers = nn.ModuleDict({name: nn.Linear(5, 5) for name in names})
        self.layers["frozen"].requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers["frozen"](x)
        x = self.layers["detached"](x).detach()
        self.layers["left_out"](x)
        with torch.no_grad():
            x = x + self.layers["blind"](x)
        return self.layers["used"](x)


def test_layers_without_a_gradient_are_told_apart() -> None:
    record = recorded(seeded(Branches), lambda model: model(drawn(4, 5)).square().mean(), steps=2)
    assert record.unmeasured == {
        "layers.frozen": reasons.FROZEN,
        "layers.detached": reasons.DETACHED,
        "layers.left_out": reasons.DETACHED,
        "layers.unused": reasons.UNUSED,
        "layers.blind": reasons.NO_AUTOGRAD,
    }
    assert set(record.gradient_state[0, :, :5].ravel()) == {"none"}
    assert np.isfinite(record.gradient_norm[0, :, 5]).all()


class Direct(nn.Module):
    """A tied readout that uses another layer's weight, and a layer whose forward is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.mixer = nn.Embedding(7, 5), nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.linear(self.embedding(x), self.mixer.weight, self.mixer.bias).tanh()
        return functional.linear(h, self.embedding.weight)


def test_a_weight_that_is_used_directly_has_a_gradient_and_says_why_it_has_no_delta() -> None:
    model = seeded(Direct)
    start, x = copy.deepcopy(model), torch.tensor([[1, 2], [3, 3]])
    record = recorded(model, lambda model: model(x).square().mean())
    assert_gradients(
        record,
        start,
        lambda model: model(x).square().mean(),
        {"embedding": "embedding.weight", "mixer": "mixer.weight"},
    )
    assert record.unmeasured == {"mixer": reasons.NOT_CALLED} and value(record, "delta_rms", "embedding") > 0


class Structured(nn.Module):
    """A layer that returns more than a tensor."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.matrix = nn.Parameter(torch.randn(5, 5))
        self.shift = nn.Parameter(torch.randn(5))

    def forward(self, x: Tensor) -> Any:
        z = x @ self.matrix + self.shift
        count = torch.tensor(len(x))
        return {"tuple": (count, z), "dict": {"count": count, "z": z}, "list": [[count], z], "none": None}[self.kind]


@pytest.mark.parametrize("kind", ["tuple", "dict", "list"])
def test_modules_that_return_several_things(kind: str) -> None:
    model = seeded(lambda: nn.Sequential(Structured(kind)))
    x = drawn(4, 5)

    def unpack(output: Any) -> Tensor:
        return output["z"] if kind == "dict" else output[1]

    record = recorded(model, lambda model: unpack(model(x)).pow(3).mean())
    assert record.layer_names == ("0",) and record.unmeasured == {}
    twin = seeded(lambda: nn.Sequential(Structured(kind)))
    z = unpack(twin(x))
    (delta,) = torch.autograd.grad(z.pow(3).mean(), z)
    assert value(record, "delta_rms", "0") == pytest.approx(4 * rms(delta), rel=CLOSE)
    assert value(record, "bias_gradient_norm", "0") == pytest.approx(float(delta.sum(0).norm()), rel=CLOSE)


def test_a_convolution_of_one_image_without_a_batch_axis_is_one_example() -> None:
    records = []
    for x in (drawn(2, 6, 6), drawn(1, 2, 6, 6)):
        model = seeded(lambda: nn.Conv2d(2, 3, 3))
        records.append(recorded(model, lambda model, x=x: model(x.reshape(x.shape)).square().sum()))
    for quantity in ("delta_rms", "activation_rms", "saturated_fraction"):
        np.testing.assert_allclose(getattr(records[0], quantity), getattr(records[1], quantity), rtol=CLOSE)


@pytest.mark.parametrize("batch_axis", [0, 1])
def test_the_axis_of_examples_can_be_given(batch_axis: int) -> None:
    model = seeded(lambda: nn.Linear(5, 4))
    start, x = copy.deepcopy(model), drawn(3, 7, 5)
    record = recorded(model, lambda model: model(x).square().mean(), batch_axis=batch_axis)
    z = start(x)
    (delta,) = torch.autograd.grad(z.square().mean(), z)
    assert value(record, "delta_rms", "Linear") == pytest.approx(x.shape[batch_axis] * rms(delta), rel=CLOSE)


# Not a bit of the training changes.


class Words(nn.Module):
    """Embedding, attention, convolution, recurrence, every normalisation and dropout, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True)
        self.convolution = nn.Sequential(nn.Conv1d(8, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(inplace=True))
        self.recurrent = nn.LSTM(8, 6, num_layers=2, batch_first=True, bidirectional=True)
        self.cell = nn.GRUCell(12, 6)
        self.head = nn.Sequential(nn.GroupNorm(2, 6), nn.Dropout(0.2), parametrizations.spectral_norm(nn.Linear(6, 3)))

    def forward(self, x: Tensor) -> Tensor:
        h = self.encoder(self.embedding(x))
        h = self.recurrent(self.convolution(h.transpose(1, 2)).transpose(1, 2))[0]
        state = None
        for each in h.unbind(1):
            state = self.cell(each, state)
        return self.head(state)


@pytest.mark.parametrize("kind", ["SGD", "AdamW", "LBFGS"])
def test_recording_changes_no_bit_whatever_the_layers(kind: str) -> None:
    states, records = [], []
    for every in (None, 1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(7)
            model = Words()
            optimizer: Any = getattr(torch.optim, kind)(model.parameters(), lr=0.05)
            recorder = vl.GradientRecorder(model, optimizer, every=every or 1)
            if every is not None:
                recorder.__enter__()
            for step in range(3):
                x = torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(step))

                def closure(model: Any = model, optimizer: Any = optimizer, x: Tensor = x) -> Tensor:
                    optimizer.zero_grad()
                    loss = functional.cross_entropy(model(x), torch.arange(5) % 3)
                    loss.backward()
                    return loss

                optimizer.step(closure)
            if every is not None:
                recorder.__exit__()
                records.append(recorder.record)
            states.append(state_of(model))
    for state in states[1:]:
        assert_same_bits(state, states[0])
    assert len(records[0].layer_names) == 17 and (records[0].gradient_norm > 0).all()
    assert np.isfinite(records[0].delta_rms).all() and np.isfinite(records[0].applied_gradient_norm).all()


def test_every_parameter_is_measured_or_named() -> None:
    model = Words()
    record = vl.GradientRecorder(model).record
    named = (*record.layer_names, *record.unmeasured)
    for name, _ in model.named_parameters():
        inside = (
            name.replace(".parametrizations.weight.original", ".")
            .replace("bias_", "weight_")
            .replace("in_proj_bias", "in_proj_weight")
        )
        assert any(inside == each or inside.startswith(f"{each}.") for each in named), name


# What others have made of a model: TorchScript, quantisation. And a batch without examples.


def plain_net() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch deprecates all of torch.jit
def test_torchscript_is_refused_in_a_sentence_and_a_part_of_it_named() -> None:
    for script in (torch.jit.script(plain_net()), torch.jit.trace(plain_net(), torch.randn(2, 5))):
        with pytest.raises(
            vl.InputError, match=r"^model must be an nn\.Module of Python, not TorchScript, .+, got Seq"
        ):
            vl.GradientRecorder(script)  # pyright: ignore[reportArgumentType]
    model: Any = plain_net()
    model[2] = torch.jit.script(nn.Sequential(nn.Linear(6, 6), nn.Tanh()))
    x = torch.randn(4, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(2):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
    record = recorder.record
    assert record.layer_names == ("0", "4") and set(record.unmeasured) >= {"2"}
    assert set(record.unmeasured.values()) == {reasons.SCRIPTED}
    assert record.gradient_norm[0, 1, 0] == pytest.approx(float(model[0].weight.grad.norm()), rel=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("trained", [False, True])
def test_a_model_prepared_for_quantisation_has_its_layers(trained: bool) -> None:
    quantization = torch.ao.quantization
    model: Any = plain_net()
    model.qconfig = (quantization.get_default_qat_qconfig if trained else quantization.get_default_qconfig)("fbgemm")
    (quantization.prepare_qat if trained else quantization.prepare)(model, inplace=True)
    x = torch.randn(4, 5)
    model(x)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        outputs: list[Tensor] = []
        handles = [model[place].register_forward_hook(lambda _, __, z: outputs.append(z)) for place in (0, 2, 4)]
        loss = model(x).square().mean()
        deltas = torch.autograd.grad(loss, outputs, retain_graph=True)
        loss.backward()
        for handle in handles:
            handle.remove()
        optimizer.step()
    record = recorder.record
    assert record.layer_names == ("0", "2", "4") and record.unmeasured == {}
    wanted = [4 * float(delta.square().mean().sqrt()) for delta in deltas]
    np.testing.assert_allclose(record.delta_rms[0, 0], wanted, rtol=1e-5)
    norms = [float(model[place].weight.grad.norm()) for place in (0, 2, 4)]
    np.testing.assert_allclose(record.gradient_norm[0, 0], norms, rtol=1e-5)
    h = [float(torch.tanh(z).square().mean().sqrt()) for z in outputs[:2]]
    np.testing.assert_allclose(record.activation_rms[0, 0, :2], h, rtol=1e-2)  # tanh has 8 bits


def test_a_batch_without_examples_is_told_as_one() -> None:
    model = plain_net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for examples in (4, 0, 4):
            optimizer.zero_grad()
            model(torch.ones(examples, 5)).square().sum().backward()
            optimizer.step()
    record = recorder.record
    assert record.unmeasured == dict.fromkeys(("0", "2", "4"), reasons.EMPTY)
    assert (record.gradient_norm[0, 1] == 0).all(), "autograd leaves zeros"
    for quantity in ("delta_rms", "activation_rms", "activation_mean"):
        assert np.isnan(getattr(record, quantity)[0]).tolist() == [[False] * 3, [True] * 3, [False] * 3]
