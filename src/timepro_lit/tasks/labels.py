"""What words say of the times beside them: the labels that lead or follow these, and their unit."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from timepro_lit.tasks.brackets import Group
from timepro_lit.tasks.names import Role, Sort, is_unit, name_of, sort_in_demand
from timepro_lit.tasks.ranges import Range
from timepro_lit.tasks.times import unit_before, unit_behind

_BULLET = r"[ \t]{0,8}(?:[-*•][ \t]{1,4})?(?:[0-9]{1,3}[.)][ \t]{1,4})?[*_`\"'“’]{0,4}"
_KEY = re.compile(
    rf"(?:\A|(?<=[\n\r;,|])){_BULLET}(?P<key>[^\n\r,;:(|]{{1,128}}?)[ \t*_`\"'“’]{{0,8}}(?::(?![0-9])|(?<![0-9]):)"
)
_BEGINS = re.compile(rf"\A{_BULLET}")
_EDGES = " \t*_`\"'“’"
_LEAD = re.compile(
    rf"{_BULLET}(?P<label>\w[^\n\r]{{0,127}}?)[{_EDGES}]{{0,4}}(?P<by>(?:[(\[,|=:-][{_EDGES}]{{0,4}}){{1,2}})\Z"
)
_TRAIL = re.compile(rf"[ \t)\]*]{{0,8}}(?P<by>[,:|-]?)[{_EDGES}]{{0,4}}(?P<label>\w[^\n\r]*)")
_VALUE_END = re.compile(r"[|\n\r;]|\s(?P<key>[^\W\d_]{1,24})\s?[:=]")
_LINK = re.compile(r"[\s,;.(\[]{1,8}(?:and|from|at|between|during)\s{0,4}\Z")
_MOST_WORDS = 6
_NO_LABEL = frozenset((
    "is", "are", "was", "were", "with", "in", "between", "at", "from", "to", "and", "then", "there", "that",
))  # fmt: skip
"""With one of these at an end, words are a part of a sentence: "The timestamps are [0.5, 1.2]"."""
_SUBJECTS = frozenset((
    "a", "an", "the", "this", "that", "it", "i", "we", "you", "he", "she", "they", "one", "some", "yes", "no", "sure",
    "so", "thus", "answer", "here", "first", "next", "finally", "also", "again", "after", "before",
    "during", "within", "about", "around", "roughly", "approximately", "maybe", "perhaps", "probably", "possibly",
    "clip", "occurs", "heard", "once", "von", "vom", "de", "du", "在", "从",
))  # fmt: skip
"""With one of these before, words are a sentence, and no class: "A dog barks from 0.5 to 1.2 s"."""
_LIST_SIGNS = re.compile(r"[\s)\].,;]{0,8}(?:and\s)?")
_LIST_WORDS = re.compile(r"(?:[^\w]|from|between|at|then|and|again){0,16}")


Labelled = tuple[Group, str | None, float | None]
"""A group, the label that stands beside it, and seconds in the unit of its bare numbers; None for no known one."""


@dataclass(frozen=True, slots=True)
class Key:
    """Words before a colon."""

    start: int
    end: int
    text: str
    role: Role | None


def keys_of(text: str, plain: str, ranges: Sequence[Range] = ()) -> list[Key]:
    """The keys of running words; none that a range stands in, `0.1s - 0.6s: dog`."""
    found = []
    for match in _KEY.finditer(plain):
        text_of = text[match.start("key") : match.end("key")].strip()
        key = Key(match.start("key"), match.end(), text_of, name_of(text_of).role)
        if any(character.isalpha() for character in text_of) and not _overlaps(key, ranges):
            found.append(key)
    return found


def governed(ranges: Sequence[Range], keys: Sequence[Key]) -> list[tuple[Range, Key | None]]:
    """Each range with the last key before it, but for those that are remarks."""
    starts = [key.start for key in keys]
    governing = [keys[bisect_right(starts, r.start) - 1] if keys and starts[0] <= r.start else None for r in ranges]
    return [(r, key) for r, key in zip(ranges, governing, strict=True) if key is None or key.role is not Role.REMARK]


def told_labels(
    keys: list[Key], text: str, plain: str, ranges: Sequence[Range] = (), captioned: bool = False
) -> list[tuple[int, str | None]]:
    """Where a label begins to hold: what a key such as "Event" says; without one, a key of its own."""
    told: list[tuple[int, str, Sort | None]] = []
    for key, following in zip(keys, [*keys[1:], None], strict=False):
        if key.role is Role.LABEL:
            stop = len(plain) if following is None else following.start
            behind = bisect_left(ranges, key.end, key=lambda r: r.start)
            stop = min(stop, ranges[behind].start) if behind < len(ranges) else stop
            said = text[key.end : stop]
            ends = (m.start() for m in _VALUE_END.finditer(said) if m["key"] is None or name_of(m["key"]).role)
            said = _LINK.sub("", said[: next(ends, len(said))]).strip(_EDGES + ",-(")
            told += [(key.start, said, name_of(key.text).sort)] if any(c.isalpha() for c in said) else []
    told = [one for one in told if name_of(one[1]).role is not Role.LABEL] or told  # Title: Sound events
    counts = Counter(sort for _, _, sort in told)
    of_each = [sort for sort, count in counts.items() if 2 * count > max(counts.values())]  # others are of all events
    asked_for = sort_in_demand(of_each, captioned)
    found: list[tuple[int, str | None]] = [(start, said) for start, said, sort in told if sort is asked_for]
    return found or [(key.start, key.text) for key in keys if key.role is None]


def labels_beside(
    text: str, plain: str, told: list[tuple[Range, Key | None]], named: list[tuple[int, str | None]]
) -> list[str | None]:
    """For each range the key before it on its line; else what leads or follows it there; else the last key.

    `named` holds what keys such as "Event" say, and where: the label of a range to which nothing else gives one.
    """
    found: list[str | None] = []
    last_line, last_end, last_label, follows = -1, 0, None, False
    lines = [0, *(match.end() for match in re.finditer(r"[\n\r]", plain))]
    starts = [start for start, _ in named]
    named_behind = bool(starts) and starts[0] > told[0][0].start
    for (r, key), following in zip(told, [*(r.start for r, _ in told[1:]), len(plain)], strict=True):
        line = lines[bisect_right(lines, r.start) - 1]
        again, holds = line == last_line, True
        follows = follows and again
        label = key.text if key is not None and key.role is None else None
        governed = key is not None and key.start >= line
        if not governed or label is None or again:
            begins = last_end if again else (key.end if key is not None and governed else line)
            signs = _LIST_SIGNS.match(plain, begins, r.start) if again else None
            begins = begins if signs is None else signs.end()
            lead = _worded(_LEAD.fullmatch(plain, begins, r.start))
            trail = _worded(_TRAIL.match(plain, r.end, following))
            if again and _LIST_WORDS.fullmatch(plain, begins, r.start):
                label = last_label
            elif trail is not None and (follows if again else lead is None and _leads(r, trail)):
                follows = True
                label = _bare(text[trail.start("label") : trail.end("label")])
            elif lead is not None and (":" in lead["by"] or not (governed and label)):
                label = _bare(text[lead.start("label") : lead.end("label")])
            elif again and label is None:  # Event: Dog 0.5-1.2 s, Speech 1.5-2.8 s
                label, holds = _bare(text[begins : r.start]), False
            elif not again and not governed and not named and (label is None or _is_heading(label)):
                own = _bare(_BEGINS.sub("", text[line : r.start], count=1))
                label = own if own is not None and _is_class(own) else label
        if label is None and named and holds:
            place = bisect_right(starts, r.start) - (not named_behind)
            label = named[place][1] if 0 <= place < len(named) else None
        last_line, last_end, last_label = line, r.end, label
        found.append(label)
    return found


def labelled_groups(
    text: str, plain: str, outside: str, told: Sequence[tuple[str | None, bool, Group]]
) -> list[Labelled]:
    """Groups in brackets, each with the label and the unit of bare numbers that stand beside it.

    `told` holds them with the last key before and whether they stand right behind that; `outside` is `plain` with
    spaces for groups. A group with keys of its own has the key before it for a label, another one what its line says.
    The unit is None for one that cannot be told.
    """
    if not told:
        return []
    places: list[tuple[Range, Key | None]] = []
    units: list[float | None] = []
    for key, is_first, group in told:
        end = len(plain) if group.end is None else group.end
        unit_s, end = unit_behind(plain, end) or (unit_before(plain, group.start), end)
        colon = plain.rfind(":", 0, group.start) if is_first else -1
        before = None if key is None else Key(colon, colon + 1, key, name_of(key).role)
        places.append((Range(0, 0, group.start + 1, end, None, place="line"), before))
        units.append(unit_s)
    named = told_labels([key for key in keys_of(text, outside) if key.role is Role.LABEL], text, outside)
    found = []
    for (key, _, group), label, unit_s in zip(told, labels_beside(text, plain, places, named), units, strict=True):
        label = label if all(inner is None for inner, _ in group.entries) else key
        names = [name_of(words) for words in (key, label) if words is not None]
        unit_s = next((name.unit_s for name in names if name.unit_s != 1.0), unit_s)
        is_label = label is None or name_of(label).role is not Role.TIMES
        found.append((group, label if is_label else None, unit_s))
    return found


def _overlaps(key: Key, ranges: Sequence[Range]) -> bool:
    before = bisect_left(ranges, key.end, key=lambda r: r.start)
    return before > 0 and ranges[before - 1].end > key.start


def _worded(label: re.Match[str] | None) -> re.Match[str] | None:
    """A label that has a letter: the number of a list's item is none."""
    return label if label is not None and any(character.isalpha() for character in label["label"]) else None


