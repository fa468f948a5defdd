"""Results of stages, kept under a hash of everything that determines them, so that runs share what they share.

A store is a folder with one folder per result, `<stage>-<key>`. While it is made it is called `<stage>-<key>.partial`
and one process holds `<stage>-<key>.lock`; a crash frees the lock and leaves the partial folder, and the states beside
it (`<stage>-<key>.states`), to whoever comes next.

The code counts among what determines a result. Where it alone is another, the run says which files, and makes the
stage anew; a store that reuses anyway takes the old result, and the claim says so.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from timepro_lit.files.atomic import sweep, write_atomically
from timepro_lit.files.sealing import damaged_in, digests_of, files_in, read_sealed, seal, sealed
from timepro_lit.files.visible_text import visible
from timepro_lit.runs.launched import this_launch
from timepro_lit.runs.origin import Origin, listed, other_versions, read_record

log = logging.getLogger(__name__)

RECORD = "result.json"
"""In a result's folder: what it was made from, for which run, its numbers and the checksums of its files."""
LONGEST = "longest_s"
"""Among a result's numbers: how long the longest recording was that the stage was trained on, in seconds."""
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def is_rank_zero() -> bool:
    """Whether this is the one process of the run that writes: true outside of a distributed launch."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def say(text: str) -> None:
    """Print on the one process of a run that speaks; at once, also where it goes to a file.

    The one way to a terminal: names of files, labels and answers may hold codes that would command it.
    """
    if is_rank_zero():
        print(visible(text, max_chars=None), flush=True)


@dataclass
class Claim:
    """One stage's result: either complete, or to be made in `folder` and then published."""

    key: str
    """Stands for the result and all that led to it: the `parent` of the stage after it."""
    folder: Path
    """Where the result lies or, until `publish`, where it is made."""
    final: Path
    origin: Origin
    owner: str
    """Stands for the run directory on whose behalf it is claimed."""
    note: str | None = None
    """What a reader of the result's numbers must know: that other code made it."""

    @property
    def states(self) -> Path:
        """Folder of what a killed attempt goes on from; whoever publishes deletes it afterwards."""
        return self.final.with_name(f"{self.final.name}.states")

    @property
    def complete(self) -> bool:
        return self.folder == self.final

    def publish(self, result: Mapping[str, Any]) -> None:
        """Declare the files in `folder` and `result` complete; `folder` moves to its final place.

        Ranks other than zero wait for rank zero to do so.
        """
        if is_rank_zero():
            (self.folder / RECORD).unlink(missing_ok=True)  # of an attempt that was killed in the midst of this
            digests = digests_of(self.folder, files_in(self.folder))
            record = self.origin.record() | {"owner": self.owner, "result": dict(result), "files": digests}
            seal(self.folder, self.final, RECORD, sealed(record))
        _wait(self.final.exists, f"rank zero to store {self.final}", timeout_s=1800.0)
        self.folder = self.final

    @property
    def is_own(self) -> bool:
        """Whether a complete one was made on behalf of the same run directory."""
        return self._record.get("owner") == self.owner

    @property
    def result(self) -> dict[str, Any]:
        """What `publish` was given."""
        result: dict[str, Any] = self._record["result"]
        return result

    @property
    def code(self) -> Mapping[str, str]:
        """That made the result, which may be another than is asked for."""
        code: Mapping[str, str] = self._record.get("code", self.origin.code)
        return code

    @property
    def told(self) -> str:
        """Of a complete one: where it lies, and what is not as it would be today."""
        said = [part for part in (self.note, other_versions(self._record)) if part]
        return f"{self.final} ({'; '.join(said)})" if said else str(self.final)

    @property
    def _record(self) -> dict[str, Any]:
        return read_sealed(self.final / RECORD)


