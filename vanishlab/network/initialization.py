"""The draw of initial weights W (run, fan_out, fan_in) and biases b (run, fan_out), each run from its own seed.

One generator a run, layer after layer, weights before biases: with `torch_default` a run of seed s has the very bits of
`torch.manual_seed(s)` followed by `nn.Linear(...)` for each layer. The numbers are drawn on the CPU in the parameters'
dtype, so they do not depend on the device.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor
from torch.nn import init

from vanishlab.config import NetworkConfig


def draw_layers(
    config: NetworkConfig,
    features: int,
    classes: int,
    seeds: tuple[int, ...],
    drawn_as: Sequence[NetworkConfig] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield W (run, fan_out, fan_in) and b (run, fan_out) of each layer, the readout last.

    `drawn_as` are the configs of the runs where they have initialisations or scales of their own.
    """
    configs = drawn_as or [config] * len(seeds)
    dtype = getattr(torch, config.dtype)
    generators = [Generator().manual_seed(seed) for seed in seeds]
    for fan_in, fan_out in config.layer_sizes(features, classes):
        weight = torch.empty(len(seeds), fan_out, fan_in, dtype=dtype)  # (run, fan_out, fan_in)
        bias = torch.zeros(len(seeds), fan_out, dtype=dtype)  # (run, fan_out)
        if not weight.is_meta:  # which holds no numbers, and to draw them all the same torch would load its compiler
            for run, (each, generator) in enumerate(zip(configs, generators, strict=True)):
                _fill(weight[run], bias[run], each, generator)
        yield weight, bias


def _fill(weight: Tensor, bias: Tensor, config: NetworkConfig, generator: Generator) -> None:
    _fan_out, fan_in = weight.shape
    match config.initialization:
        case "torch_default":  # U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for both, drawn the way nn.Linear draws it
            init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
            bound = 1 / math.sqrt(fan_in)  # not fan_in**-0.5: it may differ in the last bit
            init.uniform_(bias, -bound, bound, generator=generator)
        case "xavier_uniform":
            init.xavier_uniform_(weight, generator=generator)
        case "xavier_normal":
            init.xavier_normal_(weight, generator=generator)
        case "kaiming_uniform":
            bound = config.gain * (3 / fan_in) ** 0.5
            init.uniform_(weight, -bound, bound, generator=generator)
        case "kaiming_normal" | "lecun_normal" | "gaussian":
            init.normal_(weight, 0.0, config.gain * fan_in**-0.5, generator=generator)
        case "orthogonal":
            init.orthogonal_(weight, gain=config.gain, generator=generator)
    if config.sigma_b > 0:
        init.normal_(bias, 0.0, config.sigma_b, generator=generator)
