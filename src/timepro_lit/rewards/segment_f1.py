"""Segment F1 of each answer: the main reward where a query may occur several times, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from timepro_lit.metrics.moments import THRESHOLDS
from timepro_lit.metrics.segments import clip_segment_f1
from timepro_lit.records import Example, Prediction


class SegmentF1Reward:
    """F1 of segments matched one to one by IoU, mean over thresholds, 0.5:0.05:0.95 unless given.

    1 for a readable answer without segments about a sound that is absent, 0 for segments about it, for silence about
    one that is there, and for an unreadable answer. Raises ValueError for thresholds outside (0, 1], or none.
    """

    def __init__(self, thresholds: Sequence[float] = THRESHOLDS) -> None:
        self.thresholds = tuple(thresholds)
        if not self.thresholds or not all(0.0 < threshold <= 1.0 for threshold in self.thresholds):
            raise ValueError(f"thresholds must be numbers above 0 and up to 1, not {list(thresholds)}.")

    def __call__(self, predictions: Sequence[Prediction], example: Example) -> list[float]:
        """Rewards of the G answers, in [0, 1]."""
        return [clip_segment_f1(prediction, example, self.thresholds) for prediction in predictions]
