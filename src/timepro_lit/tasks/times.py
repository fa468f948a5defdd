"""One time, read whole or not at all: `1.2`, `1,2 s`, `350 ms`, `0:01.5`, `00:00:01,500`, `1 min 2 s`, `1 min 2`.

Every pattern is linear: runs of digits are taken whole (possessive `++`), all other repetitions are bounded. `[0-9]`
because `\\d` would match every script's digits. Texts have gone through `tasks.typography.plain`.

Notations that cannot be told apart. An answer that holds one is unreadable; it never becomes other times:

- `[1,2, 3,48]`, `[0,1,0,6]`: commas between digits without a point, inside brackets: decimals, or a list.
- `1,2` alone, `1,2 - 3 s`, `1 - 2,5 s`: a comma on one side of a range: a decimal, or the next item of a list.
- `1,200 s`: three digits after a comma: thousandths, or thousands. (`0,250 s` and `00:01,200` are clear.)
- `00:00:01:12`: a count of frames at an unknown rate. (`00:01:200` is clear: three digits are milliseconds.)
- `1:75`, `0:1.5`, `1'20`, `1/2`: no clock has such fields.
- `5 m`, `5 m 2`: minutes, or metres. (`1 m 2 s` is clear.)
- `from minute 2 to 3`, `in ms: 1200 - 3480`: a unit in words before, of which the numbers may or may not be.
- `{"unit": "frames", ...}`, `{"start_min": 1, "end_min": 2}`: no unit of time, or perhaps none: "min" may be the least.
- `{"start_min": 1, "start_sec": 2, ...}`: one name with two units.
- `1 - 1 min 2 s`, `1 min 2 - 5`, `200 ms - 3`: a unit of which the other end may or may not partake. (In `1 - 2 min`
  it does.)
- `{"start": 1,2, "end": 3,48}`, `{"start": [1, 3], "end": [2]}`: as many times as do not make pairs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from timepro_lit.tasks.names import COUNTED

_AFTER_POINT = "".join(rf"(?<!\.[0-9]{{{digits}}})" for digits in range(1, 8))
# a comma within a number; in a list, a point or a colon comes before it or after the next digits
_COMMA = rf"{_AFTER_POINT},(?=[0-9]{{1,9}}(?![0-9]|[:.'][0-9]))"
NUMBER = (
    rf"(?:[0-9]++|\.[0-9]++)(?:(?:[.:'′/]|{_COMMA})[0-9]++)*+(?:e[+-]?[0-9]{{1,4}}(?![0-9a-z]))?(?:\.(?=[]),}}]|\Z))?"
)
"""A number with all that hangs together with it, whether or not that is a time."""
_MS, _S, _MIN, _H = (
    rf"(?:{words})(?![a-z])"
    for words in (
        r"milliseconds?|msecs?|ms|毫秒",
        r"seconds?|secs?|s|秒",
        r"minutes?|mins?|分钟|分|m",
        r"hours?|hrs?|h|小时",
    )
)
_GAP = r"[^\S\r\n]{0,4}"
_UNIT = rf"(?:{_GAP}(?:{_MS}|{_S}|{_MIN}|{_H}))"
_NEXT = rf"{_GAP}(?:,{_GAP})?(?:and[^\S\r\n]{{1,4}})?"
JOINT = r"(?:-{1,3}>?|={1,2}>|→|~|\.{2,3}|…|(?:to|until|till|through|thru|bis)(?![a-z])|[到至])"
"""What joins the two ends of a range."""
_REST = rf"{_GAP}{NUMBER}(?!{_GAP}(?!{JOINT})[^\W\d_%])"  # of the next smaller unit, which is left out: 2 min 30
_AND_MS = rf"{_NEXT}{NUMBER}{_GAP}{_MS}"
_AND_S = rf"(?:{_NEXT}{NUMBER}{_GAP}{_S}(?:{_AND_MS})?|{_AND_MS})"
TIME = (
    rf"(?:{NUMBER}{_GAP}{_H}(?:{_NEXT}{NUMBER}{_GAP}{_MIN}(?:{_AND_S}|{_REST})?|{_AND_S}|{_REST})"
    rf"|{NUMBER}{_GAP}{_MIN}(?:{_AND_S}|{_REST})|{NUMBER}{_GAP}{_S}{_AND_MS}|{NUMBER}{_UNIT}?)"
)
"""The longest stretch that may be one time; `amount` says what it is."""
CLOCK_COMMA = r"(?<=:[0-9][0-9]),(?=[0-9]{1,3}(?![0-9]|[:.][0-9]))"
"""A comma within a clock time: 00:01,200."""
DECIMAL_COMMAS = (
    rf"(?<=[0-9]){_AFTER_POINT},(?:[0-9]{{1,3}}{_UNIT}?{_GAP}{JOINT}{_GAP}[0-9]{{1,9}},[0-9]{{1,3}}(?![0-9]|[,.:][0-9])"
    rf"|(?=[0-9]{{1,3}}{_GAP}(?:{_UNIT}|{JOINT}{_GAP}[0-9])))"
)
"""A comma that a unit or a joint makes a part of a number, or two: `1,2 s`, `1,2 - 3,48`."""
FLAGS = re.IGNORECASE

_PLAIN = re.compile(r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:e[+-]?[0-9]{1,4})?", FLAGS)
_DECIMAL_COMMA = re.compile(r"([0-9]++),([0-9]++)")
_CLOCK = re.compile(r"([0-9]{1,3}):([0-5][0-9])(?::([0-5][0-9]))?(?:[.,]([0-9]++))?")
_CLOCK_MS = re.compile(r"([0-9]{1,3}):([0-5][0-9]):([0-9]{3})")
_WHOLE = re.compile(
    rf"\s*+([-+]?)(?:(?:at|about|around|approximately|approx\.?)\s{{1,4}}|[~≈]\s{{0,4}})?({TIME})\s*+", FLAGS
)
_PARTS = re.compile(rf"({NUMBER})({_UNIT})?", FLAGS)
_UNITS = tuple(
    (re.compile(words, FLAGS), unit_s) for words, unit_s in ((_MS, 1e-3), (_S, 1.0), (_MIN, 60.0), (_H, 3600.0))
)
_COUNTED = "|".join(f"{word}(?![a-z])" for word in sorted(COUNTED))
_UNIT_BEFORE = re.compile(
    rf"[(\[]\s{{0,2}}(?:in\s)?({_MS}|{_S}|{_MIN}|{_H}|{_COUNTED})\s{{0,2}}[)\]][\s*_`\"'“’]{{0,6}}[:=]?[\s*_`]{{0,6}}\Z",
    FLAGS,
)
_UNIT_BEHIND = re.compile(
    rf"{_GAP}[*`]{{0,2}}(?:\((?=(?:in\s)?(?:s|[^\W\d_]{{2,12}}|%)\s?\)))?[*`]{{0,2}}(?:in{_GAP})?"
    rf"({_MS}|{_S}|{_MIN}|{_H}|{_COUNTED})"
    rf"(?P<part>[0-9_]|-[^\W\d_])?(?P<colon>{_GAP}:)?(?:\.?{_GAP}(?P<word>[^\W\d_]{{1,24}}))?",
    FLAGS,
)
_AFTER_UNIT = frozenset((
    "in", "of", "from", "to", "is", "are", "and", "or", "with", "for", "at", "on", "when", "where", "while", "after",
    "before", "within", "into", "during", "as",
))  # fmt: skip
"""What follows a unit; before another word it may begin what is said of a sound: [1, 2] minute hand."""
LINE_START = re.compile(
    r"(?:[-*•]{1,2}\s{0,4})?(?:[0-9]{1,3}[.)]\s{1,4})?[*\[(`]{0,4}"
    rf"{TIME}\s{{0,4}}{JOINT}\s{{0,4}}{TIME}",
    FLAGS,
)
"""A line that begins with a range."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What is written as one time."""

    seconds: float | None
    """None for what is no time, or cannot be told apart from something else."""
    unit_s: float | None = None
    """Seconds in its unit; None for a number without one. Clock times are in seconds."""
    compound: bool = False
    """Several parts: `1 min 2 s`."""
    comma: bool = False
    """A number with a decimal comma, which is clear only with a unit, or with another one beside it."""
    precise: bool = False
    """At least two decimals."""


