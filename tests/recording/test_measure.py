"""Torch and the compiled passes measure the same, and which of them does depends on how much there is to do."""

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import torch
from comparison import to_array
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import vanishlab as vl
from vanishlab.activations import ACTIVATIONS
from vanishlab.recording import measure as measuring
from vanishlab.recording.call import Call
from vanishlab.recording.measure import Measure
from vanishlab.recording.quantities import LAYER_QUANTITIES

pytest.importorskip("numba")


def both() -> tuple[Measure, Measure]:
    return Measure(stacked=False), Measure(stacked=False, compiled=True)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def exact_moments(x: np.ndarray) -> list[float]:
    """Norm, mean, spread of x (example, entry), from whole numbers of any length."""
    whole = np.array([[int(math.ldexp(float(entry), 149)) for entry in row] for row in x], dtype=object)
    apart = len(x) * whole - whole.sum(axis=0)
    roots = [math.isqrt(int((each**2).sum()) << 128) / 2**64 for each in (whole, apart)]
    return [roots[0] * 2.0**-149, int(whole.sum()) / whole.size * 2.0**-149, roots[1] / len(x) * 2.0**-149]


@given(
    st.integers(2, 19), st.integers(1, 9), st.sampled_from([0.0, 1e-7, 1e-3, 0.3, 1.0, 30.0]), st.booleans(),
    st.sampled_from([1.0, 1e-44, 1e-30, 1e-15, 1e15, 1e30]),
)  # fmt: skip
def test_moments_are_exact_over_the_whole_range(n: int, d: int, size: float, outlier: bool, scale: float) -> None:
    x = 1.0 + size * drawn(n, d, seed=n)
    if outlier:  # the first example, from which the others are subtracted
        x[0] += 5.0
    x = (x.double() * scale).float()
    wanted = exact_moments(x.numpy())
    by_torch, compiled = both()
    for measure, rel in ((by_torch, 1e-5), (compiled, 1e-10)):
        found = measure.moments(x)
        assert found.mean is not None
        assert [float(each) for each in (found.norm, found.spread)] == pytest.approx(wanted[::2], rel=rel, abs=0.0)  # pyright: ignore
        if scale > 1e-38 or measure is compiled:  # torch's mean is a float32
            assert float(found.mean) == pytest.approx(wanted[1], rel=rel, abs=1e-7 * wanted[0] / (n * d) ** 0.5)


@pytest.mark.parametrize("examples", [1, 2, 7, 8, 9, 300])
def test_equal_examples_have_a_spread_of_exactly_zero_and_a_single_one_has_none(examples: int) -> None:
    x = (drawn(1, 7) / 3).expand(examples, 7).contiguous()
    for measure in both():
        spread = measure.moments(x).spread
        assert spread is None if examples == 1 else float(spread or 0.0) == 0.0


def test_a_mean_that_nobody_asks_for_is_not_taken() -> None:
    for measure in both():
        found = measure.moments(drawn(5, 3))
        assert found.mean is not None
        assert measure.moments(drawn(5, 3), with_mean=False) == found._replace(mean=None)
    call = Call(Measure(stacked=False))
    call.note_delta(drawn(5, 3))
    assert call.delta is not None and call.delta.mean is None


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_so(odd: float) -> None:
    x = drawn(5, 3)
    x[2, 1] = odd
    for measure in both():
        found = measure.moments(x)
        assert found.mean is not None
        assert not math.isfinite(float(found.norm)) and not math.isfinite(float(found.mean))
        assert found.spread is not None and math.isnan(float(found.spread))


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda x: x.movedim(2, 1).contiguous().movedim(1, 2),
    "a part": lambda x: torch.cat([x, x], 2)[:, :, ::2],
    "bfloat16": lambda x: x.bfloat16(),
    "float16": lambda x: x.half(),
    "float64": lambda x: x.double(),
    "with a graph": lambda x: x.clone().requires_grad_() * 1.0,
}


@pytest.mark.parametrize("way", WAYS)
def test_tensors_are_measured_however_they_lie(way: str) -> None:
    x = WAYS[way](drawn(6, 4, 10))
    wanted = Measure(stacked=False).moments(x.detach().double())
    for measure in both():
        found = measure.moments(x)
        assert [float(each) for each in found] == pytest.approx([float(each) for each in wanted], rel=1e-6)  # pyright: ignore
        assert float(measure.norm(x)) == pytest.approx(float(wanted.norm), rel=1e-6)
        assert float(measure.saturated_fraction(x, ACTIVATIONS["relu"])) == 0.0


@pytest.mark.parametrize("examples", [1, 3, 8, 40, 200])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_saturated_fraction_is_that_of_the_definition(name: str, examples: int) -> None:
    u = 6.0 * drawn(examples, 30)
    u[:, :11] = -u[:, :11].abs() - 20.0  # silent units, of which one wakes up late and one is not a number
    u[-1, 3], u[0, 5] = 25.0, math.nan
    wanted = reference.saturated_fraction(name, to_array(u))
    for measure in both():
        assert float(measure.saturated_fraction(u, ACTIVATIONS[name])) == pytest.approx(wanted)


def test_zeros_and_subnormal_entries_are_counted() -> None:
    x = drawn(3, 2**20)  # rows of counting
    x[0, :7], x[1, :5], x[2, 0] = 0.0, -1e-40, math.nan
    x[1, 5] = torch.finfo(torch.float32).tiny
    for measure in both():
        found = [[float(each) for each in values] for values in measure.norms_and_lost([x[0], x[1], x[2], x[:0]])]
        assert [values[1:] for values in found] == [[7 / 2**20, 0.0], [0.0, 5 / 2**20], [0.0, 0.0], [0.0, 0.0]]
        assert found[1][0] == pytest.approx(float(x[1].double().norm()), rel=1e-6)
        assert math.isnan(found[2][0]) and found[3][0] == 0.0


