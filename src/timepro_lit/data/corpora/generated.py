"""The generated soundscapes as if they had been downloaded, so that they can be prepared like any other corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.soundscapes import Soundscapes
from timepro_lit.data.manifest import iterate_manifest


class GeneratedSoundscapes:
    """Soundscapes below the root, generated where they are missing; arguments as of `Soundscapes`."""

    name = "soundscapes"
    held_out: ClassVar[Mapping[str, int]] = {}

    def __init__(
        self, num_clips: Mapping[str, int], seed: int, num_workers: int = 2, recordings: str | None = None
    ) -> None:
        self.num_clips = dict(num_clips)
        self.seed = seed
        self.num_workers = num_workers
        self.recordings = recordings

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every question of every split."""
        corpus = Soundscapes(
            str(root), self.num_clips, self.seed, recordings=self.recordings, num_workers=self.num_workers
        )
        corpus.make_ready()
        below = Path(corpus.root).relative_to(root).as_posix()
        for split in self.num_clips:
            for line, e in enumerate(iterate_manifest(corpus.manifest(split)), start=1):
                where = f"{split}.jsonl:{line}"
                yield Annotation(
                    e.id, e.task, f"{below}/{e.audio}", e.events, split, where, e.query, stated_duration_s=e.duration_s
                )
