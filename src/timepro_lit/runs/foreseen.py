"""Which stages a run would share or find stored, as far as its settings and code say: contents are not looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timepro_lit.runs.origin import Grounds, listed, read_record
from timepro_lit.runs.stages import RECORD


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One stage of a run that has not begun."""

    key: str
    """Of settings, code and the stages before: equal where two runs share the stage, on one base and the same data."""
    stored: tuple[Path, ...]
    """Results that it would be, if base and data are what they were."""
    outdated: str | None = None
    """Of a result that other code made: the files."""

    @property
    def said(self) -> str:
        """In words."""
        if self.stored:
            return f"stored: {', '.join(path.name for path in self.stored)}"
        if self.outdated:
            return f"made anew: other code ({self.outdated})"
        return "not stored: to be made"


def foreseen(
    store: Path, grounds: Mapping[str, Grounds], lengths: Mapping[str, Mapping[str, Any]], init_from: str | None
) -> dict[str, Foreseen]:
    """All stages in their order; `lengths` are their optimiser steps and the rows to each."""
    found: dict[str, Foreseen] = {}
    parent, parents = init_from, None
    for name, of_stage in grounds.items():
        origin = of_stage.on(lengths=lengths[name], parent=parent)
        stored, outdated = [], []
        for folder in sorted(store.glob(f"{name}-{'[0-9a-f]' * 12}")):
            record = read_record(folder / RECORD) or {}
            theirs = record.get("determinants", {})
            alike = all(theirs.get(key) == _plain(origin.determinants[key]) for key in ("settings", "lengths"))
            if not alike or (parents is not None and theirs.get("parent") not in parents):
                continue
            files = origin.other_code(record)
            (outdated if files else stored).append((folder, files))
        files = min((files for _, files in outdated), key=len, default=None)
        found[name] = Foreseen(origin.key, tuple(f for f, _ in stored), None if files is None else listed(files))
        parent, parents = origin.key, {folder.name.removeprefix(f"{name}-") for folder, _ in stored}
    return found


def _plain(value: Any) -> Any:
    """As it comes back from a file."""
    return json.loads(json.dumps(value))
