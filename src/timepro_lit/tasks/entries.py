"""Events of a tree of bracketed groups: keys that name times first, then pairs in brackets, then ranges in words."""

from __future__ import annotations

from dataclasses import dataclass, field

from timepro_lit.tasks.brackets import Group, Value, Word, read_groups
from timepro_lit.tasks.denials import is_denial
from timepro_lit.tasks.keyed import (
    NULLS,
    has_classes,
    has_two_units,
    is_deep,
    is_record,
    label_of_row,
    labels_told,
    names_in,
    only_labels,
    seconds,
    stated_unit,
    tells_unit,
    times_under,
)
from timepro_lit.tasks.labels import governed, keys_of, labels_beside
from timepro_lit.tasks.named_times import TIMES, NamedTimes, Span
from timepro_lit.tasks.names import Name, Role, is_counter
from timepro_lit.tasks.ranges import find_ranges, items_of, read_ranges
from timepro_lit.tasks.times import read_amount, unit_behind
from timepro_lit.tasks.typography import plain as in_plain_signs

MAX_EVENTS = 256


@dataclass(slots=True)
class Findings:
    """What has been found so far."""

    repairs: list[str]
    spans: list[Span] = field(default_factory=list)
    spoken: list[Span] = field(default_factory=list)
    """Of ranges within longer words, and of lists within quotes: an answer's events only where it has no others."""
    bare: set[int] = field(default_factory=set)
    """Which spans come of whole numbers in words, "2-3": counts, where others stand in brackets."""
    within_word: bool = False
    """Whether these are of a quoted value, in which no other one is read so."""
    structured: bool = False
    """Whether keys that name times, or pairs in brackets, gave any."""
    captioned: bool = False
    """Whether what is said of an event is asked for, and not its class."""

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


def read_entries(group: Group, outer: str | None, found: Findings, unit_s: float | None = 1.0) -> None:
    """Takes the events of a group and of those within, depth first. Bare numbers are of `unit_s` seconds.

    The group may name another unit: `{"unit": "ms", "dog": [100, 600]}`.

    A label is the last key seen, unless the group brings its own: as a record (`{"event": "dog", "onset": 1,
    "offset": 2}`) or as a row (`["dog", 1, 2]`).
    """
    unit_s = stated_unit(group, unit_s)
    names = names_in(group, unit_s)
    labels_at = labels_told(group, names, found.captioned)
    told = [labels for labels in labels_at.values() if labels] or label_of_row(group)
    own = next((one[0] for one in told if len(one) == 1), None)
    labels: list[str | None] = [own] if own is not None else list(told[0]) if told else [outer]
    named = is_record(group, names)
    if named and has_two_units(names):
        found.repairs.append("ambiguous")
    record = NamedTimes()
    keys = [key for key, _ in group.entries]
    by_class = has_classes(group, names)
    if len(set(keys)) < len(keys):
        found.repairs.append("repeated_key")
    for index, ((key, values), name) in enumerate(zip(group.entries, names, strict=True)):
        if index in labels_at:
            labels = [*labels_at[index]] or labels
            found.repairs.append("record")
        elif named and name.role in TIMES:
            assert name.role is not None
            if not all(isinstance(value, Word) and value.plain.lower() in NULLS for value in values):
                found.add_named(record.add(name.role, times_under(values, name), labels))
        elif named:  # beside named times, other numbers are no times
            inner = [value for value in values if isinstance(value, Group) and is_deep(value)]
            for value in inner:
                read_entries(value, key if name.role is None else labels[0], found, unit_s)
        elif not tells_unit(name, values) and (name.role is not Role.REMARK or len(keys) == 1):
            is_label = key is not None and (name.role is not Role.TIMES or (by_class and not told))
            is_label = is_label and not (outer is not None and key is not None and is_counter(key))
            label = own if own is not None else (key if is_label else outer)
            if name.role is not Role.TIMES or not _read_columns(values, key, name, told, found):
                _read_values(values, key, name, label, found)
    if labels_at and only_labels(names):
        _read_said([value for index in labels_at for value in group.entries[index][1]], outer, found)
    found.add_named(record.finish())


def _read_columns(values: list[Value], key: str | None, name: Name, told: list[list[str]], found: Findings) -> bool:
    """Takes the events of a list of times beside one of as many labels; False where no labels make one."""
    match values:
        case [Group(entries=[(None, listed)])] if all(isinstance(one, Group) or one.quoted for one in listed):
            labels = next((labels for labels in told if len(labels) == len(listed) > 1), None)
        case _:
            labels, listed = None, []
    for value, label in zip(listed, labels or [], strict=False):
        _read_values([value], key, name, label, found)
    if labels is None and told and all(len(one) > 1 for one in told):
        found.repairs.append("unclear")
    return labels is not None


