"""Results of stages, kept under a hash of everything that determines them, so that runs share what they share.

A store is a folder with one folder per result, `<stage>-<key>`. While it is made it is called `<stage>-<key>.partial`
and one process holds `<stage>-<key>.lock`; a crash frees the lock and leaves the partial folder, and the states beside
it (`<stage>-<key>.states`), to whoever comes next.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from timepro_lit.files.atomic import fsync_folder, write_atomically
from timepro_lit.files.fingerprint import file_digest

log = logging.getLogger(__name__)

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
SHARED_GROUPS = ("model", "lora", "time_prompt", "task", "data", "seed")
PLACEMENT = (
    "_target_", "_partial_", "accelerator", "devices", "num_nodes", "strategy", "default_root_dir", "benchmark",
    "profiler", "log_every_n_steps", "enable_checkpointing", "enable_progress_bar", "enable_model_summary",
)  # fmt: skip
"""Trainer settings that say where a stage runs and what it shows, not what comes out."""
PRESENCE = ("audio", "max_skipped_share")
"""Settings of the data that say where its recordings are and how many may be missing, not what is learnt from them."""
WORDS = ("label", "about")
"""Settings of a stage, and of its reward, that say what it is called and change nothing else."""


def is_rank_zero() -> bool:
    """Whether this is the one process of the run that writes: true outside of a distributed launch."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def say(text: str) -> None:
    """Print on the one process of a run that speaks; at once, also where it goes to a file."""
    if is_rank_zero():
        print(text, flush=True)


def determinants(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each stage the settings that its result depends on; logging, folders and other stages' settings do not.

    The reward counts where a stage refers to it.
    """
    trainer = {key: value for key, value in settings["trainer"].items() if key not in PLACEMENT}
    shared = {group: settings[group] for group in SHARED_GROUPS} | {"trainer": trainer}
    shared["data"] = without_presence(settings["data"])
    return {name: _determining(shared | {"stage": unnamed(node)}) for name, node in settings["stage"].items()}


def unnamed(node: Mapping[str, Any]) -> dict[str, Any]:
    """A stage or a reward without what it is called."""
    kept = {key: value for key, value in node.items() if key not in WORDS}
    module = node.get("module")
    if isinstance(module, Mapping) and isinstance(module.get("reward"), Mapping):
        kept["module"] = {**module, "reward": unnamed(module["reward"])}
    return kept


def without_presence(data: Any) -> Any:
    """The settings of the data without `PRESENCE`, of whichever of its corpora."""
    if isinstance(data, Mapping):
        return {key: without_presence(value) for key, value in data.items() if key not in PRESENCE}
    return data


def _determining(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _determining(value) for key, value in node.items() if key != "num_workers"}
    return node


def key_of(determinants: Mapping[str, Any]) -> str:
    """12 hex digits; the order of keys does not count."""
    return hashlib.sha256(json.dumps(determinants, sort_keys=True).encode()).hexdigest()[:12]


@dataclass
class Claim:
    """One stage's result: either complete, or to be made in `folder` and then published."""

    key: str
    """Stands for the result and all that led to it: the `parent` of the stage after it."""
    folder: Path
    """Where the result lies or, until `publish`, where it is made."""
    final: Path
    determinants: Mapping[str, Any]

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
            sizes = {p.relative_to(self.folder).as_posix(): file_digest(p) for p in _files(self.folder)}
            record = {"determinants": self.determinants, "result": dict(result), "files": sizes}
            for path in _files(self.folder):
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
            write_atomically(self.folder / "result.json", json.dumps(record, indent=1))
            self.folder.rename(self.final)
            fsync_folder(self.final.parent)
        _wait(self.final.exists, f"rank zero to store {self.final}", timeout_s=1800.0)
        self.folder = self.final

    @property
    def result(self) -> dict[str, Any]:
        """What `publish` was given."""
        result: dict[str, Any] = json.loads((self.final / "result.json").read_text())["result"]
        return result


class StageStore:
    """The folder of all stages' results; `owner` is the run directory on whose behalf stages are made."""

    def __init__(self, folder: Path, owner: Path) -> None:
        self.folder = folder
        self.owner = owner

    @contextmanager
    def claim(self, stage: str, determinants: Mapping[str, Any]) -> Iterator[Claim]:
        """The result of a stage; where it is missing, the right to make it, held while the context lasts.

        Waits while another process makes it. Raises ValueError where a stored result is damaged.
        """
        key = key_of(determinants)
        final = self.folder / f"{stage}-{key}"
        claim = Claim(key, self.folder / f"{final.name}.partial", final, determinants)
        if final.exists():
            yield _checked(claim)
        elif is_rank_zero():
            self.folder.mkdir(parents=True, exist_ok=True)
            with _held(self._path(claim, "lock"), f"{stage} is being made by another run; waiting for it"):
                if final.exists():
                    yield _checked(claim)
                else:
                    yield from self._to_make(claim)
        else:
            self._follow(claim)
            yield claim

    def _to_make(self, claim: Claim) -> Iterator[Claim]:
        claim.folder.mkdir(exist_ok=True)
        owner = self._path(claim, "owner")
        write_atomically(owner, str(self.owner))
        try:
            yield claim
        finally:
            owner.unlink()

    def _follow(self, claim: Claim) -> None:
        """Ranks other than zero do as rank zero decided: it either found the result or owns the making of it."""
        owner = self._path(claim, "owner")

        def decided() -> bool:
            return claim.final.exists() or (owner.exists() and owner.read_text() == str(self.owner))

        _wait(decided, f"rank zero to decide on {claim.final}", timeout_s=None)
        if claim.final.exists():
            _checked(claim)

    def _path(self, claim: Claim, suffix: str) -> Path:
        return self.folder / f"{claim.final.name}.{suffix}"


def _checked(claim: Claim) -> Claim:
    """The claim on a stored result, after a comparison of its files with their checksums."""
    record = json.loads((claim.final / "result.json").read_text())
    wanted = json.loads(json.dumps(claim.determinants))
    if differing := differing_keys(record["determinants"], wanted):
        raise ValueError(f"{claim.final} holds the result of other settings: {differing[0]}")
    for name, digest in record["files"].items():
        path = claim.final / name
        if not path.exists() or file_digest(path) != digest:
            raise ValueError(f"{path} is missing or damaged; delete {claim.final} to make this stage again")
    claim.folder = claim.final
    return claim


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


def _wait(condition: Any, what: str, timeout_s: float | None) -> None:
    start = time.monotonic()
    while not condition():
        if timeout_s is not None and time.monotonic() - start > timeout_s:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.1)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


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
