"""A recurrent layer with a readout of its last state, and delta at each of its time steps.

A recurrent layer is a deep network whose layers, one a time step, share their weights: dloss/dh_t is multiplied by the
same Jacobian at every step on its way back. An LSTM's cell is multiplied by its forget gate there, sigmoid(b) or about
a half at b = 0; a large bias b holds it open (arXiv:1804.11188).
"""

from typing import Literal

import numpy as np
import torch
from torch import Generator, Tensor, nn

RecurrentKind = Literal["RNN", "GRU", "LSTM"]
_LAYERS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
_CELLS = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}


class Recurrent(nn.Module):
    """A recurrent layer and a readout of its last state: (example, time, 1) to (example, 2)."""

    def __init__(
        self, kind: RecurrentKind, width: int, forget_bias: float | None = None, *, generator: Generator
    ) -> None:
        """Draw the weights as PyTorch does, from `generator`; `forget_bias`, where given, is that of an LSTM."""
        super().__init__()
        with torch.device("meta"):  # PyTorch would draw from the process's own generator, which threads share
            self.layer = _LAYERS[kind](1, width, batch_first=True)
            self.readout = nn.Linear(width, 2)
        self.to_empty(device="cpu")
        self.kind = kind
        with torch.no_grad():
            for parameter in self.parameters():  # PyTorch's default, the same for the recurrent layer and its readout
                parameter.uniform_(-(width**-0.5), width**-0.5, generator=generator)
            if forget_bias is not None:  # gates stand as input, forget, cell, output in each of the two biases
                self.layer.bias_ih_l0[width : 2 * width] = forget_bias
                self.layer.bias_hh_l0[width : 2 * width] = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (example, class)."""
        return self.readout(self.layer(x)[0][:, -1])


def delta_by_time(model: Recurrent, x: Tensor, y: Tensor) -> np.ndarray:
    """Return the norm of dloss/dh_t over batch and units, of an LSTM of dloss/d(h_t, c_t): (time,).

    The loss is the cross-entropy of `y` (example,). PyTorch's own cells run in a loop, for the fused layer shows no
    hook its states.
    """
    cell = _CELLS[model.kind](1, model.layer.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in model.layer.state_dict().items()})
    states: list[tuple[Tensor, ...]] = []
    state = None
    for each in x.unbind(1):
        state = cell(each, state)
        states.append(state if isinstance(state, tuple) else (state,))
    loss = nn.functional.cross_entropy(model.readout(states[-1][0]), y)
    flat = [each for state in states for each in state]
    deltas = torch.autograd.grad(loss, flat, allow_unused=True, materialize_grads=True)  # no loss sees the last c_t
    squares = [float(delta.double().square().sum()) for delta in deltas]
    return np.sqrt(np.reshape(squares, (len(states), -1)).sum(1))
