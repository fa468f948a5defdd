"""F1 of segments that are matched one to one by their overlap: sees misses and false alarms alike.

At a threshold t a window and a moment may go together where their IoU is at least t; as many pairs as possible are made
(a maximum bipartite matching), and F1 = 2 * pairs / (windows + moments). Unlike average precision it needs no scores,
and it is defined where nothing is to be found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.events.matching import most_pairs
from timepro_lit.metrics.base import FloatArray
from timepro_lit.metrics.moments import THRESHOLDS, overlaps
from timepro_lit.records import Event, Example, Prediction


def segment_f1s(windows: FloatArray, moments: FloatArray, thresholds: Sequence[float] = THRESHOLDS) -> FloatArray:
    """(T,) F1 at each threshold, in [0, 1], of (W, 2) windows for (M, 2) moments, onset and offset in seconds.

    1 where both are empty, 0 where one is. Windows without a finite extent count as windows and overlap nothing.
    """
    if not len(windows) or not len(moments):
        return np.full(len(thresholds), float(len(windows) == len(moments)))
    ious = overlaps(_proper(windows), moments)
    pairs = np.array([matches_at(ious, threshold) for threshold in thresholds], dtype=np.float64)
    f1s: FloatArray = 2.0 * pairs / (len(windows) + len(moments))
    return f1s


def matches_at(ious: FloatArray, threshold: float) -> int:
    """How many pairs with an IoU of at least `threshold` (> 0) a one-to-one matching has at most; `ious` is (W, M)."""
    return most_pairs([np.flatnonzero(of_moment).tolist() for of_moment in (ious >= threshold).T])


def clip_segment_f1(prediction: Prediction, example: Example, thresholds: Sequence[float] = THRESHOLDS) -> float:
    """Mean over the thresholds of one answer's F1, in [0, 1]; labels are not looked at, unreadable is 0."""
    if not prediction.readable:
        return 0.0
    return float(segment_f1s(times_of(prediction.events), times_of(example.events), thresholds).mean())


def times_of(events: Sequence[Event]) -> FloatArray:
    """(N, 2) onset and offset in seconds."""
    return np.array([(event.onset, event.offset) for event in events], dtype=np.float64).reshape(-1, 2)


def _proper(windows: FloatArray) -> FloatArray:
    """The windows, with 0 in place of times that are no finite stretch."""
    finite = (np.abs(windows[:, :2]) < 1e9).all(axis=1, keepdims=True)
    return np.where(finite, windows[:, :2], 0.0)
