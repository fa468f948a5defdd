"""Pairs of times in running words, beside numbers that are none: "barks 2-3 times, from 4.0 to 6.5 seconds".

The text is taken apart once, from left to right, into times, joints, words and marks. Every two times with a joint
between them are a range; what stands around it says whether it counts something, lasts, or is when.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from timepro_lit.tasks.names import COUNTED
from timepro_lit.tasks.times import FLAGS, JOINT, TIME, amount, looks_like_times, read_pair, scaled

_ITEM = re.compile(
    rf"(?P<time>{TIME})|(?P<joint>{JOINT})|(?P<word>[^\W\d_]++(?:['’][^\W\d_]++)?)|(?P<mark>\S)|(?P<line>[\r\n])", FLAGS
)
_STRAY = frozenset("#$€£¥/\\^'′″%°&@_")
"""A number that such a sign touches is a part of something else."""
_QUALIFIERS = frozenset((
    "about", "around", "roughly", "approximately", "approx", "some", "nearly", "only", "just", "~", "≈", "*",
    "(", "[", "`", '"', "“", "’", "'",
))  # fmt: skip
_ABOUT = frozenset(("about", "around", "roughly", "approximately", "≈"))
_LASTING = frozenset((
    "for", "last", "lasts", "lasting", "lasted", "every", "takes", "took", "duration", "length", "after",
))  # fmt: skip
_AFTER_LASTING = frozenset(("long", "apart", "later", "duration", "length"))
_MEASURES = COUNTED | frozenset((
    "times", "x", "hz", "khz", "db", "dbfs", "meters", "metres", "km", "cm", "mm", "degrees", "bpm", "years",
))  # fmt: skip
"""What follows numbers that are no times, also those with decimals: 1.5-2.5 times, 2.00-4.00 kHz."""
_FUNCTION_WORDS = frozenset((
    "a", "an", "the", "this", "that", "there", "it", "its", "he", "she", "they", "we", "i", "you", "who",
    "which", "where", "when", "while", "as", "in", "on", "at", "by", "from", "and", "or", "but", "then", "is",
    "are", "was", "were", "with", "for", "after", "before", "during", "until", "between", "inclusive",
    "approximately", "respectively", "both", "to", "because", "so", "since", "twice", "once",
))  # fmt: skip
"""A word that is none of these and follows a bare whole number is what is counted: 2-3 dogs."""
_INTRODUCING = frozenset(("from", "between"))
_UNIT_BEFORE = COUNTED | frozenset((
    "minute", "minutes", "min", "mins", "hour", "hours", "ms", "msec", "millisecond", "milliseconds", "frame",
))  # fmt: skip
"""A word before bare numbers that may be their unit: minutes 2-3."""
_ORDINALS = frozenset(("first", "second", "third", "last", "next", "final", "the"))
_BEFORE_UNIT = frozenset((":", "(", ")", "[", "]", "="))
_BOTH_ENDS = re.compile(
    r"(?:start|onset|begin)\w{0,6}\s(?:and|&)\s(?:the\s)?(?:end|offset|stop)\w{0,4}(?:\s\w{1,12}){0,4}\W{0,4}\Z", FLAGS
)
SEPARATORS = frozenset((",", ";", "&", "|", "and", "then", "also", "again", "from", "between", "at"))
_AROUND = SEPARATORS | _QUALIFIERS | frozenset((".", ")", "]"))
_WHOLE_RANGE = re.compile(rf"\s*([0-9]{{1,9}})\s{{0,4}}{JOINT}\s{{0,4}}([0-9]{{1,9}})\s*", FLAGS)
_ANY = re.compile(rf"[0-9][^0-9]{{0,20}}?(?:{JOINT}|and)", FLAGS)


@dataclass(frozen=True, slots=True)
class Item:
    """A stretch of text: a time, a joint, a word, a mark or the end of a line."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Range:
    """Two times joined."""

    first: int
    last: int
    """Its items, both counted in."""
    start: int
    end: int
    pair: tuple[float, float] | None
    """Onset and offset in seconds; None where the notation cannot be told apart."""
    strong: bool = False
    """With a unit, a clock or two decimals."""
    place: str = ""
    """"from" where that word or "between" leads to it, "line" at the start of a line."""
    bare: bool = False
    """Without a unit and not in clock times."""

    def in_unit(self, unit_s: float | None) -> tuple[float, float] | None:
        """The pair, bare numbers being of `unit_s` seconds; None where notation or unit cannot be told."""
        if self.pair is None or not self.bare:
            return self.pair
        return None if unit_s is None else (scaled(self.pair[0], unit_s), scaled(self.pair[1], unit_s))


