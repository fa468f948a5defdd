"""Whether a score means what it says: of segments with a score of 0.8, four in five should be right.

A segment is right where it overlaps a reference segment with IoU >= 0.5, one to one. The expected calibration error
(ECE) is that of Guo et al., "On Calibration of Modern Neural Networks" (2017, arXiv 1706.04599), over segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timepro_lit.events.matching import match_by_iou
from timepro_lit.metrics.base import FloatArray
from timepro_lit.records import Event, Example, Prediction

RIGHT = 0.5
"""IoU from which a segment is right."""
NUM_BINS = 10


@dataclass(frozen=True)
class Reliability:
    """How often segments of about the same score are right; bins without a segment are left out."""

    scores: tuple[float, ...]
    """Mean score of each bin, in [0, 1]."""
    right: tuple[float, ...]
    """Share of its segments that are right, in [0, 1]."""
    counts: tuple[int, ...]
    """Segments in each bin."""

    @property
    def ece(self) -> float:
        """Mean distance of score and share of right ones, over segments, in [0, 1]; NaN without a segment."""
        if not self.counts:
            return float("nan")
        apart = np.abs(np.subtract(self.scores, self.right))
        return float(np.average(apart, weights=self.counts))


def reliability(scores: Sequence[float], right: Sequence[bool], num_bins: int = NUM_BINS) -> Reliability:
    """Segments by their score, in bins of equal width; a score of exactly 1 is in the last one.

    Raises ValueError for scores outside [0, 1], and where there are not as many of both.

    >>> reliability([0.75, 0.75, 1.0], [True, False, True], num_bins=2)
    Reliability(scores=(0.8333333333333334,), right=(0.6666666666666666,), counts=(3,))
    """
    found, hit = np.asarray(scores, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if found.shape != hit.shape or found.ndim != 1:
        raise ValueError(f"{len(scores)} scores and {len(right)} judgements do not belong together.")
    if not bool(((found >= 0) & (found <= 1)).all()):
        raise ValueError("A score of a segment must lie between 0 and 1.")
    bins = np.minimum((found * num_bins).astype(int), num_bins - 1)
    filled = [bins == k for k in range(num_bins) if bool((bins == k).any())]
    means = [(float(found[chosen].mean()), float(hit[chosen].mean()), int(chosen.sum())) for chosen in filled]
    return Reliability(*(tuple(column) for column in zip(*means, strict=True))) if means else Reliability((), (), ())


def judged(
    predictions: Sequence[Prediction], examples: Sequence[Example], by_label: bool
) -> tuple[FloatArray, FloatArray]:
    """(S,) the score of every segment that was answered, and (S,) whether it is right, as 0 or 1.

    Of a vote all segments that any answer held, otherwise the events; none of an unreadable answer. A segment without
    a score claims to be sure, as 1. With `by_label`, only a reference of the same label makes one right.
    """
    scores: list[float] = []
    right: list[bool] = []
    for prediction, example in zip(predictions, examples, strict=True):
        segments = (prediction.ranked or prediction.events) if prediction.readable else ()
        labels = dict.fromkeys(event.label for event in segments) if by_label else [None]
        for label in labels:
            answered, reference = (
                [event for event in events if label in (None, event.label)] for events in (segments, example.events)
            )
            scores += [1.0 if event.score is None else event.score for event in answered]
            right += _right(answered, reference)
    return np.array(scores, dtype=np.float64), np.array(right, dtype=np.float64)


def _right(answered: Sequence[Event], reference: Sequence[Event]) -> list[bool]:
    hits = {estimate for _, estimate in match_by_iou(reference, answered, RIGHT)}
    return [n in hits for n in range(len(answered))]
