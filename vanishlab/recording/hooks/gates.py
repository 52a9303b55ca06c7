"""The share of a recurrent layer's gates that pass no gradient on: what their sigmoids and tanhs are given, once more.

A fused layer and a cell hand out the state alone, and a gate that is shut or wide open for good does not show in it.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from vanishlab.activations import ACTIVATIONS
from vanishlab.recording.call import Call
from vanishlab.recording.layer import is_sharded
from vanishlab.recording.measure import Measure, Value

MODES = {nn.LSTMCell.forward: "LSTM", nn.GRUCell.forward: "GRU", nn.RNNCell.forward: ""}
"""How torch calls the cells of which it is known what they do; "" where their non-linearity says it."""


def gates_saturated(measure: Measure, mode: str, x: Tensor, h: Tensor, weights: Sequence[Tensor | None]) -> Value:
    """Return the share of inputs of sigmoid and tanh beyond their bounds; NaN for a state that goes through ReLU.

    `mode` is torch's name of the cell, x (..., fan_in) what it is given and h (..., unit) the state before; `weights`
    are w_ih, w_hh and, where there are some, b_ih and b_hh.
    """
    w_ih, w_hh, b_ih, b_hh = (*weights, None, None)[:4]
    assert w_ih is not None and w_hh is not None
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        given = linear(x.detach().to(w_ih.dtype), w_ih.detach(), b_ih).flatten(0, -2)
        kept = linear(h.detach().to(w_hh.dtype), w_hh.detach(), b_hh).flatten(0, -2)
        if mode == "RNN_TANH":
            sigmoids, tanh = [], given + kept
        elif mode == "LSTM":
            to_input, to_forget, tanh, to_output = (given + kept).chunk(4, 1)
            sigmoids = [to_input, to_forget, to_output]
        elif mode == "GRU":
            reset, update, new = given.chunk(3, 1)
            reset_kept, update_kept, new_kept = kept.chunk(3, 1)
            sigmoids = [reset + reset_kept, update + update_kept]
            tanh = new + sigmoids[0].sigmoid() * new_kept
        else:
            return math.nan
        found = [measure.saturated_fraction(u, ACTIVATIONS["sigmoid"]) for u in sigmoids]
        found.append(measure.saturated_fraction(tanh, ACTIVATIONS["tanh"]))
        return sum(found) / len(found)


def note_gates(call: Call, measure: Measure, cell: nn.RNNCellBase, inputs: Any, keywords: Any) -> None:
    """Take in what the gates of a cell were given. Of weights that are not here as a whole nothing is measured."""
    call.saturated = math.nan
    if is_sharded(cell.weight_ih):
        return
    given = {**dict(zip(("input", "hx"), inputs, strict=False)), **keywords}
    x, state = torch.atleast_2d(given["input"]), given.get("hx")
    h = state[0] if isinstance(state, tuple | list) else state
    h = x.new_zeros(len(x), cell.hidden_size) if h is None else torch.atleast_2d(h)
    mode = MODES[type(cell).forward] or f"RNN_{cell.nonlinearity}".upper()
    call.saturated = gates_saturated(measure, mode, x, h, (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh))
