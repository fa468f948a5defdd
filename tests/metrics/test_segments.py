from __future__ import annotations

import itertools

import numpy as np
import pytest

from timepro_lit.metrics.segments import clip_segment_f1, matches_at, segment_f1s
from timepro_lit.records import Event, Example, Prediction

NONE = np.zeros((0, 2))


def test_f1_by_hand() -> None:
    moments = np.array([(0.0, 10.0), (20.0, 30.0)])
    windows = np.array([(0.0, 8.0), (20.0, 30.0), (50.0, 60.0)])  # an IoU of 0.8, of 1, and a false alarm
    assert segment_f1s(windows, moments, (0.5, 0.8, 0.85)).tolist() == pytest.approx([0.8, 0.8, 0.4])
    assert segment_f1s(windows[:1], moments, (0.5,)).tolist() == pytest.approx([2 / 3])  # a miss
    assert segment_f1s(windows[[0, 0]], moments[:1], (0.5,)).tolist() == pytest.approx([2 / 3])  # said twice


def test_what_is_empty() -> None:
    one = np.array([(1.0, 2.0)])
    assert segment_f1s(NONE, NONE).tolist() == [1.0] * 10
    assert segment_f1s(one, NONE).tolist() == segment_f1s(NONE, one).tolist() == [0.0] * 10


def test_the_matching_is_the_best_and_not_the_first() -> None:
    ious = np.array([[0.9, 0.6, 0.0], [0.8, 0.0, 0.0], [0.0, 0.7, 0.55]])
    assert [matches_at(ious, threshold) for threshold in (0.5, 0.6, 0.75, 0.95)] == [3, 2, 1, 0]


def test_no_other_matching_has_more_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        ious = rng.random((rng.integers(1, 5), 4))
        ways = itertools.permutations(range(4), len(ious))
        best = max(sum(ious[w, m] >= 0.6 for w, m in enumerate(way)) for way in ways)
        assert matches_at(ious, 0.6) == best


@pytest.mark.filterwarnings("error")
def test_odd_times_count_as_windows_that_overlap_nothing() -> None:
    odd = np.array([(np.nan, 1.0), (-np.inf, np.inf), (2.0, 1.0), (0.0, np.inf), (1e308, -1e308), (0.0, 2.0)])
    assert segment_f1s(odd, np.array([(0.0, 2.0)]), (0.5,)).tolist() == pytest.approx([2 / 7])


def test_an_unreadable_answer_is_wrong_also_where_nothing_is_to_be_found() -> None:
    absent = Example("x", "moments", "x.flac", 10.0, (), "a dog")
    assert clip_segment_f1(Prediction((), True), absent) == 1.0
    assert clip_segment_f1(Prediction((), False), absent) == 0.0
    assert clip_segment_f1(Prediction((Event(1.0, 2.0, ""),), True), absent) == 0.0
