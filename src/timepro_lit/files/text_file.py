"""Text that somebody wrote with a program of their own: which encoding it is in says a mark at its start."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Those of UTF-32 first: one of them begins as one of UTF-16 does."""
_NO_TEXT = "is no text in UTF-8; save it as UTF-8"


def open_utf8(path: Path) -> BinaryIO:
    """The file behind its mark, or in UTF-8 what it holds in UTF-16 or UTF-32, which are read whole.

    Raises ValueError that names the file where it is in neither, as far as its first bytes say.
    """
    file = path.open("rb")
    head = file.read(4)
    file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
    encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if encoding is None and b"\0" not in head:
        return file
    with file:
        if encoding is None:
            raise ValueError(f"{path}: {_NO_TEXT}")
        try:
            return io.BytesIO(file.read().decode(encoding).encode())
        except UnicodeError:
            raise ValueError(f"{path}: {_NO_TEXT}") from None


@contextmanager
def opened_text(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """The text of a file, in UTF-8 or as its mark says; `newline` as `open` takes it.

    Raises ValueError that names the file where it is in neither, as late as that is read.
    """
    with io.TextIOWrapper(open_utf8(path), encoding="utf-8", newline=newline) as text:
        try:
            yield text
        except UnicodeDecodeError:
            raise ValueError(f"{path}: {_NO_TEXT}") from None
