"""Windows of a recording that is longer than what can be heard at once, and what they hold of its events."""

from __future__ import annotations

import math
from itertools import pairwise

from timepro_lit.records import Event

SHORTEST_PART_S, SMALLEST_SHARE = 1.0, 0.5
"""A part of an event that a window cuts off is an event where it lasts so long, or is so much of the whole."""
_TICKS = 100
"""Of a second: windows begin on whole ones, as times are written in answers."""


def windows(duration_s: float, window_s: float) -> list[tuple[float, float]]:
    """(start, length) in seconds of windows that follow each other, as few as cover the recording.

    All are equally long but for 0.02 s.

    Raises ValueError for lengths that are none.

    >>> windows(75.0, 30.0)
    [(0.0, 25.0), (25.0, 25.0), (50.0, 25.0)]
    """
    if not (duration_s > 0 and window_s * _TICKS >= 1 and math.isfinite(duration_s + window_s)):
        raise ValueError(f"{duration_s:g} s cannot be cut into windows of {window_s:g} s")
    whole, longest = math.ceil(round(duration_s * _TICKS, 4)), int(round(window_s * _TICKS, 4))
    number = -(-whole // longest)
    edges = [*(n * whole // number / _TICKS for n in range(number)), duration_s]
    return [(a, round(b - a, 4)) for a, b in pairwise(edges)]


def part_within(event: Event, start_s: float, length_s: float) -> tuple[Event | None, bool]:
    """An event of a recording in the time of a window, cut to it; and whether the window holds anything of the event.

    A part that is too small to be an event (`SHORTEST_PART_S`, `SMALLEST_SHARE`) is None, and something all the same.

    >>> part_within(Event(28.0, 34.0, "rain"), 30.0, 30.0)
    (Event(onset=0.0, offset=4.0, label='rain'), True)
    """
    onset = round(max(event.onset - start_s, 0.0), 4)
    offset = round(min(event.offset - start_s, length_s), 4)
    if onset >= offset:
        return None, False
    is_event = offset - onset >= min(SHORTEST_PART_S, SMALLEST_SHARE * event.duration_s) - 1e-3
    return (Event(onset, offset, event.label) if is_event else None), True
