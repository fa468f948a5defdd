"""Event-based F1 of each answer: the main reward of eq. (2)."""

from __future__ import annotations

from collections.abc import Sequence

from timepro_lit.metrics.event_f1 import clip_f1
from timepro_lit.records import Example, Prediction


class EventF1Reward:
    """Micro event-based F1 of the clip; labels must be equal only with `match_labels` (sound event detection).

    Collars as in `events.matching.hits`; edge cases as in `metrics.event_f1.clip_f1`.
    """

    def __init__(
        self,
        match_labels: bool,
        onset_collar_s: float = 0.2,
        offset_collar_s: float = 0.2,
        offset_collar_rate: float = 0.2,
    ) -> None:
        self.match_labels = match_labels
        self.onset_collar_s = onset_collar_s
        self.offset_collar_s = offset_collar_s
        self.offset_collar_rate = offset_collar_rate

    def __call__(self, predictions: Sequence[Prediction], example: Example) -> list[float]:
        """Rewards of the G answers, in [0, 1]."""
        collars = (self.onset_collar_s, self.offset_collar_s, self.offset_collar_rate)
        return [clip_f1(prediction, example, self.match_labels, *collars) for prediction in predictions]
