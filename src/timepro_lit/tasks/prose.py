"""Events in words without brackets: named times, ranges, bare lists; and the labels that lead or follow them."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise, takewhile

from timepro_lit.tasks.entries import Findings
from timepro_lit.tasks.labels import Key, governed, keys_of, labels_beside, told_labels
from timepro_lit.tasks.named_times import TIMES, NamedTimes, Span
from timepro_lit.tasks.names import NO_TIME, Role, is_unit, name_of, unit_of
from timepro_lit.tasks.ranges import Item, counts, find_ranges, items_of
from timepro_lit.tasks.times import amount, scaled

_Told = tuple[Role, list[float] | None, int]
"""What is named, its times in seconds (None: no times), and where they stand."""
_MAX_LINK = 6
"""Words between a name and its time: "starts barking at about 1.2 s"."""
_DECORATION = frozenset("*_`\"'“’")
_LINK_ENDS = frozenset((".", ";", "?", "!"))


def read_prose(text: str, plain: str, found: Findings) -> None:
    """Takes the events of `text`; `plain` is the same in plain signs."""
    items = items_of(plain)
    ranges = find_ranges(plain, items)
    keys = keys_of(text, plain, ranges)
    named = _named(plain, items, keys, text, found.captioned)
    if named is None or named:
        found.repairs.append("record" if named else "ambiguous")
        found.add(*named or ())
        return
    told = governed(ranges, keys)
    if any(r.pair is None for r, _ in told):
        found.repairs.append("ambiguous")
    elif told:
        named_labels = told_labels([key for key in keys if key.role is Role.LABEL], text, plain, ranges)
        labels = labels_beside(text, plain, told, named_labels)
        found.add(*((*r.pair, label) for (r, _), label in zip(told, labels, strict=True) if r.pair is not None))
    else:
        _read_lists(plain, items, keys, found)


def read_named_lines(text: str, plain: str, found: Findings) -> None:
    """Takes events told by keys alone, with their labels: `Caption: a dog`, `Start: 1.2`, `End: 3.48`."""
    keys = keys_of(text, plain)
    if any(key.role is Role.LABEL for key in keys):
        named = _named(plain, items_of(plain), keys, text, found.captioned)
        found.repairs.append("ambiguous" if named is None else "record" if named else "prose")
        found.add(*named or ())


def _named(plain: str, items: list[Item], keys: list[Key], text: str, captioned: bool) -> list[Span] | None:
    """Events whose starts and ends are named, in the order of the words; None for lists of them that do not pair."""
    told: list[_Told] = []
    index = 0
    while index < len(items):
        role, unit_s = _role(items, index)
        at = _time_of(items, index) if role is not None else None
        if role is None or at is None:
            index += 1
            continue
        index = at + 1
        while _goes_on(items, index):
            index += 2
        if index < len(items) and items[index].text == "%":
            unit_s = None
        seconds = [_seconds(item.text, unit_s) for item in items[at:index:2]]
        times_s = [time for time in seconds if time is not None]
        told.append((role, times_s if len(times_s) == len(seconds) else None, items[at].start))
    roles = [role for role, _, _ in told]
    if Role.ONSET not in roles and not {Role.OFFSET, Role.DURATION} <= set(roles):
        return []
    if Role.ONSET in roles and Role.ONSET not in (roles[0], roles[-1]):  # the end of something else
        told = told[roles.index(Role.ONSET) :]
    return _put_together(told, told_labels(keys, text, plain, captioned=captioned))


def _put_together(told: list[_Told], labels: list[tuple[int, str | None]]) -> list[Span] | None:
    record = NamedTimes()
    made: list[list[Span] | None] = []
    starts = [start for start, _ in labels]
    follow = bool(starts) and starts[0] > told[0][2]  # each label stands behind its times
    for role, times_s, start in told:
        place = bisect_right(starts, start) - (not follow)
        label = [labels[place][1] if 0 <= place < len(labels) else None]
        made.append(record.add(role, times_s, label))
    made.append(record.finish())
    if None in made and any(times_s is not None and len(times_s) > 1 for _, times_s, _ in told):
        return None
    return [span for spans in made for span in spans or []]


def _goes_on(items: list[Item], index: int) -> bool:
    """Whether the list of times before `index` has another one behind it: `start: 1.2, 5.0`."""
    if index + 1 >= len(items) or items[index].text not in (",", "and", "&") or items[index + 1].kind != "time":
        return False
    behind = items[index + 2] if index + 2 < len(items) else None
    ends = behind is None or behind.kind == "line" or behind.text in (",", ";", ".", ")", "and", "&")
    return (ends or (behind is not None and name_of(behind.text).role in TIMES)) and not counts(items, index + 1)


def _seconds(text: str, unit_s: float | None) -> float | None:
    time = amount(text)
    if time.seconds is None or time.unit_s is not None:
        return time.seconds
    return None if unit_s is None else scaled(time.seconds, unit_s)


def _role(items: list[Item], index: int) -> tuple[Role | None, float | None]:
    """What the item at `index` names, and the unit of a bare number behind it: `start (ms): 1200`."""
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
    if item.text == "from" and not _is_key(items, index):
        return None, 1.0
    before = takewhile(lambda i: i.kind != "time" and name_of(i.text).role not in TIMES, items[index + 1 : index + 8])
    said = [i.text for i in before if i.text not in _DECORATION] + [""]
    if next((word for word in reversed(said) if word.isalpha()), "") in NO_TIME:  # starts at frame 30
        return name.role, None
    units = [unit for unit, sign in pairwise(said) if is_unit(unit) and (sign in (")", "]", ":", "=") or unit == "ms")]
    return name.role, unit_of(units[0]) if units else name.unit_s


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


def _read_lists(plain: str, items: list[Item], keys: list[Key], found: Findings) -> None:
    """Takes pairs of lists that hold nothing but times: `dog: 0.1, 0.6`."""
    cuts = [*((key.end, key.start) for key in keys), (len(plain), len(plain))]
    start, position = 0, 0
    label: Key | None = None
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
            elif label is None or label.role not in (Role.REMARK, Role.UNIT):
                seconds = [time.seconds for time in times if time.seconds is not None]
                if len(seconds) > 2 or label is not None:
                    found.repairs.append("flat_list")
                pairs = zip(seconds[::2], seconds[1::2], strict=True)
                said = None if label is None or label.role is Role.TIMES else label.text
                found.add(*((onset, offset, said) for onset, offset in pairs))
        start = end
        label = keys[number] if number < len(keys) else None
