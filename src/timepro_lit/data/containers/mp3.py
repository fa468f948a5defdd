"""MPEG audio: its frames, counted by their headers.

Nothing but the frames says how long such a file is. A decoder takes the count of the first frame (Xing, Info), which is
that of one stream where two have been joined, or without one the bit rate of the first frames, which is another one
later where it varies. Where that would not be right, the frames are put together anew, behind a count that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from timepro_lit.data.audio_error import AudioError
from timepro_lit.data.containers.spliced import Spliced, Stream

_BITRATES = {  # kbit/s by (MPEG 1?, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz by MPEG version
_MAX_FRAME_BYTES = 4_096
_WINDOW_BYTES = 1 << 20
_TOLERANCE_S = 0.1
_COUNTS = (b"Xing", b"Info")


@dataclass(frozen=True, slots=True)
class _Header:
    """What the second and third byte of a frame say."""

    num_bytes: int
    num_samples: int
    layer: int
    is_mpeg1: bool
    sampling_rate: int
    kbps: int
    kind: int
    """The second byte and, of the third, the sampling rate: what stays the same in a stream."""


@dataclass(slots=True)
class _Audio:
    """The frames of a file, apart from those that hold no audio."""

    first: bytes
    """The first four bytes."""
    header: _Header
    """What they say."""
    is_mono: bool
    ranges: list[range] = field(default_factory=list)
    num_frames: int = 0
    is_constant: bool = True
    """Whether all have one bit rate."""
    counting: list[bytes] = field(default_factory=list)
    """Frames that say how many there are of a stream, in place of audio."""


def mp3(stream: Stream, num_bytes: int, name: str) -> Stream | Spliced:
    """What a decoder reads as far as the file goes. Raises AudioError where one is cut off or changes its kind."""
    audio = _audio(stream, num_bytes, name)
    if audio is None:
        return stream
    said = _said(audio.counting[0], audio.header, audio.is_mono) if audio.counting else None
    if said is not None and (said - audio.num_frames) * audio.header.num_samples > (
        _TOLERANCE_S * audio.header.sampling_rate
    ):
        raise AudioError(f"{name}: holds {audio.num_frames} frames, its header promises {said}", "truncated")
    if len(audio.ranges) == 1 and len(audio.counting) <= 1:
        is_right = abs(said - audio.num_frames) <= 1 if said is not None else not audio.counting and audio.is_constant
        if is_right and (said is not None or num_bytes - audio.ranges[0].stop < audio.header.num_bytes):
            return stream
    if audio.header.layer == 3:
        return Spliced(stream, [_counting_frame(audio), *audio.ranges])
    if not audio.is_constant:
        raise AudioError(f"{name}: its bit rate varies, so that its length is not known", "unreadable")
    return Spliced(stream, audio.ranges)


def _audio(stream: Stream, num_bytes: int, name: str) -> _Audio | None:
    audio: _Audio | None = None
    start = stop = 0
    for place, data, at, header in _frames(stream, num_bytes, name):
        is_mono = data[at + 3] >= 0xC0
        if audio is None:
            audio = _Audio(data[at : at + 4], header, is_mono)
        side = _side_bytes(header, is_mono)
        if header.layer == 3 and (data[at + side : at + side + 4] in _COUNTS or data[at + 36 : at + 40] == b"VBRI"):
            audio.counting.append(data[at : at + header.num_bytes])
            continue
        if is_mono != audio.is_mono:
            raise AudioError(f"{name}: changes between one channel and more", "channels")
        if place != stop:
            if stop > start:
                audio.ranges.append(range(start, stop))
            start = place
        stop = place + header.num_bytes
        audio.num_frames += 1
        audio.is_constant &= header.kbps == audio.header.kbps
    if audio is None or not audio.num_frames:
        return None
    audio.ranges.append(range(start, stop))
    return audio


def _frames(stream: Stream, num_bytes: int, name: str) -> Iterator[tuple[int, bytes, int, _Header]]:
    """Where each frame begins, in the file and in a window of it, and its header."""
    window, base, place, kind = b"", 0, 0, None
    while place < num_bytes:
        if place + 4 * _MAX_FRAME_BYTES > base + len(window) and base + len(window) < num_bytes:
            stream.seek(place)
            window, base = stream.read(_WINDOW_BYTES), place
        at = place - base
        header = _header(window[at : at + 3])
        if header is None or header.kind != kind:
            is_last = base + len(window) >= num_bytes
            found = at if _begins_a_chain(window, at, is_last) else _search(window, at, is_last)
            if found != at:
                place = base + found
                continue
            if kind is not None and header is not None and header.kind != kind:
                raise AudioError(f"{name}: changes its sampling rate or layer at byte {place:,}", "sampling_rate")
        if header is None:
            return
        if place + header.num_bytes > num_bytes:
            raise AudioError(f"{name}: ends within a frame", "truncated")
        kind = header.kind
        yield place, window, at, header
        place += header.num_bytes


def _search(window: bytes, at: int, is_last: bool) -> int:
    """Where frames may go on: behind a tag, or where several follow each other."""
    if window[at : at + 3] == b"ID3" and len(window) >= at + 10:
        return at + id3_bytes(window[at : at + 10])
    place = window.find(b"\xff", at + 1)
    while 0 <= place < len(window) - (0 if is_last else 3 * _MAX_FRAME_BYTES):
        if _begins_a_chain(window, place, is_last):
            return place
        place = window.find(b"\xff", place + 1)
    return len(window) if is_last or place < 0 else place


def _begins_a_chain(window: bytes, at: int, is_last: bool) -> bool:
    """Whether three frames of a kind follow each other, or fewer up to the end of the file or to a tag."""
    kind = None
    for _ in range(3):
        header = _header(window[at : at + 3])
        if header is None or kind not in (None, header.kind):
            is_end = is_last and at == len(window)
            return kind is not None and (is_end or window[at : at + 3] in (b"TAG", b"ID3", b"APE"))
        kind, at = header.kind, at + header.num_bytes
    return at <= len(window)


@lru_cache(maxsize=4_096)
def _header(start: bytes) -> _Header | None:
    """Of the first three bytes of a frame; None for what is none, or has a free bit rate."""
    if len(start) < 3 or start[0] != 0xFF or start[1] < 0xE0:
        return None
    version, layer = start[1] >> 3 & 3, 4 - (start[1] >> 1 & 3)
    bitrate, rate, padding = start[2] >> 4, start[2] >> 2 & 3, start[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    kbps, sampling_rate = _BITRATES[version == 3, layer][bitrate - 1], _RATES[version][rate]
    num_samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    slot = 4 if layer == 1 else 1
    num_bytes = (num_samples // 8 // slot * kbps * 1000 // sampling_rate + padding) * slot
    kind = (start[1] & 0xFE) << 8 | start[2] & 0x0C
    return _Header(num_bytes, num_samples, layer, version == 3, sampling_rate, kbps, kind)


def id3_bytes(head: bytes) -> int:
    """Length of the ID3 tag that begins with these ten bytes, itself included."""
    size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _side_bytes(header: _Header, is_mono: bool) -> int:
    """Where the count stands in a frame that holds one."""
    return 4 + ((17 if is_mono else 32) if header.is_mpeg1 else (9 if is_mono else 17))


def _said(frame: bytes, header: _Header, is_mono: bool) -> int | None:
    """The count of audio frames in a Xing or Info frame; None where it holds none."""
    at = _side_bytes(header, is_mono)
    if frame[at : at + 4] not in _COUNTS or not frame[at + 7] & 1:
        return None
    return int.from_bytes(frame[at + 8 : at + 12], "big")


def _counting_frame(audio: _Audio) -> bytes:
    """A first frame that says the right count: the encoder's own, which knows the delay at the start, or a new one."""
    num_bytes = sum(len(part) for part in audio.ranges)
    at = _side_bytes(audio.header, audio.is_mono)
    if audio.counting and _said(audio.counting[0], audio.header, audio.is_mono) is not None:
        frame = bytearray(audio.counting[0])
        flags, field = frame[at + 7], at + 12
        if flags & 2:
            frame[field : field + 4] = (num_bytes + len(frame)).to_bytes(4, "big")
        field += sum(length for flag, length in ((2, 4), (4, 100), (8, 4)) if flags & flag)
        if len(frame) >= field + 24:  # an end of so many samples is cut off, which was that of the first stream
            frame[field + 22] &= 0xF0
            frame[field + 23] = 0
    else:
        frame = _empty_frame(audio.first)
        frame[at : at + 8] = b"Xing\0\0\0\1"
    frame[at + 8 : at + 12] = audio.num_frames.to_bytes(4, "big")
    return bytes(frame)


def _empty_frame(first: bytes) -> bytearray:
    """A silent frame of the same kind, without a checksum, that has room for a count."""
    for bitrate in range(1, 15):
        start = bytes([first[0], first[1] | 1, bitrate << 4 | first[2] & 0x0C])
        header = _header(start)
        if header is not None and header.num_bytes >= 64:
            return bytearray(start + first[3:4]).ljust(header.num_bytes, b"\0")
    raise ValueError(f"no frame begins with {first!r}")
