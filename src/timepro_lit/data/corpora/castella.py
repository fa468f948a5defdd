"""CASTELLA: recordings of one to five minutes, and every moment at which each of their captions is heard.

Lists of `{yid, global_caption, duration, num_moments, moments: [{local_caption, timestamps: [[start, end], ...]}]}` in
json/en/, or beside each other below the root; times are whole seconds, in no order. Source:
https://github.com/line/CASTELLA (arXiv 2511.15131).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.audio_names import AudioNames
from timepro_lit.data.corpora.json_files import Fault, entries, moment_of, number, text

SPLITS = {"train.json": "train", "val.json": "val", "test.json": "test"}
TASK = "moments"
_VIDEO = re.compile(r"[A-Za-z0-9_-]{11}")


class Castella:
    """All occurrences of each caption. `audio` is the folder of the recordings below the root, `<yid>.*`."""

    name = "castella"
    held_out: ClassVar[Mapping[str, int]] = {}

    def __init__(self, audio: str = "audio") -> None:
        self.audio = audio

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every moment of train.json, val.json and test.json; a split that is not on disk is left out."""
        folder = root / "json/en" if (root / "json/en").is_dir() else root
        files = {file: split for file, split in SPLITS.items() if (folder / file).is_file()}
        if not files:
            raise FileNotFoundError(f"{folder}: holds none of {', '.join(SPLITS)}")
        names = AudioNames(root, self.audio)
        for file, split in files.items():
            for where, recording in entries(folder / file):
                try:
                    yield from _of_recording(recording, names, split, where)
                except Fault as fault:
                    yield Dropped(where, "unreadable entry", str(fault), TASK)


def _of_recording(
    recording: dict[str, Any], names: AudioNames, split: str, where: str
) -> Iterator[Annotation | Dropped]:
    yid, duration_s, moments = text(recording, "yid"), number(recording, "duration"), recording.get("moments")
    if not _VIDEO.fullmatch(yid):
        raise Fault(f"yid is {yid!r:.80}, not the id of a video")
    if not isinstance(moments, list):
        raise Fault("moments is no list")
    if not moments:
        yield Dropped(where, "recording without a moment", yid, TASK)
    for n, moment in enumerate(moments):
        here = f"{where}.moments[{n}]"
        query, events, fault = moment_of(moment, "local_caption", "timestamps")
        if fault is not None:
            yield Dropped(here, "unreadable entry", fault, TASK)
        if query is not None:
            yield Annotation(
                f"{yid}_{n + 1}", TASK, names.path(yid), events, split, here, query, duration_s,
                recording=f"audioset:{yid}", complete=True, unread=() if fault is None else (fault,),
            )  # fmt: skip
