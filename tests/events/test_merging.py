"""Overlapping windows are heard as one recording: exactly where the listener is perfect, sensibly where it is not."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hangs import at_most
from timepro_lit.events.merging import merge_events, merge_predictions
from timepro_lit.events.windows import Cut, Window
from timepro_lit.records import Event, Prediction

PAIR = [(0.0, 30.0), (15.0, 30.0)]
INF, NAN = float("inf"), float("nan")


def agreed(events: Sequence[Event]) -> tuple[Event, ...]:
    """Events that all windows hold which heard them well."""
    return tuple(replace(event, score=1.0) for event in events)


def perfect(windows: list[Window], events: list[Event]) -> list[list[Event]]:
    """What a listener says who hears everything: each event cut to the window, in hundredths of a second."""
    heard, offsets = [], [event.offset for event in events]
    for start_s, length_s in windows:
        near = events[bisect_left(offsets, start_s) if offsets == sorted(offsets) else 0 :]
        near = list(takewhile(lambda e, end_s=start_s + length_s: e.onset < end_s, near))
        cut = [(max(e.onset - start_s, 0.0), min(e.offset - start_s, length_s), e.label) for e in near]
        heard.append([Event(round(a, 2), round(b, 2), label) for a, b, label in cut if a < b])
    return heard


@st.composite
def recordings(draw: st.DrawFn) -> tuple[float, Cut, list[Event]]:
    """A recording, how it is cut, and events at least 0.1 s apart, some longer than a window."""
    window = draw(st.integers(100, 1_000))
    hop = draw(st.sampled_from([50, 51, 60, 75, 90, 95, 100])) * window // 100
    gaps = draw(st.lists(st.tuples(st.integers(10, 400), st.integers(1, 2_500)), max_size=12))
    place, events = draw(st.sampled_from([-10, 0, 37])), []
    for gap, length in gaps:
        events.append(Event((place + gap) / 100, (place + gap + length) / 100, "rain"))
        place += gap + length
    rest = draw(st.sampled_from([0, 1, 10, 700])) + draw(st.sampled_from([0.0, 0.004, 0.33]))
    duration_s = max(place, 1) / 100 + rest / 100
    return duration_s, Cut(window / 100, hop / 100), events


few = settings(max_examples=settings.default.max_examples // 10)


@few
@given(recordings())
def test_what_a_perfect_listener_hears_in_windows_is_the_recording(case: tuple[float, Cut, list[Event]]) -> None:
    duration_s, cut, events = case
    windows = cut.windows(duration_s)
    assert merge_events(windows, perfect(windows, events), by_label=False) == agreed(events)


@few
@given(recordings(), recordings())
def test_classes_do_not_disturb_each_other(
    case: tuple[float, Cut, list[Event]], other: tuple[float, Cut, list[Event]]
) -> None:
    dogs = [Event(e.onset, e.offset, "dog") for e in other[2]]
    both = sorted([*case[2], *dogs], key=lambda e: (e.onset, e.offset, e.label))
    windows = case[1].windows(max(case[0], other[0]))
    assert merge_events(windows, perfect(windows, both), by_label=True) == agreed(both)


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ([(20.0, 22.0)], [(5.0, 7.0)], [(20.0, 22.0)]),
        ([(20.0, 22.0)], [(5.4, 7.2)], [(20.0, 22.0)]),  # 20 to 22 s lie nearer to the middle of the first window
        ([(24.0, 26.0)], [(9.4, 11.2)], [(24.4, 26.2)]),  # and these of the second
        ([(20.0, 26.0)], [(5.4, 11.2)], [(20.0, 26.2)]),
        ([(20.0, 22.0)], [(6.5, 9.0)], [(20.0, 22.0), (21.5, 24.0)]),  # too far apart
        ([(20.0, 22.0)], [], [(20.0, 22.0)]),
        ([(12.0, 29.9)], [(0.2, 29.0)], [(12.0, 44.0)]),  # nobody says where an edge is to the hundredth
        ([(12.0, 29.4)], [(0.0, 29.0)], [(12.0, 44.0)]),  # nor hears well beside it
        ([(5.0, 5.0), (3.0, 2.0), (NAN, 1.0), (-INF, INF), (31.0, 40.0)], [(0.0, 0.0)], []),
        ([(-5.0, 3.0)], [(28.0, 99.0)], [(0.0, 3.0), (43.0, 45.0)]),
    ],
)
def test_answers_that_are_not_perfect(
    first: list[tuple[float, float]], second: list[tuple[float, float]], merged: list[tuple[float, float]]
) -> None:
    heard = [[Event(*times, "rain") for times in first], [Event(*times, "rain") for times in second]]
    assert [(e.onset, e.offset) for e in merge_events(PAIR, heard, by_label=True)] == merged


def test_parts_at_an_edge_are_joined_where_windows_do_not_overlap() -> None:
    side_by_side = [(0.0, 30.0), (30.0, 30.0)]
    heard = [[Event(20.0, 29.97, "rain")], [Event(0.04, 3.0, "rain")]]
    assert merge_events(side_by_side, heard, by_label=True) == agreed([Event(20.0, 33.0, "rain")])
    apart = [[Event(20.0, 29.95, "rain")], [Event(0.05, 3.0, "rain")]]
    assert len(merge_events(side_by_side, apart, by_label=True)) == 2
    unreadable = [(0.0, 30.0), (15.0, 30.0), (30.0, 30.0)]
    heard = [[Event(20.0, 30.0, "rain")], None, [Event(0.0, 3.0, "rain")]]
    assert merge_events(unreadable, heard, by_label=True) == agreed([Event(20.0, 33.0, "rain")])


def test_a_part_that_goes_on_behind_an_edge_takes_nothing_away() -> None:
    heard = [[Event(2.56, 4.0, "b")], [Event(2.05, 3.1, "b")]]
    assert merge_events([(0.0, 4.0), (2.0, 4.0)], heard, by_label=True) == agreed([Event(2.56, 5.1, "b")])


def test_of_several_at_an_edge_the_one_of_the_same_name_goes_on() -> None:
    windows = [(4.0, 4.0), (8.0, 4.0)]
    heard = [[Event(2.34, 4.0, "c0"), Event(3.14, 4.0, "c1")], [Event(0.0, 0.15, "c1"), Event(0.0, 0.74, "c0")]]
    found = merge_events(windows, heard, by_label=False)
    assert found == agreed([Event(6.34, 8.74, "c0"), Event(7.14, 8.15, "c1")])


def test_labels_keep_apart_or_follow_the_window_that_hears_better() -> None:
    heard = [[Event(24.0, 27.0, "a dog")], [Event(9.0, 12.0, "a dog barks")]]
    assert len(merge_events(PAIR, heard, by_label=True)) == 2
    assert merge_events(PAIR, heard, by_label=False) == agreed([Event(24.0, 27.0, "a dog barks")])
    cut = [[Event(2.0, 30.0, "long rain")], [Event(0.0, 16.0, "rain")]]
    assert merge_events(PAIR, cut, by_label=False) == agreed([Event(2.0, 31.0, "long rain")])


def test_windows_are_as_many_listeners() -> None:
    four, rain = [(float(n), 4.0) for n in range(4)], Event(3.2, 3.8, "rain")
    inside = [Event(rain.onset - start, rain.offset - start, "rain") for start, _ in four]

    def merged(*by: int, **how: float) -> list[tuple[float, float, float | None]]:
        heard = [[inside[n]] if n in by else [] for n in range(4)]
        return [(e.onset, e.offset, e.score) for e in merge_events(four, heard, by_label=True, **how)]

    assert merged(0, 1, 2, 3) == [(3.2, 3.8, 1.0)] and merged(1, 2) == [(3.2, 3.8, 0.5)]
    assert merged(1) == [] and merged(1, kept=0.25) == [(3.2, 3.8, 0.25)]
    # One of which nothing was said is no listener, nor one that heard a fraction.
    unread = [None, [inside[1]], [], None]
    assert [e.score for e in merge_events(four, unread, by_label=True)] == [0.5]
    barely = [(0.0, 3.4), (1.0, 4.0)]
    assert [e.score for e in merge_events(barely, [[], [inside[1]]], by_label=True)] == [1.0]
    # Nor has one to hold half of an event that fills it.
    filled = [[Event(0.0, 4.0, "rain")] for _ in four]
    assert merge_events(four, filled, by_label=True) == agreed([Event(0.0, 7.0, "rain")])


def test_scores_are_means_and_presence_is_the_highest() -> None:
    sure, doubtful = Event(20.0, 22.0, "dog", score=0.75), Event(5.0, 7.0, "dog", score=0.5)
    other = Event(20.0, 21.0, "dog", score=0.25)
    said = [
        Prediction((sure,), True, ("cut",), 0.75, (sure,)),
        Prediction((doubtful,), True, (), 1.0, (doubtful, other)),
    ]
    found, both = merge_predictions(PAIR, said, by_label=False), replace(sure, score=0.625)
    assert found.events == (both,) and found.presence == 1.0 and found.repairs == ("cut",)
    assert found.ranked == (both, Event(35.0, 36.0, "dog", score=0.25))
    assert merge_predictions(PAIR, said, by_label=False, one=True).events == (both,)


def test_a_recording_is_unreadable_where_all_its_windows_are() -> None:
    silent, unreadable = Prediction((), True), Prediction((), False)
    assert not merge_predictions(PAIR, [unreadable, unreadable], by_label=True).readable
    assert merge_predictions(PAIR, [unreadable, silent], by_label=True) == silent
    with pytest.raises(ValueError, match="must be in the order"):
        merge_events(PAIR[::-1], [[], []], by_label=True)


def test_ten_hours_are_exact_and_quick() -> None:
    cut, duration_s = Cut(30.0, 15.0), 36_000.0
    events = [
        Event(round(3.6 * n + 0.01, 2), round(3.6 * n + 0.01 + n % 350 / 100 + 0.01, 2), "a") for n in range(10_000)
    ]
    windows = cut.windows(duration_s)
    heard = perfect(windows, events)
    with at_most():
        assert merge_events(windows, heard, by_label=False) == agreed(events)
    assert math.isclose(sum(windows[-1]), duration_s)
