"""MPEG audio: its frames, counted by their headers.

Nothing but the frames says how long such a file is. A decoder takes the count of the first frame (Xing, Info), which is
that of one stream where two have been joined, or without one the bit rate of the first frames, which is another one
later where it varies. Where that would not be right, the frames are put together anew, behind a count that is.
"""

from __future__ import annotations

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
    """What the first four bytes of a frame say."""

    num_bytes: int
    num_samples: int
    layer: int
    sampling_rate: int
    kbps: int
    count_at: int
    """Where a count stands in a frame that holds one."""
    kind: tuple[int, int, int, bool]
    """What stays the same in a stream: version, layer, sampling rate, one channel?"""


@dataclass(slots=True)
class _Audio:
    """The frames of a file, apart from those that hold no audio."""

    first: bytes
    """The first four bytes."""
    header: _Header
    """What they say."""
    begin: int
    """Where in the file they stand."""
    ranges: list[range] = field(default_factory=list)
    num_frames: int = 0
    is_constant: bool = True
    """Whether all have one bit rate."""
    counting: list[bytes] = field(default_factory=list)
    """Frames that say how many there are of a stream, in place of audio."""

    def add(self, start: int, stop: int) -> None:
        """Bytes of a file that hold such frames."""
        if self.ranges and self.ranges[-1].stop == start:
            self.ranges[-1] = range(self.ranges[-1].start, stop)
        elif start < stop:
            self.ranges.append(range(start, stop))


def mp3(stream: Stream, num_bytes: int, name: str, start: int) -> Stream:
    """What a decoder reads as far as the file goes, behind tags that end at `start`.

    Raises AudioError where one is cut off or changes its kind.
    """
    audio = _audio(stream, num_bytes, name)
    if audio is None or not audio.num_frames:
        return stream
    # A decoder looks for frames right behind the tags, and not behind zeros that their sizes do not count.
    whole = stream if audio.begin == start else Spliced(stream, [range(audio.begin, num_bytes)])
    first, is_one = audio.header, len(audio.ranges) == 1 and len(audio.counting) <= 1
    said = _said(audio.counting[0], first) if audio.counting else None
    if said is not None and (said - audio.num_frames) * first.num_samples > _TOLERANCE_S * first.sampling_rate:
        raise AudioError(f"{name}: holds {audio.num_frames} frames, its header promises {said}", "truncated")
    if said is not None and is_one and abs(said - audio.num_frames) <= 1:
        return whole
    # A length that is estimated is right where nothing but frames of one bit rate is there.
    if is_one and not audio.counting and audio.is_constant and num_bytes - len(audio.ranges[0]) < first.num_bytes:
        return whole
    if first.layer == 3:
        return Spliced(stream, [_counting_frame(audio), *audio.ranges])
    if not audio.is_constant:
        raise AudioError(f"{name}: its bit rate varies, so that its length is not known", "unreadable")
    return Spliced(stream, audio.ranges)


def _audio(stream: Stream, num_bytes: int, name: str) -> _Audio | None:
    """All frames; None where none is found."""
    audio: _Audio | None = None
    window, base, place = b"", 0, 0
    while place < num_bytes:
        if place + 4 * _MAX_FRAME_BYTES > base + len(window) and base + len(window) < num_bytes:
            stream.seek(place)
            window, base = stream.read(min(num_bytes - place, _WINDOW_BYTES)), place
        at, is_last = place - base, base + len(window) >= num_bytes
        header = _header(window[at : at + 4])
        if header is None or audio is None or header.kind != audio.header.kind:
            found = at if _begins_a_chain(window, at, is_last) else _search(window, at, num_bytes - base)
            if found != at:
                place = base + found
                continue
            assert header is not None
            if audio is not None:
                raise AudioError(f"{name}: goes on with another sampling rate, layer or number of channels "
                                 f"at byte {place:,}", "sampling_rate")  # fmt: skip
            audio = _Audio(window[at : at + 4], header, place)
        place = base + _follow(audio, window, at, base, is_last)
        if place > num_bytes:
            raise AudioError(f"{name}: ends within a frame", "truncated")
    return audio


