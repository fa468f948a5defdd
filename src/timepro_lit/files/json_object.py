"""A JSON file that holds one object, whoever wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_object(path: Path) -> dict[str, Any]:
    """What the file says. Raises ValueError that names it where that is no JSON object, OSError as `open`."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content


def shown(value: Any) -> str:
    """A value in a sentence: on one line, and not at length."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
