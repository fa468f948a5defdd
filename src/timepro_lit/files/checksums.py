"""`<file>.sha256` beside a file, as sha256sum writes it: by it a damaged file is told from the one that was written.

A file without it was written by hand or by an earlier version, and nobody can tell.
"""

from __future__ import annotations

from pathlib import Path

from timepro_lit.files.atomic import write_if_changed
from timepro_lit.files.fingerprint import content_digest


def checksum_file(path: Path) -> Path:
    """Where the checksum of a file lies."""
    return path.with_name(f"{path.name}.sha256")


def write_checksum(path: Path) -> None:
    """Store the checksum of a file as it is now."""
    write_if_changed(checksum_file(path), f"{content_digest(path)}  {path.name}\n")


def check(path: Path, digest: str) -> None:
    """Raise ValueError where a file, whose digest is given, is not the one whose checksum was stored."""
    if (stored := stored_checksum(path)) is not None and stored != digest:
        raise ValueError(
            f"{path} is damaged or was changed: it is not what was written, by {checksum_file(path)}; "
            "delete that where the change is meant"
        )


def stored_checksum(path: Path) -> str | None:
    """The digest that was stored for a file, None where there is none."""
    try:
        return checksum_file(path).read_text(encoding="utf-8", errors="replace").partition(" ")[0]
    except FileNotFoundError:
        return None