def _read_values(values: list[Value], key: str | None, name: Name, label: str | None, found: Findings) -> None:
    """Events among the values of one key; every two times in a row are a pair."""
    onset: float | None = None
    amounts = [read_amount(value.plain) if isinstance(value, Word) else None for value in values]
    num_times = sum(time is not None for time in amounts)
    if num_times > 2 or (num_times == 2 and key is not None):
        found.repairs.append("flat_list")
    units = [unit_behind(v.plain, 0) if isinstance(v, Word) and not v.quoted else None for v in values]
    beside = zip([None, *values], units, [*units[1:], None], strict=False)
    for value, time, (before, unit, unit_next) in zip(values, amounts, beside, strict=True):
        if isinstance(value, Group):
            read_entries(value, label, found, name.unit_s if unit_next is None else unit_next[0])
        elif time is None:
            if value.plain.lower() not in NULLS and (unit is None or not isinstance(before, Group)):
                _read_word(value, key, name, label, found)
        else:
            time_s = seconds(time, name, lone_comma=False)
            if value.quoted or not value.plain.lstrip("-").replace(".", "", 1).isdigit():
                found.repairs.append("time_format")
            if time_s is None:
                found.repairs.append("ambiguous")
            elif onset is None:
                onset = time_s
            else:
                found.structured = True
                found.add((onset, time_s, label))
                onset = None
    if onset is not None or not values:
        found.repairs.append("unclear")


def _read_word(word: Word, key: str | None, name: Name, label: str | None, found: Findings) -> None:
    """A word that is a pair of times, is called by a pair, speaks of pairs, or is the label of its row."""
    ranges = read_ranges(word.plain)
    if ranges is not None:
        found.repairs.append("time_format")
        if not any(r.strong for r in ranges) and "." not in word.plain:
            found.bare.update(range(len(found.spans), len(found.spans) + len(ranges)))
        _add_ranges([r.in_unit(name.unit_s) for r in ranges], label, found)
        return
    if not word.quoted:
        found.repairs.append("unquoted")
    if word.quoted and not found.within_word and (brackets := _brackets_in(word)) is not None:
        found.repairs.append("time_format")
        quoted = Findings(found.repairs, within_word=True, captioned=found.captioned)
        for value in brackets:
            read_entries(value, label, quoted, name.unit_s)
        found.spoken.extend(quoted.chosen())  # of "resolution": "16, 9" too
        return
    called = None if key is None else read_ranges(in_plain_signs(key))
    if called is not None:
        found.repairs.append("swapped")
        found.structured = True
        _add_ranges([r.pair for r in called], word.text, found)
    elif word.text == label:
        found.repairs.append("row")
    elif word.quoted and key is None and label is None:
        _read_said([word], None, found)
    else:
        spoken = find_ranges(word.plain, items_of(word.plain)) if word.quoted else []
        told = [r.in_unit(name.unit_s) for r in spoken if r.pair is not None and (r.strong or r.place == "from")]
        found.spoken.extend((*pair, label) for pair in told if pair is not None)
        found.repairs.append("time_format" if told else "unclear")


def _brackets_in(word: Word) -> list[Group] | None:
    """The groups of a quoted value that is a list or an object, in brackets or not: "[1.20, 3.48]", "1.20, 3.48"."""
    text, plain = word.text, word.plain
    items = items_of(plain)
    if len(items) % 4 == 3 and all(item.kind == "time" or item.text in ",;" for item in items):  # an even number
        if any(amount.comma for amount in (read_amount(i.text) for i in items) if amount is not None):
            return None
        text, plain = f"[{text}]", f"[{plain}]"
    if plain[:1] not in ("[", "{") or plain[-1:] not in ("]", "}"):
        return None
    root = read_groups(text, plain, [])
    return [value for _, values in root.entries for value in values if isinstance(value, Group)]


def _read_said(values: list[Value], label: str | None, found: Findings) -> None:
    """Takes the events of what is said where nothing else gives times: `{"events": ["dog: 0.1-0.6"]}`."""
    inner = [one for value in values if isinstance(value, Group) for _, listed in value.entries for one in listed]
    for word in (word for word in [*values, *inner] if isinstance(word, Word)):
        ranges = find_ranges(word.plain, items_of(word.plain))
        keyed = governed(ranges, keys_of(word.text, word.plain, ranges))
        if keyed:
            found.repairs.append("time_format")
            for (r, _), said in zip(keyed, labels_beside(word.text, word.plain, keyed, []), strict=True):
                _add_ranges([r.pair], said or label, found)
        elif word.plain.lower() not in NULLS and not is_denial(word.plain):
            found.repairs.append("unclear")


def _add_ranges(pairs: list[tuple[float, float] | None], label: str | None, found: Findings) -> None:
    if None in pairs:
        found.repairs.append("ambiguous")
    found.add(*((*pair, label) for pair in pairs if pair is not None))
