"""A full disk: the run says so in a sentence, and goes on when there is room again."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from random import Random
from typing import Any

from bench import TIMEOUT_S, Case, Skipped, Trial
from verdict import refusal

STARTS = {"sft": "data", "grpo": "sft", "preparation": "nothing"}
BALLAST_KB = (40, 150, 600, 1500)
"""Room that is left on a real disk, in kB."""
LIMITS = (20_000, 100_000, 200_000, 400_000)
"""Longest files in bytes; states are the longest."""


def cases(points: Sequence[tuple[str, str]], rng: Random) -> Iterator[Case]:
    """All full disks."""
    counts = Counter(operation for operation, file in points if file.startswith("outputs/"))
    for number in range(4):
        for operation in ("open", "fsync"):
            fault = {"act": "no space", "operation": operation, "file": "outputs/", "nth": rng.randrange(1, 60)}
            yield Case("full disk", f"no space at {operation} {fault['nth']} {number}", "data", _with(fault))
    for operation in ("mkdir", "replace", "rename"):
        fault = {"act": "no space", "operation": operation, "file": "outputs/"}
        for number in range(2):
            nth = rng.randrange(1, counts[operation] + 1)
            yield Case("full disk", f"no space at {operation} {nth} {number}", "data", _with(fault | {"nth": nth}))
    for size in LIMITS:
        for killed in (True, False):
            what = "killed by" if killed else "refused for"
            fault = {"act": "limit", "bytes": size, "killed": killed}
            yield Case("full disk", f"{what} files over {size} bytes", "data", _with(fault))
    for room in BALLAST_KB:
        for phase, start in STARTS.items():
            name = f"a disk with {room} kB of room in {phase}"
            yield Case("full disk", name, start, partial(_on_small_disk, room=room))


def _with(fault: dict[str, Any]) -> Any:
    return partial(_once, fault=fault)


def _once(trial: Trial, fault: dict[str, Any]) -> str:
    done = trial.start(fault=fault).wait(TIMEOUT_S)
    if done.code == 0:
        raise Skipped("the fault was not reached")
    said = "" if done.code == 128 + 25 and fault.get("killed") else refusal(done, trial.place)
    trial.finish()
    return said


def _on_small_disk(trial: Trial, room: int) -> str:
    """On a file system of its own, which is then made larger."""
    outputs = trial.place.outputs
    before = trial.place.folder.with_name("before")
    outputs.mkdir(exist_ok=True)
    outputs.rename(before)
    outputs.mkdir()
    used = sum(-(-path.stat().st_size // 4096) * 4 for path in before.rglob("*") if path.is_file())
    size = f"size={used + room}k"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(outputs)], capture_output=True).returncode:
        raise Skipped("a file system cannot be mounted here")
    try:
        subprocess.run(["cp", "-a", f"{before}/.", str(outputs)], check=True)
        done = trial.start().wait(TIMEOUT_S)
        said = "" if done.code == 0 else refusal(done, trial.place)
        subprocess.run(["mount", "-o", "remount,size=100m", str(outputs)], check=True)
        trial.finish()
    finally:
        subprocess.run(["umount", str(outputs)], check=True)
    return said
