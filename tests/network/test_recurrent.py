"""Recurrent networks: their weights are PyTorch's, the bias is that of the forget gate, delta is the recorder's."""

import numpy as np
import pytest
import torch
from torch import Generator, nn

import vanishlab as vl
from vanishlab.network.recurrent import Recurrent, RecurrentKind, delta_by_time
from vanishlab.training.recall import LEARNED, learn_first_sign, sequences


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_weights_are_those_that_pytorch_draws(kind: RecurrentKind) -> None:
    before = torch.random.get_rng_state()
    model = Recurrent(kind, 8, generator=seeded(3))
    assert torch.equal(torch.random.get_rng_state(), before), "the process's own generator is left alone"
    torch.manual_seed(3)
    drawn = [getattr(nn, kind)(1, 8, batch_first=True), nn.Linear(8, 2)]
    for ours, theirs in zip(model.parameters(), nn.ModuleList(drawn).parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)  # bounds of the same size, rounded another way


@pytest.mark.parametrize(("kind", "bias"), [("RNN", None), ("GRU", None), ("LSTM", None), ("LSTM", 3.0)])
def test_delta_by_time_is_what_the_recorder_finds_in_the_fused_layer(kind: RecurrentKind, bias: float | None) -> None:
    generator = seeded()
    model = Recurrent(kind, 8, bias, generator=generator)
    x, y = sequences(12, 16, generator)
    delta = delta_by_time(model, x, y)
    with vl.GradientRecorder(model) as recorder:
        nn.functional.cross_entropy(model(x), y).backward()
        recorder.end_step()
    assert delta.shape == (12,)
    ratio = recorder.record.time_ratio[0, 0, 0]
    assert ratio == pytest.approx(delta[0] / delta[-1], rel=1e-4)  # float32, in another order


def test_delta_of_a_linear_chain_is_a_power() -> None:
    model = Recurrent("RNN", 1, generator=seeded())
    with torch.no_grad():
        for parameter in model.layer.parameters():
            parameter.zero_()  # then h stays 0, where tanh is linear
        model.layer.weight_hh_l0.fill_(0.5)
    delta = delta_by_time(model, *sequences(6, 4, seeded()))
    np.testing.assert_allclose(delta / delta[-1], 0.5 ** np.arange(5, -1, -1), rtol=1e-6)


def test_a_forget_bias_is_that_of_the_forget_gate_alone() -> None:
    opened = Recurrent("LSTM", 8, 30.0, generator=seeded())
    plain = Recurrent("LSTM", 8, generator=seeded())
    total = (opened.layer.bias_ih_l0 + opened.layer.bias_hh_l0).detach()
    assert (total[8:16] == 30.0).all()
    others = [place for place in range(32) if not 8 <= place < 16]
    assert torch.equal(total[others], (plain.layer.bias_ih_l0 + plain.layer.bias_hh_l0).detach()[others])
    _, (_, cell) = opened.layer(torch.zeros(1, 1, 1), (torch.zeros(1, 1, 8), torch.full((1, 1, 8), 100.0)))
    assert (cell > 99.0).all()  # the cell keeps what it has


def test_the_first_sign_of_one_step_is_learned_and_noise_is_guessed() -> None:
    x, y = sequences(3, 50, seeded())
    assert x.shape == (50, 3, 1) and torch.equal(y == 1, x[:, 0, 0] > 0)
    steps: list[int] = []
    model = Recurrent("GRU", 8, generator=seeded())
    assert learn_first_sign(model, 1, seeded(), steps=40, learning_rate=0.1, progress=steps.append) > LEARNED
    assert steps == list(range(40))
    untrained = Recurrent("GRU", 8, generator=seeded())
    assert 0.3 < learn_first_sign(untrained, 100, seeded(), steps=0) < 0.7
