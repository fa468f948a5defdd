"""Where recordings lie: a folder, a bucket of loose files, or tar shards on either; asked by the path in a manifest.

Shards are plain tar files of the recordings as they are, and one table that says where in which shard each lies, so
that a clip is one range request and training reads in any order. fsspec does the reading: local disks, S3, GCS, HTTP,
whatever it has a file system for.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from fsspec.core import url_to_fs
from rich.progress import track

from timepro_lit.data.arrow import write_arrow
from timepro_lit.data.audio import AudioError, Stream, open_audio
from timepro_lit.data.contents import ABSENT, in_url, local_contents, remote_contents
from timepro_lit.files.atomic import replacing, sweep

INDEX = "shards.arrow"
_INDEX_SCHEMA = pa.schema({"key": pa.uint64(), "shard": pa.int32(), "offset": pa.int64(), "size": pa.int64()})


class AudioStore(Protocol):
    """Opens recordings by their path in a manifest. Picklable."""

    @contextmanager
    def open(self, audio: str) -> Iterator[Stream]:
        """The bytes of a recording. Raises AudioError where they cannot be had."""
        ...

    def location(self, audio: str) -> str:
        """A path or URL from which `read_audio` reads the same recording."""
        ...

    def contents(self, audio: Sequence[str], cache: Path) -> list[str]:
        """Of each recording a text that changes with its content and does not depend on where it lies.

        `cache` is a file that keeps what was read. Raises OSError where a bucket cannot be asked.
        """
        ...


class AudioFolder:
    """A local folder, or a URL that loose files lie below. Links that lead out of a folder are refused."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/") if "://" in str(root) else str(Path(root).resolve())

    @contextmanager
    def open(self, audio: str) -> Iterator[Stream]:
        """As in `AudioStore`."""
        with open_audio(self.location(audio)) as stream:
            yield stream

    def location(self, audio: str) -> str:
        """As in `AudioStore`. Raises AudioError where the path leaves the folder."""
        if "://" in self.root:
            return f"{self.root}/{in_url(audio, self.root)}"
        path = (Path(self.root) / audio).resolve()
        if not path.is_relative_to(self.root):
            raise AudioError(f"{audio} leads out of {self.root}", "outside_root")
        return str(path)

    def contents(self, audio: Sequence[str], cache: Path) -> list[str]:
        """As in `AudioStore`."""
        if "://" in self.root:
            return remote_contents(*url_to_fs(self.root), audio)
        root = Path(self.root)
        return local_contents({name: (root / name, "") for name in audio}, self.open, cache)


