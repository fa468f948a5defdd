from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.containers.recordings import encoded, heard
from timepro_lit.data.containers.checksums import OGG, crc

VORBIS, OPUS = encoded("OGG", subtype="VORBIS"), encoded("OGG", subtype="OPUS")


def without_end(content: bytes) -> bytes:
    """The last page no longer says that it is the last."""
    start = content.rfind(b"OggS")
    page = bytearray(content[start:])
    page[5] &= ~4
    page[22:26] = bytes(4)
    page[22:26] = crc(page, OGG).to_bytes(4, "little")
    return content[:start] + page


WHOLE = {
    "vorbis": (VORBIS, 2.0),
    "opus": (OPUS, 2.0),
    "vorbis without end": (without_end(VORBIS), 2.0),
    "opus without end": (without_end(OPUS), 2.0),
    "joined": (VORBIS + VORBIS, 4.0),
    "joined without ends": (without_end(OPUS) + without_end(OPUS), 4.0),
    "three, tags between": (OPUS + b"TAG" + bytes(125) + OPUS + bytes(90_000) + OPUS, 6.0),
    "something behind": (VORBIS + b"APETAGEX" + bytes(70), 2.0),
}


@pytest.mark.parametrize("file", WHOLE)
def test_all_streams_are_read_to_their_last_page(file: str, tmp_path: Path) -> None:
    content, duration_s = WHOLE[file]
    assert heard(content, tmp_path) == duration_s


GOES_ON = b"OggS\0\0" + bytes(20) + b"\1\xff" + bytes(255)
GOES_ON = GOES_ON[:22] + crc(GOES_ON, OGG).to_bytes(4, "little") + GOES_ON[26:]
CUT_OFF = {
    "within a page": (without_end(OPUS)[:-1], "truncated"),
    "within the header of a page": (OPUS[: OPUS.rfind(b"OggS") + 9], "truncated"),
    "within a packet": (without_end(VORBIS) + GOES_ON, "truncated"),
    "joined, the second one": (VORBIS + VORBIS[: len(VORBIS) // 2], "truncated"),
    "one bit is another": (VORBIS[:-40] + bytes([VORBIS[-40] ^ 1]) + VORBIS[-39:], "unreadable"),
    "joined with another rate": (VORBIS + encoded("OGG", rate=8_000), "sampling_rate"),
    "joined past the longest clip": (VORBIS * 16, "too_long"),
}


@pytest.mark.parametrize("file", CUT_OFF)
def test_what_is_cut_off_or_changes_is_refused(file: str, tmp_path: Path) -> None:
    content, kind = CUT_OFF[file]
    assert heard(content, tmp_path) == kind
