"""The hook on `nn.RNN`, `nn.LSTM` and `nn.GRU`: delta through time, recomputed cell by cell.

These modules run all time steps in one fused kernel, which hands back the gradients of its inputs and weights and
nothing of what happens in between: what reaches h_t from later time steps is not in the gradient of the output. So, on
recorded steps only, the sequence is run once more when the backward pass is over, cell by cell, and the gradients that
came back to the module's outputs are sent through it. Delta is dloss/dh_t, the whole of it, as a loop over cells would
show it; the activation is h_t. What is kept through time counts the path through an LSTM's c_t too. It costs one more
pass through the layer, step by step, and its memory.

Nothing of training takes part: weights and inputs are detached, no random number is drawn.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from vanishlab.recording import reasons
from vanishlab.recording.call import Call
from vanishlab.recording.hooks.backward_passes import graph_is_kept
from vanishlab.recording.hooks.gates import gates_saturated
from vanishlab.recording.hooks.module_hooks import ModuleHooks
from vanishlab.recording.layer import Layer, is_sharded
from vanishlab.recording.measure import Value
from vanishlab.recording.norms import slice_norms
from vanishlab.recording.site import Site


class RecurrentCall:
    """One call of a recurrent module: what it was given, and the gradients that came back to its outputs."""

    def __init__(self, hooks: ModuleHooks, module: nn.RNNBase, sites: list[Site], x: Tensor, states: Any) -> None:
        """Hold on to the inputs until the backward pass has ended."""
        self._module_hooks = hooks
        self._module = module
        self._sites = sites
        self._x: Tensor | None = x.detach()
        self._states = [state.detach() for state in _as_tuple(states)]
        self._weights = [[weight.detach() for weight in layer] for layer in module.all_weights]
        self._versions = [tensor._version for tensor in self._held()]
        self._gradients: dict[int, Tensor] = {}
        self._pass: int | None = None
        self._calls = [Call(hooks.measure, closely=hooks.closely) for _ in sites]
        for call in self._calls:
            call.examples = x.shape[0 if module.batch_first else 1] if x.ndim > 2 else 1

    def note(self, place: int, gradient: Tensor) -> None:
        """Take in the gradient of output `place`: 0 the sequence, then the last states."""
        if not self._module_hooks.recording or self._sites[0].step.closed or self._x is None:
            return
        backward = self._module_hooks.passes.enter()
        if backward != self._pass:
            if self._pass is not None and self._pass not in self._module_hooks.passes.with_gradients:
                self._gradients.clear()
            self._pass = backward
            keep = graph_is_kept()
            self._module_hooks.passes.at_end(lambda scale: self._finish(backward, scale, keep))
        gradient = gradient.detach()
        self._gradients[place] = self._gradients[place] + gradient if place in self._gradients else gradient

    def _held(self) -> list[Tensor]:
        return [
            *([] if self._x is None else [self._x]),
            *self._states,
            *(each for row in self._weights for each in row),
        ]

    def _finish(self, backward: int, scale: float, keep: bool) -> None:
        if self._x is None:
            return
        if [tensor._version for tensor in self._held()] != self._versions:
            for site in self._sites:
                site.step.obstacle = reasons.CHANGED
        else:
            replayed = self._replay(self._x)
            for site, call, (saturated, h, delta, cells) in zip(self._sites, self._calls, replayed, strict=True):
                if call.backward is None:
                    site.step.calls.append(call)
                call.backward = backward
                call.saturated = saturated
                _note(call, h, delta, cells, scale)
        if not keep:
            self._x, self._states, self._weights = None, [], []
            self._gradients.clear()

    def _replay(self, x: Tensor) -> list[tuple[Value, Tensor, Tensor, Tensor | None]]:
        """Return what `gates_saturated` does, h, dloss/dh and an LSTM's dloss/dc of each layer and direction.

        The three have axes (time, batch, unit), in the order of processing.
        """
        module, batched = self._module, x.ndim > 2
        x = x.transpose(0, 1) if batched and module.batch_first else x if batched else x[:, None]
        dtype = self._weights[0][0].dtype
        directions = 2 if module.bidirectional else 1
        given = [state.to(dtype) if batched else state[:, None].to(dtype) for state in self._states]
        steps: list[list[Tensor]] = []
        cells: list[list[Tensor]] = []
        lasts: list[list[Tensor]] = []
        saturated: list[Value] = []
        with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
            inputs = list(x.to(dtype).unbind(0))
            for layer in range(module.num_layers):
                outputs: list[list[Tensor]] = []
                for direction in range(directions):
                    place = layer * directions + direction
                    states = [state[place] for state in given] or _zeros(module, inputs[0])
                    states[0].requires_grad_()
                    before, hidden, inner = [], [], []
                    ordered = inputs[::-1] if direction else inputs
                    for each in ordered:
                        before.append(states[0])
                        states = _cell(module.mode, each, states, self._weights[place])
                        hidden.append(states[0])
                        inner += states[1:]
                    gates = module.mode, torch.stack(ordered), torch.stack(before), self._weights[place]
                    saturated.append(gates_saturated(self._module_hooks.measure, *gates))
                    steps.append(hidden)
                    cells.append(inner)
                    lasts.append(states)
                    outputs.append(hidden[::-1] if direction else hidden)
                inputs = outputs[0] if directions == 1 else [torch.cat(pair, 1) for pair in zip(*outputs, strict=True)]
            made = [torch.stack(inputs), *(torch.stack(state) for state in zip(*lasts, strict=True))]
            came = [(made[place], self._as_made(place, gradient)) for place, gradient in self._gradients.items()]
            deltas = torch.autograd.grad(
                [output for output, _ in came],
                [each for made in (*steps, *cells) for each in made],
                [gradient.to(dtype) for _, gradient in came],
                allow_unused=True,
                materialize_grads=True,
            )
        length = len(inputs)
        return [
            (
                saturated[place],
                torch.stack(hidden).detach(),
                _slice(deltas, place, length),
                _slice(deltas, len(steps) + place, length),
            )
            for place, hidden in enumerate(steps)
        ]

    def _as_made(self, place: int, gradient: Tensor) -> Tensor:
        if gradient.ndim == 2:
            return gradient[:, None]
        return gradient.transpose(0, 1) if place == 0 and self._module.batch_first else gradient


def hooks_for_recurrent(hooks: ModuleHooks, module: nn.RNNBase, layers: list[Layer]) -> Iterator[Any]:
    """Set the hook on `module`; its layers share a site for each depth and direction."""
    by_place = {_place(layer): layer.site for layer in layers if layer.site is not None}
    every = [_suffix(place, module) for place in range(module.num_layers * (2 if module.bidirectional else 1))]
    sites = [by_place.get(suffix) or Site(module) for suffix in every]

    def hook(_: nn.Module, inputs: Any, keywords: Any, output: Any) -> None:
        started = [hooks.start_call(site, output) for site in sites]
        if started[0] is None:
            return
        why = _obstacle(module, layers, output)
        for site in sites:
            site.step.obstacle = why
        if why is None:
            x = inputs[0] if inputs else keywords["input"]
            states = inputs[1] if len(inputs) > 1 else keywords.get("hx")
            call = RecurrentCall(hooks, module, sites, x, states)
            for place, tensor in enumerate((output[0], *_as_tuple(output[1]))):
                if tensor.requires_grad:
                    note = hooks.passes.thread.alone(call.note)
                    tensor.register_hook(lambda gradient, place=place, note=note: note(place, gradient))

    yield module.register_forward_hook(hooks.hook(hook), with_kwargs=True)


def _obstacle(module: nn.RNNBase, layers: list[Layer], output: Any) -> str | None:
    if not isinstance(output[0], Tensor):
        return reasons.PACKED
    if module.dropout > 0 and module.num_layers > 1 and module.training:
        return reasons.DROPOUT
    if module.proj_size > 0:
        return reasons.PROJECTED
    if any(is_sharded(weight) for layer in layers for weight in layer.weights):
        return reasons.SHARDED
    return None


def _cell(mode: str, x: Tensor, states: list[Tensor], weights: list[Tensor]) -> list[Tensor]:
    w_ih, w_hh, *biases = weights
    b_ih, b_hh = biases or (None, None)
    if mode == "LSTM":
        return list(torch.lstm_cell(x, states, w_ih, w_hh, b_ih, b_hh))
    cell = {"GRU": torch.gru_cell, "RNN_TANH": torch.rnn_tanh_cell, "RNN_RELU": torch.rnn_relu_cell}[mode]
    return [cell(x, states[0], w_ih, w_hh, b_ih, b_hh)]


def _zeros(module: nn.RNNBase, x: Tensor) -> list[Tensor]:
    return [x.new_zeros(len(x), module.hidden_size) for _ in range(2 if module.mode == "LSTM" else 1)]


def _slice(deltas: tuple[Tensor, ...], place: int, length: int) -> Any:
    chosen = deltas[place * length : (place + 1) * length]
    return torch.stack(chosen) if chosen else None


def _note(call: Call, h: Tensor, delta: Tensor, cells: Tensor | None, scale: float) -> None:
    call.note_output(h.transpose(0, 1))  # (example, time, unit)
    call.note_delta(delta.transpose(0, 1), scale)
    state = delta if cells is None else torch.cat([delta, cells], 2)
    by_time = slice_norms(state, len(state))  # (time,)
    per_entry = delta[0].numel() ** 0.5
    call.ends = by_time[:1] / per_entry, by_time[-1:] / per_entry


def _as_tuple(states: Any) -> tuple[Tensor, ...]:
    return () if states is None else (states,) if isinstance(states, Tensor) else tuple(states)


def _place(layer: Layer) -> str:
    return layer.name.rsplit("weight_", 1)[1].split("_", 1)[1]  # weight_ih_l0_reverse: l0_reverse


def _suffix(place: int, module: nn.RNNBase) -> str:
    layer, direction = divmod(place, 2 if module.bidirectional else 1)
    return f"l{layer}{'_reverse' if direction else ''}"
