"""Stretches of time: intersection over union of two intervals and of two sets of intervals, and what lies in a clip.

Plain float64 comparisons without epsilon. An interval whose end does not lie after its start, or whose times are not
finite, is nothing: it neither overlaps nor counts in a union, whatever a model wrote.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from timepro_lit.records import Event

Interval = tuple[float, float]
"""(onset, offset) in seconds."""


def is_proper(interval: Interval) -> bool:
    """Whether `interval` is a finite stretch of time with onset < offset."""
    return 0.0 < interval[1] - interval[0] < math.inf  # false for NaN, infinite, empty and reversed ones


def iou(a: Interval, b: Interval) -> float:
    """Intersection over union of two intervals, in [0, 1]; 0 where either is improper.

    The union of disjoint intervals is the sum of their lengths, not their hull.

    >>> iou((0.0, 2.0), (1.0, 3.0))
    0.3333333333333333
    """
    shared = min(a[1], b[1]) - max(a[0], b[0])
    if not (shared > 0.0 and is_proper(a) and is_proper(b)):
        return 0.0
    # As `union_iou` of the two, operation by operation; captions are matched by millions of these.
    union = (a[1] - a[0]) + (b[1] - b[0]) - shared
    return min(1.0, shared / union) if union < math.inf else 0.0


def union_iou(segments_a: Iterable[Interval], segments_b: Iterable[Interval]) -> float:
    """Intersection over union of the time covered by two sets of intervals, in [0, 1].

    Improper intervals contribute nothing; 0 where neither side covers any time.
    """
    merged_a, merged_b = merge(segments_a), merge(segments_b)
    length_a = sum(offset - onset for onset, offset in merged_a)
    length_b = sum(offset - onset for onset, offset in merged_b)
    shared = _shared_length(merged_a, merged_b)
    union = length_a + length_b - shared
    if not 0.0 < union < math.inf:
        return 0.0
    return min(1.0, shared / union)


def merge(segments: Iterable[Interval]) -> list[Interval]:
    """The union of `segments` as disjoint intervals in time order; touching ones become one."""
    merged: list[Interval] = []
    for onset, offset in sorted(segment for segment in segments if is_proper(segment)):
        if merged and onset <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], offset))
        else:
            merged.append((onset, offset))
    return merged


def _shared_length(a: Sequence[Interval], b: Sequence[Interval]) -> float:
    """Length common to two lists of disjoint, sorted intervals: one sweep over both."""
    shared, i, j = 0.0, 0, 0
    while i < len(a) and j < len(b):
        shared += max(0.0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] <= b[j][1]:
            i += 1
        else:
            j += 1
    return shared


def within(event: Event, duration_s: float) -> tuple[Event | None, str | None]:
    """The part of an event that lies within its clip, and a reason to report where that is not all of it.

    >>> within(Event(8.0, 10.115, "Dog"), 10.0)
    (Event(onset=8.0, offset=10.0, label='Dog'), 'event cut at the end')
    """
    if not 0 <= event.onset < event.offset < float("inf"):  # also false for NaN
        return None, "event without extent"
    if event.onset >= duration_s:
        return None, "event past the end"
    if event.offset > duration_s:
        return Event(event.onset, duration_s, event.label), "event cut at the end"
    return event, None
