"""Events in a model's answer, read leniently: total, linear in the length, bounded in what it returns.

An answer goes one way, and what is found first is the answer:

1. as the task writes it (`well_formed`);
2. what was thought before it is left out (`thinking`);
3. rows: subtitles, label tracks, tables (`rows`);
4. brackets: keys that name times, pairs, ranges, lists of labels beside lists of times (`brackets`, `entries`), and
   what the words beside brackets say of them (`labels`);
5. words: named times, ranges with a unit or two decimals, bare ranges, bare lists (`prose`, `ranges`, `labels`);
6. that there is nothing to be told, where a task asks for all occurrences of one thing (`absence`).

An answer that is one JSON string is decoded first, and a quoted value in brackets is read as if it had no quotes. Times
are read whole or not at all (`times`, which lists the notations that cannot be told apart).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import compress

from timepro_lit.tasks import absence, well_formed
from timepro_lit.tasks.brackets import Group, read_groups, words_within
from timepro_lit.tasks.denials import denies_times
from timepro_lit.tasks.entries import MAX_EVENTS, Findings, read_entries
from timepro_lit.tasks.keyed import is_remark, only_remarks, record_of_lists, stated_unit
from timepro_lit.tasks.labels import Labelled, labelled_groups
from timepro_lit.tasks.named_times import Span
from timepro_lit.tasks.prose import read_named_lines, read_prose
from timepro_lit.tasks.ranges import find_ranges, items_of
from timepro_lit.tasks.rows import read_lines as read_timed_lines
from timepro_lit.tasks.rows import read_rows
from timepro_lit.tasks.thinking import answer_part
from timepro_lit.tasks.typography import plain as in_plain_signs
from timepro_lit.tasks.typography import with_line_ends

MAX_CHARS = 32_768
"""Longer answers are cut: 256 events leave 128 characters to each."""
_DECIMAL_LIST = re.compile(r"[\[({]\s{0,8}[0-9]++,[0-9]++\s{0,8};")
_COMMA_LISTS = re.compile(r"[\[({:]\s{0,8}([0-9]++(?:,\s{0,8}[0-9]++){3,}+)\s{0,8}[\])},]")
_FENCED = re.compile(r"`{3,}+(?:[^`]++|`{1,2}(?!`))*+(?:`{3,}+|\Z)")
_QUOTED_KEY = re.compile(r"[\"'“’]\s{0,3}:\s{0,3}\Z")
_MOST_SIGNS = 16
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
        pairs = {span[:2] for span in reading.spans}
        said = [word.plain for word in words_within(root) if word.quoted]
        in_groups = any(_denied(one) for one in said if _all_read(one, pairs))
        denied = in_groups or absence.is_said_absent(root) if groups else _denied(plain)
        return Reading((), False, _once([*reading.repairs, "denied"])) if denied else reading
    told = Findings([])
    read_prose(text, _outside(plain, groups), told)  # "[]", and times in words beside it
    return replace(reading, says_none=not told.spans and absence.says_none(plain, root))


def _all_read(plain: str, pairs: set[tuple[float, float]]) -> bool:
    """Whether words hold ranges, and those are the answer's."""
    ranges = find_ranges(plain, items_of(plain))
    return bool(ranges) and all(r.pair in pairs for r in ranges)


def _denied(plain: str) -> bool:
    return denies_times(plain, [(r.start, r.end) for r in find_ranges(plain, items_of(plain))])


def read_lines(text: str) -> Reading:
    """Events of lines `onset-offset, description`; where no line is one, of rows, brackets or named times."""
    spans = well_formed.read_lines(text) if len(text) <= MAX_CHARS else None
    if spans is not None and len(spans) <= MAX_EVENTS:
        return Reading(spans, False, ())
    text, plain, repairs = _answer(text, captioned=True)
    found = Findings(list(repairs), captioned=True)
    if not read_rows(text, plain, found):
        lines = with_line_ends(plain)
        found.repairs += ["one_line"] if lines != plain else []
        read_timed_lines(with_line_ends(text), lines, found)
    if found.spans or "ambiguous" in found.repairs:
        return _reading(found)
    if "{" in plain or "[" in plain:
        reading = _read(text, plain, repairs, captioned=True)
        return Reading(reading.spans, False, _once(["json", *reading.repairs]))
    read_named_lines(text, plain, found)
    return _reading(found)


