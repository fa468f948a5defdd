"""MPEG-4, Matroska and Windows Media: whether the boxes that a file is made of end within it.

FFmpeg reads whatever is there. A file without an index of its samples it refuses by itself.
"""

from __future__ import annotations

from timepro_lit.data.audio_error import AudioError
from timepro_lit.data.containers.spliced import Stream

_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER_BYTES = 1 << 16
_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def check_mpeg4(stream: Stream, num_bytes: int, name: str) -> None:
    """Raises AudioError where the last box of an MPEG-4 file goes on past its end."""
    place = 0
    while place < num_bytes:
        stream.seek(place)
        head = stream.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size == 0 or not head[4:8].isalnum():  # to the end of the file, or no box
            return
        _check_end(name, place + max(8, size), num_bytes)
        place += max(8, size)


def check_matroska(stream: Stream, num_bytes: int, name: str) -> None:
    """Raises AudioError where the last element of a Matroska file goes on past its end.

    One that is written while it is sent says no sizes, and is taken as it is.
    """
    place = 0
    while place < num_bytes:
        stream.seek(place)
        head = stream.read(12)
        id_, size_bytes = head[: _vint_bytes(head[0])], head[_vint_bytes(head[0]) :]
        width = _vint_bytes(size_bytes[0]) if size_bytes else 8
        body = place + len(id_) + width
        size = int.from_bytes(size_bytes[:width], "big") & (1 << 7 * width) - 1
        if size < (1 << 7 * width) - 1:
            _check_end(name, body + size, num_bytes)
            place = body + size
        elif id_ in (_SEGMENT, _CLUSTER):  # of unknown size: what follows lies in it
            place = body
        else:
            return


def check_windows_media(stream: Stream, num_bytes: int, name: str) -> None:
    """Raises AudioError where a Windows Media file is shorter than it says."""
    stream.seek(0)
    head = stream.read(_ASF_HEADER_BYTES)
    at = head.find(_ASF_PROPERTIES)
    if at >= 0 and len(head) > at + 88 and not head[at + 88] & 1:  # the bit of what is written while it is sent
        _check_end(name, int.from_bytes(head[at + 40 : at + 48], "little"), num_bytes)


def _vint_bytes(first: int) -> int:
    """How many bytes a number of Matroska takes that begins with this one."""
    return 9 - first.bit_length() if first else 8


def _check_end(name: str, end: int, num_bytes: int) -> None:
    if end > num_bytes:
        raise AudioError(f"{name}: ends before its container does: {num_bytes:,} of {end:,} bytes are there",
                         "truncated")  # fmt: skip
