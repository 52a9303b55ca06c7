"""`MLP`: a plain `nn.Module` whose layers carry the run axis.

A stack of runs is one network: every parameter has a leading run axis and every layer is one batched product. `train`
sees to it that run r of the stack is bit for bit the network that would have been trained alone.
"""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vanishlab.config import NORMALIZATION_EPS, NetworkConfig
from vanishlab.errors import InputError, check_integer
from vanishlab.network.activation_modules import Phi, activation_module
from vanishlab.network.initialization import draw_layers

_Map = Callable[[Tensor], Tensor]

NORMALIZATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
"""torch's normalisations; `_NormBase` is that of every batch and instance normalisation."""
_BATCH_NORM_MOMENTUM = 0.1  # of the running statistics, as nn.BatchNorm1d


def shape_of(config: NetworkConfig) -> NetworkConfig:
    """Return what networks that can be stacked have in common: the config without its initialisation.

    >>> shape_of(NetworkConfig(initialization="gaussian", sigma_w=2.0)) == shape_of(NetworkConfig())
    True
    """
    return dataclasses.replace(config, initialization="torch_default", sigma_w=1.0, sigma_b=0.0)


class StackedLinear(nn.Module):
    """z = W h + b for each run: weight (run, fan_out, fan_in), bias (run, fan_out)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Take the drawn weights over as parameters."""
        super().__init__()
        # In memory fan_in comes before fan_out: that is how autograd's product yields the gradient, and a weight laid
        # out otherwise would cost a copy of it in every layer and step.
        self.weight = nn.Parameter(weight.transpose(1, 2).contiguous().transpose(1, 2))
        self.bias = nn.Parameter(bias)

    def forward(self, h: Tensor) -> Tensor:
        """Map (run, batch, fan_in) to (run, batch, fan_out), in h's dtype."""
        return torch.baddbmm(self.bias.to(h.dtype)[:, None, :], h, self.weight.to(h.dtype).transpose(1, 2))


class StackedNorm(nn.Module):
    """Batch, layer or RMS normalisation of each run's pre-activations, with a learned scale and (but RMS) shift."""

    running_mean: Tensor | None
    running_variance: Tensor | None

    def __init__(self, kind: str, runs: int, width: int, dtype: torch.dtype) -> None:
        """Start at scale 1 and shift 0."""
        super().__init__()
        self.kind = kind
        self.scale = nn.Parameter(torch.ones(runs, width, dtype=dtype))
        self.shift = nn.Parameter(torch.zeros(runs, width, dtype=dtype)) if kind != "rms" else None
        batch = kind == "batch"
        self.register_buffer("running_mean", torch.zeros(runs, width, dtype=dtype) if batch else None)
        self.register_buffer("running_variance", torch.ones(runs, width, dtype=dtype) if batch else None)

    def forward(self, z: Tensor) -> Tensor:
        """Normalise z (run, batch, width) over units, or over the batch for 'batch'."""
        if self.kind == "rms":
            centred, variance = z, z.square().mean(2, keepdim=True)
        elif self.kind == "layer":
            centred = z - z.mean(2, keepdim=True)
            variance = centred.square().mean(2, keepdim=True)
        else:
            centred, variance = self._batch_statistics(z)
        normalized = centred * torch.rsqrt(variance + NORMALIZATION_EPS) * self.scale[:, None, :]
        return normalized if self.shift is None else normalized + self.shift[:, None, :]

    def _batch_statistics(self, z: Tensor) -> tuple[Tensor, Tensor]:
        running_mean, running_variance = self.statistics
        if not self.training:
            return z - running_mean[:, None, :], running_variance[:, None, :].to(z.dtype)
        mean = z.mean(1, keepdim=True)  # (run, 1, width)
        centred = z - mean
        variance = centred.square().mean(1, keepdim=True)  # (run, 1, width)
        with torch.no_grad():
            n = z.shape[1]
            unbiased = variance[:, 0] * (n / max(n - 1, 1))
            keep, take = 1 - _BATCH_NORM_MOMENTUM, _BATCH_NORM_MOMENTUM
            self.running_mean = keep * running_mean + take * mean[:, 0]
            self.running_variance = keep * running_variance + take * unbiased
        return centred, variance

    @property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """The running mean and variance of batch normalisation, each (run, width)."""
        assert self.running_mean is not None and self.running_variance is not None
        return self.running_mean, self.running_variance

    def restore(self, statistics: tuple[Tensor, Tensor], runs: Tensor) -> None:
        """Put the running statistics of `runs`, places on the run axis, back to those given."""
        for current, kept in zip(self.statistics, statistics, strict=True):
            current[runs] = kept[runs]

    def single(self, run: int) -> nn.Module:
        """Return one run's normalisation as torch's own module."""
        width = self.scale.shape[1]
        if self.kind == "rms":
            norm: nn.Module = nn.RMSNorm(width, eps=NORMALIZATION_EPS)
        elif self.kind == "layer":
            norm = nn.LayerNorm(width, eps=NORMALIZATION_EPS)
        else:
            norm = nn.BatchNorm1d(width, eps=NORMALIZATION_EPS, momentum=_BATCH_NORM_MOMENTUM)
        norm = norm.to(self.scale)
        state = {"weight": self.scale, "bias": self.shift, "running_mean": self.running_mean,
                 "running_var": self.running_variance}  # fmt: skip
        norm.load_state_dict({key: value[run] for key, value in state.items() if value is not None}, strict=False)
        return norm


