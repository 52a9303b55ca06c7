"""Corrections of finite width to a prediction over pairs of inputs, gathered on the way back from up to 32 examples."""

import math
from typing import NamedTuple

import numpy as np

from vanishlab.config import LossName, NetworkConfig
from vanishlab.theory.gaussian.expectations import relative_mean
from vanishlab.theory.gaussian.unit_moments import UnitMoments, few_examples, unit_moments
from vanishlab.theory.layers.covariances import Forward, add, log_mean
from vanishlab.theory.layers.output_errors import OutputErrors
from vanishlab.theory.weight_variances import layer_scales
from vanishlab.theory.width.contrast import Contrast
from vanishlab.theory.width.feedback import Feedback
from vanishlab.theory.width.mean_squares import added_squares
from vanishlab.theory.width.spread import Spread, fluctuation_chain, single_moments, width_spread

_LEAST = 0.05  # of rho: below, the errors hardly know the logits


class WidthEffects(NamedTuple):
    """What finite width does to the logs of squares."""

    width: Spread
    typical: Spread
    """Twice what the mean log falls below the log of the mean: for delta as the variance without feedback, for the
    gradient as the variance of one input's scale (how the contrast between inputs varies does not lower its mean)."""
    added: np.ndarray  # (2, layer): the feedback's shares, for delta and for the gradient
    contrast: np.ndarray  # (layer,): what varying contrasts between inputs add to the gradient's square, over it
    amplified: np.ndarray  # (2, layer)
    """By how much feedback enlarges what the logits' draw does to the log: with mse it goes with the logits' fourth
    power, not with their square."""


