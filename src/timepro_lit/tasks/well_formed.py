"""Answers exactly as the tasks write them, read at once. All others, and all doubtful ones, go the long way."""

from __future__ import annotations

import json
import re

from timepro_lit.tasks.named_times import Span
from timepro_lit.tasks.names import Role, name_of
from timepro_lit.tasks.typography import unwrapped

_TIME = r"[0-9]{1,6}\.[0-9]{2}"
_PAIR = rf"\[{_TIME}, {_TIME}\]"
_ENTRY = rf'"((?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-f]{{4}})*+)": ({_PAIR}|\[{_PAIR}(?:, {_PAIR})*+\])'
_OBJECT = re.compile(rf"\{{{_ENTRY}(?:, {_ENTRY})*+\}}")
_ENTRIES = re.compile(_ENTRY)
_PAIRS = re.compile(rf"\[({_TIME}), ({_TIME})\]")
# a caption may not hold what could end thinking or be times, and not begin with a quote that would be taken off
_LINE = rf"({_TIME})-({_TIME}), ([^\s<“”„‟«»‘’‚‛‹›「『〝0-9][^\r\n<0-9]*+)"
_LINES = re.compile(rf"{_LINE}(?:\n{_LINE})*+")
_EACH_LINE = re.compile(_LINE)


def read_object(text: str) -> tuple[Span, ...] | None:
    """The events of `{"dog": [0.10, 0.60], "bell": [[0.10, 0.60], [2.00, 2.40]]}`; None for anything else."""
    if _OBJECT.fullmatch(text) is None:
        return None
    spans: list[Span] = []
    entries = _ENTRIES.findall(text)
    if len({entry[0] for entry in entries}) < len(entries):
        return None
    for key, pairs in entries:
        label = unwrapped((json.loads(f'"{key}"') if "\\" in key else key).strip())
        name = name_of(label)
        if name.role is Role.TIMES or name.unit_s != 1.0 or (len(entries) > 1 and name.role is not None):
            return None
        spans += [(float(onset), float(offset), label) for onset, offset in _PAIRS.findall(pairs)]
    return tuple(spans)


def read_lines(text: str) -> tuple[Span, ...] | None:
    """The events of lines `1.20-3.48, a dog barks`; None for anything else."""
    if _LINES.fullmatch(text) is None:
        return None
    return tuple((float(onset), float(offset), caption.strip()) for onset, offset, caption in _EACH_LINE.findall(text))
