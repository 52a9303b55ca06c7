"""What `vanishlab predict` says in words: phase, depth scales, and how fast delta shrinks and examples become alike."""

import math
import sys
from pathlib import Path

import pytest

import vanishlab as vl
from vanishlab.cli import commands
from vanishlab.cli.predictions import phase_text
from vanishlab.language.sentences import speaking


def gaussian(activation: vl.config.ActivationName, sigma_w: float, sigma_b: float = 0.0) -> vl.NetworkConfig:
    return vl.NetworkConfig(4, 30, activation, "gaussian", sigma_w, sigma_b)


def test_the_scales_are_of_deltas_size_and_of_the_examples_correlation() -> None:
    # ReLU without bias below its gain: delta's square loses sigma_w^2 / 2 = exp(-0.5) per layer, its size exp(-0.25).
    said = phase_text(gaussian("relu", math.sqrt(2 * math.exp(-0.5)))).splitlines()
    assert said[0].startswith("phase: ordered, gradients vanish (chi = 0.6065 per layer of delta's mean square)")
    assert said[2].startswith("depth scales: xi_q = 2, xi_c = inf, xi_grad = 2 layers; xi_c sets no bound")
    assert said[3] == "delta shrinks by a factor of e within 4 layers on its way back"
    assert said[4] == "examples become alike, but only as a power of depth"
    # With a bias the correlation's distance to 1 falls as delta's square does.
    said = phase_text(gaussian("relu", math.sqrt(2 * math.exp(-0.5)), 0.3)).splitlines()
    assert said[4] == "examples become alike: their correlation's distance to 1 falls e-fold within 2 layers"


@pytest.mark.parametrize(
    ("network", "delta", "examples"),
    [
        (gaussian("linear", 1.0), "delta keeps its size on its way back", "examples stay as alike as they are"),
        (gaussian("relu", 2**0.5), "delta keeps its size on its way back", "but only as a power of depth"),
        (gaussian("tanh", 1.8, 0.3), "delta grows by a factor of e within 9.93 layers", "a correlation of 0.388: "),
        (
            vl.NetworkConfig(4, 30, "gelu", "kaiming_normal"),
            "delta shrinks by a factor of e within 3.77",
            "stay as alike",
        ),
    ],
)
def test_every_fate_has_its_sentence(network: vl.NetworkConfig, delta: str, examples: str) -> None:
    said = phase_text(network).splitlines()
    assert delta in said[3] and examples in said[4] and len(said) == 5


def test_a_network_without_a_mean_field_is_told_why() -> None:
    assert phase_text(vl.NetworkConfig(3, normalization="batch")).startswith(
        "phase: none; mean field needs plain layers"
    )
    with speaking("zh"):
        assert phase_text(gaussian("relu", 2.0)).startswith("没有相；")


def test_predict_speaks_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--depth", "32", "--width", "4", "--data", "moons", "--max-examples", "8", "--language", "zh")
    monkeypatch.setattr(sys, "argv", ["vanishlab", "predict", *flags, "--out", str(tmp_path)])
    commands.main()
    said = capsys.readouterr().out
    assert "moons 的 8 个样本，cross_entropy" in said and "33 层中的 22 层" in said
    assert "δ 每往回" in said and "相关系数与 1 的距离每" in said and "确保稳定的最大学习率：" in said
    assert "phase" not in said.replace("phase_diagram", "") and "layers" not in said
