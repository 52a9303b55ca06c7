r"""How do activations and gradients grow with depth in residual networks, normalised or not?

Claim   Without normalisation, a block whose branch keeps its input's variance doubles the variance: 2^l after l blocks.
        Normalised inside the branch, every block adds the same amount, 1 + l, so that the last branch is smaller than
        the skip connection by about the square root of the depth; a branch scale that starts at 0 makes every block
        the identity (De & Smith, 2020, arXiv:2002.10444).
        With layer normalisation in the branch (pre-norm) the variance is at least 1 + l/2 and the gradient of the last
        block falls as 1 / sqrt(L); with layer normalisation after the sum (post-norm) the variance before it is 3/2 and
        the last block's gradient does not depend on the depth L (Xiong et al., 2020, arXiv:2002.04745, lemma 2 and
        theorem 1, for Transformers).
Setup   Blocks h + s W_2 relu(W_1 u), u = h or norm(h), width 512, 16 seeds, 32 inputs drawn from N(0, 1), 10 classes;
        W_1 has variance 2 / n (He) for De & Smith and 1 / n (Xavier) for Xiong, W_2 1 / n. There is no attention. With
        m_l = E h^2, cross terms vanish on the mean, because W_2 is independent of all before; b is the branch's E f^2:

            m_l = m_{l-1} + s^2 b,   b = m_{l-1}, or 1 after a norm (He); half of that (Xavier)
            E|dloss/dh_l|^2 = E|dloss/dh_L|^2 m_L / m_l, itself as 1 / m_L: in all 1 / m_l           (pre-norm)
            E|dloss/dh_{l-1}|^2 = E|dloss/dh_l|^2 (1 + 1/2) / (3/2): the same in every block         (post-norm)
Run     python experiments/published/residual_growth.py           # a minute on one CPU core
        python experiments/published/residual_growth.py --quick
Writes  results/published/residual_growth (.png, .svg)
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from claims import Claim, around, run_script
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from vanishlab import GradientRecorder, NetworkConfig, TrainingConfig, load_data, predict, train
from vanishlab.language.sentences import say
from vanishlab.plots import save_both

SOURCE = "De & Smith 2020, Xiong et al. 2020: growth in residual networks"
EXAMPLES, CLASSES, DOUBLING = 32, 10, 16  # DOUBLING: blocks of the network without normalisation


class Block(nn.Module):
    """h + scale W_2 relu(W_1 h), with a norm before the branch ("pre"), after the sum ("post") or nowhere ("none")."""

    def __init__(self, width: int, place: str, norm: type[nn.Module], gain: float, scale: float) -> None:
        super().__init__()
        self.first, self.second = (nn.Linear(width, width, bias=False) for _ in range(2))
        nn.init.normal_(self.first.weight, 0.0, gain * width**-0.5)
        nn.init.normal_(self.second.weight, 0.0, width**-0.5)
        self.norm, self.place, self.scale = norm(width), place, scale
        self.moment = 0.0  # E h^2 of the sum, before a norm that follows

    def forward(self, h: Tensor) -> Tensor:
        u = self.norm(h) if self.place == "pre" else h
        h = h + self.scale * self.second(torch.relu(self.first(u)))
        self.moment = float(h.detach().square().mean())
        return self.norm(h) if self.place == "post" else h


class Growth(NamedTuple):
    """What was measured, each (seed, block): means over examples and units, but for the gradient's norm."""

    moment: np.ndarray  # E h^2 of the sum, before a norm that follows
    branch: np.ndarray  # E f^2 of W_2's output f
    delta: np.ndarray  # E delta^2, delta = dloss/df per example
    gradient: np.ndarray  # ||dloss/dW_2|| of the batch


def grow(depth: int, size: tuple[int, int], place: str, norm: type[nn.Module], gain: float, scale: float = 1) -> Growth:
    """Measure untrained networks of size (width, seeds); pre-norm ones have a norm before the readout as well."""
    found, (width, seeds) = [], size
    for seed in range(seeds):
        torch.manual_seed(seed)
        blocks = [Block(width, place, norm, gain, scale) for _ in range(depth)]
        readout = nn.Linear(width, CLASSES, bias=False)
        nn.init.normal_(readout.weight, 0.0, width**-0.5)
        model = nn.Sequential(*blocks, norm(width) if place == "pre" else nn.Identity(), readout)
        with GradientRecorder(model) as recorder:
            logits = model(torch.randn(EXAMPLES, width))
            nn.functional.cross_entropy(logits, torch.arange(EXAMPLES) % CLASSES).backward()
            recorder.end_step()
        record = recorder.record
        layers = [layer for layer, name in enumerate(record.layer_names) if name.endswith("second")]
        measured = (record.activation_rms**2, record.delta_rms**2, record.gradient_norm)
        found.append([np.array([block.moment for block in blocks]), *(values[0, 0, layers] for values in measured)])
    return Growth(*np.array(found).swapaxes(0, 1))


