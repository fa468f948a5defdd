"""Whether a run came to the same as one that was left alone, and whether a refusal is one that helps."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import Done
from tiny_run import Place

WALL_CLOCK = ("cost/",)
"""Columns of the curves that differ each time."""
FOLDER = re.compile(rb"/[\w./-]*/place\b")
"""Where a run lies, or the one lay that it was copied from."""
VERSION = re.compile(rb" at [0-9a-f]{7,}(-dirty)?( of [0-9-]{10})?")
"""The commit, which another one may be while a campaign runs."""
WORKERS = re.compile(rb"num_workers: \d+")
"""Cases choose how many; it changes no result."""
LEFT_BEHIND = re.compile(r"\.part(ial)?$|\.tmp|\.old|\.owner$|\.states$|hpc_ckpt|error\.txt$|/\.[^/]+\.[a-z0-9_]{8}$")
"""Files of something unfinished."""
CARD = "README.md"
"""For readers; nothing depends on it, and its damage is not looked for."""
SENTENCE_LENGTH = 1000


class Wrong(Exception):
    """An outcome that must not be."""


@dataclass(frozen=True)
class Outcome:
    """What a case came to: "right", "refused" or "wrong"; or "skipped", where the machine cannot do it."""

    verdict: str
    said: str = ""


def differences(whole: Place, place: Place, run: str = "run") -> list[str]:
    """In what the run of `place` is another one than the whole run; empty where it is the same."""
    found = []
    theirs, ours = whole.run, place.outputs / run
    for file in published(theirs):
        if not (ours / file).is_file():
            found.append(f"{file} is missing")
        elif _content(theirs / file) != _content(ours / file):
            found.append(f"{file} differs")
    for folder in sorted(whole.stages.glob("*-????????????")):
        for path in files_below(folder):
            if path.name == CARD:
                continue
            file = path.relative_to(whole.stages)
            if not (place.stages / file).is_file():
                found.append(f"stages/{file} is missing")
            elif _content(path) != _content(place.stages / file):
                found.append(f"stages/{file} differs")
    return found


def published(run: Path) -> list[str]:
    """The files of a finished run that say what it came to."""
    shown = [path for path in files_below(run) if not path.name.startswith(".") and path.name != CARD]
    return [str(path.relative_to(run)) for path in shown]


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def left_behind(place: Place) -> list[str]:
    """Files that a finished run needs no more."""
    files = [str(path.relative_to(place.folder)) for path in place.folder.rglob("*")]
    return sorted(file for file in files if LEFT_BEHIND.search(file))


def check_right(whole: Place, place: Place, done: Done, run: str = "run") -> None:
    """Raise Wrong where a command did not end well or came to something else."""
    if done.code != 0:
        raise Wrong(f"exit code {done.code} of the same command once more; {shown(done)}")
    if "Traceback" in done.err:
        raise Wrong(f"a traceback of a command that ended well; {shown(done)}")
    if found := differences(whole, place, run):
        raise Wrong(f"ended well, and {'; '.join(found[:4])}; {shown(done)}")


def refusal(done: Done, place: Place, names_file: bool = True) -> str:
    """The sentence with which a command was refused. Raises Wrong where that is none, or names no file."""
    lines = [line for line in done.err.splitlines() if line.strip()]
    if done.code != 1:
        raise Wrong(f"exit code {done.code}; {shown(done)}")
    if len(lines) != 1 or "Traceback" in done.err or len(lines[0]) > SENTENCE_LENGTH:
        raise Wrong(f"refused with {len(lines)} lines in place of a sentence; {shown(done)}")
    if names_file and str(place.folder) not in lines[0]:
        raise Wrong(f"the sentence names no file; {shown(done)}")
    return lines[0]


def shown(done: Done) -> str:
    """The end of what a command said."""
    lines = [line for line in done.err.splitlines() if line.strip()]
    return f"stderr: {' | '.join(lines[-3:])[-700:]!r}" if lines else f"stdout: {done.out[-300:]!r}"


def _content(path: Path) -> Any:
    """A file as it is compared: without where it lies and when it was made."""
    content = path.read_bytes()
    if path.name == "metrics.csv":
        return _rows(content.decode())
    if path.suffix in (".json", ".jsonl", ".yaml", ".html"):
        content = VERSION.sub(b"", FOLDER.sub(b"<folder>", content)).replace(b"/outputs/again", b"/outputs/run")
    if path.suffix == ".yaml":
        return WORKERS.sub(b"", content.partition(b"# sha256")[0])
    return _record(content) if path.suffix == ".json" else content


def _record(content: bytes) -> Any:
    """What a JSON file says, without checksums: they are of texts that say where they lie, and curves hold seconds."""
    try:
        record = json.loads(content)
    except ValueError:
        return content
    if isinstance(record, dict):
        record.pop("sha256", None)
        record.pop("owner", None)  # the run directory that it was made for
        for key in ("files", "published"):
            record[key] = sorted(record[key]) if key in record else None
    return record


def _rows(text: str) -> list[dict[str, str]]:
    rows = csv.DictReader(text.splitlines())
    return [
        {str(column): str(value) for column, value in row.items() if value and not str(column).startswith(WALL_CLOCK)}
        for row in rows
    ]
