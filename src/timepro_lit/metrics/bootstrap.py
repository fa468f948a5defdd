"""Percentile bootstrap over clips and trainings, for any metric that is a function of sums over clips.

A resample draws N clips with replacement. Since a metric needs only the sums of the clips' rows, a resample is a
vector of how often each clip was drawn, and all resamples together are one matrix product (Efron and Tibshirani,
"An Introduction to the Bootstrap", 1993, chapters 13 and 16).

A method that was trained several times, with another seed each time, has the mean of its trainings' values. Its
resample draws T trainings as well, all of which answer the same drawn clips: clips and seeds are crossed. Of few
trainings a bootstrap says too little (their spread comes out as (T - 1) / T of what it is), and of one nothing.

Legend: T trainings, N clips, K sums of a metric, S resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

Statistic = Callable[[FloatArray], Mapping[str, FloatArray]]
"""Named values, each (...,), from sums (..., K); NaN where undefined."""

Interval = tuple[float, float]
"""(low, high)."""


def bootstrap_interval(
    rows: Sequence[FloatArray], statistic: Statistic, num_resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """Interval of the mean over T trainings of each value of `statistic`, from the (N, K) rows of each.

    Resamples in which a value is undefined are left out of its interval; (NaN, NaN) where all are.
    Raises ValueError without rows, for num_resamples < 1 and for a level outside (0, 1).
    """
    _check_shapes(rows)
    values = _resampled(rows, statistic, _trainings(len(rows), num_resamples, seed), num_resamples, seed)
    return {name: _interval(resampled, level) for name, resampled in values.items()}


def paired_bootstrap_interval(
    rows: Sequence[FloatArray],
    baseline_rows: Sequence[FloatArray],
    statistic: Statistic,
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    same_trainings: bool = False,
) -> dict[str, Interval]:
    """Interval of each difference of means `statistic(system) - statistic(baseline)` on the same clips.

    Row n of all (N, K) arrays must belong to the same clip: both systems see the same resamples, so that the
    difficulty of the drawn clips cancels. With `same_trainings`, training t of both began from the same seed, and they
    are drawn together; otherwise each system's by themselves. Raises ValueError as `bootstrap_interval` and for arrays
    of different shape.
    """
    _check_shapes([*rows, *baseline_rows])
    drawn = _trainings(len(rows), num_resamples, seed)
    drawn_too = drawn if same_trainings else _trainings(len(baseline_rows), num_resamples, seed, "baseline")
    values = _resampled(rows, statistic, drawn, num_resamples, seed)
    baseline = _resampled(baseline_rows, statistic, drawn_too, num_resamples, seed)
    return {name: _interval(resampled - baseline[name], level) for name, resampled in values.items()}


def _check_shapes(rows: Sequence[FloatArray]) -> None:
    if len({one.shape for one in rows}) > 1:
        raise ValueError(f"Paired rows must have one shape, not {' and '.join(sorted({str(o.shape) for o in rows}))}.")


def _resampled(
    rows: Sequence[FloatArray], statistic: Statistic, trainings: FloatArray, num_resamples: int, seed: int
) -> dict[str, FloatArray]:
    """Each value in each resample, (S,); `trainings` (S, T) is the share of each training in it."""
    clips = _clips(len(rows[0]), num_resamples, seed)
    of_each = [statistic(clips @ one) for one in rows]
    found = {}
    for name in of_each[0]:
        values = np.stack([values[name] for values in of_each], axis=-1)  # (S, T)
        found[name] = np.where(trainings > 0, trainings * values, 0.0).sum(axis=-1)
    return found


@lru_cache(maxsize=8)
def _clips(num_clips: int, num_resamples: int, seed: int) -> FloatArray:
    """(S, N) how often each clip was drawn."""
    if num_clips == 0 or num_resamples < 1:
        raise ValueError(f"A bootstrap needs clips and resamples, not {num_clips} and {num_resamples}.")
    draws = np.random.default_rng(seed).multinomial(num_clips, np.full(num_clips, 1.0 / num_clips), num_resamples)
    return draws.astype(np.float64)


def _trainings(num_trainings: int, num_resamples: int, seed: int, of: str = "") -> FloatArray:
    """(S, T) the share of each training in a resample; whoever is drawn by itself says of what it is."""
    if num_trainings == 0 or num_resamples < 1:
        raise ValueError(f"A bootstrap needs trainings and resamples, not {num_trainings} and {num_resamples}.")
    random = np.random.default_rng([seed, 1, *of.encode()])  # not what draws the clips
    return random.multinomial(num_trainings, np.full(num_trainings, 1.0 / num_trainings), num_resamples) / num_trainings


def _interval(resampled: FloatArray, level: float) -> Interval:
    """The central `level` of the defined values among (S,)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"The level of an interval must lie between 0 and 1, not at {level}.")
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
