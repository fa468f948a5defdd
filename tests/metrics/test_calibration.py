from __future__ import annotations

import math

import numpy as np
import pytest

from timepro_lit.metrics.calibration import judged, reliability
from timepro_lit.records import Event, Example, Prediction


def example(*events: Event) -> Example:
    return Example("q", "sed", "a.wav", 10.0, events)


def test_ece_is_the_mean_distance_over_segments() -> None:
    found = reliability([0.95, 0.95, 0.95, 1.0, 0.2, 0.2], [True, True, True, False, False, True])
    assert found.counts == (2, 4)
    assert found.scores == pytest.approx((0.2, 0.9625)) and found.right == (0.5, 0.75)
    assert found.ece == pytest.approx((2 * 0.3 + 4 * 0.2125) / 6)
    assert reliability([1.0, 0.0], [True, False]).ece == 0.0
    assert math.isnan(reliability([], []).ece)


def test_scores_that_mean_what_they_say_have_no_error_and_others_all_of_it() -> None:
    random = np.random.default_rng(0)
    scores = random.uniform(0, 1, 20_000)
    right = random.uniform(0, 1, 20_000) < scores
    assert reliability(list(scores), list(right)).ece < 0.02
    assert reliability([1.0] * 20_000, list(right)).ece == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("scores", "right"), [([0.5], []), ([1.5], [True]), ([math.nan], [True])])
def test_what_is_no_score_is_refused(scores: list[float], right: list[bool]) -> None:
    with pytest.raises(ValueError):
        reliability(scores, right)


def test_a_segment_is_right_once_a_reference() -> None:
    reference = example(Event(1, 2, "dog"), Event(5, 6, "bell"))
    ranked = (Event(1, 2, "dog", score=0.9), Event(1.1, 2, "dog", score=0.4), Event(5, 6, "dog", score=0.1))
    answers = [Prediction(ranked[:1], True, ranked=ranked)]
    scores, right = judged(answers, [reference], by_label=True)
    assert list(zip(scores, right, strict=True)) == [(0.9, 1), (0.4, 0), (0.1, 0)]
    _, right = judged(answers, [reference], by_label=False)
    assert right.tolist() == [1, 0, 1]


def test_without_a_score_a_segment_claims_to_be_sure_and_unreadable_answers_hold_none() -> None:
    answers = [Prediction((Event(1, 2, ""),), True), Prediction((Event(1, 2, ""),), False), Prediction((), True)]
    scores, right = judged(answers, [example(Event(1, 2, ""))] * 3, by_label=False)
    assert (scores.tolist(), right.tolist()) == ([1.0], [1.0])
