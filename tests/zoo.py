"""A zoo of small labelled models, healthy and sick, for the verdict and for published rules beside it.

Each label follows from how the model is made, not from what any rule says of it. A case without `training` is looked at
in one batch (`vl.examine`), one with it is trained in an ordinary loop under the recorder (`vl.diagnose`). Half of the
cases, chosen by a fixed hash of their names, were seen while thresholds were set; the other half was held out.
"""

import copy
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from zoo_models import (
    HE,
    Branches,
    Cells,
    Encoder,
    FromFunctions,
    Fused,
    Pooled,
    Transformer,
    clusters,
    convnet,
    images,
    layer,
    mlp,
    regression,
    residual,
    sequences,
    tokens,
)
from zoo_reports import REPORTS

import vanishlab as vl
from vanishlab.analysis.objective import compute_loss

Build = Callable[[], tuple[nn.Module, Callable[..., Tensor], Any]]


@dataclass(frozen=True)
class Training:
    """An ordinary loop: SGD on the whole batch, or on parts of it."""

    rate: float = 0.05
    steps: int = 30
    momentum: float = 0.0
    part: int | None = None
    held: str | tuple[str, ...] = ""
    """The optimizer holds the parameters whose names start so; of "none" another model's."""
    second: bool = False
    """A second optimizer holds the others, and nobody tells the recorder."""
    tell_loss: bool = True


@dataclass(frozen=True)
class Case:
    name: str
    label: str
    build: Build
    training: Training | None = None
    plain: bool = field(default=False)
    """Whether `try_remedies` is asked to mend it: a plain MLP with a sickness that has a known cure."""


def scaled(factor: float, loss: Callable[..., Tensor] = functional.cross_entropy) -> Callable[..., Tensor]:
    return lambda outputs, targets: factor * loss(outputs, targets)