def _bare(label: str) -> str | None:
    """A label without the words and signs that link it to its times; None for words that say something else."""
    text = _LINK.sub("", label).strip(_EDGES + ".,;:([=>→")
    text = text[:-1].rstrip(_EDGES) if text.endswith(" -") else text
    pieces = [piece.strip(_EDGES + ")]") for piece in re.split(r"[:;|(\[]", text)]
    kept = [piece for piece in pieces if piece and name_of(piece).role is None]
    if len(kept) < len(pieces):  # Event: Dog (Time
        kept = [piece for piece in kept if not is_unit(piece.lower())]
        text = kept[-1] if kept else ""
    words = text.lower().split()
    if not words or len(words) > _MOST_WORDS or words[0] in _NO_LABEL or words[-1] in _NO_LABEL:
        return None
    return text


def _is_class(words: str) -> bool:
    """Whether words before a range may name a class: "Dog", not "✓", and not the beginning of a sentence."""
    worded = words[0].isalnum() and any(character.isalpha() for character in words)
    return worded and words.split()[0].lower() not in _SUBJECTS


def _is_heading(label: str) -> bool:
    """Whether words over times name no class: "The sounds are", "Detected events"."""
    return _bare(label) is None or name_of(label.split()[-1]).role in (Role.LABEL, Role.TIMES)


def _leads(r: Range, behind: re.Match[str]) -> bool:
    """Whether what stands behind a range is its label."""
    return r.place == "line" or (r.place == "from" and behind["by"] == ":")
