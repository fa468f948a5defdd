"""Digests of many files by their whole content, which are read once: a cache knows them by size and times of change."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.progress import track

from timepro_lit.files.atomic import write_atomically

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]
"""Size in bytes of a file, and when it was changed, in ns: as it says itself, which archives and copies set, and as the
file system says, which nobody can."""
_NUM_THREADS = 16  # they wait for disks; hashing itself releases Python's lock
_SETTLED_NS = 2 * 10**9
"""A file changed later than so long ago may change again without another time: file systems count in ticks."""
_BATCH = 4096
"""Digests after which the cache is written, so that a killed start goes on from there."""
_ASKED = 256
"""Files that a thread asks for at a time."""
_COPIES = 32
"""Stamps under which a file is known: where each node has a copy of its own, all have one name and many times."""
_SHOWN_FROM = 2000
"""Files that take long enough to say so."""


def stamp_of(path: Path | str) -> Stamp | None:
    """Stamp of a file, None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def stamps_of(paths: Sequence[Path]) -> list[Stamp | None]:
    """Stamp of each file, None where there is none."""
    parts = [paths[start : start + _ASKED] for start in range(0, len(paths), _ASKED)]
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        return [
            stamp for of_part in pool.map(lambda part: [stamp_of(path) for path in part], parts) for stamp in of_part
        ]


def cached_digests(cache: Path, stamps: Mapping[str, Stamp], digest: Callable[[str], str | None]) -> dict[str, str]:
    """The digest of each name, by `digest` where the cache holds none that was taken under the same stamp.

    Names of which `digest` gives None are left out, and asked for anew the next time.
    Of several processes one reads the files, and the others find them read. Where the cache cannot be written, all is
    read each time.
    """
    found = _known(cache, stamps)
    if len(found) < len(stamps):
        with _alone(cache):
            found = _known(cache, stamps)
            missing = [name for name in stamps if name not in found]
            for part in _parts(missing):
                with ThreadPoolExecutor(_NUM_THREADS) as pool:
                    taken = dict(zip(part, pool.map(digest, part), strict=True))
                read = {name: one for name, one in taken.items() if one is not None}
                _write(cache, {name: (stamps[name], one) for name, one in read.items()})
                found |= read
    return found


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    starts = range(0, len(names), _BATCH)
    shown = track(starts, "looking at recordings", transient=True) if len(names) >= _SHOWN_FROM else starts
    yield from (names[start : start + _BATCH] for start in shown)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Held against other processes, as far as the folder lets itself be written to."""
    lock = FileLock(cache.with_suffix(".lock"))
    try:
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _known(cache: Path, stamps: Mapping[str, Stamp]) -> dict[str, str]:
    kept = _read(cache)
    return {
        name: digest
        for name, stamp in stamps.items()
        for seen, digest in reversed(kept.get(name, []))  # the newest one counts
        if seen == list(stamp)
    }


def _read(cache: Path) -> dict[str, list[Any]]:
    """Name -> pairs of a stamp and the digest taken under it, the newest first."""
    try:
        text = cache.read_text(encoding="utf-8")
        known = text[len(_sealed("")) - 1 : -1]
        kept = json.loads(known) if text == _sealed(known) else {}  # damaged, or of an earlier version
    except (OSError, ValueError):
        return {}
    if not (isinstance(kept, dict) and all(isinstance(pairs, list) for pairs in kept.values())):
        return {}
    usable = all(isinstance(one, list) and len(one) == 2 for pairs in kept.values() for one in pairs)
    return kept if usable else {}


def _sealed(known: str) -> str:
    """The cache's text: JSON that starts with the digest of the rest."""
    return f'{{"sha256": "{hashlib.sha256(known.encode()).hexdigest()}", "known": {known}}}'


def _write(cache: Path, taken: Mapping[str, tuple[Stamp, str]]) -> None:
    settled = time.time_ns() - _SETTLED_NS
    kept = _read(cache)
    for name, (stamp, digest) in taken.items():
        if stamp[1] < settled:
            kept[name] = [[list(stamp), digest], *kept.get(name, [])][:_COPIES]
    try:
        write_atomically(cache, _sealed(json.dumps(kept)))
    except OSError as error:
        log.warning(f"{cache} cannot be written ({error}), so that all recordings are read at every start")
