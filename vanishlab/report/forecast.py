"""`forecast(record)`: theory's step 0 for a record whose data can be had again by name, or the reason why not."""

import math
from typing import NamedTuple

from vanishlab.config import NetworkConfig
from vanishlab.data import OFFLINE_NAMES, Dataset, load_data
from vanishlab.errors import InputError
from vanishlab.language.refusals import in_words
from vanishlab.language.sentences import say
from vanishlab.recording.examples import examples_of
from vanishlab.recording.record import Record
from vanishlab.theory.prediction import Prediction, predict

_PAIRS = 4e7  # layers × pairs of examples: two to six seconds on one core


class Forecast(NamedTuple):
    """Theory's numbers, where there are any, and a sentence on what they are of or why there are none."""

    prediction: Prediction | None
    note: str


def forecast(record: Record) -> Forecast:
    """Predict the record's first step; nothing is fetched, and what is dear is predicted for fewer examples."""
    network, training = record.network, record.training
    if network is None or training is None:
        return left_out(say("it knows the networks of this lab, and this is a model of your own"))
    if record.step[0] != 0:
        return left_out(say("it is of step 0, which was not recorded"))
    name, examples = record.environment.get("data", ""), examples_of(record)
    if examples is None:
        return left_out(say("the record does not say how many examples it was trained on"))
    if name not in OFFLINE_NAMES:
        return left_out(say("the data {name!r} cannot be had by name without fetching anything", name=name))
    try:
        data = load_data(name, max_examples=None if training.batch_size is not None else examples)
        return _predict(network, data, training.loss, examples)
    except InputError as refusal:
        return left_out(in_words(refusal))


def left_out(why: str) -> Forecast:
    """Return that there is no prediction, and why."""
    return Forecast(None, say("Theory is left out: {why}.", why=why))


def _predict(network: NetworkConfig, data: Dataset, loss: str, examples: int) -> Forecast:
    if len(data.y) < examples:
        sentence = "{data} has {found} examples here, the record saw {examples} a step"
        return left_out(say(sentence, data=data.name, found=len(data.y), examples=examples))
    affordable = max(int(math.sqrt(_PAIRS / network.depth)), 2)
    taken = min(examples, affordable)
    prediction = predict(network, data, loss, max_examples=taken)  # pyright: ignore[reportArgumentType]
    note = "Theory is predicted from the config and {taken} examples of {data}; it never saw a weight."
    if taken < examples:
        note = (
            "Theory is predicted from the config and {taken} examples of {data}; it never saw a weight. The networks "
            "saw {examples}: all would take long, and a larger batch has a smaller gradient norm."
        )
    return Forecast(prediction, say(note, taken=taken, data=data.name, examples=examples))
