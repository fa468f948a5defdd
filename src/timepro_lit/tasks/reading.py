"""Events in a model's answer, read leniently: total, linear in the length, bounded in what it returns.

One tolerant reading serves strict JSON and its near misses alike: `tasks.brackets` turns the answer into a tree of
bracketed groups, and the events are read off that tree here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from timepro_lit.tasks.brackets import Group, Text, Value, read_groups
from timepro_lit.tasks.times import read_line, read_pair

MAX_CHARS = 32_768
"""Longer answers are cut: 256 events leave 128 characters to each."""
MAX_EVENTS = 256

_LABEL_KEYS = frozenset(("event", "event_label", "label", "class", "name", "sound", "description", "caption"))
_ONSET_KEYS = frozenset(("onset", "start", "start_time", "begin", "from"))
_OFFSET_KEYS = frozenset(("offset", "end", "end_time", "stop", "to"))
_TIME_KEYS = frozenset(("time", "times", "timestamp", "timestamps", "segment", "segments", "interval", "intervals"))

Span = tuple[float, float, str | None]
"""Onset and offset in seconds, and the label; None where the answer gave none."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer held, whatever the task makes of it."""

    spans: tuple[Span, ...]
    """In the order of the answer, at most `MAX_EVENTS`."""
    says_none: bool
    """True for a complete, empty answer such as `{}`."""
    repairs: tuple[str, ...]
    """Kinds of repair, each once, in the order of need; empty for an answer in the task's own format."""


def read_events(text: str) -> Reading:
    """Events of an answer in (nearly) JSON; where no bracket holds any, of the words around the brackets."""
    repairs = _cut(text)
    root = read_groups(text[:MAX_CHARS], repairs)
    within = [(key, value) for key, values in root.entries for value in values if isinstance(value, Group)]
    # Numbers in the prose around brackets are none of the answer's times, so brackets come first, alone.
    spans = _collect((item for key, group in within for item in _spans(group, key)), repairs)
    says_none = bool(within) and not spans and "unclear" not in repairs and all(group.closed for _, group in within)
    if not spans and not says_none:
        spans = _collect(_spans(root, None), repairs)
    return Reading(spans, says_none, _once(repairs))


def read_lines(text: str) -> Reading:
    """Events of lines `onset-offset, description`; where no line is one, of JSON."""
    repairs = _cut(text)
    spans = _collect(_spans_of_lines(text[:MAX_CHARS]), repairs)
    if spans or not ("{" in text[:MAX_CHARS] or "[" in text[:MAX_CHARS]):
        return Reading(spans, False, _once(repairs))
    reading = read_events(text)
    return Reading(reading.spans, False, _once(["json", *reading.repairs]))


def _cut(text: str) -> list[str]:
    return ["too_long"] if len(text) > MAX_CHARS else []


def _once(repairs: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(repairs))


def _collect(found: Iterator[Span | str], repairs: list[str]) -> tuple[Span, ...]:
    """The spans among `found`, up to the limit; the words among them are kinds of repair."""
    spans: list[Span] = []
    for item in found:
        if isinstance(item, str):
            repairs.append(item)
        elif len(spans) == MAX_EVENTS:
            repairs.append("too_many_events")
            break
        else:
            spans.append(item)
    return tuple(spans)


def _spans_of_lines(text: str) -> Iterator[Span | str]:
    for line in re.split(r"[\r\n]+", text):
        span = read_line(line)
        if span is not None:
            if not span[2]:
                yield "missing_caption"
            yield span
        elif line.strip():
            yield "code_fence" if line.lstrip().startswith("```") else "prose"


def _spans(group: Group, outer_label: str | None) -> Iterator[Span | str]:
    """Events of a group and of those within, depth first; between them "unclear" and other kinds of repair.

    A label is the last key seen, unless the group brings its own: as a record (`{"event": "dog", "onset": 1,
    "offset": 2}`) or as a row (`["dog", 1, 2]`).
    """
    own_label = _own_label(group)
    onset: float | None = None
    keys = [key for key, _ in group.entries]
    if len(set(keys)) < len(keys):
        yield "repeated_key"
    for key, values in group.entries:
        field = "" if key is None else key.lower()
        match values:
            case [Text() as named] if field in _LABEL_KEYS:
                own_label = named.text
                yield "record"
            case [float() as time_s] if field in _ONSET_KEYS:
                onset = time_s
            case [float() as time_s] if field in _OFFSET_KEYS and onset is not None:
                yield "record"
                yield (onset, time_s, outer_label if own_label is None else own_label)
                onset = None
            case _:
                is_label = key is not None and not (field in _TIME_KEYS and outer_label is not None)
                label = own_label if own_label is not None else (key if is_label else outer_label)
                yield from _spans_of_values(values, key, label)
    if onset is not None:
        yield "unclear"


def _spans_of_values(values: list[Value], key: str | None, label: str | None) -> Iterator[Span | str]:
    """Events among the values of one key; every two times in a row are a pair."""
    onset: float | None = None
    num_times = sum(isinstance(value, float) for value in values)
    if num_times > 2 or (num_times == 2 and key is not None):
        yield "flat_list"
    for value in values:
        match value:
            case Group():
                yield from _spans(value, label)
            case (float() as start_s, float() as end_s):
                yield (start_s, end_s, label)
            case float():
                if onset is None:
                    onset = value
                else:
                    yield (onset, value, label)
                    onset = None
            case Text(pairs=[_, *_]):
                yield from ((*pair, label) for pair in value.pairs)
            case Text():
                pair = None if key is None else read_pair(key)
                if pair is not None:
                    yield "swapped"
                    yield (*pair, value.text)
                else:  # the label of a row stands among its values
                    yield "row" if value.text == label else "unclear"
    if onset is not None or not values:
        yield "unclear"


def _own_label(group: Group) -> str | None:
    """The label that a record or a row brings, wherever in it the label stands."""
    named = []
    for key, values in group.entries:
        match values:
            case [Text() as value] if key is not None and key.lower() in _LABEL_KEYS:
                named.append(value.text)
    if named:
        return named[0]
    match group.entries:
        case [(None, values)]:
            words = [value.text for value in values if isinstance(value, Text) and not value.pairs]
            num_times = sum(2 if isinstance(value, tuple) else isinstance(value, float) for value in values)
            return words[0] if len(words) == 1 and num_times >= 2 else None
    return None
