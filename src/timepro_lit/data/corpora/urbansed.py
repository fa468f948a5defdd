"""URBAN-SED: synthetic soundscapes of ten seconds, `onset <tab> offset <tab> label` a line without a header.

`annotations/<split>/*.txt` and, under the same names, `audio/<split>/*.wav`; splits train, validate and test. Source:
https://urbansed.weebly.com, https://zenodo.org/records/1324404.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from timepro_lit.data.corpora.annotated import Annotation, Dropped
from timepro_lit.data.corpora.json_files import Fault
from timepro_lit.data.corpora.tables import rows, seconds
from timepro_lit.records import Event

SPLITS = {"train": "train", "validate": "val", "test": "test"}
_COLUMNS = ("onset", "offset", "label")


class UrbanSed:
    """Sound event detection.

    Args:
        classes: others are dropped, event by event.
    """

    name = "urbansed"
    held_out: ClassVar[Mapping[str, int]] = {}

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)

    def annotations(self, root: Path) -> Iterator[Annotation | Dropped]:
        """Every soundscape. Raises FileNotFoundError where there is none, ValueError naming file and line."""
        files = [(folder, path) for folder in SPLITS for path in sorted((root / "annotations" / folder).glob("*.txt"))]
        if not files:
            raise FileNotFoundError(f"{root}: holds no annotations/<{', '.join(SPLITS)}>/*.txt")
        for folder, path in files:
            where, events = f"annotations/{folder}/{path.name}", []
            for place, row in rows(path, _COLUMNS, "\t", has_header=False):
                if row["label"] not in self.classes:
                    line = place.rpartition(":")[2]
                    yield Dropped(f"{where}:{line}", "event of an unknown class", row["label"], "sed")
                    continue
                try:
                    onset, offset = (seconds(row[name], name) for name in ("onset", "offset"))
                except Fault as fault:
                    raise ValueError(f"{place}: {fault}") from None
                events.append(Event(onset, offset, row["label"]))
            id_, audio = f"{folder}/{path.stem}", f"audio/{folder}/{path.stem}.wav"
            yield Annotation(id_, "sed", audio, tuple(events), SPLITS[folder], where)
