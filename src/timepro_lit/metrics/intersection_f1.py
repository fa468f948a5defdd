"""Intersection-based F1 of sound event detection: does what is reported cover what is there, and little else?

Definition: Bilen et al., "A Framework for the Robust Evaluation of Sound Event Detection" (2020, arXiv 1910.08440), as
psds_eval and sed_scores_eval count, with both tolerances 0.7 as in the first scenario of DCASE task 4:

detection tolerance      a reported event is relevant where events of its class in the reference cover 70% of it
ground truth tolerance   an event of the reference is found where the relevant ones cover 70% of it

Found events are the true positives, events that are not relevant the false ones. Unlike in Eb-F1, several events may
find one, and one several. Whether a false one covers another class (the cross-trigger tolerance, cttc) changes nothing
in F1, only in PSDS. Lengths are compared to six decimals, as in sed_scores_eval: 70% of 1 s is 0.7 s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.events.intervals import Interval, is_proper, merge
from timepro_lit.metrics.base import FloatArray, SumMetric
from timepro_lit.metrics.event_f1 import scored_events
from timepro_lit.metrics.segment_based_f1 import f1_values
from timepro_lit.records import Event, Example, Prediction

TOLERANCE = 0.7
DECIMALS = 6


class IntersectionF1(SumMetric):
    """{"Ib-F1", "Ib-F1/micro"} in percent: macro average over the `classes` that occur, and all events pooled.

    Events of a class that overlap or touch are one, on either side. Labels outside `classes` count in micro alone.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(num_sums=3 * (len(classes) + 1))  # the last one: labels outside `classes`
        self.classes = tuple(sorted(classes))

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 3 * groups): per class events of the reference, true and false positives together, true positives."""
        rows = [self._counts(p, e) for p, e in zip(predictions, examples, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(examples), self.num_sums)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Macro and micro F1 in percent."""
        return f1_values("Ib-F1", sums.reshape(*sums.shape[:-1], -1, 3))

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"Ib-F1": micro F1 of the clip in percent}: 100 where neither side has an event, 0 where unreadable."""
        reference, positives, found = self._counts(prediction, example).reshape(-1, 3).sum(axis=0)
        if reference + positives == 0:
            return {"Ib-F1": 100.0 * prediction.readable}
        return {"Ib-F1": 200.0 * float(found) / float(reference + positives)}

    def _counts(self, prediction: Prediction, example: Example) -> FloatArray:
        reference, answered = _by_label(example.events), _by_label(scored_events(prediction))
        index = {label: k for k, label in enumerate(self.classes)}
        counts = np.zeros((len(self.classes) + 1, 3))
        for label in reference.keys() | answered.keys():
            counts[index.get(label, -1)] += intersection_counts(reference.get(label, []), answered.get(label, []))
        return counts.reshape(-1)


def intersection_counts(reference: Sequence[Interval], answered: Sequence[Interval]) -> tuple[int, int, int]:
    """Events of the reference, positives (true and false), and true ones, of one class in one clip.

    What is no stretch of time is no event of the reference, and a false positive in an answer.
    """
    wanted, reported = (np.array(merge(side)).reshape(-1, 2) for side in (reference, answered))
    shared = np.clip(
        np.minimum(reported[:, None, 1], wanted[None, :, 1]) - np.maximum(reported[:, None, 0], wanted[None, :, 0]),
        0.0,
        None,
    )  # (reported, wanted) in seconds
    relevant = _reaches(shared.sum(axis=1), reported)
    found = int(_reaches(shared[relevant].sum(axis=0), wanted).sum())
    false = int((~relevant).sum()) + sum(not is_proper(interval) for interval in answered)
    return len(wanted), found + false, found


def _reaches(covered_s: FloatArray, intervals: FloatArray) -> np.ndarray:
    """Of each of the (K, 2) intervals, whether enough of it is covered."""
    lengths_s = intervals[:, 1] - intervals[:, 0]
    reaches: np.ndarray = np.round(covered_s, DECIMALS) >= np.round(TOLERANCE * lengths_s, DECIMALS)
    return reaches


def _by_label(events: Sequence[Event]) -> dict[str, list[Interval]]:
    found: dict[str, list[Interval]] = {}
    for event in events:
        found.setdefault(event.label, []).append((event.onset, event.offset))
    return found