def amount(text: str) -> Amount:
    """What `text`, found by `TIME`, says. Huge digits may give infinity."""
    found = [(part[1].rstrip("."), (part[2] or "").strip().lower()) for part in _PARTS.finditer(text)]
    parts = [(number, _unit_s(unit) if unit else None) for number, unit in found]
    if len(parts) == 1:
        return Amount(None) if found[0][1] == "m" else _single(*parts[0])
    seconds = 0.0
    larger_s = math.inf
    for number, unit_s in parts:
        part_s = larger_s / 60 if unit_s is None else unit_s
        value = _decimal(number) if found[0][1] != "m" or unit_s is not None else None
        if value is None or scaled(value, part_s) >= larger_s:
            return Amount(None)
        seconds += scaled(value, part_s)
        larger_s = part_s
    return Amount(round(seconds, 9), 1.0, compound=True)  # without the noise of the sum


def read_amount(text: str) -> Amount | None:
    """The one time that is all of `text`; None where it is none."""
    match = _WHOLE.fullmatch(text)
    if match is None:
        return None
    found = amount(match[2])
    if match[1] != "-" or found.seconds is None:
        return found
    return Amount(-found.seconds, found.unit_s, found.compound, found.comma, found.precise)


def read_pair(first: str, last: str) -> tuple[float, float] | None:
    """Onset and offset in seconds of two texts found by `TIME`; None where they cannot be told apart."""
    onset, offset = amount(first), amount(last)
    if onset.seconds is None or offset.seconds is None:
        return None
    if onset.comma != offset.comma and (onset if onset.comma else offset).unit_s is None:
        return None
    if onset.unit_s is None and offset.unit_s not in (None, 1.0):
        return None if offset.compound else (scaled(onset.seconds, offset.unit_s), offset.seconds)
    if onset.unit_s is None and offset.compound:
        return None
    if offset.unit_s is None and (onset.compound or onset.unit_s not in (None, 1.0)):
        return None
    return onset.seconds, offset.seconds


