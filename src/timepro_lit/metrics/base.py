"""The common form of every metric here: a function of sums over examples.

Each example gives one row of K numbers (counts, an IoU, a score); rows add up, and the reported values are a function
of the sums. Sums survive sharding over processes (ratios would not), and the bootstrap resamples the very same rows.

Legend: K sums of a metric, N examples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from timepro_lit.records import Example, Prediction

FloatArray = NDArray[np.float64]


class SumMetric(ABC):
    """What the row of an example is, and how sums of K numbers become values, all in percent.

    It keeps nothing; `metrics.summed.Summed` adds up over batches and processes.
    """

    all_at_once: ClassVar[bool] = False
    """Whether the row of an example depends on all others, so that nothing can be added up bit by bit."""

    def __init__(self, num_sums: int) -> None:
        self.num_sums = num_sums

    @abstractmethod
    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, K) what each example adds to the sums."""

    @abstractmethod
    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Values in percent, each (...,), from sums (..., K); NaN where undefined (nothing to average)."""

    @abstractmethod
    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """Scores of one answer alone, in percent."""


GRID = 2.0**-36
"""Step of the scores that are summed: sums of 100,000 of them are exact, hence the same in any order."""


def on_grid(scores: Sequence[float] | FloatArray) -> FloatArray:
    """Scores in [0, 1] as multiples of `GRID` (off by 1e-11 at most), so that every sharding gives the same sums."""
    return np.round(np.asarray(scores, dtype=np.float64) / GRID) * GRID


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide element by element; NaN where the denominator is 0."""
    defined = denominator > 0
    quotient: FloatArray = np.where(defined, numerator / np.where(defined, denominator, 1.0), np.nan)
    return quotient