def items_of(plain: str) -> list[Item]:
    """The text from left to right, without its spaces, and without "about" behind a joint."""
    items: list[Item] = []
    for m in _ITEM.finditer(plain):
        item = Item(m.lastgroup or "", m[0].lower(), m.start(), m.end())
        if not (items and items[-1].kind == "joint" and item.text in _ABOUT):
            items.append(item)
    return items


def find_ranges(plain: str, items: list[Item]) -> list[Range]:
    """The ranges that say when, of the clearest kind alone: those with units or two decimals, else bare ones.

    A range in a list with a clear one, or in its place (behind "from", at the start of a line), is as clear.
    """
    found = list(_ranges(plain, items))
    lists = [0] * len(found)
    for index in range(1, len(found)):
        between = items[found[index - 1].last + 1 : found[index].first]
        listed = all(item.kind == "line" or item.text in SEPARATORS | _QUALIFIERS for item in between)
        if found[index].place == "from" and not found[index - 1].place:  # rated 4.5-5.0, from 1.2 to 3.48 s
            listed = listed and any(item.text == "and" for item in between)
        lists[index] = lists[index - 1] + (not listed)
    strong_lists = {number for number, r in zip(lists, found, strict=True) if r.strong}
    strong_places = {r.place for r in found if r.strong and r.place}
    strong = [r for number, r in zip(lists, found, strict=True) if number in strong_lists or r.place in strong_places]
    return strong or found


def clear_ranges(plain: str) -> list[Range]:
    """The ranges in a caption that are times for all their looks: with a unit, decimals at both ends, or in brackets.

    What measures a thing is none: "a 2-3 s beep", "2.0-3.0 kHz".
    """
    items = items_of(plain)
    found = []
    for r in _ranges(plain, items):
        both = all("." in items[index].text for index in (r.first, r.last))
        bracketed = plain[r.start - 1 : r.start] in ("[", "(") and plain[r.end : r.end + 1] in ("]", ")")
        led = items[r.first - 1].text if r.first else ""
        if r.pair is not None and led not in ("a", "an", "the") and (both or bracketed or not r.bare):
            found.append(r)
    return found


def read_ranges(plain: str) -> list[Range] | None:
    """The ranges of a text that holds nothing else: `from 1.2 to 3.48 s`, `0.1-0.6, 2.0-2.4`; None otherwise."""
    if _ANY.search(plain) is None:
        return None
    items = items_of(plain)
    found = list(_ranges(plain, items))
    covered = {index for first, last in {(r.first, r.last) for r in found} for index in range(first, last + 1)}
    rest = (item for index, item in enumerate(items) if index not in covered)
    return found if found and all(item.text in _AROUND or item.kind == "line" for item in rest) else None


def counts(items: list[Item], index: int) -> bool:
    """Whether the time at `index` is a number of things: "2 dogs"."""
    following = items[index + 1] if index + 1 < len(items) else None
    if following is None or following.kind != "word" or not items[index].text.isdigit():
        return False
    return following.text not in _FUNCTION_WORDS


def _ranges(plain: str, items: list[Item]) -> Iterator[Range]:
    index = 0
    while index < len(items):
        last = _chain_end(plain, items, index)
        if last == index + 2:
            found = _range(plain, items, index, last)
            if found is not None:
                yield found
        elif last > index:
            yield from _listed(plain, items, index, last)
        index = last + 1


def _chain_end(plain: str, items: list[Item], first: int) -> int:
    """The last of the times joined to the one at `first`; `first` itself where none is, or no time stands there."""
    last = first
    if items[first].kind != "time":
        return first
    while last + 2 < len(items) and items[last + 1].kind == "joint" and items[last + 2].kind == "time":
        last += 2
    if last == first and last + 2 < len(items) and items[last + 1].text == "and" and items[last + 2].kind == "time":
        before = _before(items, first)
        led = before >= 0 and items[before].text == "between"
        if led or _BOTH_ENDS.search(plain[max(0, items[first].start - 80) : items[first].start]):
            return first + 2
    return last


def _listed(plain: str, items: list[Item], first: int, last: int) -> Iterator[Range]:
    """A longer chain is a date or the like, unless it is a list without spaces: 1-2,3-4."""
    start, end = items[first].start, items[last].end
    pieces = [_WHOLE_RANGE.fullmatch(piece) for piece in plain[start:end].split(",")]
    if len(pieces) > 1 and all(pieces):
        for piece in pieces:
            assert piece is not None
            yield Range(first, last, start, end, (float(piece[1]), float(piece[2])), bare=True)
    elif any(":" in items[index].text for index in range(first, last + 1, 2)):
        yield Range(first, last, start, end, None)


