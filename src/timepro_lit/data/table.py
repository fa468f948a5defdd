"""Examples of a manifest, memory-mapped: millions of rows that all workers share and none of them copies.

Beside `train.jsonl` lies `train.arrow`, the same examples in Arrow's file format, made on first use and again whenever
the manifest has changed; in a folder that cannot be written to, among the user's caches instead. Arrow (pyarrow) and
not `datasets`, which is built on it: a cache of its own, with fingerprints of its own, would stand beside the manifest,
and nothing else of it would be used.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from timepro_lit.data.arrow import map_arrow, write_arrow
from timepro_lit.data.manifest import iterate_manifest
from timepro_lit.data.splits import AUDIO_SUFFIX
from timepro_lit.files.checksums import check, stored_checksum, write_checksum
from timepro_lit.files.digests import Stamp, stamps_of
from timepro_lit.files.fingerprint import content_digest
from timepro_lit.records import Event, Example

_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "task": pa.string(),
        "audio": pa.string(),
        "duration_s": pa.float64(),
        "query": pa.string(),
        "recording": pa.string(),
        "start_s": pa.float64(),
        "recording_s": pa.float64(),
        "onset": pa.list_(pa.float64()),
        "offset": pa.list_(pa.float64()),
        "label": pa.list_(pa.string()),
    }
)
_VERSION = "3"
"""Of the columns and of what is in them: files of another version are made again."""
_ROWS = 65_536
"""Of a record batch."""
_checked: dict[Path, list[Stamp | None]] = {}
"""Arrow file -> stamps that its manifest and it had when this process saw that they are whole."""


class ExampleTable(Sequence[Example]):
    """The examples of one manifest or of several, one after the other; a selection shares the files of the whole.

    Args:
        sources: (manifest, prefix) pairs; a prefix stands before the audio paths of its manifest.
        rows: (n,) row numbers of a selection, in order; None = all.
        tables: of the manifests' Arrow files, where they are mapped already.
    """

    def __init__(
        self,
        sources: Sequence[tuple[Path, str]],
        rows: np.ndarray | None = None,
        tables: Sequence[pa.Table] | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self._tables = [map_arrow(arrow_file(path)) for path, _ in self.sources] if tables is None else tables
        self._starts = np.cumsum([0, *(table.num_rows for table in self._tables)])
        self.rows = np.arange(self._starts[-1]) if rows is None else np.asarray(rows, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> ExampleTable: ...
    def __getitem__(self, index: int | slice) -> Example | ExampleTable:
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        row = int(self.rows[index])
        source = int(np.searchsorted(self._starts, row, side="right")) - 1
        record: dict[str, Any] = self._tables[source].slice(row - self._starts[source], 1).to_pylist()[0]
        onsets, offsets, labels = record.pop("onset"), record.pop("offset"), record.pop("label")
        record["audio"] = self.sources[source][1] + record["audio"]
        return Example(**record, events=tuple(map(Event, onsets, offsets, labels)))

    def select(self, places: np.ndarray) -> ExampleTable:
        """The examples at these places, in this order; places may also be a mask."""
        return ExampleTable(self.sources, self.rows[places], self._tables)

    def of_tasks(self, names: Sequence[str]) -> ExampleTable:
        """The examples of these tasks."""
        chosen = pc.is_in(self._column("task"), pa.array(names, pa.string()))
        return self.select(chosen.to_numpy())

    @property
    def durations_s(self) -> np.ndarray:
        """(n,) float64 lengths of the clips."""
        durations: np.ndarray = self._column("duration_s").to_numpy()
        return durations

    @property
    def tasks(self) -> np.ndarray:
        """(n,) names of the tasks."""
        codes = self._column("task").combine_chunks().dictionary_encode()
        return np.asarray(codes.dictionary.to_pylist(), dtype=object)[codes.indices.to_numpy()]

    @property
    def ids(self) -> np.ndarray:
        """(n,) ids."""
        ids: np.ndarray = self._column("id").to_numpy()
        return ids

    @property
    def clips(self) -> np.ndarray:
        """(n,) int64 that are equal where two examples have one clip: a recording, or the same window of one.

        Clips of one recording that are said to be differently long are two: at most one of them is what is decoded.
        """
        codes = self._audio().dictionary_encode().indices.to_numpy().astype(np.int64)
        for name in ("start_s", "duration_s", "recording_s"):
            values = self._column(name).combine_chunks().dictionary_encode(null_encoding="encode")
            pairs = codes * max(len(values.dictionary), 1) + values.indices.to_numpy()
            codes = pa.array(pairs).dictionary_encode().indices.to_numpy().astype(np.int64)
        return codes

    @property
    def recordings(self) -> pa.Array:
        """(n,) what the recordings are called in every corpus, or the paths of those that are not called anything."""
        return pc.coalesce(self._names(), self._paths())

    def shared_with(self, other: ExampleTable) -> np.ndarray:
        """(num_recordings, 2) int64 places, here and in the other, of the first example of each recording in both.

        Recordings are the same that have one name or, whatever they are called, one path, file formats aside.
        """
        by_name = pc.index_in(self._names(), other._names(), skip_nulls=True)
        there = pc.coalesce(by_name, pc.index_in(self._paths(), other._paths()))
        here = np.flatnonzero(there.is_valid().to_numpy(zero_copy_only=False))
        places, firsts = np.unique(there.drop_null().to_numpy(), return_index=True)
        pairs = np.stack([here[firsts], places], axis=1).astype(np.int64)
        return pairs[pairs[:, 0].argsort()]

    def manifest_of(self, index: int) -> Path:
        """The manifest that an example is from."""
        return self.sources[int(np.searchsorted(self._starts, self.rows[index], side="right")) - 1][0]

    def _names(self) -> pa.Array:
        return self._column("recording").combine_chunks()

    def _paths(self) -> pa.Array:
        return pc.replace_substring_regex(self._audio(), AUDIO_SUFFIX, "")

    @property
    def audio_files(self) -> list[str]:
        """The path of each recording once, in order of its first example."""
        paths: list[str] = self._audio().unique().to_pylist()
        return paths

    def _audio(self) -> pa.Array:
        parts = [
            pc.binary_join_element_wise(prefix, table["audio"], "")
            for table, (_, prefix) in zip(self._tables, self.sources, strict=True)
        ]
        whole = pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())
        return (whole if self._is_whole(len(whole)) else whole.take(pa.array(self.rows))).combine_chunks()

    @property
    def text_lengths(self) -> np.ndarray:
        """(n,) int64 characters of the query and the labels, and eleven for the times of each event."""
        lengths = [_text_lengths(chunk) for table in self._tables for chunk in table.to_batches()]
        return np.concatenate(lengths)[self.rows]

    def _column(self, name: str) -> pa.ChunkedArray:
        chunks = [chunk for table in self._tables for chunk in table[name].chunks]
        whole = pa.chunked_array(chunks, _SCHEMA.field(name).type)
        return whole if self._is_whole(len(whole)) else whole.take(pa.array(self.rows))

    def _is_whole(self, num_rows: int) -> bool:
        return len(self.rows) == num_rows and bool((self.rows == np.arange(num_rows)).all())

    def __reduce__(self) -> tuple[Any, ...]:
        return _mapped, (self.sources, self.rows)  # another process maps the files by itself


def _mapped(sources: Sequence[tuple[Path, str]], rows: np.ndarray) -> ExampleTable:
    """A table whose files another process has looked at."""
    return ExampleTable(sources, rows, [map_arrow(path.with_suffix(".arrow")) for path, _ in sources])


def read_examples(sources: Sequence[tuple[Path, str]], tasks: Sequence[str]) -> ExampleTable:
    """The examples of these tasks in manifests that are joined; `sources` as of `ExampleTable`.

    Raises ValueError, naming the manifests, for a task without examples, and for an id that two of them have: answers
    are known by it.
    """
    table = ExampleTable(sources).of_tasks(tasks)
    files, present = ", ".join(str(path) for path, _ in sources), set(table.tasks)
    for name in tasks:
        if name not in present:
            raise ValueError(f"{files}: holds no example of task {name!r}")
    if len(sources) > 1:
        ids, counts = np.unique(table.ids, return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"{files}: two examples have the id {ids[counts > 1][0]!r}; joined, each needs its own")
    return table


def arrow_file(manifest: Path) -> Path:
    """The Arrow file of a manifest, made where it is missing, damaged, of another content or of another version.

    A process reads both files once to see that. Raises what `read_manifest` raises, ValueError also where the manifest
    is not as it was prepared.
    """
    try:
        return _arrow_file(manifest, manifest.with_suffix(".arrow"))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "timepro_lit"
    return _arrow_file(manifest, caches / f"{hashlib.sha256(str(manifest.resolve()).encode()).hexdigest()[:16]}.arrow")


def _arrow_file(manifest: Path, path: Path) -> Path:
    if (stamps := stamps_of([manifest, path])) != _checked.get(path) or None in stamps:
        content = content_digest(manifest)
        check(manifest, content)
        digest = f"{_VERSION}:{content}"
        if not path.exists() or stored_checksum(path) != content_digest(path) or _digest_in(path) != digest:
            write_arrow(path, _batches(iterate_manifest(manifest)), _SCHEMA.with_metadata({"manifest": digest}))
            write_checksum(path)
        _checked[path] = stamps_of([manifest, path])
    return path


def _text_lengths(chunk: pa.RecordBatch) -> np.ndarray:
    query = pc.fill_null(pc.utf8_length(chunk["query"]), 0).to_numpy()
    labels = pc.utf8_length(pc.list_flatten(chunk["label"])).to_numpy() + 11
    row_of = pc.list_parent_indices(chunk["label"]).to_numpy()
    return query + np.bincount(row_of, labels, minlength=len(query)).astype(np.int64)


def _batches(examples: Iterable[Example]) -> Iterator[pa.RecordBatch]:
    rows: list[Example] = []
    for example in examples:
        rows.append(example)
        if len(rows) == _ROWS:
            yield _batch(rows)
            rows = []
    if rows:
        yield _batch(rows)


def _batch(examples: Sequence[Example]) -> pa.RecordBatch:
    columns: dict[str, Any] = {
        name: [getattr(example, name) for example in examples] for name in _SCHEMA.names[: _SCHEMA.names.index("onset")]
    }
    for name in ("onset", "offset", "label"):
        columns[name] = [[getattr(event, name) for event in example.events] for example in examples]
    return pa.RecordBatch.from_pydict(columns, schema=_SCHEMA)


def _digest_in(path: Path) -> str | None:
    try:
        metadata = pa.ipc.open_file(pa.memory_map(str(path))).schema.metadata or {}
    except pa.ArrowInvalid:  # of another program, or damaged
        return None
    digest: bytes | None = metadata.get(b"manifest")
    return None if digest is None else digest.decode()
