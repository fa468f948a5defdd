"""Recordings of noise as bytes, to be damaged, and what is made of them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from timepro_lit.data.audio import AudioError, read_audio


def encoded(format_: str, duration_s: float = 2.0, rate: int = 16_000, loud_first: bool = False, **how: Any) -> bytes:
    """Noise, one half of it quiet."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(rate * duration_s))
    samples[: len(samples) // 2] *= 0.01
    samples = samples[::-1] if loud_first else samples
    file = BytesIO()
    soundfile.write(file, samples, rate, format=format_, **how)
    return file.getvalue()


def heard(content: bytes, folder: Path) -> float | str:
    """Seconds to 0.1, or what is wrong with the file."""
    (folder / "a").write_bytes(content)
    try:
        return round(len(read_audio(folder / "a")) / 16_000, 1)
    except AudioError as error:
        assert str(error).startswith(f"{folder / 'a'}: ")
        return str(error.kind)