def _follow(audio: _Audio, window: bytes, at: int, base: int, is_last: bool) -> int:
    """From frame to frame as long as they are of one kind: where they end.

    It goes once around for every frame, which takes as long as the decoder takes for a tenth of one if it says much.
    """
    limit, num_window = len(window) - (0 if is_last else 3 * _MAX_FRAME_BYTES), len(window)
    start, size, num_frames, before = at, 0, 0, None
    while at < limit:
        header = _header(window[at : at + 4])
        if header is not before:
            if header is None or header.kind != audio.header.kind:
                break
            before, size = header, header.num_bytes
            audio.is_constant &= header.kbps == audio.header.kbps
        if at + size > num_window:
            at += size
            break
        if not window[at + 8] and _counts(window, at, audio.header):
            audio.add(base + start, base + at)
            audio.counting.append(window[at : at + size])
            at = start = at + size
            continue
        num_frames += 1
        at += size
    audio.add(base + start, base + at)
    audio.num_frames += num_frames
    return at


def _counts(window: bytes, at: int, header: _Header) -> bool:
    """Whether a frame holds a count in place of audio."""
    title = window[at + header.count_at : at + header.count_at + 4]
    return header.layer == 3 and (title in _COUNTS or window[at + 36 : at + 40] == b"VBRI")


def _search(window: bytes, at: int, num_left: int) -> int:
    """Where frames may go on, of so many bytes from the window on: behind a tag, or where several follow each other."""
    is_last = num_left <= len(window)
    if window[at : at + 3] == b"ID3" and len(window) >= at + 10 and at + id3_bytes(window[at : at + 10]) <= num_left:
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
        header = _header(window[at : at + 4])
        if header is None or kind not in (None, header.kind):
            is_end = is_last and at == len(window)
            return kind is not None and (is_end or window[at : at + 3] in (b"TAG", b"ID3", b"APE"))
        kind, at = header.kind, at + header.num_bytes
    return at <= len(window)


@lru_cache(maxsize=4_096)
def _header(start: bytes) -> _Header | None:
    """Of the first four bytes of a frame; None for what is none, or has a free bit rate."""
    if len(start) < 4 or start[0] != 0xFF or start[1] < 0xE0:
        return None
    version, layer = start[1] >> 3 & 3, 4 - (start[1] >> 1 & 3)
    bitrate, rate, padding = start[2] >> 4, start[2] >> 2 & 3, start[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    kbps, sampling_rate = _BITRATES[version == 3, layer][bitrate - 1], _RATES[version][rate]
    num_samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    slot = 4 if layer == 1 else 1
    num_bytes = (num_samples // 8 // slot * kbps * 1000 // sampling_rate + padding) * slot
    is_mono = start[3] >= 0xC0
    count_at = 4 + ((17 if is_mono else 32) if version == 3 else (9 if is_mono else 17))
    kind = (version, layer, rate, is_mono)
    return _Header(num_bytes, num_samples, layer, sampling_rate, kbps, count_at, kind)


def id3_bytes(head: bytes) -> int:
    """Length of the ID3 tag that begins with these ten bytes, itself included."""
    size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _said(frame: bytes, header: _Header) -> int | None:
    """The count of audio frames in a Xing or Info frame; None where it holds none."""
    at = header.count_at
    if frame[at : at + 4] not in _COUNTS or not frame[at + 7] & 1:
        return None
    return int.from_bytes(frame[at + 8 : at + 12], "big")


def _counting_frame(audio: _Audio) -> bytes:
    """A first frame that says the right count: the encoder's own, which knows the delay at the start, or a new one."""
    num_bytes = sum(len(part) for part in audio.ranges)
    at = audio.header.count_at
    if audio.counting and _said(audio.counting[0], audio.header) is not None:
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
        start = bytes([first[0], first[1] | 1, bitrate << 4 | first[2] & 0x0C, first[3]])
        header = _header(start)
        if header is not None and header.num_bytes >= 64:
            return bytearray(start).ljust(header.num_bytes, b"\0")
    raise ValueError(f"no frame begins with {first!r}")
