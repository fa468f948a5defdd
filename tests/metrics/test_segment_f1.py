from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from timepro_lit.metrics.segment_f1 import SegmentF1
from timepro_lit.metrics.segments import matches_at
from timepro_lit.metrics.suite import score
from timepro_lit.records import Event, Example, Prediction

Span = tuple[float, float]


def query(*moments: Span, id_: str = "q") -> Example:
    return Example(id_, "moments", f"{id_}.wav", 60.0, tuple(Event(*m, "a dog") for m in moments), "a dog")


def answer(*windows: Span, readable: bool = True) -> Prediction:
    return Prediction(tuple(Event(*w, "") for w in windows), readable)


def values(*pairs: tuple[Prediction, Example]) -> dict[str, float]:
    return score([SegmentF1()], pairs).values


def test_two_windows_on_one_moment_count_once() -> None:
    found = values((answer((0.0, 10.0), (0.0, 9.0)), query((0.0, 10.0), (20.0, 30.0))))
    assert found == {"F1@0.5": 50.0, "F1@0.7": 50.0, "F1@IoU": 50.0}


def test_one_window_over_two_moments_counts_once() -> None:
    assert values((answer((0.0, 10.0)), query((0.0, 5.0), (5.0, 10.0))))["F1@0.5"] == pytest.approx(200 / 3)


def test_thresholds_are_reached_and_averaged() -> None:
    found = values((answer((0.0, 7.0)), query((0.0, 10.0))))  # IoU 0.7: five of ten thresholds, itself included
    assert found == {"F1@0.5": 100.0, "F1@0.7": 100.0, "F1@IoU": 50.0}


def test_the_pairing_is_the_largest_and_not_the_first() -> None:
    # the first window overlaps both moments, the second only the first one
    windows, moments = ((2.0, 12.0), (0.0, 10.0)), ((0.0, 11.0), (5.0, 14.0))
    assert values((answer(*windows), query(*moments)))["F1@0.5"] == 100.0


def test_queries_are_pooled() -> None:
    # one match; 1 + 3 windows, 1 + 1 moments
    wrong = (40.0, 41.0), (42.0, 43.0), (44.0, 45.0)
    found = values((answer((0.0, 1.0)), query((0.0, 1.0), id_="a")), (answer(*wrong), query((0.0, 1.0), id_="b")))
    assert found["F1@IoU"] == pytest.approx(100 * 2 / 6)


def test_absent_queries_weigh_by_their_false_windows() -> None:
    found, absent = (answer((0.0, 1.0)), query((0.0, 1.0), id_="a")), query(id_="b")
    assert values(found, (answer(), absent))["F1@IoU"] == 100.0
    assert values(found, (answer((0.0, 1.0)), absent))["F1@IoU"] == pytest.approx(100 * 2 / 3)
    assert values(found, (answer((0.0, 1.0), readable=False), absent))["F1@IoU"] == 100.0
    assert math.isnan(values((answer(), absent))["F1@IoU"])


@pytest.mark.parametrize("window", [(math.nan, 5.0), (0.0, math.nan), (5.0, 0.0), (5.0, 5.0), (-math.inf, math.inf)])
def test_what_is_no_window_matches_nothing(window: Span) -> None:
    assert values((answer(window), query((0.0, 5.0))))["F1@0.5"] == 0.0


def test_a_query_alone() -> None:
    metric = SegmentF1()
    assert metric.clip_scores(answer((0.0, 7.0)), query((0.0, 10.0))) == {"F1@IoU": 50.0}
    assert metric.clip_scores(answer(), query()) == {"F1@IoU": 100.0}
    assert metric.clip_scores(answer(readable=False), query()) == {"F1@IoU": 0.0}
    assert metric.clip_scores(answer((0.0, 1.0)), query()) == {"F1@IoU": 0.0}


def test_matching_equals_trying_everything() -> None:
    rng = random.Random(0)
    for _ in range(200):
        ious = np.array([[rng.choice([0.0, 0.4, 0.5, 0.8]) for _ in range(4)] for _ in range(3)])
        best = max(sum(ious[w, m] >= 0.5 for w, m in enumerate(p)) for p in itertools.permutations(range(4), 3))
        assert matches_at(ious, 0.5) == best
    assert matches_at(np.zeros((0, 3)), 0.5) == matches_at(np.zeros((3, 0)), 0.5) == 0
