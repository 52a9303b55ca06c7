"""What a setting's value is called: in Chinese its word, with the value as it is typed behind it."""

from collections.abc import Mapping

from vanishlab.language.sentences import say, spoken
from vanishlab.plots.captions import LOSSES, NORMALIZATIONS

WORDS: Mapping[str, Mapping[str, str]] = {
    "initialization": {
        "torch_default": "PyTorch's default",
        "xavier_uniform": "Xavier's, uniform",
        "xavier_normal": "Xavier's, normal",
        "kaiming_uniform": "Kaiming's, uniform",
        "kaiming_normal": "Kaiming's, normal",
        "lecun_normal": "LeCun's, normal",
        "orthogonal": "orthogonal",
        "gaussian": "Gaussian",
    },
    "normalization": {"none": "none", **NORMALIZATIONS},
    "residual": {"none": "none", "plain": "plain, h + φ(z)", "learned": "learned scale, from 0"},
    "dtype": {"float32": "single precision", "float64": "double precision"},
    "loss": LOSSES,
    "schedule": {"constant": "constant", "linear_warmup": "linear warm-up", "cosine": "cosine"},
    "record_every": {"log": "evenly in the logarithm", "never": "never"},
    "device": {"auto": "automatic", "cpu": "processor", "cuda": "graphics card"},
    "optimizer": {"descent": "gradient descent", "adam": "Adam"},
    "engine": {"auto": "automatic", "autograd": "automatic differentiation", "fused": "compiled passes"},
}
"""The word for each value that has a name, by its setting; names of activations are the same in every language."""


def value_in_words(setting: str, typed: str) -> str:
    """Return what a setting's value is called in the language that holds: in English it is what is typed.

    >>> value_in_words("loss", "cross_entropy")
    'cross_entropy'
    """
    kind = typed.split(":")[0] if setting == "device" else typed  # a device may have a number
    if spoken() == "en" or kind not in WORDS.get(setting, {}):
        return typed
    return say("{word} ({typed})", word=say(WORDS[setting][kind]), typed=typed)
