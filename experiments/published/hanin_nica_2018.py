r"""How far apart are the gradients of ReLU networks that differ in their seed alone?

Claim   The log of the squared gradient is close to normal, with mean -beta / 2 and variance beta = 5 sum_l 1 / n_l:
        the sum of the inverse widths decides (Hanin & Nica, 2018, arXiv:1812.05994; He's initialisation, biases 0).
        At finite width the law is known exactly. Going back through a layer multiplies ||delta||^2 by
        X = (2 / n) chi^2_K, where the number K of active units is binomial (n, 1/2), independently of all other layers,
        because the signs of Gaussian weights are fair coins. So ||delta_1||^2 = X_1 ... X_L, and
            E log X = log(4 / n) + E psi(K / 2),    Var log X = E psi'(K / 2) + Var psi(K / 2).
Setup   1,000 networks of 20 hidden ReLU layers, width 100, float64, one output, one handwritten digit: beta = 1.
        delta_1 = d output / d z_1, which is the output's gradient with respect to the first layer's biases.
Run     python experiments/published/hanin_nica_2018.py           # eight seconds on one CPU core
        python experiments/published/hanin_nica_2018.py --quick
Writes  results/published/hanin_nica_2018 (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
import torch
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from scipy import special, stats

from vanishlab import MLP, NetworkConfig, load_data
from vanishlab.language.sentences import say
from vanishlab.plots import save_both

SOURCE = "Hanin & Nica 2018: the log of the squared gradient is normal"
WIDTH, DEPTH = 100, 20
CHUNK = 100  # networks side by side: 160 MB of weights
BETA = 5 * DEPTH / WIDTH


def measure(quick: bool, out: Path) -> list[Claim]:
    seeds = range(200 if quick else 1000)
    config = NetworkConfig(DEPTH, WIDTH, "relu", "kaiming_normal", dtype="float64")
    x = torch.from_numpy(load_data("digits").x[:1])
    logs = np.concatenate([_log_squared_gradients(config, x, seeds[i : i + CHUNK]) for i in seeds[::CHUNK]])
    mean, variance = exact_moments(WIDTH, DEPTH)
    error = math.sqrt(variance / len(logs)), variance * math.sqrt(2 / len(logs))  # a normal law's standard errors
    distance = float(stats.kstest(logs, "norm", (-BETA / 2, math.sqrt(BETA))).statistic)
    print(*save_both(_draw(logs, mean, variance), out / "hanin_nica_2018"))
    reason = say("3 standard errors of {networks} networks about the exact finite-width value", networks=len(logs))
    return [
        Claim(
            say("log ‖δ_1‖², mean"),
            say("-beta/2 = {mean:g}", mean=-BETA / 2),
            mean,
            float(logs.mean()),
            around(mean, absolute=3 * error[0]),
            reason,
        ),
        Claim(
            say("log ‖δ_1‖², variance"),
            say("beta = {beta:g}", beta=BETA),
            variance,
            float(logs.var(ddof=1)),
            around(variance, absolute=3 * error[1]),
            reason,
            say("predicted is the exact value at width {width}; beta is its first order in 1/n", width=WIDTH),
        ),
        Claim(
            say("largest distance of its distribution function from that of N(-beta/2, beta)"),
            say("tends to 0"),
            0.0,
            distance,
            (0.0, 1.95 / math.sqrt(len(logs)) + 0.02),
            say(
                "Kolmogorov–Smirnov, one chance in 1,000, and 0.02 for the terms in 1/n² of mean, variance and skewness"
            ),
        ),
    ]


def exact_moments(width: int, depth: int) -> tuple[float, float]:
    """Return mean and variance of log(X_1 ... X_depth); K = 0, of chance 2^-width, is left out."""
    active = np.arange(1, width + 1)
    chance = stats.binom.pmf(active, width, 0.5)
    level = math.log(4 / width) + special.digamma(active / 2)  # E[log X | K]
    mean = float(chance @ level)
    variance = float(chance @ special.polygamma(1, active / 2) + chance @ (level - mean) ** 2)
    return depth * mean, depth * variance


def _log_squared_gradients(config: NetworkConfig, x: torch.Tensor, seeds: range) -> np.ndarray:
    model = MLP(config, x.shape[1], 1, tuple(seeds))
    first = model.linear_layers[0].bias
    (delta,) = torch.autograd.grad(model(x).sum(), first)  # (run, unit)
    return delta.square().sum(1).log().numpy()


def _draw(logs: np.ndarray, mean: float, variance: float) -> Figure:
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    grid = np.linspace(min(logs.min(), -4.0), max(logs.max(), 3.0), 300)
    limit = stats.norm.pdf(grid, -BETA / 2, math.sqrt(BETA))
    left.hist(logs, bins=30, density=True, alpha=0.4, label=say("{networks} networks", networks=len(logs)))
    left.plot(grid, limit, color="black", label=say("N(−β/2, β), the limit"))
    left.plot(grid, stats.norm.pdf(grid, mean, math.sqrt(variance)), "--", color="tab:red", label=say("exact moments"))
    left.set(xlabel="log ‖δ_1‖²", ylabel=say("density"))
    left.legend(frameon=False)
    quantiles = stats.norm.ppf((np.arange(len(logs)) + 0.5) / len(logs), -BETA / 2, math.sqrt(BETA))
    right.plot(quantiles, np.sort(logs), ".", markersize=4)
    right.plot(quantiles[[0, -1]], quantiles[[0, -1]], color="black", linewidth=1)
    right.set(xlabel=say("quantile of N(−β/2, β)"), ylabel=say("quantile measured"))
    figure.suptitle(
        say(
            "{depth} ReLU layers of width {width}: how far the gradient differs between seeds, β = {beta:g}",
            depth=DEPTH,
            width=WIDTH,
            beta=BETA,
        )
    )
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
