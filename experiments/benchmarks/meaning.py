"""How far is what `predict` says of meaning from measurement: distinct share, its spread, effective rank, coherence?

Setup   Networks at step 0 over 20 seeds, width 256, depth 10, 32 digits, float64: every activation under three
        initialisations, and normalisations and residual branches. Per layer the mean over seeds of log(measured /
        predicted share) at its typical value, beside its standard error and finite width's term (as in prediction.py);
        over the hidden layers the geometric means of predicted over measured: the share's standard deviation, the
        effective rank, the coherence. Shares below 1e-28, which is float64's rounding, are left out.
Expect  the share within the width term and 3 standard errors in 547 of 550 layers, from 1 down to 3e-18; the others
        are of batch normalisation, by 0.6 %. Its spread 0.6 to 1.9 times the measured one (more where orthogonal
        weights and a nearly linear phi leave hardly any), the rank 0.8 to 1.1 times, the coherence 0.84 to 1.13.
Run     python experiments/benchmarks/meaning.py          # two minutes on one core
        python experiments/benchmarks/meaning.py --quick  # width 64, depth 5, 8 seeds, three activations
"""

import argparse
import itertools
import math
from dataclasses import replace
from typing import Any, get_args

import numpy as np

import vanishlab as vl
from vanishlab.cli.tables import print_table
from vanishlab.config import ActivationName

INITIALIZATIONS = ("torch_default", "kaiming_normal", "orthogonal")
OTHERS: tuple[dict[str, Any], ...] = (
    {"activation": "relu", "initialization": "kaiming_normal", "normalization": "layer"},
    {"activation": "softplus", "initialization": "lecun_normal", "normalization": "rms"},
    {"activation": "tanh", "initialization": "orthogonal", "normalization": "layer"},
    {"activation": "relu", "initialization": "kaiming_normal", "normalization": "batch"},
    {"activation": "silu", "initialization": "lecun_normal", "residual": "plain"},
    {"activation": "tanh", "initialization": "xavier_uniform", "residual": "plain"},
    {"activation": "relu", "initialization": "kaiming_normal", "residual": 0.3, "normalization": "layer"},
    {"activation": "sigmoid", "residual": "plain"},
)
COLUMNS = ("network", "share in the last hidden layer", "worst layer", "mean log ratio", "std. error", "width term",
           "in 3 s.e.", "spread", "rank", "coherence")  # fmt: skip
ROUNDING = 1e-28
QUICK = ("relu", "tanh", "sigmoid")


def compare(network: vl.NetworkConfig, data: vl.Dataset, seeds: int) -> tuple[list[object], int, int]:
    """Return the table's row, and in how many of how many layers the share is within 3 standard errors."""
    found = vl.predict(network, data)
    record = vl.train(network, vl.TrainingConfig(seeds=tuple(range(seeds)), steps=0), data)
    kept = found.distinct_share > ROUNDING
    logs = np.log(record.distinct_share[:, 0, kept])  # (seed, layer)
    ratio = logs - math.log(10.0) * found.log10_typical("distinct_share")[kept]
    deviation = ratio.std(0, ddof=1)
    mean, error, term = ratio.mean(0), deviation / math.sqrt(seeds), 0.5 * found.width_log_variance[kept]
    excess = (np.abs(mean) - term) / np.maximum(error, 1e-12)
    worst, inside = int(np.argmax(excess)), int((excess <= 3).sum())
    hidden = kept[:-1]
    coherence = record.gradient_coherence[:, 0, :-1]
    words = [getattr(network, name) for name in ("activation", "initialization", "normalization", "residual")]
    row: list[object] = [
        " ".join(str(word) for word in words if word != "none"), f"{found.distinct_share[-2]:.1e}", worst + 1,
        float(mean[worst]), float(error[worst]), float(term[worst]), f"{inside}/{len(mean)}",
        mean_ratio(found.log_spread("distinct_share")[:-1][hidden], deviation[: hidden.sum()]),
        mean_ratio(found.effective_rank[:-1][hidden], np.exp(np.log(record.effective_rank[:, 0, :-1]).mean(0))[hidden]),
        mean_ratio(found.gradient_coherence[:-1], coherence.mean(0)),
    ]  # fmt: skip
    return row, inside, len(mean)


def mean_ratio(predicted: np.ndarray, measured: np.ndarray) -> str:
    """Return the geometric mean of the ratios, "" where nothing is predicted."""
    known = np.isfinite(predicted) & (predicted > 0) & (measured > 0)
    return f"{math.exp(float(np.log(predicted[known] / measured[known]).mean())):.2f}" if known.any() else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="width 64, depth 5, 8 seeds, three activations")
    parser.add_argument("--activations", nargs="+", help="those to measure")
    parser.add_argument("--width", type=int)
    parser.add_argument("--depth", type=int)
    parser.add_argument("--seeds", type=int)
    options = parser.parse_args()
    activations = options.activations or (QUICK if options.quick else get_args(ActivationName))
    size: dict[str, Any] = {"depth": options.depth or (5 if options.quick else 10),
                            "width": options.width or (64 if options.quick else 256), "dtype": "float64"}  # fmt: skip
    seeds = options.seeds or (8 if options.quick else 20)
    data = replace(vl.load_data("digits", max_examples=32), x_test=None, y_test=None)
    pairs = itertools.product(activations, INITIALIZATIONS)
    cases: list[dict[str, Any]] = [{"activation": name, "initialization": kind} for name, kind in pairs]
    cases += [case for case in OTHERS if case["activation"] in activations]
    rows, inside, layers = zip(*(compare(vl.NetworkConfig(**size, **case), data, seeds) for case in cases), strict=True)
    within = f"{sum(inside)} of {sum(layers)} layers in 3 s.e."
    print_table(f"width {size['width']}, depth {size['depth']}, {seeds} seeds: {within}", COLUMNS, rows)


if __name__ == "__main__":
    main()
