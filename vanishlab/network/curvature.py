"""Sharpness: the largest eigenvalue of the Hessian of each run's training loss, from Hessian-vector products alone.

A product costs about two backward passes, by differentiating the gradient once more (Pearlmutter, 1994). Runs of a
stack do not meet in the loss, so one product with the summed losses' Hessian is each run's with its own.

Power iteration, v <- H v / ||H v||, finds the eigenvalue of the largest magnitude, which may be a negative one, and
stalls where two are alike. Here its iterates are kept, a few at a time: the largest eigenvalue of H within their span
(Lanczos, 1950) is never above the true one, comes near it much faster, and is not misled by negative eigenvalues. The
next round starts from its vector.

Under full-batch gradient descent the sharpness rises until it meets 2 / learning rate, and stays there: the edge of
stability (Cohen et al., 2021, arXiv:2103.00065).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Generator, Tensor

from vanishlab.errors import InputError, check_integer, check_number
from vanishlab.network.layer_by_layer import layer_outputs, model_inputs, model_labels, statistics_kept, to_numpy
from vanishlab.network.losses import Loss, run_losses
from vanishlab.network.mlp import MLP

TOLERANCE = 1e-3  # relative, of the residual
MAX_PRODUCTS = 400
_SPAN = 8  # iterates kept: a round costs so many products, and so many copies of the parameters
_EXAMPLES = 4096  # of which the graph is kept; more are taken in parts, at the cost of a forward pass each

_ROUNDINGS = 64  # of a product, relative to the largest |eigenvalue|: residuals below are noise
_NOISE = 0.1  # of a random direction beside an earlier answer

Product = Callable[[Tensor], Tensor]


class Sharpness(NamedTuple):
    """The largest eigenvalue of each run's Hessian, and how sure it is."""

    value: np.ndarray  # (run,)
    residual: np.ndarray  # (run,)
    """||H v - value v|| of the unit vector v: an eigenvalue lies this near to the value."""
    converged: np.ndarray  # bool (run,)
    vector: Tensor  # (run, parameter)
    """The unit eigenvectors, from which a later search may start."""
    products: int
    """Hessian-vector products spent."""


def sharpness(
    model: MLP,
    x: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    loss: Loss = "cross_entropy",
    *,
    tolerance: float = TOLERANCE,
    max_products: int = MAX_PRODUCTS,
    start: Tensor | None = None,
) -> Sharpness:
    """Return the largest eigenvalue of the Hessian of each run's loss in all its trainable parameters.

    Main arguments
        x, y   the examples of the loss: (example, features) and (example,), or with a leading run axis
        loss   "cross_entropy", "mse", or a function of logits and y that returns the batch mean of each run, (run,)

    Other arguments
        tolerance      a run's search ends when its residual is at most this share of |value|, or where rounding leaves
                       no more to find; the value's own error is about the residual's square over the gap to the next
        max_products   Hessian-vector products at the most
        start          vectors (run, parameter) to start from, as an earlier answer's; None draws them

    In training mode batch normalisation takes the statistics of these very examples, as it does in training. A run
    whose Hessian is not finite gets NaN. In float32 a product is good to about 1e-6 of the largest |eigenvalue|.
    Raises `InputError` for shapes that do not match, and where the search does not converge, with its last residual.

    >>> from vanishlab.config import NetworkConfig
    >>> mlp = MLP(NetworkConfig(1, 2, "linear", dtype="float64"), features=1, classes=2)
    >>> sharpness(mlp, [[1.0], [2.0]], [0, 1], "mse").value.shape
    (1,)
    """
    tolerance = check_number("tolerance", tolerance, above=0.0)
    max_products = check_integer("max_products", max_products, 1)
    found = largest_eigenvalues(hessian_product(model, x, y, loss), _start(model, start), tolerance, max_products)
    if not found.converged.all():
        run = int(np.flatnonzero(~found.converged)[0])
        raise InputError(
            f"sharpness must converge within max_products={max_products}, got a residual of {found.residual[run]:.3g} "
            f"beside an eigenvalue of {found.value[run]:.6g} in run {run}"
        )
    return found


