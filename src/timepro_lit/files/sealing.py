"""What was stored as a whole and is checked when it is read again: folders, their files, and JSON with its own digest.

A folder counts as complete all at once: made under another name, sealed by a last file, moved in one step.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from timepro_lit.files.atomic import fsync_folder, write_atomically
from timepro_lit.files.fingerprint import content_digest, file_digest
from timepro_lit.files.json_object import read_object

_SEAL = "sha256"
"""Key of a sealed object: the digest of all the rest."""
_NUM_THREADS = 8  # hashing releases Python's lock


def seal(partial: Path, final: Path, name: str, text: str) -> None:
    """Write the file `name` into a folder that holds everything else, and move the folder to its final place.

    What is at that place gives way. Killed in between, it leaves the old folder, none, or the whole new one.
    """
    for path in files_in(partial):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    write_atomically(partial / name, text)
    old = final.with_name(f".{final.name}.old")
    if final.exists():
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)  # also of a call that was killed in between
    fsync_folder(final.parent)


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, in order."""
    return sorted(p for p in folder.rglob("*") if p.is_file())


def digests_of(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """Name of each file below the folder -> digest of its whole content."""
    paths = list(files)
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        digests = pool.map(content_digest, paths)
        return {path.relative_to(folder).as_posix(): digest for path, digest in zip(paths, digests, strict=True)}


def damaged_in(folder: Path, digests: Mapping[str, str]) -> Path | None:
    """The first file that has gone, or holds something else than when its digest was taken.

    The digests may come from anybody: what is no plain file below the folder is not opened.
    """
    paths = [folder / name for name in digests]
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        whole = pool.map(_is_whole, [folder] * len(paths), digests, digests.values())
        return next((path for path, found in zip(paths, whole, strict=True) if not found), None)


def _is_whole(folder: Path, name: str, digest: str) -> bool:
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts or not (folder / name).is_file():
        return False
    # Earlier versions took samples of large files.
    return digest == content_digest(folder / name) or digest == file_digest(folder / name)


def sealed(record: Mapping[str, Any]) -> str:
    """A JSON object that holds the digest of itself."""
    return json.dumps({**record, _SEAL: _digest(record)}, indent=1)


def read_sealed(path: Path) -> dict[str, Any]:
    """What was sealed; an object without a digest, of an earlier version or by hand, as it is.

    Raises ValueError that names the file where it is no JSON object or was changed, OSError as `open`.
    """
    record = read_object(path)
    digest = record.pop(_SEAL, None)
    if digest is not None and digest != _digest(record):
        raise ValueError(
            f"{path} is damaged or was changed: it is not what was stored, by its own checksum; "
            f"take its key {_SEAL} out where the change is meant"
        )
    return record


def _digest(record: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(record))  # whose keys are text, and sort as they will when they are read
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
