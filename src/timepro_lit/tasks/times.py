"""Times in free text: `1.2`, `1.2 s`, `350 ms`, `0:01.5`, and pairs of them joined by a dash or a word.

Every pattern is linear: runs of digits are taken whole (possessive `++`) and never entered in their middle
(lookbehind), all other repetitions are bounded. `[0-9]` because `\\d` would match every script's digits.
"""

from __future__ import annotations

import re

_NUMBER = r"(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:e[+-]?[0-9]{1,4}(?![0-9a-z]))?"
_CLOCK = r"[0-9]{1,3}:[0-5][0-9](?::[0-5][0-9])?(?:\.[0-9]*+)?"
_UNIT = r"\s{0,4}(?:seconds|second|secs|sec|ms|s)(?![a-z])"
_TIME = rf"((?:{_CLOCK}|{_NUMBER}))({_UNIT})?"
_JOINT = r"\s{0,4}(?:-|–|—|~|to|until|till|and(?:\s{1,4}ends?\s{1,4}at)?)\s{0,4}"
_PAIR = rf"{_TIME}{_JOINT}{_TIME}(?![0-9a-z_])"
_FLAGS = re.IGNORECASE | re.ASCII

TIME = re.compile(rf"\s*+([-+]?){_TIME}\s*+", _FLAGS)
PAIR = re.compile(rf"(?<![0-9a-z_.]){_PAIR}", _FLAGS)
BARE_PAIR = re.compile(rf"\s*+(?:from\s{{1,4}}|between\s{{1,4}}|at\s{{1,4}})?{_PAIR}\.?\s*+", _FLAGS)
LINE = re.compile(
    r"(?:[-*•]{1,2}\s{0,4})?(?:[0-9]{1,3}[.)]\s{1,4})?[*\[(]{0,3}\s{0,2}(?:from\s{1,4}|between\s{1,4})?"
    rf"{_PAIR}(?P<separator>[\s*\])]{{0,8}}[,:;–—|-]?[*]{{0,2}})(?P<caption>.*)",
    _FLAGS | re.DOTALL,
)


def pair_seconds(first: str, first_unit: str | None, last: str, last_unit: str | None) -> tuple[float, float]:
    """Onset and offset in seconds from the four groups of a pair; a lone last unit holds for both."""
    return _seconds(first, first_unit or last_unit), _seconds(last, last_unit)


def read_time(text: str) -> float | None:
    """The one time, in seconds, that is all of `text`; None otherwise. Huge digits may give infinity."""
    match = TIME.fullmatch(text)
    if match is None:
        return None
    seconds = _seconds(match[2], match[3])
    return -seconds if match[1] == "-" else seconds


def read_pair(text: str) -> tuple[float, float] | None:
    """The one pair of times that is all of `text`, such as `from 1.2 to 3.48 s`; None otherwise."""
    match = BARE_PAIR.fullmatch(text)
    return None if match is None else pair_seconds(match[1], match[2], match[3], match[4])


def find_pairs(text: str) -> list[tuple[float, float]]:
    """Every pair of times within `text`, from left to right."""
    return [pair_seconds(match[1], match[2], match[3], match[4]) for match in PAIR.finditer(text)]


def read_line(line: str) -> tuple[float, float, str] | None:
    """Onset, offset and caption of `1.20-3.48, a dog barks`; None where the line does not begin with a pair.

    With nothing but a space before the caption, the pair must look like times: `2-3 dogs bark` is no event.
    """
    match = LINE.fullmatch(line.strip())
    if match is None:
        return None
    caption = match["caption"].strip()
    pair = match[1], match[2], match[3], match[4]
    timelike = any("." in part or ":" in part for part in (match[1], match[3])) or match[2] or match[4]
    if caption and not timelike and not match["separator"].strip():
        return None
    return (*pair_seconds(*pair), caption)


def _seconds(number: str, unit: str | None) -> float:
    seconds = 0.0
    for part in number.split(":"):
        seconds = 60 * seconds + float(part[:320])  # enough digits for any float; more would cost quadratic time
    return seconds / 1000 if unit is not None and unit.strip().lower() == "ms" else seconds
