"""F1 over counts of each class, whatever is counted: macro and micro, as `EventF1` has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from timepro_lit.metrics.base import FloatArray, SumMetric
from timepro_lit.metrics.event_f1 import macro_f1, micro_f1
from timepro_lit.records import Example, Prediction

Counts = Callable[[Prediction, Example], Mapping[str, tuple[int, int, int]]]
"""Of one clip, by label: what is there, what is answered, and the hits among both."""


class ClassF1(SumMetric):
    """{name, name/micro} in percent: macro average over the `classes` that occur, and everything pooled.

    Labels outside `classes` count in micro alone.
    """

    def __init__(self, name: str, classes: Sequence[str], counts: Counts) -> None:
        super().__init__(num_sums=3 * (len(classes) + 1))  # the last one: labels outside `classes`
        self.name = name
        self.classes = tuple(sorted(classes))
        self.counts = counts

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 3 * groups): per class what is there, what is answered, and the hits."""
        rows = [self._row(p, e) for p, e in zip(predictions, examples, strict=True)]
        return np.array(rows, dtype=np.float64).reshape(len(examples), self.num_sums)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """Macro and micro F1 in percent."""
        num_reference, num_estimated, hits = np.moveaxis(sums.reshape(*sums.shape[:-1], -1, 3), -1, 0)
        per_class = hits[..., :-1], num_reference[..., :-1], num_estimated[..., :-1]
        micro = 100.0 * micro_f1(hits, num_reference, num_estimated)
        return {self.name: 100.0 * macro_f1(*per_class), f"{self.name}/micro": micro}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{name: micro F1 of the clip in percent}: 100 where neither side has anything, 0 where unreadable."""
        reference, estimated, hits = self._row(prediction, example).sum(axis=0)
        if reference + estimated == 0:
            return {self.name: 100.0 * prediction.readable}
        return {self.name: 200.0 * float(hits) / float(reference + estimated)}

    def _row(self, prediction: Prediction, example: Example) -> FloatArray:
        """(groups, 3)."""
        index = {label: k for k, label in enumerate(self.classes)}
        row = np.zeros((len(self.classes) + 1, 3))
        for label, counted in self.counts(prediction, example).items():
            row[index.get(label, -1)] += counted
        return row
