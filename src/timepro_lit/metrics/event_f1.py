"""Event-based F1 (Eb-F1) over a data set, and of one clip.

Definition: Mesaros, Heittola and Virtanen, "Metrics for Polyphonic Sound Event Detection" (2016), with the settings of
DCASE task 4: onset collar 0.2 s, offset collar max(0.2 s, 20% of the reference's length), optimal matching, macro
average over classes with zero_score. Counts are equal to sed_eval's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.events.matching import count_matches
from timepro_lit.metrics.base import FloatArray, SumMetric, ratio
from timepro_lit.records import Event, Example, Prediction

OTHER_RATES = (0.0, 0.5)
"""Offset collar rates reported beside the headline's, as .../p0 and .../p0.5."""


class EventF1(SumMetric):
    """Event-based F1.

    With `classes`: "Eb-F1" is the macro average over the classes and "Eb-F1/micro" pools all events. A class without
    any reference event is left out of the average, one without any estimate counts 0 (sed_eval's zero_score); labels
    outside `classes` count in micro alone. Without `classes` (grounding, captions) labels are ignored and "Eb-F1"
    pools all events. The same beside it with offset collar rates 0 and 0.5: "Eb-F1/p0", "Eb-F1/micro/p0.5", ...

    With `decimals`, collars are compared after rounding (see `events.matching.hits`), which no headline does: all
    names then begin with "Eb-F1/rounded".

    Raises ValueError for an empty or repeating list of classes.
    """

    def __init__(
        self, offset_collar_rate: float = 0.2, classes: Sequence[str] | None = None, decimals: int | None = None
    ) -> None:
        if classes is not None and (not classes or len(set(classes)) != len(classes)):
            raise ValueError(f"classes must be a non-empty list of distinct names, not {list(classes)}.")
        num_groups = 1 if classes is None else len(classes) + 1  # the last one: labels outside `classes`
        rates = (offset_collar_rate, *OTHER_RATES)
        super().__init__(num_sums=num_groups * (2 + len(rates)))
        self.classes = None if classes is None else tuple(sorted(classes))  # sums are the same in whatever order given
        self.rates = rates
        self.num_groups = num_groups
        self.decimals = decimals
        self.name = "Eb-F1" if decimals is None else "Eb-F1/rounded"

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, groups * (2 + rates)): per class number of reference and estimated events, true positives per rate."""
        pairs = zip(predictions, examples, strict=True)
        rows = [self._counts(example.events, scored_events(prediction)) for prediction, example in pairs]
        return np.array(rows, dtype=np.float64).reshape(len(examples), -1)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Macro (with classes) and micro F1 in percent, for every offset collar rate."""
        counts = sums.reshape(*sums.shape[:-1], self.num_groups, 2 + len(self.rates))
        num_reference, num_estimated = counts[..., 0], counts[..., 1]
        values: dict[str, FloatArray] = {}
        for r, suffix in enumerate(("", *(f"/p{rate:g}" for rate in OTHER_RATES))):
            true_positives = counts[..., 2 + r]
            micro = 100.0 * micro_f1(true_positives, num_reference, num_estimated)
            if self.classes is None:
                values[self.name + suffix] = micro
            else:
                per_class = (true_positives[..., :-1], num_reference[..., :-1], num_estimated[..., :-1])
                values[self.name + suffix] = 100.0 * macro_f1(*per_class)
                values[f"{self.name}/micro{suffix}"] = micro
        return values

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"Eb-F1": micro F1 of the clip in percent}, as `clip_f1`."""
        f1 = clip_f1(
            prediction,
            example,
            match_labels=self.classes is not None,
            offset_collar_rate=self.rates[0],
            decimals=self.decimals,
        )
        return {self.name: 100.0 * f1}

    def _counts(self, reference: Sequence[Event], estimate: Sequence[Event]) -> list[list[int]]:
        """Per group [reference events, estimated events, true positives per rate]."""
        index = {label: k for k, label in enumerate(self.classes or ())}
        groups: list[tuple[list[Event], list[Event]]] = [([], []) for _ in range(self.num_groups)]
        for side, events in enumerate((reference, estimate)):
            for event in events:
                groups[index.get(event.label, -1)][side].append(event)
        return [
            [len(r), len(e)]
            + [
                count_matches(
                    r, e, offset_collar_rate=rate, match_labels=self.classes is not None, decimals=self.decimals
                )
                for rate in self.rates
            ]
            for r, e in groups
        ]


def scored_events(prediction: Prediction) -> tuple[Event, ...]:
    """The events that an answer is scored with: none where it could not be read."""
    return prediction.events if prediction.readable else ()


def clip_f1(
    prediction: Prediction,
    example: Example,
    match_labels: bool,
    onset_collar_s: float = 0.2,
    offset_collar_s: float = 0.2,
    offset_collar_rate: float = 0.2,
    decimals: int | None = None,
) -> float:
    """Micro event-based F1 of one clip, in [0, 1].

    1 where neither reference nor answer holds an event, 0 where only one does or the answer is unreadable.
    """
    if not prediction.readable:
        return 0.0
    total = len(example.events) + len(prediction.events)
    if total == 0:
        return 1.0
    collars = (onset_collar_s, offset_collar_s, offset_collar_rate)
    matches = count_matches(example.events, prediction.events, *collars, match_labels=match_labels, decimals=decimals)
    return 2.0 * matches / total


def micro_f1(true_positives: FloatArray, num_reference: FloatArray, num_estimated: FloatArray) -> FloatArray:
    """F1 in [0, 1] of the events of all classes pooled: (..., C) -> (...); NaN without any event."""
    return ratio(2.0 * true_positives.sum(-1), num_reference.sum(-1) + num_estimated.sum(-1))


def macro_f1(true_positives: FloatArray, num_reference: FloatArray, num_estimated: FloatArray) -> FloatArray:
    """Mean F1 in [0, 1] over the classes that occur in the reference: (..., C) -> (...); NaN without any."""
    per_class = ratio(2.0 * true_positives, num_reference + num_estimated)
    counted = num_reference > 0
    return ratio(np.where(counted, per_class, 0.0).sum(-1), counted.sum(-1, dtype=np.float64))
