"""METEOR of each answer's captions: the auxiliary reward of dense captioning."""

from __future__ import annotations

from collections.abc import Sequence

from timepro_lit.metrics.captioning import CaptionScorer, clip_meteors
from timepro_lit.records import Example, Prediction


class MeteorReward:
    """METEOR of all captions in onset order, joined, as the reported metric has it (`metrics.captioning`, joined)."""

    def __init__(self, scorer: CaptionScorer) -> None:
        self.scorer = scorer

    def __call__(self, predictions: Sequence[Prediction], example: Example) -> list[float]:
        """Rewards of the G answers, in [0, 1]."""
        return clip_meteors(predictions, [example] * len(predictions), "joined", self.scorer)
