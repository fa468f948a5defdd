"""Events of a tree of bracketed groups: keys that name times first, then pairs in brackets, then ranges in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from timepro_lit.tasks.brackets import Group, Value, Word
from timepro_lit.tasks.named_times import TIMES, NamedTimes, Span
from timepro_lit.tasks.names import Name, Role, name_of
from timepro_lit.tasks.ranges import find_ranges, items_of, read_ranges
from timepro_lit.tasks.times import Amount, read_amount, scaled
from timepro_lit.tasks.typography import plain as in_plain_signs

MAX_EVENTS = 256
_NULLS = frozenset(("null", "none", ""))


@dataclass(slots=True)
class Findings:
    """What has been found so far."""

    repairs: list[str]
    spans: list[Span] = field(default_factory=list)
    spoken: list[Span] = field(default_factory=list)
    """Of ranges within longer words: an answer's events only where it has no others."""
    bare: set[int] = field(default_factory=set)
    """Which spans come of whole numbers in words, "2-3": counts, where others stand in brackets."""
    structured: bool = False
    """Whether keys that name times, or pairs in brackets, gave any."""

    def add(self, *spans: Span) -> None:
        """Takes events, up to the limit."""
        room = MAX_EVENTS - len(self.spans)
        if len(spans) > room:
            self.repairs.append("too_many_events")
        self.spans.extend(spans[:room])

    def chosen(self) -> list[Span]:
        """The events of the clearest kind."""
        if self.structured:
            return [span for index, span in enumerate(self.spans) if index not in self.bare]
        return self.spans or self.spoken[:MAX_EVENTS]

    def add_named(self, spans: list[Span] | None) -> None:
        """Takes events that names gave; None for times that make none."""
        if spans is None:
            self.repairs.append("unclear")
        elif spans:
            self.repairs.append("record")
            self.structured = True
            self.add(*spans)


def read_entries(group: Group, outer: str | None, found: Findings, unit_s: float = 1.0) -> None:
    """Takes the events of a group and of those within, depth first. Bare numbers are of `unit_s` seconds.

    A label is the last key seen, unless the group brings its own: as a record (`{"event": "dog", "onset": 1,
    "offset": 2}`) or as a row (`["dog", 1, 2]`).
    """
    names = [Name(None, unit_s) if key is None else name_of(key) for key, _ in group.entries]
    own = _own_label(group, names)
    labels: list[str | None] = [outer if own is None else own]
    is_record = _is_record(group, names)
    record = NamedTimes()
    keys = [key for key, _ in group.entries]
    if len(set(keys)) < len(keys):
        found.repairs.append("repeated_key")
    for (key, values), name in zip(group.entries, names, strict=True):
        if name.role is Role.LABEL and (told := _labels(values, names)):
            labels = list(told)
            found.repairs.append("record")
        elif is_record and name.role in TIMES:
            assert name.role is not None
            if not all(isinstance(value, Word) and value.plain.lower() in _NULLS for value in values):
                found.add_named(record.add(name.role, _times(values, name), labels))
        elif is_record:  # beside named times, other numbers are no times
            inner = [value for value in values if isinstance(value, Group) and _is_deep(value)]
            for value in inner:
                read_entries(value, key if name.role is None else labels[0], found)
        elif name.role is not Role.REMARK or len(keys) == 1:
            is_label = key is not None and not (name.role is Role.TIMES and outer is not None)
            label = own if own is not None else (key if is_label else outer)
            _read_values(values, key, name, label, found)
    found.add_named(record.finish())


def _own_label(group: Group, names: list[Name]) -> str | None:
    """The label that a record or a row brings, wherever in it the label stands."""
    for key, values in group.entries:
        if key is not None and name_of(key).role is Role.LABEL and len(labels := _labels(values, names)) == 1:
            return labels[0]
    match group.entries:
        case [(None, values)]:
            num_times, rest = 0, []
            for word in (value for value in values if isinstance(value, Word)):
                told = 1 if read_amount(word.plain) is not None else 2 * len(read_ranges(word.plain) or [])
                num_times += told
                if not told and word.plain.lower() not in _NULLS:
                    rest.append(word.text)
            return rest[0] if len(rest) == 1 and num_times >= 2 else None
    return None


