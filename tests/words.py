"""Words in what is shown in Chinese: which of them are English, and which stay as they are."""

import re
from typing import get_args

from vanishlab.config import ActivationName, DtypeName, InitializationName
from vanishlab.data import DATA_NAMES

NAMES = {
    *(name for names in (ActivationName, InitializationName, DtypeName) for name in get_args(names)),
    *DATA_NAMES,
    *(
        "GRU",
        "RNN",
        "ReLU",
        "SELU",
        "RMS",
        "Xavier",
        "Kaiming",
        "LeCun",
        "PyTorch",
        "Adam",
        "vanishlab",
        "log",
        "loss",
    ),  # loss is a symbol, as in ∂loss/∂W
    *("NaN", "LSTM", "bfloat16", "requires_grad", "True", "False", "torch", "amp", "GradScaler"),  # code
    *("detach", "no_grad", "item", "numpy", "argmax", "where", "softmax", "round", "squeeze", "unsqueeze", "output"),
    *("MNIST", "He", "Balduzzi", "Cohen", "De", "Smith", "Xiong", "Glorot", "Bengio", "Hanin", "Nica", "Hochreiter"),
    *("Klambauer", "Lu", "Nielsen", "Pennington", "Poole", "Schoenholz", "Saxe", "Xiao", "Yang"),  # authors
    *("dropout", "forward", "buffer", "optim", "swa_utils", "update_bn", "momentum", "isfinite"),
    *("GradientRecorder", "Watcher", "inf"),
    *("target", "model", "parameters", "__init__", "nn", "Parameter", "ModuleList", "ParameterList", "npz", "Ctrl"),
}
"""Words that stay as they are: they are typed like that, or the Chinese literature writes them so."""


def english(text: str) -> set[str]:
    """Return the English words in `text`: two letters or more, formulas in dollars and known names left out."""
    plain = re.sub(r"\$.*?\$", "", text)
    return set(re.findall(r"[A-Za-z_]*[A-Za-z]{2}[A-Za-z_0-9]*", plain)) - NAMES
