"""Overlap of grounded segments with the reference: mIoU and R@t."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from timepro_lit.events.intervals import union_iou
from timepro_lit.metrics.base import FloatArray, SumMetric, on_grid, ratio
from timepro_lit.records import Example, Prediction


class GroundingIoU(SumMetric):
    """Mean IoU and the share of examples with IoU >= threshold: {"mIoU", "R@0.5", "R@0.7", "R@0.9"} in percent.

    The IoU of an example is `clip_iou`: all answered segments against all reference segments. Plain comparison, no
    epsilon: an IoU of exactly 0.5 counts for R@0.5.
    """

    def __init__(self, thresholds: Sequence[float] = (0.5, 0.7, 0.9)) -> None:
        super().__init__(num_sums=2 + len(thresholds))
        self.thresholds = tuple(thresholds)

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 2 + thresholds): 1, IoU, one indicator per threshold."""
        rows = np.ones((len(examples), 2 + len(self.thresholds)))
        ious = np.array([clip_iou(p, e) for p, e in zip(predictions, examples, strict=True)], dtype=np.float64)
        rows[:, 1] = on_grid(ious)
        rows[:, 2:] = ious[:, None] >= np.array(self.thresholds)
        return rows

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """{"mIoU", "R@t"...} in percent."""
        names = ("mIoU", *(f"R@{threshold:g}" for threshold in self.thresholds))
        return {name: 100.0 * ratio(sums[..., 1 + k], sums[..., 0]) for k, name in enumerate(names)}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """{"IoU": percent} of one example."""
        return {"IoU": 100.0 * clip_iou(prediction, example)}


def clip_iou(prediction: Prediction, example: Example) -> float:
    """IoU of the time covered by all answered segments and by all reference segments, in [0, 1]; labels are ignored.

    1 where neither side holds an event, 0 where only one does or the answer is unreadable.
    """
    if not prediction.readable:
        return 0.0
    if not prediction.events and not example.events:
        return 1.0
    return union_iou(
        [(event.onset, event.offset) for event in prediction.events],
        [(event.onset, event.offset) for event in example.events],
    )


def clip_iou_per_class(prediction: Prediction, example: Example) -> float:
    """Mean of the IoU over the classes that occur in reference or answer, in [0, 1]; same edge cases as `clip_iou`."""
    if not prediction.readable:
        return 0.0
    labels = sorted({event.label for event in (*prediction.events, *example.events)})
    if not labels:
        return 1.0
    answered, reference = (
        {label: [(e.onset, e.offset) for e in events if e.label == label] for label in labels}
        for events in (prediction.events, example.events)
    )
    return sum(union_iou(answered[label], reference[label]) for label in labels) / len(labels)
