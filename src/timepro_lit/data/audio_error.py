"""What can be wrong with a recording."""

from __future__ import annotations

from typing import Literal

AudioFault = Literal[
    "missing", "not_a_file", "outside_root", "unreadable", "channels", "sampling_rate", "empty", "too_long",
    "truncated", "not_finite", "out_of_range", "silent", "antiphase",
]  # fmt: skip


class AudioError(ValueError):
    """A clip that cannot be used; the text names the file and says why."""

    kind: AudioFault | None
    """What is wrong. None after the trip from a DataLoader worker, which carries the text alone."""

    def __init__(self, message: str, kind: AudioFault | None = None) -> None:
        super().__init__(message)
        self.kind = kind
