"""What people bring, rebuilt small: faults of wiring, of the loss, of scale, each beside its mended version.

A label follows from how the model is made. The kinds: the optimizer holds other weights; an operation without slope; a
gradient that breaks behind a finite loss; plateaus; a loss that ignores the pairing; weights that the model does not
know; frozen on purpose; underflow within autocast; a wild scale; one layer; no better than a constant.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from zoo_models import Fused, clusters, images, layer, mlp, regression, sequences

mse, cross_entropy = functional.mse_loss, functional.cross_entropy


class Report(NamedTuple):
    """A model with its loss and batch; `training` are the fields of the zoo's `Training`."""

    name: str
    label: str
    make: Callable[[], nn.Module]
    batch: tuple[Tensor, Tensor] = clusters()
    loss: Callable[..., Tensor] = cross_entropy
    training: dict[str, Any] | None = None


class Between(nn.Module):
    """Two stacks, and a function between them."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.lower, self.upper = mlp(2, 32, nn.Tanh, 1.0, classes=16), mlp(2, 32, nn.Tanh, 1.0, features=16)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.upper(self.between(self.lower(x)))


class Hidden(nn.Module):
    """Weights that no `parameters()` returns: in a list or a dict, as bare tensors, or made in `forward`."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.head = nn.Linear(32, 5)
        inner = [nn.Linear(20, 32), nn.Linear(32, 32)]
        self.where = where
        self.layers: Any = {"list": inner, "dict": dict(enumerate(inner)), "known": nn.ModuleList(inner)}.get(where)
        if where == "tensor":
            self.weight = (torch.randn(32, 20) / 20**0.5).requires_grad_()

    def forward(self, x: Tensor) -> Tensor:
        if self.where == "tensor":
            return self.head(torch.relu(x @ self.weight.T))
        if self.where == "made":
            return self.head(torch.relu(nn.Linear(20, 32)(x)))
        for each in self.layers.values() if isinstance(self.layers, dict) else self.layers:
            x = torch.relu(each(x))
        return self.head(x)


class Autocast(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.body, self.dtype = mlp(5, 64, nn.Tanh, 1.0), dtype

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=self.dtype):
            return self.body(x).float()


class Attended(nn.Module):
    """Attention over sequences one of which is masked altogether; its NaN is written over, and comes back.

    Where the mask fills the scores it takes that NaN's place on the way back as well, so that it reaches no weight.
    """

    def __init__(self, masked: bool, filled: bool = False) -> None:
        super().__init__()
        self.enter, self.head = nn.Linear(4, 16), nn.Linear(16, 5)
        self.masked, self.filled = masked, filled

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x)
        mask = torch.zeros(x.shape[:2], dtype=torch.bool)
        mask[0] = self.masked
        scores = h @ h.transpose(1, 2)
        if self.filled:
            scores = scores.masked_fill(mask[:, None], -math.inf)
        else:
            scores = scores + torch.zeros(scores.shape).masked_fill(mask[:, None], -math.inf)
        return self.head(torch.nan_to_num(scores.softmax(2), nan=0.0) @ h).mean(1)


