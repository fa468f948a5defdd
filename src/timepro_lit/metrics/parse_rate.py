"""The share of answers that could be read, of any task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric, ratio
from timepro_lit.records import Example, Prediction


class ParseRate(SumMetric):
    """Share of readable answers: {"parse_rate"} in percent."""

    def __init__(self) -> None:
        super().__init__(num_sums=2)

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 2): 1, whether the answer could be read."""
        readable = [prediction.readable for prediction, _ in zip(predictions, examples, strict=True)]
        return np.stack([np.ones(len(examples)), np.array(readable, dtype=np.float64)], axis=1)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """{"parse_rate"} in percent."""
        return {"parse_rate": 100.0 * ratio(sums[..., 1], sums[..., 0])}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"parse_rate": 100 or 0}."""
        return {"parse_rate": 100.0 * prediction.readable}
