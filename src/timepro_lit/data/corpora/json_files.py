"""Reading the JSON files of public corpora: whole files, in any order of keys, with one sentence for each fault."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timepro_lit.files.json_object import each_key_once
from timepro_lit.records import Event


class Fault(ValueError):
    """One entry is not as the format says; the file goes on behind it."""


def entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, entry) of a JSON list or object of objects, in the file's order; `where` ends in `[index or key]`.

    Raises ValueError that names the file where it is no such JSON, or an object has a key twice.
    """
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=each_key_once)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"{path}: is not JSON: {error}") from None
    if not isinstance(content, list | dict):
        raise ValueError(f"{path}: must be a list or an object of entries, not {type(content).__name__}")
    for key, entry in enumerate(content) if isinstance(content, list) else content.items():
        if not isinstance(entry, dict):
            raise ValueError(f"{path}[{key}]: must be an object, not {type(entry).__name__}")
        yield f"{path.name}[{key}]", entry


def text(entry: dict[str, Any], key: str) -> str:
    """A text of an entry, its white space made single spaces. Raises Fault where there is none."""
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise Fault(f"{key} is {value!r:.80}, not a text")
    return " ".join(value.split())


def file_name(entry: dict[str, Any], key: str) -> str:
    """The name of a file, whose spaces are part of it. Raises Fault where there is none."""
    text(entry, key)
    return str(entry[key])


def number(entry: dict[str, Any], key: str) -> float:
    """A finite number of an entry, which may be written as text. Raises Fault where there is none."""
    return finite(entry.get(key), key)


def finite(value: Any, name: str) -> float:
    """`value` as a finite number. Raises Fault where it is none."""
    try:
        result = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise Fault(f"{name} is {value!r:.80}, not a number")
    return result


def events_of(segments: Any, label: str) -> tuple[Event, ...]:
    """`[[onset, offset], ...]` as events. Raises Fault for anything else."""
    if not isinstance(segments, list) or any(not isinstance(pair, list) or len(pair) != 2 for pair in segments):
        raise Fault(f"segments are {segments!r:.80}, not [[onset, offset], ...]")
    return tuple(Event(finite(onset, "onset"), finite(offset, "offset"), label) for onset, offset in segments)


def moment_of(entry: Any, query_key: str, segments_key: str) -> tuple[str | None, tuple[Event, ...], str | None]:
    """A query, all stretches of time in which it is heard, and what is wrong with either.

    A query whose times cannot be read is a query all the same: it occurs, nobody knows when.
    """
    query = None
    try:
        if not isinstance(entry, dict):
            raise Fault("a moment is no object")
        query = text(entry, query_key)
        if events := events_of(entry.get(segments_key), query):
            return query, events, None
        raise Fault(f"{segments_key} is empty")
    except Fault as fault:
        return query, (), str(fault)
