"""`GradientRecorder` in two processes: DistributedDataParallel's averaged gradients and FSDP2's sharded ones."""

import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn import functional

import vanishlab as vl
from vanishlab.recording import reasons

pytestmark = [
    pytest.mark.slow,  # each test starts two processes, seconds each
    pytest.mark.skipif(not dist.is_available() or not dist.is_gloo_available(), reason="torch without gloo"),
]
WORLD = 2
STEPS = 3


class Network(nn.Module):
    """Sizes that two processes cannot share evenly, attention, and a layer that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attention = nn.Linear(5, 4), nn.MultiheadAttention(4, 2, batch_first=True)
        self.body = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 1))
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        return self.body(self.attention(h, h, h)[0])


def build() -> Network:
    torch.manual_seed(4)
    return Network().double()


def loss_of(model: Any, step: int, part: int | None = None) -> Tensor:
    """The loss of 8 examples, or of one process's half of them."""
    generator = torch.Generator().manual_seed(step)
    x, y = (torch.randn(8, 3, size, generator=generator).double() for size in (5, 1))
    chosen = slice(None) if part is None else slice(4 * part, 4 * part + 4)
    return functional.mse_loss(model(x[chosen]), y[chosen])


def train(model: Any, part: int | None, record: Any, clip: float | None = 0.05) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with vl.GradientRecorder(record or model, optimizer) as recorder:
        for step in range(STEPS):
            optimizer.zero_grad()
            for half in range(2):
                loss_of(model, 2 * step + half, part).backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
    place = "all" if part is None else str(part)
    recorder.record.save(Path(os.environ["VANISHLAB_TEST_FOLDER"]) / f"{place}.npz")


def in_process(rank: int, kind: str, port: int) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    model: Any = build()
    if kind == "ddp":
        model = nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
        train(model, rank, None)
    elif kind == "ddp, the model inside":
        inner, model = model, nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
        train(model, rank, inner)
    else:
        mesh = init_device_mesh("cpu", (WORLD,))
        if kind == "fsdp of parts":
            fully_shard(model.body, mesh=mesh)
            fully_shard(model.attention, mesh=mesh)
        fully_shard(model, mesh=mesh)
        train(model, rank, None)
    dist.destroy_process_group()


@pytest.mark.parametrize("kind", ["ddp", "ddp, the model inside", "fsdp", "fsdp of parts"])
def test_two_processes_record_the_gradients_of_all_examples(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VANISHLAB_TEST_FOLDER", str(tmp_path))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(in_process, (kind, port), nprocs=WORLD)  # pyright: ignore[reportPrivateImportUsage]
    with torch.random.fork_rng():
        model = build()
    train(model, None, None)
    parts, whole = (
        [vl.Record.load(tmp_path / f"{rank}.npz") for rank in range(WORLD)],
        vl.Record.load(tmp_path / "all.npz"),
    )
    for part in parts:
        assert part.layer_names == whole.layer_names and part.step.tolist() == list(range(STEPS))
        names = ("gradient_norm", "bias_gradient_norm", "applied_gradient_norm", "weight_norm", "update_ratio")
        for name in (*names, "zero_fraction", "subnormal_fraction"):
            wanted = getattr(whole, name)
            # float64; the average over processes is taken in another order.
            np.testing.assert_allclose(getattr(part, name), wanted, rtol=1e-9, atol=1e-14, err_msg=f"{kind} {name}")
        assert part.unmeasured["unused"] == whole.unmeasured["unused"] == reasons.UNUSED
        assert part.unmeasured == whole.unmeasured
    # Delta is that of a process's own examples; together they are all, and 4 undoes 1/4 as 8 undoes 1/8.
    for name in ("delta_rms", "activation_rms"):
        together = np.sqrt(np.mean([getattr(part, name) ** 2 for part in parts], axis=0))
        np.testing.assert_allclose(together, getattr(whole, name), rtol=1e-9, err_msg=f"{kind} {name}")
