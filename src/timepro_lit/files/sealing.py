"""Folders that count as complete all at once: made under another name, sealed by a last file, moved in one step."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from timepro_lit.files.atomic import fsync_folder, write_atomically


def seal(partial: Path, final: Path, name: str, text: str) -> None:
    """Write the file `name` into a folder that holds everything else, and move the folder to its final place.

    What is at that place gives way. Killed in between, it leaves the old folder, none, or the whole new one.
    """
    for path in files_in(partial):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    write_atomically(partial / name, text)
    if final.exists():
        old = final.with_name(f".{final.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        final.rename(old)
        partial.rename(final)
        shutil.rmtree(old)
    else:
        partial.rename(final)
    fsync_folder(final.parent)


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, in order."""
    return sorted(p for p in folder.rglob("*") if p.is_file())
