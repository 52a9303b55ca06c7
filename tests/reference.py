"""An oracle for the tests: a deep MLP trained by gradient descent, in NumPy float64, backpropagated by hand.

It shares no code with the lab and no autograd, so that a mistake in one of them shows. Layers count from 1: L hidden
ones, then the readout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Block = dict[str, Array]  # one layer's parameters, or their gradients: W, b and, where they exist, gamma, beta, s
Gradients = tuple[list[Block], list[Array]]  # of the parameters, and of every layer's z (n, fan_out)

EPSILON = 1e-5
AXIS = {"layer": 1, "rms": 1, "batch": 0}  # of (n, fan_out): what a normalization averages over
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
MEASURES = ("gradient_norm", "bias_gradient_norm", "delta_rms", "activation_mean", "activation_rms")
MEASURES += ("saturated_fraction", "weight_norm", "update_ratio", "distinct_share", "delta_distinct_share")
IN_PAIRS = ("effective_rank", "gradient_coherence")  # of examples; measured at some steps alone


@dataclass(frozen=True)
class Network:
    """The initial state: L + 1 weights (fan_out, fan_in) and biases (fan_out,), and what lies between them.

    normalization: "none", "layer", "rms" or "batch"; residual: "none", "plain", "learned" or a fixed branch scale.
    """

    weights: Sequence[Array]
    biases: Sequence[Array]
    activation: str
    normalization: str = "none"
    residual: str | float = "none"

    def has_skip(self, layer: int) -> bool:
        fan_out, fan_in = self.weights[layer - 1].shape
        return self.residual != "none" and 2 <= layer < len(self.weights) and fan_in == fan_out

    def blocks(self) -> list[Block]:
        blocks = []
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            block = {"W": np.array(weight, dtype=np.float64), "b": np.array(bias, dtype=np.float64)}
            if self.normalization != "none" and layer < len(self.weights):
                block["gamma"] = np.ones_like(block["b"])
                if self.normalization != "rms":
                    block["beta"] = np.zeros_like(block["b"])
            if self.residual == "learned" and self.has_skip(layer):
                block["s"] = np.zeros(())
            blocks.append(block)
        return blocks


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _normal_cdf(u: Array) -> Array:
    return (1 + _erf(u / math.sqrt(2))) / 2


def _sigmoid(u: Array) -> Array:
    decay = np.exp(-np.abs(u))  # in (0, 1]: cannot overflow
    return np.where(u >= 0, 1.0, decay) / (1 + decay)


# phi(u) and phi'(u), elementwise; at a kink, the one-sided slope that PyTorch takes, as is softplus's line above 20.
ACTIVATIONS: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "linear": lambda u: (u, np.ones_like(u)),
    "sigmoid": lambda u: (_sigmoid(u), _sigmoid(u) * _sigmoid(-u)),
    "tanh": lambda u: (np.tanh(u), 1 - np.tanh(u) ** 2),
    "relu": lambda u: (np.maximum(u, 0), np.where(u > 0, 1.0, 0.0)),
    "leaky_relu": lambda u: (np.where(u > 0, u, 0.01 * u), np.where(u > 0, 1.0, 0.01)),
    "elu": lambda u: (np.where(u > 0, u, np.expm1(np.minimum(u, 0))), np.exp(np.minimum(u, 0))),
    "selu": lambda u: (
        SELU_SCALE * np.where(u > 0, u, SELU_ALPHA * np.expm1(np.minimum(u, 0))),
        SELU_SCALE * np.where(u > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(u, 0))),
    ),
    "gelu": lambda u: (u * _normal_cdf(u), _normal_cdf(u) + u * np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)),
    "silu": lambda u: (u * _sigmoid(u), _sigmoid(u) * (1 + u * _sigmoid(-u))),
    "softplus": lambda u: (np.where(u > 20, u, np.logaddexp(0, u)), np.where(u > 20, 1.0, _sigmoid(u))),
    "softsign": lambda u: (u / (1 + np.abs(u)), 1 / (1 + np.abs(u)) ** 2),
    "hardtanh": lambda u: (np.clip(u, -1, 1), np.where(np.abs(u) < 1, 1.0, 0.0)),
    "erf": lambda u: (_erf(u), 2 / math.sqrt(math.pi) * np.exp(-(u**2))),
    "mish": lambda u: (
        u * np.tanh(np.logaddexp(0, u)),
        np.tanh(np.logaddexp(0, u)) + u * _sigmoid(u) / np.cosh(np.minimum(np.logaddexp(0, u), 300)) ** 2,
    ),
}


def _root(function: Callable[[float], float], negative: float, positive: float) -> float:
    """Where the function changes sign between the two points, named after its sign at each."""
    for _ in range(200):
        middle = (negative + positive) / 2
        negative, positive = (middle, positive) if function(middle) < 0 else (negative, middle)
    return (negative + positive) / 2


def _lower_tail(name: str, peak: float, least: float) -> float:
    """Gelu, silu, mish, whose slope is largest at `peak`, least at `least`, and below that only rises towards 0."""
    floor = 0.01 * ACTIVATIONS[name](np.array(peak))[1]
    return _root(lambda u: float(abs(ACTIVATIONS[name](np.array(u))[1]) - floor), negative=-40.0, positive=least)


def _mish_bend(u: float) -> float:
    """Of the sign of mish's second derivative: 2 + u (1 - s - 2 t s), s = sigmoid(u), t = tanh(softplus(u))."""
    s, t = 1 / (1 + math.exp(-u)), math.tanh(math.log1p(math.exp(u)))
    return 2 + u * (1 - s - 2 * t * s)


