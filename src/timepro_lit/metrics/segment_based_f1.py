"""Segment-based F1 of sound event detection: in which seconds is which class heard?

Definition: Mesaros, Heittola and Virtanen, "Metrics for Polyphonic Sound Event Detection" (2016), with segments of 1 s.
A class is active in every segment that one of its events touches; F1 counts pairs of class and segment. Counts are
equal to sed_eval's without an evaluated length, where answers lie in their clips. An average over classes takes those
that occur in the reference, and one that is never answered counts 0, as in Eb-F1; sed_eval leaves the latter out unless
its `empty_system_output_handling` is "zero_score".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric
from timepro_lit.metrics.event_f1 import macro_f1, micro_f1, scored_events
from timepro_lit.records import Event, Example, Prediction

SEGMENT_S = 1.0
MAX_SEGMENTS_PAST_END = 60
"""An answer's last segment past the end of its clip: one that says 10 to 1,000,000 s does not outweigh all others."""

Active = set[tuple[str, int]]
"""Pairs of class and number of segment."""


class SegmentBasedF1(SumMetric):
    """{"Sb-F1", "Sb-F1/micro"} in percent: macro average over `classes`, and all pairs pooled.

    Labels outside `classes` count in micro alone.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(num_sums=3 * (len(classes) + 1))  # the last one: labels outside `classes`
        self.classes = tuple(sorted(classes))

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 3 * groups): per class the segments that are active in reference, in the answer, and in both."""
        rows = [self._counts(p, e) for p, e in zip(predictions, examples, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(examples), self.num_sums)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Macro and micro F1 in percent."""
        return f1_values("Sb-F1", sums.reshape(*sums.shape[:-1], -1, 3))

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"Sb-F1": micro F1 of the clip in percent}: 100 where neither side is active, 0 where unreadable."""
        reference, answered, both = np.array(self._counts(prediction, example)).reshape(-1, 3).sum(axis=0)
        if reference + answered == 0:
            return {"Sb-F1": 100.0 * prediction.readable}
        return {"Sb-F1": 200.0 * float(both) / float(reference + answered)}

    def _counts(self, prediction: Prediction, example: Example) -> list[int]:
        end_s = max([example.duration_s, *(event.offset for event in example.events)])
        limit = math.ceil(end_s / SEGMENT_S) + MAX_SEGMENTS_PAST_END
        reference, answered = active_in(example.events, limit), active_in(scored_events(prediction), limit)
        index = {label: k for k, label in enumerate(self.classes)}
        counts = np.zeros((len(self.classes) + 1, 3), dtype=np.int64)
        for column, pairs in enumerate((reference, answered, reference & answered)):
            for label, _ in pairs:
                counts[index.get(label, -1), column] += 1
        return list(counts.reshape(-1))


def active_in(events: Sequence[Event], limit: int) -> Active:
    """Pairs of class and segment, of segments 0 to limit - 1; what lies past them counts as the last one.

    An event that does not end after it begins touches nothing.
    """
    found: Active = set()
    for event in events:
        if not (event.onset < event.offset and event.offset > 0.0):  # also false for NaN
            continue
        first = min(max(event.onset / SEGMENT_S, 0.0), limit - 1.0)
        last = min(max(event.offset / SEGMENT_S, 0.0), float(limit))
        found |= {(event.label, segment) for segment in range(math.floor(first), math.ceil(last))}
    return found


def f1_values(name: str, counts: FloatArray) -> dict[str, FloatArray]:
    """{name: macro, name/micro} F1 in percent from (..., classes + 1, 3) counts of reference, answer and hits.

    The last group, labels outside of the classes, counts in micro alone.
    """
    num_reference, num_estimated, hits = np.moveaxis(counts, -1, 0)
    per_class = hits[..., :-1], num_reference[..., :-1], num_estimated[..., :-1]
    micro = 100.0 * micro_f1(hits, num_reference, num_estimated)
    return {name: 100.0 * macro_f1(*per_class), f"{name}/micro": micro}
