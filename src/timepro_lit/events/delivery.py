"""What a user gets of an answer's events: cut to the recording, and marked where they make no sense.

Nothing that scores or learns sees this: a reward is for what was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from timepro_lit.records import Event

REVERSED, OUTSIDE = "reversed", "outside"


def flag_of(event: Event, duration_s: float) -> str | None:
    """What is wrong with an event in a recording of `duration_s` seconds; None = nothing.

    >>> [flag_of(Event(onset, offset, "bell"), 4.0) for onset, offset in ((3.0, 5.0), (4.0, 5.0), (3.0, 2.0))]
    [None, 'outside', 'reversed']
    """
    if not event.onset < event.offset:  # so is what is no number
        return REVERSED
    return None if event.onset < duration_s and event.offset > 0 else OUTSIDE


def delivered(events: Sequence[Event], duration_s: float) -> tuple[Event, ...]:
    """All events in their order: cut to [0, duration_s] or, with a flag, as they were said.

    >>> delivered([Event(3.0, 5.0, "bell"), Event(9.0, 9.5, "bell")], 4.0)
    (Event(onset=3.0, offset=4.0, label='bell'), Event(onset=9.0, offset=9.5, label='bell', flag='outside'))
    """
    return tuple(_delivered(event, duration_s) for event in events)


def _delivered(event: Event, duration_s: float) -> Event:
    if (flag := flag_of(event, duration_s)) is not None:
        return replace(event, flag=flag)
    return replace(event, onset=max(0.0, event.onset), offset=min(duration_s, event.offset))
