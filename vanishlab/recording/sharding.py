"""Norms of sharded parameters (FSDP2, DTensor): each process sees its own share, and the norm is that of the whole.

At the end of a recorded step the shares' numbers are gathered in one exchange for all layers that are sharded alike.
Every process that trains must record, on the same steps: the exchange waits for all of them.
"""

import math
from typing import Any

import torch
from torch import Tensor

from vanishlab.recording.layer import Layer, local
from vanishlab.recording.measure import Value
from vanishlab.recording.norms import joint_norm
from vanishlab.recording.quantities import LAYER_QUANTITIES

_GATHERED = {name: each.over_shards for name, each in LAYER_QUANTITIES.items() if each.over_shards}
_GATHERED["update_norm"] = "norm"  # of which update_ratio is made when the shares are together


def gather(layers: list[Layer], values: list[dict[str, Value]]) -> None:
    """Replace, in `values` (a dict for each layer), what belongs to a share by that of the whole."""
    alike: dict[Any, list[int]] = {}
    for place, layer in enumerate(layers):
        if key := _sharding(layer.weight):
            alike.setdefault(key, []).append(place)
    for (mesh, dims), places in alike.items():
        device = local(layers[places[0]].weight).device
        rows = [torch.stack([_number(values[place].get(name, math.nan), device) for place in places])
                for name in _GATHERED]  # fmt: skip
        for parameters in ("weights", "biases"):
            entries = [sum(local(each).numel() for each in getattr(layers[place], parameters)) for place in places]
            rows.append(rows[0].new_tensor(entries))
        shares = [torch.stack(rows)]  # (quantity and two sizes, layer)
        for dim in dims:
            shares = _exchange(torch.stack(shares), mesh.get_group(dim))
        every = torch.stack(shares)  # (share, quantity and two sizes, layer)
        for row, (name, kind) in enumerate(_GATHERED.items()):
            size = every[:, -1 if kind == "norm of biases" else -2]  # (share, layer)
            column = torch.where(size > 0, every[:, row], 0.0)  # small layers leave some processes without a share
            whole = (column * size).sum(0) / size.sum(0) if kind == "share" else joint_norm(list(column))
            whole = torch.where(size.sum(0) > 0, whole, torch.nan)
            for place, value in zip(places, whole, strict=True):
                values[place][name] = value.reshape(1)


def _number(value: Value, device: torch.device) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64, device=device).reshape(())


def _sharding(weight: Tensor) -> tuple[Any, tuple[int, ...]] | None:
    """Return the device mesh of a sharded weight and the mesh's dimensions that it is divided over."""
    placements = getattr(weight, "placements", None)
    if placements is None:
        return None
    dims = tuple(dim for dim, placement in enumerate(placements) if placement.is_shard())
    return (weight.device_mesh, dims) if dims else None  # pyright: ignore[reportAttributeAccessIssue]


def _exchange(table: Tensor, group: Any) -> list[Tensor]:
    received = [torch.empty_like(table) for _ in range(torch.distributed.get_world_size(group))]
    torch.distributed.all_gather(received, table.contiguous(), group=group)
    return [share for part in received for share in part.unbind(0)]
