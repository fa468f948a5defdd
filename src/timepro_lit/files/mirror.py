"""A second place for a folder's files that stays whole when either of the two moves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def mirror(source: Path, target: Path) -> None:
    """Make `target` a folder with the files of `source`; whatever was there is replaced.

    Where both lie on one file system the files are hard links and take no room; elsewhere they are copies.
    """
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, copy_function=_link_or_copy)
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.exists():
        shutil.rmtree(target)
    partial.rename(target)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
