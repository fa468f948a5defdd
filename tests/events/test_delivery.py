from __future__ import annotations

import math

import pytest

from timepro_lit.events.delivery import delivered, flag_of
from timepro_lit.records import Event


@pytest.mark.parametrize(
    ("onset", "offset", "told"),
    [
        (1.0, 2.0, (1.0, 2.0, None)),
        (-0.5, 2.0, (0.0, 2.0, None)),
        (3.0, 9.0, (3.0, 4.0, None)),
        (-math.inf, math.inf, (0.0, 4.0, None)),
        (4.0, 5.0, (4.0, 5.0, "outside")),
        (-2.0, 0.0, (-2.0, 0.0, "outside")),
        (7.5, 8.0, (7.5, 8.0, "outside")),
        (3.0, 2.0, (3.0, 2.0, "reversed")),
        (2.0, 2.0, (2.0, 2.0, "reversed")),
        (9.0, 8.0, (9.0, 8.0, "reversed")),
    ],
)
def test_events_are_cut_to_the_recording_or_flagged(onset: float, offset: float, told: tuple) -> None:
    [event] = delivered([Event(onset, offset, "dog")], 4.0)
    assert (event.onset, event.offset, event.flag) == told
    assert event.label == "dog"


def test_what_is_no_number_is_flagged() -> None:
    assert flag_of(Event(math.nan, 2.0, "dog"), 4.0) == flag_of(Event(1.0, math.nan, "dog"), 4.0) == "reversed"


def test_delivering_twice_changes_nothing() -> None:
    events = delivered([Event(-1.0, 9.0, "a"), Event(5.0, 6.0, "b"), Event(2.0, 1.0, "c")], 4.0)
    assert delivered(events, 4.0) == events
    assert [event.label for event in events] == ["a", "b", "c"]
