"""The settings of the Audio-Side Time Prompt, as an experiment chooses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from timepro_lit.time_prompt.embedding import (
    DISTRIBUTIONS,
    Distribution,
    mean_of_digits,
    random_rows,
    weighted_digits,
)
from timepro_lit.time_prompt.grid import TimeGrid

Init = Literal["digits", "ordered", "random", "text"]
INITS: tuple[Init, ...] = ("digits", "ordered", "random", "text")


@dataclass(frozen=True, slots=True)
class TimePrompt:
    """How timestamps enter the prompt. A model without a time prompt has `None` in its place.

    Raises ValueError for a value outside its choices.
    """

    stride: int = 1
    """Audio frames per timestamp; 1 is the paper's finest resolution (0.04 s)."""
    init: Init = "digits"
    """Rows from eq. (1), `ordered` by weighting its digits, or random ones (the paper's ablation); "text" has no rows:
    the tokens of the number string stand in the sequence, as in models that write time between their frames."""
    distribution: Distribution = "matched"
    """Of random rows: "matched" to the vocabulary's mean and deviation, "small" N(0, 0.02), "unit" N(0, 1)."""
    share_positions: bool = False
    """False: a timestamp advances the position. True: it shares the position of the frame it follows."""
    seed: int = 0
    """Of random rows."""
    before: bool = False
    """False: a timestamp follows its frames. True: it stands before them."""

    def __post_init__(self) -> None:
        for name, value in (("stride", self.stride), ("seed", self.seed)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise ValueError(f"time_prompt.{name} must be a whole number, got {value!r}.")
        if self.stride < 1:
            raise ValueError(f"time_prompt.stride must be at least 1 audio frame, got {self.stride}.")
        if self.seed < 0:
            raise ValueError(f"time_prompt.seed must not be negative, got {self.seed}.")
        if self.init not in INITS:
            raise ValueError(f"time_prompt.init must be one of {', '.join(INITS)}, got {self.init!r}.")
        if self.distribution not in DISTRIBUTIONS:
            raise ValueError(
                f"time_prompt.distribution must be one of {', '.join(DISTRIBUTIONS)}, got {self.distribution!r}."
            )
        for name, flag in (("share_positions", self.share_positions), ("before", self.before)):
            if not isinstance(flag, bool):
                raise ValueError(f"time_prompt.{name} must be true or false, got {flag!r}.")
        if self.init == "text" and self.share_positions:
            raise ValueError("time_prompt.share_positions: tokens of a text advance the position, so it must be false.")

    def grid(
        self,
        frames_per_second: float,
        max_seconds: float = 30.0,
        block_s: float | None = None,
        longest_frames: int = 0,
    ) -> TimeGrid:
        """The timestamps of a backbone with that frame rate. Raises ValueError where none fit."""
        return TimeGrid(frames_per_second, self.stride, max_seconds, block_s, longest_frames)

    @property
    def has_rows(self) -> bool:
        """Whether timestamps are embeddings of their own."""
        return self.init != "text"

    def table(self, grid: TimeGrid, tokenize: Callable[[str], list[int]], embeddings: Tensor) -> Tensor | None:
        """The frozen timestamp table: (grid.num_timestamps, D) float32 from input embeddings (V, D); None for text."""
        if not self.has_rows:
            return None
        if self.init != "random":
            rows = mean_of_digits if self.init == "digits" else weighted_digits
            return rows(grid.texts(), tokenize, embeddings)
        return random_rows(grid.num_timestamps, embeddings, self.seed, self.distribution)
