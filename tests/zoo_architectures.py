"""What people train, small and in plain torch, and illnesses that are put into any model.

A `Patient` is healthy as published. An `Illness` changes a model in place and says which modules it touched; whether it
harms is not said here but measured, by the loss that the model reaches beside that of the healthy one.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import vanishlab as vl
from vanishlab.analysis.objective import compute_loss


@dataclass(frozen=True)
class Patient:
    name: str
    build: Callable[[], nn.Module]
    loss_fn: Callable[..., Tensor]
    batch: Callable[[int], Any]
    """The batch of a step."""
    inner: str
    """A module halfway, whose output is a tensor: where a branch is detached or a mask turns into NaN; "" for none, as
    where the loss differentiates by the input."""
    dead: str
    """A layer, normalisation or not, with a bias and an activation behind it; "" where layers have no biases."""
    gate: str = ""
    """A layer whose output goes through a sigmoid, a tanh or a softmax."""
    rate: float = 1e-3
    own: "tuple[Illness, ...]" = ()
    """Illnesses that only this one can have."""

    @property
    def illnesses(self) -> "tuple[Illness, ...]":
        """Those that fit it: it has what they touch."""
        return (*(each for each in ILLNESSES if fits(each, self)), *self.own)


@dataclass(frozen=True)
class Illness:
    name: str
    change: Callable[[nn.Module, Patient], object]
    where: str = ""
    """The field of the patient with the module that is touched, and that a verdict has to name; "" of the whole model."""
    rate: float = 1.0
    """Factor of the learning rate."""

    def place(self, patient: Patient) -> str:
        return getattr(patient, self.where) if self.where else ""


@dataclass(frozen=True)
class Course:
    before: vl.Diagnosis
    during: vl.Diagnosis
    losses: tuple[float, ...]
    """Of the recorded steps."""
    at_last: tuple[float, ...]
    """Of as many steps, the last ones, where the model was given more time; the same otherwise."""


def follow(
    patient: Patient, illness: Illness | None = None, steps: int = 50, seed: int = 0, beside: tuple[float, ...] = ()
) -> Course:
    """Return the verdicts before and after `steps` steps of Adam, and the losses.

    Where the losses of the healthy model are given `beside`, one that falls behind them gets three times as many steps.
    """
    torch.manual_seed(seed)
    model = patient.build()
    if illness is not None:
        with torch.no_grad():
            illness.change(model, patient)
    optimizer = torch.optim.Adam(model.parameters(), lr=patient.rate * (illness.rate if illness else 1.0))
    before = vl.examine(model, patient.loss_fn, patient.batch(0), optimizer=optimizer)
    losses: list[float] = []

    def train() -> None:
        optimizer.zero_grad()
        loss = compute_loss(model, patient.loss_fn, patient.batch(len(losses))).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))

    with vl.GradientRecorder(model, optimizer, every=5) as recorder:
        for _ in range(steps):
            train()
    while beside and len(losses) < 3 * steps and harms(beside, tuple(losses[-steps:])) and math.isfinite(losses[-1]):
        train()
    return Course(before, vl.diagnose(recorder), tuple(losses[:steps]), tuple(losses[-steps:]))


def learns(losses: tuple[float, ...]) -> bool:
    """Return whether the loss has fallen; of a model whose has not, nothing can be said to harm it."""
    few = max(len(losses) // 10, 1)
    return sum(losses[-few:]) < sum(losses[:few])


def harms(healthy: tuple[float, ...], sick: tuple[float, ...]) -> bool:
    """Return whether the sick model, at its end, lacks a quarter of the loss's decrease in the healthy one."""
    few = max(len(healthy) // 10, 1)
    first, reached, sick_end = (sum(part) / few for part in (healthy[:few], healthy[-few:], sick[-few:]))
    return not math.isfinite(sick_end) or sick_end > reached + 0.25 * (first - reached)


def matrices(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.ndim >= 2]


def scale(factor: float) -> Callable[[nn.Module, Patient], object]:
    def change(model: nn.Module, patient: Patient) -> None:
        for parameter in matrices(model):
            parameter.mul_(factor)

    return change


def detach(model: nn.Module, patient: Patient) -> None:
    model.get_submodule(patient.inner).register_forward_hook(lambda module, inputs, output: output.detach())


def mask(model: nn.Module, patient: Patient) -> None:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        # The idiom: what `where` does not choose gets a gradient of 0, and the root of a negative number makes it NaN.
        return torch.where(output > 0, output.sqrt().square(), output)

    model.get_submodule(patient.inner).register_forward_hook(hook)


def kill(model: nn.Module, patient: Patient) -> None:
    layer = model.get_submodule(patient.dead)
    assert isinstance(layer.bias, Tensor) and isinstance(layer.weight, Tensor)
    layer.weight.mul_(0.1)
    layer.bias.fill_(-30.0)


def saturate(model: nn.Module, patient: Patient) -> None:
    gate = model.get_submodule(patient.gate)
    for name, parameter in gate.named_parameters():
        if "weight" in name:
            parameter.mul_(100.0)


def is_norm(module: nn.Module) -> bool:
    kind = type(module).__name__
    return kind.endswith(("Norm", "Norm1d", "Norm2d", "BatchNormAct2d")) and kind != "_WeightNorm"  # that is a weight's


def strip(model: nn.Module, patient: Patient) -> None:
    for name, module in list(model.named_modules()):
        if is_norm(module):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, getattr(module, "act", nn.Identity()))  # timm joins both


