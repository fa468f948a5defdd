"""WAV, W64, AIFF, CAF, AU and NIST: whether the samples that a header promises are there, and none beside them.

The samples' own length is what counts. That of the whole container is often wrong: it may be that of the file, 0, or of
an earlier moment. Where a header says no length, since it was written into a pipe or by a recorder that crashed, the
samples last to the end of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from timepro_lit.data.audio_error import AudioError
from timepro_lit.data.containers.spliced import Spliced, Stream

UNKNOWN_SIZE = 0x7FFF_F000
"""Programs that write into a pipe put a size of this or more into the header."""
_MAX_CHUNKS = 10_000
_UNCOUNTED_BYTES = 1_600
"""What may lie behind the last chunk, as tags do: 0.1 s of 8 kHz and 16 bits."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the chunks of a container follow each other."""

    first: int
    """Where the first one begins."""
    size: struct.Struct
    id_bytes: int = 4
    counts_header: bool = False
    alignment: int = 2


@dataclass(frozen=True, slots=True)
class _Chunk:
    id: bytes
    body: int
    """Where its content begins."""
    num_bytes: int


_RIFF, _RIFX = _Layout(12, struct.Struct("<I")), _Layout(12, struct.Struct(">I"))
_W64 = _Layout(40, struct.Struct("<q"), id_bytes=16, counts_header=True, alignment=8)
_CAF = _Layout(8, struct.Struct(">q"), alignment=1)


def wav(stream: Stream, num_bytes: int, name: str) -> Stream:
    """A WAV file of any kind as its header should have said it. Raises AudioError where some of it is missing."""
    head = _at(stream, 0, 12)
    layout = _RIFX if head[:4] == b"RIFX" else _RIFF
    format_, long_size = b"", None  # of RF64, whose sizes do not fit into four bytes
    for chunk in _chunks(stream, layout, num_bytes):
        if chunk.id == b"fmt ":
            format_ = _at(stream, chunk.body, 16)
        elif chunk.id == b"ds64":
            size = int.from_bytes(_at(stream, chunk.body + 8, 8), "little")
            long_size = size if size < 1 << 62 else None
        elif chunk.id == b"data":
            promised = _known(chunk.num_bytes) if head[:4] in (b"RIFF", b"RIFX") else long_size
            block = struct.unpack(layout.size.format[0] + "H", format_[12:14])[0] if len(format_) == 16 else 1
            return _judged(stream, layout, num_bytes, name, chunk, promised, block)
    _check_present(name, _known(int.from_bytes(head[4:8], "big" if layout is _RIFX else "little")), num_bytes, 8)
    return stream


def w64(stream: Stream, num_bytes: int, name: str) -> Stream:
    """A Sony Wave64 file. Raises AudioError where some of it is missing."""
    for chunk in _chunks(stream, _W64, num_bytes):
        if chunk.id[:4] == b"data":
            _check_present(name, chunk.num_bytes, num_bytes, chunk.body)
    return stream


def aiff(stream: Stream, num_bytes: int, name: str) -> Stream:
    """An AIFF file, of which libsndfile reads all where it says no length. Raises AudioError where some is missing."""
    for chunk in _chunks(stream, _RIFX, num_bytes):
        if chunk.id == b"SSND":
            _check_present(name, _known(chunk.num_bytes), num_bytes, chunk.body)
            return stream
    _check_present(name, _known(int.from_bytes(_at(stream, 4, 4), "big")), num_bytes, 8)
    return stream


def caf(stream: Stream, num_bytes: int, name: str) -> Stream:
    """A Core Audio file as its header should have said it. Raises AudioError where some of it is missing."""
    for chunk in _chunks(stream, _CAF, num_bytes):
        if chunk.id == b"data" and chunk.num_bytes == -1:
            return _with(stream, num_bytes, chunk.body - 8, struct.pack(">q", num_bytes - chunk.body))
        if chunk.id == b"data":
            _check_present(name, chunk.num_bytes, num_bytes, chunk.body)
    return stream


def au(stream: Stream, num_bytes: int, name: str) -> Stream:
    """An AU file as its header should have said it. Raises AudioError where some of it is missing."""
    head = _at(stream, 0, 12)
    start, promised = struct.unpack((">" if head[:4] == b".snd" else "<") + "II", head[4:].ljust(8, b"\0"))
    if promised == 0 and start < num_bytes:
        return _with(stream, num_bytes, 8, b"\xff" * 4)
    _check_present(name, _known(promised), num_bytes, start)
    return stream


