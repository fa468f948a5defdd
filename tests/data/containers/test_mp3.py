from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.containers.recordings import encoded, heard


def tag(num_bytes: int) -> bytes:
    """ID3, with nothing but zeros."""
    return b"ID3\4\0\0" + bytes([0, 0, num_bytes >> 7, num_bytes & 127]) + bytes(num_bytes)


def frames(content: bytes) -> list[bytes]:
    """Of MPEG 2 layer 3 at 16 kHz."""
    kbps = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    found = []
    while content:
        size = 72 * kbps[content[2] >> 4] * 1000 // 16_000 + (content[2] >> 1 & 1)
        found.append(content[:size])
        content = content[size:]
    return found


CONSTANT = encoded("MP3", bitrate_mode="CONSTANT", compression_level=0.5)
VARIABLE = encoded("MP3", bitrate_mode="VARIABLE", compression_level=0.5)
COUNT, *REST = frames(VARIABLE)
UNCOUNTED = b"".join(REST)
LOUD_FIRST = b"".join(frames(encoded("MP3", loud_first=True, bitrate_mode="VARIABLE", compression_level=0.5))[1:])
OTHER_RATE = encoded("MP3", rate=24_000)

WHOLE = {
    "as encoded": (VARIABLE, 2.0),
    "constant": (CONSTANT, 2.0),
    "no count, quiet first": (UNCOUNTED, 2.1),
    "no count, loud first": (LOUD_FIRST, 2.1),
    "no count, a tag behind": (UNCOUNTED + b"TAG" + bytes(125), 2.1),
    "no count, constant, a large tag behind": (b"".join(frames(CONSTANT)[1:]) + tag(9_000), 2.1),
    "two tags in front": (tag(3_000) + tag(20) + UNCOUNTED, 2.1),
    "constant, no count, a picture in front": (tag(15_000) + b"".join(frames(CONSTANT)[1:]), 2.1),
    "zeros that a tag does not count": (tag(500) + bytes(2_000) + VARIABLE, 2.0),
    "such zeros, constant, no count": (tag(500) + bytes(2_000) + b"".join(frames(CONSTANT)[1:]), 2.1),
    "a few zeros, constant, no count": (tag(0) + bytes(20) + b"".join(frames(CONSTANT)[1:]), 2.1),
    "such zeros, no count": (tag(500) + bytes(2_000) + UNCOUNTED, 2.1),
    "a tag within": (b"".join(REST[:20]) + tag(9_000) + b"".join(REST[20:]), 2.1),
    "something else within": (b"".join(REST[:20]) + b"\xff\xf3\x02" * 99 + b"".join(REST[20:]), 2.1),
    "a count of 9 frames": (VARIABLE.replace(len(REST).to_bytes(4, "big"), (9).to_bytes(4, "big"), 1), 2.0),
    "joined": (VARIABLE + VARIABLE, 4.1),
    "joined, a tag between": (CONSTANT + tag(500) + VARIABLE, 4.1),
    "joined without counts": (UNCOUNTED + LOUD_FIRST, 4.2),
}


@pytest.mark.parametrize("file", WHOLE)
def test_it_is_read_as_far_as_its_frames_go(file: str, tmp_path: Path) -> None:
    content, duration_s = WHOLE[file]
    assert heard(content, tmp_path) == pytest.approx(duration_s, abs=0.11)


CUT_OFF = {
    "half": (VARIABLE[: len(VARIABLE) // 2], "truncated"),
    "half, between frames": (b"".join([COUNT, *REST[:28]]), "truncated"),
    "no count, within a frame": (UNCOUNTED[:-1], "truncated"),
    "joined, the second one within a frame": (VARIABLE + CONSTANT[:-9], "truncated"),
    "joined with another rate": (VARIABLE + OTHER_RATE, "sampling_rate"),
    "a tag alone": (tag(500), "unreadable"),
    "a tag and zeros": (tag(500) + bytes(2_000), "unreadable"),
    "half, behind a tag and zeros": (tag(500) + bytes(2_000) + VARIABLE[: len(VARIABLE) // 2], "truncated"),
}


@pytest.mark.parametrize("file", CUT_OFF)
def test_what_is_cut_off_or_changes_is_refused(file: str, tmp_path: Path) -> None:
    content, kind = CUT_OFF[file]
    assert heard(content, tmp_path) == kind
