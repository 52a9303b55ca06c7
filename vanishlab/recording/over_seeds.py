"""Summaries over seeds: the median and the range of a quantity for each learning rate, NaN left out."""

from typing import Any, NamedTuple

import numpy as np


class SeedSummary(NamedTuple):
    """One quantity of each learning rate, over its seeds: the median and the range, each (rate, ...)."""

    learning_rate: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray


def summarise(learning_rate: np.ndarray, values: np.ndarray) -> SeedSummary:
    """Summarise `values` (run, ...) over the runs of each learning rate (run,)."""
    rates = np.unique(learning_rate)  # an unknown learning rate, NaN, is one of them
    groups = [values[np.equal(learning_rate, rate) | (np.isnan(learning_rate) & np.isnan(rate))] for rate in rates]

    def each(statistic: Any) -> np.ndarray:
        return np.stack([_ignoring_nan(statistic, group) for group in groups])

    return SeedSummary(rates, each(median), each(np.nanmin), each(np.nanmax))


def _ignoring_nan(statistic: Any, group: np.ndarray) -> np.ndarray:
    # numpy's nan-statistics warn where a slice is all NaN; the answer NaN is right and expected there.
    empty = np.isnan(group).all(axis=0)
    return np.where(empty, np.nan, statistic(np.where(empty, 0.0, group), axis=0))


def median(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the median of `values` over an axis, NaN left out; of numbers near float64's end too."""
    # The middle two of an even number are added: there, a quarter of them.
    scale = np.where(np.nanmax(np.abs(values), axis=axis) > 1e300, 0.25, 1.0)
    with np.errstate(invalid="ignore"):  # between both infinities there is none
        return np.nanmedian(values * scale, axis=axis) / scale
