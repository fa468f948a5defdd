"""The offline runs of W&B below a folder, read back: its files are logs in the format of LevelDB."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

_HEADER, _BLOCK = 7, 32_768


@dataclass
class OfflineRun:
    """What one call of `wandb.init` wrote."""

    id: str = ""
    started_ns: int = 0
    """Its folder's name knows seconds alone, and two can be begun in one."""
    name: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    notes: str = ""
    artifacts: dict[str, dict[str, Path]] = field(default_factory=dict)
    """Name -> path inside -> file that waits for its upload."""
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Key -> rows of the newest table."""


def offline_runs(folder: Path) -> list[OfflineRun]:
    """In the order in which they were begun."""
    return sorted(map(_run, folder.glob("wandb/offline-run-*/*.wandb")), key=lambda run: run.started_ns)


def _run(path: Path) -> OfflineRun:
    found = OfflineRun()
    media = path.parent / "files"
    for content in _records(path.read_bytes()):
        record = Record.FromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found.id, found.name, found.group, found.job_type = (
                run.run_id,
                run.display_name,
                run.run_group,
                run.job_type,
            )
            found.started_ns = run.start_time.ToNanoseconds()
            found.tags, found.notes = list(run.tags), run.notes or found.notes
        updates = record.run.config.update if kind == "run" else record.config.update if kind == "config" else ()
        found.config |= {_key(item): json.loads(item.value_json) for item in updates}
        if kind == "history":
            found.history.append({_key(item): json.loads(item.value_json) for item in record.history.item})
            for key, place in found.history[-1].items():
                if key.startswith("completions/") and key.endswith("/path"):
                    table = json.loads((media / place).read_text())
                    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
                    found.tables[key.removesuffix("/path")] = rows
        if kind == "summary":
            found.summary |= {_key(item): json.loads(item.value_json) for item in record.summary.update}
        if kind == "artifact":
            contents = record.artifact.manifest.contents
            found.artifacts[record.artifact.name] = {one.path: Path(one.local_path) for one in contents}
    return found


def _key(item: Any) -> str:
    return item.key or "/".join(item.nested_key)


def _records(content: bytes) -> Iterator[bytes]:
    at, parts = _HEADER, b""
    while at + 7 <= len(content):
        room = _BLOCK - at % _BLOCK
        if room < 7:
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield parts
            parts = b""
