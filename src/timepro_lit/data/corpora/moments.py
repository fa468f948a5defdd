"""Moments as lighthouse's JSON lines write them: CASTELLA, Clotho-Moment, TUT 2017, the UnAV-100 subset.

`{"qid", "query", "duration", "vid", "relevant_windows": [[start, end], ...]}` a line, in `<corpus>_<split>.jsonl` or
`<corpus>_<split>_release.jsonl`, below the root or a folder of it. Source: https://github.com/line/lighthouse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.audio_names import AudioNames
from timepro_lit.data.corpora.json_files import Fault, moment_of, number, text
from timepro_lit.data.manifest import MAX_LINE_BYTES
from timepro_lit.files.json_object import read_lines

TASK = "moments"
_FILE = re.compile(r"(.+)_(train|val|test)(?:_release)?\.jsonl")
_OF_VIDEOS = ("castella", "unav100", "unav100-subset")
"""Corpora whose `vid` is the id of a video."""
_EXCERPT = re.compile(r"(.+)_[0-9]+(?:\.[0-9]+)?_[0-9]+(?:\.[0-9]+)?")
"""Else it is a recording with the times of an excerpt: `a002_60_120`, `Singapore_0.0_60.0`."""


class MomentLines:
    """All occurrences of each query. `audio` is the folder of the recordings below the root, `<vid>.*`."""

    name = "moments"
    held_out: ClassVar[Mapping[str, int]] = {}

    def __init__(self, audio: str = "audio") -> None:
        self.audio = audio

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every query of every file that is named as lighthouse names them."""
        paths = sorted([*root.glob("*.jsonl"), *root.glob("*/*.jsonl")])
        files = [(path, found) for path in paths if (found := _FILE.fullmatch(path.name))]
        if not files:
            raise FileNotFoundError(f"{root}: holds no <corpus>_<train, val or test>.jsonl, nor do its folders")
        names = AudioNames(root, self.audio)
        for path, found in files:
            for place, row in read_lines(path, MAX_LINE_BYTES):
                where = f"{path.name}:{place.rpartition(':')[2]}"
                try:
                    yield from _of_line(row, names, found[1], found[2], where)
                except Fault as fault:
                    yield Dropped(where, "unreadable entry", str(fault), TASK)


def _of_line(
    row: dict[str, Any], names: AudioNames, corpus: str, split: str, where: str
) -> Iterator[Annotation | Dropped]:
    vid, qid, duration_s = text(row, "vid"), row.get("qid"), number(row, "duration")
    if not isinstance(qid, int | str) or isinstance(qid, bool):
        raise Fault(f"qid is {qid!r:.80}, neither text nor a whole number")
    query, events, fault = moment_of(row, "query", "relevant_windows")
    if fault is not None:
        yield Dropped(where, "unreadable entry", fault, TASK)
    if query is None:
        return
    excerpt = _EXCERPT.fullmatch(vid)
    recording = f"audioset:{vid}" if corpus in _OF_VIDEOS else f"moments:{corpus}/{excerpt[1] if excerpt else vid}"
    yield Annotation(
        f"{corpus}/{qid}", TASK, names.path(vid), events, split, where, query, duration_s,
        recording=recording, complete=True, unread=() if fault is None else (fault,),
    )  # fmt: skip