def to(dtype: torch.dtype, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch[0].to(dtype), batch[1]


def case(
    name: str, label: str, make: Callable[[], nn.Module], batch: Any = None, loss: Any = functional.cross_entropy, *,
    training: Training | None = None, plain: bool = False,
) -> Case:  # fmt: skip
    chosen = clusters() if batch is None else batch

    def build() -> tuple[nn.Module, Callable[..., Tensor], Any]:
        return make(), loss, chosen

    return Case(name, label, build, training, plain)


def frozen(model: nn.Module, *prefixes: str) -> nn.Module:
    for name, parameter in model.named_parameters():
        if name.startswith(prefixes):
            parameter.requires_grad_(False)
    return model


def changed(model: Any, change: Callable[[Any], object]) -> nn.Module:
    with torch.no_grad():
        change(model)
    return model


def learned(make: Callable[[], nn.Module], steps: int, rate: float, batch: Any, loss: Any) -> nn.Module:
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        compute_loss(model, loss, batch).loss.backward()
        optimizer.step()
    return model


def bad_block(phi: Callable[[], nn.Module], gain: float, count: int = 3) -> nn.Module:
    inner: list[nn.Module] = []
    for _ in range(count):
        inner += [layer(64, 64, gain), phi()]
    above = mlp(6, 64, features=64)
    return nn.Sequential(*list(mlp(6, 64))[:-1], *inner, *above)


EASY = clusters(64, 20, spread=0.3)
mse = functional.mse_loss

HEALTHY = [
    case("relu, He, 8 x 64", "healthy", lambda: mlp(8)),
    case("relu, He, 20 x 128", "healthy", lambda: mlp(20, 128)),
    case("relu, He, 40 x 256", "healthy", lambda: mlp(40, 256)),
    case("relu, He, 6 x 16", "healthy", lambda: mlp(6, 16)),
    case("relu, He, 3 x 1000", "healthy", lambda: mlp(3, 1000)),
    case("leaky relu, He, 12 x 64", "healthy", lambda: mlp(12, 64, nn.LeakyReLU)),
    case("tanh, gain 1, 10 x 64", "healthy", lambda: mlp(10, 64, nn.Tanh, 1.0)),
    case("tanh, orthogonal, 30 x 64", "healthy", lambda: mlp(30, 64, nn.Tanh, "orthogonal")),
    case("selu, LeCun, 20 x 128", "healthy", lambda: mlp(20, 128, nn.SELU, 1.0)),
    case("gelu, gain 1.5, 6 x 64", "healthy", lambda: mlp(6, 64, nn.GELU, 1.5)),
    case("elu, gain 1.25, 10 x 64", "healthy", lambda: mlp(10, 64, nn.ELU, 1.25)),
    case("hardtanh, gain 1, 8 x 64", "healthy", lambda: mlp(8, 64, nn.Hardtanh, 1.0)),
    case("sigmoid, default, 1 x 64", "healthy", lambda: mlp(1, 64, nn.Sigmoid, "default")),
    case("sigmoid, default, 2 x 30", "healthy", lambda: mlp(2, 30, nn.Sigmoid, "default")),
    case("relu, default, 3 x 64", "healthy", lambda: mlp(3, 64, gain="default")),
    case("linear at the edge, orthogonal, 50 x 64", "healthy", lambda: mlp(50, 64, nn.Identity, "orthogonal")),
    case("linear at the edge, Gaussian, 30 x 128", "healthy", lambda: mlp(30, 128, nn.Identity, 1.0)),
    case("relu, He, pyramid 512 to 8", "healthy", lambda: mlp(7, (512, 256, 128, 64, 32, 16, 8))),
    case("relu, He, widening 8 to 512", "healthy", lambda: mlp(7, (8, 16, 32, 64, 128, 256, 512))),
    case("relu, He, loss x 1e-4", "healthy", lambda: mlp(10), loss=scaled(1e-4)),
    case("tanh, gain 1, loss x 1e-8", "healthy", lambda: mlp(8, 64, nn.Tanh, 1.0), loss=scaled(1e-8)),
    case("relu, He, loss x 1e5", "healthy", lambda: mlp(10), loss=scaled(1e5)),
    case("convolutions, He, loss x 1e-4", "healthy", lambda: convnet(5), images(), scaled(1e-4)),
    case("relu, He, one example", "healthy", lambda: mlp(6), clusters(1)),
    case("relu, He, 512 examples", "healthy", lambda: mlp(10), clusters(512)),
    case("residual relu, 20 x 64", "healthy", lambda: residual(20, 64, lambda: nn.Sequential(nn.LayerNorm(64), layer(64, 64, 1.0), nn.ReLU()))),
    case("residual tanh, scale 0.2, 30 x 64", "healthy", lambda: residual(30, 64, lambda: nn.Sequential(layer(64, 64, 1.0), nn.Tanh()), 0.2)),
    case("ReZero relu, 12 x 64", "healthy", lambda: residual(12, 64, lambda: nn.Sequential(layer(64, 64, HE), nn.ReLU()), 0.0, learned=True)),
    case("layer norm, tanh, 12 x 64", "healthy", lambda: mlp(12, 64, nn.Tanh, 1.0, norm=nn.LayerNorm)),
    case("batch norm, relu, 10 x 64", "healthy", lambda: mlp(10, 64, norm=nn.BatchNorm1d)),
    case("batch norm, sigmoid, 8 x 64", "healthy", lambda: mlp(8, 64, nn.Sigmoid, "default", norm=nn.BatchNorm1d)),
    case("convolutions, He, 4", "healthy", lambda: convnet(4), images()),
    case("convolutions, batch norm, pooled, 8", "healthy", lambda: convnet(8, batch_norm=True, pool=True), images()),
    case("transformer, 2 blocks", "healthy", lambda: Transformer(2), tokens()),
    case("transformer, 6 blocks", "healthy", lambda: Transformer(6), tokens()),
    case("torch's encoder, post-norm, 3 layers", "healthy", lambda: Encoder(3), sequences()),
    case("recurrent cells, orthogonal, 12 steps", "healthy", lambda: Cells("orthogonal"), sequences()),
    case("embedding, mean, relu He", "healthy", lambda: Pooled(mlp(4)), tokens()),
    case("functions and listed backwards, relu", "healthy", lambda: FromFunctions(8, HE, functional.relu)),
    case("regression, tanh", "healthy", lambda: mlp(5, 64, nn.Tanh, 1.0, classes=1), regression(), mse),
    case("autoencoder 20-64-8-64-20", "healthy", lambda: mlp(3, (64, 8, 64), classes=20), (clusters()[0], clusters()[0]), mse),
    case("bfloat16, relu He", "healthy", lambda: mlp(6).bfloat16(), to(torch.bfloat16, clusters())),
    case("float16, relu He, loss x 256", "healthy", lambda: mlp(5).half(), to(torch.float16, clusters()), scaled(256.0)),
    case("float64, relu He, loss x 1e-30", "healthy", lambda: mlp(6).double(), to(torch.float64, clusters()), scaled(1e-30)),
    case("dropout, relu He", "healthy", lambda: mlp(6, norm=lambda width: nn.Dropout(0.3))),
    case("trained 20 steps, relu He", "healthy", lambda: mlp(6), training=Training(0.02, 20)),
    case("trained 30 steps, tanh, mini-batches", "healthy", lambda: mlp(4, 64, nn.Tanh, 1.0), training=Training(0.05, 30, part=16)),
    case("trained 20 steps, loss x 1e-4", "healthy", lambda: mlp(6), loss=scaled(1e-4), training=Training(0.1, 20)),
    case("trained 15 steps, convolutions", "healthy", lambda: convnet(4), images(), training=Training(0.02, 15)),
    case("trained 20 steps, loss not told", "healthy", lambda: mlp(6), training=Training(0.02, 20, tell_loss=False)),
    case("trained 10 steps, ReZero", "healthy", lambda: residual(8, 64, lambda: nn.Sequential(layer(64, 64, HE), nn.ReLU()), 0.0, learned=True), training=Training(0.05, 10)),
]  # fmt: skip

SICK = [
    case("sigmoid, default, 6 x 64", "vanishing", lambda: mlp(6, 64, nn.Sigmoid, "default"), plain=True),
    case("sigmoid, default, 12 x 128", "vanishing", lambda: mlp(12, 128, nn.Sigmoid, "default"), plain=True),
    case("sigmoid, default, 20 x 32", "vanishing", lambda: mlp(20, 32, nn.Sigmoid, "default"), plain=True),
    case("sigmoid, gain 1, 10 x 64", "vanishing", lambda: mlp(10, 64, nn.Sigmoid, 1.0), plain=True),
    case("sigmoid, default, 12 x 64, loss x 1e6", "vanishing", lambda: mlp(12, 64, nn.Sigmoid, "default"), loss=scaled(1e6)),
    case("sigmoid, default, pyramid 256 to 8", "vanishing", lambda: mlp(6, (256, 128, 64, 32, 16, 8), nn.Sigmoid, "default")),
    case("sigmoid convolutions, 8", "vanishing", lambda: convnet(8, nn.Sigmoid, "default"), images()),
    case("sigmoid, default, trained 30 steps", "vanishing", lambda: mlp(8, 64, nn.Sigmoid, "default"), training=Training(0.1, 30)),
    case("sigmoid, default, trained on a shifted target", "vanishing", lambda: mlp(8, 64, nn.Sigmoid, "default", classes=1), (regression()[0], regression()[1] + 4), mse, training=Training(0.02, 60)),
    case("sigmoid as functions, listed backwards", "vanishing", lambda: FromFunctions(8, 1.0, torch.sigmoid)),
    case("relu, default, 30 x 64", "vanishing", lambda: mlp(30, gain="default"), plain=True),
    case("tanh, default, 25 x 64", "vanishing", lambda: mlp(25, 64, nn.Tanh, "default"), plain=True),
    case("softplus, gain 0.6, 12 x 64", "vanishing", lambda: mlp(12, 64, nn.Softplus, 0.6), plain=True),
    case("three sigmoids of small weights inside He relu", "vanishing", lambda: bad_block(nn.Sigmoid, 0.3)),
    case("recurrent cells, small weights, 30 steps", "vanishing", lambda: Cells(0.5), sequences(32, 30)),
    case("torch's RNN, default, 40 steps", "vanishing", lambda: Fused(nn.RNN(4, 32, batch_first=True)), sequences(32, 40)),
    case("embedding, mean, sigmoid, 8", "vanishing", lambda: Pooled(mlp(8, 64, nn.Sigmoid, "default")), tokens()),
    case("relu, 0.7, no bias, 12 x 64", "masked vanishing", lambda: mlp(12, gain=0.7, bias=None), plain=True),
    case("relu, 0.7, no bias, 30 x 100", "masked vanishing", lambda: mlp(30, 100, gain=0.7, bias=None), plain=True),
    case("relu, 0.7, 20 x 64, loss x 1e4", "masked vanishing", lambda: mlp(20, gain=0.7), loss=scaled(1e4)),
    case("linear, 0.5, 14 x 64", "masked vanishing", lambda: mlp(14, 64, nn.Identity, 0.5, bias=None)),
    case("leaky relu, 0.6, 15 x 64", "masked vanishing", lambda: mlp(15, 64, nn.LeakyReLU, 0.6, bias=None), plain=True),
    case("relu convolutions, 0.6, 10", "masked vanishing", lambda: convnet(10, gain=0.6, bias=None), images()),
    case("relu, He x 2, 14 x 64", "exploding", lambda: mlp(14, gain=2 * HE), plain=True),
    case("linear, gain 2, 15 x 64", "exploding", lambda: mlp(15, 64, nn.Identity, 2.0)),
    case("leaky relu, gain 3, 12 x 128", "exploding", lambda: mlp(12, 128, nn.LeakyReLU, 3.0), plain=True),
    case("batch norm, relu, no skip, 60 x 64", "exploding", lambda: mlp(60, 64, norm=nn.BatchNorm1d)),
    case("tanh, gain 2.5, 60 x 64", "exploding", lambda: mlp(60, 64, nn.Tanh, 2.5), plain=True),
    case("relu convolutions, gain 4, 10", "exploding", lambda: convnet(10, gain=4.0), images()),
    case("recurrent cells, relu, gain 4, 15 steps", "exploding", lambda: Cells(4.0, torch.relu), sequences(32, 15)),
    case("tanh, weights N(0, 1), 5 x 64", "saturated", lambda: mlp(5, 64, nn.Tanh, 8.0), plain=True),
    case("tanh, gain 20, 4 x 100", "saturated", lambda: mlp(4, 100, nn.Tanh, 20.0), plain=True),
    case("sigmoid, gain 40, 4 x 64", "saturated", lambda: mlp(4, 64, nn.Sigmoid, 40.0), plain=True),
    case("tanh, biases 6, 4 x 64", "saturated", lambda: mlp(4, 64, nn.Tanh, 1.0, bias=6.0), plain=True),
    case("tanh, input x 1000", "saturated", lambda: mlp(5, 64, nn.Tanh, 1.0), clusters(scale=1000.0)),
    case("tanh as functions, gain 15", "saturated", lambda: FromFunctions(5, 15.0, torch.tanh)),
    case("tanh convolutions, gain 12", "saturated", lambda: convnet(4, nn.Tanh, 12.0), images()),
    case("relu, biases -4, 5 x 64", "dead", lambda: mlp(5, bias=-4.0), plain=True),
    case("relu, biases -100, 8 x 128", "dead", lambda: mlp(8, 128, bias=-100.0), plain=True),
    case("relu, one dead layer of 6", "dead", lambda: changed(mlp(6), lambda m: m[6].bias.fill_(-50.0)), plain=True),
    case("relu, nine tenths of one layer dead", "dead", lambda: changed(mlp(6, 100), lambda m: m[4].bias[:90].fill_(-50.0)), plain=True),
    case("relu convolutions, biases -20", "dead", lambda: convnet(5, bias=-20.0), images()),
    case("relu as functions, biases -30", "dead", lambda: FromFunctions(6, HE, functional.relu, -30.0)),
    case("constant 0.1, tanh, 4 x 32", "symmetric", lambda: mlp(4, 32, nn.Tanh, "constant 0.1"), plain=True),
    case("constant 0.02, relu, 3 x 64", "symmetric", lambda: mlp(3, 64, nn.ReLU, "constant 0.02"), plain=True),
    case("zeros, tanh, 4 x 64", "symmetric", lambda: mlp(4, 64, nn.Tanh, "constant 0.0"), plain=True),
    case("constant 0.05, sigmoid, 2 x 100", "symmetric", lambda: mlp(2, 100, nn.Sigmoid, "constant 0.05"), plain=True),
    case("constant 0.05, convolutions", "symmetric", lambda: convnet(3, nn.Tanh, "constant 0.05"), images()),
    case("constant 0.1, tanh, trained 20 steps", "symmetric", lambda: mlp(3, 32, nn.Tanh, "constant 0.1"), training=Training(0.05, 20)),
    case("float16, relu He, loss x 1e-4", "underflow", lambda: mlp(5).half(), to(torch.float16, clusters()), scaled(1e-4)),
    case("float16, relu He, loss x 1e-8", "underflow", lambda: mlp(5).half(), to(torch.float16, clusters()), scaled(1e-8)),
    case("float16, tanh, wide, loss x 1e-3", "underflow", lambda: mlp(4, 256, nn.Tanh, 1.0).half(), to(torch.float16, clusters(256)), scaled(1e-3)),
    case("float32, relu He, loss x 1e-38", "underflow", lambda: mlp(5), loss=scaled(1e-38)),
    case("float16 convolutions, loss x 1e-5", "underflow", lambda: convnet(4).half(), to(torch.float16, images()), scaled(1e-5)),
    case("float16, relu, gain 20", "overflow", lambda: mlp(6, gain=20.0).half(), to(torch.float16, clusters())),
    case("float32, relu, gain 1e6", "overflow", lambda: mlp(8, gain=1e6)),
    case("float16, loss x 1e6", "overflow", lambda: mlp(5).half(), to(torch.float16, clusters()), scaled(1e6)),
    case("float32, input x 1e30, two layers deep", "overflow", lambda: mlp(3, gain=1e4), clusters(scale=1e30)),
    case("first layers frozen", "healthy", lambda: frozen(mlp(6), "0.", "2.")),
    case("all but the head frozen", "healthy", lambda: frozen(mlp(6), "0.", "2.", "4.", "6.", "8.", "10.")),
    case("detached half way", "no gradient", lambda: Branches(cut=True)),
    case("lower half under no_grad", "no gradient", lambda: Branches(no_grad=True)),
    case("a side branch that is not called", "no gradient", lambda: Branches(side=True)),
    case("all frozen", "no gradient", lambda: frozen(mlp(6), "")),
    case("frozen convolutions, trained 10 steps", "healthy", lambda: frozen(convnet(4), "0.", "2."), images(), training=Training(0.02, 10)),
    case("detached, trained 10 steps", "no gradient", lambda: Branches(cut=True), training=Training(0.02, 10)),
    case("tanh, gain 0.8, biases 0.5, 12 x 64", "collapsed", lambda: mlp(12, 64, nn.Tanh, 0.8, bias=0.5)),
    case("tanh, gain 0.7, biases 0.5, 10 x 64", "collapsed", lambda: mlp(10, 64, nn.Tanh, 0.7, bias=0.5)),
    case("softsign, gain 1, biases 0.3, 12 x 64", "collapsed", lambda: mlp(12, 64, nn.Softsign, 1.0, bias=0.3)),
    case("rate 100, relu", "diverging", lambda: mlp(5), training=Training(100.0, 20), plain=True),
    case("rate 3, linear regression", "diverging", lambda: mlp(3, 64, nn.Identity, 1.0, classes=1), regression(), mse, training=Training(3.0, 20), plain=True),
    case("rate 1, tanh, targets x 30", "diverging", lambda: mlp(4, 64, nn.Tanh, 1.0, classes=1), (regression()[0], 30 * regression()[1]), mse, training=Training(1.0, 30), plain=True),
    case("rate 20, convolutions", "diverging", lambda: convnet(4), images(), training=Training(20.0, 15)),
    case("momentum 0.99, rate 5, relu", "diverging", lambda: mlp(4), training=Training(5.0, 30, momentum=0.99), plain=True),
    case("rate 300, relu, loss not told", "diverging", lambda: mlp(5), training=Training(300.0, 20, tell_loss=False)),
    case("rate 1e-9, relu", "frozen updates", lambda: mlp(5), training=Training(1e-9, 15), plain=True),
    case("rate 1e-8, convolutions", "frozen updates", lambda: convnet(4), images(), training=Training(1e-8, 10)),
    case("rate 1e-7, tanh", "frozen updates", lambda: mlp(6, 64, nn.Tanh, 1.0), training=Training(1e-7, 15), plain=True),
    case("optimizer holds the last layers only", "frozen updates", lambda: mlp(6), training=Training(0.05, 15, held="1")),
]  # fmt: skip

DONE = [
    case("fitted, relu, in one batch", "converged", lambda: learned(lambda: mlp(3), 300, 0.05, EASY, functional.cross_entropy), EASY),
    case("fitted, tanh, in one batch, loss x 1e-3", "converged", lambda: learned(lambda: mlp(4, 64, nn.Tanh, 1.0), 300, 0.05, EASY, functional.cross_entropy), EASY, scaled(1e-3)),
    case("fitted regression, in one batch", "converged", lambda: learned(lambda: mlp(3, 64, nn.Tanh, 1.0, classes=1), 600, 0.05, regression(), mse), regression(), mse),
    case("trained to the end, relu", "converged", lambda: mlp(3), EASY, training=Training(0.2, 300)),
    case("trained to the end, deep tanh", "converged", lambda: mlp(6, 64, nn.Tanh, 1.0), EASY, training=Training(0.1, 300)),
    case("trained to the end, linear regression", "converged", lambda: mlp(3, 64, nn.Identity, 1.0, classes=1), regression(), mse, training=Training(0.02, 300)),
    case("trained to the end, convolutions", "converged", lambda: convnet(3), images(), training=Training(0.05, 250)),
    case("one linear layer", "healthy", lambda: nn.Sequential(nn.Linear(20, 5))),
    case("one convolution", "healthy", lambda: nn.Sequential(nn.Conv2d(1, 5, 8), nn.Flatten()), images()),
    case("an embedding read out directly", "healthy", lambda: nn.Sequential(nn.EmbeddingBag(30, 5)), tokens()),
    case("no step made", "not enough evidence", lambda: mlp(6), training=Training(0.1, 0)),
    case("a readout of zeros", "not enough evidence", lambda: changed(mlp(6), lambda m: (m[-1].weight.zero_(), m[-1].bias.zero_()))),
]  # fmt: skip

BROUGHT = [
    case(each.name, each.label, each.make, each.batch, each.loss,
         training=None if each.training is None else Training(**each.training))
    for each in REPORTS
]  # fmt: skip

CASES: tuple[Case, ...] = (*HEALTHY, *SICK, *DONE, *BROUGHT)


def held_out(cases: tuple[Case, ...] = CASES) -> tuple[Case, ...]:
    """Every second case of each label, in the order of a fixed hash of the names."""
    labels = sorted({each.label for each in cases})
    chosen = []
    for label in labels:
        members = sorted((each for each in cases if each.label == label), key=lambda one: zlib.crc32(one.name.encode()))
        chosen += members[1::2]
    return tuple(chosen)


@dataclass(frozen=True)
class Specimen:
    """What was seen of a case: the diagnosis, and every weight's gradient as it is now, for the published rules."""

    diagnosis: vl.Diagnosis
    gradients: tuple[np.ndarray, ...]


def look(one: Case, seed: int = 0) -> Specimen:
    """Build the case from a seed, train it if it asks for that, and diagnose it."""
    torch.manual_seed(zlib.crc32(one.name.encode()) + seed)
    model, loss_fn, batch = one.build()
    if one.training is None:
        diagnosis = vl.examine(model, loss_fn, batch)
    else:
        diagnosis = vl.diagnose(trained(model, loss_fn, batch, one.training))
    model.zero_grad()
    loss = compute_loss(model, loss_fn, batch).loss
    if loss.requires_grad:
        loss.backward()
    weights = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    gradients = tuple(weight.grad.double().numpy() for weight in weights if weight.grad is not None)
    return Specimen(diagnosis, gradients)


def trained(model: nn.Module, loss_fn: Callable[..., Tensor], batch: Any, training: Training) -> vl.Record:
    """Train `model` in an ordinary loop and return its record."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    held = [p for name, p in named if name.startswith(training.held)] or list(copy.deepcopy(model).parameters())
    optimizer = torch.optim.SGD(held, lr=training.rate, momentum=training.momentum)
    others = [p for _, p in named if training.second and all(p is not each for each in held)]
    second = torch.optim.SGD(others, lr=training.rate) if others else None
    generator = torch.Generator().manual_seed(0)
    x, y = batch
    with vl.GradientRecorder(model, optimizer) as recorder:
        for _ in range(training.steps):
            part = (
                slice(None) if training.part is None else torch.randperm(len(x), generator=generator)[: training.part]
            )
            model.zero_grad()
            loss = compute_loss(model, loss_fn, (x[part], y[part])).loss
            if training.tell_loss:
                recorder.observe_loss(loss)
            loss.backward()
            optimizer.step()
            if second is not None:
                second.step()
    return recorder.record


def variant(one: Case, factor: float) -> Case:
    """The same case with its loss multiplied by `factor`."""

    def build() -> tuple[nn.Module, Callable[..., Tensor], Any]:
        model, loss_fn, batch = one.build()
        return model, scaled(factor, loss_fn), batch

    return replace(one, build=build)
