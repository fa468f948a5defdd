"""What tells one content of a recording from another: of files here their bytes, elsewhere what the store says of them.

Bytes are read once (`files/digests.py`), and are the same loose or in a shard. A bucket says its own checksum; so a
recording there is another one than here, whatever it holds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from timepro_lit.data.audio import AudioError, Stream
from timepro_lit.files.digests import cached_digests, stamps_of

CHECKSUMS = ("ETag", "etag", "md5Hash", "crc32c", "checksum", "content_md5", "Content-MD5", "sha256", "md5")
"""What file systems call a hash of the content."""
TIMES = ("LastModified", "last_modified", "Last-Modified", "mtime", "updated", "created")
"""What they call the time of the last change, where they know no hash."""
ABSENT, UNUSABLE = "absent", "unusable"
_NUM_THREADS = 32


def local_contents(
    places: Mapping[str, tuple[Path, str]],
    read: Callable[[str], AbstractContextManager[Stream]],
    cache: Path,
) -> list[str]:
    """A hash of each recording's bytes, in order.

    Args:
        places: recording -> the file that it lies in, and where in it, "" for the whole file.
        read: opens a recording.
        cache: file that keeps the hashes.
    """
    files = list(dict.fromkeys(path for path, _ in places.values()))
    stamps = {path: stamp for path, stamp in zip(files, stamps_of(files), strict=True) if stamp is not None}
    # Relative, so that a folder that is moved keeps what is known of it.
    folders = {path.parent: os.path.relpath(path.parent, cache.parent) for path in files}
    names = {
        audio: f"{folders[path.parent]}/{path.name}{within}"
        for audio, (path, within) in places.items()
        if path in stamps
    }
    audio_of = {name: audio for audio, name in names.items()}
    stamped = {name: stamps[places[audio][0]] for audio, name in names.items()}
    digests = cached_digests(cache, stamped, lambda name: _digest(read, audio_of[name]))
    return [digests.get(names[audio], UNUSABLE) if audio in names else ABSENT for audio in places]


def remote_contents(files: Any, base: str, names: Sequence[str]) -> list[str]:
    """What a file system of fsspec says of the content of each file below `base`, in order."""
    listed = _listed(files, base)

    def one(name: str) -> str:
        path = f"{base.rstrip('/')}/{in_url(name, base)}"
        try:
            return _told(listed.get(path.lstrip("/")) or files.info(path), name)
        except FileNotFoundError:
            return ABSENT

    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        return list(pool.map(one, names))


def _listed(files: Any, base: str) -> dict[str, Any]:
    """All files below, where the file system can list them: a thousand at a time instead of one."""
    if "http" in files.protocol:  # it would follow the links of web pages
        return {}
    try:
        found = files.find(base, detail=True)
    except (OSError, NotImplementedError, ValueError):
        return {}
    return {path.lstrip("/"): info for path, info in found.items() if info.get("size") is not None}


def in_url(name: str, root: str) -> str:
    """A path below a root, as it stands in a URL of the web, where # and ? would end it."""
    return quote(name) if root.startswith(("http://", "https://")) else name


def _told(info: Mapping[str, Any], name: str) -> str:
    if checksum := next((info[key] for key in CHECKSUMS if info.get(key)), None):
        return f"{info.get('size')} {checksum}"
    # Other recordings may have this size, and the time too: by these a file is like itself alone.
    changed = next((info[key] for key in TIMES if info.get(key)), "")
    return f"{info.get('size')} {changed} {name}"


def _digest(read: Callable[[str], AbstractContextManager[Stream]], audio: str) -> str | None:
    try:
        with read(audio) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:32]
    except AudioError:  # of a right that was missing, say, which leaves the file as it was when it is given
        return None
