"""Faults at exact points of a process: before or after the n-th time that it moves, links or removes a certain file.

python kill_at.py FAULT MODULE ARGUMENTS...: `python -m MODULE ARGUMENTS...` with a fault, a JSON object:

    {"root": FOLDER, "act": "record", "into": FILE}
    {"root": FOLDER, "act": "kill", "operation": "replace", "file": "outputs/run/report.json", "nth": 1,
     "when": "after"}
    {"root": FOLDER, "act": "no space", "operation": "open", "file": "outputs/", "nth": 7}
    {"act": "limit", "bytes": N, "killed": true}

Files are named relative to the root, with stars for what differs from run to run. "no space" raises ENOSPC at the n-th
operation of its kind on a file that begins so, and at all that follow. "limit" is the kernel's own limit on the size
of a file: a longer write ends the process, or raises EFBIG.
"""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

MOVES = ("replace", "rename", "link", "symlink")
"""Operations whose second argument is the file that they make."""
REMOVALS = ("unlink", "remove", "rmdir", "mkdir")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
VARIABLE = (
    (re.compile(r"\b[0-9a-f]{12}\b"), "*"),  # keys of stages
    (re.compile(r"(?<=\.)[a-z0-9_]{8}$"), "*"),  # temporary files
    (re.compile(r"\.\d+\.part$"), ".*.part"),  # process ids
    (re.compile(r"\d+(?=\.(flac|ckpt|partial)\b)"), "*"),  # clips and steps
    (re.compile(r"(?<=/\.result\.partial/).+"), "*"),  # a copy of a result
    (re.compile(r"\.old-\w+|\b[0-9a-f]{8,}\b"), "*"),
)

Seen = Callable[[str, str, str], None]
"""Is told the operation, the file, and "before" or "after"."""


def install(fault: Mapping[str, Any]) -> None:
    """Put a fault into this process and those that it forks; kills are of this process."""
    if fault["act"] == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault["bytes"], fault["bytes"]))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if fault["killed"] else signal.SIG_IGN)
        return
    acts = {"record": _recording, "kill": _killing, "no space": _failing}
    _watch(Path(fault["root"]), acts[fault["act"]](fault))


def _recording(fault: Mapping[str, Any]) -> Seen:
    into = os.open(fault["into"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def seen(operation: str, file: str, when: str) -> None:
        if when == "before" and operation not in ("open", "fsync"):
            os.write(into, f"{json.dumps([operation, file])}\n".encode())

    return seen


def _killing(fault: Mapping[str, Any]) -> Seen:
    victim, counts = os.getpid(), Counter[str]()

    def seen(operation: str, file: str, when: str) -> None:
        if (operation, file) == (fault["operation"], fault["file"]):
            counts[when] += 1
            if when == fault["when"] and counts[when] == fault["nth"]:
                os.kill(victim, signal.SIGKILL)

    return seen


def _failing(fault: Mapping[str, Any]) -> Seen:
    counts = Counter[str]()

    def seen(operation: str, file: str, when: str) -> None:
        if when == "before" and operation == fault["operation"] and file.startswith(fault["file"]):
            counts["all"] += 1
            if counts["all"] >= fault["nth"]:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(Path(fault["root"]) / file))

    return seen


def file_of(path: Any, root: Path, folder: int | None = None) -> str | None:
    """How a file below the root is called in faults; None for any other."""
    if isinstance(path, int):
        path = os.readlink(f"/proc/self/fd/{path}")
    text = os.fsdecode(path)
    if folder is not None:
        text = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), text)
    text = os.path.abspath(text)
    if not text.startswith(f"{root}/"):
        return None
    text = text[len(str(root)) + 1 :]
    for pattern, star in VARIABLE:
        text = pattern.sub(star, text)
    return text


def _watch(root: Path, seen: Seen) -> None:
    """Have every operation on files below the root told; `open` only where it writes, and only before."""
    for operation in (*MOVES, *REMOVALS, "fsync"):
        setattr(os, operation, _told(operation, getattr(os, operation), root, seen))

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[0] is not None and not isinstance(arguments[0], int):
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITES and (file := file_of(path, root)) is not None:
                seen("open", file, "before")

    sys.addaudithook(audit)


def _told(operation: str, function: Callable[..., Any], root: Path, seen: Seen) -> Callable[..., Any]:
    @wraps(function)
    def told(*arguments: Any, **options: Any) -> Any:
        path = arguments[1] if operation in MOVES else arguments[0]
        file = file_of(path, root, options.get("dst_dir_fd", options.get("dir_fd")))
        if file is not None:
            seen(operation, file, "before")
        result = function(*arguments, **options)
        if file is not None:
            seen(operation, file, "after")
        return result

    return told


if __name__ == "__main__":
    install(json.loads(sys.argv[1]))
    module, sys.argv = sys.argv[2], sys.argv[2:]
    sys.path[0] = os.getcwd()  # as `python -m` has it
    runpy.run_module(module, run_name="__main__", alter_sys=True)
