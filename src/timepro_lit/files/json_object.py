"""JSON files of objects, whoever wrote them, and what may be written into one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from timepro_lit.files.text_file import open_utf8


def read_object(path: Path) -> dict[str, Any]:
    """What the file says. Raises ValueError that names it where that is no JSON object, OSError as `open`."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content


def read_lines(path: Path, max_bytes: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file that holds one a line, each with where it stands (file:line); empty lines are passed over.

    Raises ValueError naming file and line of one that is longer than `max_bytes`, no JSON object, or has a key twice.
    """
    with open_utf8(path) as lines:
        number = 0
        while line := lines.readline(max_bytes + 1):
            number += 1
            where = f"{path}:{number}"
            if len(line) > max_bytes:
                raise ValueError(f"{where}: the line is longer than {max_bytes} bytes")
            if not line.strip():
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"), object_pairs_hook=each_key_once)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{where}: not a JSON object: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"{where}: a line must be a JSON object, not {type(row).__name__}")
            yield where, row


def each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for `object_pairs_hook`. Raises ValueError for a key that stands twice."""
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {shown(next(key for key in keys if keys.count(key) > 1))} stands twice")
    return row


def defined(node: Any) -> Any:
    """As JSON has it: a number that is not finite is null.

    >>> defined({"mAP": float("nan"), "events": [(0.0, float("inf"))]})
    {'mAP': None, 'events': [[0.0, None]]}
    """
    if isinstance(node, Mapping):
        return {key: defined(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [defined(value) for value in node]
    return None if isinstance(node, float) and not math.isfinite(node) else node


def shown(value: Any) -> str:
    """A value in a sentence: on one line, and not at length."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