def measure(quick: bool, out: Path) -> list[Claim]:
    width, seeds, shallow, deep = (128, 4, 4, 12) if quick else (512, 16, 4, 64)
    he, layer, size = math.sqrt(2), nn.LayerNorm, (width, seeds)
    plain, scaled = (grow(depth, size, "none", layer, he, s) for depth, s in ((DOUBLING, 1), (deep, deep**-0.5)))
    normalised = grow(deep, size, "pre", nn.BatchNorm1d, he)
    (pre, pre_shallow), (post, post_shallow) = (
        [grow(depth, size, place, layer, 1.0) for depth in (deep, shallow)] for place in ("pre", "post")
    )
    print(*save_both(_draw(plain, scaled, normalised, pre, post), out / "residual_growth"))
    last = [growth.moment[:, -1].mean() for growth in (plain, normalised, scaled, pre)]
    at_end = [math.sqrt(growth.delta[:, -1].mean()) for growth in (pre, pre_shallow, post, post_shallow)]
    falls = math.sqrt((1 + shallow / 2) / (1 + deep / 2))
    first_to_last = [np.sqrt(growth.delta[:, 0] / growth.delta[:, -1]) for growth in (pre, post)]
    batch = post.gradient[:, 0].mean() / post.gradient[:, -1].mean()
    # (result, published, predicted, measured, standard deviation of one seed's value as a share times sqrt(n), note).
    # A sum h + f varies by its cross term 2 h.f, by 4 m b / (m + b)^2 / n, and by |f|^2 itself, 7 b^2 / (m + b)^2 / n
    # (5 / n from W_1 and relu, 2 / n from W_2); the deviations sum this over blocks, for delta there and back.
    rows = [
        (say("no norm: factor of mean h² per block"), "2", 2.0, last[0] ** (1 / DOUBLING), math.sqrt(3 / DOUBLING), ""),
        (say("batch norm in the branch: mean h² gained per block"), "1", 1.0, (last[1] - 1) / deep, math.sqrt(2), ""),
        (
            say("the same: RMS of branch {deep} over RMS of the sum", deep=deep),
            say("of the order of 1/√L"),
            (deep + 1) ** -0.5,
            math.sqrt(normalised.branch[:, -1].mean() / last[1]),
            math.sqrt(2),
            "",
        ),
        (
            say("branches / √L: mean h² after {deep} blocks", deep=deep),
            "–",
            (1 + 1 / deep) ** deep,
            last[2],
            2.0,
            say("tends to e"),
        ),
        (
            say("pre-norm (layer norm): mean h² gained per block"),
            say("0.5 to 1.5"),
            0.5,
            (last[3] - 1) / deep,
            math.sqrt(2),
            say("the published range is a Transformer's, whose attention adds up to 1; without it the lower end holds"),
        ),
        (say("post-norm: mean h² before the norms"), "1.5", 1.5, post.moment.mean(), 1.3, ""),
        (
            say("pre-norm: last block's RMS delta, {deep} blocks over {shallow}", deep=deep, shallow=shallow),
            say("as 1/√L"),
            falls,
            at_end[0] / at_end[1],
            2.0,
            say("1/√L is the limit of the predicted (1 + L/2)^(-½)"),
        ),
        (
            say("post-norm: the same, {deep} over {shallow}", deep=deep, shallow=shallow),
            "1",
            1.0,
            at_end[2] / at_end[3],
            2.0,
            "",
        ),
        (
            say("pre-norm: RMS delta of block 1 over block {deep}", deep=deep),
            say("about 1 (a preliminary analysis)"),
            math.sqrt((1 + deep / 2) / 1.5),
            math.exp(np.log(first_to_last[0]).mean()),
            2.6,
            say(
                "here paper and measurement differ: only the last blocks' gradient is smaller by √L (no attention "
                "here). On the way back h's gradient grows by the factors by which h grew, so block l is left with "
                "1/√(1 + l/2), whatever L is"
            ),
        ),
        (
            say("post-norm: RMS delta of block 1 over block {deep}", deep=deep),
            say("below 1 (a preliminary analysis)"),
            1.0,
            math.exp(np.log(first_to_last[1]).mean()),
            math.sqrt(3.3 * deep) / 2,
            say(
                "per example it neither grows nor decays without attention: the branch adds what the norm takes. The "
                "gradient of the batch does decay towards the input, to {batch:.2f} of the last block's: examples "
                "become alike with depth, and their gradients add up",
                batch=batch,
            ),
        ),
    ]
    noise, reason = (
        4 / math.sqrt(width * seeds),
        say("four standard errors: {seeds} seeds, width {width}", seeds=seeds, width=width),
    )
    claims = [
        Claim(result, published, predicted, float(measured), around(predicted, share=noise * deviation), reason, note)
        for result, published, predicted, measured, deviation, note in rows
    ]
    return [claims[0], *_lab_claims(size, deep), *claims[1:]]


