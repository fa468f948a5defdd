"""The recording of each id, where a corpus names ids and leaves the format of the file to whoever downloads it."""

from __future__ import annotations

from pathlib import Path

from timepro_lit.data.audio import AUDIO_SUFFIXES
from timepro_lit.data.media import MEDIA_SUFFIXES

_SUFFIXES = frozenset((*AUDIO_SUFFIXES, *MEDIA_SUFFIXES))


class AudioNames:
    """The recordings in `folder` below `root`, by their names without the suffix.

    Raises ValueError where two are called alike: which one the corpus means, nobody could say.
    """

    def __init__(self, root: Path, folder: str) -> None:
        self.folder = folder
        self.by_stem: dict[str, str] = {}
        """Name without suffix -> name."""
        for path in sorted((root / folder).glob("*")):
            if path.suffix.lower() not in _SUFFIXES:
                continue
            if (other := self.by_stem.setdefault(path.stem, path.name)) != path.name:
                raise ValueError(f"{root / folder} holds {other} and {path.name}: keep one of the two")

    def path(self, id_: str) -> str:
        """Path of the recording below the root; of one that is not there, where it would be as WAV."""
        return f"{self.folder}/{self.by_stem.get(id_, f'{id_}.wav')}"
