"""What overlapping windows of a recording hold, as the events of the recording.

Window after window joins what is known so far. An event and one of the window are the same where they overlap with an
IoU of `AGREE` or more, both cut to the stretch that both have seen; each is one with at most one other. Where two
windows say different boundaries, the one counts whose own edge is farther from there: an edge cuts events, and what
lies beside it is heard without what comes before or after. So of an event that goes over an edge each window gives the
end that it holds. Two parts that end and begin at an edge, less than `NEARLY_S` apart, are one event even where no
stretch was seen twice.

What fewer than half of the windows hold that heard it well is left out: windows that overlap are as many listeners, and
each adds mistakes of its own. A window hears an event well that it holds half of, or that fills half of it.

Times count in hundredths of a second, as answers are written: they are rounded once, and exact after ten hours.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from timepro_lit.events.intervals import is_proper
from timepro_lit.events.windows import TICKS, Window
from timepro_lit.records import Event, Prediction

AGREE = 0.5
"""IoU, within what two windows have both seen, at which they speak of the same event."""
NEARLY_S = 0.1
"""Two parts of an event that are less than this apart at an edge are one."""
KEPT = 0.5
"""Share of the windows that heard an event well that have to hold it."""
_NEARLY = round(NEARLY_S * TICKS)


def checked_iou(merge_iou: object) -> float:
    """An IoU from which on two windows may speak of one event. Raises ValueError where it is none in (0, 1]."""
    if isinstance(merge_iou, bool) or not isinstance(merge_iou, int | float) or not 0 < merge_iou <= 1:
        raise ValueError(f"merge_iou: must be above 0 and at most 1, not {merge_iou!r}")
    return float(merge_iou)


def merge_predictions(
    windows: Sequence[Window],
    predictions: Sequence[Prediction],
    by_label: bool,
    one: bool = False,
    agree: float = AGREE,
) -> Prediction:
    """What is said of a recording by all that is said of its windows, in whose own time the events are.

    An unreadable window holds nothing, as if nobody had listened; where all are, so is the recording. The recording's
    `presence` is the highest of its windows, since a sound that occurs in one of them occurs. Its `ranked` list leaves
    nothing out. With `one`, the event is the one best of that, for questions that are answered by one event. Raises
    ValueError as `merge_events`.
    """
    repairs = tuple(sorted({kind for prediction in predictions for kind in prediction.repairs}))
    readable = [prediction for prediction in predictions if prediction.readable]
    if not readable:
        return Prediction((), readable=False, repairs=repairs)
    heard = [prediction.events if prediction.readable else None for prediction in predictions]
    listed = [(prediction.ranked or prediction.events) if prediction.readable else None for prediction in predictions]
    ranked = sorted(merge_events(windows, listed, by_label, agree, kept=0.0), key=lambda event: -(event.score or 0.0))
    events = tuple(ranked[:1]) if one else merge_events(windows, heard, by_label, agree)
    presence = max((p.presence for p in readable if p.presence is not None), default=None)
    return Prediction(events, True, repairs, presence, tuple(ranked))


def merge_events(
    windows: Sequence[Window],
    heard: Sequence[Sequence[Event] | None],
    by_label: bool,
    agree: float = AGREE,
    kept: float = KEPT,
) -> tuple[Event, ...]:
    """The events of a recording, by onset, from those of its windows, None where a window said nothing readable.

    Events are in the time of their window, and cut to it; those that make no sense are left out. With `by_label`,
    events of unequal label are never one; without, a merged one is called as by the window that holds most of it, or
    has it farthest from its edges. Its score is the mean of what the windows gave it that heard it well, 1 where they
    gave none and 0 where they do not hold it; a share of windows below `kept` that do leaves it out. Raises ValueError
    where windows are not in order.

    >>> windows = [(0.0, 30.0), (15.0, 30.0)]
    >>> merge_events(windows, [[Event(12.0, 30.0, "rain")], [Event(0.0, 19.5, "rain")]], by_label=True)
    (Event(onset=12.0, offset=34.5, label='rain', score=1.0),)
    """
    if any(a[0] > b[0] for a, b in pairwise(windows)):
        raise ValueError("windows: must be in the order of their beginnings")
    spans = [_span(window, n == 0, n == len(windows) - 1) for n, window in enumerate(windows)]
    found: list[_Track] = []
    alive: dict[str, list[_Track]] = {}  # that may go on, by label
    covered = 0
    for number, (span, events) in enumerate(zip(spans, heard, strict=True)):
        if events is None:
            continue
        parts: dict[str, list[_Part]] = {}
        for event, part in _parts(span, events):
            parts.setdefault(event.label if by_label else "", []).append(part)
        for label in dict.fromkeys(chain(alive, parts)):
            of_label = [track for track in alive.get(label, ()) if track.offset > span.begin - _NEARLY]
            new = _joined(of_label, parts.get(label, ()), span, number, covered, agree)
            found += new
            alive[label] = of_label + new
        covered = max(covered, span.end)
    listeners = _Listeners([(n, span) for n, (span, of) in enumerate(zip(spans, heard, strict=True)) if of is not None])
    scored = [(track, *listeners.share_and_score(track)) for track in sorted(found, key=_Track.place)]
    return tuple(track.event(score) for track, share, score in scored if share >= kept)


@dataclass(frozen=True, slots=True)
class _Span:
    """A window, in hundredths of a second of the recording."""

    begin: int
    end: int
    is_first: bool
    is_last: bool

    def margin(self, time: float) -> float:
        """How far a moment is from an edge; the ends of the recording cut nothing."""
        before = math.inf if self.is_first else time - self.begin
        return min(before, math.inf if self.is_last else self.end - time)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a window holds of an event, in hundredths of a second of the recording."""

    onset: int
    offset: int
    label: str
    score: float | None