def nist(stream: Stream, num_bytes: int, name: str) -> Stream:
    """A NIST SPHERE file. Raises AudioError where some of it is missing."""
    fields = [line.split() for line in _at(stream, 0, 1024).split(b"\n")]
    said = {field[0]: int(field[2]) for field in fields if len(field) == 3 and field[1] == b"-i" and field[2].isdigit()}
    samples = said.get(b"sample_count", 0) * said.get(b"channel_count", 1) * said.get(b"sample_n_bytes", 2)
    _check_present(name, samples, num_bytes, 1024)
    return stream


def _judged(
    stream: Stream, layout: _Layout, num_bytes: int, name: str, data: _Chunk, promised: int | None, block: int
) -> Stream:
    """The samples of a WAV file: as promised, or to the end of the file where nothing is."""
    present = num_bytes - data.body
    # Some programs count the header, or all of it but the first eight bytes, among the samples.
    if promised is None or promised in (num_bytes, num_bytes - 8):
        return stream
    _check_present(name, promised, num_bytes, data.body)
    end = data.body + promised
    if not _is_uncounted(stream, layout, num_bytes, end):
        return stream
    if promised:
        behind = num_bytes - end
        raise AudioError(f"{name}: {behind:,} bytes lie behind the samples that its header counts", "truncated")
    usable = present - present % max(1, block)
    # RF64 becomes plain RIFF, whose own sizes count.
    begins = _at(stream, 0, 4).replace(b"RF64", b"RIFF")
    size = struct.pack(layout.size.format, min(usable, 0xFFFF_FFFF))
    return Spliced(stream, [begins, range(4, data.body - 4), size, range(data.body, data.body + usable)])


def _is_uncounted(stream: Stream, layout: _Layout, num_bytes: int, end: int) -> bool:
    """Whether what lies behind the samples may be samples as well: neither chunks, nor a tag, nor zeros."""
    if num_bytes - end <= _UNCOUNTED_BYTES:
        return False
    rest = _at(stream, end, 4096)
    if rest[:3] == b"ID3" or not any(rest):
        return False
    for start in (end + end % 2, end):  # some programs forget the byte that makes a length even
        chunks = list(_chunks(stream, layout, num_bytes, start))
        if chunks and all(_is_chunk(chunk, num_bytes) for chunk in chunks):
            return any(chunk.id in (b"RIFF", b"RIFX", b"RF64", b"data") for chunk in chunks)
    return True


def _chunks(stream: Stream, layout: _Layout, num_bytes: int, start: int | None = None) -> Iterator[_Chunk]:
    """The chunks from `start`, or from the first one, up to the end of the file or to what is none."""
    place = layout.first if start is None else start
    width = layout.id_bytes + layout.size.size
    for _ in range(_MAX_CHUNKS):
        header = _at(stream, place, width)
        if len(header) < width:
            return
        size = layout.size.unpack(header[layout.id_bytes :])[0] - (width if layout.counts_header else 0)
        yield _Chunk(header[: layout.id_bytes], place + width, size)
        if size < 0:
            return
        place += width + size + -(width + size) % layout.alignment
        if place >= num_bytes:
            return


def _is_chunk(chunk: _Chunk, num_bytes: int) -> bool:
    return chunk.id.isascii() and chunk.id.decode().isprintable() and chunk.body + chunk.num_bytes <= num_bytes


def _known(size: int) -> int | None:
    """A size of four bytes, None where it says that nobody knew it."""
    return size if size < UNKNOWN_SIZE else None


def _check_present(name: str, promised: int | None, num_bytes: int, start: int) -> None:
    if promised is not None and num_bytes < start + promised:
        raise AudioError(f"{name}: ends before its container does: "
                         f"{num_bytes:,} of {start + promised:,} bytes are there", "truncated")  # fmt: skip


def _with(stream: Stream, num_bytes: int, place: int, size: bytes) -> Spliced:
    """The file with another size in that place."""
    return Spliced(stream, [range(place), size, range(place + len(size), num_bytes)])


def _at(stream: Stream, place: int, num_bytes: int) -> bytes:
    stream.seek(place)
    return stream.read(num_bytes)
