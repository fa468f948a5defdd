"""Event lists as the DESED files write them: TAB-separated `filename onset offset event_label`, one event a line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from timepro_lit.data.corpora.json_files import Fault
from timepro_lit.data.corpora.tables import seconds
from timepro_lit.files.text_file import opened_text
from timepro_lit.records import Event

COLUMNS = ("filename", "onset", "offset", "event_label")
SCORE = "score"


def read_events_tsv(path: str | Path, scored: bool = False) -> dict[str, tuple[Event, ...]]:
    """Events of each file, files in order of appearance, events in the file's order.

    Where they are `scored`, a column `score` says how sure a system is of each event; an empty cell says nothing.

    A line that names a file and nothing else says that the file holds no event. Times are in seconds and may be any
    finite number: what does not make sense in a reference is for the caller to refuse.

    Raises ValueError naming file and line for a missing column, a time or score that is no number, an event without
    label, and what is no such table.
    """
    path = Path(path)
    events: dict[str, list[Event]] = {}
    with opened_text(path, newline="") as file:
        lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = _rows(lines, path)
        header = next(rows, [])
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise ValueError(
                f"{path}:1: column {missing[0]!r} is missing; the first line must name {', '.join(COLUMNS)}"
            )
        for values in rows:
            if not any(values):
                continue
            where = f"{path}:{lines.line_num}"
            row = dict(zip(header, values, strict=False))
            name, *event = (row.get(column, "") for column in COLUMNS)
            event = [_without_nan(cell.strip()) for cell in event]
            if not name.strip():
                raise ValueError(f"{where}: the filename is missing")
            of_file = events.setdefault(name, [])
            if any(event):
                of_file.append(_event(event, row.get(SCORE, "") if scored else "", where))
    if not events:
        raise ValueError(f"{path}: the file holds no line beside the header")
    return {name: tuple(of_file) for name, of_file in events.items()}


def _rows(lines: Any, path: Path) -> Iterator[list[str]]:
    try:
        yield from lines
    except csv.Error as error:
        raise ValueError(f"{path}:{lines.line_num}: cannot be read: {error}") from None


def _without_nan(cell: str) -> str:
    """pandas writes NaN for an empty cell."""
    return "" if cell.lower() == "nan" else cell


def _event(values: list[str], score: str, where: str) -> Event:
    onset, offset, label = values
    if not label:
        raise ValueError(f"{where}: the event has no event_label")
    try:
        event = Event(seconds(onset, "onset"), seconds(offset, "offset"), label)
    except Fault:
        raise ValueError(f"{where}: onset and offset must be numbers, not {onset!r} and {offset!r}") from None
    if not (score := _without_nan(score.strip())):
        return event
    try:
        return replace(event, score=seconds(score, SCORE))
    except Fault:
        raise ValueError(f"{where}: {SCORE} must be a number, not {score!r}") from None
