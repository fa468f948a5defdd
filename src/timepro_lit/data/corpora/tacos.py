"""TACOS: captions of the events in clips of Freesound, each with its onset and offset.

`annotations_strong.csv` (filename, text, onset, offset), `development_split.csv` and `test_split.csv` (filename), and
`metadata.csv` (filename, freesound_id), by which two clips of one recording are known. Source:
https://zenodo.org/records/15379789 (arXiv 2505.07609).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped, same_query
from timepro_lit.data.corpora.json_files import Fault
from timepro_lit.data.corpora.tables import rows, seconds
from timepro_lit.records import Event

ANNOTATIONS, METADATA = "annotations_strong.csv", "metadata.csv"
SPLITS = {"development_split.csv": "train", "test_split.csv": "test"}


@dataclass(frozen=True, slots=True)
class _Caption:
    text: str
    """Empty where there is none."""
    heard: Event | str
    """When, or what stands in place of it."""


class Tacos:
    """Grounding of each caption, once and as all occurrences, and dense captioning of each clip.

    Captions that differ in capital letters or a full stop are one. `audio` is the folder of the recordings below the
    root.
    """

    name = "tacos"
    held_out: ClassVar[Mapping[str, int]] = {}

    def __init__(self, audio: str = "audio") -> None:
        self.audio = audio

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every clip of both splits. Raises FileNotFoundError where a file is missing."""
        for file in (ANNOTATIONS, *SPLITS):
            if not (root / file).is_file():
                raise FileNotFoundError(f"{root / file} does not exist")
        split_of = _splits(root)
        known = _recordings(root / METADATA)
        events: dict[str, list[_Caption]] = {}
        for place, row in rows(root / ANNOTATIONS, ("filename", "text", "onset", "offset")):
            where = f"{ANNOTATIONS}:{place.rpartition(':')[2]}"
            if row["filename"] not in split_of:
                yield Dropped(where, "in no split", row["filename"], "dac")
                continue
            of_clip = events.setdefault(row["filename"], [])
            caption = _caption(row)
            if isinstance(caption.heard, str):
                yield Dropped(where, "unreadable entry", caption.heard, "dac")
            if caption in of_clip:
                yield Dropped(where, "repeated", f"{row['filename']}: {caption.text}", "dac")
            else:
                of_clip.append(caption)
        for filename, split in split_of.items():
            if filename in events:
                yield from self._of_clip(filename, events[filename], split, known.get(filename))
            else:
                yield Dropped(f"{ANNOTATIONS}: {filename}", "clip without a caption", split, "dac")

    def _of_clip(
        self, filename: str, captions: Sequence[_Caption], split: str, recording: str | None
    ) -> Iterator[Annotation]:
        where, audio = f"{ANNOTATIONS}: {filename}", f"{self.audio}/{filename}"
        yield Annotation(
            f"dac/{filename}", "dac", audio, _heard(captions), split, where,
            recording=recording, complete=True, unread=_unread(captions),
        )  # fmt: skip
        queries: dict[str, list[_Caption]] = {}
        for caption in captions:
            if caption.text:
                queries.setdefault(same_query(caption.text), []).append(caption)
        for n, of_query in enumerate(queries.values()):
            query = of_query[0].text
            found = tuple(replace(event, label=query) for event in _heard(of_query))
            for task in ("ag", "moments"):
                yield Annotation(
                    f"{task}/{filename}_{n}", task, audio, found, split, where, query,
                    recording=recording, complete=task == "moments", unread=_unread(of_query),
                )  # fmt: skip


def _caption(row: Mapping[str, str]) -> _Caption:
    text = " ".join(row["text"].split())
    try:
        if not text:
            raise Fault("text is empty")
        return _Caption(text, Event(seconds(row["onset"], "onset"), seconds(row["offset"], "offset"), text))
    except Fault as fault:
        return _Caption(text, str(fault))


def _heard(captions: Sequence[_Caption]) -> tuple[Event, ...]:
    return tuple(caption.heard for caption in captions if isinstance(caption.heard, Event))


def _unread(captions: Sequence[_Caption]) -> tuple[str, ...]:
    return tuple(
        f"{caption.heard}: {caption.text}".rstrip(": ") for caption in captions if isinstance(caption.heard, str)
    )


def _splits(root: Path) -> dict[str, str]:
    """File name -> split. Raises ValueError for one that stands in both."""
    found: dict[str, str] = {}
    for file, split in SPLITS.items():
        for place, row in rows(root / file, ("filename",)):
            if not row["filename"]:
                raise ValueError(f"{place}: the filename is missing")
            if found.setdefault(row["filename"], split) != split:
                raise ValueError(f"{place}: {row['filename']} is in {' and in '.join(SPLITS)}")
    return found


def _recordings(path: Path) -> dict[str, str]:
    """File name -> what its recording is called; empty where nobody says."""
    if not path.is_file():
        return {}
    found = ((row["filename"], row["freesound_id"]) for _, row in rows(path, ("filename", "freesound_id")))
    return {name: f"freesound:{id_}" for name, id_ in found if id_}