class FiniteWidth:
    """Visits the layers from the readout to the first one, then returns the spread."""

    def __init__(
        self,
        network: NetworkConfig,
        way: Forward,
        sizes: tuple[tuple[int, int], ...],
        errors: OutputErrors,
        loss: LossName,
    ) -> None:
        """Start with what one typical input tells of every layer."""
        self._network, self._way, self._sizes = network, way, sizes
        self._few = few_examples(len(errors.covariance))
        self._block = np.ix_(self._few, self._few)
        self._errors = errors.covariance[self._block]
        self.log_q = log_q = np.array(
            [log_mean(pre - norm) for pre, norm in zip(way.log_pre, way.log_norm, strict=True)]
        )  # (L,)
        log_sigma = np.array([sigma.log_mean for sigma in way.activation[1:]])  # (L,)
        self._log_weight = np.array([math.log(layer_scales(network, *size)[0]) for size in sizes])  # (L + 1,)
        self.chain = fluctuation_chain(network, log_q, log_sigma, self._log_weight, way.logits.log_mean)
        with np.errstate(divide="ignore"):
            logs = np.log(self.chain.coherent)
        self._log_coherent = np.append(np.cumsum(logs[::-1])[::-1], 0.0)  # of layers l .. L, l = 1 .. L + 1
        self._single = single_moments(network, log_q)
        self._moments: dict[int, UnitMoments] = {}
        self._feedback = Feedback(
            errors.response[self._block],
            errors.log_scale,
            -math.inf if errors.log_scale else way.logits.log_mean,
        )
        classes = sizes[-1][1]
        trace = errors.response[self._block] / (classes + 1 if loss == "mse" else classes)  # its second part alone
        self._contrast = Contrast(network, way, self._log_weight, trace, self._few)
        self._log_scale, self._loss = errors.log_scale, loss
        self._before: tuple[np.ndarray, float] | None = None  # B_{l+1} over exp(log), and that log
        self._handed = self._errors, 0.0  # T_l over exp(log), and that log
        self._met = np.zeros(len(sizes) - 1)
        self.added, self.contrast = np.zeros((2, len(sizes))), np.zeros(len(sizes))
        self.rho = np.zeros((2, len(sizes)))
        """The errors' shares rho_l for delta and the gradient, (2, layer): the caller knows them."""

    def visit(self, place: int, chain: np.ndarray, log_chain: float, log_total: float, sampled: bool) -> None:
        """Take B_l = exp(log_chain) `chain`, (n, n), of layer l = place + 1, and log sum_ab B_l Sigma_{l-1} S_{L+1}."""
        chain, way = chain[self._block], self._way
        if self._before is not None:
            before, log_before = self._before
            sigma, kernels = way.activation[place + 1], way.kernels[place]
            with np.errstate(divide="ignore"):
                log_b = np.log(np.diag(before)) + log_before
            together = 1.0 + self._single[place].yx * float(self.chain.branch[place])
            if self._network.initialization == "orthogonal":
                together = max(together - 1.0, 0.0)  # a square W^T W is the identity
            slopes = kernels.slope_correlation[self._block]
            self._feedback.pass_weights(
                log_b + self._log_coherent[place + 1],
                np.maximum(log_b, -1e300),
                sigma.log_diagonal[self._few],
                sigma.correlation[self._block],
                slopes,
                float(self._log_weight[place + 1]),
                together,
                self._sizes[place + 1][0],
            )
            if sampled:
                self._moments[place] = self._unit_moments(place, before * self._errors)
        self._hand_back(place, chain * self._errors, log_chain)
        inputs = way.activation[place]
        root = _unit_root(inputs.log_diagonal[self._few])
        self.added[:, place] = self._feedback.shares(
            chain, self._errors, inputs.correlation[self._block] * np.outer(root, root)
        )
        self.contrast[place] = self._contrast.share(place, chain, log_chain, self._log_scale, log_total)
        self._before = chain, log_chain

    def _hand_back(self, place: int, here: np.ndarray, log_here: float) -> None:
        """Take S_l, l = place + 1, to T_{l-1}, and note what S_l meets of T_l by chance where a skip adds them."""
        branch, log_branch = here, log_here + float(self._log_weight[place])
        if 0 < place < self._network.depth and self._network.branch_scale is not None:
            skipping, log_skipping = self._handed
            handed, log_handed = add(branch, log_branch, skipping, log_skipping)
            size = float(np.trace(handed))
            if size > 0:
                met = float(np.vdot(branch, skipping)) / size**2
                self._met[place] = 4.0 * met * math.exp(log_branch + log_skipping - 2.0 * log_handed)
            branch, log_branch = handed, log_handed
        self._handed = branch, log_branch

    def spreads(self, sampled: np.ndarray) -> WidthEffects:
        """Return all effects; `rho` must be known at the `sampled` places."""
        layers = len(self._sizes)
        places = np.array(sorted(self._moments))
        known = np.array([self._moments[place] for place in places])  # (place, moment)
        moments = np.stack([np.interp(np.arange(layers - 1), places, column) for column in known.T], axis=1)
        rho = np.stack([np.interp(np.arange(layers), sampled, row[sampled]) for row in self.rho])
        rows = [UnitMoments(*row) for row in moments]
        overlap = self._overlap()
        single, plain = width_spread(self.chain, self._single), width_spread(self.chain, rows, rho, overlap, self._met)
        width, amplified = plain, np.ones_like(rho)
        if self._loss == "mse":
            new = (rho + 2.0 * self.added) / (1.0 + self.added)
            amplified = np.where(rho > _LEAST, new / np.maximum(rho, _LEAST), 1.0)
            width = width_spread(self.chain, rows, new, overlap, self._met)
        if self._network.branch_scale is not None and self._network.normalization != "none":
            squares = added_squares(self._network, self._way, self._few, places) / self.chain.width
            activation = np.append(squares, squares[-1] * self.chain.readout**2)
            width, plain = width._replace(activation=activation), plain._replace(activation=activation)
        typical = Spread(plain.activation, plain.delta, single.gradient)
        return WidthEffects(width, typical, self.added, self.contrast, amplified)

    def _overlap(self) -> np.ndarray | float:
        if self._network.branch_scale is None:
            return 0.0
        found = []
        name, way = self._network.activation, self._way
        for place, (before, kernels) in enumerate(zip(way.activation[:-1], way.kernels, strict=True)):
            means = relative_mean(name, (way.log_pre[place] - way.log_norm[place])[self._few])
            product = before.correlation[self._block] * (kernels.correlation[self._block] - np.outer(means, means))
            root = _unit_root(before.log_diagonal[self._few]) * _unit_root(kernels.log_second[self._few])
            size = max(float(np.mean(root**2)), 1e-300)
            found.append(float(root @ product @ root) / (len(root) ** 2 * size))
        return np.clip(np.array(found), 0.0, 1.0)

    def _unit_moments(self, place: int, back: np.ndarray) -> UnitMoments:
        way, few = self._way, self._few
        log_q = (way.log_pre[place] - way.log_norm[place])[few]
        inputs = way.activation[place]
        root = _unit_root(inputs.log_diagonal[few])
        return unit_moments(
            self._network.activation,
            log_q,
            way.pre_correlation[place][self._block],
            back,
            inputs.correlation[self._block] * np.outer(root, root),
            self._network.initialization != "orthogonal",
            self._network.normalization,
        )


def sampled_layers(layers: int) -> np.ndarray:
    """Return some 16 places of `layers`: spreads change smoothly with depth and are worked out there."""
    ends = np.concatenate([np.arange(layers)[:4], np.arange(layers)[-4:], np.linspace(0, layers - 1, 10).round()])
    return np.unique(ends.astype(np.int64))


def _unit_root(log_diagonal: np.ndarray) -> np.ndarray:
    # Standard deviations over the largest.
    return np.exp(0.5 * (log_diagonal - max(float(log_diagonal.max()), -1e300)))
