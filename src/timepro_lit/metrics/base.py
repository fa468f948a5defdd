"""The common form of every metric here: a function of sums over examples.

Each example gives one row of K numbers (counts, an IoU, a score); rows add up, and the reported values are a function
of the sums. Sums survive sharding over processes (ratios would not), and the bootstrap resamples the very same rows.

Legend: K sums of a metric, N examples.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module
from torchmetrics import Metric

from timepro_lit.records import Example, Prediction

FloatArray = NDArray[np.float64]


class SumMetric(Metric):
    """A torchmetrics metric whose state is one (K,) float64 vector of sums; all values in percent.

    Subclasses say what the row of an example is and how sums become values.
    """

    full_state_update = False
    higher_is_better = True
    sums: Tensor

    def __init__(self, num_sums: int) -> None:
        super().__init__()
        self.num_sums = num_sums
        self.add_state("sums", torch.zeros(num_sums, dtype=torch.float64), dist_reduce_fx="sum")

    @abstractmethod
    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, K) what each example adds to the sums."""

    @abstractmethod
    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Values in percent, each (...,), from sums (..., K); NaN where undefined (nothing to average)."""

    @abstractmethod
    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """Scores of one answer alone, in percent."""

    def update(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
        """Add the answers `predictions` to the questions `examples`, pairwise."""
        rows = self.rows(predictions, examples)
        self.sums = self.sums + torch.from_numpy(rows.sum(axis=0)).to(self.sums.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = "") -> Module:
        # A model that is cast takes its metrics along. Sums move with it, but stay exact, and alike on all processes.
        return super()._apply(lambda tensor: tensor.to(fn(tensor.new_empty(0)).device), exclude_state)

    def compute(self) -> dict[str, Tensor]:
        """Values in percent over everything added so far, scalar float32 tensors."""
        values = self.values(self.sums.cpu().numpy())
        return {
            name: torch.tensor(float(value), dtype=torch.float32, device=self.sums.device)
            for name, value in values.items()
        }


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
