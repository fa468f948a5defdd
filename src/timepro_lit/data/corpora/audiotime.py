"""AudioTime: mixtures of sounds with the times of each and a caption that states them.

`<split>/<subset>/*captions.json` hold `{"syn_1": {"event": {label: [[onset, offset], ...]}, "caption": ...}}`, the
recordings lie in `<split>/<subset>/audio/`. Source: https://github.com/zeyuxie29/AudioTime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.json_files import Fault, entries, events_of

SPLITS = ("train", "test")


class AudioTime:
    """Grounding questions, one a label of a mixture. Labels that list synonyms are asked by the first."""

    name = "audiotime"
    held_out: ClassVar[Mapping[str, int]] = {}

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every label of every mixture, all subsets of train and test."""
        files = [(split, file) for split in SPLITS for file in sorted((root / split).glob("*/*.json"))]
        if not files:
            raise FileNotFoundError(f"{root}: holds no train/<subset>/*.json and no test/<subset>/*.json")
        for split, file in files:
            subset = file.parent.relative_to(root).as_posix()
            for where, mixture in entries(file):
                name = where.removeprefix(f"{file.name}[").removesuffix("]")
                events = mixture.get("event")
                if not isinstance(events, dict):
                    yield Dropped(where, "unreadable entry", "event is no object", "ag")
                    continue
                for n, (label, segments) in enumerate(events.items()):
                    query = label.split(",")[0].strip()
                    try:
                        heard = events_of(segments, query)
                    except Fault as fault:
                        yield Dropped(f"{where}.{label}", "unreadable entry", str(fault), "ag")
                        continue
                    audio = f"{subset}/audio/{name}.wav"
                    yield Annotation(
                        f"{subset}/{name}_{n}", "ag", audio, heard, split, f"{where}.{label}", query or None
                    )
