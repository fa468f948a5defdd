"""How many occurrences of a query are reported, wherever they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric, ratio
from timepro_lit.records import Example, Prediction


class Counting(SumMetric):
    """Shares of queries by number of segments: {"count_accuracy", "under_report", "over_report"} in percent.

    As many as the reference, fewer, and more. None is a number: a query that does not occur is counted right where no
    segment is reported. An unreadable answer is wrong and neither of the others, so that what the three lack to 100 is
    the share of unreadable answers.
    """

    def __init__(self) -> None:
        super().__init__(num_sums=4)

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 4): 1, whether as many, fewer, more."""
        surplus = [len(p.events) - len(e.events) for p, e in zip(predictions, examples, strict=True)]
        signs = np.sign(np.array(surplus, dtype=np.float64))
        readable = np.array([p.readable for p in predictions], dtype=bool)
        kinds = [np.ones(len(examples)), *(readable & (signs == sign) for sign in (0.0, -1.0, 1.0))]
        return np.stack(kinds, axis=1).astype(np.float64)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """The three shares, in percent."""
        names = ("count_accuracy", "under_report", "over_report")
        return {name: 100.0 * ratio(sums[..., 1 + k], sums[..., 0]) for k, name in enumerate(names)}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"count_accuracy": 100 or 0}."""
        return {"count_accuracy": 100.0 * (prediction.readable and len(prediction.events) == len(example.events))}