_GELU_PEAK = math.sqrt(2)  # phi'' ~ 2 - u^2
_SILU_PEAK = _root(lambda u: u * math.tanh(u / 2) - 2, 0.0, 4.0)  # phi'' ~ this

# The range of u outside which phi is saturated: its slope is below 1% of its largest. Relu counts dead units instead.
SATURATION: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("linear", "leaky_relu"), (-math.inf, math.inf)),
    "sigmoid": (-2 * math.acosh(10), 2 * math.acosh(10)),  # slope = 1/4 / cosh(u/2)^2
    "tanh": (-math.acosh(10), math.acosh(10)),  # slope = 1 / cosh(u)^2
    "softsign": (-9.0, 9.0),  # slope = 1 / (1 + |u|)^2
    "erf": (-math.sqrt(math.log(100)), math.sqrt(math.log(100))),  # slope ~ exp(-u^2)
    "hardtanh": (-1.0, 1.0),
    "elu": (-math.log(100), math.inf),
    "selu": (-math.log(100), math.inf),  # its largest slope, scale * alpha, is the one just left of 0
    "softplus": (-math.log(99), math.inf),  # slope = sigmoid(u)
    "gelu": (_lower_tail("gelu", _GELU_PEAK, -_GELU_PEAK), math.inf),
    "silu": (_lower_tail("silu", _SILU_PEAK, -_SILU_PEAK), math.inf),
    "mish": (_lower_tail("mish", _root(_mish_bend, 4.0, 0.0), _root(_mish_bend, -5.0, -1.0)), math.inf),
}


def saturated_fraction(name: str, u: Array) -> float:
    low, high = SATURATION.get(name, (0.0, 0.0))
    return float(np.mean(np.all(u <= 0, axis=0) if name == "relu" else (u < low) | (u > high)))  # of relu's units


def norm(*arrays: Array) -> float:
    """The joint 2-norm, scaled first: the squares of a vanished gradient would underflow."""
    entries = np.concatenate([np.ravel(array) for array in arrays])
    largest = float(np.max(np.abs(entries)))
    return largest * math.sqrt(float(np.sum((entries / largest) ** 2))) if largest > 0 else 0.0


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole > 0 else math.nan


def distinct_share(x: Array) -> float:
    return _share(norm(x - x.mean(axis=0)), norm(x)) ** 2  # of (example, entry)


def effective_rank(x: Array) -> float:
    energy = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    return _share(energy.sum() ** 2, (energy**2).sum())


def gradient_coherence(incoming: Array, delta: Array) -> float:
    each = np.einsum("ai,aj->aij", delta, incoming)  # of the examples' gradients
    return _share(norm(each.mean(axis=0)) ** 2, norm(each) ** 2 / len(each))


