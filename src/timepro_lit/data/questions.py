"""What a corpus says of a recording becomes questions, once the recording was listened to; a long one is cut."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.manifest import checked_line
from timepro_lit.data.measuring import Measurement
from timepro_lit.data.splits import hash_of, recording_key
from timepro_lit.events.intervals import within
from timepro_lit.events.windows import part_within, windows
from timepro_lit.records import Event, Example
from timepro_lit.tasks.base import Task

SHORTEST_PART = 0.9
"""A recording shorter than this part of its annotated length was cut off; annotations round more than decoders do."""
LONGEST_S = 900.0
"""Of a recording that is cut into windows: it is decoded as a whole once."""


@dataclass(frozen=True, slots=True)
class Question:
    """An annotation whose recording was listened to, or one of its windows."""

    example: Example
    key: str
    """Of the recording, the same in every corpus."""
    split: str
    where: str


@dataclass(frozen=True, slots=True)
class Cutting:
    """How recordings are cut whose events are all annotated."""

    window_s: float = 30.0
    """The longest window."""
    none_rate: float = 0.25
    """Of the windows of a long recording in which a query does not occur, the share that is asked all the same."""

    def __post_init__(self) -> None:
        if not 0 < self.window_s <= LONGEST_S:
            raise ValueError(f"window_s is {self.window_s:g}, a window lasts up to {LONGEST_S:g} s")
        if not 0 <= self.none_rate <= 1:
            raise ValueError(f"none_rate is {self.none_rate:g}, a share lies between 0 and 1")


def questions(
    corpus: str,
    annotations: Iterable[Annotation],
    measured: Mapping[str, Measurement],
    tasks: Mapping[str, Task],
    cutting: Cutting,
    max_duration_s: float,
    dropped: list[Dropped],
) -> Iterator[Question]:
    """Every question that the annotations come to; what does not become one goes to `dropped`.

    Where an annotation is complete and its recording longer than a window, there is a question for each window that
    holds an event, the events cut to it. Of a query that is nowhere in a window, none is the answer: such windows are
    asked at the rate `cutting.none_rate`, chosen by a hash of their id. Windows that touch an event whose times are
    no stretch of time, or hold too little of one, are left out: neither answer would be right.
    """
    for one in annotations:
        fault = _fault(one, measured.get(one.audio), tasks, max_duration_s)
        if fault is not None:
            dropped.append(fault)
            continue
        measurement = measured[one.audio]
        duration_s = measurement.duration_s
        assert duration_s is not None
        events = _within(one, duration_s, dropped)
        if not events and not (one.complete and one.query is not None and not one.events and not one.unread):
            dropped.append(Dropped(one.where, "no events", one.audio, one.task))
            continue
        for example in _examples(one, corpus, measurement, events, cutting, dropped):
            key = one.recording or recording_key(corpus, one.audio)
            example = replace(example, recording=key)
            try:
                tasks[one.task].target(example)
                checked_line(example, one.where)
            except ValueError as error:
                dropped.append(Dropped(one.where, "unfit", str(error), one.task))
                continue
            yield Question(example, key, one.split, one.where)


def _fault(
    one: Annotation, measurement: Measurement | None, tasks: Mapping[str, Task], max_duration_s: float
) -> Dropped | None:
    """Why nothing can be asked about a recording."""
    if one.task not in tasks:
        return Dropped(one.where, "not asked", f"task={one.task} is not chosen", one.task)
    if measurement is None:
        return Dropped(one.where, "audio outside_root", f"{one.audio!r} is no plain path below the root", one.task)
    duration_s = measurement.duration_s
    if duration_s is None:
        return Dropped(one.where, f"audio {measurement.fault}", measurement.detail, one.task)
    if one.stated_duration_s is not None and duration_s < SHORTEST_PART * one.stated_duration_s:
        detail = f"{one.audio} lasts {duration_s:g} s, the annotation says {one.stated_duration_s:g} s"
        return Dropped(one.where, "audio truncated", detail, one.task)
    if one.stated_duration_s is not None and SHORTEST_PART * duration_s > one.stated_duration_s:
        # All of a video, where an excerpt was annotated: the times would be those of another stretch.
        detail = f"{one.audio} lasts {duration_s:g} s, the annotation says {one.stated_duration_s:g} s"
        return Dropped(one.where, "audio longer than annotated", detail, one.task)
    if not one.complete and duration_s > max_duration_s:
        detail = f"{one.audio} lasts {duration_s:g} s, at most {max_duration_s:g} s are read"
        return Dropped(one.where, "audio too_long", detail, one.task)
    return None


def _within(one: Annotation, duration_s: float, dropped: list[Dropped]) -> list[Event]:
    """The events that lie in the recording, in onset order, each of them once."""
    dropped += [Dropped(one.where, "event without extent", said, one.task) for said in one.unread]
    events: list[Event] = []
    for event in one.events:
        kept, reason = within(event, duration_s)
        if kept in events:
            kept, reason = None, "event repeated"
        if reason:
            detail = f"{event.onset:g} - {event.offset:g} s of {duration_s:g} s: {event.label}"
            dropped.append(Dropped(one.where, reason, detail, one.task))
        if kept:
            events.append(kept)
    return sorted(events, key=lambda event: event.onset)


def _examples(
    one: Annotation,
    corpus: str,
    measurement: Measurement,
    events: Sequence[Event],
    cutting: Cutting,
    dropped: list[Dropped],
) -> Iterator[Example]:
    """One of the whole recording, or one of each of its windows."""
    duration_s = measurement.duration_s or 0.0
    query = None if one.query is None else " ".join(one.query.split())
    whole = Example(f"{corpus}/{one.id}", one.task, one.audio, duration_s, tuple(events), query)
    if not one.complete:
        yield whole
        return
    cut = windows(duration_s, cutting.window_s)
    unclear = [stretch for event in one.events if (stretch := _blur(event, duration_s)) is not None]
    unclear += [(0.0, duration_s) for _ in one.unread]
    for start_s, length_s in cut:
        end_s = start_s + length_s
        id_ = whole.id if len(cut) == 1 else f"{whole.id}@{start_s:g}"
        parts = [part_within(event, start_s, length_s) for event in events]
        reason = None
        if any(onset < end_s and offset >= start_s for onset, offset in unclear):
            reason = "window with an event without extent"
        elif any(start <= start_s and end >= end_s for start, end in measurement.silences):
            reason = "window of zeros"
        elif not any(part for part, _ in parts):
            reason = _unasked(one, any(holds for _, holds in parts), len(cut) > 1, hash_of(f"none:{id_}"), cutting)
        elif any(part is None and holds for part, holds in parts):
            dropped.append(Dropped(one.where, "too small a part of an event", _named(one, start_s, end_s), one.task))
        if reason is not None:
            dropped.append(Dropped(one.where, reason, _named(one, start_s, end_s), one.task))
            continue
        found = tuple(part for part, _ in parts if part is not None)
        recording_s = None if len(cut) == 1 else duration_s
        yield replace(whole, id=id_, duration_s=length_s, events=found, start_s=start_s, recording_s=recording_s)


def _unasked(one: Annotation, holds: bool, is_part: bool, lot: float, cutting: Cutting) -> str | None:
    """Why a window without an event is not asked about; None where it is, and none is the answer."""
    if holds:
        return "window with too little of an event"
    if one.query is None:
        return "window without an event"
    return "window without the event, not drawn" if is_part and lot >= cutting.none_rate else None


def _named(one: Annotation, start_s: float, end_s: float) -> str:
    return f"{start_s:g} - {end_s:g} s of {one.audio}"


def _blur(event: Event, duration_s: float) -> tuple[float, float] | None:
    """Where something is heard of which the annotation does not say from when to when; None where it says so."""
    kept, reason = within(event, duration_s)
    if kept is not None or reason == "event past the end":
        return None
    if not math.isfinite(event.onset + event.offset):
        return (event.onset if math.isfinite(event.onset) else 0.0), duration_s
    return min(event.onset, event.offset), max(event.onset, event.offset)
