"""Log-mel spectrograms for the eye: (n,) samples to an image."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Iterator

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

SAMPLING_RATE = 16_000
_WINDOW, _HOP, _NUM_MELS = 400, 160, 80
_FFT = 1024
"""The window is zero-padded to this length, so that even the lowest mel triangles hold a few frequency bins."""
_DYNAMIC_RANGE_DB = 70.0
_COLORS = 64
MAX_LONG_COLUMNS = 4_000
"""Of the spectrogram of a long recording: about 200 kB."""


def mel_filters(num_mels: int = _NUM_MELS, num_bins: int = _FFT // 2 + 1, sampling_rate: int = SAMPLING_RATE) -> Tensor:
    """(num_mels, num_bins) triangles of peak 1, evenly spaced on the mel scale 2595 log10(1 + f / 700)."""
    top = 2595 * math.log10(1 + sampling_rate / 2 / 700)
    corners_hz = 700 * (10 ** (torch.linspace(0, top, num_mels + 2, dtype=torch.float64) / 2595) - 1)
    bins_hz = torch.linspace(0, sampling_rate / 2, num_bins, dtype=torch.float64)
    low, centre, high = (corners_hz[i : i + num_mels, None] for i in range(3))
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()


def log_mel(waveform: Tensor) -> Tensor:
    """(n,) float32 mono at 16 kHz -> (80, n // 160 + 1) decibels below the loudest point, within [-70, 0].

    Frames are 25 ms long, 10 ms apart, frame k centred at k * 0.01 s. Raises ValueError on another shape or no samples.
    """
    if waveform.ndim != 1 or waveform.numel() == 0:
        raise ValueError(f"a spectrogram needs a mono waveform of shape (n,) with n > 0, got {tuple(waveform.shape)}")
    return _decibels(_power(waveform))


def long_log_mel(blocks: Iterable[Tensor], duration_s: float, max_columns: int = MAX_LONG_COLUMNS) -> Tensor:
    """The same of a recording of any length, given block by block: (80, C), each column the mean of its stretch.

    C is at most `max_columns`. Blocks are (n,) float32 at 16 kHz, one behind the other, none of them held.
    """
    num_columns = max(1, min(max_columns, math.ceil(duration_s * SAMPLING_RATE / _HOP)))
    sums, counts = torch.zeros(_NUM_MELS, num_columns), torch.zeros(num_columns)
    for first, power in _frames(blocks):
        seconds = (first + torch.arange(power.shape[1], dtype=torch.float64)) * _HOP / SAMPLING_RATE
        columns = (seconds / duration_s * num_columns + 1e-6).long().clamp(max=num_columns - 1)
        sums.index_add_(1, columns, power)
        counts.index_add_(0, columns, torch.ones(len(columns)))
    return _decibels(sums / counts.clamp(min=1))


def _frames(blocks: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """The frames of a long recording, some at a time: the number of the first one, and their (80, T) power."""
    reach = -(-_FFT // 2 // _HOP)  # frames that are made of what lies before or behind a block as well
    held, start = torch.zeros(0), 0
    for block in blocks:
        held = torch.cat([held, block])
        skipped, until = (reach if start else 0), len(held) // _HOP - reach
        if until > reach:
            yield start + skipped, _power(held)[:, skipped:until]
            start, held = start + until - reach, held[(until - reach) * _HOP :]
    if len(held):
        yield start + (reach if start else 0), _power(held)[:, reach if start else 0 :]


def _power(waveform: Tensor) -> Tensor:
    window = torch.hann_window(_WINDOW)
    stft = torch.stft(waveform.float(), _FFT, _HOP, _WINDOW, window=window, pad_mode="constant", return_complex=True)
    return mel_filters() @ stft.abs().square()


def _decibels(power: Tensor) -> Tensor:
    decibels = 10 * torch.log10(power.clamp(min=1e-10))
    return (decibels - decibels.max()).clamp(min=-_DYNAMIC_RANGE_DB)


def spectrogram_png(waveform: Tensor, max_columns: int = 640) -> bytes:
    """The log-mel spectrogram as a PNG of 80 rows, low frequencies at the bottom, at most `max_columns` wide."""
    return mel_png(log_mel(waveform), max_columns)


def mel_png(mel: Tensor, max_columns: int) -> bytes:
    """A (80, T) spectrogram, in decibels, as such a PNG."""
    if mel.shape[1] > max_columns:
        mel = torch.nn.functional.adaptive_avg_pool1d(mel, max_columns)
    levels = ((mel / _DYNAMIC_RANGE_DB + 1) * (_COLORS - 1)).round().to(torch.uint8).flip(0).numpy()
    image = Image.fromarray(levels, mode="P")
    image.putpalette(_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def spectrogram_uri(waveform: Tensor) -> str:
    """The picture of `spectrogram_png` as a data URI."""
    return png_uri(spectrogram_png(waveform))


def png_uri(content: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _palette() -> NDArray[np.uint8]:
    colors = matplotlib.colormaps["magma"](np.linspace(0, 1, _COLORS))[:, :3]
    return np.asarray(np.round(colors * 255), dtype=np.uint8)
