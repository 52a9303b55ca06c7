"""More of what people train, in plain torch; looked at only after the rules on `zoo_architectures` were made."""

import torch
import zoo_architectures as zoo
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations


class Sentences(nn.Module):
    """torch's own Transformer encoder, and a class for each sequence (Vaswani et al. 2017, arXiv:1706.03762)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.place = nn.Embedding(50, 64), nn.Embedding(24, 64)
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(64, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.embedding(tokens) + self.place.weight[: tokens.shape[1]]
        return self.head(self.encoder(h).mean(1))


class Gated(nn.Module):
    """One block of WaveNet (arXiv:1609.03499): tanh times sigmoid of dilated convolutions, and a skip connection."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.pad = nn.ConstantPad1d((dilation, 0), 0.0)
        self.filter, self.gate = (nn.Conv1d(width, width, 2, dilation=dilation) for _ in range(2))
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        u = self.pad(x)
        return x + self.mix(torch.tanh(self.filter(u)) * torch.sigmoid(self.gate(u)))


class WaveNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(50, 32), nn.Conv1d(32, 50, 1)
        self.blocks = nn.Sequential(*(Gated(32, dilation) for dilation in (1, 2, 4, 8)))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(torch.relu(self.blocks(self.embedding(tokens).transpose(1, 2)))).transpose(1, 2)


def tcn() -> nn.Module:
    """A temporal convolutional network with weight normalisation (arXiv:1803.01271)."""
    layers: list[nn.Module] = []
    for fan_in, dilation in ((2, 1), (32, 2), (32, 4), (32, 8)):
        conv = nn.Conv1d(fan_in, 32, 3, dilation=dilation, padding=dilation)
        layers += [parametrizations.weight_norm(conv), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 4))


def waves(step: int) -> tuple[Tensor, Tensor]:
    """Noisy sines (32, 2, 64) of four frequencies, and which it is."""
    generator = zoo.draw(step)
    y = torch.randint(4, (32,), generator=generator)
    phase = 6.28 * torch.rand(32, 1, generator=generator)
    angle = phase + (y[:, None] + 1) * torch.linspace(0, 9, 64)
    return torch.stack([angle.sin(), angle.cos()], 1) + 0.3 * torch.randn(32, 2, 64, generator=generator), y


class PointNet(nn.Module):
    """Qi et al. 2017, arXiv:1612.00593: a network for each point, and the largest of what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Sequential(
            nn.Conv1d(3, 32, 1), nn.BatchNorm1d(32), nn.ReLU(), nn.Conv1d(32, 64, 1), nn.BatchNorm1d(64), nn.ReLU()
        )
        self.body = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(self.points(x).amax(2))


def clouds(step: int) -> tuple[Tensor, Tensor]:
    """Points (32, 3, 40) stretched along one of four directions, and which it is."""
    generator = zoo.draw(step)
    y = torch.randint(4, (32,), generator=generator)
    directions = functional.normalize(torch.randn(4, 3, generator=zoo.draw(7)), dim=1)
    along = 2 * torch.rand(32, 1, 40, generator=generator)
    return directions[y][:, :, None] * along + 0.3 * torch.randn(32, 3, 40, generator=generator), y


class TwoTowers(nn.Module):
    """A recommender: users and items by their own networks, and their product (Covington et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(40, 16), nn.Embedding(60, 16)
        self.users, self.items = (
            nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 16))
            for _ in range(2)
        )

    def forward(self, pairs: Tensor) -> Tensor:
        return (self.users(self.user(pairs[:, 0])) * self.items(self.item(pairs[:, 1]))).sum(1)


def likes(step: int) -> tuple[Tensor, Tensor]:
    generator = zoo.draw(step)
    pairs = torch.stack([torch.randint(n, (256,), generator=generator) for n in (40, 60)], 1)
    return pairs, (pairs[:, 0] % 4 == pairs[:, 1] % 4).float()


class Autoencoder(nn.Module):
    """A convolutional autoencoder with a narrow middle."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ELU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ELU(), nn.Flatten(), nn.Linear(2048, 16)
        )
        self.up = nn.Sequential(
            nn.Linear(16, 2048), nn.ELU(), nn.Unflatten(1, (32, 8, 8)),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ELU(), nn.ConvTranspose2d(16, 3, 4, 2, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))


def itself(step: int) -> tuple[Tensor, Tensor]:
    x, _ = zoo.pictures(step)
    return x, x


class Memory(nn.Module):
    """A GRU cell in a loop, and a class for each sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.body, self.head = nn.GRUCell(2, 48), nn.Linear(48, 48), nn.Linear(48, 4)

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 48)
        for each in x[:, :, ::4].unbind(2):
            state = self.cell(each, state)
        return self.head(torch.relu(self.body(state)))


def sorted_sentences(step: int) -> tuple[Tensor, Tensor]:
    """Tokens of one of four fifths of the vocabulary, mixed with others, and which it is."""
    generator = zoo.draw(step)
    y = torch.randint(4, (32,), generator=generator)
    own = 10 * y[:, None] + torch.randint(10, (32, 24), generator=generator)
    other = torch.randint(50, (32, 24), generator=generator)
    return torch.where(torch.rand(32, 24, generator=generator) < 0.4, own, other), y


PLAIN = (
    zoo.Patient("Transformer encoder", Sentences, functional.cross_entropy, sorted_sentences,
                "encoder.layers.1.linear1", "encoder.layers.1.linear1", "encoder.layers.1.self_attn"),
    zoo.Patient("WaveNet", WaveNet, zoo.next_token, lambda step: (zoo.chain(step),) * 2, "blocks.1.mix", "",
                "blocks.1.gate", rate=1e-2),
    zoo.Patient("TCN", tcn, functional.cross_entropy, waves, "2", "", rate=3e-3),
    zoo.Patient("PointNet", PointNet, functional.cross_entropy, clouds, "points.3", "points.4", rate=3e-3),
    zoo.Patient("two towers", TwoTowers, functional.binary_cross_entropy_with_logits, likes, "users.2", "users.2",
                rate=1e-2),
    zoo.Patient("autoencoder", Autoencoder, functional.mse_loss, itself, "down.5", "up.0", rate=3e-3),
    zoo.Patient("GRU cell", Memory, functional.cross_entropy, waves, "body", "body", "cell", rate=1e-2),
)  # fmt: skip
