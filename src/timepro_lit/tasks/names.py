"""What a key names, judged by its words: `startTime`, `End time (s)`, `onset_ms`, `Event label`, `explanation`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Role(Enum):
    """What stands under a key."""

    ONSET = "onset"
    OFFSET = "offset"
    DURATION = "duration"
    TIMES = "times"
    LABEL = "label"
    REMARK = "remark"
    """Words about the answer: whatever numbers they hold are no times."""


@dataclass(frozen=True, slots=True)
class Name:
    """A key's role; None for a key that may be a label itself."""

    role: Role | None
    unit_s: float = 1.0
    """Seconds in one of the key's units, for a number without a unit of its own."""


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W\d_a-zA-Z]+")
_STEM = re.compile(
    r"(?:time|t)?(?:"
    r"(?P<onset>(?:start|begin|onset)(?:n?ing|ed|s)?|from)|"
    r"(?P<offset>(?:end|stop|offset|finish)(?:p?ing|p?ed|e?s)?|to|until|till)|"
    r"(?P<duration>duration|dur|length)s?"
    r")(?P<unit>(?:times?|stamps?|secs?|seconds|ms|at|s)*)"
)
_UNITS = {
    **dict.fromkeys(("ms", "msec", "msecs", "milli", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("mins", "minutes"), 60.0),  # "min" may be the least
}
_TIMES = frozenset((
    "time", "times", "timestamp", "timestamps", "stamp", "stamps", "segment", "segments", "interval",
    "intervals", "span", "spans", "range", "ranges", "window", "windows", "period", "periods", "timing",
    "timings",
))  # fmt: skip
_FILL = frozenset((
    "at", "in", "is", "of", "the", "t", "event", "events", "sound", "audio", "clip", "point", "position", "pos",
    "value", "approx", "predicted", "hh", "mm", "ss", "chain", "user", "short", "brief", "my", "for", "additional",
))  # fmt: skip
_LABELS = frozenset((
    "event", "label", "class", "name", "sound", "description", "caption", "category", "tag", "title", "text",
    "type",
))  # fmt: skip
_REMARKS = frozenset((
    "query", "question", "prompt", "comment", "comments", "explanation", "explanations", "explain", "reason",
    "reasons", "reasoning", "rationale", "thought", "thoughts", "think", "thinking", "analysis", "note",
    "notes", "remark", "remarks", "summary", "observation", "observations", "justification", "draft",
    "evidence", "details", "count", "counts", "number", "score", "context", "confidence",
))  # fmt: skip


@lru_cache(maxsize=1024)
def name_of(key: str) -> Name:
    """The role of a key. Anything but known words makes it a label of its own: "car stop", "start_frame"."""
    if len(key) > 64:
        return Name(None)
    words = [word.lower() for word in _WORD.findall(key)]
    unit_s, roles, times = 1.0, [], False
    for word in words:
        stem = _STEM.fullmatch(word)
        if stem is not None:
            roles += [role for role in (Role.ONSET, Role.OFFSET, Role.DURATION) if stem[role.value]]
            unit_s = 1e-3 if stem["unit"].endswith("ms") else unit_s
        elif word in _UNITS:
            unit_s = _UNITS[word]
        elif word in _TIMES:
            times = True
        elif word not in _FILL:
            return _other(words)
    if not roles and not times:
        return _other(words)
    return Name(roles[0] if len(roles) == 1 else Role.TIMES, unit_s)  # "start - end" heads a column of ranges


def _other(words: list[str]) -> Name:
    if all(word in _LABELS | _REMARKS | _FILL for word in words):
        if not _REMARKS.isdisjoint(words):
            return Name(Role.REMARK)
        if not _LABELS.isdisjoint(words):
            return Name(Role.LABEL)
    return Name(None)
