"""Moment retrieval: ranked windows against all moments that answer a query, as lighthouse and DCASE 2026 Task 6 count.

The definitions are those of the evaluation of QVHighlights (Lei et al., 2021, arXiv 2107.09609), which both use:

R1@t   share of queries whose first window overlaps its best moment with IoU >= t
mAP@t  mean over queries of the average precision of the windows, best score first; a window is right where a moment
       that no window before it has taken overlaps it with IoU >= t, and takes the one that overlaps it most;
       precision is interpolated (at a recall, the best at that recall or beyond)
mAP    mean of mAP@t over t = 0.5, 0.55, ..., 0.95

Of a query at most ten windows count, the first ones of the answer. A query without a moment counts as wrong, unless
queries that do not occur are asked on purpose (`of_present`).
This is not `GroundingIoU`, which compares the time that all windows cover.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric, on_grid, ratio
from timepro_lit.records import Event, Example, Prediction

MAX_WINDOWS = 10
THRESHOLDS = tuple(percent / 100 for percent in range(50, 100, 5))
R1_SHOWN, MAP_SHOWN = (0.5, 0.7), (0.5, 0.75)


class Moments(SumMetric):
    """{"R1@0.5", "R1@0.7", "mAP", "mAP@0.5", "mAP@0.75"} in percent, means over queries.

    For mAP windows are ranked by `Event.score`; those without one, and equal ones, in the order of the answer, whose
    first one R1 takes and whose first ten count (lighthouse).
    With `of_present`, queries without a moment are left out of the means: no window can be right there, and what is
    right, `metrics.presence` says.
    """

    def __init__(self, of_present: bool = False) -> None:
        super().__init__(num_sums=1 + 2 * len(THRESHOLDS))
        self.of_present = of_present

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 1 + 2 thresholds): 1, R1 at each threshold, average precision at each; all 0 for a query left out."""
        rows = np.ones((len(examples), self.num_sums))
        for n, (prediction, example) in enumerate(zip(predictions, examples, strict=True)):
            windows, moments = windows_of(prediction), _spans(example.events)
            rows[n, 0] = bool(example.events) or not self.of_present
            rows[n, 1:] = np.concatenate([first_hits(windows, moments), on_grid(average_precisions(windows, moments))])
        return rows

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """{"R1@t"..., "mAP", "mAP@t"...} in percent."""
        means = 100.0 * np.stack([ratio(sums[..., 1 + k], sums[..., 0]) for k in range(2 * len(THRESHOLDS))], axis=-1)
        r1, ap = means[..., : len(THRESHOLDS)], means[..., len(THRESHOLDS) :]
        found = {f"R1@{t:g}": r1[..., THRESHOLDS.index(t)] for t in R1_SHOWN}
        return found | {"mAP": ap.mean(axis=-1)} | {f"mAP@{t:g}": ap[..., THRESHOLDS.index(t)] for t in MAP_SHOWN}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"AP": percent} of one query; nothing of one that is left out."""
        if self.of_present and not example.events:
            return {}
        return {"AP": 100.0 * float(average_precisions(windows_of(prediction), _spans(example.events)).mean())}


def windows_of(prediction: Prediction) -> FloatArray:
    """(W, 3) onset, offset and score of the windows that count, in the order of the answer; no score is 1.

    Of a vote they are all that were voted for, best first: a doubtful window at the end of a ranking costs nothing.
    """
    events = (prediction.ranked or prediction.events)[:MAX_WINDOWS]
    found = [(e.onset, e.offset, 1.0 if e.score is None else e.score) for e in events]
    return np.array(found if prediction.readable else [], dtype=np.float64).reshape(-1, 3)


def first_hits(windows: FloatArray, moments: FloatArray) -> FloatArray:
    """(T,) 1 where the first of the (W, 3) windows overlaps one of the (M, 2) moments at each of `THRESHOLDS`."""
    best = overlaps(windows[:1], moments).max(initial=0.0)
    hits: FloatArray = (best >= np.array(THRESHOLDS)).astype(np.float64)
    return hits


def average_precisions(windows: FloatArray, moments: FloatArray) -> FloatArray:
    """(T,) average precision at each of `THRESHOLDS`, in [0, 1], of (W, 3) windows for (M, 2) moments."""
    if not len(windows) or not len(moments):
        return np.zeros(len(THRESHOLDS))
    ranked = windows[np.argsort(-windows[:, 2], kind="stable")]
    ious = overlaps(ranked, moments)
    return np.array([_average_precision(_right(ious, threshold), len(moments)) for threshold in THRESHOLDS])


def overlaps(windows: FloatArray, moments: FloatArray) -> FloatArray:
    """(W, M) IoU of each of the windows (W, 2 or more) with each of the (M, 2) moments; 0 of what has no length."""
    onset = np.maximum(windows[:, None, 0], moments[None, :, 0])
    offset = np.minimum(windows[:, None, 1], moments[None, :, 1])
    with np.errstate(over="ignore", invalid="ignore"):  # an answer may say any times
        shared = np.clip(offset - onset, 0.0, None)
        lengths = np.clip(windows[:, 1] - windows[:, 0], 0.0, None), np.clip(moments[:, 1] - moments[:, 0], 0.0, None)
        return np.nan_to_num(ratio(shared, lengths[0][:, None] + lengths[1][None, :] - shared))


def _right(ious: FloatArray, threshold: float) -> list[bool]:
    """Of each window, in the order of the ranking, whether it finds a moment that is still to be found."""
    taken: set[int] = set()
    right = []
    for of_window in ious:
        by_overlap = np.argsort(of_window, kind="stable")[::-1]
        found = next((int(m) for m in by_overlap if of_window[m] >= threshold and int(m) not in taken), None)
        taken |= set() if found is None else {found}
        right.append(found is not None)
    return right


def _average_precision(right: Sequence[bool], num_moments: int) -> float:
    """Area below the interpolated precision over recall."""
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(right) + 1))[::-1])[::-1]
    return float((precision * np.asarray(right)).sum() / num_moments)


def _spans(events: Sequence[Event]) -> FloatArray:
    return np.array([(event.onset, event.offset) for event in events], dtype=np.float64).reshape(-1, 2)
