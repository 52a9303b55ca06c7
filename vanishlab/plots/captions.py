"""Captions: what was run, in words, for the titles of pictures."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from vanishlab.config import NetworkConfig
from vanishlab.language.sentences import listed, say
from vanishlab.recording.record import Record

if TYPE_CHECKING:
    from vanishlab.theory.prediction import Prediction

NORMALIZATIONS = {
    "batch": "batch normalisation",
    "layer": "layer normalisation",
    "rms": "rms normalisation",
}
LOSSES = {"cross_entropy": "cross-entropy", "mse": "mse"}


def describe_network(record: Record) -> str:
    """Return what was trained: "20 hidden sigmoid layers, width 64"."""
    network = record.network
    if network is None:
        layers = len(record.layer)
        return say("your model, {layers} layer" if layers == 1 else "your model, {layers} layers", layers=layers)
    return describe_config(network)


def describe_config(network: NetworkConfig) -> str:
    """Return what a config describes, in the same words."""
    layers = "{depth} hidden {activation} layer" if network.depth == 1 else "{depth} hidden {activation} layers"
    words = [say(layers, depth=network.depth, activation=network.activation)]
    if isinstance(network.width, tuple):
        words.append(say("widths {low} to {high}", low=min(network.width), high=max(network.width)))
    else:
        words.append(say("width {width}", width=network.width))
    if network.normalization != "none":
        words.append(say(NORMALIZATIONS[network.normalization]))
    if network.residual == "plain":
        words.append(say("residual"))
    elif network.residual == "learned":
        words.append(say("residual (learned branch scale)"))
    elif network.residual != "none":
        words.append(say("residual ({scale} branch scale)", scale=network.residual))
    return listed(words)


def describe_setting(record: Record) -> str:
    """Return how it was trained: initialisation, data, dtype and the number of seeds, as far as they are known."""
    words = []
    if record.network is not None:
        words.append(say("{initialization} initialisation", initialization=record.network.initialization))
    words += [record.environment[name] for name in ("data", "dtype") if record.environment.get(name)]
    seeds = len(np.unique(record.seed))
    if seeds > 1:
        words.append(say("median and range of {seeds} seeds", seeds=seeds))
    return listed(words)


def describe_prediction(prediction: "Prediction") -> str:
    """Return what was predicted: initialisation, data, the number of examples and the loss."""
    network = prediction.network
    sentence = "{initialization} initialisation"
    if (network.sigma_w, network.sigma_b) != (1.0, 0.0):
        sentence = "{initialization} initialisation (σ_w = {sigma_w:.4g}, σ_b = {sigma_b:.4g})"
    scales = {"sigma_w": network.sigma_w, "sigma_b": network.sigma_b}
    return listed(
        [
            say(sentence, initialization=network.initialization, **scales),
            say("{examples} examples of {data}", examples=prediction.examples, data=prediction.data_name),
            say(LOSSES[prediction.loss]),
        ]
    )


def describe_step(records: Iterable[Record], step: int) -> str:
    """Return when it was: "after 200 steps"."""
    steps = {int(record.step[record.at_step(step)]) for record in records}
    if len(steps) > 1:
        return say("at the end of training") if step < 0 else say("at step {step}", step=step)
    made = steps.pop()
    if made == 0:
        return say("before training")
    return say("after {steps} step" if made == 1 else "after {steps} steps", steps=made)


def describe_divergence(record: Record) -> dict[float, str]:
    """Return, for each learning rate with a run that diverged, the rate and what happened."""
    labels = {}
    for rate in np.unique(record.learning_rate[record.diverged]):
        steps = record.diverged_step[record.learning_rate == rate]
        gone = steps[steps >= 0]
        if len(steps) == 1:
            sentence = "{rate:g} (diverged at step {step})"
        elif len(gone) < len(steps):
            sentence = "{rate:g} ({diverged} of {runs} diverged)"
        else:
            sentence = "{rate:g} (all diverged)"
        labels[float(rate)] = say(sentence, rate=rate, step=steps.max(initial=0), diverged=len(gone), runs=len(steps))
    return labels