@dataclass(slots=True)
class _Track:
    """An event of the recording, as far as it is known."""

    onset: int
    offset: int
    onset_by: _Span
    offset_by: _Span
    label: str
    seen: tuple[float, int]
    """How well, by the window that it has its label from."""
    held_by: dict[int, float]
    """Score by the number of each window that holds it."""

    def add(self, part: _Part, span: _Span, number: int) -> None:
        if _decides(part.onset, span, self.onset, self.onset_by, part.onset < self.onset):
            self.onset, self.onset_by = part.onset, span
        if _decides(part.offset, span, self.offset, self.offset_by, part.offset > self.offset):
            self.offset, self.offset_by = part.offset, span
        if (seen := _seen(part, span)) > self.seen:
            self.label, self.seen = part.label, seen
        self.held_by[number] = _score(part)

    def go_on(self, part: _Part, span: _Span, number: int) -> None:
        """Add a part that begins where this ends, at an edge: nobody heard both, so that neither decides."""
        if part.offset > self.offset:
            self.offset, self.offset_by = part.offset, span
        self.onset = min(self.onset, part.onset)
        self.held_by[number] = _score(part)

    def event(self, score: float) -> Event:
        return Event(self.onset / TICKS, self.offset / TICKS, self.label, score=score)

    def place(self) -> tuple[int, int, str]:
        return self.onset, self.offset, self.label


class _Listeners:
    """Windows of which something readable was said, in their order, each with its number."""

    def __init__(self, windows: Sequence[tuple[int, _Span]]) -> None:
        self.windows = windows
        self._begins = [span.begin for _, span in windows]
        self._longest = max((span.end - span.begin for _, span in windows), default=0)

    def share_and_score(self, track: _Track) -> tuple[float, float]:
        """Of the windows that heard it well the share that holds it, and the mean of their scores."""
        first = bisect_left(self._begins, track.onset - self._longest)
        well = [n for n, span in self.windows[first : bisect_left(self._begins, track.offset)] if _hears(span, track)]
        of = well or [*track.held_by]
        scores = [track.held_by[n] for n in of if n in track.held_by]
        return len(scores) / len(of), round(sum(scores) / len(of), 4)


