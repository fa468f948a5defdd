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

Resampled = Mapping[str, FloatArray]
"""Named values of one training, each (S,)."""

Interval = tuple[float, float]
"""(low, high)."""


def resample(rows: FloatArray, statistic: Statistic, num_resamples: int = 1000, seed: int = 0) -> Resampled:
    """Each value of `statistic` in each resample of the clips, from the (N, K) rows of one training.

    The same seed draws the same clips, by their place among the rows. Raises ValueError without rows and for
    num_resamples < 1.
    """
    return statistic(_clips(len(rows), num_resamples, seed) @ rows)


def bootstrap_interval(trainings: Sequence[Resampled], seed: int = 0, level: float = 0.95) -> dict[str, Interval]:
    """Interval of the mean over T trainings of each value, all resampled by the same seed.

    Resamples in which a value is undefined are left out of its interval; (NaN, NaN) where all are.
    Raises ValueError without trainings and for a level outside (0, 1).
    """
    return {name: _interval(mean, level) for name, mean in _means(trainings, seed).items()}


def paired_bootstrap_interval(
    trainings: Sequence[Resampled],
    baseline: Sequence[Resampled],
    seed: int = 0,
    level: float = 0.95,
    same_trainings: bool = False,
) -> dict[str, Interval]:
    """Interval of each difference of means, system - baseline, on the same clips.

    Row n of all rows that were resampled must belong to the same clip: both systems see the same resamples, so that
    the difficulty of the drawn clips cancels. With `same_trainings`, training t of both began from the same seed, and
    they are drawn together; otherwise each system's by themselves. Raises ValueError as `bootstrap_interval`.
    """
    of_baseline = _means(baseline, seed, "" if same_trainings else "baseline")
    return {name: _interval(mean - of_baseline[name], level) for name, mean in _means(trainings, seed).items()}


def _means(trainings: Sequence[Resampled], seed: int, drawn_as: str = "") -> dict[str, FloatArray]:
    """Each value's mean over the drawn trainings, in each resample, (S,)."""
    if not trainings:
        raise ValueError("A bootstrap needs trainings.")
    found = {}
    for name in trainings[0]:
        values = np.stack([training[name] for training in trainings], axis=-1)  # (S, T)
        shares = _trainings(*values.shape, seed, drawn_as)
        found[name] = np.where(shares > 0, shares * values, 0.0).sum(axis=-1)
    return found


@lru_cache(maxsize=8)
def _clips(num_clips: int, num_resamples: int, seed: int) -> FloatArray:
    """(S, N) how often each clip was drawn."""
    if num_clips == 0 or num_resamples < 1:
        raise ValueError(f"A bootstrap needs clips and resamples, not {num_clips} and {num_resamples}.")
    draws = np.random.default_rng(seed).multinomial(num_clips, np.full(num_clips, 1.0 / num_clips), num_resamples)
    return draws.astype(np.float64)


@lru_cache(maxsize=64)
def _trainings(num_resamples: int, num_trainings: int, seed: int, drawn_as: str) -> FloatArray:
    """(S, T) the share of each training in a resample; whoever is drawn by itself says as what."""
    random = np.random.default_rng([seed, 1, *drawn_as.encode()])  # not what draws the clips
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