ILLNESSES = (
    Illness("initialisation x 10", scale(10.0)),
    Illness("initialisation / 10", scale(0.1)),
    Illness("branch detached", detach, "inner"),
    Illness("norms removed", strip),
    Illness("saturated gate", saturate, "gate"),
    Illness("dead block", kill, "dead"),
    Illness("NaN by masking", mask, "inner"),
    Illness("rate x 100", lambda model, patient: None, rate=100.0),
)


def fits(illness: Illness, patient: Patient) -> bool:
    """Return whether the model has what the illness touches."""
    if illness.change is strip:
        return any(map(is_norm, patient.build().modules()))
    return not illness.where or bool(illness.place(patient))


def places(illness: Illness, patient: Patient) -> tuple[str, ...]:
    """Return what a verdict may name: the module that is touched, and the layer before it where that is its norm."""
    place, before = illness.place(patient), ""
    for name, module in patient.build().named_modules():
        if name == place:
            return (place, before) if is_norm(module) else (place,)
        before = name if any(p.ndim >= 2 for p in module.parameters(recurse=False)) else before
    return (place,)


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def chain(step: int, vocabulary: int = 50, length: int = 24, size: int = 16) -> Tensor:
    """Tokens (size, length) of which each but one in ten follows from the one before."""
    generator = draw(step)
    tokens = torch.randint(vocabulary, (size, length), generator=generator)
    strays = torch.rand(size, length, generator=generator) < 0.1
    for place in range(1, length):
        tokens[:, place] = torch.where(strays[:, place], tokens[:, place], (7 * tokens[:, place - 1] + 3) % vocabulary)
    return tokens


def pictures(step: int, side: int = 32, size: int = 16, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Noisy pictures (size, 3, side, side), each with its class's pattern, and their classes."""
    generator = draw(step)
    y = torch.randint(classes, (size,), generator=generator)
    patterns = torch.nn.functional.interpolate(torch.randn(classes, 3, 4, 4, generator=draw(99)), size=side)
    return patterns[y] + 0.5 * torch.randn(size, 3, side, side, generator=generator), y


def segments(step: int) -> tuple[Tensor, Tensor]:
    """Noisy discs, and the mask of each (size, 1, 32, 32)."""
    generator = draw(step)
    centre = 8 + 16 * torch.rand(8, 2, 1, 1, generator=generator)
    radius = 4 + 6 * torch.rand(8, 1, 1, generator=generator)
    row, column = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    disc = ((row - centre[:, 0]).square() + (column - centre[:, 1]).square() < radius.square()).float()[:, None]
    return disc + 0.3 * torch.randn(8, 1, 32, 32, generator=generator), disc


def double(before: int, after: int) -> nn.Sequential:
    layers = [[nn.Conv2d(n, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()] for n in (before, after)]
    return nn.Sequential(*layers[0], *layers[1])


class UNet(nn.Module):
    """Ronneberger et al. 2015, arXiv:1505.04597, with batch normalisation."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down1, self.down2 = double(1, width), double(width, 2 * width)
        self.middle = double(2 * width, 4 * width)
        self.up2, self.out2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2), double(4 * width, 2 * width)
        self.up1, self.out1 = nn.ConvTranspose2d(2 * width, width, 2, 2), double(2 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(functional.max_pool2d(first, 2))
        third = self.middle(functional.max_pool2d(second, 2))
        second = self.out2(torch.cat([second, self.up2(third)], 1))
        return self.head(self.out1(torch.cat([first, self.up1(second)], 1)))


class RecurrentLanguage(nn.Module):
    """A language model of two recurrent layers."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.embedding, self.recurrent = nn.Embedding(50, 64), kind(64, 64, num_layers=2, batch_first=True)
        self.body, self.head = nn.Linear(64, 64), nn.Linear(64, 50)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.body(self.recurrent(self.embedding(x))[0])))