class Block(nn.Module):
    """One hidden layer: h = phi(norm(W h + b)), with the skip connection h_in + s phi(...) where s is given."""

    def __init__(
        self, linear: StackedLinear, norm: StackedNorm | None, activation: Phi, scale: Tensor | float | None
    ) -> None:
        """Put the parts together; a tensor `scale` (run,) is trained."""
        super().__init__()
        self.linear = linear
        self.norm = norm
        self.activation = activation
        self.scale = nn.Parameter(scale) if isinstance(scale, Tensor) else scale

    def forward(self, h: Tensor) -> Tensor:
        """Map (run, batch, fan_in) to (run, batch, fan_out)."""
        return self._layer(h, self.linear, self.norm, self.activation)[1]

    def past_hooks(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return z and what `forward` returns, without a call of any hook: a module's own `forward` calls none."""
        norm = None if self.norm is None else self.norm.forward
        return self._layer(h, self.linear.forward, norm, self.activation.forward)

    def _layer(self, h: Tensor, linear: _Map, norm: _Map | None, activation: _Map) -> tuple[Tensor, Tensor]:
        z = linear(h)
        a = activation(z if norm is None else norm(z))
        if self.scale is None:
            return z, a
        return z, h + (self.scale[:, None, None] if isinstance(self.scale, Tensor) else self.scale) * a


class Residual(nn.Module):
    """h + s branch(h): the skip connection of a single run, around a branch of ordinary modules."""

    def __init__(self, branch: nn.Sequential, scale: Tensor | float) -> None:
        """Wrap `branch`; a tensor `scale` is trained."""
        super().__init__()
        self.branch = branch
        self.scale = nn.Parameter(scale) if isinstance(scale, Tensor) else scale

    def forward(self, h: Tensor) -> Tensor:
        """Return h + s branch(h), of h's shape."""
        return h + self.scale * self.branch(h)


class MLP(nn.Module):
    """`len(seeds)` networks of one shape side by side, each drawn from its own seed.

    Forward maps (run, batch, features), or (batch, features) for all runs, to (run, batch, classes).

    >>> mlp = MLP(NetworkConfig(depth=3, width=8), features=4, classes=2, seeds=(0, 1))
    >>> mlp(torch.zeros(5, 4)).shape
    torch.Size([2, 5, 2])
    """

    def __init__(
        self,
        config: NetworkConfig,
        features: int,
        classes: int,
        seeds: tuple[int, ...] = (0,),
        *,
        drawn_as: Sequence[NetworkConfig] | None = None,
    ) -> None:
        """Draw the weights; `drawn_as` are the runs' own configs, which differ from `config` in initialisation at most.

        Raises `InputError` for sizes below 1, without seeds, and for a run of another shape.
        """
        super().__init__()
        check_integer("features", features, 1)
        check_integer("classes", classes, 1)
        if not seeds:
            raise InputError("seeds must name at least one seed, got none")
        for other in drawn_as or ():
            if shape_of(other) != shape_of(config):
                raise InputError(f"networks of one stack must differ in initialisation only, got {config} and {other}")
        self.config = config
        self.runs = len(seeds)
        self.features = features
        *hidden, readout = draw_layers(config, features, classes, seeds, drawn_as)
        sizes = config.layer_sizes(features, classes)
        blocks = []
        for (weight, bias), (fan_in, fan_out) in zip(hidden, sizes, strict=False):
            norm = StackedNorm(config.normalization, self.runs, fan_out, weight.dtype)
            scale: Tensor | float | None = config.branch_scale if blocks and fan_in == fan_out else None
            if scale is not None and config.residual == "learned":
                scale = torch.zeros(self.runs, dtype=weight.dtype)
            blocks.append(
                Block(
                    StackedLinear(weight, bias),
                    norm if config.normalization != "none" else None,
                    Phi(config.activation),
                    scale,
                )
            )
        self.blocks = nn.ModuleList(blocks)
        self.readout = StackedLinear(*readout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (run, batch, classes). Raises `InputError` for another number of features or runs."""
        if x.shape[-1] != self.features or x.ndim not in (2, 3) or (x.ndim == 3 and x.shape[0] != self.runs):
            raise InputError(
                f"x must have shape (batch, {self.features}) or ({self.runs}, batch, {self.features}), "
                f"got {tuple(x.shape)}"
            )
        h = x.expand(self.runs, -1, -1)
        for block in self.blocks:
            h = block(h)
        return self.readout(h)

    def spare_memory(self) -> None:
        """Let activations take the place of pre-activations; for a network whose z no hook keeps for later."""
        for module in self.modules():
            if isinstance(module, Phi):
                module.in_place = True

    @property
    def linear_layers(self) -> list[StackedLinear]:
        """The layers' linear maps, the readout last."""
        return [module for module in self.modules() if isinstance(module, StackedLinear)]

    def single(self, run: int = 0) -> nn.Sequential:
        """Return one run as ordinary modules (nn.Linear and torch's own activations), with copies of its parameters.

        Raises `InputError` for a run that is not there.
        """
        check_integer("run", run, 0, self.runs - 1)
        modules: list[nn.Module] = []
        for block in self.blocks:
            assert isinstance(block, Block)
            branch: list[nn.Module] = [_single_linear(block.linear, run)]
            if block.norm is not None:
                branch.append(block.norm.single(run))
            branch.append(activation_module(self.config.activation))
            if block.scale is None:
                modules += branch
            else:
                scale = block.scale[run].detach().clone() if isinstance(block.scale, Tensor) else block.scale
                modules.append(Residual(nn.Sequential(*branch), scale))
        return nn.Sequential(*modules, _single_linear(self.readout, run)).train(self.training)


def _single_linear(layer: StackedLinear, run: int) -> nn.Linear:
    linear = nn.Linear(layer.weight.shape[2], layer.weight.shape[1], device="meta", dtype=layer.weight.dtype)
    linear.weight = nn.Parameter(layer.weight[run].detach().clone(memory_format=torch.contiguous_format))
    linear.bias = nn.Parameter(layer.bias[run].detach().clone())
    return linear
