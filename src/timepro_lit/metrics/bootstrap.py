"""Percentile bootstrap over clips, for any metric that is a function of sums over clips.

A resample draws N clips with replacement. Since a metric needs only the sums of the clips' rows, a resample is a
vector of how often each clip was drawn, and all resamples together are one matrix product (Efron and Tibshirani,
"An Introduction to the Bootstrap", 1993, chapters 13 and 16).

Legend: N clips, K sums of a metric, S resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

Statistic = Callable[[FloatArray], Mapping[str, FloatArray]]
"""Named values, each (...,), from sums (..., K); NaN where undefined."""

Interval = tuple[float, float]
"""(low, high)."""


def bootstrap_interval(
    rows: FloatArray, statistic: Statistic, num_resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """Interval of each value of `statistic` over the (N, K) rows of one system.

    Resamples in which a value is undefined are left out of its interval; (NaN, NaN) where all are.
    Raises ValueError without rows, for num_resamples < 1 and for a level outside (0, 1).
    """
    values = statistic(_resample(len(rows), num_resamples, seed) @ rows)
    return {name: _interval(resampled, level) for name, resampled in values.items()}


def paired_bootstrap_interval(
    rows: FloatArray,
    baseline_rows: FloatArray,
    statistic: Statistic,
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Interval of each difference `statistic(system) - statistic(baseline)` on the same clips.

    Row n of both (N, K) arrays must belong to the same clip: both systems see the same resamples, so that the
    difficulty of the drawn clips cancels. Raises ValueError as `bootstrap_interval` and for arrays of different shape.
    """
    if rows.shape != baseline_rows.shape:
        raise ValueError(f"Paired rows must have one shape, not {rows.shape} and {baseline_rows.shape}.")
    draws = _resample(len(rows), num_resamples, seed)
    values, baseline_values = statistic(draws @ rows), statistic(draws @ baseline_rows)
    return {name: _interval(resampled - baseline_values[name], level) for name, resampled in values.items()}


def _resample(num_clips: int, num_resamples: int, seed: int) -> FloatArray:
    """(S, N) how often each clip was drawn."""
    if num_clips == 0 or num_resamples < 1:
        raise ValueError(f"A bootstrap needs clips and resamples, not {num_clips} and {num_resamples}.")
    draws = np.random.default_rng(seed).multinomial(num_clips, np.full(num_clips, 1.0 / num_clips), num_resamples)
    return draws.astype(np.float64)


def _interval(resampled: FloatArray, level: float) -> Interval:
    """The central `level` of the defined values among (S,)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"The level of an interval must lie between 0 and 1, not at {level}.")
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