def next_token(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


class GCN(nn.Module):
    """Kipf and Welling 2017, arXiv:1609.02907, of three layers on one graph of four communities."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 4)])

    def forward(self, x: Tensor) -> Tensor:
        y = community()
        near = (torch.rand(len(y), len(y), generator=draw(1)) < torch.where(y[:, None] == y, 0.2, 0.01)).float()
        near = ((near + near.T) > 0).float() + torch.eye(len(y))
        share = near.sum(0).rsqrt()
        near = share[:, None] * near * share
        for layer in self.layers[:-1]:
            x = torch.relu(near @ layer(x))
        return near @ self.layers[-1](x)


def community() -> Tensor:
    return torch.arange(80) % 4


def graph(step: int) -> tuple[Tensor, Tensor]:
    y = community()
    return torch.randn(4, 16, generator=draw(2))[y] + torch.randn(80, 16, generator=draw(3)), y


class GAN(nn.Module):
    """DCGAN, arXiv:1511.06434: both players in one module, each told of its own loss alone."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.ConvTranspose2d(16, 32, 4), nn.BatchNorm2d(32), nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(16, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(0.2), nn.Conv2d(32, 1, 4),
        )  # fmt: skip
        for parameter in matrices(self):
            nn.init.normal_(parameter, 0.0, 0.02)


def real(step: int) -> tuple[Tensor, Tensor]:
    return torch.randn(16, 16, 1, 1, generator=draw(step)), torch.tanh(pictures(step, side=16)[0])


class Discriminator(nn.Module):
    """A GAN's discriminator on real pictures and on those of a generator that stands still."""

    def __init__(self) -> None:
        super().__init__()
        players = GAN()
        self.generator, self.discriminator = players.generator.requires_grad_(False), players.discriminator

    def forward(self, noise: Tensor, pictures: Tensor) -> Tensor:
        with torch.no_grad():
            fake = self.generator(noise)
        return self.discriminator(torch.cat([pictures, fake])).flatten()


def real_or_not(logits: Tensor, which: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, which)


def judged(step: int) -> Any:
    noise, shown = real(step)
    return (noise, shown), torch.cat([torch.ones(16), torch.zeros(16)])


class VAE(nn.Module):
    """Kingma and Welling 2014, arXiv:1312.6114."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(64, 8), nn.Linear(64, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 192))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.encoder(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        return self.decoder(mean + (0.5 * log_variance).exp() * torch.randn_like(mean)), mean, log_variance


def evidence_bound(outputs: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
    again, mean, log_variance = outputs
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
    return 0.5 * (again - x).square().sum(1).mean() + divergence


def flat_pictures(step: int) -> tuple[Tensor, Tensor]:
    x = pictures(step, side=8, size=64)[0].flatten(1)
    return x, x


def pinn() -> nn.Module:
    """Raissi et al. 2019: a tanh network of four hidden layers."""
    layers: dict[str, nn.Module] = {}
    for place, fan_in in enumerate((1, 32, 32, 32), 1):
        layers |= {f"hidden{place}": nn.Linear(fan_in, 32), f"phi{place}": nn.Tanh()}
    net = nn.Sequential(OrderedDict(layers, readout=nn.Linear(32, 1)))
    for parameter in matrices(net):
        nn.init.xavier_normal_(parameter)
    return net


def residual(model: nn.Module, batch: Tensor) -> Tensor:
    """Of u'' = -pi^2 sin(pi x) with u = 0 at -1 and 1, and the ends' weight 10."""
    x = batch.clone().requires_grad_()
    u = model(x)
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
    inside = (bend + math.pi**2 * torch.sin(math.pi * x)).square().mean()
    return inside + 10 * model(torch.tensor([[-1.0], [1.0]])).square().mean()


PLAIN = (
    Patient("U-Net", UNet, functional.binary_cross_entropy_with_logits, segments, "middle.1", "middle.4", rate=3e-3),
    Patient(
        "LSTM language model", lambda: RecurrentLanguage(nn.LSTM), next_token, lambda step: (chain(step),) * 2, "body",
        "body", "recurrent", rate=1e-2,
    ),
    Patient(
        "GRU language model", lambda: RecurrentLanguage(nn.GRU), next_token, lambda step: (chain(step),) * 2, "body",
        "body", "recurrent", rate=1e-2,
    ),
    Patient("GCN", GCN, functional.cross_entropy, graph, "layers.1", "layers.1", rate=1e-2),
    Patient("DCGAN's discriminator", Discriminator, real_or_not, judged, "discriminator.2", "discriminator.3"),
    Patient("VAE", VAE, evidence_bound, flat_pictures, "decoder.2", "decoder.2", rate=3e-3),
    Patient(
        "PINN", pinn, residual, lambda step: 2 * torch.rand(64, 1, generator=draw(step)) - 1, "", "hidden3", "hidden3", rate=3e-3
    ),
)  # fmt: skip