class StageStore:
    """The folder of all stages' results.

    Args:
        folder: where they lie.
        owner: the run directory on whose behalf stages are made.
        reuse_anyway: take results that differ in nothing but the code that made them.
    """

    def __init__(self, folder: Path, owner: Path, reuse_anyway: bool = False) -> None:
        self.folder = folder
        self.owner = owner
        self.reuse_anyway = reuse_anyway

    @contextmanager
    def claim(self, stage: str, origin: Origin) -> Iterator[Claim]:
        """The result of a stage; where it is missing, the right to make it, held while the context lasts.

        Waits while another process makes it. Raises ValueError where a stored result is damaged.
        """
        claim = self._new(stage, origin.key, origin)
        if (found := self._found(stage, claim)) is not None:
            yield found
        elif is_rank_zero():
            self.folder.mkdir(parents=True, exist_ok=True)
            with _held(self._path(claim, "lock"), f"{stage} is being made by another run; waiting for it"):
                if (found := self._found(stage, claim)) is not None:
                    yield found
                else:
                    if (other := self._of_other_code(stage, origin)) is not None:
                        say(f"{stage}: made anew; {other.final} was {other.note}: reuse=anyway takes it all the same")
                    yield from self._to_make(claim)
        else:
            yield self._followed(stage, claim)

    def _new(self, stage: str, key: str, origin: Origin) -> Claim:
        final = self.folder / f"{stage}-{key}"
        # Where they lie beside each other, so that copies of all of it are alike.
        owner = hashlib.sha256(os.path.relpath(self.owner, self.folder).encode()).hexdigest()[:16]
        return Claim(key, self.folder / f"{final.name}.partial", final, origin, owner)

    def _found(self, stage: str, claim: Claim) -> Claim | None:
        """The claim on what is there and is to be taken."""
        if claim.final.exists():
            return _checked(claim)
        other = self._of_other_code(stage, claim.origin) if self.reuse_anyway else None
        return None if other is None else _checked(other)

    def _of_other_code(self, stage: str, origin: Origin) -> Claim | None:
        """The result that differs from what is asked for in its code alone, and in the fewest files."""
        found = []
        for folder in sorted(self.folder.glob(f"{stage}-{'[0-9a-f]' * 12}")):
            record = read_record(folder / RECORD)
            if record is not None and "code" in record and not origin.other_settings(record):
                found.append((len(origin.other_code(record)), folder, record))
        if not found:
            return None
        _, folder, record = min(found, key=lambda one: one[:2])
        claim = self._new(stage, folder.name.removeprefix(f"{stage}-"), origin)
        claim.note = f"made by other code ({listed(origin.other_code(record))})"
        return claim

    def _to_make(self, claim: Claim) -> Iterator[Claim]:
        claim.folder.mkdir(exist_ok=True)
        for folder in (claim.folder, *(path for path in claim.folder.rglob("*") if path.is_dir())):
            sweep(folder)  # or what is left of a killed attempt would be stored with the result
        owner = self._path(claim, "owner")
        write_atomically(owner, self._making)
        try:
            yield claim
        finally:
            owner.unlink()

    def _followed(self, stage: str, claim: Claim) -> Claim:
        """Ranks other than zero do as rank zero decided: it either found the result or owns the making of it."""
        owner = self._path(claim, "owner")
        found: list[Claim] = []

        def decided() -> bool:
            if (one := self._found(stage, claim)) is not None:
                found.append(one)
            return bool(found) or (owner.exists() and owner.read_text() == self._making)

        _wait(decided, f"rank zero to decide on {claim.final}", timeout_s=None)
        return found[0] if found else claim

    @property
    def _making(self) -> str:
        """What says who makes a result: one that a killed start of the same run has left says nothing of this one."""
        return f"{self.owner}\n{this_launch()}"

    def _path(self, claim: Claim, suffix: str) -> Path:
        return self.folder / f"{claim.final.name}.{suffix}"


def _checked(claim: Claim) -> Claim:
    """The claim on a stored result, after a comparison of its files with their checksums."""
    record, again = read_record(claim.final / RECORD), f"delete {claim.final} to make this stage again"
    if record is None:
        raise ValueError(f"{claim.final / RECORD} is missing or damaged; {again}")
    if differing := claim.origin.other_settings(record):
        raise ValueError(f"{claim.final} holds the result of other settings: {differing[0]}")
    if (path := damaged_in(claim.final, record.get("files", {}))) is not None:
        raise ValueError(f"{path} is missing or damaged; {again}")
    claim.folder = claim.final
    return claim


def check_result(folder: Path) -> None:
    """Raise ValueError where a stage's result, as a run directory shows it, is not as it was stored.

    One without a record is of an earlier version, and taken as it is.
    """
    if (folder / RECORD).exists():
        files = read_sealed(folder / RECORD).get("files")
        path = damaged_in(folder, files) if isinstance(files, dict) else None
        if path is not None:
            raise ValueError(f"{path} is missing or damaged: it is not what the stage stored, by {folder / RECORD}")


@contextmanager
def _held(path: Path, waiting: str) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info(waiting)
        lock.acquire(poll_interval=0.5)
    try:
        yield
    finally:
        lock.release()


def _wait(condition: Callable[[], bool], what: str, timeout_s: float | None) -> None:
    start, parent = time.monotonic(), os.getppid()
    while not condition():
        if os.getppid() != parent:
            raise ValueError(f"the process that started this one has ended, which waited for {what}")
        if timeout_s is not None and time.monotonic() - start > timeout_s:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.1)
