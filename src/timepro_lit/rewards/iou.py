"""IoU of each answer: the auxiliary reward of grounding and sound event detection."""

from __future__ import annotations

from collections.abc import Sequence

from timepro_lit.metrics.grounding import clip_iou, clip_iou_per_class
from timepro_lit.records import Example, Prediction


class IoUReward:
    """IoU of the covered time: over everything (grounding), or the mean over classes (sound event detection)."""

    def __init__(self, per_class: bool) -> None:
        self.per_class = per_class

    def __call__(self, predictions: Sequence[Prediction], example: Example) -> list[float]:
        """Rewards of the G answers, in [0, 1]."""
        score = clip_iou_per_class if self.per_class else clip_iou
        return [score(prediction, example) for prediction in predictions]
