"""Layers by the block: names that share a prefix with a number, in tables and on axes."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import vanishlab as vl
from vanishlab.cli.tables import layer_rows
from vanishlab.plots import depth_profile, history
from vanishlab.recording.layer_groups import at_most, layer_blocks


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), []),
        (("0", "2", "4"), []),
        (("a", "b"), []),
        (("conv.weight", "conv.other"), []),  # one block is none
        (("stem", "layer1.0.a", "layer1.0.b", "layer1.1.a", "fc"), ["stem", "layer1.0", "layer1.1", "fc"]),
        (("x.0.a", "x.0.b", "y.a", "x.0.c"), ["x.0", "y", "x.0"]),  # only neighbours
    ],
    ids=str,
)
def test_neighbours_with_one_prefix_are_a_block(names: tuple[str, ...], expected: list[str]) -> None:
    blocks = layer_blocks(names)
    assert [block.name for block in blocks] == expected
    assert [place for block in blocks for place in range(block.first, block.last)] == list(
        range(len(names) if blocks else 0)
    )


@pytest.mark.parametrize("layers", [1, 40, 41, 300, 1000])
@pytest.mark.parametrize("name", ["{}", "body.{}.weight"])
def test_a_table_has_every_layer_in_at_most_forty_rows(layers: int, name: str) -> None:
    blocks = at_most([name.format(place // 3) for place in range(layers)], 40)
    assert len(blocks) <= 40 and blocks[0].first == 0 and blocks[-1].last == layers
    assert all(one.last == two.first for one, two in itertools.pairwise(blocks))


@pytest.fixture(scope="module")
def record() -> vl.Record:
    """122 layers: 40 blocks of three, one before and one after."""
    body = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(40)))
    model = nn.ModuleDict({"embed": nn.Linear(4, 4), "body": body, "head": nn.Linear(4, 2)})
    with vl.GradientRecorder(model) as recorder:
        for _ in range(2):
            model["head"](model["body"](model["embed"](torch.ones(3, 4)))).sum().backward()
            recorder.end_step()
    return recorder.record


def test_rows_of_a_table_are_medians_over_blocks(record: vl.Record) -> None:
    rows = layer_rows(record, ("gradient_norm", "time_ratio"))
    # 42 blocks, two to a row.
    assert (
        len(rows) == 21 and rows[0][0] == "embed to body.0 (4 layers)" and rows[-1][0] == "body.39 to head (4 layers)"
    )
    assert rows[0][1] == np.median(record.gradient_norm[0, 0, :4]) and np.isnan(float(str(rows[0][2])))
    few = record.select(layer=(1, 122))
    assert [row[0] for row in layer_rows(few, ("delta_rms",))] == ["embed", "head"]


def test_axes_name_blocks_that_keep_their_distance(record: vl.Record) -> None:
    figure = Figure()
    profile, heat = figure.subplots(1, 2)
    depth_profile(profile, record)
    history(heat, record)
    for axis in (profile.xaxis, heat.yaxis):
        names = [label.get_text() for label in axis.get_ticklabels()]
        assert names[0] == "embed" and 2 < len(names) <= 16
        assert set(names) <= {"embed", "head", *(f"body.{number}" for number in range(40))}
        assert (np.diff(axis.get_majorticklocs()) >= 122 / 15).all()
        assert len(axis.get_minorticklocs()) + len(names) == 42  # a mark for every block
        assert axis.get_label_text() == "layer, by block"
