from __future__ import annotations

import math

import pytest

from timepro_lit.figures.layout import MAX_DRAWN, class_indices, place
from timepro_lit.records import Event


def test_overlapping_events_take_two_lanes_and_later_ones_reuse_the_first() -> None:
    events = [Event(0, 4, "a"), Event(2, 5, "b"), Event(6, 8, "c")]
    lanes = place(events, 10.0, [0.0, 0.0, 0.0])
    assert [[item.event.label for item in lane] for lane in lanes] == [["a", "c"], ["b"]]
    assert lanes[0][0].bar == (0.0, 0.4)


def test_labels_wider_than_their_bars_do_not_collide() -> None:
    lanes = place([Event(1, 2, "a"), Event(2.5, 3, "b")], 10.0, [0.3, 0.3])
    assert [lane[0].label for lane in lanes] == [(0.1, 0.4), (0.25, 0.55)]


def test_a_label_near_the_end_moves_left_and_still_covers_its_bar() -> None:
    [[item]] = place([Event(9, 10, "a")], 10.0, [0.4])
    assert item.label == pytest.approx((0.6, 1.0))
    assert item.bar == (0.9, 1.0)


def test_bars_are_cut_to_the_clip() -> None:
    for event in (Event(-3, 99, "a"), Event(-math.inf, math.inf, "a")):
        [[item]] = place([event], 10.0, [0.1])
        assert item.bar == (0.0, 1.0)


@pytest.mark.parametrize(("onset", "offset"), [(3, 3), (3, 2), (math.nan, 2), (10, 11), (-2, 0), (math.inf, math.inf)])
def test_events_that_cannot_be_drawn_are_left_out(onset: float, offset: float) -> None:
    assert place([Event(onset, offset, "a")], 10.0, [0.1]) == []


def test_a_runaway_answer_is_cut() -> None:
    lanes = place([Event(0, 10, "a")] * 256, 10.0, [0.1] * 256)
    assert len(lanes) == MAX_DRAWN


def test_class_indices_are_alphabetical() -> None:
    assert class_indices(["dog", "bell", "dog"]) == {"bell": 0, "dog": 1}
