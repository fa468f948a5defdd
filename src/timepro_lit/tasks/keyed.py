"""What the keys of a group in brackets say of the values beside them: labels, units, named times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from timepro_lit.tasks.brackets import Group, Value, Word
from timepro_lit.tasks.named_times import TIMES
from timepro_lit.tasks.names import Name, Role, name_of, sort_in_demand, times_alone, unit_of
from timepro_lit.tasks.ranges import read_ranges
from timepro_lit.tasks.times import LINE_START, Amount, read_amount, scaled

_MOST_BEFORE = 64
_CALLED = re.compile(r"(?P<name>[^\W\d_][\w ()-]{0,40}?)[*_`\"'“’]{0,3}[ \t]{0,3}[:=][ \t]{0,3}[*_`]{0,3}[ \t]{0,3}\Z")
NULLS = frozenset(("null", "none", ""))


def names_in(group: Group, unit_s: float | None) -> list[Name]:
    """What the keys of a group name; the unit is `unit_s` where the key has none."""
    names = [Name(None) if key is None else name_of(key) for key, _ in group.entries]
    held = [_holding(name, values) for (_, values), name in zip(group.entries, names, strict=True)]
    names = times_alone(held)
    return [replace(name, unit_s=unit_s) if name.unit_s == 1.0 else name for name in names]


def _holding(name: Name, values: list[Value]) -> Name:
    """A key of frames may hold events, `"frames": {"dog": [...]}`, and with one number it says how many there are."""
    groups = [value for value in values if isinstance(value, Group)]
    if name.counted and any(map(_has_keys, groups)):
        return Name(Role.TIMES)
    return Name(Role.REMARK) if name.counted and not groups and name.role in (Role.TIMES, Role.DURATION) else name


def _has_keys(group: Group) -> bool:
    within = (value for _, values in group.entries for value in values if isinstance(value, Group))
    return any(key is not None for key, _ in group.entries) or any(_has_keys(one) for one in within)


def stated_unit(group: Group, unit_s: float | None) -> float | None:
    """The unit that a key such as "unit" tells; None for one that is none of time."""
    for key, values in group.entries:
        words = [word.plain for word in values if isinstance(word, Word) and word.plain.lower() not in NULLS]
        if key is not None and name_of(key).role is Role.UNIT and words:
            return unit_of(words[0])
    return unit_s


def tells_unit(name: Name, values: list[Value]) -> bool:
    """Whether a key is such a one."""
    return name.role is Role.UNIT and not any(isinstance(value, Group) for value in values)


def is_record(group: Group, names: list[Name]) -> bool:
    """Whether keys name at least two of start, end and duration."""
    roles = {name.role for (_, values), name in zip(group.entries, names, strict=True) if name.role in TIMES and values}
    return len(roles) > 1


def has_classes(group: Group, names: list[Name]) -> bool:
    """Whether a key that names nothing else has a group, as a class has its times."""
    return any(
        name.role is None and key is not None and any(isinstance(value, Group) for value in values)
        for (key, values), name in zip(group.entries, names, strict=True)
    )


def has_two_units(names: list[Name]) -> bool:
    """Whether one time has two keys: `{"start_min": 1, "start_sec": 2, "end_min": 1, "end_sec": 5}`."""
    timed = {(name.role, name.unit_s) for name in names if name.role in TIMES}
    return len(timed) > len({role for role, _ in timed})


def record_of_lists(plain: str, groups: Sequence[Group]) -> Group | None:
    """The record that lists of times make whose names stand before them in running words; None where they do not.

    `onsets: [1.2, 5.0]` and on the next line `offsets = [3.48, 6.0]`.
    """
    entries: list[tuple[str | None, list[Value]]] = []
    for group in groups:
        called = _CALLED.search(plain, max(0, group.start - _MOST_BEFORE), group.start)
        role = None if called is None or is_deep(group) else name_of(called["name"].strip()).role
        if called is not None and role in (*TIMES, Role.LABEL):
            entries.append((called["name"].strip(), [group]))
    record = Group("{", entries=entries)
    return record if is_record(record, names_in(record, 1.0)) else None


def is_deep(group: Group) -> bool:
    """Whether a group has keys, or groups within."""
    return any(key is not None or any(isinstance(value, Group) for value in values) for key, values in group.entries)


def labels_told(group: Group, names: list[Name], captioned: bool) -> dict[int, list[str]]:
    """Entry -> the labels under its key: one, or a list for a list of times; none for one that another outdoes."""
    told = {
        index: words
        for index, ((_, values), name) in enumerate(zip(group.entries, names, strict=True))
        if name.role is Role.LABEL and (words := _labels(values, names))
    }
    number = _num_events(group, names)
    fitting = [index for index, words in told.items() if number in (None, len(words))] or [*told]  # "tags" are of one
    telling = [index for index in fitting if not all(name_of(word).role is Role.LABEL for word in told[index])]
    asked_for = sort_in_demand([names[index].sort for index in telling or fitting], captioned)
    taken = [index for index in telling or fitting if names[index].sort is asked_for]
    return {index: words if index in taken else [] for index, words in told.items()}


def label_of_row(group: Group) -> list[list[str]]:
    """The one label of a group without keys that holds times besides: `["dog", 1, 2]`."""
    match group.entries:
        case [(None, values)]:
            num_times, rest = 0, []
            for word in (value for value in values if isinstance(value, Word)):
                told = 1 if read_amount(word.plain) is not None else 2 * len(read_ranges(word.plain) or [])
                num_times += told
                if not told and word.plain.lower() not in NULLS:
                    rest.append(word.text)
            return [rest] if len(rest) == 1 and num_times >= 2 else []
    return []


def is_remark(key: str | None) -> bool:
    """Whether numbers beside a key are no times: `"confidence"`."""
    return key is not None and name_of(key).role is Role.REMARK


def only_remarks(group: Group) -> bool:
    """Whether there is nothing else in a group."""
    return bool(group.entries) and all(is_remark(key) for key, _ in group.entries)


def only_labels(names: list[Name]) -> bool:
    """Whether no key could have times, but those of labels."""
    return all(name.role in (Role.LABEL, Role.REMARK) for name in names)


def times_under(values: list[Value], name: Name) -> list[float] | None:
    """The times under a key that names them: one, or a list in brackets of one for each event."""
    match values:
        case [Group(entries=[(None, [_, *_] as listed)])]:
            words = listed
        case [Word()]:
            words = values
        case _:
            return None
    times = [seconds(read_amount(word.plain), name) if isinstance(word, Word) else None for word in words]
    return [time for time in times if time is not None] if None not in times else None


def seconds(found: Amount | None, name: Name, lone_comma: bool = True) -> float | None:
    """A time under a key; None for what is none, or is counted in nobody knows what."""
    if found is None or found.seconds is None or (found.comma and found.unit_s is None and not lone_comma):
        return None
    if found.unit_s is not None:
        return found.seconds
    return None if name.unit_s is None else scaled(found.seconds, name.unit_s)


def _num_events(group: Group, names: list[Name]) -> int | None:
    """Of how many events the times under the group's keys are; None without such keys."""
    for (_, values), name in zip(group.entries, names, strict=True):
        match values:
            case [Group(entries=[(None, listed)])] if name.role in TIMES:
                return len(listed)
            case [Group(entries=[(None, listed)])] if name.role is Role.TIMES:
                return sum(isinstance(one, Group) or one.quoted for one in listed) or 1
            case [Word()] if name.role in (*TIMES, Role.TIMES):
                return 1
    return None


def _labels(values: list[Value], names: list[Name]) -> list[str]:
    """The words under a key that names a label; none where times stand there, and no other key could have them."""
    timed = any(name.role in (*TIMES, Role.TIMES) for name in names)
    match values:
        case [Word() as word] if not only_labels(names) or read_ranges(word.plain) is None:
            return [] if word.plain.lower() in NULLS else [word.text]
        case [Group(entries=[(None, words)])] if all(
            isinstance(word, Word) and _is_text(word, timed) for word in words
        ):
            told = [word for word in words if isinstance(word, Word)]
            return [word.text for word in told] if timed or not any(_begins_with_time(word) for word in told) else []
    return []


def _is_text(word: Word, timed: bool) -> bool:
    """Whether a word may be a label: in quotes, or where other keys have the times."""
    return word.quoted or (timed and read_amount(word.plain) is None and read_ranges(word.plain) is None)


def _begins_with_time(word: Word) -> bool:
    is_time = read_amount(word.plain) is not None or read_ranges(word.plain) is not None
    return is_time or LINE_START.match(word.plain) is not None