def _lab_claims(size: tuple[int, int], deep: int) -> list[Claim]:
    """The lab's own residual layers, h + s relu(W h)."""
    (width, seeds), data = size, load_data("digits", max_examples=64)
    training = TrainingConfig(seeds=tuple(range(seeds)), steps=0, device="cpu")
    ends_in_relu = NetworkConfig(
        depth=DOUBLING, width=width, activation="relu", initialization="kaiming_normal", residual="plain"
    )
    at_zero = replace(ends_in_relu, depth=deep, residual="learned")
    streams = train(at_zero, training, data).activation_rms[:, 0, :-1]  # (seed, layer)
    moments = (train(ends_in_relu, training, data).activation_rms[:, 0, :-1] ** 2).mean(0)
    expected = predict(ends_in_relu, data).activation_rms[:-1] ** 2
    measured, predicted = (float(values[-1] / values[3]) ** (1 / (DOUBLING - 4)) for values in (moments, expected))
    share = 4 * math.sqrt(3 / (DOUBLING - 4) / (width * seeds))
    return [
        Claim(
            say("no norm, branch ends with ReLU, h + relu(W h): the same factor"),
            "2",
            predicted,
            measured,
            around(predicted, share=share),
            say("four standard errors: {seeds} seeds, width {width}", seeds=seeds, width=width),
            say(
                "more than the published 2, which asks for branches of mean 0. ReLU's mean adds up: with r = (mean "
                "h) / (RMS h), mean h² grows by 2 + 2r/√π; in the limit 2r³/√π + r² - 2r/√π = 1/π, r = 0.801, the "
                "factor 2.904"
            ),
        ),
        Claim(
            say("branch scale learned from 0: largest change of RMS h over all layers"),
            "0",
            0.0,
            float(np.abs(streams - streams[:, :1]).max()),
            (0.0, 0.0),
            say("exact: h + 0"),
        ),
    ]


def _draw(plain: Growth, scaled: Growth, normalised: Growth, pre: Growth, post: Growth) -> Figure:
    figure = Figure(figsize=(10.5, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    deep = scaled.moment.shape[1]
    block = np.arange(1, deep + 1)
    for color, label, growth, line in (
        ("tab:red", say("no norm: 2^l"), plain, 2.0 ** np.arange(1, DOUBLING + 1)),
        ("tab:blue", say("batch norm in the branch: 1 + l"), normalised, 1.0 + block),
        ("tab:green", say("pre-norm: 1 + l/2"), pre, 1.0 + block / 2),
        ("tab:purple", say("branches / √L: (1 + 1/L)^l"), scaled, (1 + 1 / deep) ** block),
        ("tab:orange", say("post-norm, before the norm: 3/2"), post, np.full(deep, 1.5)),
    ):
        left.plot(np.arange(1, len(line) + 1), growth.moment.mean(0), "o", markersize=3, color=color)
        left.plot(np.arange(1, len(line) + 1), line, color=color, linewidth=1, label=label)
    left.set(title=say("Mean h² (lines: theory)"), ylabel=say("mean h² after block l"))
    for color, label, growth, line in (
        ("tab:green", say("pre-norm: ((1 + L/2) / (1 + l/2))^½"), pre, np.sqrt((1 + deep / 2) / (1 + block / 2))),
        ("tab:orange", say("post-norm: 1"), post, np.ones(deep)),
    ):
        rms = np.sqrt(growth.delta / growth.delta[:, -1:])
        right.fill_between(block, rms.min(0), rms.max(0), color=color, alpha=0.2, linewidth=0)
        right.plot(block, np.exp(np.log(rms).mean(0)), "o", markersize=3, color=color)
        right.plot(block, line, color=color, linewidth=1, label=label)
    left.set_yscale("log")
    right.set_ylim(0, None)
    right.set(title=say("RMS delta (lines: theory; bands: all seeds)"), ylabel=say("RMS delta at block l / at block L"))
    for ax in (left, right):
        ax.set(xlabel=say("block l (1 is nearest the input)"))
        ax.legend(frameon=False)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


if __name__ == "__main__":
    run_script(SOURCE, measure)
