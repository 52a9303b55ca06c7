"""Twins: units of a layer with the same weights and the same gradient, which remain copies of each other."""

import torch
from torch import Tensor
from torch.nn import functional

from vanishlab.recording.norms import slice_norms


def twin_fraction(weight: Tensor, gradient: Tensor, *, stacked: bool) -> float:
    """Return the share of units with a twin, of the run with the fewest: rows alike in the weights and the gradient.

    Rows of one layer are alike where they differ by rounding; `stacked` tensors have a leading run axis.
    """
    rows = [(x if stacked else x[None]).flatten(2) for x in (weight, gradient)]  # (run, unit, entry)
    if rows[0].shape[1] < 2:
        return 0.0
    with torch.autocast(weight.device.type, enabled=False):  # in bfloat16 many a row would look like its neighbour
        return float((_alike(rows[0]) & _alike(rows[1])).double().mean(1).min())


def _alike(rows: Tensor) -> Tensor:
    # Rows that are alike have products with a fixed vector that are neighbours in order of size.  -> (run, unit)
    rows = rows.float() if rows.element_size() < 4 else rows
    direction = torch.cos(1.7 * torch.arange(1, rows.shape[2] + 1, dtype=rows.dtype, device=rows.device) ** 1.1)
    products, order = (rows @ direction).sort(1)
    near = (
        products.diff(dim=1).abs() <= 1e-5 * slice_norms(rows.contiguous(), len(rows))[:, None] / rows.shape[1] ** 0.5
    )
    alike = functional.pad(near, (0, 1)) | functional.pad(near, (1, 0))
    return torch.zeros_like(alike).scatter(1, order, alike)
