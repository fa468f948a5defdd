from __future__ import annotations

import math
import random

import pytest

from timepro_lit.events.intervals import iou, merge, union_iou


def test_iou_by_hand():
    assert iou((0.0, 2.0), (1.0, 3.0)) == pytest.approx(1 / 3)
    assert iou((1.0, 3.0), (1.0, 3.0)) == 1.0
    assert iou((1.0, 3.0), (1.0, 2.0)) == 0.5
    assert iou((0.0, 10.0), (4.0, 6.0)) == pytest.approx(0.2)
    assert iou((0.0, 1.0), (1.0, 2.0)) == 0.0
    assert iou((0.0, 1.0), (2.0, 3.0)) == 0.0


@pytest.mark.parametrize(
    "improper",
    [
        (1.0, 1.0),
        (3.0, 1.0),
        (math.nan, 2.0),
        (1.0, math.nan),
        (0.0, math.inf),
        (-math.inf, 3.0),
        (math.inf, math.inf),
        (-1e308, 1e308),
    ],
)
def test_improper_intervals_are_nothing(improper):
    assert iou((1.0, 3.0), improper) == 0.0
    assert iou(improper, improper) == 0.0
    assert union_iou([(1.0, 3.0)], [improper, (1.0, 3.0)]) == 1.0


def test_merge_joins_overlapping_nested_and_touching():
    assert merge([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (3.0, 4.0), (0.5, 1.0)]) == [(0.0, 4.0), (5.0, 6.0)]


def test_union_iou_counts_covered_time_once():
    assert union_iou([(0.0, 2.0), (1.0, 3.0)], [(0.0, 3.0)]) == 1.0
    assert union_iou([(0.0, 1.0), (2.0, 3.0)], [(0.0, 3.0)]) == pytest.approx(2 / 3)
    assert union_iou([(0.0, 1.0), (4.0, 6.0)], [(0.5, 5.0)]) == pytest.approx(1.5 / 6.0)
    assert union_iou([], [(0.0, 1.0)]) == 0.0
    assert union_iou([], []) == 0.0


def test_union_iou_equals_counting_on_a_grid():
    rng = random.Random(0)
    for _ in range(200):
        a, b = ([sorted(rng.sample(range(40), 2)) for _ in range(rng.randint(1, 5))] for _ in range(2))
        cells_a = {cell for onset, offset in a for cell in range(onset, offset)}
        cells_b = {cell for onset, offset in b for cell in range(onset, offset)}
        expected = len(cells_a & cells_b) / len(cells_a | cells_b)
        assert union_iou([tuple(s) for s in a], [tuple(s) for s in b]) == pytest.approx(expected)


def test_two_decimal_times_score_exactly_one_against_themselves():
    rng = random.Random(1)
    for _ in range(500):
        segments = [(rng.randint(0, 1500) / 100, rng.randint(1501, 3000) / 100) for _ in range(3)]
        assert union_iou(segments, segments[::-1]) == 1.0
