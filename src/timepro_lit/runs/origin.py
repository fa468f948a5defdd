"""What a result was made from, stored beside it; and whether the same would be made today."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from timepro_lit.files.sealing import read_sealed

LIBRARIES = (
    "torch", "torchaudio", "transformers", "tokenizers", "peft", "lightning", "deepspeed", "numpy", "soundfile",
)  # fmt: skip
"""Their versions are stored beside a result and said where they differ; they do not make it anew."""
_SHOWN = 4


@dataclass(frozen=True)
class Grounds:
    """What the settings alone say that a result depends on."""

    settings: Mapping[str, Any]
    code: Mapping[str, str]
    """File inside the package -> digest of its code."""

    def on(self, **found: Any) -> Origin:
        """With what only the run finds out: contents, lengths, the result before."""
        return Origin({"settings": self.settings, **found}, self.code)


@dataclass(frozen=True)
class Origin:
    """All that determines a result."""

    determinants: Mapping[str, Any]
    code: Mapping[str, str]

    @property
    def key(self) -> str:
        """12 hex digits; the order of keys does not count."""
        return key_of({"determinants": self.determinants, "code": self.code})

    def record(self) -> dict[str, Any]:
        """As it is stored."""
        return {"determinants": self.determinants, "code": self.code, "versions": library_versions()}

    def other_settings(self, record: Mapping[str, Any]) -> list[str]:
        """In what, the code aside, a stored result has another origin."""
        wanted = json.loads(json.dumps(self.determinants))
        return differing_keys(record.get("determinants", "nothing"), wanted)

    def other_code(self, record: Mapping[str, Any]) -> list[str]:
        """Files whose code made the stored result and is another one today, or the other way round."""
        stored = record.get("code", {})
        return sorted(name for name in {*stored, *self.code} if stored.get(name) != self.code.get(name))


def other_versions(record: Mapping[str, Any]) -> str | None:
    """The libraries that a stored result was made with, where these are others than today's, in words."""
    stored, now = record.get("versions", {}), library_versions()
    differing = [f"{name} {old}, now {now.get(name)}" for name, old in stored.items() if now.get(name) != old]
    return f"made with {'; '.join(differing)}" if differing else None


def listed(names: list[str]) -> str:
    """The first of them.

    >>> listed(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d and 2 more'
    """
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def library_versions() -> dict[str, str]:
    """Of the libraries that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_record(path: Path) -> dict[str, Any] | None:
    """What was stored with a result; None where there is nothing that can be read, or it is not as it was stored."""
    try:
        return read_sealed(path)
    except (OSError, ValueError):
        return None


def key_of(determinants: Mapping[str, Any]) -> str:
    """12 hex digits; the order of keys does not count."""
    return hashlib.sha256(json.dumps(determinants, sort_keys=True).encode()).hexdigest()[:12]


def differing_keys(stored: Any, wanted: Any, path: str = "") -> list[str]:
    """Paths of the leaves in which two trees of settings differ, with both values."""
    if isinstance(stored, Mapping) and isinstance(wanted, Mapping):
        keys = [*stored, *(k for k in wanted if k not in stored)]
        absent = "nothing"
        return [
            found
            for key in keys
            for found in differing_keys(stored.get(key, absent), wanted.get(key, absent), f"{path}.{key}".lstrip("."))
        ]
    return [] if stored == wanted else [f"{path} ({_short(stored)} there, {_short(wanted)} now)"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
