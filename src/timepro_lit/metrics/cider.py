"""CIDEr-D of a clip's captions: the words they share with the reference, the more the rarer.

Definition: Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation" (CVPR 2015), by
pycocoevalcap, whose CIDEr is CIDEr-D (counts are clipped, and other lengths weigh less). As METEOR's joined variant, it
compares all captions of a clip in onset order with those of its one reference. Words are those of our METEOR, of which
CIDEr takes as many as there are.

How rare words are is counted over the references of all clips that are scored together, so this is for a whole set of
answers alone. The bootstrap resamples the clips' scores and leaves the counts as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocoevalcap.cider.cider_scorer import CiderScorer

from timepro_lit.metrics.base import FloatArray, SumMetric, on_grid, ratio
from timepro_lit.metrics.captioning import joined
from timepro_lit.metrics.event_f1 import scored_events
from timepro_lit.metrics.meteor import normalise
from timepro_lit.records import Example, Prediction

GREATEST = 10.0
"""CIDEr of captions equal to their reference."""


class CiderD(SumMetric):
    """Mean over the clips whose reference has a caption: {"CIDEr"} in percent, up to 1,000.

    Unreadable and empty answers count 0.
    """

    all_at_once = True

    def __init__(self) -> None:
        super().__init__(num_sums=2)

    def rows(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> FloatArray:
        """(N, 2): whether the reference has a caption, CIDEr as a share of `GREATEST`; of all clips together."""
        rows = np.zeros((len(examples), self.num_sums))
        heard = [n for n, example in enumerate(examples) if example.events]
        texts = [(joined(scored_events(predictions[n])), joined(examples[n].events)) for n in heard]
        rows[heard, 0] = 1.0
        rows[heard, 1] = on_grid(ciders(texts) / GREATEST)
        return rows

    def values(self, sums: FloatArray) -> dict[str, FloatArray]:
        """The mean over clips, in percent."""
        return {"CIDEr": 100.0 * GREATEST * ratio(sums[..., 1], sums[..., 0])}

    def clip_scores(self, prediction: Prediction, example: Example) -> dict[str, float]:
        """Nothing: one clip does not say which words are rare."""
        return {}


def ciders(texts: Sequence[tuple[str, str]]) -> FloatArray:
    """(N,) CIDEr-D, in [0, 10], of each (hypothesis, reference), words counted over all references."""
    scorer = CiderScorer()
    pairs = [(normalise(hypothesis, None), normalise(reference, None)) for hypothesis, reference in texts]
    if not any(reference for _, reference in pairs):  # the program has no score for no words
        return np.zeros(len(pairs))
    for hypothesis, reference in pairs:
        scorer += (hypothesis, [reference])
    scores: FloatArray = scorer.compute_score()[1]
    return np.clip(scores, 0.0, GREATEST)
