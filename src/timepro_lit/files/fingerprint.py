"""Hashes of files and folders by their content: what results are kept under, and what an adapter says it belongs to."""

from __future__ import annotations

import hashlib
from pathlib import Path

WHOLE_FILE_BYTES = 64 * 2**20
NUM_BLOCKS, BLOCK_BYTES = 64, 2**20


def fingerprint(path: Path) -> str:
    """Hash of a file or of a folder's files and their names, 16 hex digits; moving it changes nothing.

    A folder's README.md does not count: a card says what is there and changes nothing of it. Nor does what is hidden
    in it, by a name that begins with a dot: a download and git leave there when and how the rest has come.
    Of files over 64 MiB 64 blocks of 1 MiB are read, spread over the file, so that a 7B checkpoint takes a second.
    Raises FileNotFoundError.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist, so no result can be kept under its fingerprint")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and _counts(p, path))
    digest = hashlib.sha256()
    for file in files:
        name = file.name if file == path else file.relative_to(path).as_posix()
        digest.update(f"{name}\0{file.stat().st_size}\0{file_digest(file)}\n".encode())
    return digest.hexdigest()[:16]


def _counts(file: Path, folder: Path) -> bool:
    return file.name != "README.md" and not any(part.startswith(".") for part in file.relative_to(folder).parts)


def file_digest(file: Path) -> str:
    """Hash of one file's content."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= WHOLE_FILE_BYTES:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256()
        for block in range(NUM_BLOCKS):
            stream.seek(block * (size - BLOCK_BYTES) // (NUM_BLOCKS - 1))
            digest.update(stream.read(BLOCK_BYTES))
        return digest.hexdigest()


def content_digest(file: Path) -> str:
    """Hash of all of a file's content, however large it is."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
