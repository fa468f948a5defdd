from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.containers.recordings import encoded, heard

FLAC, SLOW = encoded("FLAC"), encoded("FLAC", rate=8_000)


def promising(num_samples: int, content: bytes = FLAC) -> bytes:
    """The header says so many; 0 = it does not know."""
    packed = int.from_bytes(content[18:26], "big")
    return content[:18] + (packed >> 36 << 36 | num_samples).to_bytes(8, "big") + content[26:]


WHOLE = {
    "as encoded": (FLAC, 2.0),
    "a pipe": (promising(0), 2.0),
    "a pipe, 8 kHz": (promising(0, SLOW), 2.0),
    "a pipe, a tag behind": (promising(0) + b"TAG" + bytes(125), 2.0),
    "a pipe, a tag in front": (b"ID3\4\0\0\0\0\1\0" + bytes(128) + promising(0), 2.0),
    "fewer promised": (promising(9_000), 2.0),
    "joined": (FLAC + promising(0), 4.0),
}


@pytest.mark.parametrize("file", WHOLE)
def test_it_is_read_as_far_as_its_frames_go(file: str, tmp_path: Path) -> None:
    content, duration_s = WHOLE[file]
    assert heard(content, tmp_path) == duration_s


CUT_OFF = {
    "a pipe": (promising(0)[:20_000], "truncated"),
    "a pipe, one byte": (promising(0)[:-1], "truncated"),
    "joined": (FLAC + promising(0)[:20_000], "truncated"),
    "with a length": (FLAC[:20_000], "unreadable"),
    "a pipe for a minute": (promising(0, encoded("FLAC", duration_s=31.0, rate=8_000)), "too_long"),
    "a header alone": (promising(0)[:42], "truncated"),
}


@pytest.mark.parametrize("file", CUT_OFF)
def test_what_is_cut_off_is_refused(file: str, tmp_path: Path) -> None:
    content, kind = CUT_OFF[file]
    assert heard(content, tmp_path) == kind
