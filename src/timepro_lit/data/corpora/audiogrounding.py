"""AudioGrounding v2: phrases of AudioCaps captions with the segments in which each is heard.

Lists of `{audiocap_id, audio_id, tokens, phrases: [{phrase, start_index, end_index, segments: [[onset, offset]]}]}`.
Source: https://github.com/wsntxxn/TextToAudioGrounding, https://zenodo.org/records/7269161.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.json_files import Fault, entries, events_of, file_name, number, text

SPLITS = {"train.json": "train", "val.json": "val", "test.json": "test"}


class AudioGrounding:
    """Grounding questions, one a phrase. `audio` is the folder of the recordings below the root."""

    name = "audiogrounding"
    held_out: ClassVar[Mapping[str, int]] = {}

    def __init__(self, audio: str = "audio") -> None:
        self.audio = audio

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every phrase of train.json, val.json and test.json; a split that is not on disk is left out."""
        files = {file: split for file, split in SPLITS.items() if (root / file).is_file()}
        if not files:
            raise FileNotFoundError(f"{root}: holds none of {', '.join(SPLITS)}")
        for file, split in files.items():
            for where, clip in entries(root / file):
                try:
                    yield from self._of_clip(clip, split, where)
                except Fault as fault:
                    yield Dropped(where, "unreadable entry", str(fault), "ag")

    def _of_clip(self, clip: dict[str, object], split: str, where: str) -> Iterator[Annotation | Dropped]:
        caption, audio_id, phrases = number(clip, "audiocap_id"), file_name(clip, "audio_id"), clip.get("phrases")
        if not isinstance(phrases, list):
            raise Fault("phrases is no list")
        for n, phrase in enumerate(phrases):
            here = f"{where}.phrases[{n}]"
            try:
                if not isinstance(phrase, dict):
                    raise Fault("a phrase is no object")
                query = text(phrase, "phrase")
                # [0, 0] says that annotators did not hear the phrase
                events = tuple(e for e in events_of(phrase.get("segments"), query) if (e.onset, e.offset) != (0, 0))
                id_ = f"{caption:.0f}_{number(phrase, 'start_index'):.0f}"
            except Fault as fault:
                yield Dropped(here, "unreadable entry", str(fault), "ag")
                continue
            yield Annotation(id_, "ag", f"{self.audio}/{audio_id}", events, split, here, query)