def _labels(values: list[Value], names: list[Name]) -> list[str]:
    """The words under a key that names a label; none where times stand there, and no other key could have them."""
    alone = all(name.role in (Role.LABEL, Role.REMARK) for name in names)
    match values:
        case [Word() as word] if not alone or read_ranges(word.plain) is None:
            return [word.text]
        case [Group(entries=[(None, words)])] if all(isinstance(word, Word) and word.quoted for word in words):
            return [word.text for word in words if isinstance(word, Word)]
    return []


def _is_record(group: Group, names: list[Name]) -> bool:
    """Whether keys name at least two of start, end and duration."""
    roles = {name.role for (_, values), name in zip(group.entries, names, strict=True) if name.role in TIMES and values}
    return len(roles) > 1


def _is_deep(group: Group) -> bool:
    return any(key is not None or any(isinstance(value, Group) for value in values) for key, values in group.entries)


def _times(values: list[Value], name: Name) -> list[float] | None:
    """The times under a key that names them: one, or a list in brackets of one for each event."""
    match values:
        case [Group(entries=[(None, [_, *_] as listed)])]:
            words = listed
        case [Word()]:
            words = values
        case _:
            return None
    times = [_seconds(read_amount(word.plain), name) if isinstance(word, Word) else None for word in words]
    return [time for time in times if time is not None] if None not in times else None


def _seconds(found: Amount | None, name: Name, lone_comma: bool = True) -> float | None:
    if found is None or found.seconds is None or (found.comma and found.unit_s is None and not lone_comma):
        return None
    return found.seconds if found.unit_s is not None else scaled(found.seconds, name.unit_s)


def _read_values(values: list[Value], key: str | None, name: Name, label: str | None, found: Findings) -> None:
    """Events among the values of one key; every two times in a row are a pair."""
    onset: float | None = None
    amounts = [read_amount(value.plain) if isinstance(value, Word) else None for value in values]
    num_times = sum(time is not None for time in amounts)
    if num_times > 2 or (num_times == 2 and key is not None):
        found.repairs.append("flat_list")
    for value, time in zip(values, amounts, strict=True):
        if isinstance(value, Group):
            read_entries(value, label, found, name.unit_s)
        elif time is None:
            if value.plain.lower() not in _NULLS:
                _read_word(value, key, label, found)
        else:
            seconds = _seconds(time, name, lone_comma=False)
            if value.quoted or not value.plain.lstrip("-").replace(".", "", 1).isdigit():
                found.repairs.append("time_format")
            if seconds is None:
                found.repairs.append("ambiguous")
            elif onset is None:
                onset = seconds
            else:
                found.structured = True
                found.add((onset, seconds, label))
                onset = None
    if onset is not None or not values:
        found.repairs.append("unclear")


def _read_word(word: Word, key: str | None, label: str | None, found: Findings) -> None:
    """A word that is a pair of times, is called by a pair, speaks of pairs, or is the label of its row."""
    ranges = read_ranges(word.plain)
    if ranges is not None:
        found.repairs.append("time_format")
        if not any(r.strong for r in ranges) and "." not in word.plain:
            found.bare.update(range(len(found.spans), len(found.spans) + len(ranges)))
        _add_ranges([r.pair for r in ranges], label, found)
        return
    if not word.quoted:
        found.repairs.append("unquoted")
    called = None if key is None else read_ranges(in_plain_signs(key))
    if called is not None:
        found.repairs.append("swapped")
        found.structured = True
        _add_ranges([r.pair for r in called], word.text, found)
    elif word.text == label:
        found.repairs.append("row")
    else:
        spoken = find_ranges(word.plain, items_of(word.plain)) if word.quoted else []
        told = [r.pair for r in spoken if r.pair is not None and (r.strong or r.place == "from")]
        found.spoken.extend((*pair, label) for pair in told)
        found.repairs.append("time_format" if told else "unclear")


def _add_ranges(pairs: list[tuple[float, float] | None], label: str | None, found: Findings) -> None:
    if None in pairs:
        found.repairs.append("ambiguous")
    found.add(*((*pair, label) for pair in pairs if pair is not None))
