"""What encoders in the line of Whisper share: a convolution of stride 2, then a pooling by two, in 30-s windows."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

WINDOW_MEL = 3000
"""Mel frames of a window of 30 s."""
Count = TypeVar("Count", int, Tensor)


def halved_twice(num_mel: Count) -> Count:
    """Audio frames of `num_mel` mel frames of 10 ms: 25 a second, an incomplete last one left out."""
    return ((num_mel - 1) // 2 + 1) // 2


def own_frames(frames: Tensor, feature_mask: Tensor) -> Tensor:
    """(B, N, D) frames of padded windows and their (B, T) mel mask -> those of the clips, (sum of num_frames, D)."""
    order = torch.arange(frames.shape[1], device=frames.device)
    return frames[order < halved_twice(feature_mask.sum(1))[:, None]]
