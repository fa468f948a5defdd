from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from timepro_lit.data.audio import read_audio
from timepro_lit.data.audio_error import AudioError
from timepro_lit.data.waveforms import mono_waveform

TONE = (0.5 * np.sin(2 * math.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
INT16 = np.round(TONE * 32_768).astype(np.int16)
AT_8_KHZ = TONE[::2]

ALIKE: dict[str, tuple[Any, int | None]] = {
    "float64": (TONE.astype(float), None),
    "a list": (TONE.tolist(), None),
    "int16": (INT16, None),
    "int16, big-endian": (INT16.astype(">i2"), None),
    "int32": ((TONE.astype(float) * 2**31).astype(np.int32), None),
    "a tensor of int16": (torch.from_numpy(INT16), 16_000),
    "a tensor that learns": (torch.tensor(TONE, requires_grad=True), None),
    "backwards in memory": (TONE[::-1].copy()[::-1], None),
    "(1, n)": (TONE[None], None),
    "(n, 2)": (np.stack([TONE * 1.5, TONE * 0.5], 1), None),
    "(2, n)": (torch.tensor(np.stack([TONE * 1.5, TONE * 0.5])), None),
    "a pair": ((INT16, 16_000), None),
    "a pair and its rate": ((TONE, 16_000), 16_000),
    "a pair the other way round": ((np.int64(16_000), INT16), None),
}


@pytest.mark.parametrize("given", ALIKE)
def test_all_of_these_are_the_same_tone(given: str) -> None:
    samples, sampling_rate = ALIKE[given]
    waveform = mono_waveform(samples, sampling_rate, 16_000, 30.0)
    torch.testing.assert_close(waveform, torch.from_numpy(TONE), atol=1 / 32_768, rtol=0)


def test_an_array_is_what_a_file_of_it_would_be(tmp_path: Path) -> None:
    for samples, rate in ((AT_8_KHZ, 8_000), (np.stack([TONE, TONE * 2.5], 1), 44_100)):
        soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
        waveform = mono_waveform(samples, rate, 16_000, 30.0)
        torch.testing.assert_close(waveform, read_audio(tmp_path / "a.wav"), rtol=0, atol=0)
    assert mono_waveform((AT_8_KHZ, 8_000), None, 16_000, 30.0).shape == (16_000,)
    unsigned = np.array([0, 128, 192] * 10, np.uint8)
    assert mono_waveform(unsigned, None, 16_000, 30.0)[:3].tolist() == [-1.0, 0.0, 0.5]


def test_the_array_of_the_caller_stays_as_it_is() -> None:
    samples = TONE * 1.9
    mono_waveform(samples, None, 16_000, 30.0).zero_()
    assert samples.max() == np.float32(0.5) * np.float32(1.9)


REFUSED: dict[str, tuple[Any, Any, str, str]] = {
    "int64": (INT16.astype(np.int64), None, "unreadable", "holds int64; give floats"),
    "bool": (TONE > 0, None, "unreadable", "holds bool"),
    "ragged": ([[0.5], [0.5, 0.5]], None, "unreadable", "inhomogeneous"),
    "int16 as floats": (INT16.astype(float), None, "out_of_range", "amplitude of 1.64e[+]04"),
    "NaN": (np.where(TONE > 0.4, np.nan, TONE), None, "not_finite", "not finite"),
    "nothing": (TONE[:0], None, "empty", "holds no samples"),
    "31 s": (np.zeros(31 * 8_000), 8_000, "too_long", "lasts 31.00 s, at most 30 s"),
    "9 channels": (np.zeros((9, 100)), None, "channels", r"has the shape \(9, 100\)"),
    "a batch": (TONE[None, None], None, "channels", r"has the shape \(1, 1, 16000\)"),
    "two rates": ((TONE, 16_000), 8_000, "sampling_rate", "comes with 16000 Hz, and sampling_rate says 8000"),
    "no rate": (TONE, 0, "sampling_rate", "rate of 0 Hz"),
    "half a rate": (TONE, 16_000.5, "sampling_rate", "a whole number of Hz, not 16000.5"),
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_is_no_clip_is_refused(given: str) -> None:
    samples, sampling_rate, kind, says = REFUSED[given]
    with pytest.raises(AudioError, match=f"array: .*{says}") as error:
        mono_waveform(samples, sampling_rate, 16_000, 30.0)
    assert error.value.kind == kind
