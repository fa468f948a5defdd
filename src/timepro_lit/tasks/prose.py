"""Events in words without brackets: named times, ranges, bare lists; and the labels that lead or follow them."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from timepro_lit.tasks.entries import Findings
from timepro_lit.tasks.named_times import TIMES, NamedTimes, Span
from timepro_lit.tasks.names import Role, name_of
from timepro_lit.tasks.ranges import Item, Range, counts, find_ranges, items_of
from timepro_lit.tasks.times import amount, scaled

_BULLET = r"[ \t]{0,8}(?:[-*•][ \t]{1,4})?(?:[0-9]{1,3}[.)][ \t]{1,4})?[*_`\"'“’]{0,4}"
_KEY = re.compile(
    rf"(?:\A|(?<=[\n\r;,])){_BULLET}(?P<key>[^\n\r,;:(]{{1,128}}?)[ \t*_`\"'“’]{{0,8}}(?::(?![0-9])|(?<![0-9]):)"
)
_EDGES = " \t*_`\"'“’"
_LEAD = re.compile(rf"{_BULLET}(?P<label>[^\n\r]{{1,128}}?)[{_EDGES}]{{0,4}}[(\[,|-][{_EDGES}]{{0,4}}\Z")
_TRAIL = re.compile(rf"[ \t)\]*]{{0,8}}[,:|-]?[{_EDGES}]{{0,4}}(?P<label>[^\s({_EDGES}][^\n\r]*)")
_LIST_SIGNS = re.compile(r"[\s)\].,;]{0,8}(?:and\s)?")
_LIST_WORDS = re.compile(r"(?:[^\w]|from|between|at|then|and|again){0,16}")
_MAX_LINK = 6
"""Words between a name and its time: "starts barking at about 1.2 s"."""
_LINK_ENDS = frozenset((".", ";", "?", "!"))


@dataclass(frozen=True, slots=True)
class _Key:
    start: int
    end: int
    text: str
    role: Role | None


def read_prose(text: str, plain: str, found: Findings) -> None:
    """Takes the events of `text`; `plain` is the same in plain signs."""
    keys = _keys(text, plain)
    items = items_of(plain)
    named = _named(plain, items, keys, text)
    if named:
        found.repairs.append("record")
        found.add(*named)
        return
    ranges = find_ranges(plain, items)
    starts = [key.start for key in keys]
    governing = [keys[bisect_right(starts, r.start) - 1] if keys and starts[0] <= r.start else None for r in ranges]
    told = [(r, key) for r, key in zip(ranges, governing, strict=True) if key is None or key.role is not Role.REMARK]
    if any(r.pair is None for r, _ in told):
        found.repairs.append("ambiguous")
    elif told:
        labels = _labels(text, plain, told)
        found.add(*((*r.pair, label) for (r, _), label in zip(told, labels, strict=True) if r.pair is not None))
    else:
        _read_lists(plain, items, keys, found)


def read_named_lines(text: str, plain: str, found: Findings) -> None:
    """Takes events told by keys alone, with their labels: `Caption: a dog`, `Start: 1.2`, `End: 3.48`."""
    keys = _keys(text, plain)
    if any(key.role is Role.LABEL for key in keys):
        named = _named(plain, items_of(plain), keys, text)
        found.repairs.append("record" if named else "prose")
        found.add(*named)


def _keys(text: str, plain: str) -> list[_Key]:
    found = []
    for match in _KEY.finditer(plain):
        key = text[match.start("key") : match.end("key")].strip()
        if any(character.isalpha() for character in key):
            found.append(_Key(match.start("key"), match.end(), key, name_of(key).role))
    return found


def _named(plain: str, items: list[Item], keys: list[_Key], text: str) -> list[Span]:
    """Events whose starts and ends are named, in the order of the words."""
    told: list[tuple[Role, float | None, int]] = []
    index = 0
    while index < len(items):
        role, unit_s = _role(items, index)
        at = _time_of(items, index) if role is not None else None
        if role is None or at is None:
            index += 1
            continue
        time = amount(items[at].text)
        seconds = time.seconds
        told.append((role, seconds if seconds is None or time.unit_s else scaled(seconds, unit_s), items[at].start))
        index = at + 1
    roles = [role for role, _, _ in told]
    if Role.ONSET not in roles and not {Role.OFFSET, Role.DURATION} <= set(roles):
        return []
    if Role.ONSET in roles and Role.ONSET not in (roles[0], roles[-1]):  # the end of something else
        told = told[roles.index(Role.ONSET) :]
    return _put_together(told, keys, text, plain)


def _put_together(told: list[tuple[Role, float | None, int]], keys: list[_Key], text: str, plain: str) -> list[Span]:
    record, spans = NamedTimes(), []
    labels = _label_lines(keys, text, plain)
    starts = [start for start, _ in labels]
    follow = bool(starts) and starts[0] > told[0][2]  # each label stands behind its times
    for role, seconds, start in told:
        place = bisect_right(starts, start) - (not follow)
        label = [labels[place][1] if 0 <= place < len(labels) else None]
        spans.extend(record.add(role, None if seconds is None else [seconds], label) or [])
    return [*spans, *(record.finish() or [])]


def _label_lines(keys: list[_Key], text: str, plain: str) -> list[tuple[int, str | None]]:
    """Where a label begins to hold: a key of its own, or what a key such as "Event" says."""
    found: list[tuple[int, str | None]] = []
    named = any(key.role is Role.LABEL for key in keys)
    for key, following in zip(keys, [*keys[1:], None], strict=False):
        if key.role is Role.LABEL:
            stop = len(plain) if following is None else following.start
            line = re.split(r"[\n\r;]", text[key.end : stop], maxsplit=1)[0]
            found.append((key.start, line.strip(_EDGES + ",-")))
        elif key.role is None and not named:
            found.append((key.start, key.text))
    return found


def _role(items: list[Item], index: int) -> tuple[Role | None, float]:
    item = items[index]
    if item.kind == "joint" and item.text in ("until", "till", "to"):
        joins = index > 0 and items[index - 1].kind == "time" and item.text == "to"
        return (None if joins and not _is_key(items, index) else Role.OFFSET), 1.0
    if item.kind != "word":
        return None, 1.0
    name = name_of(item.text)
    if name.role not in TIMES:
        lasts = item.text in ("lasts", "lasting", "lasted")
        return (Role.DURATION if lasts else None), 1.0
    following = items[index + 1 : index + 4]
    if item.text == "from" and not _is_key(items, index):
        return None, 1.0
    return name.role, 1e-3 if any(word.text == "ms" for word in following) else name.unit_s


def _is_key(items: list[Item], index: int) -> bool:
    return index + 1 < len(items) and items[index + 1].text in (":", "=")


def _time_of(items: list[Item], index: int) -> int | None:
    """The time that the name at `index` is followed by, unless it is a range's or counts something."""
    for at in range(index + 1, min(index + 2 + _MAX_LINK, len(items))):
        item = items[at]
        if item.kind == "time":
            in_range = at + 2 < len(items) and items[at + 1].kind == "joint" and items[at + 2].kind == "time"
            return None if in_range or counts(items, at) else at
        is_name = item.kind == "word" and item.text != "from" and name_of(item.text).role in TIMES
        if is_name or item.text in _LINK_ENDS or (item.kind == "joint" and item.text not in ("to", "-")):
            return None
    return None


