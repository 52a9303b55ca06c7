"""`Remedy`: what to change for a verdict, the most promising first."""

from dataclasses import dataclass

from vanishlab.activations import ACTIVATIONS
from vanishlab.analysis.verdict import CURES, Verdict


@dataclass(frozen=True)
class Remedy:
    """One change."""

    name: str
    change: str
    automatic: bool = True
    """Whether `try_remedies` can make it."""


_ALL = (
    Remedy("activation swap", "replace the activation by ReLU with Kaiming's initialisation, or SELU with LeCun's"),
    Remedy("matched initialisation", "draw the weights with the gain that belongs to the activation, biases 0"),
    Remedy("normalisation", "normalise the input of each activation (batch norm; layer norm for sequences)"),
    Remedy("residual connections", "let each layer of equal width add to its input"),
    Remedy("scaled residual connections", "the same, with a branch scale learned from 0"),
    Remedy("smaller learning rate", "divide the learning rate by 10, again if need be"),
    Remedy("larger learning rate", "multiply the learning rate by 10, again if need be"),
    Remedy("warm-up", "raise the learning rate from 0 over the first steps"),
    Remedy("clipping", "rescale the gradient to norm 1 where it is larger"),
    Remedy("unfreezing", "set requires_grad to True"),
    Remedy("loss scaling", "multiply the loss by a constant before backward and divide after (torch.amp.GradScaler)"),
    Remedy("wider dtype", "compute in float32, or in bfloat16, whose range is the same"),
    Remedy("reconnecting", "call the layer, and remove what cuts the graph: detach, no_grad, .item(), numpy, argmax",
           automatic=False),
    Remedy("optimizer's parameters", "give the optimizer every parameter, after the last one was made",
           automatic=False),
    Remedy("finite slopes", "keep sqrt, norm, log and division away from where their slope is infinite: add a small "
           "number inside, and with torch.where choose the input too, not the result alone", automatic=False),
    Remedy("a slope", "replace what has no slope by something that has one, as in z + (round(z) - z).detach(), or "
           "move the clamp's bounds", automatic=False),
    Remedy("registration", "assign the weights in __init__, as nn.Parameter or in nn.ModuleList or nn.ParameterList, "
           "and make the optimizer afterwards", automatic=False),
    Remedy("equal shapes", "give outputs and targets one shape: output.squeeze(-1), or target.unsqueeze(-1)",
           automatic=False),
    Remedy("logits", "take the softmax or sigmoid off the end of the model, and hand the loss its input",
           automatic=False),
    Remedy("scaled data", "subtract the mean and divide by the standard deviation, of inputs and of targets",
           automatic=False),
    Remedy("smaller weights", "make the weights of these layers smaller, or normalise what they are given: the inputs "
           "of a recurrent layer, the products of queries and keys", automatic=False),
    Remedy("statistics anew", "let batch norm estimate its running statistics again, from the data and batch sizes of "
           "training (torch.optim.swa_utils.update_bn), with a momentum near 0.1; or use layer or group norm",
           automatic=False),
    Remedy("finite data", "find the entries that are not finite (torch.isfinite), in the files and after every "
           "division or logarithm in front of the model, and leave them out or replace them", automatic=False),
    Remedy("finite weights", "begin again from weights that are finite, with a GradientRecorder or a Watcher around "
           "the training, which say at which update they break", automatic=False),
    Remedy("gates", "use a gated cell (LSTM with forget bias 1), or orthogonal recurrent weights", automatic=False),
)  # fmt: skip
REMEDIES: dict[str, Remedy] = {remedy.name: remedy for remedy in _ALL}

_OF_CAUSE = {
    "frozen": ("unfreezing",),
    "unused": ("reconnecting",),
    "detached": ("reconnecting",),
    "inputs": ("scaled data",),
    "targets": ("scaled data",),
    "data": ("finite data",),
    "weights": ("finite weights",),
    "flat": ("a slope",),
    "not held": ("optimizer's parameters",),
    "time": ("gates", "clipping", "normalisation"),
    "gate": ("smaller weights", "scaled data"),
    "softmax": ("smaller weights",),
}


def remedies_for(verdicts: tuple[Verdict, ...], phi: tuple[str, ...]) -> tuple[Remedy, ...]:
    """Return the remedies for `verdicts` of a net with the activations `phi`, each once, the most promising first."""
    names: list[str] = []
    for verdict in verdicts:
        cures = list(_OF_CAUSE.get(verdict.cause) or CURES.get(verdict.name, ()))
        if verdict.name == "vanishing" and verdict.cause != "time" and phi and all(map(_starts_well, phi)):
            cures = ["matched initialisation", *(name for name in cures if name != "matched initialisation")]
        names += [name for name in cures if name not in names]
    if any(verdict.name == "collapsed" for verdict in verdicts) and any(map(_has_offset, phi)):
        names = [name for name in names if name != "matched initialisation"]
    return tuple(REMEDIES[name] for name in names)


def _has_offset(phi: str) -> bool:
    # What is not 0 at 0 gives all examples the same offset in every layer, and the more, the larger the weights.
    return phi in ACTIVATIONS and ACTIVATIONS[phi].at_zero[0] != 0.0


def _starts_well(phi: str) -> bool:
    # Whether the initialisation comes first: where phi's slope does not fall short of 1 on the positive side (phi is
    # unbounded and 0 at 0, as softplus is not), and for tanh, which trains hundreds of layers deep with the right one.
    known = ACTIVATIONS.get(phi)
    return phi == "tanh" or (known is not None and not known.bounded and known.at_zero[0] == 0.0)
