r"""The distinct share and the effective rank of a network of finite width, from those of an infinitely wide one.

A layer of n units is a mean over units, of their energy phi^2 and of the energy y = sum_a (h_a - h')^2 that differs
between examples. Where examples are close h_a - h' = phi' (u_a - u'), Gaussian of effective rank r, so that, with
k = E[phi'^4] / E[phi'^2]^2 and rho = 1 / r,

    n Var y / E[y]^2 = k (1 + 2 rho) - 1,    n Var phi^2 / ... = E[phi^4] / E[phi^2]^2 - 1,
    n Cov = E[phi^2 phi'^2] / (E[phi^2] E[phi'^2]) - 1

With orthogonal weights no mean square of z is left to chance, which takes 2 rho + 2 eta^2, 2 gamma^2 and 2 gamma eta
from them, with gamma = dlog E[phi^2] / dlog q and eta that of E[phi'^2]. Where a branch of the part b of d is added to
what is there, their product adds 4 b (1 - b) rho. With A the relative fluctuation of d, R that of the mean square of h,
kappa = dlog d_l / dlog d_{l-1}, and the weights' share t as in `spread`,

    A_l = kappa A_{l-1} + (1 - kappa + eta) t R_{l-1} + Y,    R_l = gamma t R_{l-1} + X

and -kappa for the second coefficient where a normalisation divides by what R is. The log of the share varies by
(1 - share) (A - R), and its mean lies below the log of the wide network's by half of the variances' difference. The
spectrum takes part in chance as well: its square's mean over layers of n units is

    rho -> (rho + (k (1 + 2 rho) - rho) / n) / (1 + (k (1 + 2 rho) - 1) / n)

and the kernels' own change of rho is put upon it. To first order in 1 / n, and in the closeness of examples.
"""

import math
from typing import NamedTuple

import numpy as np

from vanishlab.config import NetworkConfig
from vanishlab.theory.gaussian.expectations import (
    fourth_moments,
    length_slope_moment,
    second_moment,
    slope_second_moment,
)
from vanishlab.theory.layers.apart import Apart, in_range
from vanishlab.theory.width.spread import Chain

_STEP = 1e-4  # of log q, for a derivative


class ApartEffects(NamedTuple):
    """What finite width does in layers l = 1 .. L + 1."""

    variance: np.ndarray  # (layer,): of the log of the distinct share
    shift: np.ndarray  # (layer,): log of the wide network's share less the mean log
    rank: np.ndarray  # (layer,): the effective rank


def apart_effects(network: NetworkConfig, apart: Apart, chain: Chain, log_q: np.ndarray, classes: int) -> ApartEffects:
    """Return what finite width does, from log variances of phi's inputs (L,)."""
    q, name = in_range(log_q), network.activation
    second, slope = second_moment(name, q), slope_second_moment(name, q)
    fourth, slope_fourth, mixed = fourth_moments(name, q)
    k = slope_fourth / slope**2
    moments = np.stack([k - 1.0, fourth / second**2 - 1.0, mixed / (second * slope) - 1.0])  # (3, L)
    if network.initialization == "orthogonal":
        gamma = length_slope_moment(name, q) / second
        up, down = (slope_second_moment(name, np.minimum(q * math.exp(step), 9e4)) for step in (_STEP, -_STEP))
        eta = np.log(up / down) / (2 * _STEP)
        moments -= 2.0 * np.stack([eta**2, gamma**2, gamma * eta])
    moments[:2] = np.maximum(moments[:2], 0.0)
    k, moments = np.append(k, 1.0), np.hstack([moments, [[0.0], [2.0], [0.0]]])  # and the readout's
    units = np.append(chain.width, classes)
    kernel = 1.0 / np.append(apart.input_rank, apart.rank)  # (L + 2,): rho, at infinite width
    branch, carried = np.append(apart.branch, 1.0), np.append(apart.carried, 1.0)
    carry, slopes = np.append(chain.carry, chain.readout), np.append(chain.slope, 0.0)
    weights = np.append(chain.weights, chain.readout)
    rho, a, r, mix = kernel[0], 0.0, 0.0, 0.0
    rows = []
    for place, n in enumerate(units):
        last = place == network.depth
        own, cross = branch[place] ** 2 / n, 4.0 * branch[place] * (1.0 - branch[place]) * rho / n
        first, energy, both = moments[:, place]
        chance, spectrum = first + 2.0 * rho * k[place], first + 2.0 * rho * k[place] + 1.0 - rho
        if network.initialization == "orthogonal" and not last:
            chance -= 2.0 * rho
            spectrum = chance
        kappa = 1.0 - branch[place] * (1.0 - carried[place])
        along = branch[place] * (1.0 - carried[place]) * weights[place] + slopes[place]
        if network.normalization != "none" and not last:
            along = -branch[place] * carried[place] if place > 0 else 0.0
        a, mix, r = (
            kappa**2 * a + along**2 * r + 2 * kappa * along * mix + own * chance + cross,
            carry[place] * (kappa * mix + along * r) + own * both,
            carry[place] ** 2 * r + own * energy,
        )
        rho = (rho + own * spectrum) / (1.0 + own * chance) * kernel[place + 1] / kernel[place]
        rho = min(rho, 1.0)
        rest = -np.expm1(min(apart.log_share[place], 0.0))  # 1 - share
        rows.append((rest**2 * max(a + r - 2 * mix, 0.0), 0.5 * rest * (a - r), 1.0 / rho))
    return ApartEffects(*np.array(rows).T)
