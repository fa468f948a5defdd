"""Whether a query occurs at all: what an answer says of it, by reporting segments or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric, ratio
from timepro_lit.records import Example, Prediction


class Presence(SumMetric):
    """{"presence_F1", "presence_precision", "presence_recall", "false_alarm_rate"} in percent.

    Positive is "occurs": an answer says it by reporting a segment, wherever that lies. The false alarm rate is the part
    of the queries that do not occur to which an answer says that they do. An unreadable answer says the wrong thing:
    a miss where the query occurs, a false alarm where it does not. NaN where nothing is there to judge by: the false
    alarm rate of queries that all occur.
    """

    def __init__(self) -> None:
        super().__init__(num_sums=4)

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 4): whether a hit, a miss, a false alarm, a correct rejection."""
        pairs = zip(predictions, examples, strict=True)
        said = np.array([(_says_occurs(p, e), bool(e.events)) for p, e in pairs], dtype=bool).reshape(-1, 2)
        says, occurs = said.T
        return np.stack([says & occurs, ~says & occurs, says & ~occurs, ~says & ~occurs], axis=1).astype(np.float64)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """F1, precision, recall and false alarm rate, in percent."""
        hits, misses, false_alarms, rejections = np.moveaxis(sums, -1, 0)
        return {
            "presence_F1": 100.0 * ratio(2.0 * hits, 2.0 * hits + misses + false_alarms),
            "presence_precision": 100.0 * ratio(hits, hits + false_alarms),
            "presence_recall": 100.0 * ratio(hits, hits + misses),
            "false_alarm_rate": 100.0 * ratio(false_alarms, false_alarms + rejections),
        }

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"presence": 100 or 0}, whether the answer is right about it."""
        return {"presence": 100.0 * (_says_occurs(prediction, example) == bool(example.events))}


def _says_occurs(prediction: Prediction, example: Example) -> bool:
    """Whether the answer says that the query occurs; an unreadable one says what is not so."""
    return bool(prediction.events) if prediction.readable else not example.events
