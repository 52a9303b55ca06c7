"""What the lab's own networks have before training, over many seeds."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

import vanishlab as vl
from vanishlab.config import LossName

_TOGETHER = 10  # seeds: a machine of a few GB has to hold them, twice where two tests run at a time


class Drawn:
    """The three curves of `seeds` networks, (run, step 0, layer)."""

    def __init__(self, network: vl.NetworkConfig, data: vl.Dataset, loss: LossName, seeds: int) -> None:
        records = list(_trained(network, replace(data, x_test=None, y_test=None), loss, seeds))
        self.activation_rms = np.concatenate([record.activation_rms for record in records])
        self.delta_rms = np.concatenate([record.delta_rms for record in records])
        self.gradient_norm = np.concatenate([record.gradient_norm for record in records])


def _trained(network: vl.NetworkConfig, data: vl.Dataset, loss: LossName, seeds: int) -> Iterator[vl.Record]:
    for first in range(0, seeds, _TOGETHER):
        some = tuple(range(first, min(first + _TOGETHER, seeds)))
        yield vl.train(network, vl.TrainingConfig(learning_rates=(1.0,), seeds=some, steps=0, loss=loss), data)
