"""Manifests: one JSON object a line, one `Example` each. One such line:

{"id": "7", "task": "ag", "audio": "a/7.flac", "duration_s": 10, "query": "rain", "events": [[1.2, 3.48, "rain"]]}

`query` belongs to tasks that ask for something. `recording` is what the recording is called in every corpus, e.g.
"audioset:b0RFKhbpFJA"; where it is absent, the name of the audio file says it, or nothing does. A window of a longer
recording says where it begins, and how long the recording is: `"start_s": 30, "recording_s": 299.2`; `duration_s` and
the times of the events are then the window's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from timepro_lit.data.splits import video_key
from timepro_lit.files.atomic import write_if_changed
from timepro_lit.files.checksums import check, checksum_file, write_checksum
from timepro_lit.files.fingerprint import content_digest
from timepro_lit.files.text_file import open_utf8
from timepro_lit.records import Event, Example

MAX_LINE_BYTES = 1 << 20
"""A longer line is refused before it is parsed: no clip of 30 s has a megabyte of events."""

END_TOLERANCE_S = 0.1
"""How far an event may reach past the clip's end; annotation tools and resamplers round differently."""

_REQUIRED = ("id", "task", "audio", "duration_s", "events")
_KEYS = frozenset((*_REQUIRED, "query", "recording", "start_s", "recording_s"))


def read_manifest(path: str | Path) -> list[Example]:
    """All examples of a manifest, in file order, events in onset order. Raises what `iterate_manifest` raises."""
    return list(iterate_manifest(path))


def iterate_manifest(path: str | Path) -> Iterator[Example]:
    """The examples of a manifest one by one, as `read_manifest` gives them.

    Raises ValueError naming file, line and key for the first fault: bad JSON, a missing, unknown or repeated key, a
    wrong type, a time that is not finite, reversed or outside the clip, an audio path that leaves the root, a repeated
    id, a line over `MAX_LINE_BYTES`, or no example at all; and where the file is not as it was prepared.
    """
    path = Path(path)
    if checksum_file(path).exists():
        check(path, content_digest(path))
    first_line_of: dict[str, int] = {}
    with open_utf8(path) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            where = f"{path}:{number}"
            if len(line) > MAX_LINE_BYTES:
                raise ValueError(f"{where}: the line is longer than {MAX_LINE_BYTES} bytes")
            if not line.strip():
                continue
            example = _parse_line(line, where)
            first = first_line_of.setdefault(example.id, number)
            if first != number:
                raise ValueError(f"{where}: id {example.id!r} was used in line {first} already")
            yield example
    if not first_line_of:
        raise ValueError(f"{path}: the manifest holds no example")


def write_manifest(path: str | Path, examples: Iterable[Example]) -> None:
    """Write a manifest in one move, unless it is there already: readers see the old file or the whole new one.

    Raises ValueError where `read_manifest` would not give the same examples back; the old file then stays.
    """
    path = Path(path)
    lines: list[str] = []
    seen: set[str] = set()
    for number, example in enumerate(examples, start=1):
        where = f"{path}:{number}"
        line = checked_line(example, where)
        if example.id in seen:
            raise ValueError(f"{where}: id {example.id!r} is used twice")
        seen.add(example.id)
        lines.append(line)
    if not lines:
        raise ValueError(f"{path}: the manifest would hold no example")
    write_if_changed(path, "\n".join(lines) + "\n")


def write_prepared(path: Path, examples: Iterable[Example]) -> None:
    """As `write_manifest`, with a checksum beside it, by which a change of the file is noticed."""
    write_manifest(path, examples)
    write_checksum(path)


def checked_line(example: Example, where: str) -> str:
    """An example as a line of a manifest. Raises ValueError where it would not read back as it is."""
    example = replace(example, recording=example.recording or video_key(example.audio))
    line = _line(example)
    if _parse_line(line.encode("utf-8", "surrogatepass"), where) != example:
        raise ValueError(f"{where}: example {example.id!r} would read back changed; events must be in onset order")
    return line


