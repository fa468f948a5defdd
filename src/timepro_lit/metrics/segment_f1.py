"""F1 of segments by overlap: what is found of all occurrences of a query, and how much else is reported.

A window finds a moment where they overlap with IoU >= t; pairs are one to one, as many as possible, so that neither two
windows on one moment nor one window over two count twice. F1@t = 2 matches / (windows + moments), summed over queries
(micro); F1@IoU is the mean of F1@t over t = 0.5, 0.55, ..., 0.95, the thresholds of `metrics.moments`.

Unlike mAP, it needs no scores and counts every window, not ten. A query that does not occur weighs by its false windows
alone: `metrics.presence` is about those.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric, ratio
from timepro_lit.metrics.event_f1 import scored_events
from timepro_lit.metrics.moments import THRESHOLDS, overlaps
from timepro_lit.metrics.segments import matches_at, times_of
from timepro_lit.records import Event, Example, Prediction

SHOWN = (0.5, 0.7)


class SegmentF1(SumMetric):
    """{"F1@0.5", "F1@0.7", "F1@IoU"} in percent; an unreadable answer holds no window."""

    def __init__(self) -> None:
        super().__init__(num_sums=2 + len(THRESHOLDS))

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 2 + thresholds): number of windows, of moments, matches at each threshold."""
        rows = [_counts(scored_events(p), e.events) for p, e in zip(predictions, examples, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(examples), self.num_sums)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """{"F1@t"..., "F1@IoU"} in percent; NaN where there is neither a window nor a moment."""
        f1 = 100.0 * ratio(2.0 * sums[..., 2:], (sums[..., 0] + sums[..., 1])[..., None])
        return {f"F1@{t:g}": f1[..., THRESHOLDS.index(t)] for t in SHOWN} | {"F1@IoU": f1.mean(axis=-1)}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"F1@IoU": percent} of one query: 100 where it does not occur and the answer says so, 0 where unreadable."""
        windows, moments, *matches = _counts(scored_events(prediction), example.events)
        if windows + moments == 0:
            return {"F1@IoU": 100.0 * prediction.readable}
        return {"F1@IoU": 100.0 * float(np.mean(matches)) * 2.0 / (windows + moments)}


def _counts(windows: Sequence[Event], moments: Sequence[Event]) -> list[int]:
    """Windows, moments, matches at each of `THRESHOLDS`."""
    ious = overlaps(times_of(windows), times_of(moments))
    return [len(windows), len(moments), *(matches_at(ious, threshold) for threshold in THRESHOLDS)]
