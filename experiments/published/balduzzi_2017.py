r"""Do the gradients of two inputs lose their correlation exponentially with depth ("shattered gradients")?

Claim   In feedforward ReLU networks the correlation of gradients decays as 2^-L (Balduzzi et al., 2017,
        arXiv:1702.08591), if any two inputs are active together in a quarter of the units of every layer. That holds at
        layer 1 for orthogonal inputs, but a plain He-initialised network draws inputs together: with the angle theta_l
        between their pre-activations, cos(theta_{l+1}) = J(cos(theta_l)) (arc-cosine kernel) and

            correlation of delta_1 = prod_l (pi - theta_l) / pi,    theta_l -> 3 pi / l,    so about L^-3.

        Batch normalisation keeps inputs apart, cos(theta_l) = -1 / (n - 1) for a batch of n, hence 2^-L on the way back
        through the activations. Its own way back makes the deltas of a batch add up to 0 in every unit, so that
        their correlation is -1 / (n - 1) at any depth; 2^-L is seen with the batch's statistics held fixed only.
Setup   Width 1,024, 32 seeds; 16 (plain) or 32 (batch norm) orthogonal inputs; deltas of one logit. Correlation: sum of
        delta_a . delta_b over pairs of inputs against that of |delta_a|^2, over seeds.
Run     python experiments/published/balduzzi_2017.py           # 20 s on one CPU core
        python experiments/published/balduzzi_2017.py --quick
Writes  results/published/balduzzi_2017 (.png, .svg)
"""

import math
from pathlib import Path

import numpy as np
import torch
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from vanishlab import MLP, NetworkConfig
from vanishlab.language.sentences import say
from vanishlab.plots import save_both
from vanishlab.theory import correlation_map, susceptibility

SOURCE = "Balduzzi et al. 2017: shattered gradients"
NORMALISED_DEPTH, BATCH = 6, 32
PASSES = 80  # by which batch norm's running statistics are those of the batch, to 0.9^80


def measure(quick: bool, out: Path) -> list[Claim]:
    width, seeds, depths = (256, 8, (4, 8)) if quick else (1024, 32, (2, 4, 8, 16))
    plain = {depth: correlations(depth, width, seeds, 16)[0] for depth in depths}
    few = max(seeds // 4, 4)
    frozen = correlations(NORMALISED_DEPTH, width, few, BATCH, "frozen")
    batch = correlations(NORMALISED_DEPTH, width, few, BATCH, "batch")
    print(*save_both(_draw(plain, frozen, batch), out / "balduzzi_2017"))
    # Directions of delta in width n are correlated by chance, by about 0.4 / sqrt(n) for the mean over these pairs.
    noise = 4 * 0.4 / math.sqrt(width * seeds)
    half = (math.pi - math.acos(-1 / (BATCH - 1))) / math.pi
    last = NORMALISED_DEPTH - 1
    return [
        *(
            Claim(
                say("plain, {depth} layers: correlation of delta at layer 1", depth=depth),
                f"{2.0**-depth:.4g}",
                predicted := predicted_correlation(depth),
                found,
                around(predicted, absolute=noise),
                say("four standard errors: {seeds} seeds, width {width}", seeds=seeds, width=width),
                say(
                    "here paper and measurement differ: a quarter of the units is co-active at layer 1 only; the "
                    "angle closes with depth, and the decay is a power"
                )
                if depth == depths[-1]
                else "",
            )
            for depth, found in plain.items()
        ),
        Claim(
            say("batch norm, statistics fixed: factor per layer"),
            "0.5",
            half,
            float((frozen[0] / frozen[last]) ** (1 / last)),
            around(half, share=0.2 if quick else 0.05),
            say("±{share} %: {few} seeds, width {width}", share=20 if quick else 5, few=few, width=width),
        ),
        Claim(
            say("batch norm, statistics of the batch of {batch}: correlation at layer 1", batch=BATCH),
            f"{2.0**-NORMALISED_DEPTH:.4g}",
            -1 / (BATCH - 1),
            float(batch[0]),
            around(-1 / (BATCH - 1), share=1e-3),
            say("exact but for rounding: the deltas of a unit add up to 0"),
            say("here paper and measurement differ: on the way back batch norm subtracts the mean over the batch"),
        ),
    ]


def correlations(depth: int, width: int, seeds: int, inputs: int, norm: str = "none") -> np.ndarray:
    """Return the correlation of deltas in each hidden layer, (layer,); `norm` is none, batch or frozen."""
    sums = np.zeros((2, depth))  # over pairs, and over single inputs
    network = NetworkConfig(
        depth=depth,
        width=width,
        activation="relu",
        initialization="kaiming_normal",
        normalization="none" if norm == "none" else "batch",
    )
    for seed in range(seeds):
        model = MLP(network, width, 2, (seed,))
        draw = torch.randn(width, inputs, generator=torch.Generator().manual_seed(seed))
        x = torch.linalg.qr(draw)[0].T * math.sqrt(width)  # (input, feature)
        if norm == "frozen":
            with torch.no_grad():
                for _ in range(PASSES):
                    model(x)
            model.eval()
        pre: list[Tensor] = []

        def keep(module: nn.Module, args: object, z: Tensor, pre: list[Tensor] = pre) -> None:
            z.retain_grad()
            pre.append(z)

        for linear in model.linear_layers[:-1]:
            linear.register_forward_hook(keep)
        model(x)[0, :, 0].sum().backward()
        for layer, z in enumerate(pre):
            assert z.grad is not None
            gram = (z.grad[0].double() @ z.grad[0].double().T).numpy()  # (input, input)
            sums[:, layer] += (gram.sum() - gram.trace()) / (inputs - 1), gram.trace()
    return sums[0] / sums[1]


def predicted_correlation(depth: int) -> float:
    """Return prod_l (pi - theta_l) / pi for inputs that are orthogonal at layer 1."""
    gain, c, product = math.sqrt(2), 0.0, 1.0
    for _ in range(depth):
        product *= float(susceptibility("relu", gain, c=c) / susceptibility("relu", gain))
        c = float(correlation_map("relu", c, gain))
    return product


def _draw(plain: dict[int, float], frozen: np.ndarray, batch: np.ndarray) -> Figure:
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    ax = figure.subplots()
    depths = np.arange(1, 33)
    ax.plot(depths, [predicted_correlation(int(depth)) for depth in depths], label=say("theory: Π (π − θ_l) / π"))
    ax.plot(list(plain), list(plain.values()), "o", color="tab:blue", label=say("plain, measured"))
    ax.plot(depths[:20], 0.5 ** depths[:20], color="tab:red", label="2^-L")
    passed = NORMALISED_DEPTH - np.arange(NORMALISED_DEPTH)
    ax.plot(passed, frozen, "s", color="tab:red", label=say("batch norm with fixed statistics, measured"))
    ax.plot(passed, np.abs(batch), "x", color="black", label=say("batch norm, measured: −1 / (n − 1), its size"))
    ax.set(xlabel=say("layers passed on the way back"), ylabel=say("correlation of two inputs' deltas"), yscale="log")
    ax.set_ylim(1e-6, 1.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(say("ReLU: how alike the gradients of two inputs are"))
    ax.legend(frameon=False)
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
