from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.data.containers.recordings import encoded, heard

SAMPLES = encoded("WAV", duration_s=0.5)[44:]
NUM_BYTES = len(SAMPLES)  # 16,000: 0.5 s at 16 kHz and 16 bits


def wav(riff: int = NUM_BYTES + 36, data: int = NUM_BYTES, samples: bytes = SAMPLES, behind: bytes = b"") -> bytes:
    """What the two sizes say, and what is there."""
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
    return head + b"data" + struct.pack("<I", data) + samples + behind


def rf64(data: int, samples: bytes = SAMPLES) -> bytes:
    sizes = b"ds64" + struct.pack("<IqqqI", 28, len(samples) + 72, data, 0, 0)
    return b"RF64\xff\xff\xff\xffWAVE" + sizes + wav(data=0xFFFF_FFFF, samples=samples)[12:]


LIST = b"LIST" + struct.pack("<I", 4_000) + bytes(4_000)
AIFF, AU, W64, CAF, NIST = (encoded(name, duration_s=0.5) for name in ("AIFF", "AU", "W64", "CAF", "NIST"))
WHOLE = {
    "as written": wav(),
    "the file's size": wav(riff=NUM_BYTES + 44),
    "much too large": wav(riff=9_999_999),
    "much too small": wav(riff=100),
    "0": wav(riff=0),
    "data counts the header": wav(riff=NUM_BYTES + 36, data=NUM_BYTES + 36),
    "a pipe": wav(riff=0xFFFF_FFFF, data=0xFFFF_FFFF),
    "a pipe of sox": wav(riff=0x7FFF_F024, data=0x7FFF_F000),
    "a recorder that crashed": wav(riff=0, data=0),
    "one that crashed within a sample": wav(riff=36, data=0, samples=SAMPLES + b"\7"),
    "a list behind": wav(behind=LIST),
    "zeros behind": wav(behind=bytes(4_000)),
    "a tag behind": wav(behind=b"ID3\4\0\0\0\0\x1f\0" + b"\7" * 3_968),
    "a tag in front": b"ID3\4\0\0\0\0\1\0" + bytes(128) + wav(riff=0),
    "RF64": rf64(NUM_BYTES),
    "RF64, crashed": rf64(0),
    "RIFX": encoded("WAV", duration_s=0.5, endian="BIG"),
    "AIFF, wrong outer size": AIFF[:4] + struct.pack(">I", 9_999_999) + AIFF[8:],
    "AIFF, crashed": AIFF.replace(b"SSND" + struct.pack(">I", NUM_BYTES + 8), b"SSND\0\0\0\0"),
    "AU": AU,
    "AU, crashed": AU[:8] + bytes(4) + AU[12:],
    "AU of a pipe": AU[:8] + b"\xff" * 4 + AU[12:],
    "W64": W64,
    "CAF": CAF,
    "CAF of a pipe": CAF.replace(b"data" + struct.pack(">q", NUM_BYTES + 4), b"data" + b"\xff" * 8),
    "NIST": NIST,
}


@pytest.mark.parametrize("file", WHOLE)
def test_the_samples_alone_decide(file: str, tmp_path: Path) -> None:
    assert heard(WHOLE[file], tmp_path) == 0.5


HALF = SAMPLES[:8_000]
CUT_OFF = {
    "half": (wav(samples=HALF), "truncated"),
    "half, though the outer size fits": (wav(riff=8_036, samples=HALF), "truncated"),
    "half, though the outer size is 0": (wav(riff=0, samples=HALF), "truncated"),
    "one sample": (wav(samples=SAMPLES[:-2]), "truncated"),
    "a length of an earlier moment": (wav(data=8_000), "truncated"),
    "joined": (wav(behind=wav()), "truncated"),
    "half of RF64": (rf64(NUM_BYTES, HALF), "truncated"),
    "no samples": (wav(data=0, samples=b""), "empty"),
    "no samples but a list": (wav(data=0, samples=b"", behind=LIST), "empty"),
    "within the header": (wav()[:30], "truncated"),
    "half of AIFF, though the outer size fits": (AIFF[:4] + struct.pack(">I", 8_000) + AIFF[8:8_008], "truncated"),
    "half of AU": (AU[:8_000], "truncated"),
    "half of W64": (W64[:8_000], "truncated"),
    "half of CAF": (CAF[:8_000], "truncated"),
    "half of NIST": (NIST[:8_000], "truncated"),
    "a format whose end is not known": (encoded("IRCAM"), "unreadable"),
}


@pytest.mark.parametrize("file", CUT_OFF)
def test_what_is_cut_off_is_refused(file: str, tmp_path: Path) -> None:
    content, kind = CUT_OFF[file]
    assert heard(content, tmp_path) == kind
