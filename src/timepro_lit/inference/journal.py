"""What was answered so far, kept as it comes: a call that was killed goes on behind it.

The first line says what call it is of; then a line an answer, or what is known of a recording: by size and time of
change it is the same one. A line that was being written when the call was killed is dropped, and with it the answers of
a batch that is not whole, so that those that are asked again stand in the same batches as they would have.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from timepro_lit.files.atomic import naming
from timepro_lit.files.digests import Stamp
from timepro_lit.records import Answer, Example
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.merged import read_again, said_in

_VERSION = 2
_WHOLE = b'{"batch": "whole"}\n'


@dataclass
class Known:
    """Of one recording."""

    answers: dict[int, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    """By the number of the question, those about its windows in their order; one where it was heard in one piece."""
    duration_s: float | None = None
    """None where its end was not reached."""
    num_windows: int | None = None
    stamp: Stamp | None = None
    """Of its file."""


class Journal:
    """Answers by the names of their recordings, on disk and in memory."""

    def __init__(self, rows: BinaryIO, path: Path, known: dict[str, Known]) -> None:
        self._rows = rows
        self._path = path
        self._known = known

    def of(self, name: str) -> Known:
        """What is known of a recording."""
        return self._known.setdefault(name, Known())

    def begun(self, name: str, stamp: Stamp) -> Known:
        """What is known of a recording, whose file has this stamp; nothing where it had another one."""
        if self.of(name).stamp != stamp:
            self._write({"audio": name, "stamp": stamp})
            self._known[name] = Known(stamp=stamp)
        return self._known[name]

    def answered(self, name: str, number: int, answer: Answer) -> None:
        """Keep an answer to the question of that number about a recording or its next window."""
        example = answer.example
        place = {"start_s": example.start_s, "duration_s": example.duration_s, "id": example.id}
        self._write({"audio": name, "question": number, **place, "query": example.query, "said": said_in(answer)})
        self.of(name).answers[number].append(answer)

    def ended(self, name: str, duration_s: float, num_windows: int) -> None:
        """Keep how long a recording is, and of how many windows."""
        self._write({"audio": name, "ends": [duration_s, num_windows]})
        self.of(name).duration_s, self.of(name).num_windows = duration_s, num_windows

    def whole_batch(self) -> None:
        """All answers of a batch are kept: from here on another call may ask."""
        self._rows.write(_WHOLE)

    def _write(self, row: dict[str, Any]) -> None:
        with naming(self._path):
            self._rows.write(json.dumps(row).encode() + b"\n")


@contextmanager
def journal(path: Path, call: str, task: ScoredTask, is_voted: bool) -> Iterator[Journal]:
    """The journal of a call, gone on with where it is there; every line is on its way to the disk when it was written.

    Args:
        call: what identifies the call.
        task: reads the answers that are there.

    Raises FileExistsError where the journal of another call is there.
    """
    known: dict[str, Known] = {}
    with naming(path), path.open("a+b", buffering=0) as rows:
        rows.seek(0)
        lines = rows.readall().splitlines(keepends=True)
        head = json.dumps({"version": _VERSION, "call": call}).encode() + b"\n"
        if lines and lines[0] != head and lines[0].endswith(b"\n"):
            raise FileExistsError(
                f"output_dir: {path} holds answers of another call that was not finished: the same model, questions "
                "and settings go on with it; choose another folder, or remove it"
            )
        kept = list(_whole_batches(lines[1:])) if lines and lines[0] == head else []
        rows.truncate(len(head) + sum(map(len, kept)) if lines and lines[0] == head else 0)
        if not lines or lines[0] != head:
            rows.write(head)
        for line in kept:
            if line != _WHOLE:
                _read(json.loads(line), known, task, is_voted)
        yield Journal(rows, path, known)


def _whole_batches(lines: list[bytes]) -> Iterator[bytes]:
    """The lines up to the end of the last whole batch, or to one that is damaged."""
    waiting: list[bytes] = []
    for line in lines:
        if not line.endswith(b"\n") or not _is_row(line):
            return
        waiting.append(line)
        if line == _WHOLE:
            yield from waiting
            waiting.clear()


def _is_row(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _read(row: dict[str, Any], known: dict[str, Known], task: ScoredTask, is_voted: bool) -> None:
    name = row["audio"]
    if "stamp" in row:
        known[name] = Known(stamp=(row["stamp"][0], row["stamp"][1]))
    if "ends" in row:
        known[name].duration_s, known[name].num_windows = row["ends"]
    if "question" in row:
        place = {"start_s": row["start_s"], "duration_s": row["duration_s"]}
        example = Example(row["id"], task.name, name, events=(), query=row["query"], **place)
        said = [(text, cut) for text, cut in row["said"]]
        known[name].answers[row["question"]].append(read_again(example, task, task.prompt(example), said, is_voted))