class Differentiated(nn.Module):
    """A model that differentiates by its own input, a leaf that asks for gradients and is no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(3, 32, nn.Tanh, 1.0, classes=1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.detach().clone().requires_grad_()
        return torch.autograd.grad(self.body(x).sum(), x, create_graph=True)[0][:, :5]


def louder(make: Callable[[], nn.Module], place: int, factor: float) -> nn.Module:
    model: Any = make()
    with torch.no_grad():
        model[place].weight *= factor
    return model


def root(inside: float) -> Callable[..., Tensor]:
    # With weights of zero the first outputs are the first targets.
    return lambda o, t: torch.sqrt((o - o.detach()).square().sum(1) + inside).mean() + mse(o, t)


def normed(momentum: float) -> nn.Module:
    """Trained for 200 batches with batch norm whose running statistics follow by so much a batch."""
    norm = nn.BatchNorm1d(32, momentum=momentum)
    model = nn.Sequential(layer(20, 32, 2.0), norm, nn.ReLU(), layer(32, 5, 1.0))
    x, y = clusters()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        cross_entropy(model(5 * x + 30), y).backward()
        optimizer.step()
    return model


def one_of_two(optimizer_holds: str) -> dict[str, Any]:
    return {"rate": 0.02, "steps": 20, "held": optimizer_holds, "second": True}


NOISE = torch.Generator().manual_seed(5)
COIN = torch.rand(256, 20, generator=NOISE), torch.randint(2, (256, 1), generator=NOISE).float()
FLAT = regression()[0], regression()[1][:, 0]
WIDE = torch.rand(200, 50, generator=NOISE)
PAIRED = WIDE, torch.sigmoid(6 * torch.randn(200, 50, generator=NOISE))
LINE = torch.arange(1.0, 200.0)[:, None]
XOR = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([[1.0], [0], [0], [1]])


def squash(count: int) -> nn.Module:
    return nn.Sequential(layer(2, count, 1.0), nn.Sigmoid(), layer(count, 1, 1.0), nn.Sigmoid())


def straight_through(z: Tensor) -> Tensor:
    return z + (torch.round(4 * z) / 4 - z).detach()


def unsafe_root(z: Tensor) -> Tensor:
    return torch.where(z > 0, torch.sqrt(z), 0.1 * z)


def safe_root(z: Tensor) -> Tensor:
    return torch.where(z > 0, torch.sqrt(torch.where(z > 0, z, 1.0) + 1e-3), 0.1 * z)


REPORTS: tuple[Report, ...] = (
    Report("another model's optimizer", "frozen updates", lambda: mlp(4), training={"rate": 0.05, "steps": 20, "held": "none"}),
    Report("the optimizer lacks the head", "frozen updates", lambda: mlp(2), training={"rate": 0.05, "steps": 20, "held": ("0", "2")}),
    Report("the optimizer lacks the head, which another holds", "healthy", lambda: mlp(4), training=one_of_two("0")),
    Report("rounded on the way", "no gradient", lambda: Between(lambda z: torch.round(4 * z) / 4)),
    Report("sign on the way", "no gradient", lambda: Between(torch.sign)),
    Report("clamped out of range on the way", "no gradient", lambda: Between(lambda z: torch.clamp(z, 8.0, 9.0) / 8)),
    Report("rounded outputs", "no gradient", lambda: mlp(4), loss=lambda o, t: cross_entropy(torch.round(o), t)),
    Report("rounded on the way, trained", "no gradient", lambda: Between(torch.round), training={"rate": 0.05, "steps": 10}),
    Report("rounded on the way, straight through", "healthy", lambda: Between(straight_through)),
    Report("root of distance at an exact fit", "not finite", lambda: mlp(3, 32, nn.Tanh, 1.0, classes=1), regression(), root(0.0)),
    Report("the same with a number inside", "healthy", lambda: mlp(3, 32, nn.Tanh, 1.0, classes=1), regression(), root(1e-6)),
    Report("root behind where", "not finite", lambda: Between(unsafe_root)),
    Report("root behind where, trained", "not finite", lambda: Between(unsafe_root), training={"rate": 0.05, "steps": 5}),
    Report("the same, its input chosen too", "healthy", lambda: Between(safe_root)),
    Report("norm of zero in the loss", "not finite", lambda: mlp(3), loss=lambda o, t: cross_entropy(o, t) + 0 * torch.sqrt((o - o).sum())),
    Report("log of a negative number", "not finite", lambda: mlp(3), loss=lambda o, t: torch.log(o).mean()),
    Report("a sequence masked altogether", "not finite", lambda: Attended(True), sequences()),
    Report("the same, its NaN kept from the weights", "healthy", lambda: Attended(True, filled=True), sequences()),
    Report("none masked", "healthy", lambda: Attended(False), sequences()),
    Report("(n, 1) against (n,)", "targets ignored", lambda: mlp(3, 32, nn.Tanh, 1.0, classes=1), FLAT, lambda o, t: (o - t).square().mean()),
    Report("(n, 1) against (n,), absolute, written out", "targets ignored", lambda: mlp(2, 32, classes=1), FLAT, lambda o, t: (o - t).abs().mean()),
    Report("(n,) against (n, 1), trained", "targets ignored", lambda: nn.Sequential(*mlp(2, 32, classes=1), nn.Flatten(0)), regression(), lambda o, t: (o - t).pow(2).mean(), {"rate": 0.02, "steps": 20}),
    Report("(n,) against (n,)", "healthy", lambda: nn.Sequential(*mlp(2, 32, classes=1), nn.Flatten(0)), FLAT, mse),
    Report("a loss without targets", "healthy", lambda: mlp(3, classes=1), regression(), lambda o, t: functional.softplus(-o).mean()),
    Report("layers in a list", "unregistered weights", lambda: Hidden("list")),
    Report("layers in a dict, trained", "unregistered weights", lambda: Hidden("dict"), training={"rate": 0.05, "steps": 10}),
    Report("a bare tensor", "unregistered weights", lambda: Hidden("tensor")),
    Report("a layer made in forward", "unregistered weights", lambda: Hidden("made")),
    Report("layers in a ModuleList", "healthy", lambda: Hidden("known")),
    Report("differentiated by its input", "healthy", Differentiated, (clusters()[0], torch.randn(64, 5, generator=NOISE)), mse),
    Report("running statistics that lag behind", "stale statistics", lambda: normed(1e-4), (5 * clusters()[0] + 30, clusters()[1])),
    Report("the same, in eval mode", "stale statistics", lambda: normed(3e-4).eval(), (5 * clusters()[0] + 30, clusters()[1])),
    Report("the same at torch's own momentum", "converged", lambda: normed(0.1), (5 * clusters()[0] + 30, clusters()[1])),
    Report("softmax before cross-entropy", "softmax twice", lambda: nn.Sequential(*mlp(2), nn.Softmax(1))),
    Report("sigmoid before cross-entropy, trained", "softmax twice", lambda: nn.Sequential(*mlp(2), nn.Sigmoid()), training={"rate": 0.05, "steps": 10}),
    Report("sigmoid before its cross-entropy with logits", "softmax twice", lambda: nn.Sequential(*mlp(2, classes=1), nn.Sigmoid()), (COIN[0], COIN[1]), functional.binary_cross_entropy_with_logits),
    Report("log-softmax before its loss", "healthy", lambda: nn.Sequential(*mlp(2), nn.LogSoftmax(1)), loss=functional.nll_loss),
    Report("sigmoid before plain cross-entropy", "healthy", lambda: nn.Sequential(*mlp(2, classes=1), nn.Sigmoid()), (COIN[0], COIN[1]), functional.binary_cross_entropy),
    Report("autocast float16, loss x 1e-3", "underflow", lambda: Autocast(torch.float16), loss=lambda o, t: 1e-3 * cross_entropy(o, t)),
    Report("autocast bfloat16, loss x 1e-3", "healthy", lambda: Autocast(torch.bfloat16), loss=lambda o, t: 1e-3 * cross_entropy(o, t)),
    Report("readout x 250", "wild scale", lambda: louder(lambda: mlp(3, gain="default"), 6, 250.0)),
    Report("readout x 300, trained", "wild scale", lambda: louder(lambda: mlp(3, gain="default"), 6, 300.0), training={"rate": 1e-4, "steps": 5}),
    Report("inputs to 200, cubed targets", "wild scale", lambda: mlp(1, 50, gain="default", features=1, classes=1), (LINE, LINE**3), mse),
    Report("the same, brought to 1", "healthy", lambda: mlp(1, 50, gain="default", features=1, classes=1), ((LINE - 100) / 58, (LINE**3 - 2e6) / 2e6), mse),
    Report("one layer and a sigmoid, wide", "saturated", lambda: nn.Sequential(layer(50, 50, 50**0.5, None), nn.Sigmoid()), (4 * WIDE - 2, PAIRED[1]), mse),
    Report("one layer and a sigmoid", "healthy", lambda: nn.Sequential(layer(50, 50, 1.0, None), nn.Sigmoid()), PAIRED, mse),
    Report("XOR by two sigmoids", "stalled", lambda: squash(4), XOR, mse, {"rate": 0.05, "steps": 600}),
    Report("coin tosses, no input", "stalled", lambda: mlp(2, 16, nn.Tanh, 1.0, classes=1), (0 * COIN[0], COIN[1]), mse, {"rate": 0.1, "steps": 120}),
    Report("a line through noise", "levelled out", lambda: mlp(1, 8, nn.Identity, 1.0, classes=1), (regression()[0], regression()[1] + 1.5 * torch.randn(64, 1, generator=NOISE)), mse, {"rate": 0.05, "steps": 600}),
    Report("a line through noise, images", "levelled out", lambda: nn.Sequential(nn.Flatten(), layer(64, 16, 1.0), layer(16, 1, 1.0)), (images(200)[0], images(200)[0].flatten(1)[:, :1] + torch.randn(200, 1, generator=NOISE)), mse, {"rate": 0.02, "steps": 900}),
    Report("torch's LSTM, default, 24 steps", "healthy", lambda: Fused(nn.LSTM(4, 32, batch_first=True)), sequences(32, 24)),
    Report("torch's LSTM, default, 80 steps", "vanishing", lambda: Fused(nn.LSTM(4, 32, batch_first=True)), sequences(32, 80)),
    Report("torch's GRU, default, 20 steps", "healthy", lambda: Fused(nn.GRU(4, 32, batch_first=True)), sequences(32, 20)),
)  # fmt: skip
