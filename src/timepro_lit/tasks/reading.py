"""Events in a model's answer, read leniently: total, linear in the length, bounded in what it returns.

An answer goes one way, and what is found first is the answer:

1. as the task writes it (`well_formed`);
2. what was thought before it is left out (`thinking`);
3. rows: subtitles, label tracks, tables (`rows`);
4. brackets: keys that name times, pairs, ranges (`brackets`, `entries`);
5. words: named times, ranges with a unit or two decimals, bare ranges, bare lists (`prose`, `ranges`);
6. that there is nothing to be told, where a task asks for all occurrences of one thing (`absence`).

Times are read whole or not at all (`times`, which lists the notations that cannot be told apart).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from timepro_lit.tasks import absence, well_formed
from timepro_lit.tasks.brackets import Group, read_groups
from timepro_lit.tasks.denials import denies_times
from timepro_lit.tasks.entries import MAX_EVENTS, Findings, read_entries
from timepro_lit.tasks.named_times import Span
from timepro_lit.tasks.names import Role, name_of
from timepro_lit.tasks.prose import read_named_lines, read_prose
from timepro_lit.tasks.ranges import find_ranges, items_of
from timepro_lit.tasks.rows import read_lines as read_timed_lines
from timepro_lit.tasks.rows import read_rows
from timepro_lit.tasks.thinking import answer_part
from timepro_lit.tasks.typography import plain as in_plain_signs

MAX_CHARS = 32_768
"""Longer answers are cut: 256 events leave 128 characters to each."""
_DECIMAL_LIST = re.compile(r"[\[({]\s{0,8}[0-9]++,[0-9]++\s{0,8};")
_COMMA_LISTS = re.compile(r"[\[({:]\s{0,8}([0-9]++(?:,\s{0,8}[0-9]++){3,}+)\s{0,8}[\])},]")
_TIGHT_COMMA = re.compile(r",(?=[0-9])")


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
    spans = well_formed.read_object(text) if len(text) <= MAX_CHARS else None
    if spans is not None and len(spans) <= MAX_EVENTS:
        return Reading(spans, False, ())
    text, plain, repairs = _answer(text)
    return _read(text, plain, repairs)


def read_occurrences(text: str) -> Reading:
    """All times at which one thing happens, as `read_events` reads them; `says_none` where it is said not to happen.

    [0, 0] or [-1, -1] is no time, and alone says none. Times win over words, unless they are of another thing
    (`absence.is_of_another`) or of what is denied (`denials.denies_times`), which is no answer.
    """
    if len(text) <= MAX_CHARS and absence.is_empty_object(text):
        return Reading((), True, ())
    reading = read_events(text)
    if "ambiguous" in reading.repairs:
        return replace(reading, says_none=False)
    text, plain, _ = _answer(text)
    root = read_groups(text, plain, [])
    groups = [value for _, values in root.entries for value in values if isinstance(value, Group)]
    kept = tuple(span for span in reading.spans if not absence.has_no_extent(span))
    if len(kept) < len(reading.spans):
        reading = Reading(kept, not kept, _once([*reading.repairs, "no_extent"]))
        if not kept:
            return reading
    if reading.spans:
        if absence.is_of_another(plain, root, reading.spans):
            return Reading((), True, _once([*reading.repairs, "of_another"]))
        denied = not groups and denies_times(plain, [found.start for found in find_ranges(plain, items_of(plain))])
        return Reading((), False, _once([*reading.repairs, "denied"])) if denied else reading
    told = Findings([])
    read_prose(text, _outside(plain, groups), told)  # "[]", and times in words beside it
    return replace(reading, says_none=not told.spans and absence.says_none(plain, root))


def read_lines(text: str) -> Reading:
    """Events of lines `onset-offset, description`; where no line is one, of rows, JSON or named times."""
    spans = well_formed.read_lines(text) if len(text) <= MAX_CHARS else None
    if spans is not None and len(spans) <= MAX_EVENTS:
        return Reading(spans, False, ())
    text, plain, repairs = _answer(text)
    found = Findings(list(repairs))
    if not read_rows(text, plain, found):
        read_timed_lines(text, plain, found)
    if found.spans or "ambiguous" in found.repairs:
        return _reading(found)
    if "{" in plain or "[" in plain:
        reading = _read(text, plain, repairs, with_prose=False)
        return Reading(reading.spans, False, _once(["json", *reading.repairs]))
    read_named_lines(text, plain, found)
    return _reading(found)


def _answer(text: str) -> tuple[str, str, list[str]]:
    """The part of the text that is the answer, the same in plain signs, and what was needed to find it."""
    repairs = ["too_long"] if len(text) > MAX_CHARS else []
    text = text[:MAX_CHARS]
    plain = in_plain_signs(text)
    part = answer_part(plain)
    if plain[: part.start].strip() or plain[part.stop :].strip():
        repairs.append("thinking")
    return text[part], plain[part], repairs


def _read(text: str, plain: str, repairs: list[str], with_prose: bool = True) -> Reading:
    found = Findings(repairs)
    if with_prose and read_rows(text, plain, found):
        return _reading(found)
    if any(_TIGHT_COMMA.search(listed[1]) for listed in _COMMA_LISTS.finditer(plain)) or _DECIMAL_LIST.search(plain):
        repairs.append("ambiguous")
    root = read_groups(text, plain, repairs)
    within = [(key, value) for key, values in root.entries for value in values if isinstance(value, Group)]
    told = [(key, group) for key, group in within if key is None or name_of(key).role is not Role.REMARK] or within
    # Numbers in the prose around brackets are none of the answer's times, so brackets come first, alone.
    for key, group in told:
        read_entries(group, key, found)
    found.spans = found.chosen()
    says_none = bool(within) and not found.spans and not {"unclear", "ambiguous"} & set(repairs)
    says_none = says_none and all(group.closed for _, group in within)
    if with_prose and not found.spans and not says_none:
        read_prose(text, _outside(plain, [group for _, group in within]), found)
    return _reading(found, says_none)


def _outside(plain: str, groups: list[Group]) -> str:
    """The text with spaces in place of groups."""
    parts, start = [], 0
    for group in groups:
        end = len(plain) if group.end is None else group.end
        parts += [plain[start : group.start], " " * (end - group.start)]
        start = end
    return "".join([*parts, plain[start:]])


def _reading(found: Findings, says_none: bool = False) -> Reading:
    spans = () if "ambiguous" in found.repairs else tuple(found.spans)
    return Reading(spans, says_none, _once(found.repairs))


def _once(repairs: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(repairs))
