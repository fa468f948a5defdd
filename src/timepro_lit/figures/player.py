"""Sound inside a page: an audio file as a data URI."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from timepro_lit.figures.spectrogram import SAMPLING_RATE

_MULAW_FORMAT_TAG = 7


def audio_uri(path: Path | None, waveform: Tensor, max_bytes: int) -> str:
    """The WAV or FLAC file at `path` as it is, where it has at most `max_bytes`; else a smaller copy of `waveform`.

    `waveform` is the decoded file: (n,) float32, mono, 16 kHz, within [-1, 1]. The copy is an 8-bit mu-law WAV at
    16 kHz, or at 8, 4 or 2 kHz where only that fits; files of other formats are always copied, as not every browser
    plays them, and so is what has no file of its own. `max_bytes` is counted before base64.
    """
    if path is not None and path.stat().st_size <= max_bytes:
        content = path.read_bytes()
        if (media_type := _media_type(content[:12])) is not None:
            return _data_uri(media_type, content)
    return _data_uri("audio/wav", smaller_wav(waveform, max_bytes))


def smaller_wav(waveform: Tensor, max_bytes: int) -> bytes:
    """(n,) float32 within [-1, 1] at 16 kHz as an 8-bit mu-law WAV file; of a lower rate where only that fits."""
    factor = next((f for f in (1, 2, 4) if waveform.numel() // f + 64 <= max_bytes), 8)
    return mulaw_wav(waveform, factor)


def mulaw_wav(waveform: Tensor, factor: int = 1) -> bytes:
    """(n,) float32 within [-1, 1] at 16 kHz as an 8-bit mu-law WAV file at 16 kHz / `factor` (ITU-T G.711)."""
    if factor > 1:
        waveform = torch.nn.functional.avg_pool1d(waveform[None], factor)[0]
    codes = _mulaw(waveform.float().numpy()).tobytes()
    rate = SAMPLING_RATE // factor
    layout = struct.pack("<HHIIHHH", _MULAW_FORMAT_TAG, 1, rate, rate, 1, 8, 0)
    length = struct.pack("<I", len(codes))
    body = b"WAVE" + _chunk(b"fmt ", layout) + _chunk(b"fact", length) + _chunk(b"data", codes)
    return _chunk(b"RIFF", body)


def _mulaw(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    magnitude = np.minimum(np.abs(np.rint(samples * 32767)).astype(np.int64), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    sign = np.where(samples < 0, 128, 0)
    codes: NDArray[np.uint8] = (255 - (sign | exponent << 4 | mantissa)).astype(np.uint8)
    return codes


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _media_type(head: bytes) -> str | None:
    if head[:4] == b"fLaC":
        return "audio/flac"
    return "audio/wav" if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else None


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
