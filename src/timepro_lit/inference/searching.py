"""The recordings in a folder, by their names; links to folders are followed as folders are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from timepro_lit.data.audio import AUDIO_SUFFIXES
from timepro_lit.data.media import MEDIA_SUFFIXES
from timepro_lit.files.visible_text import visible

UNREAD_SUFFIXES = (".ac3", ".ape", ".dsf", ".dts", ".mpc", ".ra", ".spx", ".tta", ".voc", ".wv", ".avi")
"""Recordings, too, which are named as such though nothing here reads them."""
_NAMED = 5


def recordings_below(folder: Path) -> list[Path]:
    """All that is called like a recording, in order: pipes and broken links too, to be named by whoever opens them.

    So are folders that cannot be looked into.
    """
    return sorted(path for path, is_recording in _entries(folder) if is_recording)


def passed_over(folder: Path) -> str:
    """A line on the files in a folder that are not called like recordings; "" where there are none but hidden ones."""
    others = (path for path, is_recording in _entries(folder) if not is_recording and not path.name.startswith("."))
    names = sorted(str(path.relative_to(folder)) for path in others)
    if not names:
        return ""
    named = ", ".join(visible(name, 100) for name in names[:_NAMED])
    files = "1 file is" if len(names) == 1 else f"{len(names):,} files are"
    return f"passed over: {files} not called like a recording: {named}{', ...' if len(names) > _NAMED else ''}\n"


def _entries(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Everything below but folders, and whether it is to be opened; each with its path as it was reached."""
    waiting = [(folder, (os.path.realpath(folder),))]
    while waiting:
        place, ways = waiting.pop()
        try:
            with os.scandir(place) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            yield place, True
            continue
        for entry in found:
            path = place / entry.name
            is_named = path.suffix.lower() in (*AUDIO_SUFFIXES, *MEDIA_SUFFIXES, *UNREAD_SUFFIXES)
            if not entry.is_dir():
                yield path, is_named
                continue
            if is_named:
                yield path, True
            real = os.path.realpath(path)
            if real not in ways:  # a link to a folder that it lies in would lead round in a circle
                waiting.append((path, (*ways, real)))