def _line(example: Example) -> str:
    row: dict[str, Any] = {"id": example.id, "task": example.task, "audio": example.audio}
    if example.is_window:
        row["start_s"] = example.start_s
    row["duration_s"] = example.duration_s
    if example.recording_s is not None:
        row["recording_s"] = example.recording_s
    if example.query is not None:
        row["query"] = example.query
    if example.recording is not None:
        row["recording"] = example.recording
    row["events"] = [[e.onset, e.offset, e.label] for e in example.events]
    return json.dumps(row, ensure_ascii=False)


def _parse_line(line: bytes, where: str) -> Example:
    try:
        row = json.loads(line.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"{where}: not a JSON object: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"{where}: a line must be a JSON object, not {type(row).__name__}")
    for key in _REQUIRED:
        if key not in row:
            raise ValueError(f"{where}: key {key!r} is missing")
    if unknown := sorted(row.keys() - _KEYS):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}")
    duration_s = _seconds(row["duration_s"], f"{where}: duration_s")
    if duration_s <= 0:
        raise ValueError(f"{where}: duration_s is {duration_s}, it must be above 0")
    audio = _relative_path(row["audio"], f"{where}: audio")
    start_s = _seconds(row.get("start_s", 0.0), f"{where}: start_s")
    return Example(
        id=_text(row["id"], f"{where}: id"),
        task=_text(row["task"], f"{where}: task"),
        audio=audio,
        duration_s=duration_s,
        events=_events(row["events"], duration_s, where),
        query=_text_or_none(row.get("query"), f"{where}: query"),
        recording=_text_or_none(row.get("recording"), f"{where}: recording") or video_key(audio),
        start_s=start_s,
        recording_s=_recording_s(row.get("recording_s"), start_s, duration_s, where),
    )


def _recording_s(value: Any, start_s: float, duration_s: float, where: str) -> float | None:
    if start_s < 0:
        raise ValueError(f"{where}: start_s is {start_s}, no clip begins before its recording")
    if value is None:
        return None
    recording_s = _seconds(value, f"{where}: recording_s")
    if start_s + duration_s > recording_s + END_TOLERANCE_S:
        end_s = start_s + duration_s
        raise ValueError(f"{where}: the clip ends at {end_s:g} s, but its recording lasts {recording_s:g} s")
    return recording_s


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key is repeated")
    return row


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be text, not {type(value).__name__}")
    # Answers are read line by line, and half a surrogate pair cannot be written to any file.
    if not value.strip() or len(value.splitlines()) != 1 or any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(f"{where} must be one line of readable text, not {value!r}")
    return value


def _text_or_none(value: Any, where: str) -> str | None:
    return None if value is None else _text(value, where)


def _seconds(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{where} must be a number of seconds, not {type(value).__name__}")
    if not abs(value) <= 1e9:  # also false for NaN, and for integers too large for a float
        raise ValueError(f"{where} is {value if isinstance(value, float) else 'huge'}, not a time in seconds")
    return float(value)


def is_plain_path(text: str) -> bool:
    """Whether a path stays below whatever root it is put under, on any system, links aside."""
    path = PurePosixPath(text)
    return not (path.is_absolute() or ".." in path.parts or text.startswith("~") or any(c in text for c in "\0\\:"))


def _relative_path(value: Any, where: str) -> str:
    text = _text(value, where)
    if not is_plain_path(text):
        raise ValueError(f"{where} must be a plain path below the manifest's root, not {text!r}")
    return text


def _events(value: Any, duration_s: float, where: str) -> tuple[Event, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: events must be a list, not {type(value).__name__}")
    events = [_event(entry, duration_s, f"{where}: events[{i}]") for i, entry in enumerate(value)]
    return tuple(sorted(events, key=lambda event: event.onset))


def _event(entry: Any, duration_s: float, where: str) -> Event:
    if not isinstance(entry, list) or len(entry) != 3:
        raise ValueError(f"{where} must be [onset, offset, label]")
    onset, offset = _seconds(entry[0], f"{where} onset"), _seconds(entry[1], f"{where} offset")
    if not 0 <= onset < offset:
        raise ValueError(f"{where} lasts from {onset} s to {offset} s, which is no stretch of time")
    if onset >= duration_s or offset > duration_s + END_TOLERANCE_S:
        raise ValueError(f"{where} ends at {offset} s, but the clip lasts {duration_s} s")
    return Event(onset, offset, _text(entry[2], f"{where} label"))
