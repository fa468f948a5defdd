"""What was answered so far, kept as it comes: a call that was killed goes on behind it.

The first line says what call it is of; then a line an answer, or what is known of a recording: by size and times of
change it is the same one. A batch ends with a digest of all that stands before. What does not end so is dropped, as the
line that was being written when the call was killed, or what was damaged: so those that are asked again stand in the
same batches as they would have.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from timepro_lit.files.atomic import naming
from timepro_lit.files.digests import Stamp
from timepro_lit.records import Answer, Example
from timepro_lit.tasks.base import ScoredTask
from timepro_lit.tasks.merged import read_again, said_in

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

_VERSION = 4


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

    def __init__(self, rows: BinaryIO, path: Path, known: dict[str, Known], digest: Digest) -> None:
        self._rows = rows
        self._path = path
        self._known = known
        self._digest = digest

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
        self._write({"whole": self._digest.hexdigest()})

    def _write(self, row: dict[str, Any]) -> None:
        line = json.dumps(row).encode() + b"\n"
        self._digest.update(line)
        with naming(self._path):
            self._rows.write(line)


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
        if lines and not head.startswith(lines[0]):
            raise FileExistsError(
                f"output_dir: {path} holds answers of another call that was not finished: the same model, questions "
                "and settings go on with it; choose another folder, or remove it"
            )
        kept = _whole_batches(lines) if lines and lines[0] == head else []
        rows.truncate(sum(map(len, kept)))
        if not kept:
            kept = [head]
            rows.write(head)
        for line in kept[1:]:
            _read(json.loads(line), known, task, is_voted)
        yield Journal(rows, path, known, hashlib.sha256(b"".join(kept)))


def _whole_batches(lines: list[bytes]) -> list[bytes]:
    """The first line, and those up to the end of the last batch that is whole, and is as it was written."""
    digest, num_kept = hashlib.sha256(lines[0]), 1
    for number, line in enumerate(lines[1:], start=1):
        if line == json.dumps({"whole": digest.hexdigest()}).encode() + b"\n":
            num_kept = number + 1
        digest.update(line)
    return lines[:num_kept]


def _read(row: dict[str, Any], known: dict[str, Known], task: ScoredTask, is_voted: bool) -> None:
    if "whole" in row:
        return
    name = row["audio"]
    if "stamp" in row:
        known[name] = Known(stamp=tuple(row["stamp"]))
    if "ends" in row:
        known[name].duration_s, known[name].num_windows = row["ends"]
    if "question" in row:
        place = {"start_s": row["start_s"], "duration_s": row["duration_s"]}
        example = Example(row["id"], task.name, name, events=(), query=row["query"], **place)
        said = [(text, cut) for text, cut in row["said"]]
        known[name].answers[row["question"]].append(read_again(example, task, task.prompt(example), said, is_voted))
