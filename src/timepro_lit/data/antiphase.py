"""Channels that cancel each other: a balanced microphone on a stereo input gives x and -x, whose mean is silence."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from timepro_lit.data.audio_error import AudioError

_CANCELLED = 1e-3
"""-30 dB. Channels that have nothing to do with each other lose 3 dB where they are two, 9 where they are eight."""
_SILENT = 1e-10
"""Less is no sound, but how exactly it was computed."""
_BLOCK = 1 << 16


class Phase:
    """How the channels of a recording vary with each other, block by block; an offset of theirs is no sound."""

    def __init__(self) -> None:
        self._num_samples = 0
        self._sums = self._products = torch.zeros(())

    def add(self, samples: Tensor) -> None:
        """The next (num_samples, num_channels)."""
        if samples.shape[1] == 1:
            return
        for block in samples.split(_BLOCK):
            channels = block.double()
            self._sums = self._sums + channels.sum(0)
            self._products = self._products + channels.T @ channels
            self._num_samples += len(block)

    def check(self, name: str) -> None:
        """Raises AudioError where the mean of the channels has under a thousandth of their energy."""
        if not self._num_samples:
            return
        means = self._sums / self._num_samples
        covariance = self._products / self._num_samples - means.outer(means)
        energy, mean = float(covariance.diagonal().mean()), float(covariance.mean())
        if energy > _SILENT and mean < _CANCELLED * energy:
            lost_db = 10 * math.log10(energy / max(mean, _SILENT * energy))
            raise AudioError(f"{name}: its channels cancel each other: their mean, which is heard, lies {lost_db:.0f} "
                             "dB below them; give one of them alone, or invert one", "antiphase")  # fmt: skip
