"""Recorded sounds as material for soundscapes: `foreground/<label>/*` and `background/*` (wav, flac, ogg)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.random import RandomState

from timepro_lit.data.audio import read_audio
from timepro_lit.data.corpora.synthesis import SAMPLING_RATE, Wave

_SUFFIXES = {".wav", ".flac", ".ogg"}
_TRIM_DB = 30.0
"""Leading and trailing frames this far below the loudest one are silence, not sound."""


class Recordings:
    """A folder of recorded sounds; classes are the names of the folders under `foreground/`.

    Raises ValueError where the folder holds no labelled sound or no background.
    """

    def __init__(self, folder: str | Path) -> None:
        root = Path(folder)
        self._takes = {
            d.name: sorted(str(f) for f in d.iterdir() if f.suffix.lower() in _SUFFIXES)
            for d in sorted((root / "foreground").glob("*"))
            if d.is_dir()
        }
        self._backgrounds = sorted(str(f) for f in (root / "background").glob("*") if f.suffix.lower() in _SUFFIXES)
        self.labels = tuple(label for label, takes in self._takes.items() if takes)
        if not self.labels:
            raise ValueError(f"{root}/foreground holds no <label>/*.wav, *.flac or *.ogg file")
        if not self._backgrounds:
            raise ValueError(f"{root}/background holds no wav, flac or ogg file")

    def draw(self, label: str, event_s: tuple[float, float], rng: RandomState) -> tuple[str, float]:
        """A take of `label` and its energy-trimmed length in seconds, cut to the longest event allowed."""
        takes = self._takes[label]
        take = takes[rng.randint(len(takes))]
        return take, float(min(event_s[1], len(_trimmed(take)) / SAMPLING_RATE))

    def sound(self, label: str, take: str, num_samples: int, pitch: float, rng: RandomState) -> Wave:
        """The first `num_samples` of a take, zero-padded where it is shorter by a part of a tick, root mean square 1.

        Recorded sounds keep their pitch.
        """
        wave = _trimmed(take)[:num_samples]
        wave = np.pad(wave, (0, num_samples - len(wave)))
        return wave / np.sqrt(np.mean(wave**2))

    def background(self, num_samples: int, rng: RandomState) -> Wave:
        """A random stretch of a random background, repeated where it is short, root mean square 1."""
        wave = _whole(self._backgrounds[rng.randint(len(self._backgrounds))])
        start = rng.randint(len(wave))
        stretch = np.resize(np.roll(wave, -start), num_samples)
        return stretch / np.sqrt(np.mean(stretch**2))


@lru_cache(maxsize=512)
def _whole(path: str) -> Wave:
    wave = read_audio(Path(path), SAMPLING_RATE).numpy().astype(np.float64)
    if not np.any(wave):
        raise ValueError(f"{path} is silent")
    return wave


@lru_cache(maxsize=512)
def _trimmed(path: str) -> Wave:
    """From the first to the last 10 ms frame within 30 dB of the loudest."""
    wave = _whole(path)
    hop = SAMPLING_RATE // 100
    power = np.add.reduceat(wave**2, np.arange(0, len(wave), hop))
    loud = np.flatnonzero(power >= power.max() * 10 ** (-_TRIM_DB / 10))
    return wave[loud[0] * hop : (loud[-1] + 1) * hop]