class AudioShards:
    """The tar shards below a folder or URL, as `write_shards` leaves them."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/") if "://" in str(root) else str(Path(root).resolve())
        self._opened: tuple[Any, str, Mapping[str, np.ndarray]] | None = None

    @contextmanager
    def open(self, audio: str) -> Iterator[Stream]:
        """As in `AudioStore`."""
        fs, path, _ = self._open()
        shard, offset, size = self._place(audio)
        content = fs.cat_file(f"{path}/{shard_name(shard)}", start=offset, end=offset + size)
        if len(content) != size:
            raise AudioError(f"{self.root}/{shard_name(shard)}: ends within {audio}", "truncated")
        yield BytesIO(content)

    def location(self, audio: str) -> str:
        """As in `AudioStore`."""
        root = self.root if "://" in self.root else f"file://{self.root}"
        return f"tar://{audio}::{root}/{shard_name(self._place(audio)[0])}"

    def contents(self, audio: Sequence[str], cache: Path) -> list[str]:
        """As in `AudioStore`."""
        places = {name: place for name in audio if (place := self._find(name)) is not None}
        root = self.root.removeprefix("file://")
        if "://" not in root:
            at = {n: (Path(root) / shard_name(shard), f"@{offset}") for n, (shard, offset, _) in places.items()}
            found = dict(zip(at, local_contents(at, self.open, cache), strict=True))
        else:
            shards = sorted({shard for shard, *_ in places.values()})
            said = dict(
                zip(shards, remote_contents(*self._open()[:2], [shard_name(shard) for shard in shards]), strict=True)
            )
            found = {name: f"{said[shard]} at {offset}, {size}" for name, (shard, offset, size) in places.items()}
        return [found.get(name, ABSENT) for name in audio]

    def _open(self) -> tuple[Any, str, Mapping[str, np.ndarray]]:
        if self._opened is None:
            fs, path = url_to_fs(self.root)
            index = self._index(fs.cat_file(f"{path}/{INDEX}"))
            self._opened = fs, path, {name: index[name].to_numpy() for name in index.column_names}
        return self._opened

    def _index(self, content: bytes) -> pa.Table:
        """Raises ValueError where it is damaged; one without a checksum is of an earlier version."""
        try:
            index = pa.ipc.open_file(pa.BufferReader(content)).read_all()
            digest = (index.schema.metadata or {}).get(b"sha256")
            if digest in (None, _digest(index).encode()):
                return index
            reason = "it is not what was packed, by its own checksum"
        except (pa.ArrowException, OSError, KeyError) as error:
            reason = str(error)
        raise ValueError(f"{self.root}/{INDEX} is damaged: {reason}; pack the recordings again")

    def _place(self, audio: str) -> tuple[int, int, int]:
        place = self._find(audio)
        if place is None:
            raise AudioError(f"{audio} is in none of the shards in {self.root}", "missing")
        return place

    def _find(self, audio: str) -> tuple[int, int, int] | None:
        """Shard, offset and size."""
        index, key = self._open()[2], _key(audio)
        row = int(np.searchsorted(index["key"], key))
        if row == len(index["key"]) or index["key"][row] != key:
            return None
        return int(index["shard"][row]), int(index["offset"][row]), int(index["size"][row])

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "_opened": None}  # another process opens it by itself


def write_shards(source: AudioFolder, audio: Iterable[str], folder: Path, shard_bytes: int) -> None:
    """Pack recordings into `folder`: tar shards of about `shard_bytes` each, then the table. Goes on where it stopped.

    Raises AudioError for a recording that cannot be opened, ValueError for two that the table could not tell apart.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    rows: list[tuple[int, int, int, int]] = []
    parts = list(_parts(source, sorted(set(audio)), shard_bytes))
    for number, names in enumerate(track(parts, "packing")):
        path = folder / shard_name(number)
        if not _holds(path, source, names):
            _write_shard(source, names, path)
        with tarfile.open(path) as shard:
            rows += [(_key(m.name), number, m.offset_data, m.size) for m in shard.getmembers()]
    rows.sort()
    keys = np.array([key for key, *_ in rows], dtype=np.uint64)
    if len(np.unique(keys)) != len(keys):
        raise ValueError(f"{folder}: two recordings have one hash; rename one")
    columns = [keys, *(np.array(column) for column in list(zip(*rows, strict=True))[1:])]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, _INDEX_SCHEMA, strict=True)],
        schema=_INDEX_SCHEMA,
    )
    write_arrow(folder / INDEX, [batch], _INDEX_SCHEMA.with_metadata({"sha256": _digest(batch)}))


def _digest(index: pa.Table | pa.RecordBatch) -> str:
    digest = hashlib.sha256()
    for field in _INDEX_SCHEMA:
        digest.update(index[field.name].to_numpy().tobytes())
    return digest.hexdigest()


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"{number:05d}.tar"


def _key(audio: str) -> int:
    return int.from_bytes(hashlib.sha256(audio.encode()).digest()[:8], "big")


def _parts(source: AudioFolder, names: Sequence[str], shard_bytes: int) -> Iterator[list[str]]:
    part, size = [], 0
    for name in names:
        part.append(name)
        size += Path(source.location(name)).stat().st_size
        if size >= shard_bytes:
            yield part
            part, size = [], 0
    if part:
        yield part


def _holds(path: Path, source: AudioFolder, names: Sequence[str]) -> bool:
    """Whether a shard holds these recordings as they are now: their bytes, since a repaired one keeps its name."""
    if not path.exists():
        return False
    try:
        with tarfile.open(path) as shard:
            return shard.getnames() == list(names) and all(_is_same(shard, m, source) for m in shard.getmembers())
    except tarfile.TarError:
        return False


def _is_same(shard: tarfile.TarFile, member: tarfile.TarInfo, source: AudioFolder) -> bool:
    packed = shard.extractfile(member)
    assert packed is not None
    with source.open(member.name) as stream:
        if os.fstat(stream.fileno()).st_size != member.size:
            return False
        return hashlib.file_digest(stream, "sha256").digest() == hashlib.file_digest(packed, "sha256").digest()


def _write_shard(source: AudioFolder, names: Sequence[str], path: Path) -> None:
    with replacing(path) as file, tarfile.open(fileobj=file, mode="w") as shard:
        for name in names:
            with source.open(name) as stream:
                member = tarfile.TarInfo(name)  # no owner, no times: the same recordings make the same shard
                member.size = os.fstat(stream.fileno()).st_size
                shard.addfile(member, stream)
