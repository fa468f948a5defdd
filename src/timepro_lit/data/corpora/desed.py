"""DESED as DESED_task lays it out: `metadata/**.tsv` and, in folders of the same names, `audio/**.wav`.

Files and counts: https://github.com/turpaultn/DESED, https://github.com/DCASE-REPO/DESED_task. weak.tsv has no times
and is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from timepro_lit.data.annotations import read_events_tsv
from timepro_lit.data.corpora.annotated import Annotation, Dropped


@dataclass(frozen=True, slots=True)
class Part:
    """One TSV and the folder of its audio."""

    split: str
    metadata: str
    audio: str


PARTS = (
    Part("train", "train/synthetic21_train/soundscapes.tsv", "train/synthetic21_train/soundscapes"),
    Part("train", "train/audioset_strong.tsv", "train/strong_label_real"),
    Part("test", "validation/validation.tsv", "validation/validation"),
    Part("synthetic_validation", "validation/synthetic21_validation/soundscapes.tsv",
         "validation/synthetic21_validation/soundscapes"),
    Part("public_eval", "eval/public.tsv", "eval/public"),
)  # fmt: skip
"""validation.tsv is the paper's test split: its 1,168 clips less the 15 that hold no event are the 1,153 of Table 2."""
RESAMPLED = "_16k"
"""DESED_task's recipes put a resampled copy of an audio folder beside it, under its name and this."""


class Desed:
    """Sound event detection over the classes of DESED; parts that are not on disk are left out.

    Args:
        classes: others are dropped, event by event.
    """

    name = "desed"
    held_out: ClassVar[Mapping[str, int]] = {}

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every clip of every part. Raises FileNotFoundError where no part is there."""
        parts = [part for part in PARTS if (root / "metadata" / part.metadata).is_file()]
        if not parts:
            raise FileNotFoundError(f"{root}: holds none of {', '.join(f'metadata/{part.metadata}' for part in PARTS)}")
        for part in parts:
            yield from self._of_part(root, part)

    def _of_part(self, root: Path, part: Part) -> Iterator[Annotation | Dropped]:
        metadata, folder = f"metadata/{part.metadata}", f"audio/{part.audio}"
        if not (root / folder).is_dir() and (root / (folder + RESAMPLED)).is_dir():
            folder += RESAMPLED
        for filename, events in read_events_tsv(root / metadata).items():
            where = f"{metadata}: {filename}"
            known = tuple(event for event in events if event.label in self.classes)
            for event in events:
                if event.label not in self.classes:
                    yield Dropped(where, "event of an unknown class", event.label, "sed")
            id_ = f"{part.audio}/{Path(filename).stem}"
            yield Annotation(id_, "sed", f"{folder}/{filename}", known, part.split, where)