@dataclass(frozen=True)
class Pass:
    """What one layer's forward pass leaves for its backward pass."""

    incoming: Array  # (n, fan_in)
    normalized: Array  # (n, fan_out), before gamma and beta
    inverse_scale: Array  # (n, 1) for layer and rms, (1, fan_out) for batch
    u: Array  # (n, fan_out), as are slope, a and h
    slope: Array
    a: Array
    s: float  # what multiplies a
    h: Array


def forward(network: Network, blocks: Sequence[Block], x: Array) -> list[Pass]:
    passes, h = [], x
    for layer, block in enumerate(blocks, start=1):
        incoming, s, inverse_scale = h, 1.0, np.ones((1, 1))
        u = normalized = incoming @ block["W"].T + block["b"]  # (n, fan_out)
        if "gamma" in block:
            axis = AXIS[network.normalization]
            if network.normalization != "rms":
                normalized = normalized - normalized.mean(axis=axis, keepdims=True)
            inverse_scale = 1 / np.sqrt(np.mean(normalized**2, axis=axis, keepdims=True) + EPSILON)
            normalized = normalized * inverse_scale
            u = normalized * block["gamma"] + block.get("beta", 0.0)
        a, slope = ACTIVATIONS[network.activation if layer < len(blocks) else "linear"](u)
        if network.has_skip(layer):
            s = float(block["s"]) if "s" in block else 1.0 if network.residual == "plain" else float(network.residual)
        h = incoming + s * a if network.has_skip(layer) else a
        passes.append(Pass(incoming, normalized, inverse_scale, u, slope, a, s, h))
    return passes


def backward(network: Network, blocks: list[Block], passes: list[Pass], dlogits: Array) -> Gradients:
    """Every parameter's gradient, and dloss/dz of every layer, z being what the layer's W and b give."""
    gradients, deltas, dh = [], [], dlogits  # dh: dloss/dh of the layer, (n, fan_out)
    for layer in range(len(blocks), 0, -1):
        block, tape = blocks[layer - 1], passes[layer - 1]
        du = tape.s * dh * tape.slope  # (n, fan_out)
        dz, gradient = du, {}
        if "gamma" in block:
            axis = AXIS[network.normalization]
            gradient["gamma"] = np.sum(du * tape.normalized, axis=0)  # (fan_out,)
            dnormalized = du * block["gamma"]
            # The scale took out the direction of `normalized` (up to epsilon), the centring that of the constants.
            dz = dnormalized - tape.normalized * np.mean(dnormalized * tape.normalized, axis=axis, keepdims=True)
            if "beta" in block:
                gradient["beta"] = np.sum(du, axis=0)  # (fan_out,)
                dz = dz - np.mean(dnormalized, axis=axis, keepdims=True)
            dz = dz * tape.inverse_scale
        if "s" in block:
            gradient["s"] = np.asarray(np.sum(dh * tape.a))
        gradients.append(gradient | {"W": dz.T @ tape.incoming, "b": np.sum(dz, axis=0)})
        deltas.append(dz)
        dh = dz @ block["W"] + (dh if network.has_skip(layer) else 0.0)  # (n, fan_in)
    return gradients[::-1], deltas[::-1]


def loss_and_gradient(loss: str, logits: Array, y: NDArray[np.integer]) -> tuple[float, Array]:
    onehot = np.eye(logits.shape[1])[y]  # (n, classes)
    if loss == "mse":
        return float(np.mean((logits - onehot) ** 2)), 2 * (logits - onehot) / logits.size
    if loss == "cross_entropy":
        shifted = logits - logits.max(axis=1, keepdims=True)  # exp cannot overflow
        log_softmax = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
        return float(-np.sum(onehot * log_softmax) / len(y)), (np.exp(log_softmax) - onehot) / len(y)
    raise ValueError(f"unknown loss {loss!r}")


