"""SODA_c of dense captions: right words at the right time, in the right order, and no more of them than needed.

Definition: Fujita et al., "SODA: Story Oriented Dense Video Captioning Evaluation Framework" (ECCV 2020), as its
program counts from version 1.1 on. Captions of a clip stand in onset order, and are paired so that no two pairs cross
and the sum of IoU x METEOR is the greatest. This sum, divided by the number of captions answered and by that of the
reference, is the clip's precision and recall; SODA_c is the mean over clips of their F1. METEOR is this package's. The
program leaves clips out that have no answer; here they count 0, as do unreadable answers, and answers where the
reference has no caption. Clips where neither side has one are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric, on_grid, ratio
from timepro_lit.metrics.captioning import CaptionScorer, cut, in_time_order
from timepro_lit.metrics.event_f1 import scored_events
from timepro_lit.records import Event, Example, Prediction


class SodaC(SumMetric):
    """{"SODA_c"} in percent. All captions of all clips go to the scorer in one call."""

    def __init__(self, scorer: CaptionScorer) -> None:
        super().__init__(num_sums=2)
        self.scorer = scorer

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 2): 1 and F1 of the clip; both 0 where neither side has a caption."""
        answered = [in_time_order(scored_events(prediction)) for prediction in predictions]
        reference = [in_time_order(example.events) for example in examples]
        ious = [_ious(r, a) for r, a in zip(reference, answered, strict=True)]
        # What does not overlap is worth nothing, whatever it says; what is said often is asked about once.
        asked: dict[tuple[str, str], int] = {}
        numbers = [_numbered(r, a, of_clip, asked) for r, a, of_clip in zip(reference, answered, ious, strict=True)]
        scores = np.array(self.scorer.score(list(asked)), dtype=np.float64)
        for of_clip, of_pairs in zip(ious, numbers, strict=True):
            of_clip[of_clip > 0.0] *= scores[of_pairs]
        captions = np.array([len(a) + len(r) for r, a in zip(reference, answered, strict=True)], dtype=np.float64)
        best = np.array([best_in_order(worth) for worth in ious], dtype=np.float64)
        counts = captions > 0.0
        return np.stack([counts, on_grid(np.where(counts, ratio(2.0 * best, captions), 0.0))], axis=1)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """{"SODA_c"} in percent; NaN without any caption."""
        return {"SODA_c": 100.0 * ratio(sums[..., 1], sums[..., 0])}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """SODA_c of one clip, in percent: 100 where neither side has a caption, 0 where unreadable."""
        counts, f1 = self.rows([prediction], [example])[0]
        return {"SODA_c": 100.0 * float(f1 if counts else prediction.readable)}


def _numbered(
    reference: Sequence[Event], answered: Sequence[Event], ious: FloatArray, asked: dict[tuple[str, str], int]
) -> list[int]:
    """Of each pair that overlaps, by rows, the number in `asked` of what it says; new ones are added there."""
    said, told = [cut(event.label) for event in answered], [cut(event.label) for event in reference]
    return [asked.setdefault((said[j], told[i]), len(asked)) for i, j in np.argwhere(ious > 0.0).tolist()]


def best_in_order(worth: FloatArray) -> float:
    """Greatest sum over one-to-one pairs that do not cross, of an (R, A) matrix of what pairs are worth (>= 0).

    >>> best_in_order(np.array([[0.0, 0.5], [0.9, 0.5]]))
    0.9
    """
    best = np.zeros(worth.shape[1] + 1)  # of the rows so far, with the first k columns
    for row in worth:
        best[1:] = np.maximum.accumulate(np.maximum(best[1:], best[:-1] + row))
    return float(best[-1])


def _ious(reference: Sequence[Event], answered: Sequence[Event]) -> FloatArray:
    """(R, A): `events.intervals.iou` of each pair, operation by operation, so that no sum changes."""
    onset, offset = _times(reference)[:, :, None]
    onsets, offsets = _times(answered)[:, None, :]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of times that are no stretch
        length, lengths = offset - onset, offsets - onsets
        shared = np.minimum(offset, offsets) - np.maximum(onset, onsets)
        union = length + lengths - shared
        proper = (length > 0) & (length < np.inf) & (lengths > 0) & (lengths < np.inf)
        found = np.minimum(1.0, shared / union)
    return np.where(proper & (shared > 0) & (union < np.inf), found, 0.0)


def _times(events: Sequence[Event]) -> FloatArray:
    """(2, N): onsets and offsets."""
    return np.array([[e.onset for e in events], [e.offset for e in events]], dtype=np.float64)
