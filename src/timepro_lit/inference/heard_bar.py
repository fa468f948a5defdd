"""How much of all recordings was heard, in a terminal, and for how long it will go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from timepro_lit.data.audio import promised_s

_GUESS_S = 10.0
"""Of a recording whose header says no length."""


class HeardBar:
    """A bar by seconds of sound; lengths are those of headers until a recording was heard to its end."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._lengths_s = {file: promised_s(file) or _GUESS_S for file in files}
        self._heard_s: dict[Path, float] = {}
        self._now: Path | None = None
        columns = (TextColumn("answering"), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, TimeRemainingColumn())
        self._task = self._bar.add_task("", total=self._total_s())

    def heard(self, file: Path, until_s: float | None) -> None:
        """A recording was answered about up to a moment; None = it is left out."""
        if self._now is not None and self._now != file:
            self._lengths_s[self._now] = self._heard_s.get(self._now, 0.0)
        self._now = file
        self._heard_s[file] = until_s or 0.0
        self._lengths_s[file] = max(self._heard_s[file], self._lengths_s[file] if until_s is not None else 0.0)
        done_s, total_s = sum(self._heard_s.values()), self._total_s()
        said = f"{timedelta(seconds=int(done_s))} of {timedelta(seconds=int(total_s))}"
        self._bar.update(self._task, completed=done_s, total=total_s, description=said)

    def _total_s(self) -> float:
        return sum(self._lengths_s.values())

    def __enter__(self) -> HeardBar:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.stop()
