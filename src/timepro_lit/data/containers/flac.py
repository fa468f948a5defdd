"""FLAC: how many samples there are, by the last frame; the header says none where it was written into a pipe."""

from __future__ import annotations

import numpy as np

from timepro_lit.data.audio_error import AudioError
from timepro_lit.data.containers.checksums import FLAC_FRAME, FLAC_HEADER, crc
from timepro_lit.data.containers.spliced import Spliced, Stream

_BEGINNING = b"fLaC\0\0\0\x22"
_TOTAL = 18
"""Where the eight bytes stand whose last 36 bits are the number of samples."""
_WINDOW_BYTES = 1 << 20
_LONGEST_HEADER = 16
_TAG_BYTES = 128  # of ID3v1, at the end of a file


def flac(stream: Stream, num_bytes: int, name: str) -> list[Stream]:
    """The streams of a file, with the number of samples that they hold. Raises AudioError where the last is cut off."""
    starts = _starts(stream, num_bytes)
    parts: list[Stream] = []
    for start, end in zip(starts, [*starts[1:], num_bytes], strict=True):
        stream.seek(start)
        head = stream.read(_TOTAL + 8)
        if len(head) < _TOTAL + 8:
            return [stream]
        packed = int.from_bytes(head[_TOTAL:], "big")
        promised = packed & (1 << 36) - 1
        present = _num_samples(stream, range(start, end), head, promised)
        if present is None:
            raise AudioError(f"{name}: ends within a frame", "truncated")
        right = head[:_TOTAL] + (packed - promised + max(present, promised)).to_bytes(8, "big")
        is_whole = start == 0 and end == num_bytes and right == head
        parts.append(stream if is_whole else Spliced(stream, [right, range(start + len(head), end)]))
    return parts


def _starts(stream: Stream, num_bytes: int) -> list[int]:
    """Where streams begin: files may have been joined."""
    starts, place = [0], len(_BEGINNING)
    while place < num_bytes:
        stream.seek(place)
        window = stream.read(min(num_bytes - place, _WINDOW_BYTES + len(_BEGINNING) - 1))
        found = window.find(_BEGINNING) if _may_hold_one(window) else -1
        while found >= 0:
            starts.append(place + found)
            found = window.find(_BEGINNING, found + 1)
        place += _WINDOW_BYTES
    return starts


def _may_hold_one(window: bytes) -> bool:
    """Whether "fLaC" is in it: eight times as fast as `find`."""
    title = int.from_bytes(_BEGINNING[:4], "little")
    words = (np.frombuffer(window, "<u4", (len(window) - at) // 4, at) for at in range(4) if len(window) >= at + 4)
    return sum(int(np.count_nonzero(some == title)) for some in words) > 0


def _num_samples(stream: Stream, part: range, head: bytes, promised: int) -> int | None:
    """Where the last frame ends, in samples; `promised` where it is there or not found; None where neither."""
    largest_frame = int.from_bytes(head[15:18], "big") or _WINDOW_BYTES
    start = max(part.start + len(head), part.stop - largest_frame - _TAG_BYTES)
    stream.seek(start)
    tail = stream.read(part.stop - start)
    if tail[-_TAG_BYTES:][:3] == b"TAG":
        tail = tail[:-_TAG_BYTES]
    place = len(tail)
    while (place := max(tail.rfind(sync, 0, place) for sync in (b"\xff\xf8", b"\xff\xf9"))) >= 0:
        end = _end_of(tail[place : place + _LONGEST_HEADER], int.from_bytes(head[8:10], "big"))
        if end is not None and (0 < end <= promised or crc(tail[place:], FLAC_FRAME) == 0):
            return end
    return promised or None


def _end_of(header: bytes, block_samples: int) -> int | None:
    """The number of the sample behind the frame that begins with these bytes, in sync; None where it is none."""
    if len(header) < 6 or header[3] & 1:
        return None
    size_code, rate_code = header[2] >> 4, header[2] & 15
    extra = max(0, 8 - (header[4] ^ 0xFF).bit_length() - 1)  # as in UTF-8: how many bytes follow of the number
    at = 5 + extra
    end = at + {6: 1, 7: 2}.get(size_code, 0) + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if size_code == 0 or rate_code == 15 or len(header) <= end or crc(header[: end + 1], FLAC_HEADER) != 0:
        return None
    number = header[4] & (0x7F >> extra + 1 if extra else 0x7F)
    for byte in header[5:at]:
        number = number << 6 | byte & 0x3F
    sizes = {1: 192, 6: header[at] + 1, 7: int.from_bytes(header[at : at + 2], "big") + 1}
    size = sizes.get(size_code) or (576 << size_code - 2 if size_code < 6 else 256 << size_code - 8)
    return (number if header[1] & 1 else number * block_samples) + size
