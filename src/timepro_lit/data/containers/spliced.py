"""A stream made of parts of another one and of bytes of our own, so that nothing long is copied."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from io import BytesIO, FileIO, RawIOBase
from itertools import accumulate
from typing import Any


class Spliced(RawIOBase):
    """Reads `pieces` one behind the other: bytes as they are, ranges as those bytes of `stream`."""

    def __init__(self, stream: FileIO | BytesIO | Spliced, pieces: Sequence[bytes | range]) -> None:
        self._stream = stream
        self._pieces = [piece for piece in pieces if len(piece)]
        self._starts = [0, *accumulate(len(piece) for piece in self._pieces)]
        self._place = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Bytes from the start."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._starts[-1]}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, across the pieces: decoders take less for the end."""
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and self._place < self._starts[-1]:
            number = bisect_right(self._starts, self._place) - 1
            piece = self._pieces[number]
            part = piece[self._place - self._starts[number] :][: len(view) - filled]
            if isinstance(part, range):
                self._stream.seek(part.start)
                content = self._stream.read(len(part))
            else:
                content = part
            if not content:
                break
            view[filled : filled + len(content)] = content
            filled += len(content)
            self._place += len(content)
        return filled


Stream = FileIO | BytesIO | Spliced
"""A file, what came of a bucket, or a part of either."""
