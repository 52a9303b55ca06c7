"""The seven lessons: a question, choices to guess from, and the answer that the measured numbers complete (`answers`).

Which choice is right is not written down anywhere: `conclusions` reads it off the measurement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from vanishlab.playground import conclusions, evidence, through_time
from vanishlab.playground.measuring import measure
from vanishlab.playground.settings import Settings
from vanishlab.playground.through_time import Recurrence


@dataclass(frozen=True, eq=False)
class Lesson:
    """One lesson, in the English sentences that `say` is given. An answer says only what its numbers show."""

    name: str
    title: str
    networks: Mapping[str, Any]
    """What is measured, by its label in picture and table: what `measure` takes, which trains it for its `steps`."""
    question: str
    choices: tuple[str, ...]
    answer: str
    conclude: Callable[[Mapping[str, Any]], conclusions.Outcome]
    """Reads the answer off what `measure` found, by the labels of `networks`."""
    measure: Callable[..., Any] = measure
    evidence: Callable[[Mapping[str, Any]], str] = evidence.by_layer
    """Makes HTML of what was found."""
    left: Settings | None = None
    """What is left in the playground, the first of the networks where not given."""
    afterwards: str = "The network of this lesson now stands in the playground below. Change it."


_TWENTY = Settings(depth=20, steps=30)
_RELU = Settings(depth=20, activation="relu", learning_rate=0.05, steps=60)
_BYPASS = Settings(depth=30, activation="relu", initialization="kaiming_normal", learning_rate=0.05, steps=40)
_SIXTY = Settings(depth=60, learning_rate=0.03, steps=40)
_NORMED = replace(_SIXTY, activation="relu", initialization="kaiming_normal", normalization="layer")
_XAVIER = Settings(depth=10, initialization="xavier_normal", steps=60)
_TANH = Settings(depth=30, activation="tanh", initialization="gaussian", sigma_b=0.05, learning_rate=0.03, steps=60)

LESSONS = (
    Lesson(
        name="sigmoid",
        title="Why sigmoid vanishes",
        networks={"sigmoid": _TWENTY, "linear": replace(_TWENTY, activation="linear")},
        question=(
            "**20 sigmoid layers, PyTorch's default initialisation.** Backpropagation sends a signal, delta, from "
            "the readout back to layer 1. How much of it arrives? *Make a guess first; then it is measured.*"
        ),
        choices=(
            "about a twentieth, a little less per layer",
            "about a thousandth",
            "less than a millionth",
        ),
        answer=(
            "Layer 1 gets {ratio} of what the readout gets (theory, without having seen a weight: {theory}). Every "
            "layer on the way back multiplies delta by {factor}. With the same weights and no activation it is "
            "{linear}; the quotient, {slope}, is the sigmoid's doing: its slope is nowhere larger than 1/4."
        ),
        conclude=conclusions.sigmoid,
    ),
    Lesson(
        name="rates",
        title="Why the learning rate alone does not save it",
        networks={f"{rate:g}": replace(_XAVIER, learning_rate=rate) for rate in conclusions.RATES}
        | {conclusions.ONE_LAYER: replace(_XAVIER, depth=1, learning_rate=1.0)},
        question=(
            "**10 sigmoid layers, Xavier's initialisation, 60 steps.** The first layers get almost nothing. So let "
            "us take larger steps: which learning rate teaches the network something?"
        ),
        choices=(
            "a small one, 0.1",
            "a larger one, 1 or 10",
            "a very large one, 100",
            "none of them",
        ),
        answer=(
            "The best of the four ends at a training accuracy of {best}; always naming the most frequent digit "
            "gives {guessing}. A network of one hidden layer reaches {shallow} in the same 60 steps. A learning "
            "rate multiplies the step of every layer by the same number, and layer 1 still gets {ratio} of what "
            "the readout gets."
        ),
        conclude=conclusions.rates,
    ),
    Lesson(
        name="initializations",
        title="What initialisation does",
        networks={
            name: replace(_RELU, initialization=name) for name in ("torch_default", "xavier_normal", "kaiming_normal")
        },
        question=(
            "**20 ReLU layers.** PyTorch's default initialisation draws weights √6 ≈ 2.4 times smaller than "
            "Kaiming's. How much more of delta reaches layer 1 with Kaiming's?"
        ),
        choices=(
            "about 2.4 times more",
            "about 50 times more, 2.4 for each layer",
            "millions of times more",
        ),
        answer=(
            "{gain} times more: 2.4 per layer is a factor, and 20 layers multiply it, 6 to the power of 10 = "
            "{power}. Training accuracy after 60 steps: {default} with PyTorch's default, {xavier} with Xavier's, "
            "{kaiming} with Kaiming's (guessing: {guessing})."
        ),
        conclude=conclusions.initializations,
    ),
    Lesson(
        name="bypasses",
        title="Normalisation and residual connections",
        networks={
            "residual": replace(_BYPASS, residual="plain"),
            "residual, scale from 0": replace(_BYPASS, residual="learned"),
            "batch norm": replace(_BYPASS, normalization="batch"),
            "residual + batch norm": replace(_BYPASS, residual="plain", normalization="batch"),
            "none": _BYPASS,
        },
        question=(
            "**30 ReLU layers, Kaiming's initialisation.** A residual connection, h + φ(z), gives the signal a way "
            "around every layer. What does delta do on its way back to layer 1?"
        ),
        choices=(
            "it keeps its size, within a factor of ten",
            "it vanishes",
            "it explodes",
        ),
        answer=(
            "Layer 1 gets {ratio} times what the readout gets: h + φ(z) adds up, forwards too, and the loss before "
            "the first step is {loss} (the last finite one: {end}). With a branch scale that starts at 0 the ratio "
            "is {learned}, and the network reaches a training accuracy of {learned accuracy}. Batch normalisation "
            "alone gives {batch} (theory: {batch theory}); with the residual connections around it {both}, and "
            "{both accuracy}. Without either the 40 steps end at {bare accuracy}."
        ),
        conclude=conclusions.bypasses,
    ),
    Lesson(
        name="chaos",
        title="The edge of chaos",
        networks={f"σ_w = {scale:g}": replace(_TANH, sigma_w=scale) for scale in (0.7, 1.2, 2.5)},
        question=(
            "**30 tanh layers, weights of scale σ_w, biases of scale σ_b = 0.05.** The phase diagram has an "
            "ordered side, where gradients vanish, and a chaotic one, where they explode. Which σ_w learns?"
        ),
        choices=(
            "0.7, well inside the ordered phase",
            "1.2, close to the line between them",
            "2.5, well inside the chaotic phase",
            "none of them",
        ),
        answer=(
            "Theory multiplies delta's mean square per layer by χ = {ordered chi} at σ_w = 0.7, {edge chi} at 1.2, "
            "{chaotic chi} at 2.5. Measured, layer 1 gets {ordered}, {edge} and {chaotic} of what the readout "
            "gets, and 60 steps end at a training accuracy of {ordered accuracy}, {edge accuracy} and "
            "{chaotic accuracy} (guessing: {guessing})."
        ),
        conclude=conclusions.chaos,
    ),
    Lesson(
        name="meaning",
        title="The gradient is there, and nothing is learned",
        networks={f"ReLU ({rate:g})": replace(_NORMED, learning_rate=rate) for rate in (0.1, 0.01, 1.0)}
        | {"tanh": replace(_SIXTY, activation="tanh", initialization="orthogonal")},
        question=(
            "**60 layers, twice.** ReLU with Kaiming's initialisation and layer normalisation, at three learning "
            "rates; and tanh with orthogonal weights. In both a good part of delta reaches layer 1. Which of them "
            "learn something?"
        ),
        choices=(
            "both",
            "ReLU, at the best of its rates, and tanh does not",
            "tanh, and ReLU at none of its rates",
            "neither",
        ),
        answer=(
            "Layer 1 gets {alike ratio} of what the readout gets in the ReLU network, {apart ratio} in the tanh "
            "network. But in the last hidden layer only {alike share} of the energy differs between examples, with "
            "tanh {apart share}: 60 layers have made nearly one vector of all digits. What is told to one is then "
            "told to all, and all that can be learned is one answer for all. The loss comes down to {loss}, and the "
            "best such answer costs {constant}. Training accuracy at the best of three rates: {alike accuracy} "
            "(guessing: {guessing}); with tanh: {apart accuracy}."
        ),
        conclude=conclusions.meaning,
        evidence=partial(evidence.by_layer, quantity="distinct_share"),
    ),
    Lesson(
        name="time",
        title="Through time it is no different",
        networks={kind: Recurrence(kind) for kind in ("RNN", "GRU", "LSTM")}
        | {f"LSTM {bias:g}": Recurrence("LSTM", bias) for bias in conclusions.FORGET_BIASES},
        question=(
            "**A recurrent layer of 32 units, 30 time steps.** Each time step is a layer, with the same weights, and "
            "delta goes back through all of them. LSTM and GRU have gates so that it arrives. As PyTorch begins an "
            "LSTM, how much of what the last step gets reaches the first one?"
        ),
        choices=(
            "nearly all of it: that is what gates are for",
            "about a thousandth, much more than in an RNN",
            "less than a hundred-thousandth, as in an RNN",
        ),
        answer=(
            "{first LSTM} in the LSTM, {first GRU} in the GRU, {first RNN} in the RNN: PyTorch begins with gates half"
            " open, and a step back multiplies delta by {factor LSTM}. A bias of 1, 3 or 5 opens the forget gate to "
            "{open 1}, {open 3} or {open 5}, and the factor becomes {factor LSTM 1}, {factor LSTM 3} or {factor LSTM "
            "5}. What can be learned follows: a sign that only the first step shows is named with an accuracy of "
            "{accuracy LSTM 1}, {accuracy LSTM 3} and {accuracy LSTM 5} after 300 steps of Adam; without a bias LSTM "
            "{accuracy LSTM}, GRU {accuracy GRU} (guessing: 0.50). The RNN's {accuracy RNN} is luck, good or bad: "
            "another seed gives another."
        ),
        conclude=conclusions.through_time,
        measure=through_time.measure,
        evidence=evidence.by_time,
        left=Settings(depth=30, width=32, activation="tanh", steps=30),
        afterwards=(
            "The 30 time steps of an RNN are 30 layers with the same weights. Below stands a tanh network of 30 layers "
            "with weights of their own, drawn in the same way. Compare its factor per layer, and change it."
        ),
    ),
)


def preset(lesson: Lesson | None) -> Settings:
    """Return what the controls begin with: what the lesson leaves there, or the default."""
    if lesson is None:
        return Settings()
    return lesson.left or next(iter(lesson.networks.values()))