def rescale(gradients: Sequence[Block], clip_norm: float | None, normalize_gradients: bool) -> list[Block]:
    norms = [norm(*gradient.values()) for gradient in gradients]
    divisors = [max(1.0, norm(np.array(norms)) / (math.inf if clip_norm is None else clip_norm))] * len(norms)
    if normalize_gradients:
        divisors = [size or 1.0 for size in norms]
    return [{k: g / size for k, g in block.items()} for block, size in zip(gradients, divisors, strict=True)]


def train(
    network: Network,
    x: Array,
    y: NDArray[np.integer],
    *,
    loss: str,
    learning_rate: float,
    steps: int,
    momentum: float = 0.0,
    clip_norm: float | None = None,
    normalize_gradients: bool = False,
    rate_factor: Sequence[float] | Callable[[int], float] | None = None,
    batches: Sequence[NDArray[np.integer]] | None = None,
) -> dict[str, Any]:
    """Measure at every step 0..steps, each before its update; the last step only measures.

    MEASURES and IN_PAIRS are (steps + 1, L + 1), loss and accuracy (steps + 1,); "weights" lists the final weights,
    "blocks" the final parameters of every layer. rate_factor and batches, as sequences, hold steps + 1 entries.
    """
    assert clip_norm is None or not normalize_gradients
    for name, entries in (("rate_factor", rate_factor), ("batches", batches)):
        if entries is not None and not callable(entries) and len(entries) != steps + 1:
            raise ValueError(f"{name} needs {steps + 1} entries, one per step 0..{steps}, got {len(entries)}")
    blocks = network.blocks()
    velocity = [{k: np.zeros_like(p) for k, p in block.items()} for block in blocks]
    result: dict[str, Any] = {name: np.zeros((steps + 1, len(blocks))) for name in (*MEASURES, *IN_PAIRS)}
    result |= {"loss": np.zeros(steps + 1), "accuracy": np.zeros(steps + 1)}
    for step in range(steps + 1):
        rows = np.arange(len(x)) if batches is None else batches[step]
        inputs, labels = np.asarray(x, dtype=np.float64)[rows], np.asarray(y)[rows]  # (n, features), (n,)
        passes = forward(network, blocks, inputs)
        result["loss"][step], dlogits = loss_and_gradient(loss, passes[-1].h, labels)
        result["accuracy"][step] = np.mean(np.argmax(passes[-1].h, axis=1) == labels)
        gradients, deltas = backward(network, blocks, passes, dlogits)
        factor = 1.0 if rate_factor is None else rate_factor(step) if callable(rate_factor) else rate_factor[step]
        direction = rescale(gradients, clip_norm, normalize_gradients)
        velocity = [{k: momentum * v[k] + g[k] for k in v} for v, g in zip(velocity, direction, strict=True)]
        updates = [{k: learning_rate * factor * v for k, v in block.items()} for block in velocity]
        for i, (block, tape, delta) in enumerate(zip(blocks, passes, deltas, strict=True)):
            at, hidden = (step, i), i < len(blocks) - 1
            result["gradient_norm"][at] = norm(gradients[i]["W"])
            result["bias_gradient_norm"][at] = norm(gradients[i]["b"])
            result["delta_rms"][at] = len(labels) * norm(delta) / math.sqrt(delta.size)  # n undoes the loss's mean
            result["activation_mean"][at] = np.mean(tape.h)
            result["activation_rms"][at] = norm(tape.h) / math.sqrt(tape.h.size)
            result["saturated_fraction"][at] = saturated_fraction(network.activation, tape.u) if hidden else 0.0
            result["weight_norm"][at] = norm(block["W"])
            result["distinct_share"][at], result["effective_rank"][at] = distinct_share(tape.h), effective_rank(tape.h)
            result["delta_distinct_share"][at] = distinct_share(delta)
            result["gradient_coherence"][at] = gradient_coherence(tape.incoming, delta)
            with np.errstate(divide="ignore", invalid="ignore"):  # weights of zero: inf, or nan where they stay zero
                result["update_ratio"][at] = np.divide(norm(updates[i]["W"]), norm(block["W"]))
        if step < steps:
            blocks = [{k: p[k] - u[k] for k in p} for p, u in zip(blocks, updates, strict=True)]
    return result | {"weights": [block["W"] for block in blocks], "blocks": blocks}
