"""What a key names, judged by its words: `startTime`, `End time (s)`, `onset_ms`, `Event label`, `explanation`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
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
    UNIT = "unit"
    """What bare numbers beside it are counted in."""
    REMARK = "remark"
    """Words about the answer: whatever numbers they hold are no times."""


class Sort(Enum):
    """What a label says of an event, where one has several."""

    CLASS = "class"
    KIND = "kind"
    """What the class belongs to: `"type": "animal"`."""
    CAPTION = "caption"


@dataclass(frozen=True, slots=True)
class Name:
    """A key's role; None for a key that may be a label itself."""

    role: Role | None
    unit_s: float | None = 1.0
    """Seconds in one of the key's units, for a number without a unit of its own; None where that cannot be told."""
    sort: Sort | None = None
    """What a label says of an event; None for a key that names no label."""
    counted: bool = False
    """Whether its numbers count something that is no time, such as frames."""


_TIMED = (Role.ONSET, Role.OFFSET, Role.DURATION, Role.TIMES)
_NUMBERED = re.compile(r"(?P<name>.*[^\W\d_])[\s_#-]{0,3}[0-9]{1,4}", re.DOTALL)
_COUNTER = re.compile(r"(?:(?:occurrence|instance|event|sound|time|no|nr)s?\.?)?[\s_#-]{0,3}[0-9]{1,4}", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W\d_a-zA-Z]+")
_STEM = re.compile(
    r"(?:time|t)?(?:"
    r"(?P<onset>(?:start|begin|onset)(?:n?ing|ed|s)?|from)|"
    r"(?P<offset>(?:end|stop|offset|finish)(?:p?ing|p?ed|e?s)?|to|until|till)|"
    r"(?P<duration>duration|dur|length)s?"
    r")(?P<unit>(?:times?|stamps?|secs?|seconds|ms|at|s)*)"
)
_UNITS: dict[str, float | None] = {
    **dict.fromkeys(("ms", "msec", "msecs", "milli", "millis", "millisecond", "milliseconds", "毫秒"), 1e-3),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "秒"), 1.0),
    **dict.fromkeys(("mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), 3600.0),
    "min": None,  # or the least
}
COUNTED = frozenset(("frames", "samples", "tokens", "indices", "percent", "percents", "pct", "%"))
"""What numbers may count that are no times, as it stands beside them."""
NO_TIME = COUNTED | frozenset(("frame", "sample", "token", "index", "percentage"))
"""The same, and what may be called so besides: a sample, an index."""
_IDIOMS = (("time", "frame"), ("time", "frames"))  # a stretch of time
_UNIT_WORD = re.compile(r"[^\W\d_]+")
_IN_BRACKETS = re.compile(r"[(\[]\s{0,2}(?:in\s)?([a-z]{1,12})\s{0,2}[)\]]\s{0,4}", re.IGNORECASE)
_TIMES = frozenset((
    "time", "times", "timestamp", "timestamps", "stamp", "stamps", "segment", "segments", "interval",
    "intervals", "span", "spans", "range", "ranges", "window", "windows", "period", "periods", "timing",
    "timings", "timeframe", "timeframes",
))  # fmt: skip
_FILL = frozenset((
    "at", "in", "is", "of", "the", "t", "event", "events", "sound", "audio", "clip", "point", "position", "pos",
    "value", "approx", "predicted", "hh", "mm", "ss", "chain", "user", "short", "brief", "my", "for", "additional",
))  # fmt: skip
_KINDS = frozenset(("category", "tag", "title", "type", "categories", "tags", "titles", "types"))
_CAPTIONS = frozenset((
    "description", "caption", "text", "sentence", "descriptions", "captions", "texts", "sentences",
))  # fmt: skip
_LABELS = _KINDS | _CAPTIONS | frozenset((
    "event", "label", "class", "name", "sound", "events", "labels", "classes", "names", "sounds",
))  # fmt: skip
_REMARKS = frozenset((
    "question", "prompt", "comment", "comments", "explanation", "explanations", "explain", "reason",
    "reasons", "reasoning", "rationale", "thought", "thoughts", "think", "thinking", "analysis", "note",
    "notes", "remark", "remarks", "summary", "observation", "observations", "justification", "draft",
    "evidence", "details", "count", "counts", "number", "numbers", "score", "scores", "context", "confidence",
    "confidences", "probability", "probabilities", "query", "queries", "questions", "prompts", "conf", "confs", "prob",
    "probs", "likelihood", "frequency", "frequencies", "freq", "hz", "khz", "db", "loudness",
))  # fmt: skip


@lru_cache(maxsize=1024)
def name_of(key: str) -> Name:
    """The role of a key, numbered or not. Anything but known words makes it a label: "car stop".

    >>> name_of("end_ms").unit_s, name_of("start_frame").unit_s
    (0.001, None)
    """
    if len(key) > 64:
        return Name(None)
    numbered = _NUMBERED.fullmatch(key)
    words = [word.lower() for word in _WORD.findall(key if numbered is None else numbered["name"])]
    if not {"unit", "units"}.isdisjoint(words) and set(words) <= {"unit", "units"} | _TIMES | _FILL:
        return Name(Role.UNIT)
    unit_s: float | None = 1.0
    roles, counted = [], False
    times = len(key) > 1 and bool(words) and all(word in _UNITS or word in COUNTED for word in words)
    for last, word in zip(["", *words], words, strict=False):
        stem = _STEM.fullmatch(word)
        if stem is not None:
            roles += [role for role in (Role.ONSET, Role.OFFSET, Role.DURATION) if stem[role.value]]
            unit_s = 1e-3 if stem["unit"].endswith("ms") else unit_s
        elif word in _UNITS:
            unit_s = _UNITS[word]
        elif (last, word) in _IDIOMS:
            times = True
        elif word in NO_TIME:
            unit_s, counted = None, True
        elif word in _TIMES:
            times = True
        elif word not in _FILL | NO_TIME:
            return _other(key, words)
    if not roles and not times:
        return _other(key, words)
    role = roles[0] if len(roles) == 1 else Role.TIMES  # "start - end" heads a column of ranges
    return Name(role, unit_s, counted=counted)


def times_alone(names: Sequence[Name]) -> list[Name]:
    """Of what is told in seconds and in frames as well, the seconds: frames beside them are a remark."""
    told = any(name.role in _TIMED and not name.counted for name in names)
    return [Name(Role.REMARK) if told and name.counted else name for name in names]


def is_counter(key: str) -> bool:
    """Whether a key numbers the events of the one that it stands under: "2", "occurrence 2"."""
    return _COUNTER.fullmatch(key.strip()) is not None


def is_unit(word: str) -> bool:
    """Whether a word in lower case is a unit, of time or of none."""
    return word in _UNITS or word in NO_TIME


def sort_in_demand(sorts: Collection[Sort | None], captioned: bool) -> Sort | None:
    """Which of an event's labels is asked for: its class, or what is said of it.

    >>> sort_in_demand([Sort.KIND, Sort.CAPTION], captioned=False)
    <Sort.KIND: 'kind'>
    """
    order = (Sort.CAPTION, Sort.CLASS, Sort.KIND) if captioned else (Sort.CLASS, Sort.KIND, Sort.CAPTION)
    return next((sort for sort in order if sort in sorts), None)


def unit_of(text: str) -> float | None:
    """Seconds in a unit that is called so, "second(s)" or "ms from start"; None for what is none, such as frames."""
    word = _UNIT_WORD.match(text.strip().lower())
    return None if word is None else 60.0 if word[0] == "min" else _UNITS.get(word[0])


def _other(key: str, words: list[str]) -> Name:
    in_brackets = _IN_BRACKETS.search(key)
    if in_brackets is not None and in_brackets.end() == len(key):
        return Name(None, _UNITS.get(in_brackets[1].lower(), 1.0))  # "a dog barks (ms)"
    if all(word in _LABELS | _REMARKS | _FILL | _TIMES for word in words):
        if not _REMARKS.isdisjoint(words):
            return Name(Role.REMARK)  # also "frequency range"
        if not _LABELS.isdisjoint(words) and _TIMES.isdisjoint(words):
            is_caption, is_kind = not _CAPTIONS.isdisjoint(words), not _KINDS.isdisjoint(words)
            return Name(Role.LABEL, sort=Sort.CAPTION if is_caption else Sort.KIND if is_kind else Sort.CLASS)
    return Name(None)
