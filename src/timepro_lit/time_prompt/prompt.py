"""The settings of the Audio-Side Time Prompt, as an experiment chooses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from timepro_lit.time_prompt.embedding import DISTRIBUTIONS, Distribution, mean_of_digits, random_rows
from timepro_lit.time_prompt.grid import TimeGrid


@dataclass(frozen=True, slots=True)
class TimePrompt:
    """How timestamps enter the prompt. A model without a time prompt has `None` in its place.

    Raises ValueError for a value outside its choices.
    """

    stride: int = 1
    """Audio frames per timestamp; 1 is the paper's finest resolution (0.04 s)."""
    init: Literal["digits", "random"] = "digits"
    """Rows from eq. (1), or random ones (the paper's ablation)."""
    distribution: Distribution = "matched"
    """Of random rows: "matched" to the vocabulary's mean and deviation, "small" N(0, 0.02), "unit" N(0, 1)."""
    share_positions: bool = False
    """False: a timestamp advances the position. True: it shares the position of the frame it follows."""
    seed: int = 0
    """Of random rows."""

    def __post_init__(self) -> None:
        for name, value in (("stride", self.stride), ("seed", self.seed)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise ValueError(f"time_prompt.{name} must be a whole number, got {value!r}.")
        if self.stride < 1:
            raise ValueError(f"time_prompt.stride must be at least 1 audio frame, got {self.stride}.")
        if self.seed < 0:
            raise ValueError(f"time_prompt.seed must not be negative, got {self.seed}.")
        if self.init not in ("digits", "random"):
            raise ValueError(f"time_prompt.init must be digits or random, got {self.init!r}.")
        if self.distribution not in DISTRIBUTIONS:
            raise ValueError(
                f"time_prompt.distribution must be one of {', '.join(DISTRIBUTIONS)}, got {self.distribution!r}."
            )
        if not isinstance(self.share_positions, bool):
            raise ValueError(f"time_prompt.share_positions must be true or false, got {self.share_positions!r}.")

    def grid(self, frames_per_second: float, max_seconds: float = 30.0, block_s: float | None = None) -> TimeGrid:
        """The timestamps of a backbone with that frame rate. Raises ValueError where none fit."""
        return TimeGrid(frames_per_second, self.stride, max_seconds, block_s)

    def table(self, grid: TimeGrid, tokenize: Callable[[str], list[int]], embeddings: Tensor) -> Tensor:
        """The frozen timestamp table: (grid.num_timestamps, D) float32 from input embeddings (V, D)."""
        if self.init == "digits":
            return mean_of_digits(grid.texts(), tokenize, embeddings)
        return random_rows(grid.num_timestamps, embeddings, self.seed, self.distribution)
