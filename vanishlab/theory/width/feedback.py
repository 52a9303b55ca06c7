r"""The part of delta that a layer's own weights put there: what comes back through W_l knows what W_l did on the way.

The output errors e depend on every weight, so the weights on the way back are not independent of the signal that they
carry. With G_a = de/dz (class, class) at the logits of input a, A_l,aa the product over the layers l .. L of
sigma_w^2 E[(phi phi')'] (where |dz_k/dz_l|^2 of a class k is that of sigma_w^2 E[phi'^2]: the same for ReLU, more than
A_l where phi saturates), and

    Q_ab = E[tr G_a tr G_b + tr G_a G_b]           mse: 4 (1 + 1/C),   cross-entropy: tr G = 1 - sum_k p_k^2

integrating W_l by parts twice adds to T_{l-1}, the covariance of dloss/dh_{l-1},

    unit i:  (sigma_w^2 / n_{l-1})^2 A_l,aa A_l,bb Q_ab h_ia h_ib,     h = h_{l-1}, n_{l-1} = fan_in_l

It is one part in n / C of T: gone at infinite width, and not small at ten classes and a width of 256. Layer by layer it
adds up. Layer and RMS normalisation end it: they make z . dloss/dz = 0, so A_l = 0 below them, and only the readout's
own weights add something. Beside E[h_a h_b] E[phi'_a phi'_b] stands the factor by which a unit's own phi and phi' go
together, that of a single input: 2 for ReLU.
"""

import math

import numpy as np

_LARGEST = 1e2  # of logits' variance: beyond, errors are one-hot and the rest of the second order is as large


class Feedback:
    """The share of what is added, carried from the readout down."""

    def __init__(self, response: np.ndarray, log_scale: float, log_logits: float) -> None:
        """Start at the readout with Q = `response`, (n, n), errors in units of exp(log_scale), logits' log variance."""
        self._response = response if log_logits < math.log(_LARGEST) else np.zeros_like(response)
        self._log_scale = log_scale
        self._added = np.zeros_like(response)  # over sqrt(B_aa B_bb)

    def pass_weights(
        self,
        log_a: np.ndarray,
        log_b: np.ndarray,
        log_sigma: np.ndarray,
        correlation: np.ndarray,
        slope_correlation: np.ndarray,
        log_weight: float,
        together: float,
        fan_in: int,
    ) -> None:
        """Go from z_l to z_{l-1}: log A_l, log B_l,aa, log Sigma_{l-1,aa} (n,), correlations (n, n).

        `correlation` is of h_{l-1}, `slope_correlation` of phi' there, `log_weight` the log of sigma_w^2 and `together`
        is E[phi^2 phi'^2] / (E[phi^2] E[phi'^2]).
        """
        log_size = log_a - 0.5 * log_b + 0.5 * log_sigma + 0.5 * log_weight - self._log_scale
        size = np.exp(np.minimum(log_size, 300.0))  # (n,)
        new = (together / fan_in) * self._response * correlation * np.outer(size, size)
        self._added = (self._added + new) * slope_correlation

    def shares(self, chain: np.ndarray, errors: np.ndarray, inputs: np.ndarray) -> tuple[float, float]:
        """Return what is added to E|delta_l|^2 and to E||dloss/dW_l||^2, each over it, from B_l, e's and h's (n, n)."""
        root = np.sqrt(np.diag(chain))
        added = self._added * np.outer(root, root)
        here = chain * errors
        delta, gradient = float(np.trace(here)), float(np.vdot(here, inputs))
        return (
            float(np.trace(added)) / delta if delta > 0 else 0.0,
            max(float(np.vdot(added, inputs)), 0.0) / gradient if gradient > 0 else 0.0,
        )
