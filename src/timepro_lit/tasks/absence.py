"""Answers that say that a sound does not occur: empty or null in brackets, [0, 0], [-1, -1], or so in words.

None is an answer, and an answer that cannot be read is not none: whatever hedges, counts or speaks of a part of the
clip alone says nothing here (`tasks.denials`). Every pattern is linear, as in `tasks.times`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from timepro_lit.tasks import denials
from timepro_lit.tasks.brackets import Group, Value, Word
from timepro_lit.tasks.named_times import Span
from timepro_lit.tasks.names import Role, name_of
from timepro_lit.tasks.times import FLAGS

_EMPTY = re.compile(r'\{"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-f]{4})*+": \[\]\}')
_EDGES = " \t\r\n*_`\"'“’.!,;-•#>|"
_CONDITION = re.compile(r"\b(?:if|unless|whether)\b", FLAGS)
_QUOTED = re.compile(r"[\"“][^\"“\r\n]{1,128}[\"“]")
_FENCE = re.compile(r"`{3,}+[a-z]{0,10}", FLAGS)
_DIGIT = re.compile(r"[0-9]")
_GENERIC = frozenset((
    "answer", "answers", "events", "event", "segments", "occurrences", "results", "result", "output", "moments",
    "times", "sounds", "timestamps", "intervals", "windows", "response",
))  # fmt: skip
"""Keys that stand for what was asked for, whatever it was."""
_PRESENCE = frozenset((
    "present", "presence", "detected", "found", "exists", "occurs", "audible", "heard", "occurred", "exist",
))  # fmt: skip
_FAULTS = frozenset((
    "error", "errors", "status", "warning", "warnings", "success", "ok", "valid", "supported", "available", "audio",
    "file", "loaded", "processed",
))  # fmt: skip
"""Keys that speak of the question or the file."""


def has_no_extent(span: Span) -> bool:
    """Whether times say that a sound does not occur, as corpora write it: [0, 0] or [-1, -1]."""
    return span[:2] in ((0.0, 0.0), (-1.0, -1.0))


def is_empty_object(text: str) -> bool:
    """Whether an answer is `{"a dog barks": []}`, exactly as the task writes it."""
    return _EMPTY.fullmatch(text) is not None


def says_none(plain: str, root: Group) -> bool:
    """Whether an answer in which no times were found says that there are none.

    `plain` is the answer in plain signs, `root` its tree. What stands in brackets is the answer where there are any.
    """
    groups = [value for _, values in root.entries for value in values if isinstance(value, Group)]
    if groups:
        closed = all(group.closed for group in groups) and _CONDITION.search(plain, 0, groups[0].start) is None
        return closed and all(_is_none(group) for group in groups)
    return denials.deny(_FENCE.sub(" ", plain))


def is_said_absent(group: Group) -> bool:
    """Whether a key says that what the times beside it are of is not there: `{"present": false, "start": 0, ...}`."""
    told = list(_presences(group))
    return bool(told) and all(one in ("false", "no") for one in told)


def _presences(group: Group) -> Iterator[str]:
    """What keys such as "present" say, of a group and of those within."""
    for key, values in group.entries:
        words = set() if key is None else set(_words(key))
        for value in values:
            if isinstance(value, Group):
                yield from _presences(value)
            elif words & _PRESENCE and words <= _PRESENCE | {"is", "was", "sound", "event", "it"}:
                yield value.plain.strip(_EDGES).lower()


def is_of_another(plain: str, root: Group, spans: Sequence[Span]) -> bool:
    """Whether an answer denies what was asked for first, and gives the times of another, quoted thing.

    `{"a dog barks": null, "a cat meows": [1.20, 3.48]}`, or `There is no dog. "A cat meows" from 1.20 to 3.48`.
    """
    groups = [value for _, values in root.entries for value in values if isinstance(value, Group)]
    if groups:
        keyed = [(key, values) for key, values in groups[0].entries if key and _names_a_sound(key)]
        if len(keyed) < 2 or not keyed[0][1] or not all(_is_none(value) for value in keyed[0][1]):
            return False
        return all(label not in (None, keyed[0][0]) and name_of(label or "").role is None for _, _, label in spans)
    end = denials.end_of_first_denial(plain)
    quoted = None if end is None else _QUOTED.search(plain, end)
    digit = _DIGIT.search(plain)
    return quoted is not None and digit is not None and quoted.end() <= digit.start()


def _is_none(value: Value) -> bool:
    if isinstance(value, Word):
        word = value.plain.strip(_EDGES).lower()
        return word in ("", "false", "[]", "{}") or denials.deny(value.plain)
    said = False
    for name, values in value.entries:
        if name is not None and set(_words(name)) <= _FAULTS:
            continue
        role = None if name is None else name_of(name).role
        if role in (Role.LABEL, Role.REMARK) and all(isinstance(one, Word) for one in values):
            # {"query": null} answers; {"query": "a dog barks"} repeats the question
            said = said or (bool(values) and all(_is_none(one) for one in values))
            continue
        if not values and name is not None:
            return False
        if not all(_is_none(one) for one in values):
            return False
        said = True
    return said or not value.entries


def _names_a_sound(key: str) -> bool:
    return name_of(key).role is None and not set(_words(key)) <= _GENERIC | _FAULTS


def _words(key: str) -> list[str]:
    return re.split(r"[_\s]+", key.strip().lower())
