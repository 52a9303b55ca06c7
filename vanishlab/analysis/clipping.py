"""`clipping_threshold(record)`: where to clip the gradient's norm, from the norms that were recorded."""

from dataclasses import dataclass

import numpy as np

from vanishlab.errors import InputError, check_integer, check_number
from vanishlab.recording.record import Record


@dataclass(frozen=True)
class Clipping:
    """A threshold for `torch.nn.utils.clip_grad_norm_`, and what it would have done in the recorded steps."""

    threshold: float
    """Norm of all layers' gradients together."""
    share: float
    """Share of the recorded steps that it would have clipped."""
    norms: np.ndarray
    """The norm at each recorded step, (step,); NaN where none was measured."""
    left_out: tuple[str, ...]
    """Layers and modules whose parameters are not in the norms: clipping counts them too."""


def clipping_threshold(record: Record, quantile: float = 0.9, *, run: int = 0) -> Clipping:
    """Return the `quantile` of the norm of the whole gradient over the recorded steps of one run.

    Clipping is for the rare step that throws training off: 0.9 (the default) clips one in ten of the steps seen, as
    they were before any clipping. Steps after a run has diverged are not recorded, and enter nothing.

    Raises `InputError` for a quantile that is not between 0 and 1, and where no step has a measured gradient.
    """
    if not 0 < check_number("quantile", quantile, above=0.0) < 1:
        raise InputError(f"quantile must be between 0 and 1, got {quantile:g}")
    run = check_integer("run", run, 0, record.runs - 1)
    parts = np.concatenate([record.gradient_norm[run], record.bias_gradient_norm[run]], axis=1)  # (step, part)
    there = ~np.isnan(parts)
    largest = np.max(parts, axis=1, initial=0.0, where=there)
    unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)  # squares of tiny and huge norms leave float64
    norms = unit * np.sqrt(np.sum((parts / unit[:, None]) ** 2, axis=1, where=there))
    norms[~there.any(1)] = np.nan
    known = norms[np.isfinite(norms)]
    if not len(known):
        raise InputError("record must hold a step with a measured gradient, got none")
    threshold = float(np.quantile(known, quantile))
    absent = [name for place, name in enumerate(record.layer_names) if not there[:, place].any()]
    others = [name for name in record.unmeasured if name not in record.layer_names and name != "sharpness"]
    return Clipping(threshold, float(np.mean(known > threshold)), norms, (*absent, *others))
