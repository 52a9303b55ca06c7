"""The six lessons: a question, choices to guess from, and the answer that the measured numbers complete (`answers`).

Which choice is right is not written down anywhere: `conclude` reads it off the measurement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from vanishlab.playground import page
from vanishlab.playground.measuring import Result
from vanishlab.playground.settings import Settings
from vanishlab.theory.meanfield.fixed_points import network_mean_field

LEARNED = 0.15  # training accuracy above guessing that counts as having learned something: 10 of 64 examples
_RATES = (0.1, 1.0, 10.0, 100.0)
_ONE_LAYER = "1 layer, 1"


class Outcome(NamedTuple):
    """What a measurement says: the place of the choice that was right, and the numbers of the answer."""

    right: int
    values: dict[str, str]


@dataclass(frozen=True, eq=False)
class Lesson:
    """One lesson, in the English sentences that `say` is given. An answer says only what its numbers show."""

    name: str
    title: str
    networks: Mapping[str, Settings]
    """What is measured, by its label in picture and table; the first one is left in the playground."""
    question: str
    choices: tuple[str, ...]
    answer: str
    conclude: Callable[[Mapping[str, Result]], Outcome]
    compared: str = "delta_rms"
    """The quantity that the picture compares, layer by layer."""


def _sigmoid(found: Mapping[str, Result]) -> Outcome:
    sigmoid, linear = found["sigmoid"], found["linear"]
    ratio = sigmoid.first_last
    with_it, without = (one.diagnosis.decay.factor for one in (sigmoid, linear))
    return Outcome(
        0 if ratio > 5e-3 else 1 if ratio > 1e-6 else 2,
        {
            "ratio": page.power(ratio),
            "theory": page.power(sigmoid.predicted_first_last),
            "factor": f"{with_it:.3f}",
            "linear": f"{without:.3f}",
            "slope": f"{with_it / without:.3f}",
        },
    )


def _rates(found: Mapping[str, Result]) -> Outcome:
    deep = [found[f"{rate:g}"] for rate in _RATES]
    best = max(range(len(deep)), key=lambda place: deep[place].accuracy)
    learned = deep[best].accuracy > deep[best].guessing + LEARNED
    return Outcome(
        {0: 0, 1: 1, 2: 1, 3: 2}[best] if learned else 3,
        {
            "best": f"{deep[best].accuracy:.2f}",
            "guessing": f"{deep[best].guessing:.2f}",
            "shallow": f"{found[_ONE_LAYER].accuracy:.2f}",
            "ratio": page.power(deep[0].first_last),
        },
    )


def _initializations(found: Mapping[str, Result]) -> Outcome:
    default, kaiming = found["torch_default"], found["kaiming_normal"]
    gain = kaiming.first_last / default.first_last
    return Outcome(
        0 if gain < 10 else 1 if gain < 1e4 else 2,
        {
            "gain": page.power(gain),
            "power": page.power(6.0 ** (default.settings.depth / 2)),
            "default": f"{default.accuracy:.2f}",
            "xavier": f"{found['xavier_normal'].accuracy:.2f}",
            "kaiming": f"{kaiming.accuracy:.2f}",
            "guessing": f"{default.guessing:.2f}",
        },
    )


def _bypasses(found: Mapping[str, Result]) -> Outcome:
    plain, batch, both = found["residual"], found["batch norm"], found["residual + batch norm"]
    learned = found["residual, scale from 0"]
    ratio = plain.first_last
    return Outcome(
        2 if ratio > 10 else 1 if ratio < 0.1 else 0,
        {
            "ratio": page.power(ratio),
            "loss": page.power(plain.losses[0]),
            "end": page.power(plain.losses[1]),
            "learned": page.power(learned.first_last),
            "learned accuracy": f"{learned.accuracy:.2f}",
            "batch": page.power(batch.first_last),
            "batch theory": page.power(batch.predicted_first_last),
            "both": page.power(both.first_last),
            "both accuracy": f"{both.accuracy:.2f}",
            "bare accuracy": f"{found['none'].accuracy:.2f}",
        },
    )


def _chaos(found: Mapping[str, Result]) -> Outcome:
    sides = list(found.values())
    best = max(range(len(sides)), key=lambda place: sides[place].accuracy)
    learned = sides[best].accuracy > sides[best].guessing + LEARNED
    names = ("ordered", "edge", "chaotic")
    return Outcome(
        best if learned else 3,
        {name: page.power(side.first_last) for name, side in zip(names, sides, strict=True)}
        | {f"{name} accuracy": f"{side.accuracy:.2f}" for name, side in zip(names, sides, strict=True)}
        | {f"{name} chi": f"{_chi(side):.2f}" for name, side in zip(names, sides, strict=True)}
        | {"guessing": f"{sides[0].guessing:.2f}"},
    )


def _meaning(found: Mapping[str, Result]) -> Outcome:
    *alike, apart = found.values()
    best = max(alike, key=lambda one: one.accuracy)
    missed = [one.accuracy <= one.guessing + LEARNED for one in (best, apart)]
    loss = min(one.losses[1] for one in alike)
    values = {"guessing": f"{best.guessing:.2f}", "loss": f"{loss:.3f}", "constant": f"{best.constant:.3f}"}
    for name, one in (("alike", best), ("apart", apart)):
        values |= {f"{name} ratio": page.power(one.first_last), f"{name} share": page.power(one.distinct),
                   f"{name} accuracy": f"{one.accuracy:.2f}"}  # fmt: skip
    return Outcome(2 * missed[0] + missed[1], values)


def _chi(result: Result) -> float:
    return network_mean_field(result.settings.network()).chi


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
        conclude=_sigmoid,
    ),
    Lesson(
        name="rates",
        title="Why the learning rate alone does not save it",
        networks={f"{rate:g}": replace(_XAVIER, learning_rate=rate) for rate in _RATES}
        | {_ONE_LAYER: replace(_XAVIER, depth=1, learning_rate=1.0)},
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
        conclude=_rates,
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
        conclude=_initializations,
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
        conclude=_bypasses,
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
        conclude=_chaos,
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
        conclude=_meaning,
        compared="distinct_share",
    ),
)


def preset(lesson: Lesson | None) -> Settings:
    """Return what the controls begin with: the lesson's first network, or the default."""
    return Settings() if lesson is None else next(iter(lesson.networks.values()))