def _labels(text: str, plain: str, told: list[tuple[Range, _Key | None]]) -> list[str | None]:
    """For each range the key before it on its line; else what leads its line, or follows; else the last key."""
    found: list[str | None] = []
    last_line, last_end, last_label = -1, 0, None
    lines = [0, *(match.end() for match in re.finditer(r"[\n\r]", plain))]
    for r, key in told:
        line = lines[bisect_right(lines, r.start) - 1]
        label = key.text if key is not None and key.role is None else None
        if key is None or key.start < line:
            signs = _LIST_SIGNS.match(plain, last_end, r.start) if line == last_line else None
            begins = line if signs is None else signs.end()
            lead = _LEAD.fullmatch(plain, begins, r.start)
            trail = _TRAIL.match(plain, r.end) if r.place == "line" else None
            if line == last_line and _LIST_WORDS.fullmatch(plain, begins, r.start):
                label = last_label
            elif lead is not None:
                label = text[lead.start("label") : lead.end("label")]
            elif trail is not None:
                label = text[trail.start("label") : trail.end("label")].strip(_EDGES + ".,;")
        last_line, last_end, last_label = line, r.end, label
        found.append(label)
    return found


def _read_lists(plain: str, items: list[Item], keys: list[_Key], found: Findings) -> None:
    """Takes pairs of lists that hold nothing but times: `dog: 0.1, 0.6`."""
    cuts = [*((key.end, key.start) for key in keys), (len(plain), len(plain))]
    start, label, position = 0, None, 0
    for number, (end, stop) in enumerate(cuts):
        listed = []
        while position < len(items) and items[position].start < stop:
            if items[position].start >= start:
                listed.append(items[position])
            position += 1
        times = [amount(item.text) for item in listed if item.kind == "time"]
        if len(times) > 1 and all(item.kind in ("time", "line") or item.text in ",;()." for item in listed):
            if any(time.seconds is None or (time.comma and time.unit_s is None) for time in times) or len(times) % 2:
                found.repairs.append("ambiguous")
            elif label is None or label.role is not Role.REMARK:
                seconds = [time.seconds for time in times if time.seconds is not None]
                if len(seconds) > 2 or label is not None:
                    found.repairs.append("flat_list")
                pairs = zip(seconds[::2], seconds[1::2], strict=True)
                found.add(*((onset, offset, None if label is None else label.text) for onset, offset in pairs))
        start = end
        label = keys[number] if number < len(keys) else None
