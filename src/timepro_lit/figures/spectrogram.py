"""Log-mel spectrograms for the eye: (n,) samples to an image."""

from __future__ import annotations

import base64
import io
import math

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
    window = torch.hann_window(_WINDOW)
    stft = torch.stft(waveform.float(), _FFT, _HOP, _WINDOW, window=window, pad_mode="constant", return_complex=True)
    decibels = 10 * torch.log10((mel_filters() @ stft.abs().square()).clamp(min=1e-10))
    return (decibels - decibels.max()).clamp(min=-_DYNAMIC_RANGE_DB)


def spectrogram_png(waveform: Tensor, max_columns: int = 640) -> bytes:
    """The log-mel spectrogram as a PNG of 80 rows, low frequencies at the bottom, at most `max_columns` wide."""
    mel = log_mel(waveform)
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
    return "data:image/png;base64," + base64.b64encode(spectrogram_png(waveform)).decode()


def _palette() -> NDArray[np.uint8]:
    colors = matplotlib.colormaps["magma"](np.linspace(0, 1, _COLORS))[:, :3]
    return np.asarray(np.round(colors * 255), dtype=np.uint8)
