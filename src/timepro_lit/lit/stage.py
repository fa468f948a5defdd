"""One training stage as an experiment describes it, whatever it trains with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lightning import LightningModule

from timepro_lit.data.batches import Rows

Keep = Literal["last", "best"]


@dataclass(frozen=True)
class Stage:
    """What is trained, on how much, for how long. ValueError for unknown rows, and where there is no end to it."""

    module: Callable[..., LightningModule]
    """Makes the LightningModule from what only the run knows, e.g. the model."""
    rows: Rows
    """What a row of a training batch is: a "prompt" to be answered, a "question" with its reference answer, or a
    "clip" with all of its questions and answers. Sizes count rows."""
    batch_size: int
    """Rows to one optimiser step, over all processes; those that remain for the last one of an epoch may be fewer."""
    micro_batch_size: int | None
    """Rows that one process takes at a time, at most; changes speed and memory alone."""
    fit: Mapping[str, Any]
    """Arguments of the Trainer that belong to this stage: max_epochs, max_steps, val_check_interval, ..."""
    examples_per_task: int | None = None
    """So many training examples of each task, drawn with the seed; None takes all."""
    micro_batch_tokens: int | None = None
    """In place of `micro_batch_size`: rows of similar length, as many as fit into so many tokens, padding included."""
    updates_per_rollout: int = 1
    """How often in a row an optimiser batch comes."""
    keep: Keep = "last"
    """What is stored in the end: what was trained last, or what validated best."""
    max_duration_s: float | None = None
    """Of training clips, in seconds: longer ones take no part in this stage; None takes all."""
    label: str | None = None
    """What tables and pages call it; None = its key."""
    about: str | None = None
    """What it does, as it follows upon its label in a sentence."""

    def __post_init__(self) -> None:
        if (self.micro_batch_size is None) == (self.micro_batch_tokens is None):
            raise ValueError(
                "give either micro_batch_size or micro_batch_tokens, the other one null, "
                f"not {self.micro_batch_size} and {self.micro_batch_tokens}"
            )
        if self.rows not in get_args(Rows):
            raise ValueError(f"rows must be one of {', '.join(get_args(Rows))}, got {self.rows!r}")
        if self.keep not in get_args(Keep):
            raise ValueError(f"keep must be one of {', '.join(get_args(Keep))}, got {self.keep!r}")
        longest = self.max_duration_s
        if isinstance(longest, bool) or (longest is not None and not 0 < longest < math.inf):
            raise ValueError(f"max_duration_s must be a length in seconds, or null for all clips, not {longest}")
        if not isinstance(every := self.fit.get("val_check_interval"), int | None) or (every is not None and every < 1):
            raise ValueError(f"fit.val_check_interval: must be a whole number of optimiser steps, not {every}")
        if self.num_steps is None and self.num_epochs is None:
            raise ValueError("fit: give max_epochs or max_steps, or the stage never ends")

    @property
    def num_epochs(self) -> int | None:
        """After so many the stage ends, None = no limit."""
        limit = self.fit.get("max_epochs")
        return None if limit in (None, -1) else limit

    @property
    def num_steps(self) -> int | None:
        """After so many optimiser steps the stage ends, None = no limit."""
        limit = self.fit.get("max_steps")
        return None if limit in (None, -1) else limit

    def arguments(self, num_steps: int, accumulation: int) -> dict[str, Any]:
        """`fit` as the Trainer takes it: `val_check_interval` in batches, and the length in optimiser steps alone.

        To Lightning a stage is one epoch: at the end of one it takes the next for begun, and can be resumed at neither.
        """
        arguments = {**self.fit, "max_epochs": -1, "max_steps": num_steps, "accumulate_grad_batches": accumulation}
        arguments["limit_train_batches"] = 1.0  # of the stage's own, which may be no whole steps
        if (every := arguments.get("val_check_interval")) is not None:
            arguments["val_check_interval"] = every * accumulation
        return arguments
