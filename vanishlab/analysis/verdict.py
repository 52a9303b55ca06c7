"""`Verdict`, one finding of the lab, and the table of what there is to find: names, remedies, `Thresholds`.

The rules that find it are in `rules/`.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

from vanishlab.language.sentences import listed, say

VerdictName = Literal[
    "not finite", "overflow", "unregistered weights", "targets ignored", "softmax twice", "diverging", "symmetric",
    "dead", "saturated", "exploding", "masked vanishing", "vanishing", "underflow", "no gradient", "collapsed",
    "frozen updates", "wild scale", "stale statistics", "stalled", "converged", "levelled out", "healthy",
    "not enough evidence",
]  # fmt: skip
VERDICTS: tuple[str, ...] = get_args(VerdictName)
"""Every name, causes before what follows from them: the order of `Diagnosis.verdicts`."""
WELL = ("healthy", "converged", "levelled out")
"""The names that call for no remedy."""
CURES: dict[VerdictName, tuple[str, ...]] = {
    "not finite": ("finite slopes",),
    "unregistered weights": ("registration",),
    "targets ignored": ("equal shapes",),
    "softmax twice": ("logits",),
    "wild scale": ("matched initialisation", "scaled data"),
    "stale statistics": ("statistics anew",),
    "stalled": ("larger learning rate", "smaller learning rate", "matched initialisation", "normalisation"),
    "overflow": ("wider dtype", "matched initialisation", "normalisation", "loss scaling"),
    "diverging": ("smaller learning rate", "warm-up", "clipping", "normalisation"),
    "symmetric": ("matched initialisation",),
    "dead": ("matched initialisation", "normalisation", "activation swap", "smaller learning rate"),
    "saturated": ("matched initialisation", "normalisation", "activation swap"),
    "exploding": ("matched initialisation", "scaled residual connections", "normalisation", "clipping"),
    "masked vanishing": ("matched initialisation", "normalisation", "scaled residual connections"),
    "vanishing": ("activation swap", "normalisation", "matched initialisation", "residual connections",
                  "scaled residual connections"),
    "collapsed": ("normalisation", "activation swap", "matched initialisation", "residual connections",
                  "scaled residual connections"),
    "underflow": ("loss scaling", "wider dtype"),
    "frozen updates": ("larger learning rate", "optimizer's parameters"),
}  # fmt: skip
"""Names of the remedies (`remedies/advice.py`) for each verdict that calls for one, the most promising first."""


@dataclass(frozen=True)
class Verdict:
    """One finding."""

    name: VerdictName
    layers: tuple[str, ...]
    """The layers concerned, input first; empty where it is the run as a whole."""
    sentence: str
    """In the language that held when it was found."""
    evidence: dict[str, float] = field(default_factory=dict)
    """The numbers behind it, by their names."""
    cause: str = ""
    """Of "no gradient": unused, detached, flat, or frozen where nothing is left to train. Of "vanishing" and
    "exploding": depth or time. Of "not finite": forward, backward, weights or data. Of "frozen updates": "not held" by
    the optimizer. Of "wild scale": inputs or targets. Of "saturated": gate, or softmax for one inside the model."""
    runs: tuple[int, ...] = (0,)
    """Places on the run axis of the runs of which it holds."""


@dataclass(frozen=True)
class Thresholds:
    """Where the verdicts draw their lines. All but the two on rounding are ratios, so no loss scale or unit enters."""

    lost_decades: float = 3.0
    """Decades that delta's norm loses between the last layer and the first from which on it vanishes. A healthy ReLU
    net's log of the squared gradient is normal with mean -b/2 and variance b = 5 sum 1/n (arXiv:1812.05994), so at
    b = 4 (50 layers of width 64) three decades lie six standard deviations off. Practice draws the same line: a first
    layer that gets a thousandth of the last one's gradient."""
    both_decades: float = 4.5
    """Decades that delta loses on its way back and activations on their way up, from which on it vanishes too: of 165
    networks that it was set by (`experiments/benchmarks/trainable.py`) one with 4.3 trained and none with 4.9."""
    gained_decades: float = 2.5
    """Decades gained from which on it explodes: by the same law more than six standard deviations, as the mean lies on
    the other side. Practice draws the line at a ratio of 70 to 100; both of the same networks that gained 2.1 to 2.4 so
    trained, if slowly, and none of those with 2.8 and more."""
    apart_decades: float = 3.0
    """The same where the examples stay apart (`apart_share`): both of the same networks that gained two to three
    decades so trained, the three beyond not."""
    apart_share: float = 0.5
    """Distinct share of the last hidden activation from which on examples stay apart."""
    collapsed_share: float = 1e-4
    """Distinct share below which a layer's examples are nearly one vector. Of the same 60 networks one with 6.6e-3
    trained, none of those with 2.5e-7 and less."""
    collapsed_rank: float = 6.0
    """Effective rank from which on so small a share is an offset that all examples have in common, behind which they
    differ in many ways: a residual sigmoid net of 20 layers has 1.8e-5 and rank 9, and trains."""
    rounded_share: float = 1e-12
    """Distinct share below which the differences are rounding: 70 spacings of float32, squared. Of those there is a
    rank too, and it means nothing."""
    local_share: float = 0.2
    """Share of all decades lost that one piece of the profile must lose to be named: with five equal pieces all are."""
    masked_share: float = 0.2
    """Weight gradients are flat, and hide the loss, if they show less than this share of delta's decades: none of them
    in a net of positively homogeneous layers without biases, all of them where activations keep their size. Between
    lie biases, which stop the activations' fall after a few layers: PyTorch's default for ReLU shows 0.2 to 0.4 at
    eight layers, and more the deeper it is."""
    input_decades: float = 1.5
    """A first layer whose delta alone is low, while its weight gradient is within so many decades of the median
    layer's, sees a large input; a normalised first layer divides delta by that size, to no harm."""
    time_decades: float = 6.9
    """Decades between the last call of a recurrent layer and the first from which on it vanishes through time: a
    weight's gradient is the sum over all calls, and float32 (2^-23, IEEE 754) drops what is so much smaller than the
    rest. PyTorch's LSTM, whose gates let half through, loses 0.2 a step."""
    time_gained_decades: float = 3.0
    """Decades gained there from which on it explodes through time."""
    saturated: float = 0.5
    """Share of phi's inputs with a slope below 1 % of its largest, of those beyond what unit-variance inputs leave
    there (tanh 0.3 %, hardtanh 32 %) or ReLU has there, for a phi that is flat on one side like it (50 %): from one
    half on the typical unit passes nothing on, as in Glorot and Bengio 2010, section 3."""
    dead: float = 0.8
    """Share of a ReLU layer's units that are not positive for any example. With depth the examples become alike, and a
    healthy unit is then dead with probability 1/2 (arXiv:1611.01232, arXiv:1903.06733): the line lies above that."""
    dead_deviations: float = 4.0
    """Standard deviations of that coin, 1 / sqrt(4 n) for n units, by which the share must exceed one half: one
    layer in 30,000 does so by chance."""
    twins: float = 0.5
    """Share of units with a twin of equal weights and equal gradient. Drawn weights give 0, a constant start 1."""
    subnormal: float = 0.5
    """Share of the non-zero entries of a weight gradient that are subnormal: from one half on the typical entry has
    lost bits. (float16 starts to at 6e-5, float32 at 1e-38; IEEE 754.)"""
    frozen_update: float = 1e-6
    """Norm of the update over that of the weights in the fastest layer: eight spacings of float32 (1.2e-7, IEEE 754),
    so that much of it is lost to rounding, and a million steps would move no weight by its own size. Usual is 1e-3."""
    usual_rate: float = 1e-4
    """Learning rate above which so small an update is put down to the loss's unit, a constant before it, of which no
    verdict may depend; a rate above this one is not what is wrong."""
    lost_update: float = 1e-5
    """A layer whose update is exactly zero although its gradient asks for this much is not updated at all."""
    loss_rise: float = 2.0
    """Factor of the first loss that a diverging run exceeds, to end above the first loss again. Below its stability
    limit gradient descent lowers the loss at every step; mini-batches make it waver, by less than a factor of two."""
    wild_update: float = 0.5
    """An update half as large as the weights it changes: no linear estimate of the loss reaches as far."""
    thrown_activation: float = 100.0
    """Root mean square of a layer's activations, in units of what it was at first (or of 1), from which on so wild an
    update has thrown the weights away,"""
    thrown_loss: float = 0.5
    """where so much of the first loss is left."""
    done_loss: float = 0.01
    """Loss over the first loss of a record below which a net has fitted its data."""
    done_exchanged: float = 0.02
    """Loss of one batch over what it is with the examples' targets exchanged: 1 for a net that has learned nothing,
    whatever the loss's scale. It is twice the last, as wrong targets cost a sure net more than an untrained one."""
    done_accuracy: float = 0.995
    """Training accuracy from which on the same is said; one example in two hundred may be mislabelled."""
    done_delta: float = 0.05
    """Per-example delta of the last layer over that of the first step: what is left to correct."""
    done_rest: float = 0.1
    """Loss over the first loss above which a net has not fitted its data, however small its last delta."""
    flat_loss: float = 0.02
    """Share of the whole decrease of the loss that its last quarter may still bring in a run that is called done."""
    output_slope: float = 1 / 3
    """Mean slope of a sigmoid or tanh at the output, of its largest one, below which an untrained net's outputs are
    saturated: for a sigmoid that is where logits have a standard deviation of 4.8, where unit ones leave it 0.83."""
    wild_loss: float = 10.0
    """A classifier's first loss over that of the best constant answer. Residual streams without a norm reach 8."""
    wild_gain: float = 10.0
    """A layer's outputs over those of the layer before, from which on that layer is at fault,"""
    wild_weights: float = 3.0
    """its weights multiplying by so much alone (sqrt(2) for ReLU): behind a residual stream gains are not its own;"""
    wild_jump: float = 3.0
    """this much of the constant's loss is enough."""
    wild_square: float = 100.0
    """The same for other targets, where ten times the size costs a hundred times the loss."""
    wild_input: float = 100.0
    """Root mean square of inputs, or of targets, in units of what is customary (1)."""
    level_steps: int = 20
    """Recorded steps, and"""
    level_updates: int = 100
    """updates, before a loss is said to have levelled out."""
    level_rest: float = 0.005
    """Share of the loss by which it may still fall over the last half of its steps, by a straight line through them,"""
    level_error: float = 0.03
    """and the standard error of that share above which nothing is said."""
    level_share: float = 0.97
    """Share of the first loss from which on nothing was learned, where the best constant's loss is not known, and"""
    level_constant: float = 0.97
    """share of that one, where it is: what a constant costs can be had without any example."""
    mode_learned: float = 0.5
    """Share of the best constant's loss below which a batch is learned in train mode, and"""
    mode_constant: float = 1.0
    """share of it from which on nothing of that is left in eval mode."""
    mode_factor: float = 2.0
    """The loss in eval mode over that in train mode from which on a note says so: dropout, which eval mode lacks, makes
    it smaller, not larger."""
    drowned: float = 10.0
    """What two passes differ by, over what examples do, from which on dropout is said to drown what it should blur: of
    an output's energy a hundredth is then the example's own."""
    outweighed: float = 1e-4
    """Share of a loss below which a note says that one of its terms is outweighed by the others."""
    least_layers: int = 2
    """Layers with a measured delta below which nothing can be said of depth."""


def several(names: tuple[str, ...]) -> str:
    """Return a few names, or the first and the last of many, for a sentence or a table.

    >>> several(("a", "b", "c", "d")), several(("a", "b"))
    ('a … d (4 layers)', 'a, b')
    """
    if len(names) > 3:
        return say("{first} … {last} ({layers} layers)", first=names[0], last=names[-1], layers=len(names))
    return listed(names)


def named(verdict: Verdict) -> str:
    """Return a verdict's name in the language that holds, with its cause where that says more."""
    name = say(verdict.name)
    if verdict.cause in ("", "depth"):
        return name
    return say("{verdict} ({cause})", verdict=name, cause=say(verdict.cause))
