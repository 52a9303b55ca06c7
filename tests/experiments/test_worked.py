"""The worked examples: they run small, and what they measure is what the recorder measures."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from vanishlab import GradientRecorder, Record

FOLDER = Path(__file__).parents[2] / "experiments" / "worked"


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"worked_{name}", FOLDER / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module  # where dataclasses look for their annotations
    specification.loader.exec_module(module)
    return module


def test_a_sweep_by_vmap_measures_what_the_recorder_measures_of_each_run(tmp_path: Path) -> None:
    example = load("own_model_sweep")
    torch.manual_seed(3)
    x, y = torch.randn(12, 64), torch.arange(12) % 10
    record = example.sweep((0.1, 1.0), (0, 5), 3, x, y)
    for run, (rate, seed) in enumerate(((0.1, 0), (0.1, 5), (1.0, 0), (1.0, 5))):
        model = example.seeded_model(seed)
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        with GradientRecorder(model, optimizer) as recorder:
            for _ in range(4):
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
        one, plain = record.select(run=run), recorder.record
        assert one.layer_names == plain.layer_names and one.learning_rate[0] == rate and one.seed[0] == seed
        np.testing.assert_allclose(one.loss, plain.loss, rtol=1e-5)  # float32, sums in another order
        for quantity in example.MEASURED:
            # The update ratio is a difference of float32 weights there: 6e-8 of a weight over 1e-3 of it.
            rtol = 1e-3 if quantity == "update_ratio" else 1e-4
            expected = getattr(plain, quantity)
            np.testing.assert_allclose(getattr(one, quantity), expected, rtol=rtol, atol=1e-7, err_msg=quantity)
    assert np.isnan(record.saturated_fraction).all()


def test_it_leaves_a_record_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = load("own_model_sweep")
    example.main(example.Options((0.1,), (0,), 2, 16, tmp_path))
    assert Record.load(tmp_path / "record.npz").gradient_norm.shape == (1, 3, 9)
    assert (tmp_path / "three_curves.png").exists() and "16 examples of digits" in capsys.readouterr().out


def test_a_search_prunes_by_theory_and_finds_one_that_trains(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    example = load("optuna_search")
    example.main(example.Options(trials=6, depth=10, width=8, steps=2, max_examples=16))
    said = capsys.readouterr().out
    assert "the best of 6 trials" in said and "were pruned by theory before training" in said