class SharpnessHistory:
    """The sharpness of a network again and again while it trains, each search from the eigenvectors of the last."""

    def __init__(self, model: MLP, x: ArrayLike | Tensor, y: ArrayLike | Tensor, loss: Loss) -> None:
        """Measure nothing yet."""
        self._problem = (model, x, y, loss)
        self._vector: Tensor | None = None
        self.measured: list[tuple[int, np.ndarray]] = []
        """Pairs of a step and the sharpness of each run there, (run,); NaN where the search did not converge."""
        self.unmeasured: dict[str, str] = {}
        """Where it did not, and with which residual, under "sharpness"."""

    def measure(self, step: int) -> None:
        """Measure the network as it is, after `step` updates."""
        found = largest_eigenvalues(
            hessian_product(*self._problem), _start(self._problem[0], self._vector), TOLERANCE, MAX_PRODUCTS
        )
        self._vector = found.vector
        for run in np.flatnonzero(~found.converged):
            self.unmeasured["sharpness"] = (
                f"no convergence in {found.products} Hessian-vector products (run {run}, step {step}: residual "
                f"{found.residual[run]:.3g} beside an eigenvalue of {found.value[run]:.6g})"
            )
        self.measured.append((step, np.where(found.converged, found.value, np.nan)))


def hessian_product(model: MLP, x: ArrayLike | Tensor, y: ArrayLike | Tensor, loss: Loss = "cross_entropy") -> Product:
    """Return the function that takes vectors v (run, parameter) to H v, each run by the Hessian of its own loss.

    Entries follow `model.parameters()`, those that are trainable. Nothing of the model is changed. Raises `InputError`
    for shapes that do not match and without a trainable parameter.
    """
    x = model_inputs(model, x)
    y = model_labels(model, x, y)
    parameters = _trainable(model)
    mixing = model.config.normalization == "batch" and model.training
    size = x.shape[1] if mixing else _EXAMPLES
    parts = [(part, of_part) for part, of_part in zip(x.split(size, 1), y.split(size, -1), strict=True)]

    def gradient(part: Tensor, of_part: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad(), statistics_kept(model):
            *_, (logits, _) = layer_outputs(model, part)
            total = run_losses(logits, of_part, loss).sum() * (part.shape[1] / x.shape[1])
            return torch.autograd.grad(total, parameters, create_graph=True, materialize_grads=True)

    kept = [gradient(*parts[0])] if len(parts) == 1 else None

    def product(v: Tensor) -> Tensor:
        pieces = v.split([parameter[0].numel() for parameter in parameters], dim=1)
        total = torch.zeros_like(v)
        for gradients in kept or (gradient(*part) for part in parts):
            # A gradient that no parameter moves, of a loss linear in it, has no graph and adds nothing.
            moved = [(g, piece.view(g.shape)) for g, piece in zip(gradients, pieces, strict=True) if g.requires_grad]
            if moved:
                found = torch.autograd.grad(
                    [g for g, _ in moved],
                    parameters,
                    [piece for _, piece in moved],
                    retain_graph=kept is not None,
                    materialize_grads=True,
                )
                total += torch.cat([part.flatten(1) if part.ndim > 1 else part[:, None] for part in found], dim=1)
        return total

    return product


def largest_eigenvalues(product: Product, start: Tensor, tolerance: float, max_products: int) -> Sharpness:
    """Return the largest eigenvalue of each of a stack of symmetric matrices, known by their `product` with vectors.

    `start` (run, n) must not be zero. A run that has converged keeps its answer while others go on, so that its bits do
    not depend on theirs. Never raises: `converged` says which runs did.
    """
    vector = start / torch.linalg.vector_norm(start, dim=1, keepdim=True)
    value, residual = np.zeros(len(start)), np.full(len(start), np.inf)
    done = np.zeros(len(start), dtype=bool)
    spent, span = 0, min(_SPAN, start.shape[1])
    floor = _ROUNDINGS * torch.finfo(start.dtype).eps
    while spent < max_products and not done.all():
        span = min(span, max_products - spent)
        ritz, size, error, direction = _lanczos(product, vector, span)
        spent += span
        going = ~done
        value[going], residual[going] = ritz[going], error[going]
        vector = torch.where(torch.from_numpy(done).to(vector.device)[:, None], vector, direction)
        done |= (error <= np.maximum(tolerance * np.abs(ritz), floor * size)) | np.isnan(ritz)
    return Sharpness(value, residual, done, vector, spent)


def _lanczos(product: Product, v: Tensor, span: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Tensor]:
    """Return the largest Ritz value of v, H v, ..., the largest |Ritz value|, the residual (run,), and the vector."""
    runs = len(v)
    basis: list[Tensor] = [v]
    small = np.zeros((runs, span, span))  # H within the span
    empty = np.zeros((runs, span), dtype=bool)  # places in the basis that hold no direction
    left = np.zeros(runs)
    for column in range(span):
        w = product(basis[column])
        for _ in range(2):  # once would leave rounding that the next products magnify
            for row, direction in enumerate(basis):
                overlap = (direction * w).sum(1)  # (run,)
                small[:, row, column] += to_numpy(overlap)
                w = w - overlap[:, None] * direction
        left = to_numpy(torch.linalg.vector_norm(w, dim=1))
        # Where the span holds all that v can reach, what is left over is rounding.
        ended = ~(left > 1e-14 * np.abs(small[:, : column + 1, column]).max(1))
        left[ended] = 0.0
        if column + 1 < span:
            empty[:, column + 1] = ended
            small[:, column + 1, column] = left
            inverse = np.divide(1.0, left, out=np.zeros(runs), where=~ended)
            basis.append(w * torch.from_numpy(inverse).to(w)[:, None])
    finite = np.equal(np.isfinite(small).sum((1, 2)), span * span)  # (run,)
    small = np.where(finite[:, None, None], np.triu(small) + np.triu(small, 1).transpose(0, 2, 1), 0.0)
    lowest = -2 * np.linalg.norm(small, axis=(1, 2)) - 1  # (run,): never the largest eigenvalue
    diagonal = np.arange(span)
    small[:, diagonal, diagonal] = np.where(empty, lowest[:, None], small[:, diagonal, diagonal])
    values, vectors = np.linalg.eigh(small)  # ascending
    top = vectors[:, :, -1]  # (run, column)
    weights = torch.from_numpy(top).to(v)
    direction = sum((weights[:, k, None] * basis[k] for k in range(1, span)), weights[:, :1] * basis[0])
    direction = direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True)
    direction = torch.where(torch.from_numpy(finite).to(v.device)[:, None], direction, v)
    size = np.abs(np.where(np.arange(span) < empty.sum(1)[:, None], 0.0, values)).max(1)
    nan = np.where(finite, 0.0, np.nan)
    return values[:, -1] + nan, size, left * np.abs(top[:, -1]) + nan, direction


def _trainable(model: MLP) -> list[Tensor]:
    parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise InputError("model must have a trainable parameter, all of them are frozen")
    return parameters


def _start(model: MLP, earlier: Tensor | None) -> Tensor:
    """Return unit vectors (run, parameter) to start from; the same draw for every run, and for every call."""
    parameters = _trainable(model)
    like, size = parameters[0], sum(parameter[0].numel() for parameter in parameters)
    drawn = torch.randn(size, generator=Generator().manual_seed(0), dtype=torch.float64)
    drawn = (drawn / drawn.norm()).to(like).expand(model.runs, size)
    if earlier is None:
        return drawn
    if earlier.shape != drawn.shape:
        raise InputError(f"start must have shape {tuple(drawn.shape)}, got {tuple(earlier.shape)}")
    # An earlier eigenvector alone would not see another eigenvalue that has overtaken its own.
    return earlier.to(drawn) + _NOISE * drawn
