"""Label files of what was answered, one a recording and format; and what files about a recording are called."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from timepro_lit.events.labels import Answered, Format, Labels, flagged
from timepro_lit.files.atomic import replacing
from timepro_lit.inference.listener import events_of
from timepro_lit.records import Answer

LABELS = "labels"
"""Folder of the files."""
_NAME_BYTES = 200


def file_name(name: str, suffix: str) -> str:
    """What a file about a recording is called: its name and a suffix, cut where file systems would refuse it.

    >>> file_name("street/a.wav", ".png")
    'street/a.wav.png'
    """
    place, slash, last = name.rpartition("/")
    encoded = os.fsencode(last)
    if len(encoded) > _NAME_BYTES:
        digest = hashlib.sha256(encoded).hexdigest()[:8]
        last = f"{encoded[:_NAME_BYTES].decode(errors='ignore')}-{digest}"
    return f"{place}{slash}{last}{suffix}"


def labels_of(answers: Sequence[Answer]) -> list[Labels]:
    """The answers by recording, in their order."""
    by_audio: dict[str, list[Answer]] = {}
    for answer in answers:
        by_audio.setdefault(answer.example.audio, []).append(answer)
    return [
        Labels(name, round(of_audio[0].example.duration_s, 3), tuple(map(_answered, of_audio)))
        for name, of_audio in by_audio.items()
    ]


def write_labels(all_labels: Sequence[Labels], formats: Mapping[str, Format], folder: Path) -> list[Path]:
    """Write each recording's file of each format, and return their paths."""
    paths = []
    for labels in all_labels:
        for chosen in formats.values():
            paths.append(folder / file_name(labels.audio, chosen.suffix))
            with replacing(paths[-1]) as file:
                file.write(chosen.text(labels).encode("utf-8", "backslashreplace"))
    return paths


def left_out_of(all_labels: Sequence[Labels], formats: Mapping[str, Format]) -> str:
    """A sentence on the events that some of the formats do not hold; "" where they hold all.

    >>> from timepro_lit.events.labels import FORMATS
    >>> from timepro_lit.records import Event
    >>> back = Labels("a.wav", 4.0, (Answered("dac", None, (Event(3.0, 2.0, "a bell", "reversed"),)),))
    >>> left_out_of([back], FORMATS)
    'left out of the audacity, raven, srt, webvtt labels: 1 reversed'
    """
    names = [name for name, chosen in formats.items() if not chosen.keeps_flagged]
    counts = Counter(str(event.flag) for labels in all_labels for event in flagged(labels))
    if not names or not counts:
        return ""
    said = ", ".join(f"{count:,} {flag}" for flag, count in sorted(counts.items()))
    return f"left out of the {', '.join(names)} labels: {said}"


def _answered(answer: Answer) -> Answered:
    example = answer.example
    return Answered(example.task, example.query, events_of(answer), answer.prediction.readable)
