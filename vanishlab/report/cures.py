"""`cures_of(record)`: the lines to paste for each remedy, where the record knows the network that they are for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from vanishlab.analysis.remedies.mending import listed_activations
from vanishlab.analysis.remedies.snippets import OF_THE_LOOP, lines_to_paste
from vanishlab.config import NetworkConfig
from vanishlab.data import OFFLINE_NAMES, load_data
from vanishlab.language.sentences import say
from vanishlab.network.mlp import MLP
from vanishlab.recording.record import Record
from vanishlab.report.commands import call_of


@dataclass(frozen=True)
class Cures:
    """What stands beside the remedies."""

    note: str
    """In words, where the lines are for or where they are to be had."""
    opening: str = ""
    """The lines that make the model, which those of every remedy come after."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Remedy to its lines."""


def cures_of(record: Record) -> Cures:
    """Return the lines for the record's network; for a model of one's own, which no record holds, where to get them."""
    sizes = None if record.network is None else _sizes(record)
    if record.network is None or sizes is None:
        note = "The lines for the rest are made from your model: {code}, or from the shell {command}."
        calls = {"code": "print(vl.examine(model, loss_fn, batch))", "command": "vanishlab examine MODULE:FACTORY"}
        return Cures(say(note, **calls), code=OF_THE_LOOP)
    features, classes = sizes
    with torch.device("meta"):  # the lines go by names and shapes: no weight has to be drawn for them
        model = MLP(record.network, features, classes).single()
    note = say("The lines below each remedy change this network before it is trained. As a model it is made by:")
    code = lines_to_paste(model, listed_activations(model), {})
    return Cures(note, _opening(record, record.network, features, classes), code)


def _sizes(record: Record) -> tuple[int, int] | None:
    """Return the numbers of features and classes, None where the data would have to be fetched to know them."""
    name = record.environment.get("data", "")
    if name not in OFFLINE_NAMES:
        return None
    data = load_data(name)
    seen = record.facts.get(record.layer_names[-1])  # examples may be left out, and with them a class
    return data.features, int(seen.units) if seen is not None and seen.units > 0 else data.num_classes


def _opening(record: Record, network: NetworkConfig, features: int, classes: int) -> str:
    made = f"vl.MLP(network, features={features}, classes={classes}, seeds=({int(record.seed[0])},)).single()"
    return f"import torch\nimport vanishlab as vl\nfrom torch import nn\n\nnetwork = {call_of(network)}\nmodel = {made}"