def unit_before(plain: str, end: int) -> float | None:
    """Seconds in the unit in brackets that stands before those at `end`, `Times (ms): [...]`; None for no time's."""
    match = _UNIT_BEFORE.search(plain, max(0, end - 32), end)
    return 1.0 if match is None or match[1].lower() in ("m", "h") else _unit_s(match[1])


def unit_behind(plain: str, start: int) -> tuple[float | None, int] | None:
    """The unit at `start`, behind numbers in brackets, in seconds, and where it ends.

    Of None seconds are minutes, or metres, and what is no unit of time: `[30, 87] (frames)`.
    """
    match = _UNIT_BEHIND.match(plain, start)
    if match is None or match["part"] or (len(match[1]) == 1 and match["colon"]):  # [1, 2] S1, [1, 2] s: speech
        return None
    if match["word"] and (match[1].lower() in ("second", "minute", "hour") or match[1].istitle()):  # [1, 2] second bell
        return None
    unclear = match[1].lower() == "m" or (match["word"] and match["word"].lower() not in _AFTER_UNIT)
    return (None if unclear else _unit_s(match[1])), match.end(1)


def looks_like_times(*texts: str) -> bool:
    """Whether numbers that are no times are written with the signs of times: not 5 m, but 1:75 and 1,200."""
    return any(sign in text for text in texts for sign in ":,'")


def _single(number: str, unit_s: float | None) -> Amount:
    clock = _clock(number)
    if clock is not None:
        return Amount(clock if unit_s in (None, 1.0, 60.0) else None, 1.0, precise=True)
    seconds = _decimal(number)
    if seconds is None:
        return Amount(None)
    digits = re.split("[.,]", number)
    precise = len(digits) > 1 and len(digits[1]) > 1
    return Amount(scaled(seconds, unit_s or 1.0), unit_s, comma="," in number, precise=precise)


def _decimal(number: str) -> float | None:
    if _PLAIN.fullmatch(number):
        return float(number[:320])  # enough digits for any float; more would cost quadratic time
    match = _DECIMAL_COMMA.fullmatch(number)
    if match is None or (len(match[2]) == 3 and match[1] != "0"):
        return None
    return float(f"{match[1][:320]}.{match[2][:320]}")


def _clock(number: str) -> float | None:
    match = _CLOCK_MS.fullmatch(number)
    if match is not None:
        return float(f"{60 * int(match[1]) + int(match[2])}.{match[3]}")
    match = _CLOCK.fullmatch(number)
    if match is None:
        return None
    first, second = int(match[1]), int(match[2])
    whole = 60 * first + second if match[3] is None else 3600 * first + 60 * second + int(match[3])
    return float(f"{whole}.{(match[4] or '0')[:320]}")


def scaled(value: float, unit_s: float) -> float:
    """A number of units in seconds, as exact as its decimals are."""
    return value / round(1 / unit_s) if unit_s < 1 else value * unit_s


def _unit_s(unit: str) -> float | None:
    return next((unit_s for pattern, unit_s in _UNITS if pattern.fullmatch(unit)), None)
