"""Ogg: its pages, from which follow whether a file is whole and how many streams lie in it one behind the other.

A last page need not say that it is the last: recorders and streaming servers leave that out, and libsndfile, which will
have it, is told. What is cut off ends within a page, or with a packet that goes on in a page that is not there; what is
damaged does not match a page's checksum, and a decoder would leave it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from timepro_lit.data.audio_error import AudioError
from timepro_lit.data.containers.checksums import ogg_crc
from timepro_lit.data.containers.spliced import Spliced, Stream

_HEADER_BYTES, _MAX_PAGE_BYTES = 27, 27 + 255 + 255 * 255
_FIRST, _LAST = 2, 4


@dataclass(frozen=True, slots=True)
class _Page:
    start: int
    end: int
    flags: int
    goes_on: bool
    """Whether its last packet does, in the next page."""


def ogg(stream: Stream, num_bytes: int, name: str) -> list[Stream]:
    """The streams in a file, of which a decoder reads the first alone. Raises AudioError where one is cut off."""
    pages = list(_pages(stream, num_bytes, name))
    starts = [n for n, page in enumerate(pages) if n == 0 or (page.flags & _FIRST and not pages[n - 1].flags & _FIRST)]
    parts: list[Stream] = []
    for first, behind in zip(starts, [*starts[1:], len(pages)], strict=True):
        start, last = pages[first].start, pages[behind - 1]
        if last.goes_on:
            raise AudioError(f"{name}: its last packet goes on in a page that is not there", "truncated")
        if last.flags & _LAST and (start, last.end) == (0, num_bytes):
            parts.append(stream)
        else:
            parts.append(Spliced(stream, [range(start, last.start), _ending_page(stream, last)]))
    return parts or [stream]


def _pages(stream: Stream, num_bytes: int, name: str) -> Iterator[_Page]:
    place, flags = 0, 0
    while place < num_bytes:
        stream.seek(place)
        header = stream.read(_HEADER_BYTES + 255)
        if header[:4] != b"OggS" and flags & _LAST:
            place = _next_page(stream, place, num_bytes)  # over a tag, or what else stands between two streams
            continue
        header = header[: _HEADER_BYTES + header[26]] if len(header) > 26 else b""
        lacing = header[_HEADER_BYTES:]
        end = place + len(header) + sum(lacing)
        if header[:4] != b"OggS" or len(lacing) < header[26] or end > num_bytes:
            raise AudioError(f"{name}: ends within a page, or is damaged, at byte {place:,}", "truncated")
        stream.seek(place)
        content = bytearray(stream.read(end - place))
        if _checksum(content) != int.from_bytes(content[22:26], "little"):
            raise AudioError(
                f"{name}: is damaged: the page at byte {place:,} does not match its checksum", "unreadable"
            )
        flags = header[5]
        yield _Page(place, end, flags, bool(lacing) and lacing[-1] == 255)
        place = end


def _next_page(stream: Stream, place: int, num_bytes: int) -> int:
    while place < num_bytes:
        stream.seek(place)
        found = stream.read(_MAX_PAGE_BYTES).find(b"OggS")
        if found >= 0:
            return place + found
        place += _MAX_PAGE_BYTES - 3
    return num_bytes


def _ending_page(stream: Stream, page: _Page) -> bytes:
    """The page, said to be the last one of its stream."""
    stream.seek(page.start)
    content = bytearray(stream.read(page.end - page.start))
    content[5] |= _LAST
    content[22:26] = _checksum(content).to_bytes(4, "little")
    return bytes(content)


def _checksum(page: bytearray) -> int:
    """It is made over zeros in its own place."""
    return ogg_crc(page[:22] + bytes(4) + page[26:])
