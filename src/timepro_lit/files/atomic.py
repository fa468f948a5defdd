"""Files that exist whole or not at all, also after a crash or a power cut; and what writing them may leave behind."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_LEFT_OVER = re.compile(r"\..+\.([a-z0-9_]{8}(\.tmp)?|partial|old)|.*\.lock")

_UMASK = os.umask(0)
os.umask(_UMASK)
_MODE = 0o666 & ~_UMASK
"""Of new files, as the user's umask says; temporary ones are for their owner alone."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the context ends well; readers see the old or the new one.

    Raises OSError that names `path` where it cannot be written.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The temporary file lies beside the target: a rename is atomic only within one file system.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path), suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fchmod(file.fileno(), _MODE)
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        fsync_folder(path.parent)


@contextmanager
def naming(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Errors within, of the system and those of a library that are given, become an OSError that names `path`.

    A full disk says neither which file it had no room for, nor, through a library, that it is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and _is_about(error.filename, path):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    except errors as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def _is_about(named: object, path: Path) -> bool:
    """Whether an error that names this is one of writing `path`, and not of what was read for it."""
    return named is None or str(named).startswith(str(path.parent / _prefix(path)))


def _prefix(path: Path) -> str:
    return f".{path.name[:40]}."  # a name may be as long as a name can be


def write_atomically(path: Path, text: str) -> None:
    """Write a text in UTF-8."""
    with replacing(path) as file:
        file.write(text.encode())


def write_if_changed(path: Path, text: str) -> None:
    """Write a text, unless the file says the same already."""
    if not path.exists() or path.read_bytes() != text.encode():
        write_atomically(path, text)


def is_left_over(path: Path) -> bool:
    """Whether a name is one of those that a killed process of ours leaves: of something half written, or of a lock.

    >>> is_left_over(Path("run/.config.yaml.k3j_x81a.tmp")), is_left_over(Path("run/config.yaml"))
    (True, False)
    """
    return _LEFT_OVER.fullmatch(path.name) is not None


def sweep(folder: Path) -> None:
    """Remove half-written files from a folder that no other process writes into now; other left-overs have a use."""
    for path in folder.glob(".*.tmp"):
        if is_left_over(path):
            path.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
