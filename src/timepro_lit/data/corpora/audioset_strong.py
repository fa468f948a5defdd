"""AudioSet's strong labels: when each event of 120,000 excerpts of ten seconds begins and ends.

`audioset_train_strong.tsv` and `audioset_eval_strong.tsv`, TAB-separated `segment_id start_time_seconds
end_time_seconds label`; `mid_to_display_name.tsv` names the labels. Source:
https://research.google.com/audioset/download_strong.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.audio_names import AudioNames
from timepro_lit.data.corpora.json_files import Fault
from timepro_lit.data.corpora.tables import rows, seconds
from timepro_lit.records import Event

FILES = {"audioset_train_strong.tsv": "train", "audioset_eval_strong.tsv": "test"}
NAMES = "mid_to_display_name.tsv"
_COLUMNS = ("segment_id", "start_time_seconds", "end_time_seconds", "label")
_SEGMENT = re.compile(r"([A-Za-z0-9_-]{11})_([0-9]{1,9})")
_SECONDS = r"[0-9]{1,9}(?:\.[0-9]{1,3})?"
_RECORDING = re.compile(rf"Y?([A-Za-z0-9_-]{{11}})_({_SECONDS})(?:_({_SECONDS}))?")
_LONGEST_S = 1_000
"""An excerpt that would be longer is named in milliseconds."""


class AudioSetStrong:
    """Sound event detection of chosen classes, by the names that AudioSet shows.

    Args:
        classes: others are dropped, event by event.
        audio: folder of the recordings below the root, `<id>_<start in ms>.*` or `Y<id>_<start in s>_<end in s>.*`.
    """

    name = "audioset_strong"
    held_out: ClassVar[Mapping[str, int]] = {}

    def __init__(self, classes: Sequence[str], audio: str = "audio") -> None:
        self.classes = tuple(classes)
        self.audio = audio

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every excerpt of both files, or of the one that is there. Raises ValueError naming file and line."""
        files = {file: split for file, split in FILES.items() if (root / file).is_file()}
        if not files:
            raise FileNotFoundError(f"{root}: holds none of {', '.join(FILES)}")
        if not (root / NAMES).is_file():
            raise FileNotFoundError(f"{root / NAMES} does not exist")
        shown = {row["id"]: row["name"] for _, row in rows(root / NAMES, ("id", "name"), "\t", has_header=False)}
        if unknown := [one for one in self.classes if one not in shown.values()]:
            raise ValueError(f"{root / NAMES}: names no class {unknown[0]!r}")
        recordings = _recordings(AudioNames(root, self.audio))
        for file, split in files.items():
            events: dict[str, list[Event]] = {}
            for place, row in rows(root / file, _COLUMNS, "\t"):
                of_segment = events.setdefault(row["segment_id"], [])
                label = shown.get(row["label"])
                if label not in self.classes:
                    known = "a class that is not asked" if label else "an unknown class"
                    where = f"{file}:{place.rpartition(':')[2]}"
                    yield Dropped(where, f"event of {known}", label or row["label"], "sed")
                    continue
                of_segment.append(_event(row, label, place))
            for segment, found in events.items():
                yield self._annotation(segment, tuple(found), split, f"{file}: {segment}", recordings)

    def _annotation(
        self, segment: str, events: tuple[Event, ...], split: str, where: str, recordings: Mapping[tuple[str, int], str]
    ) -> Annotation | Dropped:
        named = _SEGMENT.fullmatch(segment)
        if named is None:
            return Dropped(where, "unreadable entry", f"segment_id is {segment!r:.80}", "sed")
        audio = recordings.get((named[1], int(named[2])), f"{self.audio}/{segment}.wav")
        return Annotation(segment, "sed", audio, events, split, where, recording=f"audioset:{named[1]}")


def _event(row: Mapping[str, str], label: str, place: str) -> Event:
    try:
        return Event(*(seconds(row[name], name) for name in _COLUMNS[1:3]), label)
    except Fault as fault:
        raise ValueError(f"{place}: {fault}") from None


def _recordings(names: AudioNames) -> dict[tuple[str, int], str]:
    """(id of the video, where in it the excerpt begins in ms) -> path of the recording.

    A file that is called by the id alone may be all of the video, and is nobody's.
    """
    found: dict[tuple[str, int], str] = {}
    for stem in names.by_stem:
        if named := _RECORDING.fullmatch(stem):
            in_seconds = "." in named[2] or (named[3] and float(named[3]) - float(named[2]) < _LONGEST_S)
            start_ms = round(1000 * float(named[2])) if in_seconds else int(named[2])
            found.setdefault((named[1], start_ms), names.path(stem))
    return found