def _range(plain: str, items: list[Item], first: int, last: int) -> Range | None:
    """The range between two items; None where it does not say when."""
    start, end = items[first].start, items[last].end
    ends = amount(items[first].text), amount(items[last].text)
    strong = any(a.unit_s is not None or a.precise for a in ends)
    before = _before(items, first)
    if _touched(plain, items, first, last) or _counts_or_lasts(items, last, before, strong):
        return None
    whole = not strong and items[first].text.isdigit() and items[last].text.isdigit()
    if whole and first and items[first - 1].text in ("(", "|") and before >= 0 and items[before].kind != "line":
        return None  # some dogs (2-3)
    pair = read_pair(items[first].text, items[last].text)
    if pair is None and not looks_like_times(items[first].text, items[last].text):
        return None
    bare = all(a.unit_s is None for a in ends)
    if (not strong and _among_numbers(items, first, last)) or (bare and _has_unit_before(items, first)):
        pair = None
    place = "line" if before < 0 or items[before].kind == "line" else ""
    place = "from" if items[before].text in _INTRODUCING else place
    return Range(first, last, start, end, pair, strong, place, bare)


def _before(items: list[Item], first: int) -> int:
    """The item that a range follows, but for "about", brackets, bullets and numbers of a list; -1 for none."""
    index = first - 1
    while index >= 0 and items[index].text in _QUALIFIERS:
        index -= 1
    bullet = index
    if bullet >= 1 and items[bullet].text in (".", ")") and items[bullet - 1].text.isdigit():
        bullet -= 2
    elif bullet >= 0 and items[bullet].text in ("-", "•"):
        bullet -= 1
    while bullet >= 0 and items[bullet].text == "*":
        bullet -= 1
    return bullet if bullet < 0 or items[bullet].kind == "line" else index


def _has_unit_before(items: list[Item], first: int) -> bool:
    index = first - 1
    while index >= 0 and first - index <= 4 and items[index].text in _BEFORE_UNIT | _QUALIFIERS:
        index -= 1
    led = items[index - 1].text if index > 0 else ""
    if index < 0 or items[index].text not in _UNIT_BEFORE or led in _ORDINALS:  # in the first minute: 10.2-12.4
        return False
    return (led, items[index].text) != ("time", "frame")


def _touched(plain: str, items: list[Item], first: int, last: int) -> bool:
    """Whether a sign or a letter at either end makes it a part of something else."""
    start, end = items[first].start, items[last].end
    left, right = plain[start - 1 : start], plain[end : end + 1]
    if any(sign in _STRAY or (sign.isascii() and sign.isalnum()) for sign in left):
        return True
    if any(sign in _STRAY - set("'/\\") or (sign.isascii() and sign.isalnum()) for sign in right):
        return True
    # a minus belongs to its number, but at the start of a line it is a bullet
    return left == "-" and first >= 2 and items[first - 2].kind != "line"


def _counts_or_lasts(items: list[Item], last: int, before: int, strong: bool) -> bool:
    """2-3 dogs, 2-3 times, for 2-3 seconds, 2-3 s long, a 2-3 second beep."""
    led = items[before] if before >= 0 else None
    if led is not None and led.text == "of" and before >= 1:
        led = items[before - 1]
    if led is not None and led.text in _LASTING:
        return True
    following = [item.text for item in items[last + 1 : last + 3]] + ["", ""]
    if len(items) > last + 2 and items[last + 1].text == "-" and items[last + 2].kind == "word":
        return not strong and items[last + 1].start == items[last].end  # 2-3-second
    if following[0] == "%":
        return True
    if len(items) <= last + 1 or items[last + 1].kind != "word":
        return False
    if following[0] in _AFTER_LASTING or (following[0] == "in" and following[1] in _AFTER_LASTING):
        return True
    if following[0] in _MEASURES:
        return True
    introduced = led is not None and led.text in _INTRODUCING
    if items[last].text.endswith(("second", "minute", "hour")) and not introduced:
        return following[0] not in _FUNCTION_WORDS
    return counts(items, last) and not strong


def _among_numbers(items: list[Item], first: int, last: int) -> bool:
    """Whether bare numbers are its neighbours in a list: 1, 2 - 3, 48."""
    if first >= 2 and items[first - 1].text == "," and items[first - 2].kind == "time":
        return first < 3 or items[first - 3].kind != "joint"
    if last + 2 < len(items) and items[last + 1].text == "," and items[last + 2].kind == "time":
        return (last + 3 == len(items) or items[last + 3].kind != "joint") and not counts(items, last + 2)
    return False
