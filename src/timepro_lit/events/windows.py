"""Windows of a recording that is longer than what can be heard at once, and what they hold of its events."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from timepro_lit.records import Event

Window = tuple[float, float]
"""(start, length) in seconds of the recording."""
SHORTEST_PART_S, SMALLEST_SHARE = 1.0, 0.5
"""A part of an event that a window cuts off is an event where it lasts so long, or is so much of the whole."""
TICKS = 100
"""Of a second: windows begin on whole ones, as times are written in answers."""


def windows(duration_s: float, window_s: float) -> list[Window]:
    """(start, length) in seconds of windows that follow each other, as few as cover the recording.

    All are equally long but for 0.02 s.

    Raises ValueError for lengths that are none.

    >>> windows(75.0, 30.0)
    [(0.0, 25.0), (25.0, 25.0), (50.0, 25.0)]
    """
    if not (duration_s > 0 and window_s * TICKS >= 1 and math.isfinite(duration_s + window_s)):
        raise ValueError(f"{duration_s:g} s cannot be cut into windows of {window_s:g} s")
    whole, longest = math.ceil(round(duration_s * TICKS, 4)), int(round(window_s * TICKS, 4))
    number = -(-whole // longest)
    edges = [*(n * whole // number / TICKS for n in range(number)), duration_s]
    return [(a, round(b - a, 4)) for a, b in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class Cut:
    """How recordings are cut into overlapping windows. Raises ValueError for lengths that are none."""

    window_s: float
    """Length of a window."""
    hop_s: float
    """From the beginning of one window to that of the next."""

    def __post_init__(self) -> None:
        for name, value in (("window_s", self.window_s), ("hop_s", self.hop_s)):
            if not 1 / TICKS <= value < math.inf:
                raise ValueError(f"{name}: must be at least {1 / TICKS:g} s, not {value:g}")
        if self.hop_s > self.window_s:
            raise ValueError(f"hop_s: {self.hop_s:g} s would leave gaps between windows of {self.window_s:g} s")

    def __str__(self) -> str:
        return f"windows of {self.window_s:g} s, one every {self.hop_s:g} s"

    @property
    def window(self) -> int:
        """In hundredths of a second: windows are whole ones long, and begin on such."""
        return math.floor(round(self.window_s * TICKS, 4))

    @property
    def hop(self) -> int:
        """In hundredths of a second."""
        return math.floor(round(self.hop_s * TICKS, 4))

    def start_s(self, number: int) -> float:
        """Where the window of this number begins, unless it is the last one."""
        return number * self.hop / TICKS

    def last_start_s(self, duration_s: float) -> float:
        """Where the last window begins, of a recording that is longer than a window: it ends with the recording."""
        return math.ceil(round(duration_s * TICKS - self.window, 4)) / TICKS

    def windows(self, duration_s: float) -> list[Window]:
        """Those of a recording; one where that is no longer than a window.

        >>> Cut(30.0, 15.0).windows(70.0)
        [(0.0, 30.0), (15.0, 30.0), (30.0, 30.0), (40.0, 30.0)]
        """
        if not 0 < duration_s < math.inf:
            raise ValueError(f"{duration_s:g} s cannot be cut into windows of {self.window_s:g} s")
        whole = round(duration_s * TICKS, 4)
        if whole <= self.window:
            return [(0.0, duration_s)]
        number = math.ceil((whole - self.window) / self.hop)
        length_s = self.window / TICKS
        last_s = self.last_start_s(duration_s)
        return [*((self.start_s(n), length_s) for n in range(number)), (last_s, duration_s - last_s)]


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
