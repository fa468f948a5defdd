"""Seconds <-> index <-> timestamp token: the only place that knows which moment a timestamp stands for.

In `A <0.04> A <0.08> A <0.12> ...` frame k covers [(k-1)/25, k/25) s, and a timestamp names the end of the frame it
follows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_SHORTEST_STEP_S = 0.01  # tokens carry two decimals: a finer grid would repeat them


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """The timestamps a backbone's audio frames can be interleaved with, numbered from 1.

    `frames_per_second` is the audio encoder's, `stride` counts frames per timestamp (1 = the finest) and
    `max_seconds` bounds the clip. `block_s` is for encoders that start anew every so many seconds: the last frame of
    a block ends with it, however short that leaves it. `longest_frames` is what the encoder makes of the longest clip,
    where that is more than end within it: those behind have no timestamp. Raises ValueError where no two-decimal grid
    fits these numbers.
    Source: TimePro-RL (arXiv 2604.13715), Audio-Side Time Prompt: 25 frames a second, 750 tokens, 30 s.

    >>> TimeGrid().num_timestamps, TimeGrid().token(1), TimeGrid().token(750)
    (750, '<0.04>', '<30.00>')
    """

    frames_per_second: float = 25.0
    stride: int = 1
    max_seconds: float = 30.0
    block_s: float | None = None
    longest_frames: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.frames_per_second) and self.frames_per_second > 0):
            raise ValueError(f"frames_per_second must be positive, got {self.frames_per_second}.")
        if isinstance(self.stride, bool) or not isinstance(self.stride, int) or self.stride < 1:
            raise ValueError(f"stride must be a whole number of frames, at least 1, got {self.stride!r}.")
        if not (math.isfinite(self.max_seconds) and self.max_seconds > 0):
            raise ValueError(f"max_seconds must be positive, got {self.max_seconds}.")
        if self.block_s is not None and not 0 < self.block_s < math.inf:
            raise ValueError(f"block_s must be positive, got {self.block_s}.")
        if self.stride / self.frames_per_second < _SHORTEST_STEP_S - 1e-9:
            raise ValueError(
                f"stride {self.stride} at {self.frames_per_second:g} frames a second steps by less than "
                f"{_SHORTEST_STEP_S} s, which two decimals cannot tell apart."
            )
        if self.num_timestamps < 1:
            raise ValueError(
                f"stride {self.stride} leaves no timestamp within {self.max_seconds:g} s "
                f"at {self.frames_per_second:g} frames a second."
            )

    @property
    def max_frames(self) -> int:
        """Audio frames of the longest clip."""
        return max(self._frames_within, self.longest_frames)

    @property
    def _frames_within(self) -> int:
        """Audio frames that end within it."""
        blocks, rest_s = (0, self.max_seconds) if self.block_s is None else divmod(self.max_seconds, self.block_s)
        return int(blocks) * self._frames_per_block + math.floor(rest_s * self.frames_per_second + 1e-6)

    @property
    def _frames_per_block(self) -> int:
        return 0 if self.block_s is None else math.ceil(self.block_s * self.frames_per_second - 1e-6)

    def end_s(self, num_frames: int) -> float:
        """The moment, in seconds, at which the last of the first `num_frames` audio frames ends.

        >>> grid = TimeGrid(frames_per_second=12.5, block_s=1.0)
        >>> [grid.end_s(n) for n in (1, 12, 13, 14)]
        [0.08, 0.96, 1.0, 1.08]
        """
        if self.block_s is None:
            return num_frames / self.frames_per_second
        blocks, rest = divmod(num_frames, self._frames_per_block)
        return blocks * self.block_s + min(rest / self.frames_per_second, self.block_s)

    @property
    def num_timestamps(self) -> int:
        """Timestamps in the whole table: 750 at stride 1."""
        return self._frames_within // self.stride

    def timestamps_for(self, num_frames: int) -> int:
        """Timestamps a clip of `num_frames` audio frames uses; frames of an incomplete last stride have none.

        Nor have those that end behind `max_seconds`: the moment lies past the clip.

        Raises ValueError for an empty clip and for one longer than `max_seconds`.
        """
        if num_frames < 1:
            raise ValueError(f"a clip needs at least one audio frame, got {num_frames}.")
        if num_frames > self.max_frames:
            raise ValueError(
                f"a clip of {num_frames} audio frames ({self.end_s(num_frames):.2f} s) is longer than the "
                f"{self.max_seconds:g} s the time prompt covers: cut it into windows of {self.max_seconds:g} s."
            )
        return min(num_frames // self.stride, self.num_timestamps)

    def seconds(self, index: int) -> float:
        """The moment, in seconds, that timestamp `index` (from 1) stands for. Raises ValueError off the grid."""
        if not 1 <= index <= self.num_timestamps:
            raise ValueError(f"timestamp index must lie in 1..{self.num_timestamps}, got {index}.")
        return self.end_s(index * self.stride)

    def text(self, index: int) -> str:
        """The number string that eq. (1) tokenises, always two decimals: `text(1)` is "0.04"."""
        return f"{self.seconds(index):.2f}"

    def token(self, index: int) -> str:
        """The timestamp as shown to people: `token(1)` is "<0.04>"."""
        return f"<{self.text(index)}>"

    def texts(self) -> list[str]:
        """The number strings of the whole table, in order."""
        return [self.text(index) for index in range(1, self.num_timestamps + 1)]