def _answer(text: str, captioned: bool = False) -> tuple[str, str, list[str]]:
    """The part of the text that is the answer, the same in plain signs, and what was needed to find it."""
    repairs = ["too_long"] if len(text) > MAX_CHARS else []
    text = text[:MAX_CHARS]
    decoded = _decoded(text)
    if decoded is not None:
        repairs.append("json_string")
        text = decoded
    plain = in_plain_signs(text)
    part = answer_part(plain, captioned)
    if plain[: part.start].strip() or plain[part.stop :].strip():
        repairs.append("thinking")
    return text[part], plain[part], repairs


def _decoded(text: str) -> str | None:
    """An answer that is one JSON string, with its outer quotes or without; None for anything else."""
    stripped = text.strip()
    if not stripped.startswith('"') and '"' in stripped and stripped.count('"') == stripped.count('\\"'):
        stripped = f'"{stripped}"'
    if stripped[:1] != '"' or stripped[-1:] != '"' or len(stripped) < 2:
        return None
    try:
        return str(json.loads(stripped, strict=False))
    except json.JSONDecodeError:
        return None


def _read(text: str, plain: str, repairs: list[str], captioned: bool = False) -> Reading:
    found = Findings(repairs, captioned=captioned)
    if not captioned and read_rows(text, plain, found):
        return _reading(found)
    if any(_TIGHT_COMMA.search(listed[1]) for listed in _COMMA_LISTS.finditer(plain)) or _DECIMAL_LIST.search(plain):
        repairs.append("ambiguous")
    root = read_groups(text, plain, repairs)
    within = [
        (key, key is not None and place == 0, value)
        for key, values in root.entries
        for place, value in enumerate(values)
        if isinstance(value, Group)
    ]
    outside = _outside(plain, [group for _, _, group in within])
    told = [one for one in within if not (is_remark(one[0]) or only_remarks(one[2]))] or within
    # Numbers in the prose around brackets are none of the answer's times, so brackets come first, alone.
    stated_s = stated_unit(root, 1.0)
    for groups in _groups_by_worth(plain, told, labelled_groups(text, plain, outside, told)):
        found = Findings(repairs, captioned=captioned)
        for group, label, unit_s in groups:
            read_entries(group, label, found, stated_s if unit_s == 1.0 else unit_s)
        found.spans = found.chosen()
        if found.spans:
            break
    says_none = bool(within) and not found.spans and not {"unclear", "ambiguous"} & set(repairs)
    says_none = says_none and all(group.closed for _, _, group in within)
    if not captioned and not found.spans and not says_none:
        read_prose(text, outside, found)
        found.repairs += ["ambiguous"] if stated_s != 1.0 else []
    return _reading(found, says_none)


def _groups_by_worth(
    plain: str, told: list[tuple[str | None, bool, Group]], labelled: list[Labelled]
) -> Iterator[list[Labelled]]:
    """Which groups to read: those of one record; else those in an answer's form; where these hold no events, all.

    Brackets of running words are none of an answer that is an object, a list of objects, or fenced:
    `The dog at [1.2, 3.48] ... {"a dog barks": [1.2, 3.48]}`.
    """
    record = record_of_lists(plain, [group for group, _, _ in labelled])
    if record is not None and not any(_is_object(group) for group, _, _ in labelled):
        units = {unit_s for _, _, unit_s in labelled}
        yield [(record, None, units.pop() if len(units) == 1 else None)]
        return
    fences = [fence.span() for fence in _FENCED.finditer(plain)]
    formal = [_is_object(group) or any(start < group.start < end for start, end in fences) for group, _, _ in labelled]
    if any(formal) and not all(formal):
        keyed = all(is_first for _, is_first, _ in compress(told, formal))  # dog: [1, 2] and bell: [{"start": 3, ...
        kept = [
            is_formal or (is_first and keyed) or _goes_on(plain, group.start, is_first)
            for is_formal, (_, is_first, group) in zip(formal, told, strict=True)
        ]
        yield list(compress(labelled, kept))
    yield labelled


def _goes_on(plain: str, start: int, is_first: bool) -> bool:
    """Whether a list goes on what was closed too early: `{"dog": [1, 2]}, [5, 6]`, `..., "bell": [3, 4]}`."""
    before = plain[max(0, start - _MOST_SIGNS) : start]
    return before.rstrip(" \t\r\n,")[-1:] in ("]", "}") or (is_first and _QUOTED_KEY.search(before) is not None)


def _is_object(group: Group) -> bool:
    within = (value for _, values in group.entries for value in values if isinstance(value, Group))
    return group.opener == "{" or any(_is_object(one) for one in within)


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
