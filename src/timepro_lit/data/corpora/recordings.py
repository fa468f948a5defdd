"""Recorded sounds as material for soundscapes: `foreground/<class>/*` and `background/*`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
from numpy.random import RandomState

from timepro_lit.data.audio import AUDIO_SUFFIXES, read_audio
from timepro_lit.data.corpora.synthesis import SAMPLING_RATE, Wave
from timepro_lit.data.media import MEDIA_SUFFIXES
from timepro_lit.files.digests import Stamp, stamp_of

_TRIM_DB = 30.0
"""Leading and trailing frames this far below the loudest one are silence, not sound."""
_DRAWS = 50
_LONGEST_S = 900.0
"""A background may be a long one, and is held in memory."""
SHARES = ("train", "test", "val", "base", "train", "train", "base", "test", "train", "train")
"""The split of the first, second, ... take of a class, and again from the eleventh on."""


class Recordings:
    """A folder of recorded sounds; classes are the names of the folders under `foreground/`.

    Files are known by what they hold: a copy under another name is the same take. In the order of their content's
    digests the takes of a class are divided by `SHARES`, so that no two splits share one. So are backgrounds, where
    there are enough for every split; fewer are heard in all of them. `of` gives the recordings of a split.

    Raises ValueError where the folder holds no labelled sound or no background.
    """

    fades = True

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        classes = [d for d in sorted((self.folder / "foreground").glob("[!.]*")) if d.is_dir()]
        self._takes = {d.name: _by_content(d) for d in classes}
        self._backgrounds = _by_content(self.folder / "background")
        self.labels = tuple(self._takes)
        if empty := [label for label, takes in self._takes.items() if not takes] or (not self.labels and ["<class>"]):
            raise ValueError(f"{self.folder}/foreground/{empty[0]} holds no recordings (wav, flac, ogg, ...)")
        if not self._backgrounds:
            raise ValueError(f"{self.folder}/background holds no recordings (wav, flac, ogg, ...)")
        _refuse_two_classes(self._takes)

    @property
    def content(self) -> str:
        """A digest of all that is mixed: the classes, and what their files and the backgrounds hold."""
        named = {label: list(takes) for label, takes in self._takes.items()}
        return hashlib.sha256(json.dumps([named, list(self._backgrounds)], sort_keys=True).encode()).hexdigest()

    def of(self, split: str) -> Self:
        """The recordings of one split. Raises ValueError for a class that has too few."""
        part = type(self).__new__(type(self))
        part.folder, part.labels = self.folder, self.labels
        part._takes = {label: _share(takes, split) for label, takes in self._takes.items()}
        for label, takes in part._takes.items():
            if not takes:
                needed = SHARES.index(split) + 1
                raise ValueError(
                    f"{self.folder}/foreground/{label} holds {len(self._takes[label])} different recordings, and no "
                    f"two splits share one: {split} needs {needed} or more"
                )
        enough = len(self._backgrounds) >= len(set(SHARES))
        part._backgrounds = _share(self._backgrounds, split) if enough else self._backgrounds
        return part

    def draw(self, label: str, event_s: tuple[float, float], rng: RandomState) -> tuple[str, float]:
        """A take of `label` and its energy-trimmed length in seconds, cut to the longest event allowed."""
        takes = list(self._takes[label].values())
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
        """A random stretch of a random background, repeated where it is short, root mean square 1.

        One that is silent is drawn again. Raises ValueError where nearly all are.
        """
        files = list(self._backgrounds.values())
        for _ in range(_DRAWS):
            file = files[rng.randint(len(files))]
            wave = _whole(file)
            stretch = np.resize(np.roll(wave, -rng.randint(len(wave))), num_samples)
            if np.any(stretch):
                return stretch / np.sqrt(np.mean(stretch**2))
        raise ValueError(f"{file} is silent for longer than a clip, nearly throughout: it is no background")


def _refuse_two_classes(takes: Mapping[str, Mapping[str, str]]) -> None:
    """Raise ValueError for a recording of two classes: it would be another take in each, in any split."""
    known: dict[str, str] = {}
    for of_class in takes.values():
        for digest, path in of_class.items():
            if (other := known.setdefault(digest, path)) != path:
                raise ValueError(f"{other} and {path} are the same recording, in two classes")


def _files(folder: Path) -> Sequence[Path]:
    """Those called like recordings; hidden ones are of the file system's own. Raises ValueError for what is no file."""
    named = (*AUDIO_SUFFIXES, *MEDIA_SUFFIXES)
    found = [path for path in sorted(folder.glob("[!.]*")) if path.suffix.lower() in named]
    for path in found:
        if not path.is_file():
            raise ValueError(f"{path} is no file")
    return found


def _by_content(folder: Path) -> Mapping[str, str]:
    """Digest -> file, one of each content, in the order of the digests."""
    return dict(sorted((_digest(path, stamp_of(path)), str(path)) for path in reversed(_files(folder))))


@lru_cache(maxsize=100_000)
def _digest(path: Path, stamp: Stamp | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _share(takes: Mapping[str, str], split: str) -> Mapping[str, str]:
    return {digest: take for i, (digest, take) in enumerate(takes.items()) if SHARES[i % len(SHARES)] == split}


@lru_cache(maxsize=512)
def _whole(path: str) -> Wave:
    wave = read_audio(Path(path), SAMPLING_RATE, _LONGEST_S).numpy().astype(np.float64)
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
