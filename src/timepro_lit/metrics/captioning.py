"""Dense captioning: METEOR of a clip's captions.

Two variants of METEOR, to be named in every report:

joined    all captions of the clip in onset order, joined by ". ", against the reference joined likewise
matched   captions paired by time (IoU >= 0.5, one to one, greatest total IoU); the sum of the pairs' scores divided
          by the larger of the two numbers of captions, so that missing and superfluous captions count 0

In both, a clip scores 1 where neither side holds an event and 0 where only one does or the answer is unreadable, and
the data set's value is the mean over clips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from timepro_lit.events.matching import match_by_iou
from timepro_lit.metrics.base import FloatArray, SumMetric, on_grid, ratio
from timepro_lit.records import Event, Example, Prediction

Variant = Literal["joined", "matched"]

MAX_CAPTION_WORDS = 128
"""Longer captions are cut, so that one rambling caption neither crowds out the others nor stalls the scorer."""


class CaptionScorer(Protocol):
    """What `metrics.meteor.Meteor` offers."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Similarity in [0, 1] of each (hypothesis, reference)."""
        ...


class MeteorMetric(SumMetric):
    """Mean METEOR over clips in percent: {"METEOR"} for the joined variant, {"METEOR/matched"} for the matched one.

    Raises ValueError for another variant.
    """

    def __init__(self, variant: Variant, scorer: CaptionScorer) -> None:
        _check(variant)
        super().__init__(num_sums=2)
        self.variant = variant
        self.scorer = scorer
        self.name = "METEOR" if variant == "joined" else f"METEOR/{variant}"

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 2): 1, METEOR of the clip."""
        scores = clip_meteors(predictions, examples, self.variant, self.scorer)
        return np.stack([np.ones(len(examples)), on_grid(scores)], axis=1)

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """The mean over clips, in percent."""
        return {self.name: 100.0 * ratio(sums[..., 1], sums[..., 0])}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """METEOR of one clip, in percent."""
        return {self.name: 100.0 * clip_meteors([prediction], [example], self.variant, self.scorer)[0]}


def clip_meteors(
    predictions: Sequence[Prediction], examples: Sequence[Example], variant: Variant, scorer: CaptionScorer
) -> list[float]:
    """METEOR of each clip, in [0, 1]; all captions of all clips go to the scorer in one call."""
    _check(variant)
    texts: list[tuple[str, str]] = []
    spans: list[tuple[int, int, int]] = []  # per clip: its texts begin, its texts end, what their sum is divided by
    for prediction, example in zip(predictions, examples, strict=True):
        begin = len(texts)
        if prediction.readable and prediction.events and example.events:
            texts += _joined(prediction, example) if variant == "joined" else _matched(prediction, example)
        divisor = 1 if variant == "joined" else max(len(prediction.events), len(example.events), 1)
        spans.append((begin, len(texts), divisor))
    scores = scorer.score(texts)
    return [
        1.0 if p.readable and not p.events and not e.events else sum(scores[begin:end]) / divisor
        for p, e, (begin, end, divisor) in zip(predictions, examples, spans, strict=True)
    ]


def _joined(prediction: Prediction, example: Example) -> list[tuple[str, str]]:
    return [(joined(prediction.events), joined(example.events))]


def _matched(prediction: Prediction, example: Example) -> list[tuple[str, str]]:
    pairs = match_by_iou(example.events, prediction.events, min_iou=0.5)
    return [(cut(prediction.events[j].label), cut(example.events[i].label)) for i, j in pairs]


def joined(events: Sequence[Event]) -> str:
    """Captions in onset order, as one text."""
    return ". ".join(cut(event.label) for event in in_time_order(events))


def in_time_order(events: Sequence[Event]) -> list[Event]:
    """By onset; those with an onset that is no number come last."""
    return sorted(events, key=lambda event: event.onset if math.isfinite(event.onset) else math.inf)


def cut(caption: str) -> str:
    """The caption's first `MAX_CAPTION_WORDS` words."""
    return " ".join(caption.split(maxsplit=MAX_CAPTION_WORDS)[:MAX_CAPTION_WORDS])


def _check(variant: str) -> None:
    if variant not in ("joined", "matched"):
        raise ValueError(f"The METEOR variant must be joined or matched, not {variant!r}.")