def _hears(span: _Span, track: _Track) -> bool:
    shared = min(span.end, track.offset) - max(span.begin, track.onset)
    return 2 * shared >= min(track.offset - track.onset, span.end - span.begin)


def _score(part: _Part) -> float:
    return 1.0 if part.score is None else part.score


def _span(window: Window, is_first: bool, is_last: bool) -> _Span:
    begin = round(window[0] * TICKS)
    return _Span(begin, begin + math.ceil(round(window[1] * TICKS, 4)), is_first, is_last)


def _parts(span: _Span, events: Iterable[Event]) -> Iterator[tuple[Event, _Part]]:
    """What of a window's events lies in it, by onset."""
    length_s = (span.end - span.begin) / TICKS
    for event in sorted((e for e in events if is_proper((e.onset, e.offset))), key=lambda e: (e.onset, e.offset)):
        onset = span.begin + round(max(event.onset, 0.0) * TICKS) if event.onset < length_s else span.end
        offset = span.begin + round(min(event.offset, length_s) * TICKS)
        if onset < offset:
            yield event, _Part(onset, offset, event.label, event.score)


def _joined(
    tracks: Sequence[_Track], parts: Sequence[_Part], span: _Span, number: int, covered: int, agree: float
) -> list[_Track]:
    """Add a window's parts to the tracks that they belong to; those that belong to none are returned as new ones."""
    pairs = sorted(_pairs(tracks, parts, span.begin, min(covered, span.end), agree))
    taken: set[int] = set()
    of_part: dict[int, int] = {}
    for _, p, t in pairs:
        if p not in of_part and t not in taken:
            of_part[p] = t
            taken.add(t)
    new = []
    for p, part in enumerate(parts):
        if p not in of_part and (at := _touching(tracks, taken, part, covered)) is not None:
            taken.add(at)
            tracks[at].go_on(part, span, number)
        elif p not in of_part:
            seen, held_by = _seen(part, span), {number: _score(part)}
            new.append(_Track(part.onset, part.offset, span, span, part.label, seen, held_by))
        else:
            tracks[of_part[p]].add(part, span, number)
    return new


def _pairs(
    tracks: Sequence[_Track], parts: Sequence[_Part], begin: int, end: int, agree: float
) -> Iterator[tuple[float, int, int]]:
    """Parts and tracks that are alike between two moments, with the negative of their IoU there."""
    cut = [(max(track.onset, begin), min(track.offset, end), t) for t, track in enumerate(tracks)]
    by_onset = sorted(one for one in cut if one[0] < one[1])
    for p, part in enumerate(parts):
        onset, offset = max(part.onset, begin), min(part.offset, end)
        if onset >= offset:
            continue
        for other_onset, other_offset, t in by_onset:
            if other_onset >= offset:
                break
            shared = min(offset, other_offset) - max(onset, other_onset)
            iou = shared / (max(offset, other_offset) - min(onset, other_onset))
            if iou >= agree:
                yield -iou, p, t


def _touching(tracks: Sequence[_Track], taken: set[int], part: _Part, covered: int) -> int | None:
    """The track that ends where all that was heard before ends, and goes on in this part."""
    if part.onset <= covered - _NEARLY:
        return None
    near = [
        (abs(track.offset - part.onset), track.label != part.label, t)
        for t, track in enumerate(tracks)
        if t not in taken and track.offset > covered - _NEARLY and abs(track.offset - part.onset) < _NEARLY
    ]
    return min(near)[2] if near else None


def _decides(time: int, span: _Span, other_time: int, other: _Span, is_wider: bool) -> bool:
    """Whether a window's boundary counts and not the other's: by which of them is better placed to tell them apart."""
    begin, end = max(span.begin, other.begin), min(span.end, other.end)
    if begin >= end:
        return is_wider
    middle = (min(max(time, begin), end) + min(max(other_time, begin), end)) / 2
    own, others = span.margin(middle), other.margin(middle)
    return own > others or (own == others and is_wider)


def _seen(part: _Part, span: _Span) -> tuple[float, int]:
    return min(span.margin(part.onset), span.margin(part.offset)), part.offset - part.onset
