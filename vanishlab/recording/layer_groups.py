"""Blocks of layers: consecutive ones whose names share a prefix that ends in a number, as "encoder.3" or "layer2.0"."""

from collections.abc import Sequence
from typing import NamedTuple


class Block(NamedTuple):
    """Layers `first` to `last - 1`, counted from 0, under one name."""

    name: str
    first: int
    last: int


def layer_blocks(names: Sequence[str]) -> list[Block]:
    """Return the blocks of a model's layers, nothing where the names do not group them.

    >>> layer_blocks(["embed", "body.0.attention", "body.0.linear", "body.1.attention", "body.1.linear"])
    [Block(name='embed', first=0, last=1), Block(name='body.0', first=1, last=3), Block(name='body.1', first=3, last=5)]
    """
    blocks: list[Block] = []
    for place, name in enumerate(_prefix(name) for name in names):
        if blocks and blocks[-1].name == name:
            blocks[-1] = blocks[-1]._replace(last=place + 1)
        else:
            blocks.append(Block(name, place, place + 1))
    return blocks if 1 < len(blocks) < len(names) else []


def at_most(names: Sequence[str], most: int) -> list[Block]:
    """Return all layers in at most so many blocks: each by itself, by their own blocks, or several of those in one.

    >>> at_most(["a", "b", "c", "d", "e"], 3)
    [Block(name='a to b', first=0, last=2), Block(name='c to d', first=2, last=4), Block(name='e', first=4, last=5)]
    """
    single = [Block(name, place, place + 1) for place, name in enumerate(names)]
    if len(single) <= most:
        return single
    blocks = layer_blocks(names) or single
    together = -(-len(blocks) // most)
    groups = [blocks[start : start + together] for start in range(0, len(blocks), together)]
    return [
        Block(
            group[0].name if len(group) == 1 else f"{group[0].name} to {group[-1].name}", group[0].first, group[-1].last
        )
        for group in groups
    ]


def _prefix(name: str) -> str:
    parts = name.split(".")
    number = next((place for place, part in enumerate(parts[:-1]) if part.isdigit()), 0)
    return ".".join(parts[: number + 1])