def test_distances() -> None:
    before, after = drawn(4, 5), drawn(4, 5, seed=1)
    wanted = float((before.double() - after.double()).norm())
    for measure in both():
        assert float(measure.distances([before.clone()], [after])[0]) == pytest.approx(wanted, rel=1e-6)
        assert measure.distances([], []) == []


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 3)), (12, 6)),
    "conv": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3), nn.Sigmoid(),
                              nn.Flatten(), nn.Linear(12, 3)),
        (5, 2, 6, 6),
    ),
    "attention": (
        lambda: nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), nn.Flatten(),
                              nn.Linear(32, 3)),
        (5, 4, 8),
    ),
}  # fmt: skip


def recorded(name: str, steps: int = 4) -> vl.Record:
    torch.manual_seed(0)
    model, shape = MODELS[name][0](), MODELS[name][1]
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with vl.GradientRecorder(model, optimizer) as recorder:
        for step in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(drawn(*shape, seed=step)), torch.arange(shape[0]) % 3).backward()
            optimizer.step()
    return recorder.record


@pytest.mark.parametrize("name", MODELS)
def test_a_record_is_the_same_from_the_step_on_in_which_the_passes_are_taken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_torch = recorded(name)
    taken: list[int] = []
    compile_passes = Measure.compile
    monkeypatch.setattr(Measure, "compile", lambda measure: (taken.append(1), compile_passes(measure)))
    monkeypatch.setattr(measuring, "_WORTH", 12 * measuring._CALL)  # in the second step or so
    mixed = recorded(name)
    assert taken == [1]
    for quantity in LAYER_QUANTITIES:
        wanted, found = getattr(by_torch, quantity), getattr(mixed, quantity)
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-7, err_msg=quantity)


def test_whoever_wants_the_passes_at_once_or_never_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(Measure, "compile", lambda _: taken.append(1))
    model = MODELS["mlp"][0]()
    vl.GradientRecorder(model, compiled=True)
    assert taken == [1]
    monkeypatch.setattr(measuring, "_WORTH", -1.0)
    with vl.GradientRecorder(model, compiled=False) as recorder:
        model(drawn(12, 6)).sum().backward()
        recorder.end_step()
    assert taken == [1]
    monkeypatch.setattr(measuring, "numba_works", lambda: False)
    with pytest.raises(vl.InputError, match=r"compiled needs numba: pip install 'vanishlab\[fast\]'"):
        vl.GradientRecorder(model, compiled=True)
    own = vl.MLP(vl.NetworkConfig(2, 3), 4, 2, (0,))
    with pytest.raises(vl.InputError, match="compiled must not be True for a stack"):
        vl.GradientRecorder(own, compiled=True)


def test_a_short_look_takes_no_compiled_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Measure, "compile", lambda _: pytest.fail("compiled"))
    recorded("mlp", steps=20)


def test_a_stack_and_a_machine_without_numba_stay_with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Measure, "compile", lambda _: pytest.fail("compiled"))
    monkeypatch.setattr(measuring, "_WORTH", 0.0)
    data = vl.Dataset(np.zeros((4, 3), np.float32), np.arange(4) % 2, np.zeros((2, 3), np.float32), np.arange(2), "d")
    vl.train(vl.NetworkConfig(2, 3), vl.TrainingConfig((0.1,), steps=3), data)
    monkeypatch.setattr(measuring, "numba_works", lambda: False)
    recorded("mlp")


def test_passes_that_are_compiled_are_told_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    import vanishlab.compiling as compiling
    from vanishlab.recording import compiled

    def slowly() -> Any:
        import time

        deadline = time.monotonic() + 20.0
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)

    said: list[str] = []
    monkeypatch.setattr(compiling, "_SOON", 0.0)
    monkeypatch.setattr(compiled, "functions", slowly)
    monkeypatch.setattr(sys, "stderr", type("Said", (), {"write": lambda _, text: said.append(text)})())
    Measure(stacked=False).compile()
    assert "".join(said).startswith("compiling what the recorder measures by")


def test_many_gradients_at_once_by_vmap_are_no_step_and_go_through() -> None:
    model, optimizer = MODELS["mlp"][0](), None
    x = drawn(5, 6)
    wanted = torch.autograd.grad(model(x)[0], list(model.parameters()), torch.eye(3), is_grads_batched=True)
    with vl.GradientRecorder(model, optimizer) as recorder:
        found = torch.autograd.grad(model(x)[0], list(model.parameters()), torch.eye(3), is_grads_batched=True)
        nn.functional.cross_entropy(model(x), torch.arange(5) % 3).backward()
        recorder.end_step()
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))
    assert np.isfinite(recorder.record.delta_rms).all()


def test_a_recorder_imports_numba_no_sooner_than_it_needs_it() -> None:
    program = (
        "import sys, torch; from torch import nn; from vanishlab import GradientRecorder; model = nn.Linear(3, 2)\n"
        "with GradientRecorder(model) as recorder:\n"
        "    model(torch.ones(4, 3)).sum().backward(); recorder.end_step()\n"
        "print('numba' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_one_example_far_from_twenty_thousand_others_takes_nothing_of_their_differences() -> None:
    x = 1.0 + 1e-3 * torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0))
    x[0] = 30.0
    wide = x.double().numpy()
    found = Measure(stacked=False, compiled=True).moments(x).spread
    assert found is not None
    assert float(found) == pytest.approx(float(np.linalg.norm(wide - wide.mean(0))), rel=1e-9)
